"""Schedules as tables: what is known of each entry, here and on hosts."""

from __future__ import annotations

from agentless.model.problem import Problem
from agentless.model.times import local
from agentless.remote.evaluator import Fire
from agentless.report import schedule_tables as tables
from agentless.report.text import Look
from agentless.schedule.coming import Forecast, Upcoming
from agentless.schedule.difference import Change
from agentless.schedule.host_schedule import HostSchedule, OnHost, Placed, Pushed, ScheduleEvent, Seen
from agentless.schedule.overview import Overview
from agentless.schedule.pushes import OnHosts
from agentless.schedule.schedule_file import Entry

FIRE = Fire(nominal=1800000000, at=1800000007, shift=3600, reason=None, jid="20270115080000123456")
ENTRY = Entry(
    "nightly",
    "nightly",
    "cmd.run",
    ("uptime",),
    "web*",
    "host",
    {"splay": [0, 30]},
    timezone="Europe/Berlin",
    said={"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
)
NOW = 1799999807.0
GONE = Problem("connect", "no answer")
ON_HOST = OnHost(
    "nightly", "cmd.run", ("uptime",), "web*", True, 1800000000.0, ("range", 1800000060.0), 1, (FIRE,), None
)


def overview(forecast: Forecast) -> Overview:
    return Overview(
        ENTRY,
        "web1",
        forecast,
        1800000000.0,
        {"returned": 2, "failed": 1},
        ("range", 1800000060.0),
        pushed=OnHosts(("web1",), ("web2",), 1799999000.0),
    )


def test_an_entry_says_when_it_comes_and_what_became_of_it() -> None:
    headers, (row,) = tables.entries([overview(Forecast(FIRE))], NOW)
    assert row == (
        "nightly",
        "cron 30 2 * * * (Europe/Berlin)",
        "uptime",
        "web*",
        "yes",
        f"1 of 2 ({local(1799999000)})",
        "2027-01-15 09:00:07+01:00",
        local(1800000000),
        "1 ok, 1 failed",
        f"range {local(1800000060)}",
    )
    assert len(row) == len(headers)


def test_what_is_not_known_here_says_who_knows_or_how_far_was_looked() -> None:
    _, rows = tables.entries(
        [overview(Forecast(None, known=False)), overview(Forecast(None, False, 1800000000)), overview(Forecast(None))],
        NOW,
    )
    assert [row[6] for row in rows] == ["known to the hosts", f"after {local(1800000000)}", ""]


def test_fires_to_come_have_their_splay_and_zone() -> None:
    _, rows = tables.fires({"nightly": Upcoming(ENTRY, "web1", (FIRE,)), "often": Upcoming(ENTRY, "web1", None)}, NOW)
    assert list(rows) == [
        ("2027-01-15 09:00:07+01:00", "3m20s", "nightly", "Europe/Berlin", "7 s of 0 to 30", ""),
        ("known to the hosts", "", "often", "", "", ""),
    ]


def test_a_push_has_a_line_a_host() -> None:
    headers, (row,) = tables.placed(
        Pushed(hosts={"web1": Placed(("a", "b"), (), ("c",), ("d",), "written")}, problems={})
    )
    assert row == ("web1", "a, b", "", "c", "1", "written")
    assert len(row) == len(headers)


def test_what_hosts_have_is_told_by_entry_and_what_is_wrong_by_host() -> None:
    def schedule(**changes: object) -> HostSchedule:
        values = {
            "entries": {"nightly": ON_HOST},
            "events": (),
            "warnings": (),
            "ticked": None,
            "error": None,
            **changes,
        }
        return HostSchedule(pushed_by="ada@ctl", line=True, **values)  # type: ignore[arg-type]

    seen = Seen(
        hosts={
            "web1": schedule(),
            "web2": schedule(entries={}),
            "web3": schedule(error=Problem("cron", "it does not run")),
        },
        problems={"db": GONE},
    )
    headers, made = tables.status(seen)
    rows = list(made)
    assert [row[0] for row in rows] == ["web1", "web2", "web3", "web3"]
    assert rows[0][1:3] == ("never", "nightly")
    assert rows[0][5:] == ("2027-01-15 09:00:07+01:00", "1")
    assert {len(row) for row in rows} == {len(headers)}
    assert seen.exit_code == 3
    headers, made = tables.on_hosts(seen)
    on_hosts = list(made)
    assert on_hosts[0][-1] == "ada@ctl"
    assert {len(row) for row in on_hosts} == {len(headers)}


def test_an_event_is_one_line_whatever_the_host_calls_it() -> None:
    events = [
        ScheduleEvent(1800000000.0, "a\nb", "20270115080000123456", None, 1, None),
        ScheduleEvent(1800000000.0, "a", None, "range", 3, None),
        ScheduleEvent(1800000000.0, "a", "20270115080000123456", None, 1, "no\x1broom"),
    ]
    seen = Seen(hosts={"web1": HostSchedule(None, "", None, {}, events, ())}, problems={})
    assert list(tables.events(seen)) == [
        f"web1: {local(1800000000)} a\\nb: fired 20270115080000123456",
        f"web1: {local(1800000000)} a: skipped, range (3 times)",
        f"web1: {local(1800000000)} a: not started 20270115080000123456: no^[room",
    ]


def test_a_time_that_no_calendar_has_is_a_question_mark() -> None:
    wild = Fire(nominal=0, at=10**20, shift=0, reason=None, jid="")
    _, (row,) = tables.entries([overview(Forecast(wild))], NOW)
    assert row[6] == "?"


def test_on_a_terminal_times_are_how_long_until_and_since() -> None:
    _, (row,) = tables.entries([overview(Forecast(FIRE))], 1800000000 - 193, ages=True)
    assert (row[5], row[6]) == ("1 of 2 (13m27s ago)", "in 3m20s")


def test_what_differs_is_told_once_for_the_hosts_on_which_it_does() -> None:
    change = (Change("minutes", "61", "30"), Change("cwd", None, "/srv\x1b[2J"))
    hosts = {f"web{n}": Placed(changed=("tidy",), differences={"tidy": change}) for n in (1, 2, 3)}
    hosts["db1"] = Placed(changed=("tidy",), differences={"tidy": ()})
    assert list(tables.changes(Pushed(hosts, {}), Look())) == [
        "tidy is changed on web[1-3]:",
        "  - minutes: 61",
        "  + minutes: 30",
        "  + cwd: /srv^[[2J",
        "tidy is changed on db1:",
        "  in what hosts do not show, such as env",
    ]
