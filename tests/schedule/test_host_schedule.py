"""What hosts have of a schedule, as documents and exit codes."""

from __future__ import annotations

import json

import pytest

from agentless.model.problem import Problem
from agentless.schedule.host_schedule import HostSchedule, OnHost, Placed, Pushed, ScheduleEvent, Seen

STOPPED = Problem("cron", "cron does not run")


def host(error: Problem | None = None) -> HostSchedule:
    entry = OnHost("nightly", "cmd.run", ("uptime",), "web*", True, None, None, 0, (), None)
    return HostSchedule(None, "", None, {"nightly": entry}, (), (), error)


@pytest.mark.parametrize(
    ("seen", "code"),
    [
        (Seen(hosts={"web1": host()}, problems={}), 0),
        (Seen(hosts={"web1": host(STOPPED)}, problems={}), 3),
        (Seen(hosts={}, problems={"web1": STOPPED}), 3),
    ],
)
def test_a_host_that_fires_nothing_is_as_bad_as_one_that_was_not_reached(seen: Seen, code: int) -> None:
    assert seen.exit_code == code


def test_what_is_unknown_is_null_in_documents() -> None:
    document = json.loads(json.dumps(host().to_json()))
    assert document["last_tick"] is None
    assert document["pushed_by"] is None
    assert document["crontab"] is None
    assert document["error"] is None
    assert document["entries"]["nightly"]["last_skip"] is None
    assert document["entries"]["nightly"]["next"] is None


def test_a_push_that_changed_nothing_says_so_in_every_key() -> None:
    assert Placed().to_json() == {
        "added": [], "changed": [], "removed": [], "unchanged": [], "crontab": "kept", "warnings": [],
    }  # fmt: skip
    assert Pushed(hosts={"web1": Placed()}, problems={"web2": STOPPED}).exit_code == 3


def test_a_skip_has_a_reason_and_no_jid() -> None:
    event = ScheduleEvent(1800000000.0, "nightly", None, "range", 2, None).to_json()
    assert (event["skipped"], event["count"], event["jid"], event["time"]) == (
        "range",
        2,
        None,
        "2027-01-15T08:00:00.000000Z",
    )
