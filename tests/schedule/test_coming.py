"""The fires to come, as the machine that fires works them out."""

from __future__ import annotations

from agentless.remote import course
from agentless.schedule.coming import coming, fire_json
from tests.schedule.reading import ENTRY, read
from tests.schedule.walking import START


def test_fires_to_come_have_zone_splay_and_reason() -> None:
    schedule = read(
        ENTRY + "    when: 5pm\n    timezone: Asia/Kathmandu\n    splay: 60\n    skip_explicit: 2018-01-02 17:00\n"
    )
    first, second = coming(schedule, schedule.entry("it"), 2, now=START, host="web1")
    shown = fire_json(first, schedule.entry("it"), "web1")
    assert (shown["nominal"], shown["utc_offset"], shown["zone"]) == (
        "2018-01-01T11:15:00.000000Z",
        (5 * 60 + 45) * 60,
        "Asia/Kathmandu",
    )
    assert 0 <= shown["splay"] <= 60
    assert first.reason is None
    assert second.reason == course.SKIP_EXPLICIT
    assert first.jid.startswith("20180101111500")


def test_what_comes_but_once_comes_to_an_end() -> None:
    schedule = read(ENTRY + "    once: 2018-01-01T05:00:00\n")
    assert len(coming(schedule, schedule.entry("it"), 5, now=START, host="web1")) == 1
