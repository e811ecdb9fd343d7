"""The schedule's evaluator: a pure function of (entry, history, now), the same on hosts and on the controller.

    evaluate(entry, history, now, host, offset, running=0) -> Outcome(fires, skips, history, look)
    plan(entry, history, now, host, offset) -> iterator of Planned(nominal, at, reason), what is to come
    jid(entry, nominal) -> the JID of a fire;   splay(entry, host, nominal, gap) -> seconds

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
  maxrunning   1 where it is not there;     enabled  0: off;     grace  seconds, 60

The history is JSON too, null at first, and belongs to one entry by its name, whatever becomes of that:
  v, k   the entry's version, and its way to say when: the seconds of its interval, or a negative number for its rules
  w      an interval: the nominal time counted last, from which the next is counted; else all up to here is done
  c      [first, last, step]: nominal times that were had, so that a clock that goes back fires nothing twice
  x      fires to come outside the rules: the start, the end of a skipped range, or for an interval the range's start
  n      nothing is due before
  f, s   the last fire [nominal, at]; the last skip [reason, at]
"""

import binascii
import time

from . import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

GRACE = 60
# So long may a cached "nothing is due before" hold, should the machine's zone be changed meanwhile.
LOOK = 3600
# A `since` that is so little ahead is waited for; further ahead, the clock has gone back.
AHEAD = 120
SPANS = 8
COUNT = 500

DISABLED = "disabled"
IN_SKIP_RANGE = "in_skip_range"
NOT_IN_RANGE = "not_in_range"
AFTER_NOT_PASSED = "after_not_passed"
UNTIL_PASSED = "until_passed"
MAXRUNNING = "maxrunning"
SKIP_EXPLICIT = "skip_explicit"
MISSED = "missed"


class Fire:
    """Run it now. nominal: the schedule's time; at: with splay; jid: 20 digits."""

    __slots__ = ("at", "jid", "nominal")

    def __init__(self, nominal: int, at: int, jid: str) -> None:
        self.nominal, self.at, self.jid = nominal, at, jid


class Skip:
    """Not run. first, last: nominal times; count: how many between them, of many missed ones the first 500."""

    __slots__ = ("count", "first", "last", "reason")

    def __init__(self, reason: str, first: int) -> None:
        self.reason, self.first, self.last, self.count = reason, first, first, 0


class Planned:
    """To come. reason: why it will be skipped, or None."""

    __slots__ = ("at", "nominal", "reason")

    def __init__(self, nominal: int, at: int, reason: "str | None") -> None:
        self.nominal, self.at, self.reason = nominal, at, reason


class Outcome:
    """What is to be done now.

    fires: in order; history: to be stored before they are started, the same object where nothing changed;
    look: when to evaluate again, an hour ahead at most.
    """

    __slots__ = ("fires", "history", "look", "skips")

    def __init__(self, fires: "list[Fire]", skips: "list[Skip]", history: "Any", look: int) -> None:
        self.fires, self.skips, self.history, self.look = fires, skips, history, look


def jid(entry: "dict[str, Any]", nominal: int) -> str:
    """The JID that all hosts of one fire share: the nominal time in UTC and the entry's six digits."""
    return "%04d%02d%02d%02d%02d%02d" % time.gmtime(nominal)[:6] + str(entry["id"])


def splay(entry: "dict[str, Any]", host: str, nominal: int, gap: "int | None") -> int:
    """Seconds from the nominal time to the fire, drawn from (entry, host, nominal time), the same on every Python.

    Never as far as the next nominal time, `gap` seconds away, so that fires keep their order.
    """
    least, most = entry["splay"]
    if gap is not None:
        most = min(most, gap - 1)
    if most <= least:
        return int(least)
    # A CRC alone is linear: neighbouring names would get neighbouring numbers.
    mixed = binascii.crc32(("%s %s %d" % (entry["id"], host, nominal)).encode("utf-8", "surrogateescape")) & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 15) * 0x2C1B3C6D & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 12) * 0x297A2D39 & 0xFFFFFFFF
    return int(least + ((mixed ^ mixed >> 15) * (most - least + 1) >> 32))


