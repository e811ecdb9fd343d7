"""The end of what a person reads of a job: counts, what went wrong with its hosts folded, and what to type next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from agentless.hostlist import fold, parts, shorten
from agentless.model.job import Origin, Report
from agentless.model.states import HostResult, State
from agentless.report.printable import one_line
from agentless.report.text import PLAIN, Look, folded, heading, notes, paint, states
from agentless.report.troubles import Trouble, troubles

__all__ = ["next_commands", "summary", "with_unknown"]

# Names that do not fold, on a terminal; a pipe gets all.
_NAMES = 8
_INDENT = "  "


def with_unknown(report: Report) -> dict[str, HostResult]:
    """The result of each host; one that could not be asked whether it has the job counts as unreachable."""
    unknown = {host: HostResult(State.UNREACHABLE, problem=problem) for host, problem in report.unknown_hosts.items()}
    return {**report.results, **unknown}


def summary(report: Report, look: Look = PLAIN, width: int | None = None, *, noted: bool = True) -> Iterator[str]:
    """Counts with the JID, who failed how and why, and the next commands; a line each.

    Args:
        width: columns of the terminal, for which many names are left out; None where there is none, and none are.
        noted: say of a single host what else there is to know; else its block has said it.

    Raises:
        CacheError: the output of a host cannot be read from the job cache.
    """
    jid, results = report.job.jid, with_unknown(report)
    if len(results) == 1 and report.results:
        [(name, result)] = results.items()
        yield f"job {jid}: {heading(name, result, look)}"
        for note in notes(result) if noted else ():
            yield _INDENT + note
    elif not report.results:
        yield f"job {jid}: no host that answered has a record of it"
    else:
        counts = dict(report.summary)
        counts[State.UNREACHABLE.value] += len(report.unknown_hosts)
        yield f"job {jid}: {len(results)} hosts: {states(counts, look)}"
    if len(results) > 1 or not report.results:
        yield from _troubles(troubles(results), look, width)
    if not report.interrupted:
        yield from next_commands(report)


def _troubles(found: Sequence[Trouble], look: Look, width: int | None) -> Iterator[str]:
    last = {trouble.hint: number for number, trouble in enumerate(found)}
    for number, trouble in enumerate(found):
        names = folded(trouble.names)
        if width is not None and len(names) > width // 2:
            names = f"{one_line(shorten(parts(fold(trouble.names)), _NAMES))} ({len(trouble.names)})"
        painted = paint(trouble.word, trouble.colour, look)
        yield _INDENT + trouble.line(names=names).replace(f"| {trouble.word}", f"| {painted}", 1)
        if trouble.hint and last[trouble.hint] == number:
            yield f"{2 * _INDENT}{trouble.hint}"


def next_commands(report: Report) -> Iterator[str]:
    """What to type next about this job, each with what it does; nothing where all is well."""
    commands = list(_next(report))
    width = max((len(command) for command, _ in commands), default=0)
    for command, purpose in commands:
        yield f"{_INDENT}{command:<{width}}  {purpose}"


def _next(report: Report) -> Iterator[tuple[str, str]]:
    """Commands, and what each does."""
    jid, counts, results = report.job.jid, report.summary, report.results
    if counts["running"]:
        yield f"agentless jobs wait {jid}", "waits for its end"
        yield f"agentless term-job {jid}", "ends it"
    elif any(result.state is State.UNREACHABLE and not result.settled for result in results.values()):
        yield f"agentless jobs wait {jid}", "asks the unreachable again"
    if len(results) > 1 and (counts["failed"] or counts["lost"]):
        yield f"agentless jobs lookup {jid} --failed", "what they printed"
    again = sum(result.repeatable for result in results.values())
    if again and report.job.origin is Origin.RUN:
        where = f" on {again} host{'s' * (again > 1)}" if len(results) > 1 else ""
        yield f"agentless jobs retry {jid}", f"repeats it{where}"
