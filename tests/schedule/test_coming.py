"""The fires to come, as the machine that fires works them out."""

from __future__ import annotations

import pytest

from agentless.remote import course
from agentless.schedule.coming import coming, fire_json, forecast
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


@pytest.mark.usefixtures("utc")
def test_what_comes_but_once_comes_to_an_end() -> None:
    schedule = read(ENTRY + "    once: 2018-01-01T05:00:00\n")
    assert len(coming(schedule, schedule.entry("it"), 5, now=START, host="web1")) == 1


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("once: 2017-01-01T05:00:00", "its times are past"),
        ("when: [2017-01-01T05:00:00, 2017-02-01T05:00:00]", "its times are past"),
        ("cron: 0 12 * * *\n    until: 2017-06-01T00:00:00", "its `until` is past"),
        ("minutes: 5\n    until: 2017-06-01T00:00:00", "its `until` is past"),
        ("cron: 0 12 * * *\n    range: {start: 1am, end: 2am}", "skipped: not_in_range"),
        ("when: 1:30am\n    skip_during_range: {start: 1am, end: 2am}", "skipped: in_skip_range"),
        ("once: 2018-02-01T05:00:00\n    skip_explicit: 2018-02-01 05:00", "its fires are skipped: skip_explicit"),
        ("cron: 0 12 * * *", ""),
        ("minutes: 5", ""),
        ("cron: '* * * * *'\n    range: {start: Monday 1am, end: Monday 2am}", ""),
        ("cron: 0 12 * * *\n    after: 2100-01-01T00:00:00", ""),
        ("cron: 0 12 * * *\n    until: 2017-06-01T00:00:00\n    enabled: false", ""),
    ],
)
def test_an_entry_that_is_on_and_never_fires_says_why(keys: str, why: str) -> None:
    schedule = read(ENTRY + f"    {keys}\n")
    never = forecast(schedule, schedule.entry("it"), now=START, host="web1").never
    assert never.endswith(why) if why else never == ""
