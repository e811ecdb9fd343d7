"""Each key of an entry does what the page says."""

from __future__ import annotations

import itertools
from datetime import datetime, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.remote import course, evaluator
from tests.hosts.needs import examples
from tests.schedule.walking import START, Walk, table, timing, utc

HOUR = 3600
DAY = 86400


def fires(keys: str, hours: float = 24, zone: str | None = None) -> list[str]:
    """When it fires from the 1st of January 2018, a Monday, on, an interval at once; seconds stand there if any."""
    walk = Walk(timing(keys), table(zone) if zone else utc)
    walk.through(int(START + hours * HOUR), start=START + ("rules" in walk.entry))
    return [stamp(fire.at, walk) for fire in walk.fires]


def stamp(at: int, walk: Walk) -> str:
    text = datetime.fromtimestamp(at + walk.offset(at), timezone.utc).strftime("%d %H:%M:%S")
    return text[:-3] if text.endswith(":00") else text


QUARTERS = "cron: '*/15 * * * *'\n"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("hours: 6", ["01 00:00", "01 06:00", "01 12:00", "01 18:00", "02 00:00"]),
        ("hours: 6\nrun_on_start: false", ["01 06:00", "01 12:00", "01 18:00", "02 00:00"]),
        ("days: 0\nhours: 10\nminutes: 90\nseconds: 3", ["01 00:00", "01 11:30:03", "01 23:00:06"]),
        ("when: 1:40pm", ["01 13:40"]),
        ("when: tuesday 00:00", ["02 00:00"]),
        ("when: [1:40pm, 13:40:30, 'Monday 5pm', '1 January 6am', 2018-01-01 07:00]",
         ["01 06:00", "01 07:00", "01 13:40", "01 13:40:30", "01 17:00"]),
        ("when: 1:40pm\nrun_on_start: true", ["01 00:00:01", "01 13:40"]),
        ("cron: '30 2 * * *'", ["01 02:30"]),
        ("cron: '@daily'", ["02 00:00"]),
        ("once: 2018-01-01T05:00:00", ["01 05:00"]),
        ("once: '01.01.2018 6'\nonce_fmt: '%d.%m.%Y %H'", ["01 06:00"]),
        ("once: 2018-01-01T05:00:00+02:00", ["01 03:00"]),
        ("hours: 1\nenabled: false", []),
        (QUARTERS + "range: {start: 1am, end: 1:30am}", ["01 01:00", "01 01:15", "01 01:30"]),
        (QUARTERS + "range: {start: '23:30', end: '00:00'}", ["01 23:30", "01 23:45", "02 00:00"]),
        (QUARTERS + "range: {start: 0:30, end: 23:30, invert: true}",
         ["01 00:15", "01 00:30", "01 23:30", "01 23:45", "02 00:00"]),
        (QUARTERS + "range: {start: 2018-01-01 04:00, end: 2018-01-01 04:15}", ["01 04:00", "01 04:15"]),
        (QUARTERS + "range: {start: sunday 5pm, end: monday 00:15}", ["01 00:15"]),
        (QUARTERS + "skip_during_range: {start: 0:16, end: 23:31}", ["01 00:15", "01 23:45", "02 00:00"]),
        (QUARTERS + "skip_during_range: {start: 0:16, end: 23:31}\nrun_after_skip_range: true",
         ["01 00:15", "01 23:31:01", "01 23:45", "02 00:00"]),
        (QUARTERS + "after: 2018-01-01 23:30", ["01 23:45", "02 00:00"]),
        (QUARTERS + "until: 2018-01-01 00:30", ["01 00:15"]),
        (QUARTERS + "after: '23:30'", ["01 23:45"]),
        (QUARTERS + "until: '00:30'", ["01 00:15", "02 00:00"]),
        ("cron: '0 */8 * * *'\nskip_explicit: 2018-01-01T08:00\nrun_explicit: [2018-01-01T08:20]",
         ["01 08:20", "01 16:00", "02 00:00"]),
        # A fire that is postponed to a time within its minute.
        ("cron: '0 8 * * *'\nskip_explicit: 2018-01-01T08:00\nrun_explicit: 2018-01-01T08:00:30", ["01 08:00:30"]),
        ("cron: '0 8 * * *'\nskip_explicit: [2018-01-01T08:00, 2018-01-01T08:00:30]\n"
         "run_explicit: 2018-01-01T08:00:30", []),
        ("cron: '0 8 * * *'\nskip_explicit: [2018-01-01T08:00, 2018-01-01T09:00]\n"
         "run_explicit: [2018-01-01T09:00, 2018-01-01T10:00]", ["01 10:00"]),
        ("cron: '0 8 * * *'\nskip_explicit: [{time: 01/01 2018, time_fmt: '%d/%m %Y'}]\n"
         "run_explicit: [{time: 01/01 2018 9, time_fmt: '%d/%m %Y %H'}]", ["01 08:00", "01 09:00"]),
    ],
)  # fmt: skip
def test_a_day_of_an_entry(keys: str, expected: list[str]) -> None:
    assert fires(keys) == expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        # Salt's scheduling page: while it is out of its range, an interval waits for it.
        ("days: 1\nrun_on_start: false\nrange: {start: 8am, end: 5pm}", ["02 08:00", "03 08:00"]),
        ("hours: 5\nrange: {start: 8am, end: 5pm}", ["01 08:00", "01 13:00", "02 08:00", "02 13:00", "03 08:00"]),
        ("hours: 9\nrange: {start: 8am, end: 5pm, invert: true}",
         ["01 00:00", "01 17:00", "02 02:00", "02 17:00", "03 02:00"]),
    ],
)  # fmt: skip
def test_an_interval_that_is_over_waits_for_its_range_and_goes_on_from_there(keys: str, expected: list[str]) -> None:
    assert fires(keys, 57) == expected


