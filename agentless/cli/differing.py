"""`--diff`: how the results of groups of hosts differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from agentless.cli.printers import Grouped
from agentless.model.states import HostResult
from agentless.report.differences import differences

__all__ = ["Differing"]


class Differing(Grouped):
    """Text of many hosts, at the end: the largest group of identical results, and how the others differ from it."""

    def _texts(self, results: Mapping[str, HostResult]) -> Iterator[bytes]:
        return differences(results, self.screen.out_look)
