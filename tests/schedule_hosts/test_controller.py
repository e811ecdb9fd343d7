"""`agentless scheduler` and the verbs about the file: real processes, and a real sshd where a host is needed."""

from __future__ import annotations

import json
import re
import shutil
import signal
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Client, Sshd, in_time, patience, until

ENTRIES = """\
schedule:
  # kept by every edit
  mark:
    function: cmd.run
    args: ['echo fired']
    target: all
    runs_on: controller
    seconds: 1
    metadata: {ticket: '4711'}
  tidy:
    function: jobs.prune
    hours: 1
  off:
    function: jobs.collect
    enabled: false
    seconds: 1
"""


@pytest.fixture
def file(sshd: Sshd) -> Path:
    path = sshd.client.home / "schedule.yaml"
    path.write_text(ENTRIES)
    return path


def jobs(client: Client, *arguments: str) -> dict[str, Any]:
    done = client.agentless("jobs", "list", "--out", "json", *arguments)
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def test_two_schedulers_fire_each_time_once_and_stop_gracefully(sshd: Sshd, file: Path) -> None:
    """The log says what was fired and what it returned; the jobs have the entry's name and metadata."""
    client = sshd.client
    with client.start("scheduler") as one, client.start("scheduler") as other:
        until(lambda: len(jobs(client, "--schedule", "mark", "--state", "returned")) >= 3, "three fires", seconds=60)
        for process in (one, other):
            process.send_signal(signal.SIGTERM)
        said = [process.communicate(timeout=patience(30))[1] for process in (one, other)]
    assert [one.returncode, other.returncode] == [0, 0], said
    lines = "".join(said).splitlines()
    fired = [line for line in lines if " mark: fired " in line]
    found = jobs(client, "--metadata", "ticket=4711")
    assert len(fired) == len(found) == len(jobs(client, "--schedule", "ma*"))
    assert all(job["schedule"] == "mark" for job in found.values())
    assert sum(" tidy: jobs.prune: removed " in line for line in lines) == 1
    assert any(re.search(r" mark: \d{20}: 3 returned", line) for line in lines)
    assert not any(" off: jobs" in line for line in lines)
    assert any(" off: skipped " in line and line.endswith("disabled") for line in lines)
    assert all(line.endswith(" stopped") for line in (text.splitlines()[-1] for text in said))


def test_once_fires_what_is_due_and_leaves(sshd: Sshd, file: Path) -> None:
    """A second call at once fires nothing that the first did; what ran comes home by the next contact."""
    client = sshd.client
    file.write_text(ENTRIES.replace("seconds: 1\n    metadata", "hours: 1\n    metadata"))
    first, second = (client.agentless("scheduler", "--once") for _ in range(2))
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert (first.stderr.count(" mark: fired "), second.stderr.count(" mark: fired ")) == (1, 0)
    (jid,) = jobs(client)
    assert json.loads(client.agentless("jobs", "wait", jid, "--out", "json").stdout)["summary"]["returned"] == 3


def test_maxrunning_holds_over_processes(sshd: Sshd, file: Path) -> None:
    """Counted are fires that really run, whoever started them."""
    client = sshd.client
    file.write_text(ENTRIES.replace("echo fired", "echo up; sleep 600"))
    first = client.agentless("scheduler", "--once")
    assert " mark: fired " in first.stderr
    until(lambda: ": maxrunning" in client.agentless("scheduler", "--once").stderr, "the next fire is skipped")
    (jid,) = jobs(client)
    assert client.agentless("kill-job", jid).returncode == 0
    until(lambda: " mark: fired " in client.agentless("scheduler", "--once").stderr, "it fires again")
    client.agentless("kill-job", next(iter(jobs(client))))


def test_a_wrong_file_is_refused_whole(sshd: Sshd, file: Path) -> None:
    """With file, line, key and reason; nothing is fired, and no host is touched."""
    file.write_text(ENTRIES + "  bad:\n    function: cmd.run\n    args: [x]\n    target: all\n    cron: '61 * * * *'\n")
    for words in (["scheduler", "--once"], ["schedule", "push"], ["schedule", "list"]):
        done = sshd.client.agentless(*words)
        assert done.returncode == 2, done.stderr
        assert f"{file}:21: bad: cron: " in done.stderr or "schedule: bad: cron" in done.stderr, done.stderr
    assert not jobs(sshd.client)


def test_a_target_that_selects_no_host_refuses_the_file(sshd: Sshd, file: Path) -> None:
    file.write_text(ENTRIES.replace("target: all\n    runs_on: controller", "target: nobody"))
    done = sshd.client.agentless("schedule", "push")
    assert done.returncode == 2
    assert f"{file}:6: schedule: mark: target: " in done.stderr, done.stderr
    assert not list(sshd.state_dir("host1").glob("*/schedule*"))


def test_the_file_is_edited_with_its_comments_kept(sshd: Sshd, file: Path) -> None:
    client = sshd.client
    edits = [
        ["add", "new", "function=cmd.run", "args=uptime", "target=host1", "cron=30 2 * * *"],
        ["modify", "new", "cron=0 3 * * *"],
        ["copy", "new", "host2"],
        ["move", "new", "host3"],
        ["disable", "tidy"],
        ["enable", "off"],
        ["skip", "new", "2030-01-02T03:00"],
        ["postpone", "new", "2030-01-03T03:00", "2030-01-03T05:00"],
        ["delete", "mark"],
    ]
    for words in edits:
        done = client.agentless("schedule", *words)
        assert done.returncode == 0, done.stderr
    listed = json.loads(client.agentless("schedule", "list", "--show-all", "--out", "json").stdout)
    assert {name: (entry["enabled"], entry["target"]) for name, entry in listed.items()} == {
        "tidy": (False, None),
        "off": (True, None),
        "new": (True, "host3"),
        "new@host2": (True, "host2"),
    }
    assert "kept by every edit" in file.read_text()
    ahead = json.loads(client.agentless("schedule", "next", "new", "-n", "3", "--out", "json").stdout)
    assert [fire["time"][11:16] for fire in ahead["new"]] == ["03:00"] * 3
    assert json.loads(client.agentless("schedule", "list", "--out", "json").stdout).keys() == listed.keys()


