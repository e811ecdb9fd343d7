"""The output of several hosts while it comes, in whole lines behind the names of their hosts."""

from __future__ import annotations

from collections.abc import Sequence

from agentless.cli.printers import Followed
from agentless.cli.screen import Screen
from agentless.model.states import HostResult
from agentless.report.lines import HostPrefixes, Lines

__all__ = ["Live"]


class Live(Followed):
    """Live output of several hosts; at the end the summary of all.

    What a job writes to its stderr goes to stderr, marked. A host's last line that no newline ends is shown when the
    host is done; that is also when the output is shown of which nothing came live.

    Args:
        hosts: all hosts of the job.
    """

    def __init__(self, screen: Screen, hosts: Sequence[str]) -> None:
        super().__init__(screen)
        self._marks = HostPrefixes(hosts)
        self._lines: dict[tuple[str, int], Lines] = {}

    def output(self, host: str, stream: int, data: bytes, dropped: int) -> None:
        if dropped and (lines := self._lines.get((host, stream))) is not None:
            # What follows is no part of the line that had begun.
            self._put(stream, lines.finish())
        super().output(host, stream, data, dropped)

    def done(self, host: str, result: HostResult) -> None:
        self._end_of(host, result)

    def _show(self, host: str, stream: int, data: bytes, *, final: bool = False) -> None:
        lines = self._lines.get((host, stream))
        if lines is None:
            lines = self._lines[host, stream] = Lines(self._marks, host, stream, self._look(stream))
        self._put(stream, lines.feed(data) + (lines.finish() if final else b""))

    def _put(self, stream: int, lines: bytes) -> None:
        if lines:
            self._write(stream, lines)
