"""Results as text for people: one block a host, identical ones grouped.

The blocks of a `run` and of `jobs lookup` are the same; a `run` gives them as hosts finish, `lookup` in the inventory's
order, those that went wrong last. On a terminal, a single host has no block: its output is given as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from signal import Signals

from agentless.digests import sha256
from agentless.hostlist import fold
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
    "body",
    "colour",
    "duration",
    "encoded_line",
    "ending",
    "folded",
    "gap",
    "grouped",
    "groups",
    "heading",
    "notes",
    "outcome",
    "paint",
    "states",
    "word",
]

# Numbers that mean the same on every Unix; the others differ between Linux, macOS and the BSDs.
_SIGNALS = {number: Signals(number).name.removeprefix("SIG") for number in (1, 2, 3, 6, 8, 9, 11, 13, 14, 15)}
_COLOURS = {"red": "\x1b[31m", "green": "\x1b[32m", "yellow": "\x1b[33m", "cyan": "\x1b[36m", "dim": "\x1b[2m"}
_STDERR = b"stderr: "
# Between those that went well and those that failed, with their colours.
_COUNTED = {"running": "yellow", "pending": "yellow", "not-started": "red", "lost": "red", "unreachable": "red"}


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


def outcome(ret: Return) -> str:
    """How a job ended, in people's words: `ok`, `failed (3)`, `killed (SEGV)`, `killed (TERM) by ada@laptop`,
    `timed out`.
    """
    if ret.ok:
        return "ok"
    if ret.ended_by == "timeout":
        return "timed out"
    by = one_line(ret.ended_by).removeprefix("signal-job:")
    if ret.signal is None:
        # Of a job that was told to end and left by itself, the code says how.
        return f"failed ({ret.retcode})" if by in ("exit", "signal") else f"killed by {by}, exit {ret.retcode}"
    killed = f"killed ({_SIGNALS.get(ret.signal, ret.signal)})"
    return killed if by in ("exit", "signal") else f"{killed} by {by}"


def word(result: HostResult) -> str:
    """What people read of where a host stands: how its job ended, or its state."""
    return outcome(result.ret) if result.ret is not None else result.state.value


def colour(result: HostResult) -> str:
    """The colour of where a host stands: of what is well, of what is not over, and of what went wrong."""
    if result.state is State.RETURNED:
        return "red" if result.failed else "green"
    return "red" if result.state.final or result.state is State.UNREACHABLE else "yellow"


def states(summary: Mapping[str, int], look: Look = PLAIN) -> str:
    """`8 ok, 2 failed, 1 unreachable`: of a report's summary, what isn't 0; every list and summary counts by this."""
    count = {state: summary.get(state, 0) for state in ("returned", "failed", *_COUNTED)}
    shown = [("ok", count["returned"] - count["failed"], "green")]
    shown += [(state, count[state], colour) for state, colour in _COUNTED.items()]
    shown += [("failed", count["failed"], "red")]
    return ", ".join(paint(f"{number} {each}", colour, look) for each, number, colour in shown if number)


def _details(result: HostResult, *, times: bool) -> Iterator[str]:
    if times and result.ret is not None and result.ret.duration is not None:
        yield duration(result.ret.duration)
    if times and result.ret is None and result.state is State.RUNNING:
        if result.pid is not None:
            yield f"pid {result.pid}"
        if result.started is not None:
            yield f"since {local(result.started)}"
    if result.problem is not None:
        yield f"{one_line(result.problem.kind)}: {one_line(as_typed(result.problem.message))}"


def heading(name: str, result: HostResult, look: Look = PLAIN, *, times: bool = True) -> str:
    """`web1 | ok | 0.012 s`, without a newline."""
    state = paint(word(result), colour(result), look)
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
            what = "1 process that it started was"
            if ret.left_running > 1:
                what = f"{ret.left_running} processes that it started were"
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


def body(result: HostResult, look: Look) -> bytes:
    """What a block has below its heading: stdout, stderr behind its mark, notes; read as a whole."""
    marked_notes = [f"note: {note}\n".encode("utf-8", "backslashreplace") for note in notes(result)]
    output = result.output
    if output is None:
        return b"".join(marked_notes)
    mark = paint(_STDERR.decode(), "red", look).encode()
    return b"".join([_lines(output.stdout, look), _lines(output.stderr, look, mark), *marked_notes])


def block(name: str, result: HostResult, look: Look = PLAIN) -> bytes:
    """One of many hosts: a heading, its stdout as it is, its stderr line by line behind `stderr: `, and notes."""
    return encoded_line(heading(name, result, look)) + body(result, look)


def encoded_line(line: str) -> bytes:
    """A line of ours as bytes, with its newline; what UTF-8 cannot hold becomes visible."""
    return line.encode("utf-8", "backslashreplace") + b"\n"


def groups(results: Mapping[str, HostResult], look: Look = PLAIN) -> Iterator[bytes]:
    """Blocks of hosts whose state and output are the same to the byte, under their folded names.

    Those that went well come first, and large groups before small ones.
    """
    for state, names in grouped(results, look):
        yield encoded_line(f"{folded(names)}{state}") + body(results[names[0]], look)


def grouped(results: Mapping[str, HostResult], look: Look = PLAIN) -> list[tuple[str, list[str]]]:
    """Those groups: what stands behind the names in their heading (` | ok`), and the names."""
    alike: dict[tuple[bool, str, bytes], list[str]] = {}
    for name, result in results.items():
        good = result.ret is not None and result.ret.ok
        state = heading("", result, look, times=False)
        alike.setdefault((not good, state, sha256(body(result, look)).digest()), []).append(name)
    ordered = sorted(alike.items(), key=lambda item: (item[0][0], -len(item[1])))
    return [(state, names) for (_, state, _), names in ordered]


def folded(names: Sequence[str]) -> str:
    """`web[1-3] (3)`, and a single name as it is."""
    return one_line(fold(names)) + (f" ({len(names)})" if len(names) > 1 else "")