class _Course:
    """The nominal times of an entry from one history on."""

    def __init__(self, entry: "dict[str, Any]", history: "Any", now: int, host: str, offset: "clock.Offset") -> None:
        self.entry, self.host, self.offset = entry, host, offset
        self.every = every = entry.get("every", 0)
        self.waits = 0
        old = history or {}
        self.w = old.get("w", 0)
        self.spans = [list(span) for span in old.get("c", ())]
        self.extra = list(old.get("x", ()))
        since = 0
        self.way = every or ~binascii.crc32(("%r%s" % (entry["rules"], entry.get("zone"))).encode())
        # What changed beside the times themselves loses no fire that is being splayed.
        if old.get("v") != entry["v"] and old.get("k") != self.way:
            since = entry.get("since", now)
            if since > now + AHEAD:
                since = now
            self.waits = since if since > now else 0
            if not old or (old["k"] > 0) != (every > 0):
                starts = entry.get("start")
                self.w = (since - every if starts else since) if every else -1 if entry.get("once") else since - 1
                self.extra = [since] if starts and not every else []
            elif not every:
                self.w = max(self.w, since - 1)
            elif since > self.w:
                self.w += (since - self.w) // every * every
        if now < self.w and not self.waits:
            self.w = self._again(now) if every else now - 1
        self.begun = max(self.w, since - 1)
        runs = [clock.moment(rule, offset) for rule in entry.get("run", ())]
        self.runs = [at for at in runs if at > self.begun and not self.had(at)]
        self.skipped = [(clock.moment(rule, offset), rule[2]) for rule in entry.get("skip", ())]

    def _again(self, now: int) -> int:
        """Count an interval from now on, as the clock went back, so that no nominal time comes a second time."""
        for back in range(min(self.every, len(self.spans) + 1)):
            if not any(last > now - back and (last - now + back) % self.every == 0 for _, last, _ in self.spans):
                return now - back
        return now

    def had(self, nominal: int) -> "list[int] | None":
        for span in self.spans:
            if span[0] <= nominal <= span[1] and (span[1] - nominal) % span[2] == 0:
                return span
        return None

    def following(self, after: int) -> "tuple[int, int] | None":
        """The first nominal time later than `after`, had or not, and which of the rules gives it."""
        if self.every:
            return self.w + max(0, (after - self.w) // self.every + 1) * self.every, 0
        found = []
        for number, rule in enumerate(self.entry["rules"]):
            at = clock.following(rule, self.offset, after)
            if at is not None:
                found.append((at, number))
        return min(found) if found else None

    def upcoming(self, after: int) -> "tuple[int, int] | None":
        """As `following`, of those that were not had yet."""
        while True:
            found = self.following(after)
            span = found and self.had(found[0])
            if not found or not span:
                return found
            # Past a stretch that has them all at once; of another interval's one after the other.
            after = span[1] if span[2] in (1, self.every) else found[0]

    def at(self, nominal: int, alone: bool = False) -> int:
        """When it fires: the nominal time and its splay. `alone`: the time is none of the rules'."""
        if not self.entry.get("splay"):
            return nominal
        then = None if alone else self.following(nominal)
        return nominal + splay(self.entry, self.host, nominal, then and then[0] - nominal)

    def drop(self, nominal: int) -> None:
        """It comes no more outside the rules."""
        self.extra = [x for x in self.extra if x != nominal]
        self.runs = [run for run in self.runs if run != nominal]

    def apart(self) -> "list[tuple[int, int]]":
        """What fires outside the rules: (nominal, at). A time that a person named has no splay."""
        found = [(x, self.at(x, True)) for x in self.extra] + [(run, run) for run in self.runs]
        return sorted(found, key=lambda both: both[::-1])

    def verdict(self, nominal: int, at: int) -> "str | None":
        """As `reason`; a skip may leave a fire for the end of the range, or for its start."""
        entry, reason = self.entry, self.reason(nominal, at)
        then = None
        if reason in (NOT_IN_RANGE, IN_SKIP_RANGE) and self.every and not self._in_range(at):
            # As Salt's, an interval that is over waits for the range: daily at 8pm, it would never be within 8am-5pm.
            if entry.get("invert"):
                then = clock.leave(entry["range"], self.offset, at) - 1
            else:
                then = clock.following(entry["range"][0], self.offset, at)
        elif reason == IN_SKIP_RANGE and entry.get("run_after"):
            then = clock.leave(entry["skip_range"], self.offset, at)
        if then and then not in self.extra and not self.had(then):
            self.extra.append(then)
        return reason

    def _in_range(self, at: int) -> bool:
        entry = self.entry
        if entry.get("invert"):
            return not clock.inside(entry["range"], self.offset, at, True)
        return "range" not in entry or clock.inside(entry["range"], self.offset, at)

    def reason(self, nominal: int, at: int) -> "str | None":
        """Why it is skipped, as far as that is known beforehand; ranges and bounds are asked about the fire."""
        entry, offset = self.entry, self.offset
        if not entry.get("enabled", 1):
            return DISABLED
        if not self._in_range(at):
            return IN_SKIP_RANGE if entry.get("invert") else NOT_IN_RANGE
        if "skip_range" in entry and clock.inside(entry["skip_range"], offset, at):
            return IN_SKIP_RANGE
        if any(start <= when < start + width for start, width in self.skipped for when in (nominal, at)):
            return SKIP_EXPLICIT
        if "until" in entry and self._passed(entry["until"], at) >= 0:
            return UNTIL_PASSED
        if "after" in entry and self._passed(entry["after"], at) <= 0:
            return AFTER_NOT_PASSED
        return None

    def _passed(self, rule: "clock.Rule", at: int) -> int:
        if rule[0] > 0:
            return (at + self.offset(at)) % rule[0] - rule[1]
        return at - clock.moment(rule, self.offset)

    def cover(self, first: int, last: int, step: int) -> None:
        """Note nominal times as had. Beyond 8 spans the closest two become one: rather one fire less than one twice."""
        spans = self.spans
        for span in spans:
            if step == span[2] and first - step <= span[1] and span[0] <= last + step and (span[1] - first) % step == 0:
                spans.remove(span)
                self.cover(min(first, span[0]), max(last, span[1]), step)
                return
        if first <= last:
            spans.append([first, last, step])
            spans.sort()
        while len(spans) > SPANS:
            i = min(range(1, len(spans)), key=lambda i: spans[i][0] - spans[i - 1][1])
            joined = [spans[i - 1][0], max(spans[i - 1][1], spans[i][1]), 1]
            spans[i - 1 : i + 1] = [joined]


def evaluate(
    entry: "dict[str, Any]", history: "Any", now: float, host: str, offset: "clock.Offset", running: int = 0
) -> Outcome:
    """What is due at `now`, what was skipped, and when to look again.

    Args:
        entry, history: as above; neither is changed.
        now: Unix seconds; it may be earlier than it was at the last look.
        host: the name that the splay is drawn for.
        running: fires of this entry that run now.
    """
    if history and history["v"] == entry["v"] and history["w"] <= now < history["n"]:
        return Outcome([], [], history, history["n"])
    today = int(now // 1)
    course = _Course(entry, history, today, host, offset)
    if course.waits:
        return Outcome([], [], history, course.waits)
    every = course.every
    grace = entry.get("grace", GRACE)
    late_until = today - grace - (entry["splay"][1] if entry.get("splay") else 0) - 2
    old = history or {}
    notes = {"f": old.get("f"), "s": old.get("s")}
    skips = {}  # type: dict[str, Skip]
    due = {}  # type: dict[int, tuple[int, int]]

    def skip(reason: str, nominal: int, at: int) -> int:
        skips.setdefault(reason, Skip(reason, nominal))
        skips[reason].last = nominal
        skips[reason].count += 1
        notes["s"] = [reason, at]
        return skips[reason].count

    position = course.w
    late = []  # type: list[int]
    while True:
        found = course.upcoming(position)
        regular = found and found[0] <= today and (found[0], course.at(found[0]))
        apart = course.apart()
        if apart and apart[0][1] <= now and not (regular and regular[1] < apart[0][1]):
            nominal, at = apart[0]
            course.drop(nominal)
            course.cover(nominal, nominal, 1)
            reason = course.verdict(nominal, at) or (MISSED if now - at > grace else None)
            if reason:
                skip(reason, nominal, at)
                continue
            due[-nominal] = (nominal, at)
            if every:
                course.w = position = max(position, nominal)
            continue
        if not found or not regular:
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
            if found[1] in due:
                skip(MISSED, *due[found[1]])
            due[found[1]] = (nominal, at)
        elif skip(reason or MISSED, nominal, at) >= COUNT and position < late_until:
            position = nominal + (late_until - nominal) // every * every if every else late_until
        if every:
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
            fires.append(Fire(nominal, at, jid(entry, nominal)))
            notes["f"] = [nominal, at]

    then = course.upcoming(position)
    ahead = [at for _, at in course.apart()] + ([course.at(then[0])] if then else [])
    look = min([today + LOOK, *ahead])
    if not entry.get("enabled", 1):
        # Nobody needs to stay awake for what is off.
        look = max(look, today // 60 * 60 + 60)
    kept = {"v": entry["v"], "k": course.way, "w": course.w, "c": course.spans, "n": look}
    notes["x"] = sorted(course.extra)
    kept.update((key, value) for key, value in notes.items() if value)
    return Outcome(fires, list(skips.values()), kept, look)


def plan(entry: "dict[str, Any]", history: "Any", now: float, host: str, offset: "clock.Offset") -> "Iterator[Planned]":
    """Fires to come from `now` on, without end where the entry has none, with the reason where one will be skipped."""
    course = _Course(entry, history, int(now // 1), host, offset)
    position = max(course.w, int(now // 1) - (entry["splay"][1] if entry.get("splay") else 0) - 1)
    found = course.upcoming(position)
    while found or course.extra or course.runs:
        regular = [(found[0], course.at(found[0]))] if found else []
        nominal, at = min(course.apart() + regular, key=lambda both: both[::-1])
        course.drop(nominal)
        if at < int(now // 1):
            found = course.upcoming(nominal) if regular and regular[0][0] == nominal else found
            continue
        reason = course.verdict(nominal, at)
        if course.every and not reason:
            course.w = nominal
        if (course.every and not reason) or (regular and regular[0][0] == nominal):
            found = course.upcoming(nominal)
        yield Planned(nominal, at, reason)
