"""What a push sends to each host, and what is made of whatever a host says of its schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentless.model.answers import PushDone, ScheduleState
from agentless.model.endpoint import Endpoint
from agentless.model.requests import Caller
from agentless.runner.frames import Frame
from agentless.runner.reading import Reading
from agentless.runner.shipment import Shipment
from agentless.runner.writing import write
from agentless.schedule.host_schedule import OnHost, ScheduleEvent
from agentless.schedule.schedule_file import parse
from tests.runner.lying import SCRATCH

NOW = 1_800_000_030
ENTRIES = """\
schedule:
  both: {function: cmd.run, args: [uptime], target: all, hours: 1, return_job: nocache}
  one: {function: cmd.run, args: [cat], target: web1, hours: 1, timezone: Asia/Tokyo, kwargs: {stdin: in, env: {A: b}}}
  here: {function: cmd.run, args: [cat], target: web1, hours: 1, runs_on: controller}
"""


def shipment() -> Shipment:
    schedule = parse(ENTRIES, "schedule.yaml", now=NOW)
    targets = {"both": ("web1", "web2"), "one": ("web1",), "here": ("web1",)}
    return Shipment.of(schedule, targets, user="ada", sender=("root", "sudo:root"), cap=1000, now=NOW)


def test_each_host_gets_its_entries_and_what_their_records_are_to_hold() -> None:
    """New entries count from the next full minute on, the same for all; an input and secrets travel as sections."""
    message = write(shipment().request(Endpoint("web1", "web1"), check=False), Caller("ada@ctl", 168.0, 1000))
    both, one = message.fields["entries"]
    assert (both["name"], one["name"], both["since"] % 60, both["since"] - NOW) == ("both", "one", 0, 30)
    assert (both["job"]["hosts"], both["job"]["return_job"]) == (["web1", "web2"], "nocache")
    assert (message.fields["login"], message.fields["become"], message.fields["local"]) == ("root", "sudo:root", False)
    assert list(message.fields["zones"]) == ["Asia/Tokyo"]
    assert set(message.sections) == {"env", one["job"]["stdin"]}
    assert "env" not in one["job"]


def test_a_check_brings_no_files_and_a_host_of_no_entry_gets_none() -> None:
    request = shipment().request(Endpoint("web1", "web1", local=True), check=True)
    message = write(request, Caller("ada@ctl", 168.0, 1000))
    assert list(message.sections) == ["env"]
    assert message.fields["local"] is True
    assert shipment().request(Endpoint("web3", "web3"), check=False).entries == ()


HOSTILE: list[Any] = [
    None, True, -1, 10**400, 1e308, float("nan"), "x", "\x1b[2J", [], [[]], {}, {"": []}, [10**400] * 4,
    [10**400, 1, None, 0], [1, 2, 3, 10**400], [1, 2, "disabled", 86400], ["a", "b", "c"], [["a", 10**400]],
]  # fmt: skip
KEYS = {
    "pushed": ("time", "added", "changed", "crontab", "renamed", "restored"),
    "entry": ("entry", "history", "running", "plan"),
    "event": ("at", "name", "jid", "skip", "count", "error"),
    "schedule": ("time", "ticked", "pushed", "line", "controller", "problem", "warning"),
}


@pytest.mark.parametrize("kind", KEYS)
def test_whatever_a_host_says_of_its_schedule_is_a_value_that_can_be_shown(kind: str) -> None:
    """No number is too large and no list too odd; what is wrong is left out."""
    for key in KEYS[kind]:
        for value in HOSTILE:
            answer = Reading("web1", SCRATCH).read(Frame({"t": kind, key: value}, b"", 0))
            assert answer is None or isinstance(answer, (PushDone, OnHost, ScheduleEvent, ScheduleState))
            if isinstance(answer, (OnHost, ScheduleEvent)):
                answer.to_json()
    for value in HOSTILE:
        for part in ({"id": value}, {"history": {"f": value, "s": value}}, {"plan": [value]}):
            answer = Reading("web1", SCRATCH).read(
                Frame({"t": "entry", "entry": {"job": {"fun": value}}, **part}, b"", 0)
            )
            assert isinstance(answer, OnHost)
            answer.to_json()


def test_a_fire_to_come_has_the_jid_that_it_will_have() -> None:
    meta = {
        "t": "entry",
        "entry": {"name": "a", "id": "123456", "job": {"fun": "cmd.run"}},
        "plan": [[1800000000, 1800000007, None, 3600]],
    }
    answer = Reading("web1", SCRATCH).read(Frame(meta, b"", 0))
    assert isinstance(answer, OnHost)
    (fire,) = answer.coming
    assert (fire.jid, fire.at - fire.nominal, fire.shift, fire.reason) == ("20270115080000123456", 7, 3600, None)


def test_a_script_that_is_gone_is_an_error_of_the_file(tmp_path: Path) -> None:
    script = tmp_path / "backup.sh"
    script.write_text("#!/bin/sh\n")
    text = "schedule:\n  it: {function: cmd.script, args: [backup.sh], target: all, hours: 1}\n"
    schedule = parse(text, str(tmp_path / "schedule.yaml"), now=NOW)
    script.unlink()
    with pytest.raises(Exception, match=r"schedule.yaml:2: it: args: .*backup.sh"):
        Shipment.of(schedule, {"it": ("web1",)}, user="ada", sender=(None, ""), cap=1, now=NOW)
