"""How a job goes over its hosts: what each is asked, how many at once, and when no further one is started."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import field

from agentless.errors import UsageError
from agentless.model.job_spec import JobSpec, shown
from agentless.regex import regex
from agentless.values import dataclass

__all__ = ["Rollout", "Threshold", "share", "threshold"]


SHARE = regex(r"([0-9]{1,10}|[0-9]{1,3}(?:\.[0-9]{1,20})?(?=%))(%?)", re.ASCII)
MOST = 2**31


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many hosts may fail (returned non-zero, unreachable, lost, refused) before no further one is started.

    Args:
        count: a number of hosts, or None.
        percent: a share of all hosts of the job, or None.
    """

    count: int | None = None
    percent: float | None = None

    def exceeded(self, failures: int, total: int) -> bool:
        if self.count is not None and failures > self.count:
            return True
        return self.percent is not None and failures * 100 > self.percent * total


@dataclass(frozen=True, slots=True)
class Rollout:
    """A job and how it goes over its hosts.

    Args:
        spec: what it is.
        detach: leave each host as soon as it has accepted the job.
        batch: hosts that may be unfinished at once; None is no bound.
        max_fail: when to stop starting further hosts.
        rest: seconds for which the place of a host that has ended stays empty, where there are batches.
        rendered: `Selection.rendered` of the spec, where that is a template; called with the name of a host.
    """

    spec: JobSpec
    detach: bool = False
    batch: int | None = None
    max_fail: Threshold = field(default_factory=Threshold)
    rest: float = 0.0
    rendered: Callable[..., JobSpec] | None = None

    def spec_for(self, host: str) -> JobSpec:
        """What the job is on this host; raises InventoryError where its template cannot be rendered any more."""
        return self.spec if self.rendered is None else self.rendered(host)


def share(value: str | int | None, total: int) -> int | None:
    """A batch: a number of hosts, or `N%` of `total`, at least one; raises UsageError."""
    if value is None:
        return None
    number, percent = _number(value, "a batch")
    if not number:
        raise UsageError("a batch has at least one host")
    return max(1, int(number * total / 100) if percent else int(number))


def threshold(value: str | int | None) -> Threshold:
    """A bound of failures: a number of hosts, or `N%`; raises UsageError."""
    if value is None:
        return Threshold()
    number, percent = _number(value, "a bound of failures")
    return Threshold(percent=number) if percent else Threshold(count=int(number))


def _number(value: object, what: str) -> tuple[float, bool]:
    """A number, and whether it is a percentage; the caller of the Python API may give anything."""
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST:
        return float(value), False
    if isinstance(value, str) and (match := SHARE.fullmatch(value)) and float(match[1]) <= (100 if match[2] else MOST):
        return float(match[1]), bool(match[2])
    raise UsageError(f"{what} is a number of hosts or a percentage such as 25%, not {shown(value)}")
