"""What a push would change, and which hosts have what the file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.hosts import until
from tests.schedule_hosts.test_local import Local

ENTRIES = """\
  tidy:
    function: cmd.run
    args: ['echo [red]tidy[/red]']
    target: all
    minutes: 61
    kwargs: {env: {SECRET: hidden}}
  nightly:
    function: cmd.script
    args: [backup.sh]
    target: web1
    cron: '30 2 * * *'
"""


@pytest.fixture
def local(tmp_path: Path) -> Local:
    here = Local(tmp_path)
    (tmp_path / "backup.sh").write_text("#!/bin/sh\n")
    here.write(ENTRIES)
    return here


def pushed(local: Local) -> dict[str, str]:
    """The column PUSHED by entry, without as of when."""
    lines = local.agentless("schedule", "list", "--out", "text").stdout.splitlines()
    return {cells[0]: cells[5].partition(" (")[0] for cells in (line.split("\t") for line in lines)}


def test_list_says_which_hosts_have_an_entry_as_it_is_in_the_file(local: Local) -> None:
    assert pushed(local) == {"tidy": "no", "nightly": "no"}
    local.agentless("schedule", "push", "web1")
    assert pushed(local) == {"tidy": "1 of 2", "nightly": "yes"}
    local.agentless("schedule", "push")
    assert pushed(local) == {"tidy": "yes", "nightly": "yes"}
    (local.client.home / "backup.sh").write_text("#!/bin/sh\nexit 3\n")
    local.write(ENTRIES.replace("hidden", "other"))
    assert pushed(local) == {"tidy": "no", "nightly": "no"}
    local.agentless("schedule", "push", "--check")
    assert pushed(local) == {"tidy": "no", "nightly": "no"}
    local.write(ENTRIES)
    assert pushed(local) == {"tidy": "yes", "nightly": "no"}
    local.agentless("schedule", "purge")
    assert pushed(local) == {"tidy": "no", "nightly": "no"}


def test_a_push_shows_old_and_new_values_and_no_secret(local: Local) -> None:
    local.agentless("schedule", "push")
    local.write(
        ENTRIES.replace("minutes: 61", "minutes: 30").replace("web1", "web2").replace("hidden", "other")
        + "  new:\n    function: cmd.run\n    args: [uptime]\n    target: web2\n    when: [1:40pm, Monday 5pm]\n"
    )
    before = local.crontab.read_text()
    out = local.agentless("schedule", "push", "--check", "--diff").stdout
    lines = out[out.index("tidy is") :].splitlines()
    assert lines[:3] == ["tidy is changed on web[1-2]:", "  - minutes: 61", "  + minutes: 30"]
    assert "nightly is removed on web1:" in lines
    assert "  - cron: 30 2 * * *" in lines
    assert "new is added on web2:" in lines
    assert "  + when: 1:40pm, Monday 5pm" in lines
    assert "  + args: uptime" in lines
    assert "hidden" not in out
    assert "other" not in out
    assert local.crontab.read_text() == before
    change = local.said("schedule", "push", "--diff")["web1"]["diff"]["tidy"]
    assert change == {"minutes": {"old": "61", "new": "30"}}
    assert local.said("schedule", "push", "--check", "--diff")["web1"]["diff"] == {}


def test_what_hosts_do_not_show_is_named_as_that(local: Local) -> None:
    local.agentless("schedule", "push")
    local.write(ENTRIES.replace("hidden", "other"))
    out = local.agentless("schedule", "push", "--check", "--diff").stdout
    assert out.endswith("tidy is changed on web[1-2]:\n  in what hosts do not show, such as env\n")


def test_a_job_that_runs_says_which_entry_fired_it(local: Local) -> None:
    """In JSON by a key of its own, else before its command."""
    local.write("  slow: {function: cmd.run, args: ['sleep 600'], target: web1, hours: 1}\n")
    local.agentless("schedule", "push")

    def look() -> list[dict[str, Any]]:
        local.tick("web1")
        running: list[dict[str, Any]] = local.said("running", "web1")["web1"]
        return running

    (one,) = until(look, "a fire")
    try:
        assert one["schedule"] == "slow"
        assert "[slow] sleep 600" in local.agentless("running").stdout
        assert "[slow] sleep 600" in local.agentless("jobs", "active").stdout
        assert local.said("jobs", "active")[one["jid"]]["schedule"] == "slow"
    finally:
        local.agentless("kill-job", one["jid"])


@pytest.mark.parametrize("left", ["", "# nothing\n", "whens: {}\n"])
def test_a_file_that_lost_its_content_takes_nothing_from_hosts(local: Local, left: str) -> None:
    local.agentless("schedule", "push")
    (local.client.home / "schedule.yaml").write_text(left)
    for check in ([], ["--check"]):
        refused = local.agentless("schedule", "push", *check, code=2).stderr
        assert "there is no schedule in it" in refused
        assert "schedule purge" in refused
    assert len(local.crontab.read_text().splitlines()) == 2
    local.write("")
    assert "tidy" in local.agentless("schedule", "push").stdout
    assert not local.crontab.exists() or not local.crontab.read_text()
