"""Printers: one class for each way to show a job's results on stdout.

While a job runs, its printer gets each piece of live output and each host that has ended; at the end it gets the
report, and shows what it has not shown yet. `jobs lookup` follows no job: its printer gets only the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from agentless.cli.screen import Screen
from agentless.model.job import Report
from agentless.model.states import HostResult, State
from agentless.report.printable import COLOURS, RESET, Printable
from agentless.report.summary import summary, with_unknown
from agentless.report.text import Look, block, gap, groups, heading
from agentless.report.troubles import troubles
from agentless.values import dataclass

__all__ = ["Blocks", "Detached", "Followed", "Grouped", "HostByHost", "Printer", "Solo", "WholeReport"]


class Printer:
    """The base class; it shows nothing.

    Args:
        screen: where to write.

    Attributes:
        whole_lines: what it writes always ends a line, so that progress can stand below it.
    """

    whole_lines = True

    def __init__(self, screen: Screen) -> None:
        self.screen = screen

    def output(self, host: str, stream: int, data: bytes, dropped: int) -> None:
        """Show a piece of a host's live output.

        Args:
            stream: 1 is stdout, 2 stderr.
            dropped: how many bytes before `data` the host has dropped.
        """

    def done(self, host: str, result: HostResult) -> None:
        """Show a host whose state will not change any more."""

    def end(self, report: Report) -> None:
        """Show what is left; the report is the last thing that a printer gets."""

    def _summary(self, report: Report, *, noted: bool = True) -> None:
        if self.screen.quiet:
            return
        self.screen.warn_again()
        for line in summary(report, self.screen.err_look, self.screen.err_columns, noted=noted):
            self.screen.say(line, painted=True)


class WholeReport(Printer):
    """One document for the whole job, at the end: json, yaml, junit, html or table.

    Args:
        render: makes the document.
        summed_up: print the summary below it, on stderr.
        utf8: as of `Screen.result_in_pieces`.
    """

    def __init__(
        self,
        screen: Screen,
        render: Callable[[Report], Iterable[str]],
        *,
        summed_up: bool = False,
        utf8: bool = False,
    ) -> None:
        super().__init__(screen)
        self._render = render
        self._summed_up = summed_up
        self._utf8 = utf8

    def end(self, report: Report) -> None:
        self.screen.result_in_pieces(self._render(report), utf8=self._utf8)
        if self._summed_up:
            self._summary(report)


class Detached(Printer):
    """Only the JID, for `--detach`; hosts that did not accept the job are named on stderr."""

    def end(self, report: Report) -> None:
        self.screen.result(f"{report.job.jid}\n")
        if report.exit_code:
            self._summary(report)


class HostByHost(Printer):
    """A line of jsonl for each host, as soon as it is final.

    Args:
        render: makes the line.
    """

    def __init__(self, screen: Screen, render: Callable[[str, HostResult], str]) -> None:
        super().__init__(screen)
        self._render = render
        self._shown: set[str] = set()

    def done(self, host: str, result: HostResult) -> None:
        if host not in self._shown:
            self._shown.add(host)
            self.screen.result(self._render(host, result))

    def end(self, report: Report) -> None:
        for host, result in with_unknown(report).items():
            self.done(host, result)


class Blocks(Printer):
    """Text of many hosts: a block of each as soon as it is final, those that gave nothing back folded at the end."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._shown: set[str] = set()

    def done(self, host: str, result: HostResult) -> None:
        if host not in self._shown and result.output is not None:
            self._shown.add(host)
            self.screen.result(block(host, result, self.screen.out_look))

    def end(self, report: Report) -> None:
        results = with_unknown(report)
        for host in sorted(results, key=lambda host: (ret := results[host].ret) is None or not ret.ok):
            self.done(host, results[host])
        self._close(report, results)

    def _close(self, report: Report, results: Mapping[str, HostResult]) -> None:
        """Name those that gave nothing back, unless the summary stands right below and does so; then the summary."""
        screen = self.screen
        without = {host: result for host, result in results.items() if result.output is None}
        if screen.quiet or not (screen.out_look.terminal and screen.err_look.terminal):
            for trouble in troubles(without, whole=True):
                # A single one is told in full, and a hint where the summary is not to tell it.
                lone = without[trouble.names[0]] if len(trouble.names) == 1 else None
                line = heading(trouble.names[0], lone, screen.out_look) if lone else trouble.line(screen.out_look)
                hint = f"note: {trouble.hint}\n" if screen.quiet and trouble.hint else ""
                screen.result(f"{line}\n{hint}")
        shown = len(results) == 1 and not without
        self._summary(report, noted=not shown)


