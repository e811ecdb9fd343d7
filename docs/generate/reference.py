"""The reference of JSON documents and exit codes, made from the code: what each key means stands at the `to_json` that
makes it, and what a verb exits with at the `exit_code` of its result."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from agentless.cache.pruning import Pruned
from agentless.cli import preview
from agentless.model import connections, copies, exit_codes, job, problem, process, results, states
from agentless.report.failure import failure
from agentless.schedule import coming, host_schedule, overview
from docs.generate.samples import SAMPLES

__all__ = ["DOCUMENTS", "EXITS", "Document", "Key", "exit_codes_page", "json_page", "keys"]

_KEY = re.compile(r"    (?P<name>\S+) \((?P<type>[^()]*(?:\([^()]*\))?[^()]*)\): (?P<text>.*)")


@dataclass(frozen=True)
class Key:
    """One key of an object: its type in words, and what it means."""

    name: str
    type: str
    text: str


@dataclass(frozen=True)
class Part:
    """A kind of object within a document.

    Args:
        title: its heading; empty where the document is this object, or has one by name.
        made_by: the functions whose docstrings have its keys.
        at: where the sample has such an object: keys, list indices, and `*` for the first value of an object.
        note: what is to be said before its keys.
    """

    title: str
    made_by: tuple[Callable[..., Any], ...]
    at: tuple[str | int, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Document:
    """What `--out json` gives for some verbs.

    Args:
        title: its heading.
        verbs: that give it, as they are typed.
        sample: the name of its example.
        shape: what the document is as a whole.
    """

    title: str
    verbs: tuple[str, ...]
    sample: str
    shape: str
    parts: tuple[Part, ...]


_BY_HOST = 'An object by inventory name. A host that could not be asked has `{"error": {…}}` ([error](#error)).'

DOCUMENTS = (
    Document(
        "A job",
        ("run", "jobs lookup", "jobs wait", "jobs retry", "jobs show", "jobs last", "jobs tail", "schedule run"),
        "report",
        "One job and all its hosts. `jsonl` gives a line a host: `jid`, `host`, and the keys of its object.",
        (
            Part("", (job.Job.to_json, job.Report.to_json)),
            Part("A host of a job", (states.HostResult.to_json,), ("hosts", "*"), "Every host has every key."),
            Part("Error", (problem.Problem.to_json,), ("hosts", "web2", "error")),
        ),
    ),
    Document("What would be run", ("run --check",), "check", "", (Part("", (preview.preview_json,)),)),
    Document(
        "Jobs that run on hosts",
        ("running",),
        "running",
        f"{_BY_HOST} Each other one has a list of the jobs that it runs, in Salt's words:",
        (Part("", (process.Process.to_json,), ("web1", 0)),),
    ),
    Document(
        "Where a job runs",
        ("find-job",),
        "found",
        _BY_HOST + " One that runs it has the object below, one that does not has `{}`.",
        (Part("", (process.Process.to_json,), ("web1",)),),
    ),
    Document(
        "What a signal did",
        ("signal-job", "term-job", "kill-job"),
        "signalled",
        "",
        (
            Part("", (results.Signalled.to_json,)),
            Part("A host that was signalled", (process.Signal.to_json,), ("hosts", "*")),
            Part("A survivor", (process.Survivor.to_json,), ("hosts", "*", "survivors", 0)),
        ),
    ),
    Document(
        "Jobs that have not ended",
        ("jobs active",),
        "active",
        "An object by JID. Hosts that could not be asked stand on stderr, and make the exit code 3.",
        (Part("", (results.ActiveJob.to_json,), ("*",)),),
    ),
    Document(
        "The list of jobs",
        ("jobs list",),
        "list",
        "An object by JID, newest first.",
        (Part("", (results.Listed.to_json,), ("*",)),),
    ),
    Document(
        "Whether a job succeeded",
        ("jobs exit-success",),
        "exit_success",
        "",
        (Part("", (results.ExitSuccess.to_json,)),),
    ),
    Document(
        "Files",
        ("put", "get"),
        "copies",
        "",
        (
            Part("", (copies.Copies.to_json,)),
            Part("A host of a copy", (copies.Copied.to_json,), ("hosts", "*")),
            Part("A file that was not copied", (copies.FileFailure.to_json,), ("hosts", "web2", "failed", 0)),
        ),
    ),
    Document("What was pruned", ("jobs prune",), "prune", "", (Part("", (Pruned.to_json,)),)),
    Document("Who answers", ("ping",), "ping", _BY_HOST, (Part("", (results.Answered.to_json,), ("*",)),)),
    Document(
        "The inventory",
        ("hosts",),
        "hosts",
        "An object by inventory name, in the inventory's order.",
        (Part("", (results.InventoryHost.to_json,), ("*",)),),
    ),
    Document(
        "Kept connections",
        ("connections", "connections close"),
        "connections",
        "",
        (
            Part("", (connections.Connections.to_json,)),
            Part("A connection", (connections.KeptConnection.to_json,), ("connections", 0)),
        ),
    ),
    Document(
        "Entries of the schedule",
        ("schedule list",),
        "entries",
        "An object by the entry's name.",
        (Part("", (overview.Overview.to_json,), ("*",)),),
    ),
    Document(
        "Fires to come",
        ("schedule next",),
        "next",
        "An object by the entry's name: a list of fires, or null where only the hosts know them.",
        (Part("", (coming.fire_json,), ("*", 0)),),
    ),
    Document(
        "What a push did",
        ("schedule push", "schedule purge"),
        "placed",
        _BY_HOST,
        (Part("", (host_schedule.Placed.to_json,), ("*",)),),
    ),
    Document(
        "Schedules on hosts",
        ("schedule status", "schedule pull"),
        "seen",
        _BY_HOST,
        (
            Part("", (host_schedule.HostSchedule.to_json,), ("*",)),
            Part("An entry on a host", (host_schedule.OnHost.to_json,), ("*", "entries", "*")),
            Part("An event", (host_schedule.ScheduleEvent.to_json,), ("*", "events", 0)),
        ),
    ),
    Document(
        "A command that broke",
        ("every verb",),
        "failure",
        "Where a command breaks before it has a report (the job cache cannot be written, it is interrupted), this is "
        "its one document. A call that is wrong (exit code 2 for the command line, a file or a target) gives none: "
        "stdout is empty, and stderr says what is wrong.",
        (Part("", (failure,)),),
    ),
)

EXITS: tuple[tuple[tuple[str, ...], type], ...] = (
    (
        ("run", "jobs lookup", "jobs wait", "jobs retry", "jobs show", "jobs last", "jobs tail", "schedule run"),
        job.Report,
    ),
    (("jobs exit-success",), results.ExitSuccess),
    (("running", "ping", "schedule push", "schedule purge"), results.HostAnswers),
    (("find-job",), results.Found),
    (("signal-job", "term-job", "kill-job"), results.Signalled),
    (("jobs active",), results.Active),
    (("jobs list",), results.Listed),
    (("hosts",), results.Hosts),
    (("schedule status", "schedule pull"), host_schedule.Seen),
    (("connections",), connections.Connections),
    (("put", "get"), copies.Copies),
)
"""The verbs whose exit code depends on what came back, with the result whose `exit_code` says how."""


def keys(function: Callable[..., Any]) -> tuple[str, list[Key]]:
    """What a function that makes an object says of it: its own words, and the keys of its section `Keys:`."""
    told, _, listed = (inspect.getdoc(function) or "").partition("Keys:\n")
    found: list[Key] = []
    for line in listed.splitlines():
        begun = _KEY.fullmatch(line)
        if begun:
            found.append(Key(**begun.groupdict()))
        elif line.startswith("        ") and found:
            last = found[-1]
            found[-1] = Key(last.name, last.type, f"{last.text} {line.strip()}")
        elif line.strip():
            raise ValueError(f"{function.__qualname__}: not `name (type): text`: {line.strip()}")
    if not found:
        raise ValueError(f"{function.__qualname__} does not say what its keys mean")
    return told.strip(), found


def json_page() -> str:
    """The generated part of the page on JSON."""
    return "\n".join(_json())


def _json() -> Iterator[str]:
    for document in DOCUMENTS:
        yield f"## {document.title}\n"
        yield f"{', '.join(f'`{verb}`' for verb in document.verbs)}\n"
        if document.shape:
            yield f"{document.shape}\n"
        for part in document.parts:
            if part.title:
                yield f"### {part.title}\n"
            if part.note:
                yield f"{part.note}\n"
            yield from _table(
                ("key", "type", "meaning"),
                [(f"`{key.name}`", key.type, key.text) for made_by in part.made_by for key in keys(made_by)[1]],
            )
        yield '??? example "An example"\n'
        text = json.dumps(SAMPLES[document.sample], indent=2, ensure_ascii=False)
        yield from (f"    {line}" for line in ("```json", *text.splitlines(), "```"))
        yield ""


def exit_codes_page() -> str:
    """The generated part of the page on exit codes."""
    return "\n".join(
        [
            *_table(("code", "meaning"), [(f"`{code}`", text) for code, text in exit_codes.MEANINGS.items()]),
            "## By verb\n",
            *_table(
                ("verbs", "exit code"),
                [
                    (
                        ", ".join(f"`{verb}`" for verb in verbs),
                        _exit_code(result).replace("\n\n", " ").replace("\n", " "),
                    )
                    for verbs, result in EXITS
                ],
            ),
        ]
    )


def _exit_code(result: type) -> str:
    text = inspect.getdoc(result.__dict__["exit_code"].fget)
    if not text:
        raise ValueError(f"{result.__name__}.exit_code does not say what it is")
    return text


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def part_of(sample: Mapping[str, Any], at: Sequence[str | int]) -> Mapping[str, Any]:
    """The object at this place of a sample."""
    value: Any = sample
    for step in at:
        value = next(iter(value.values())) if step == "*" else value[step]
    assert isinstance(value, Mapping)
    return value
