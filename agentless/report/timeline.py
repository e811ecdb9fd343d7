"""Lines of time whose ticks are round numbers, and on them a bar for each host of a job: when it worked."""

from __future__ import annotations

from agentless.model.job import Report
from agentless.model.states import HostResult, State
from agentless.model.times import local
from agentless.report.text import duration, word
from agentless.values import dataclass

__all__ = ["Bar", "Timeline", "percent", "quarter_of", "ticks"]

# Quarters of the time that a timeline spans, in seconds; from a day on, whole days.
_QUARTERS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0),
    *(60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0, 86400.0),
)
# A host's clock that is this far from ours says nothing of when its job ran.
_CLOCK_SLACK = 60.0


def percent(share: float) -> str:
    """A share of 1 as the number of its percents: `33.333`."""
    return f"{100 * share:.3f}".rstrip("0").rstrip(".")


def ticks(quarter: float) -> list[dict[str, str]]:
    """The five ticks of a line of time: where they stand in percents, by which end of their text, and that.

    Args:
        quarter: seconds from one to the next.
    """
    anchors = ("start", "middle", "middle", "middle", "end")
    return [
        {"at": str(25 * number), "anchor": anchor, "text": _length(number * quarter)}
        for number, anchor in enumerate(anchors)
    ]


def _length(seconds: float) -> str:
    """`2.5 s`, `15 min`, `1.5 h`, `3 d`: of round numbers."""
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size and seconds * 4 % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s" if seconds else "0"


def quarter_of(span: float) -> float:
    """The round quarter of a timeline on which so many seconds have room."""
    days = -(-span // (4 * 86400)) * 86400
    return next((each for each in _QUARTERS if 4 * each >= span), days)


@dataclass(frozen=True, slots=True)
class Bar:
    """Where a host's bar lies, in percents: both are empty where nobody knows when it worked.

    Args:
        text: what the bar says.
        why: what there is to say about its place; may be empty.
    """

    at: str = ""
    width: str = ""
    text: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Timeline:
    """From the begin of a job on, by the clock of each host.

    Args:
        origin: Unix seconds at its left end.
        quarter: seconds from one tick to the next.
        now: Unix seconds.
    """

    origin: float
    quarter: float
    now: float

    @classmethod
    def of(cls, report: Report, now: float) -> Timeline:
        began = report.job.start_time
        spans = [span for result in report.results.values() if (span := _span(result, now)) is not None]
        fits = [span for span in spans if _believed(span[0], began, now)]
        origin = min([span[0] for span in fits] + ([began] if began else []), default=now)
        lengths = [start - origin + seconds for start, seconds in fits] + [seconds for _, seconds in spans]
        return cls(origin, quarter_of(max(lengths, default=0.0)), now)

    def bar(self, name: str, result: HostResult) -> Bar:
        """The bar of a host."""
        span = _span(result, self.now)
        if span is None:
            return Bar()
        start, seconds = span
        over = "" if result.ret is not None else ", and was not over"
        text = f"{name}: {word(result)}; from {local(start)}, for {duration(seconds)}{over}"
        why = ""
        if not _believed(start, self.origin, self.now):
            why = f"its clock differs: it says {local(start)}"
            start = self.origin
        whole = 4 * self.quarter
        left = min(max((start - self.origin) / whole, 0.0), 0.994)
        return Bar(percent(left), percent(min(max(seconds / whole, 0.006), 1 - left)), text, why)


def _believed(start: float, began: float, now: float) -> bool:
    return (not began or start >= began - _CLOCK_SLACK) and start <= now + _CLOCK_SLACK


def _span(result: HostResult, now: float) -> tuple[float, float] | None:
    """When a job began on a host, in Unix seconds, and how long it ran there, up to now where it still does."""
    ret = result.ret
    if ret is not None and ret.started is not None:
        seconds = (ret.finished or ret.started) - ret.started if ret.duration is None else ret.duration
        return ret.started, max(seconds, 0.0)
    if result.state is State.RUNNING and result.started is not None:
        return result.started, max(now - result.started, 0.0)
    return None
