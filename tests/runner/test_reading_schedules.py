"""What a host says of its schedule becomes entries and events, or none, and never an error."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.remote import course
from agentless.runner.reading_schedules import COUNT_MAX, DAY, entry, event

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
JOB = {"fun": "cmd.run", "arg": ["uptime"], "tgt": "web*"}
RAW = {"name": "nightly", "id": "123", "job": JOB}
NOON = 1_700_000_000


@given(JSON, JSON, JSON, JSON)
def test_whatever_is_sent_is_an_entry_or_none(raw: Any, history: Any, plan: Any, running: Any) -> None:
    told = {"entry": {**RAW, "zone": raw}, "history": history, "plan": plan, "running": running}
    read = entry(told)
    assert read is not None
    assert 0 <= read.running <= COUNT_MAX
    entry({"entry": raw})


@pytest.mark.parametrize("raw", [None, "nightly", [], {}, {"name": "nightly"}, {"job": "uptime"}, {"job": {}}])
def test_what_has_no_job_is_no_entry(raw: object) -> None:
    assert entry({"entry": raw}) is None


def test_an_entry_is_enabled_unless_it_says_otherwise() -> None:
    assert [read.enabled for raw in (RAW, {**RAW, "enabled": 0}) if (read := entry({"entry": raw}))] == [True, False]


def test_its_last_fire_and_skip_are_told_with_the_reason() -> None:
    history = {course.FIRED: ["j", NOON], course.SKIPPED: ["range", NOON + 60]}
    read = entry({"entry": RAW, "history": history})
    assert read is not None
    assert (read.last_fire, read.last_skip) == (NOON, ("range", NOON + 60))


@pytest.mark.parametrize("pair", [[], ["range"], ["range", "soon"], ["range", -1], ["range", 2**40], "range", None])
def test_a_history_that_is_damaged_is_none(pair: object) -> None:
    read = entry({"entry": RAW, "history": {course.FIRED: pair, course.SKIPPED: pair}})
    assert read is not None
    assert (read.last_fire, read.last_skip) == (None, None)


@pytest.mark.parametrize(
    "row",
    [None, [], [NOON], [NOON, NOON, "", 0, 0], ["soon", NOON, "", 0], [NOON, -1, "", 0], [NOON, NOON, "", DAY]],
)
def test_a_fire_that_makes_no_sense_is_left_out_and_the_others_stay(row: object) -> None:
    read = entry({"entry": RAW, "plan": [row, [NOON, NOON + 5, "splay", 3600]]})
    assert read is not None
    (fire,) = read.coming
    assert (fire.nominal, fire.at, fire.shift, fire.reason) == (NOON, NOON + 5, 3600, "splay")


def test_an_event_has_a_count_that_a_table_has_room_for() -> None:
    assert [event({"count": count}).count for count in (None, 0, -5, 3, 10**12)] == [1, 1, 1, 3, COUNT_MAX]


def test_an_event_of_nothing_is_at_no_time_and_without_a_reason() -> None:
    read = event({"at": "soon", "name": 7, "jid": "", "skip": "", "error": []})
    assert (read.at, read.name, read.jid, read.reason, read.error) == (0.0, "", None, None, None)