def test_an_interval_goes_on_from_whatever_made_it_fire() -> None:
    keys = "hours: 6\nskip_explicit: 2018-01-01T06:00\nrun_explicit: [2018-01-01T07:00]"
    assert fires(keys, 24) == ["01 00:00", "01 07:00", "01 13:00", "01 19:00"]


@settings(deadline=None, max_examples=examples(60))
@given(
    keys=st.sampled_from(["minutes: 50", "cron: '*/20 * * * *'", "when: [1am, '1:05', 2am]"]),
    extra=st.sampled_from(
        [
            "range: {start: '0:45', end: '2:10'}",
            "range: {start: '0:45', end: '2:10', invert: true}",
            "skip_during_range: {start: '0:45', end: '2:10'}\nrun_after_skip_range: true",
            "skip_explicit: 2018-01-01T01:00\nrun_explicit: [2018-01-01T01:17:03]",
            "after: 2018-01-01 01:00\nuntil: 2018-01-01 03:00",
        ]
    ),
    splay=st.sampled_from(["", "splay: 100", "splay: {start: 10, end: 500}"]),
    readings=st.lists(st.floats(START, START + 4 * HOUR), max_size=12).map(sorted),
)
def test_a_plan_is_what_happens_however_often_one_looks(
    keys: str, extra: str, splay: str, readings: list[float]
) -> None:
    entry = timing(f"{keys}\n{extra}\n{splay}\nmaxrunning: 9")
    planned = itertools.takewhile(
        lambda each: each.nominal < START + 5 * HOUR, evaluator.plan(entry, None, START, "web1", utc)
    )
    end = START + 4 * HOUR
    expected = [(each.nominal, each.at) for each in planned if each.reason is None and each.at <= end]
    walk = Walk(entry)
    walk.read(START)
    for reading in readings:
        walk.through(int(reading))
        walk.read(reading)
    walk.through(end)
    assert sorted((fire.nominal, fire.at) for fire in walk.fires) == sorted(expected)


HOURS = st.sampled_from([f"{hour}:{minute}" for hour in range(24) for minute in ("00", "37")])