def test_run_sends_an_entry_now(sshd: Sshd, file: Path) -> None:
    done = sshd.client.agentless("schedule", "run", "mark")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("fired") == 3
    (job,) = jobs(sshd.client, "--schedule", "mark").values()
    assert job["metadata"] == {"ticket": "4711"}
    assert "removed 0 jobs" in sshd.client.agentless("schedule", "run", "tidy").stdout


def test_run_detached_prints_the_jid_and_nothing_else(sshd: Sshd, file: Path) -> None:
    done = sshd.client.agentless("schedule", "run", "mark", "--detach")
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d{20}\n", done.stdout)
    assert list(jobs(sshd.client)) == [done.stdout.strip()]


def test_fires_of_the_controller_have_the_jid_that_next_shows(sshd: Sshd, file: Path) -> None:
    """Their nominal time and the entry's digits: where what the evaluator noted is lost, no time is fired again."""
    client = sshd.client
    histories = client.home / ".cache" / "agentless" / "scheduler"

    def ahead_of(seconds: float) -> tuple[list[Any], str]:
        """The fires to come of an entry whose time is in so many seconds, and what a scheduler says before it."""
        shutil.rmtree(client.home / ".cache", ignore_errors=True)
        at = (datetime.now(timezone.utc) + timedelta(seconds=seconds)).isoformat(timespec="seconds")
        file.write_text(ENTRIES.replace("seconds: 1\n    metadata", f"once: {at}\n    metadata"))
        to_come = json.loads(client.agentless("schedule", "next", "mark", "--out", "json").stdout)
        return to_come.get("mark", []), client.agentless("scheduler", "--once").stderr

    (ahead,), said = in_time(ahead_of, lambda seen: seen[0] and " mark: fired " not in seen[1], seconds=patience(2))
    assert " mark: fired " not in said
    (kept,) = histories.glob("*.json")
    before = kept.read_bytes()
    until(lambda: " mark: fired " in client.agentless("scheduler", "--once").stderr, "it fires")
    assert list(jobs(client)) == [ahead["jid"]]
    kept.write_bytes(before)
    said = client.agentless("scheduler", "--once").stderr
    assert f" mark: {ahead['jid']} was fired already" in said
    assert list(jobs(client)) == [ahead["jid"]]


def test_the_last_fire_is_that_of_this_schedule_not_a_run_by_hand(sshd: Sshd, file: Path) -> None:
    client = sshd.client
    other = client.home / "other.yaml"
    hourly = "schedule:\n  hourly: {function: cmd.run, args: 'true', target: host1, hours: 1, runs_on: controller}\n"
    other.write_text(hourly)
    assert " hourly: fired " in client.agentless("scheduler", "--once", "--schedule-file", str(other)).stderr
    file.write_text(hourly)
    assert client.agentless("schedule", "run", "hourly").returncode == 0

    def listed(path: Path) -> Any:
        said = client.agentless("schedule", "list", "--out", "json", "--schedule-file", str(path)).stdout
        return json.loads(said)["hourly"]

    assert listed(file)["last_fire"] is None
    assert listed(file)["last_result"] is None
    assert listed(other)["last_result"] is not None
    before = datetime.now(timezone.utc).replace(tzinfo=None)
    start = datetime.fromisoformat(listed(file)["next"]["time"].rstrip("Z"))
    after = datetime.now(timezone.utc).replace(tzinfo=None)
    # Nothing of this schedule was fired yet: it comes at once, not an hour after another's fire.
    assert before - timedelta(minutes=1) < start < after + timedelta(minutes=1)


def test_a_push_is_advised_only_where_hosts_get_something(sshd: Sshd, file: Path) -> None:
    def said(*words: str) -> str:
        done = sshd.client.agentless("schedule", *words)
        assert done.returncode == 0, done.stderr
        return done.stderr

    assert "push" not in said("add", "more", "function=jobs.prune", "hours=6")
    assert "push" not in said("disable", "mark")
    assert "push" not in said("delete", "more")
    assert "schedule push" in said("add", "theirs", "function=cmd.run", "args=w", "target=all", "hours=6")
    assert "push" not in said("enable", "theirs")
    assert "schedule push" in said("modify", "theirs", "runs_on=controller")
    assert "push" not in said("delete", "theirs")


def test_a_damaged_history_of_one_entry_stops_no_other(sshd: Sshd, file: Path) -> None:
    """It is set aside, and told with the entry's name."""
    client = sshd.client
    client.agentless("scheduler", "--once")
    (kept,) = (client.home / ".cache" / "agentless" / "scheduler").glob("*.json")
    histories = json.loads(kept.read_bytes())
    kept.write_text(json.dumps({**histories, "tidy": {"v": "?"}}))
    done = client.agentless("scheduler", "--once")
    assert done.returncode == 0
    assert "'tidy'; a copy is set aside as" in done.stderr
    until(lambda: " mark: fired " in client.agentless("scheduler", "--once").stderr, "the other one fires")
