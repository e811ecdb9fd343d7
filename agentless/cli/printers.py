"""How the events of a run become results on stdout, in each output format.

A printer gets pieces of live output and hosts that are done, as they come, and the report at the end; what it hasn't
shown by then, it shows then. `jobs lookup` has no events: all its results come with the report, through the same code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from agentless.cli.screen import Screen
from agentless.model.job import Report
from agentless.model.states import HostResult, State
from agentless.report.printable import RESET, Printable, one_line
from agentless.report.text import Look, block, gap, groups, heading, summary

__all__ = ["Blocks", "Detached", "Grouped", "Lines", "Printer", "Solo", "Tail", "WholeReport"]

# Of a line that has no end, as `jobs tail` marks it with its host.
_LINE_MAX = 64 << 10
_COLOURS = re.compile("\x1b\\[[0-9;:]*m")


def _answers(report: Report) -> dict[str, HostResult]:
    """What is known of each host, of those too that could not be asked whether they have the job."""
    unknown = {host: HostResult(State.UNREACHABLE, problem=problem) for host, problem in report.unknown_hosts.items()}
    return {**report.results, **unknown}


class Printer:
    """Shows nothing until the end; the base of the others."""

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def output(self, host: str, stream: int, data: bytes, dropped: int) -> None:
        """A piece of one host's live output; `dropped` bytes before it are gone."""

    def done(self, host: str, result: HostResult) -> None:
        """A host came into a state in which it stays."""

    def end(self, report: Report) -> None:
        """Nothing more comes."""

    def _summary(self, report: Report) -> None:
        for line in summary(report, self.screen.err_look):
            self.screen.say(line)


class WholeReport(Printer):
    """One document at the end: json, yaml, junit, table."""

    def __init__(self, screen: Screen, render: Callable[[Report], Iterable[str]], *, summed_up: bool = False) -> None:
        super().__init__(screen)
        self._render = render
        self._summed_up = summed_up

    def end(self, report: Report) -> None:
        self.screen.result_in_pieces(self._render(report))
        if self._summed_up:
            self._summary(report)


class Detached(Printer):
    """The JID alone; who did not accept the job stands on stderr."""

    def end(self, report: Report) -> None:
        self.screen.result(f"{report.job.jid}\n")
        if report.exit_code:
            self._summary(report)


class Lines(Printer):
    """jsonl: a line for each host as soon as it is done."""

    def __init__(self, screen: Screen, jid: str, render: Callable[[str, str, HostResult], str]) -> None:
        super().__init__(screen)
        self._jid = jid
        self._render = render
        self._shown: set[str] = set()

    def done(self, host: str, result: HostResult) -> None:
        if host not in self._shown:
            self._shown.add(host)
            self.screen.result(self._render(self._jid, host, result))

    def end(self, report: Report) -> None:
        for host, result in _answers(report).items():
            self.done(host, result)


class Blocks(Printer):
    """Text of many hosts: a block each as they finish, and the summary."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._shown: set[str] = set()

    def done(self, host: str, result: HostResult) -> None:
        if host not in self._shown:
            self._shown.add(host)
            self.screen.result(block(host, result, self.screen.out_look))

    def end(self, report: Report) -> None:
        for host, result in _answers(report).items():
            self.done(host, result)
        self._summary(report)


class Grouped(Printer):
    """Text of many hosts, those with identical results under one heading; known only at the end."""

    def end(self, report: Report) -> None:
        for text in groups(_answers(report), self.screen.out_look):
            self.screen.result(text)
        self._summary(report)


class _Stream:
    """One stream of one host: how many bytes of it were shown or dropped, and what a terminal can't be given yet."""

    def __init__(self) -> None:
        self.shown = 0
        self.dropped = 0
        self.filter = Printable()
        self.coloured = False
        self.line = b""


class Solo(Printer):
    """Text of a single host: stdout to stdout, stderr to stderr, live; byte by byte where that is no terminal."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._streams: dict[tuple[str, int], _Stream] = {}
        self._in_line = False

    def output(self, host: str, stream: int, data: bytes, dropped: int) -> None:
        at = self._streams.setdefault((host, stream), _Stream())
        at.dropped += dropped
        at.shown += dropped + len(data)
        self._show(host, stream, at, data)

    def _show(self, host: str, stream: int, at: _Stream, data: bytes, *, final: bool = False) -> None:
        if self._look(stream).terminal:
            text = at.filter.feed(data, final=final)
            at.coloured = at.coloured or "\x1b" in text
            if plain := _COLOURS.sub("", text):
                self._in_line = not plain.endswith("\n")
            data = (text + RESET if final and at.coloured else text).encode("utf-8", "backslashreplace")
        if data:
            self._write(host, stream, data)

    def _look(self, stream: int) -> Look:
        return self.screen.out_look if stream == 1 else self.screen.err_look

    def _write(self, host: str, stream: int, data: bytes) -> None:
        (self.screen.result if stream == 1 else self.screen.result_stderr)(data)

    def end(self, report: Report) -> None:
        for host, result in report.results.items():
            for stream in (1, 2):
                at = self._streams.setdefault((host, stream), _Stream())
                self._show(host, stream, at, _rest(result, stream, at.shown), final=True)
                self._finish(host, stream, at)
            self._own_up(host, result, summed_up=len(report.results) == 1 and not self.screen.quiet)
        for host, problem in report.unknown_hosts.items():
            self.screen.error(heading(host, HostResult(State.UNREACHABLE, problem=problem)), problem.hint)
        self._summary(report)

    def _finish(self, host: str, stream: int, at: _Stream) -> None:
        """On a terminal, what comes next (stderr, the summary) begins its own line."""
        if self._in_line and self._look(stream).terminal and self.screen.err_look.terminal:
            self._in_line = False
            self._write(host, stream, b"\n")

    def _own_up(self, host: str, result: HostResult, *, summed_up: bool) -> None:
        """Say what the output alone hides and no summary tells: -q silences what is said about results, not that."""
        for stream, name in ((1, "stdout"), (2, "stderr")):
            output = result.output
            dropped = self._streams[host, stream].dropped
            if output is not None:
                dropped = 0 if summed_up else output.stdout_truncated if stream == 1 else output.stderr_truncated
            if dropped:
                self.screen.warn(f"{host}: {gap(name, dropped)}")
        if self.screen.quiet and result.problem is not None:
            self.screen.error(heading(host, result))


def _rest(result: HostResult, stream: int, shown: int) -> bytes:
    """What of a record's stream was not shown live: all of it, or the end that an interruption cut off."""
    output = result.output
    if output is None:
        return b""
    data, dropped = (
        (output.stdout, output.stdout_truncated) if stream == 1 else (output.stderr, output.stderr_truncated)
    )
    missing = len(data) + (dropped if shown else 0) - shown
    return data[-missing:] if missing > 0 else b""


class Tail(Solo):
    """Text of several hosts as it comes: whole lines, each behind its host's name."""

    def _write(self, host: str, stream: int, data: bytes) -> None:
        at = self._streams[host, stream]
        *lines, at.line = (at.line + data).split(b"\n")
        if len(at.line) > _LINE_MAX:
            lines.append(at.line)
            at.line = b""
        for line in lines:
            self._line(host, stream, line)

    def _finish(self, host: str, stream: int, at: _Stream) -> None:
        if at.line:
            self._line(host, stream, at.line)
            at.line = b""

    def _line(self, host: str, stream: int, line: bytes) -> None:
        named = f"{one_line(host)}: ".encode("utf-8", "backslashreplace") + line + b"\n"
        (self.screen.result if stream == 1 else self.screen.result_stderr)(named)
