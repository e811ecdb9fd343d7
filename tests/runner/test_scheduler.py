"""The controller's evaluator: what is due is noted before it is fired, and one wrong thing stops nothing else."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from agentless import Fleet
from agentless.errors import ScheduleError
from tests.hosts import need

PRUNE = "  {name}: {{function: jobs.prune, hours: 1{more}}}\n"


def once(home: Path, entries: str) -> list[str]:
    """One look of a scheduler of its own; its log."""
    (home / "schedule.yaml").write_text(f"schedule:\n{entries}")
    log: list[str] = []
    with Fleet(home / "inventory.yaml") as fleet:
        fleet.scheduler(log.append).once()
    return log


def test_what_was_fired_is_not_fired_again_by_the_next_look(home: Path) -> None:
    entries = PRUNE.format(name="tidy", more="")
    assert once(home, entries) == ["tidy: jobs.prune: removed 0 jobs, 0 bytes"]
    assert once(home, entries) == []


def test_what_is_for_hosts_is_not_fired_here(home: Path) -> None:
    assert once(home, "  theirs: {function: cmd.run, args: [x], target: web1, seconds: 1}\n") == []


def test_a_skip_is_told_with_its_reason(home: Path) -> None:
    (line,) = once(home, PRUNE.format(name="off", more=", enabled: false"))
    assert line.startswith("off: skipped ")
    assert line.endswith(": disabled")


def test_a_wrong_file_fires_nothing_at_the_start_and_changes_nothing_later(home: Path) -> None:
    """Later, the last good one holds, and the error is told once."""
    need("many seconds")
    with pytest.raises(ScheduleError, match="never says when"):
        once(home, "  bad: {function: jobs.prune}\n")
    path = home / "schedule.yaml"
    path.write_text("schedule:\n" + PRUNE.format(name="tidy", more="").replace("hours: 1", "seconds: 1"))
    log: list[str] = []
    stop = threading.Event()

    def listen(line: str) -> None:
        log.append(line)
        fires = sum("tidy: jobs.prune" in each for each in log)
        if fires == 1:
            path.write_text("schedule: [")
        if fires == 4:
            stop.set()

    with Fleet(home / "inventory.yaml") as fleet:
        fleet.scheduler(listen).serve(stop)
    assert sum("the schedule as it was before holds" in line for line in log) == 1
    assert log[-1] == "stopped"


def test_what_fails_is_told_and_the_others_are_fired(home: Path) -> None:
    """A host that is not to be reached, beside a function that needs none."""
    entries = "  ask: {function: jobs.collect, hours: 1}\n" + PRUNE.format(name="tidy", more="")
    (home / "inventory.yaml").write_text("all: {hosts: {web1: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    log = once(home, entries)
    assert log[0].startswith("ask: jobs.collect: collected; not reached: web1: ")
    assert log[1].startswith("tidy: jobs.prune: removed ")


def test_a_history_of_another_entry_is_its_own(home: Path) -> None:
    """Each file has one, under a name of its own; an entry begins with it where it went on before."""
    once(home, PRUNE.format(name="tidy", more=""))
    (kept,) = (home / "agentless" / "scheduler").glob("*.json")
    assert set(json.loads(kept.read_bytes())) == {"tidy"}
    assert once(home, PRUNE.format(name="tidy", more="") + PRUNE.format(name="new", more="")) == [
        "new: jobs.prune: removed 0 jobs, 0 bytes"
    ]
