"""The schedule's evaluator: a pure function of (entry, history, now), the same on hosts and on the controller.

    evaluate(entry, history, now, host, offset, running=0) -> Outcome(fires, skips, history, look)
    plan(entry, history, now, host, offset) -> iterator of Fire, what is to come
    jid(entry, nominal) -> the JID of a fire

It has no clock, no randomness and no zone of its own: `offset` is `clock.local`, or `clock.Zone(table)` where the entry
names a zone. Times are Unix seconds; the *nominal* time is the schedule's, the fire comes `splay` seconds after it.

An entry is a dict of JSON, made and checked by the controller (agentless/schedule); keys marked * are always there:
  name*, id*   six digits hashed from schedule and entry;      v*  a number that changes with the entry
  every        seconds of an interval, counted from whatever made it fire last, else
  rules        when each value of `when`, the `cron` line or `once` comes due (see clock.py)
  once         1 where a time that is past when the entry comes here counts as missed
  start        1: also once at the start.   since: the instant from which a new or changed entry counts, else now. Who
               pushes sets it to the next full minute, the same for all hosts, so that they share their fires' JIDs
  splay        [least, most] seconds
  range, invert, skip_range, run_after     ranges are two rules of one period
  after, until a rule: one moment, or [86400, phase] for a time of each day
  run, skip    explicit moments; `skip` with the seconds that it covers as a third number
  maxrunning   1 where it is not there;     enabled  0: off;     grace  seconds, 60; less than 5 are 5

The history is JSON too, null at first, and belongs to one entry by its name, whatever becomes of that:
  v, k   the entry's version, and its way to say when: the seconds of its interval, or a negative number for its rules
  w      an interval: the nominal time counted last, from which the next is counted; else all up to here is done
  c      [first, last, step]: nominal times that were had, so that a clock that goes back fires nothing twice
  x      fires to come outside the rules: the start, the end of a skipped range, or for an interval the range's start
  n      nothing is due before
  f, s   the last fire [nominal, at]; the last skip [reason, at]
"""

import time

from .course import COUNTED, EXTRA, FIRED, HAD, NEXT, SKIPPED, VERSION, WAY, Course

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from . import clock
    from .course import History, Timing

GRACE = 60
# cron starts its ticks a second or so after the minute: whoever allows no lateness at all does not mean never.
GRACE_LEAST = 5
# So long may a cached "nothing is due before" hold, should the machine's zone be changed meanwhile.
LOOK = 3600
COUNT = 500

MAXRUNNING = "maxrunning"
MISSED = "missed"


class Fire:
    """A fire, due now or to come.

    nominal: the schedule's time; at: with splay; jid: 20 digits; shift: seconds by which the zone is ahead of UTC at
    `at`; reason: why it will be skipped, None where it runs.
    """

    __slots__ = ("at", "jid", "nominal", "reason", "shift")

    def __init__(self, nominal: int, at: int, jid: str, shift: int, reason: "str | None" = None) -> None:
        self.nominal, self.at, self.jid, self.shift, self.reason = nominal, at, jid, shift, reason


class Skip:
    """Not run. first, last: nominal times; count: how many between them, of many missed ones the first 500."""

    __slots__ = ("count", "first", "last", "reason")

    def __init__(self, reason: str, first: int) -> None:
        self.reason, self.first, self.last, self.count = reason, first, first, 0


class Outcome:
    """What is to be done now.

    fires: in order; history: to be stored before they are started, the same object where nothing changed;
    look: when to evaluate again, an hour ahead at most.
    """

    __slots__ = ("fires", "history", "look", "skips")

    def __init__(self, fires: "list[Fire]", skips: "list[Skip]", history: "History | None", look: int) -> None:
        self.fires, self.skips, self.history, self.look = fires, skips, history, look


def jid(entry: "Timing", nominal: int) -> str:
    """The JID that all hosts of one fire share: the nominal time in UTC and the entry's six digits."""
    return "%04d%02d%02d%02d%02d%02d" % time.gmtime(nominal)[:6] + str(entry["id"])


