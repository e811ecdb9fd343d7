"""The verbs that show a schedule's file and contact nobody."""

from __future__ import annotations

import json
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


def test_what_will_not_come_is_counted_and_shown_where_that_is_asked_for(file: str, say: Say) -> None:
    words = ("-i", "web1,", "schedule", "list", "--schedule-file", file)
    code, out, err = say(*words)
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["NAME", "nightly", "often"])
    assert "1 of 3 entries will not come" in err
    assert "only its hosts know: agentless schedule status" in err
    assert "off" in say(*words, "--show-all")[1]


def test_the_next_fires_of_one_entry_are_as_many_as_were_asked_for(file: str, say: Say) -> None:
    words = ("-i", "web1,", "schedule", "next", "nightly", "-n", "3", "--schedule-file", file, "--out", "json")
    code, out, err = say(*words)
    (fires,) = json.loads(out).values()
    assert (code, len(fires), err) == (0, 3, "")
    assert fires[0]["nominal"] < fires[1]["nominal"] < fires[2]["nominal"]


@pytest.mark.parametrize("words", [["next", "nigthly"], ["list", "--out", "junit"], ["next", "-n", "0"], ["lits"]])
def test_what_makes_no_sense_is_an_error(words: list[str], file: str, say: Say) -> None:
    code, out, err = say("-i", "web1,", "schedule", *words, *(["--schedule-file", file] if words != ["lits"] else []))
    assert (code, out) == (2, "")
    assert err.startswith("agentless: ")


def test_alone_it_shows_its_verbs(say: Say) -> None:
    code, out, err = say("schedule")
    assert (code, err) == (0, "")
    assert all(verb in out for verb in ("list", "push", "add", "postpone"))
