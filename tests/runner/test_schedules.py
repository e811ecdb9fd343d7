"""The verbs on a schedule file that contact nobody: what is listed, what comes next, and which file it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless import Fleet
from agentless.errors import ScheduleError

HEAD = "    function: cmd.run\n    args: [uptime]\n    target: web1\n"


def fleet(home: Path, entries: str) -> Fleet:
    (home / "schedule.yaml").write_text(f"schedule:\n{entries}")
    return Fleet(home / "inventory.yaml")


def test_when_an_interval_on_hosts_comes_next_is_said_to_be_unknown(home: Path) -> None:
    """Each host counts it from its own last fire."""
    with fleet(home, f"  often:\n{HEAD}    minutes: 61\n") as one:
        (row,) = one.schedule().overview()
        assert (row.to_json()["next"], row.to_json()["next_known"]) == (None, False)
        assert one.schedule().coming("often", 3)["often"].to_json() is None


def test_what_the_controller_counts_and_what_the_clock_says_is_known(home: Path) -> None:
    entries = f"  often:\n{HEAD}    minutes: 61\n    runs_on: controller\n  nightly:\n{HEAD}    cron: '30 2 * * *'\n"
    with fleet(home, entries) as one:
        rows = one.schedule().overview()
        assert all(row.to_json()["next_known"] and row.to_json()["next"] for row in rows)
        # Which entry has how many of the three depends on the time of day.
        assert sum(len(upcoming.fires or ()) for upcoming in one.schedule().coming(count=3).values()) == 3


def test_an_entry_whose_next_fires_are_all_skipped_comes_all_the_same(home: Path) -> None:
    """Of which the search says how far it went; what is switched off or over does not come."""
    entries = (
        f"  later:\n{HEAD}    cron: '* * * * *'\n    after: 2190-01-01\n"
        f"  soon:\n{HEAD}    cron: '* * * * *'\n    skip_during_range: {{start: 0:01, end: 23:59}}\n"
        f"  over:\n{HEAD}    cron: '* * * * *'\n    until: 2001-01-01\n"
        f"  off:\n{HEAD}    cron: '* * * * *'\n    enabled: false\n"
        f"  once:\n{HEAD}    once: 2001-01-01\n"
    )
    with fleet(home, entries) as one:
        rows = {row.entry.name: row for row in one.schedule().overview()}
    assert rows["later"].forecast.searched_until is not None
    assert rows["soon"].forecast.fire is not None
    assert all(rows[name].forecast.known for name in ("over", "off", "once"))


def test_an_entry_is_added_only_for_hosts_that_there_are(home: Path) -> None:
    """A push refuses a file with a target that selects nobody; where there is no inventory, nobody can tell."""
    keys = {"function": "cmd.run", "args": "w", "target": "nobody", "hours": 1}
    with fleet(home, "    {}\n") as one:
        with pytest.raises(ScheduleError, match="new: target: "):
            one.schedule().edit.add("new", keys)
        assert (home / "schedule.yaml").read_text() == "schedule:\n    {}\n"
        one.schedule().edit.add("new", {**keys, "target": "web*"})
    (home / "inventory.yaml").unlink()
    with Fleet(home / "inventory.yaml") as other:
        other.schedule(home / "schedule.yaml").edit.move("new", "nobody")


def test_the_file_is_beside_the_inventory_else_the_users_own(home: Path) -> None:
    def path(*inventories: str, given: str | None = None) -> Path:
        return Fleet(inventories).schedule(given).path

    inventory = str(home / "fleet" / "inventory.yaml")
    assert path(inventory, given="given.yaml") == Path("given.yaml")
    assert path("web1,web2", inventory) == home / "fleet" / "schedule.yaml"
    own = home / "agentless" / "schedule.yaml"
    own.parent.mkdir()
    own.touch()
    assert path(inventory) == own