def evaluate(
    entry: "Timing", history: "History | None", now: float, host: str, offset: "clock.Offset", running: int = 0
) -> Outcome:
    """What is due at `now`, what was skipped, and when to look again.

    Args:
        entry, history: as above; neither is changed.
        now: Unix seconds; it may be earlier than it was at the last look.
        host: the name that the splay is drawn for.
        running: fires of this entry that run now.
    """
    if history and history[VERSION] == entry["v"] and history[COUNTED] <= now < history[NEXT]:
        return Outcome([], [], history, history[NEXT])
    today = int(now // 1)
    course = Course(entry, history, today, host, offset)
    if course.waits:
        return Outcome([], [], history, course.waits)
    every = course.every
    grace = max(entry.get("grace", GRACE), GRACE_LEAST)
    late_until = today - grace - (entry["splay"][1] if entry.get("splay") else 0) - 2
    old = history or {}
    notes = {FIRED: old.get(FIRED), SKIPPED: old.get(SKIPPED)}
    skips = {}  # type: dict[str, Skip]
    due = {}  # type: dict[int, tuple[int, int]]

    def skip(reason: str, nominal: int, at: int) -> int:
        skips.setdefault(reason, Skip(reason, nominal))
        skips[reason].last = nominal
        skips[reason].count += 1
        notes[SKIPPED] = [reason, at]
        return skips[reason].count

    position = course.w
    late = []  # type: list[int]
    while True:
        ahead_fire = course.upcoming(position)
        regular = ahead_fire and ahead_fire[0] <= today and (ahead_fire[0], course.at(ahead_fire[0]))
        apart = course.apart()
        if apart and apart[0][1] <= now and not (regular and regular[1] < apart[0][1]):
            nominal, at = apart[0]
            # What was late by a clock that jumped ahead never fired: it may come when the clock is right again.
            if nominal in course.runs or now - at <= grace:
                course.cover(nominal, nominal, 1)
            course.drop(nominal)
            reason = course.verdict(nominal, at) or (MISSED if now - at > grace else None)
            if reason:
                skip(reason, nominal, at)
                continue
            due[-nominal] = (nominal, at)
            if every:
                course.w = position = max(position, nominal)
            continue
        if not ahead_fire or not regular:
            position = max(position, today)
            break
        nominal, at = regular
        if at > now:
            position = nominal - 1
            break
        position = nominal
        course.drop(nominal)
        reason = course.verdict(nominal, at)
        is_late = now - at > grace
        if not (reason or is_late):
            if ahead_fire[1] in due:
                skip(MISSED, *due[ahead_fire[1]])
            due[ahead_fire[1]] = (nominal, at)
        elif skip(reason or MISSED, nominal, at) >= COUNT and position < late_until:
            position = nominal + (late_until - nominal) // every * every if every else late_until
        if every:
            if not is_late:
                course.cover(nominal, position, every)
            course.w = position
        elif is_late:
            late = [late[0] if late else nominal, position]
    if not every:
        course.w = position
        first, last = late or [course.begun + 1, course.begun]
        course.cover(course.begun + 1, first - 1, 1)
        course.cover(last + 1, position, 1)

    fires = []  # type: list[Fire]
    for nominal, at in sorted(due.values()):
        if running + len(fires) >= entry.get("maxrunning", 1):
            skip(MAXRUNNING, nominal, at)
        else:
            fires.append(Fire(nominal, at, jid(entry, nominal), offset(at)))
            notes[FIRED] = [nominal, at]

    then = course.upcoming(position)
    ahead = [at for _, at in course.apart()] + ([course.at(then[0])] if then else [])
    look = min([today + LOOK, *ahead])
    if not entry.get("enabled", 1):
        # Nobody needs to stay awake for what is off.
        look = max(look, today // 60 * 60 + 60)
    kept = {VERSION: entry["v"], WAY: course.way, COUNTED: course.w, HAD: course.spans, NEXT: look}
    notes[EXTRA] = sorted(course.extra)
    kept.update((key, value) for key, value in notes.items() if value)
    return Outcome(fires, list(skips.values()), kept, look)


def plan(entry: "Timing", history: "History | None", now: float, host: str, offset: "clock.Offset") -> "Iterator[Fire]":
    """Fires to come from `now` on, without end where the entry has none, with the reason where one will be skipped."""
    course = Course(entry, history, int(now // 1), host, offset)
    position = max(course.w, int(now // 1) - (entry["splay"][1] if entry.get("splay") else 0) - 1)
    ahead_fire = course.upcoming(position)
    while ahead_fire or course.extra or course.runs:
        regular = [(ahead_fire[0], course.at(ahead_fire[0]))] if ahead_fire else []
        nominal, at = min(course.apart() + regular, key=lambda both: both[::-1])
        course.drop(nominal)
        if at < int(now // 1):
            ahead_fire = course.upcoming(nominal) if regular and regular[0][0] == nominal else ahead_fire
            continue
        reason = course.verdict(nominal, at)
        if course.every and not reason:
            course.w = nominal
        if (course.every and not reason) or (regular and regular[0][0] == nominal):
            ahead_fire = course.upcoming(nominal)
        yield Fire(nominal, at, jid(entry, nominal), offset(at), reason)
