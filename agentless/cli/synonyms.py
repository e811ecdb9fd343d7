"""Other tools' words for our verbs (docker's, kubectl's, systemctl's, Salt's), and their ways to ask for JSON."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Sequence

import click

from agentless.cli.invocation import FORMATS
from agentless.regex import regex

__all__ = ["retyped"]

# What ends a job is told with a JID to fill in; what looks at one takes the newest.
_VERBS = {
    # docker, kubectl, systemctl
    "ps": "jobs active", "status": "jobs active", "history": "jobs list",
    "logs": "jobs tail", "log": "jobs tail", "attach": "jobs tail", "follow": "jobs tail", "output": "jobs lookup",
    "result": "jobs lookup", "results": "jobs lookup", "inspect": "jobs show",
    "stop": "term-job", "cancel": "term-job", "abort": "term-job", "term": "term-job", "terminate": "term-job",
    "kill": "kill-job", "signal": "signal-job",
    "exec": "run", "execute": "run", "start": "run", "submit": "run", "ssh": "run",
    "ls": "jobs list", "watch": "top", "monitor": "top", "htop": "top",
    "rerun": "jobs retry", "repeat": "jobs retry", "redo": "jobs retry",
    "cp": "put", "copy": "put", "scp": "put", "upload": "put", "fetch": "get", "download": "get",
    "list-hosts": "hosts", "nodes": "hosts", "cron": "schedule list",
    "version": "--version",
    # the jobs runner, without its name
    "active": "jobs active", "lookup": "jobs lookup", "lookup-jid": "jobs lookup", "list": "jobs list",
    "list-jobs": "jobs list", "show": "jobs show", "last": "jobs last", "wait": "jobs wait", "tail": "jobs tail",
    "retry": "jobs retry", "exit-success": "jobs exit-success", "prune": "jobs prune", "find": "find-job",
    # Salt
    "cmd.run": "run", "cmd.script": "run", "test.ping": "ping",
    "saltutil.running": "running", "saltutil.find_job": "find-job", "saltutil.signal_job": "signal-job",
    "saltutil.term_job": "term-job", "saltutil.kill_job": "kill-job",
    "jobs.active": "jobs active", "jobs.lookup_jid": "jobs lookup", "jobs.list_jobs": "jobs list",
    "jobs.list_job": "jobs show", "jobs.print_job": "jobs show", "jobs.last_run": "jobs last",
    "jobs.exit_success": "jobs exit-success",
}  # fmt: skip
_OF_A_JOB = ("jobs tail", "jobs lookup", "jobs show", "jobs wait", "jobs retry", "jobs exit-success")
_ENDS_A_JOB = ("term-job", "kill-job", "find-job")
_SALTS = frozenset(word for word in _VERBS if "." in word)
_JID = regex(r"last|[0-9]{8,20}(?:\.[0-9]+)?")
_FORMAT_OPTIONS = ("-o", "--output", "--format", "-O")
# Options of our own, of some verbs: what they are elsewhere, no other spelling makes right.
_WRITES_A_FILE = ("--junit", "--html")


def retyped(
    words: Sequence[str], verbs: Collection[str], jobs_verbs: Collection[str], options: Iterable[click.Parameter]
) -> str | None:
    """The line with our words for those of other tools; None where there are none of theirs.

    Args:
        words: the command line as it was typed.
        verbs, jobs_verbs: our own, which stay what they are.
        options: those before the verb.
    """
    ours = _with_format(words)
    changed = ours != list(words)
    at = _verb_at(ours, options)
    if at is not None:
        verb, rest = ours[at], ours[at + 1 :]
        if verb == "jobs" and rest and rest[0] not in jobs_verbs and rest[0] in _VERBS:
            verb, rest = rest[0], rest[1:]
        elif verb in verbs:
            verb = ""
        if here := _VERBS.get(verb):
            ours = [*ours[:at], *here.split(), *_arguments(here, rest)]
            changed = True
        elif verb and (line := _led_by_the_target(ours, at)):
            return f"agentless {shlex.join(line)}"
        elif verb and changed:
            # Still not a line of ours: somebody else may know it.
            return None
    return f"agentless {shlex.join(ours)}" if changed else None


def _led_by_the_target(words: Sequence[str], at: int) -> list[str]:
    """A line that begins with its target, as Salt's (`'web*' test.ping`) and clush's (`-w web1 uptime`), as ours.

    Args:
        at: where its first word stands that is neither an option nor the value of one.
    """
    before, target, rest = words[:at], words[at], words[at + 1 :]
    if before[-1:] in (["-w"], ["-g"]):
        return [*before[:-1], "run", target, *_arguments("run", ["", *rest])[1:]]
    if rest[:1] == ["--"] and rest[1:]:
        return [*before, "run", target, *rest]
    if rest and rest[0] in _SALTS:
        here = _VERBS[rest[0]]
        if here == "run":
            return [*before, "run", target, *_arguments("run", ["", *rest[1:]])[1:]]
        jid = [word for word in rest[1:] if _JID.fullmatch(word)]
        others = [word for word in rest[1:] if word not in jid]
        needs = here in _ENDS_A_JOB or here in _OF_A_JOB or here == "signal-job"
        return [*before, *here.split(), *(jid or ["JID"] if needs else jid), *others, target]
    return []


def _verb_at(words: Sequence[str], options: Iterable[click.Parameter]) -> int | None:
    """Where the first word stands that is neither an option nor the value of one."""
    valued = (one for one in options if isinstance(one, click.Option) and not one.is_flag and not one.count)
    with_value = {name for one in valued for name in one.opts}
    skip = False
    for number, word in enumerate(words):
        if word == "--":
            return None
        if skip or word.startswith("-"):
            skip = not skip and word in with_value
            continue
        return number
    return None


def _with_format(words: Sequence[str]) -> list[str]:
    """`-o json`, `--json` and their like as `--out json`; what stands behind `--` is the job's."""
    cut = list(words).index("--") if "--" in words else len(words)
    ours: list[str] = []
    rest = iter(words[:cut])
    for word in rest:
        name, _, value = word.partition("=")
        if word.startswith("--") and word[2:] in FORMATS and word not in _WRITES_A_FILE:
            ours += ["--out", word[2:]]
        elif name in _FORMAT_OPTIONS and value in FORMATS:
            ours += ["--out", value]
        elif word[:2] == "-o" and word[2:] in FORMATS:
            ours += ["--out", word[2:]]
        elif word in _FORMAT_OPTIONS:
            following = next(rest, None)
            if following in FORMATS:
                ours += ["--out", str(following)]
            else:
                ours += [word] if following is None else [word, following]
        else:
            ours.append(word)
    return [*ours, *words[cut:]]


def _arguments(verb: str, rest: Sequence[str]) -> list[str]:
    """What stands behind one of our verbs, where it stood behind another tool's."""
    words = list(rest)
    named = [word for word in words if not word.startswith("-")]
    if verb == "run":
        if "--" in words:
            return words
        if len(named) < 2:
            return [*words, *(["TARGET"] if not named else []), "--", "COMMAND"]
        at = words.index(named[1])
        return [*words[:at], "--", *words[at:]]
    if verb == "jobs list" and named:
        # It is about all jobs.
        return [each for word in words for each in (("--host", word) if word == named[0] else (word,))]
    if verb in _OF_A_JOB + _ENDS_A_JOB and not (named and _JID.fullmatch(named[0])):
        return ["last" if verb in _OF_A_JOB else "JID", *words]
    return words
