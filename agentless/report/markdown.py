"""A report as Markdown, as the summary of a pipeline's step shows it ($GITHUB_STEP_SUMMARY)."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from agentless.hostlist import fold
from agentless.model.job import Job, Report
from agentless.model.states import HostResult, State
from agentless.regex import regex
from agentless.report.printable import one_line
from agentless.report.spelling import as_typed
from agentless.report.summary import next_commands, with_unknown
from agentless.report.tables import command
from agentless.report.text import ending, heading, states

__all__ = ["as_markdown"]

# A summary may have 1 MiB on GitHub; whoever has more failures reads the first ones.
_SHOWN = 20
_MARKUP = regex(r"[\\`*_{}\[\]<>()#+!|~&@]")


def as_markdown(report: Report) -> Iterator[str]:
    """A heading, the counts, and each host that is no success with the end of its output, in pieces.

    Raises:
        CacheError: the output of a host cannot be read from the job cache.
    """
    job = report.job
    title = job.metadata.get("step") or command(job)
    yield f"### {'❌' if report.exit_code else '✅'} <code>{_text(title)}</code>\n\n"
    hosts = "1 host" if len(report.results) == 1 else f"{len(report.results)} hosts"
    yield f"{_text(f'job {job.jid}: {hosts}: {states(report.summary)}')}\n\n"
    good = (State.RETURNED, State.RUNNING) if report.detached else (State.RETURNED,)
    bad = {name: result for name, result in with_unknown(report).items() if result.failed or result.state not in good}
    for name in list(bad)[:_SHOWN]:
        yield from _host(job, name, bad[name])
    if len(bad) > _SHOWN:
        yield f"… and {len(bad) - _SHOWN} more: {_text(fold(list(bad)[_SHOWN:]))}\n\n"
    commands = [] if report.interrupted else [line.strip() for line in next_commands(report)]
    if commands:
        yield _block(commands) + "\n"


def _host(job: Job, name: str, result: HostResult) -> Iterator[str]:
    yield f"<details><summary>{_text(heading(name, result))}</summary>\n\n"
    lines = list(ending(result.output)) if result.output is not None else []
    if result.problem is not None and result.problem.hint:
        lines.append(one_line(as_typed(result.problem.hint)))
    yield _block([*lines, f"agentless jobs lookup {job.jid} {one_line(shlex.quote(name))}"])
    yield "\n</details>\n\n"


def _text(text: str) -> str:
    """One line in which no character means something to Markdown or HTML."""
    return _MARKUP.sub(lambda match: f"&#{ord(match[0])};", one_line(text))


def _block(lines: list[str]) -> str:
    """Lines as they are, within a fence that none of them can close."""
    fence = "`" * max(3, 1 + max((len(line) - len(line.lstrip("`")) for line in map(str.lstrip, lines)), default=0))
    return "\n".join([f"{fence}text", *lines, fence]) + "\n"
