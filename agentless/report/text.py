"""Results as text for people: one block a host, identical ones grouped, and a summary with the next thing to type.

The blocks of a `run` and of `jobs lookup` are the same; a `run` gives them as hosts finish, `lookup` in the inventory's
order. A single host has no block: its output is given as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

from agentless.hostlist import fold, shorten
from agentless.model.job import Report
from agentless.model.returns import Remains, Return
from agentless.model.states import HostResult, State
from agentless.model.times import local
from agentless.report.printable import RESET, one_line, plain, printable
from agentless.report.spelling import as_typed
from agentless.values import dataclass

__all__ = [
    "PLAIN",
    "Look",
    "block",
    "duration",
    "ending",
    "gap",
    "groups",
    "heading",
    "notes",
    "outcome",
    "paint",
    "summary",
]

# Numbers that mean the same on every Unix; the others differ between Linux, macOS and the BSDs.
_SIGNALS = {
    1: "HUP",
    2: "INT",
    3: "QUIT",
    6: "ABRT",
    8: "FPE",
    9: "KILL",
    11: "SEGV",
    13: "PIPE",
    14: "ALRM",
    15: "TERM",
}
_COLOURS = {"red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m", "cyan": "\x1b[36m", "dim": "\x1b[2m"}
_STDERR = b"stderr: "


@dataclass(frozen=True, slots=True)
class Look:
    """Where text goes: `terminal` makes what hosts sent printable, `colour` marks states and stderr."""

    terminal: bool = False
    colour: bool = False


PLAIN = Look()


def paint(text: str, colour: str, look: Look) -> str:
    return f"{_COLOURS[colour]}{text}{RESET}" if look.colour and text else text


def duration(seconds: float) -> str:
    """`0.012 s`, `12.3 s`, `3m 20s`, `2h 05m`."""
    if seconds < 10:
        return f"{seconds:.3f} s"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02d}s"
    return f"{minutes // 60}h {minutes % 60:02d}m"


def signal_name(number: int) -> str:
    return f"signal {number} ({_SIGNALS[number]})" if number in _SIGNALS else f"signal {number}"


def outcome(ret: Return) -> str:
    """How a job ended: `retcode 3`, `signal 11 (SEGV)`, `ended by signal-job:ada@laptop, signal 9 (KILL)`."""
    end = f"retcode {ret.retcode}" if ret.signal is None else signal_name(ret.signal)
    return end if ret.ended_by in ("exit", "signal") else f"ended by {one_line(ret.ended_by)}, {end}"


def _colour(result: HostResult) -> str:
    if result.state is State.RETURNED:
        return "red" if result.failed else "green"
    return "red" if result.state.final or result.state is State.UNREACHABLE else "yellow"


def _details(result: HostResult, *, times: bool) -> Iterator[str]:
    if result.ret is not None:
        yield outcome(result.ret)
        if times and result.ret.duration is not None:
            yield duration(result.ret.duration)
    elif times and result.state is State.RUNNING:
        if result.pid is not None:
            yield f"pid {result.pid}"
        if result.started is not None:
            yield f"since {local(result.started)}"
    if result.problem is not None:
        yield f"{one_line(result.problem.kind)}: {one_line(as_typed(result.problem.message))}"


def heading(name: str, result: HostResult, look: Look = PLAIN, *, times: bool = True) -> str:
    """`web1 | returned | retcode 0 | 0.012 s`, without a newline."""
    state = paint(result.state.value, _colour(result), look)
    return " | ".join([one_line(name), state, *_details(result, times=times)])


def gap(stream: str, dropped: int) -> str:
    return f"{dropped:,} bytes were dropped from the middle of {stream}"


def notes(result: HostResult) -> Iterator[str]:
    """What else there is to know about one host's result, a line each."""
    ret, output = result.ret, result.output
    if output is not None:
        for stream, dropped in (("stdout", output.stdout_truncated), ("stderr", output.stderr_truncated)):
            if dropped:
                yield gap(stream, dropped)
        if ret is not None and ret.left_running:
            what = (
                "1 process that it started was"
                if ret.left_running == 1
                else f"{ret.left_running} processes that it started were"
            )
            yield f"{what} still running when it ended"
    if result.problem is not None and result.problem.hint:
        yield one_line(as_typed(result.problem.hint))


# Of the end of an output: what a person reads first, and a server takes.
_END_LINES = 30
_END_BYTES = 6000


def ending(output: Return | Remains) -> Iterator[str]:
    """The last lines of stdout, then those of stderr behind `stderr: `, printable, with a word on what is left out."""
    for stream, mark in ((output.out, ""), (output.err, _STDERR.decode())):
        text = plain(stream.tail(_END_BYTES + 1).decode("utf-8", "backslashreplace"))
        lines = text.rstrip("\n").split("\n") if text.strip() else []
        cut = len(text) > _END_BYTES or len(lines) > _END_LINES
        if cut:
            yield f"{mark}…"
        yield from (mark + line for line in lines[1 if len(text) > _END_BYTES else 0 :][-_END_LINES:])