@settings(deadline=None, max_examples=examples(200))
@given(
    keys=st.sampled_from(
        ["cron: '*/20 * * * *'", "cron: '0 * * * *'", "hours: 2", "when: ['9:10', '21:10']", "once: 2018-01-01T10:00"]
    ),
    within=st.lists(HOURS, min_size=2, max_size=2, unique=True),
    without=st.none() | st.lists(HOURS, min_size=2, max_size=2, unique=True),
    invert=st.booleans(),
)
def test_ranges_beside_one_another_lead_a_plan_nowhere_but_on(
    keys: str, within: list[str], without: list[str] | None, invert: bool
) -> None:
    """`range`, inverted or not, with a skipped range and without: nothing comes twice, and what is planned happens."""
    text = f"{keys}\nmaxrunning: 9\n"
    text += f"range: {{start: '{within[0]}', end: '{within[1]}', invert: {invert}}}\n"
    if without:
        text += f"skip_during_range: {{start: '{without[0]}', end: '{without[1]}'}}\nrun_after_skip_range: true\n"
    entry = timing(text)
    end = START + 3 * DAY
    planned = list(
        itertools.takewhile(
            lambda each: each.at <= end, itertools.islice(evaluator.plan(entry, None, START, "web1", utc), 999)
        )
    )
    assert [each.at for each in planned] == sorted({each.at for each in planned})
    walk = Walk(entry)
    walk.through(end, start=START)
    assert walk.nominals == [each.nominal for each in planned if each.reason is None]


def test_an_inverted_range_leaves_nothing_for_the_end_of_a_skipped_range_that_is_not_there() -> None:
    walk = Walk({**timing(QUARTERS + "range: {start: 1am, end: 2am, invert: true}"), "run_after": 1})
    walk.through(START + 3 * HOUR, start=START + 1)
    assert walk.skipped(course.IN_SKIP_RANGE) == 3
    assert len(walk.fires) == 9


@given(
    host=st.text(min_size=1, max_size=30),
    nominal=st.integers(0, 1 << 33),
    least=st.integers(0, 1000),
    more=st.integers(0, 100000),
    gap=st.none() | st.integers(1, 100000),
)
def test_a_splay_stays_within_its_bounds_and_before_the_next_fire(
    host: str, nominal: int, least: int, more: int, gap: int | None
) -> None:
    entry: course.Timing = {"id": "123456", "splay": [least, least + more]}
    drawn = course.splay(entry, host, nominal, gap)
    assert drawn == course.splay(entry, host, nominal, gap)
    assert least <= drawn <= least + more
    assert gap is None or drawn < gap or drawn == least