class Grouped(Blocks):
    """Text of many hosts, at the end: what hosts with identical results say stands once.

    Args:
        texts: makes it of the results: `groups`, or `differences` between these.
    """

    def __init__(
        self, screen: Screen, texts: Callable[[Mapping[str, HostResult], Look], Iterator[bytes]] = groups
    ) -> None:
        super().__init__(screen)
        self._texts = texts

    def done(self, host: str, result: HostResult) -> None:
        pass

    def end(self, report: Report) -> None:
        results = with_unknown(report)
        with_output = {host: result for host, result in results.items() if result.output is not None}
        for text in self._texts(with_output, self.screen.out_look):
            self.screen.result(text)
        self._close(report, results)


@dataclass(slots=True)
class _ShownStream:
    """How many bytes of one output stream of one host were shown or dropped, and how many of these were dropped."""

    shown: int = 0
    dropped: int = 0


class Followed(Printer):
    """The base class of who shows output as it comes: it knows how much of each stream was shown."""

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        self._streams: dict[tuple[str, int], _ShownStream] = {}
        self._ended: set[str] = set()

    def output(self, host: str, stream: int, data: bytes, dropped: int) -> None:
        at = self._at(host, stream)
        at.dropped += dropped
        at.shown += dropped + len(data)
        self._show(host, stream, data)

    def _show(self, host: str, stream: int, data: bytes, *, final: bool = False) -> None:
        """Show the next piece of a stream, and with `final` what was held back of it."""
        raise NotImplementedError

    def _write(self, stream: int, data: bytes) -> None:
        (self.screen.result if stream == 1 else self.screen.result_stderr)(data)

    def _look(self, stream: int) -> Look:
        return self.screen.out_look if stream == 1 else self.screen.err_look

    def _at(self, host: str, stream: int) -> _ShownStream:
        return self._streams.setdefault((host, stream), _ShownStream())

    def _end_of(self, host: str, result: HostResult) -> None:
        """Show what is recorded of a host and was not shown."""
        if host not in self._ended:
            self._ended.add(host)
            for stream in (1, 2):
                self._show(host, stream, _rest(result, stream, self._at(host, stream).shown), final=True)

    def end(self, report: Report) -> None:
        for host, result in report.results.items():
            self._end_of(host, result)
            self._warn_of_gaps(host, result, summed_up=len(report.results) == 1 and not self.screen.quiet)
        # The summary names them, too.
        for host, problem in report.unknown_hosts.items() if self.screen.quiet else ():
            self.screen.error(heading(host, HostResult(State.UNREACHABLE, problem=problem)), problem.hint)
        self._summary(report)

    def _warn_of_gaps(self, host: str, result: HostResult, *, summed_up: bool) -> None:
        """Warn of dropped output, and with -q of an error: nothing else would tell, since -q silences the summary."""
        for stream, name in ((1, "stdout"), (2, "stderr")):
            output = result.output
            dropped = self._at(host, stream).dropped
            if output is not None:
                dropped = 0 if summed_up else output.stdout_truncated if stream == 1 else output.stderr_truncated
            if dropped:
                self.screen.warn(f"{host}: {gap(name, dropped)}")
        if self.screen.quiet and result.problem is not None:
            self.screen.error(heading(host, result))


def _rest(result: HostResult, stream: int, shown: int) -> bytes:
    """The part of a recorded stream that was not shown live; `shown` counts the bytes that were."""
    output = result.output
    if output is None:
        return b""
    data, dropped = (
        (output.stdout, output.stdout_truncated) if stream == 1 else (output.stderr, output.stderr_truncated)
    )
    missing = len(data) + (dropped if shown else 0) - shown
    return data[-missing:] if missing > 0 else b""


class Solo(Followed):
    """Live output of a single host: its stdout goes to stdout, its stderr to stderr.

    Where that is a terminal, control characters are made harmless; elsewhere every byte is passed on as it is.
    """

    whole_lines = False

    def __init__(self, screen: Screen) -> None:
        super().__init__(screen)
        # By stream: what makes it harmless, and keeps the begin of a character that is not complete yet.
        self._filters = {1: Printable(), 2: Printable()}
        # Streams of which an escape sequence was shown, so that colours must be reset at the end.
        self._coloured: set[int] = set()
        self._in_line = False

    def _show(self, host: str, stream: int, data: bytes, *, final: bool = False) -> None:
        if self._look(stream).terminal:
            text = self._filters[stream].feed(data, final=final)
            if "\x1b" in text:
                self._coloured.add(stream)
            if plain := COLOURS.sub("", text):
                self._in_line = not plain.endswith("\n")
            reset = RESET if final and stream in self._coloured else ""
            data = (text + reset).encode("utf-8", "backslashreplace")
        if data:
            self._write(stream, data)
        if final and self._in_line and self._look(stream).terminal and self.screen.err_look.terminal:
            # What comes next (stderr, the summary) begins on a new line.
            self._in_line = False
            self._write(stream, b"\n")
