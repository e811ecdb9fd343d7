"""Wall time and instants: time zones as offsets, and the rules by which times of day, weekdays and cron lines recur.

Instants are whole Unix seconds. *Wall* is what a clock on the wall shows, as seconds since 1970-01-01 00:00 there.
A zone is a function from an instant to the seconds by which its wall is ahead: `local`, or a `Zone` made of a table
that the controller worked out, so that a host needs neither `zoneinfo` nor a time zone database.

A rule is a list of whole numbers:
  [period, phase]    wall times that are `phase` modulo `period`: 86400 daily, 604800 weekly (1970-01-01 was a Thursday)
  [0, wall]          one wall time;   [-1, instant]    one instant, whatever the zone
  [minutes, hours, days, months, weekdays, either, second]     a cron line: the first five are bit masks. Bit 0 of
      `days` is the last day of the month; a weekday (0 Sunday) in the n-th week of its month is bit 7*n + weekday, in
      the last one 42 + weekday, in any of them its own. `either`: one of day and weekday is enough (both are named).
"""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    Offset = Callable[[int], int]
    Rule = list[int]

DAY = 86400
EVERY_HOUR = (1 << 24) - 1
# 29 February on a given weekday comes back after 40 years at most.
DAYS_AHEAD = 41 * 366


def local(instant: int) -> int:
    """The zone of this machine, as its C library knows it."""
    return time.localtime(instant).tm_gmtoff


class Zone:
    """A zone as a table.

    Args:
        table: instants from which another offset holds, ascending, and the offsets, one more: the first holds before.
    """

    def __init__(self, table: "Sequence[Sequence[int]]") -> None:
        self.changes, self.offsets = table

    def __call__(self, instant: int) -> int:
        low, high = 0, len(self.changes)
        while low < high:
            middle = (low + high) // 2
            if self.changes[middle] <= instant:
                low = middle + 1
            else:
                high = middle
        return self.offsets[low]


def zone(tables: "Mapping[str, Sequence[Sequence[int]]]", name: "str | None") -> "Offset":
    """The zone of this name, of those that were brought; without one, this machine's."""
    return Zone(tables[name]) if name else local


def change(offset: "Offset", low: int, high: int) -> int:
    """The first instant of another offset than that of `low`, where `high` already has another."""
    before = offset(low)
    while high - low > 1:
        middle = (low + high) // 2
        if offset(middle) == before:
            low = middle
        else:
            high = middle
    return high


def instant(offset: "Offset", wall: int) -> int:
    """When the wall shows this: the first time of two, and where it never does, the first instant after the gap."""
    before, after = offset(wall - DAY), offset(wall + DAY)
    first, last = wall - before, wall - after
    if before == after or offset(first) == before:
        return first
    if offset(last) == after:
        return last
    return change(offset, last, first)


def moment(rule: "Rule", offset: "Offset") -> int:
    """The instant of a rule that names a single one."""
    return rule[1] if rule[0] else instant(offset, rule[1])


def following(rule: "Rule", offset: "Offset", after: int) -> "int | None":
    """The first instant of a rule that is later than the instant `after`.

    A wall time that is skipped counts at the first instant after the gap, one that comes twice counts the first time;
    but a cron line for every hour keeps to the hours that pass: it goes on through the hour that comes twice.
    """
    if rule[0] < 0:
        return rule[1] if rule[1] > after else None
    shift = offset(after)
    wall = _next_wall(rule, after + shift)
    if len(rule) > 2 and rule[1] == EVERY_HOUR and wall is not None:
        moment = wall - shift
        if offset(moment) == shift:
            return moment
        turn = change(offset, after, moment)
        then = offset(turn)
        wall = _next_wall(rule, turn + min(shift, then) - 1)
        return None if wall is None else max(turn, wall - then)
    while wall is not None:
        moment = instant(offset, wall)
        if moment > after:
            return moment
        wall = _next_wall(rule, wall)
    return None


def inside(span: "Sequence[Rule]", offset: "Offset", at: int, strictly: bool = False) -> bool:
    """Whether an instant lies between two rules of one period, both ends included unless `strictly`."""
    return -strictly >= _beyond(span, offset, at)[0] and (not strictly or _beyond(span, offset, at)[1] > 0)


def leave(span: "Sequence[Rule]", offset: "Offset", at: int) -> int:
    """The first instant after the span that `at` lies in."""
    if span[0][0] <= 0:
        return moment(span[1], offset) + 1
    return instant(offset, at + offset(at) - _beyond(span, offset, at)[0] + 1)


def _beyond(span: "Sequence[Rule]", offset: "Offset", at: int) -> "tuple[int, int]":
    """Seconds by which `at` is past the end of the span (not positive: inside it), and past its start."""
    (period, start), (_, end) = span
    if period <= 0:
        past = at - moment(span[0], offset)
        return (at - moment(span[1], offset) if past >= 0 else 1), past
    past = (at + offset(at) - start) % period
    return past - (end - start) % period, past


def _next_wall(rule: "Rule", wall: int) -> "int | None":
    if len(rule) > 2:
        return _next_cron(rule, wall)
    period, phase = rule
    if period:
        return wall - (wall - phase) % period + period
    return phase if phase > wall else None


def _next_cron(rule: "Rule", wall: int) -> "int | None":
    minutes, hours, days, months, weekdays, either, second = rule
    day, minute = divmod((wall - second) // 60 + 1, 1440)
    end = day + DAYS_AHEAD
    while day < end:
        date = time.gmtime(day * DAY)
        if not months >> date.tm_mon & 1:
            day += max(1, 28 - date.tm_mday)
            minute = 0
            continue
        weekday = (date.tm_wday + 1) % 7
        week = (date.tm_mday + 6) // 7
        is_day = days >> date.tm_mday & 1 or (days & 1 and time.gmtime(day * DAY + DAY).tm_mday == 1)
        is_weekday = (weekdays >> weekday | weekdays >> 7 * week + weekday) & 1 or (
            weekdays >> 42 + weekday & 1 and time.gmtime(day * DAY + 7 * DAY).tm_mday < 8
        )
        if (is_day or is_weekday) if either else (is_day and is_weekday):
            while minute < 1440:
                if not hours >> minute // 60 & 1:
                    minute += 60 - minute % 60
                elif minutes >> minute % 60 & 1:
                    return (day * 1440 + minute) * 60 + second
                else:
                    minute += 1
        day += 1
        minute = 0
    return None