def test_a_fleet_spreads_over_its_splay() -> None:
    """A thousand neighbouring names over ten minutes: no minute has twice its share."""
    entry: course.Timing = {"id": "123456", "splay": [0, 599]}
    minutes = [course.splay(entry, f"web{number:04}", START, None) // 60 for number in range(1000)]
    assert max(minutes.count(minute) for minute in range(10)) < 200
    assert set(minutes) == set(range(10))


def test_a_splay_of_all_is_that_of_each_entry_which_has_none() -> None:
    entry = timing("hours: 1\nsplay: {start: 7, end: 7}")
    assert [at % HOUR for at in (fire.at for fire in planned_fires(entry, 5))] == [7] * 5


def planned_fires(entry: course.Timing, count: int) -> list[evaluator.Fire]:
    return list(itertools.islice(evaluator.plan(entry, None, START, "web1", utc), count))


def test_maxrunning_is_asked_about_what_runs_now() -> None:
    running = [1]
    walk = Walk(timing("cron: '* * * * *'"), running=lambda: running[0])
    walk.through(START + 150, start=START + 1)
    running[0] = 0
    walk.through(START + 200)
    assert walk.skipped(evaluator.MAXRUNNING) == 2
    assert walk.nominals == [START + 180]


def test_maxrunning_counts_what_one_look_fires() -> None:
    """Two values of a list that come due at one look, and room for one."""
    walk = Walk(timing("when: ['00:10', '00:10:30']\nmisfire_grace: 300"))
    walk.read(START)
    walk.read(START + 660)
    assert len(walk.fires) == 1
    assert walk.skipped(evaluator.MAXRUNNING) == 1


def test_maxrunning_holds_under_an_inverted_range() -> None:
    walk = Walk(timing(QUARTERS + "range: {start: 1am, end: 2am, invert: true}"), running=lambda: 1)
    walk.through(START + 4 * HOUR, start=START + 1)
    assert not walk.fires
    assert walk.skipped(evaluator.MAXRUNNING) == 12 + 1
    assert walk.skipped(course.IN_SKIP_RANGE) == 3


def test_what_is_later_than_its_grace_is_a_recorded_skip() -> None:
    for late, count in ((60, 1), (61, 0)):
        walk = Walk(timing("when: 1am"))
        walk.read(START)
        walk.read(START + HOUR + late)
        assert len(walk.fires) == count
        assert walk.skipped(evaluator.MISSED) == 1 - count


def test_a_grace_of_nothing_lets_cron_be_a_second_late() -> None:
    walk = Walk(timing("cron: '* * * * *'\nmisfire_grace: 0"))
    walk.read(START + 1)
    for minute in range(1, 4):
        walk.read(START + 60 * minute + 1.7)
    assert len(walk.fires) == 3
    walk.read(START + 240 + evaluator.GRACE_LEAST + 1)
    assert walk.skipped(evaluator.MISSED) == 1


def test_many_that_were_missed_run_once() -> None:
    walk = Walk(timing("seconds: 10\nmisfire_grace: 3600\nmaxrunning: 9"))
    walk.read(START)
    walk.read(START + 1000)
    assert walk.nominals == [START, START + 1000]
    assert walk.skipped(evaluator.MISSED) == 99


def test_once_fires_once_also_when_it_is_pushed_again_and_counts_as_missed_when_it_comes_too_late() -> None:
    walk = Walk(timing("once: 2018-01-01T01:00:00"))
    walk.through(START + 2 * HOUR, start=START)
    walk.entry = timing("once: 2018-01-01T01:00:00\nmaxrunning: 2")
    walk.through(START + 3 * HOUR, start=START + 2 * HOUR)
    assert walk.nominals == [START + HOUR]
    late = Walk(timing("once: 2018-01-01T01:00:00"))
    late.read(START + 2 * HOUR)
    assert [skip.reason for skip in late.skips] == [evaluator.MISSED]
    assert not late.fires


def test_a_time_is_that_of_its_zone() -> None:
    assert fires("when: 1:40pm", 30, "Asia/Kathmandu") == ["01 13:40"]
    assert Walk(timing("when: 1:40pm\ntimezone: Asia/Kathmandu")).entry["zone"] == "Asia/Kathmandu"


def test_hosts_of_a_fire_share_its_jid_whatever_their_splay() -> None:
    entry = timing(QUARTERS + "splay: 300")
    jids: set[str] = set()
    for host in ("web1", "web2", "web3"):
        walk = Walk(entry, host=host)
        walk.through(START + 1500, start=START + 1)
        jids.update(fire.jid for fire in walk.fires)
    assert jids == {"20180101001500" + entry["id"]}


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ("enabled: false", course.DISABLED),
        ("range: {start: 3am, end: 4am}", course.NOT_IN_RANGE),
        ("range: {start: '0:01', end: '23:00', invert: true}", course.IN_SKIP_RANGE),
        ("skip_during_range: {start: '0:01', end: '23:00'}", course.IN_SKIP_RANGE),
        ("after: 2019-01-01", course.AFTER_NOT_PASSED),
        ("until: 2017-01-01", course.UNTIL_PASSED),
        ("skip_explicit: ['2018-01-01 00:15', '2018-01-01 00:30']", course.SKIP_EXPLICIT),
    ],
)
def test_every_skip_is_recorded_with_its_reason(keys: str, reason: str) -> None:
    walk = Walk(timing(QUARTERS + keys))
    walk.through(START + 35 * 60, start=START + 1)
    assert walk.skipped(reason) == 2
    assert walk.history["s"][0] == reason
    assert not walk.fires
