"""The nominal times of one entry: those of its rules and those beside them, which have passed, and why one is skipped.

The entry and its history are those that evaluator.py describes.
"""

import binascii

from . import clock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypedDict  # novm

    class Timing(TypedDict, total=False):
        name: str
        id: str
        v: int
        every: int
        rules: "list[clock.Rule]"
        once: int
        start: int
        since: int
        splay: "list[int]"
        range: "list[clock.Rule]"
        invert: int
        skip_range: "list[clock.Rule]"
        run_after: int
        after: clock.Rule
        until: clock.Rule
        run: "list[clock.Rule]"
        skip: "list[clock.Rule]"
        maxrunning: int
        enabled: int
        grace: int
        zone: str

    History = dict[str, Any]

# A `since` that is so little ahead is waited for; further ahead, the clock has gone back.
AHEAD = 120
SPANS = 8

# The keys of a history, in the order in which evaluator.py tells them.
VERSION, WAY, COUNTED, HAD, EXTRA, NEXT, FIRED, SKIPPED = "vkwcxnfs"

DISABLED = "disabled"
IN_SKIP_RANGE = "in_skip_range"
NOT_IN_RANGE = "not_in_range"
AFTER_NOT_PASSED = "after_not_passed"
UNTIL_PASSED = "until_passed"
SKIP_EXPLICIT = "skip_explicit"


def splay(entry: "Timing", host: str, nominal: int, gap: "int | None") -> int:
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


class Course:
    """The nominal times of an entry from one history on."""

    def __init__(self, entry: "Timing", history: "History | None", now: int, host: str, offset: "clock.Offset") -> None:
        self.entry, self.host, self.offset = entry, host, offset
        self.every = every = entry.get("every", 0)
        self.waits = 0
        old = history or {}
        self.w = old.get(COUNTED, 0)
        self.spans = [list(span) for span in old.get(HAD, ())]
        self.extra = list(old.get(EXTRA, ()))
        since = 0
        self.way = every or ~binascii.crc32(("%r%s" % (entry["rules"], entry.get("zone"))).encode())
        # What changed beside the times themselves loses no fire that is being splayed.
        if old.get(VERSION) != entry["v"] and old.get(WAY) != self.way:
            since = entry.get("since", now)
            if since > now + AHEAD:
                since = now
            self.waits = since if since > now else 0
            if not old or (old[WAY] > 0) != (every > 0):
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
        self.named = set(runs)
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
        times = []
        for number, rule in enumerate(self.entry["rules"]):
            at = clock.following(rule, self.offset, after)
            if at is not None:
                times.append((at, number))
        return min(times) if times else None

    def upcoming(self, after: int) -> "tuple[int, int] | None":
        """As `following`, of those that were not had yet."""
        while True:
            fire = self.following(after)
            span = fire and self.had(fire[0])
            if not fire or not span:
                return fire
            # Past a stretch that has them all at once; of another interval's one after the other.
            after = span[1] if span[2] in (1, self.every) else fire[0]

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
        fires = [(x, self.at(x, True)) for x in self.extra] + [(run, run) for run in self.runs]
        return sorted(fires, key=lambda both: both[::-1])

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
        elif reason == IN_SKIP_RANGE and entry.get("run_after") and self._in_skip_range(at):
            then = clock.leave(entry["skip_range"], self.offset, at)
        # Where the clock is set back just then, the end of a range may lie behind.
        if then and then > at and then not in self.extra and not self.had(then):
            self.extra.append(then)
        return reason

    def _in_range(self, at: int) -> bool:
        entry = self.entry
        if entry.get("invert"):
            return not clock.inside(entry["range"], self.offset, at, True)
        return "range" not in entry or clock.inside(entry["range"], self.offset, at)

    def _in_skip_range(self, at: int) -> bool:
        return "skip_range" in self.entry and clock.inside(self.entry["skip_range"], self.offset, at)

    def reason(self, nominal: int, at: int) -> "str | None":
        """Why it is skipped, as far as that is known beforehand; ranges and bounds are asked about the fire."""
        entry = self.entry
        if not entry.get("enabled", 1):
            return DISABLED
        if not self._in_range(at):
            return IN_SKIP_RANGE if entry.get("invert") else NOT_IN_RANGE
        if self._in_skip_range(at):
            return IN_SKIP_RANGE
        # A minute that is skipped leaves what was postponed to a time within it, unless it starts just then.
        named = nominal in self.named
        for start, width in self.skipped:
            if start == nominal or (not named and any(start <= when < start + width for when in (nominal, at))):
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
