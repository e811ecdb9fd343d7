"""The schedule file: read, checked, worked out for the evaluator, and edited with its comments kept. Pure.

    load(path, *, now) -> Schedule                       read and check; ScheduleError, the file refused whole
    parse(text, file, *, now) -> Schedule                the same from text
    coming(schedule, entry, count, *, now, host, history) -> tuple[Fire, ...]        the next fires
    forecast(schedule, entry, *, now, host, history) -> Forecast    the next one that is not skipped
    offset(schedule, entry) -> the zone of an entry as remote/clock.py knows zones
    Editor(path, *, now): add modify delete enable disable copy move skip postpone
    values(pairs) -> dict                                `KEY=VALUE` of a command line

`Entry.timing` is the entry as remote/evaluator.py takes it, plain JSON; what is pushed to a host is that, the zones'
tables (`Schedule.zones`), and the job of it: function, args, kwargs, timeout, metadata.
"""

from agentless.schedule.coming import Fire, Forecast, Upcoming, coming, forecast, offset
from agentless.schedule.document import Entry, Schedule, load, parse
from agentless.schedule.editing import Editor, values

__all__ = [
    "Editor", "Entry", "Fire", "Forecast", "Schedule", "Upcoming",
    "coming", "forecast", "load", "offset", "parse", "values",
]  # fmt: skip
