"""The verbs that show a schedule's file and contact nobody."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import Say

ENTRIES = """\
schedule:
  nightly: {function: cmd.run, args: [uptime], target: web1, cron: '30 2 * * *'}
  often: {function: cmd.run, args: [uptime], target: web1, minutes: 61}
  off: {function: cmd.run, args: [uptime], target: web1, hours: 1, enabled: false}
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "schedule.yaml"
    path.write_text(ENTRIES)
    return str(path)


def test_every_entry_is_listed_with_when_it_runs_what_and_whether_hosts_have_it(file: str, say: Say) -> None:
    words = ("-i", "web1,", "schedule", "list", "--schedule-file", file)
    code, out, err = say(*words)
    assert code == 0
    assert [re.split(r"  +", line)[:6] for line in out.splitlines()[1:]] == [
        ["nightly", "cron 30 2 * * *", "uptime", "web1", "yes", "no"],
        ["often", "every 61m", "uptime", "web1", "yes", "no"],
        ["off", "every 1h", "uptime", "web1", "no", "no"],
    ]
    assert "agentless schedule push --check --diff" in err
    assert "only its hosts know: agentless schedule status" in err
    assert say(*words, "--show-all")[1] == out


def test_the_next_fires_are_those_of_all_entries_by_time(file: str, say: Say) -> None:
    with open(file, "a") as more:
        more.write("  hourly: {function: cmd.run, args: [uptime], target: web1, cron: '0 * * * *'}\n")
    code, out, _ = say("-i", "web1,", "schedule", "next", "--schedule-file", file)
    rows = [re.split(r"  +", line) for line in out.splitlines()]
    assert (code, rows[0]) == (0, ["NEXT", "LEFT", "NAME", "ZONE", "SPLAY", "SKIPPED"])
    assert len(rows) == 12
    assert rows[-1][:2] == ["known to the hosts", "often"]
    assert [row[0] for row in rows[1:-1]] == sorted(row[0] for row in rows[1:-1])
    assert {row[2] for row in rows[1:-1]} <= {"hourly", "nightly"}
    assert re.fullmatch(r"[0-9]+[hms].*", rows[1][1])


def test_the_next_fires_of_one_entry_are_as_many_as_were_asked_for(file: str, say: Say) -> None:
    words = ("-i", "web1,", "schedule", "next", "nightly", "-n", "3", "--schedule-file", file, "--out", "json")
    code, out, err = say(*words)
    (fires,) = json.loads(out).values()
    assert (code, len(fires), err) == (0, 3, "")
    assert fires[0]["nominal"] < fires[1]["nominal"] < fires[2]["nominal"]


def test_an_entry_that_never_fires_is_told_by_every_verb_and_no_fire_of_it_is_shown(file: str, say: Say) -> None:
    with open(file, "a") as more:
        more.write("  ended: {function: jobs.prune, hours: 1, until: '2020-01-01T00:00:00'}\n")
        more.write("  was: {function: cmd.run, args: [uptime], target: web1, once: '2020-01-01T00:00:00'}\n")
    for words in (["list"], ["next"], ["push", "--check", "nobody.invalid"]):
        # The host of the push has no address: nobody is contacted.
        hosts = "web1," if words[0] != "push" else "nobody.invalid,web1"
        _, out, err = say("-i", hosts, "schedule", *words, "--connect-timeout", "1", "--schedule-file", file)
        assert "warning: schedule: ended does not fire: its `until` is past" in err
        assert "warning: schedule: was does not fire: its times are past" in err
        assert "nightly does not fire" not in err
        assert words != ["next"] or "ended" not in out
        assert words != ["list"] or out.count("never") == 2
    _, _, err = say("-i", "web1,", "schedule", "modify", "nightly", "until=2020-01-01", "--schedule-file", file)
    assert "nightly does not fire" in err
    assert "ended" not in err


@pytest.mark.parametrize("words", [["next", "nigthly"], ["list", "--out", "junit"], ["next", "-n", "0"], ["lits"]])
def test_what_makes_no_sense_is_an_error(words: list[str], file: str, say: Say) -> None:
    code, out, err = say("-i", "web1,", "schedule", *words, *(["--schedule-file", file] if words != ["lits"] else []))
    assert (code, out) == (2, "")
    assert err.startswith("agentless: ")


def test_alone_it_shows_its_verbs(say: Say) -> None:
    code, out, err = say("schedule")
    assert (code, err) == (0, "")
    assert all(verb in out for verb in ("list", "push", "add", "postpone"))