def _lines(data: bytes, look: Look, mark: bytes = b"") -> bytes:
    """Output as whole lines, each behind `mark`."""
    if look.terminal:
        data = printable(data).encode("utf-8")
    if not data:
        return b""
    if not data.endswith(b"\n"):
        data += b"\n"
    if not mark:
        return data
    return b"".join(mark + line + b"\n" for line in data[:-1].split(b"\n"))


def _body(result: HostResult, look: Look) -> bytes:
    marked_notes = [f"note: {note}\n".encode("utf-8", "backslashreplace") for note in notes(result)]
    output = result.output
    if output is None:
        return b"".join(marked_notes)
    mark = paint(_STDERR.decode(), "red", look).encode()
    return b"".join([_lines(output.stdout, look), _lines(output.stderr, look, mark), *marked_notes])


def block(name: str, result: HostResult, look: Look = PLAIN) -> bytes:
    """One of many hosts: a heading, its stdout as it is, its stderr line by line behind `stderr: `, and notes."""
    return _encode(heading(name, result, look)) + _body(result, look)


def _encode(line: str) -> bytes:
    return line.encode("utf-8", "backslashreplace") + b"\n"


def groups(results: Mapping[str, HostResult], look: Look = PLAIN) -> Iterator[bytes]:
    """Blocks of hosts whose state and output are the same to the byte, under their folded names; large groups first."""
    alike: dict[tuple[str, bytes], list[str]] = {}
    for name, result in results.items():
        state = heading("", result, look, times=False)
        alike.setdefault((state, sha256(_body(result, look)).digest()), []).append(name)
    for (state, _), names in sorted(alike.items(), key=lambda item: -len(item[1])):
        count = f" ({len(names)})" if len(names) > 1 else ""
        yield _encode(f"{one_line(fold(names))}{count}{state}") + _body(results[names[0]], look)


def summary(report: Report, look: Look = PLAIN) -> Iterator[str]:
    """Counts with the JID, who failed and how, and the next command to type; a line each."""
    jid, counts = report.job.jid, report.summary
    if len(report.results) == 1:
        [(name, result)] = report.results.items()
        yield f"job {jid}: {heading(name, result, look)}"
        for note in notes(result):
            yield f"  {note}"
    else:
        good = counts["returned"] - counts["failed"]
        parts = [paint(f"{good} returned 0", "green", look)] if good else []
        parts += [paint(f"{counts['failed']} failed", "red", look)] if counts["failed"] else []
        for state in (State.RUNNING, State.PENDING, State.LOST, State.UNREACHABLE, State.NOT_STARTED):
            if counts[state.value]:
                colour = "yellow" if state in (State.RUNNING, State.PENDING) else "red"
                parts.append(paint(f"{counts[state.value]} {state.value}", colour, look))
        if parts:
            yield f"job {jid}: {len(report.results)} hosts: {', '.join(parts)}"
        else:
            yield f"job {jid}: no host that answered has a record of it"
        yield from _bad_hosts(report)
    if report.unknown_hosts:
        yield f"  could not be asked: {_names(report.unknown_hosts)}"
    if not report.interrupted:
        yield from next_commands(report)


def _names(names: Iterable[str]) -> str:
    return one_line(shorten(fold(names).split(","), 12)) if "[" not in (folded := fold(names)) else one_line(folded)


def _bad_hosts(report: Report) -> Iterator[str]:
    failed = [name for name, result in report.results.items() if result.failed]
    if failed:
        yield f"  failed: {_names(failed)}"
    for state in (State.LOST, State.UNREACHABLE, State.NOT_STARTED, State.RUNNING):
        names = [name for name, result in report.results.items() if result.state is state]
        if names:
            yield f"  {state.value}: {_names(names)}"


def next_commands(report: Report) -> Iterator[str]:
    """What to type next about this job; nothing where all is well."""
    jid, counts = report.job.jid, report.summary
    if counts["running"]:
        yield f"  to see the end of it: agentless jobs wait {jid}    to end it: agentless term-job {jid}"
    elif any(result.state is State.UNREACHABLE and not result.settled for result in report.results.values()):
        yield f"  to ask the unreachable hosts again: agentless jobs wait {jid}"
    if any(result.state is State.UNREACHABLE and result.settled for result in report.results.values()):
        yield f"  to run it on those that it did not reach: --limit @unreachable:{jid}"
    if counts["failed"] or counts["lost"] or counts["not-started"]:
        yield f"  to run it again on those that failed: --limit @failed:{jid}"
