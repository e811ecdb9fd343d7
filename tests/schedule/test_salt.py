"""Plain entries fire when Salt's own evaluator fires them: asked of `salt` itself, second by second.

Where we differ on purpose, docs/schedule.md says so, and the last test here.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.hosts import patience
from tests.schedule.walking import START, Walk, timing

BEGUN = START + 7 * 3600 + 1
SECONDS = 6 * 3600
SAME = (
    "minutes: 61",
    "hours: 1\nminutes: 1\nseconds: 1",
    "seconds: 7",
    "hours: 2\nrun_on_start: false",
    "seconds: 900\nenabled: false",
    "when: 2018-01-01 09:30",
    "when: 9:30am",
    "when: ['2018-01-01 08:00', '2018-01-01 09:30', '2018-01-01 12:00']",
    "when: Monday 9:30am",
    "cron: '*/7 * * * *'",
    "cron: '5,35 8-10 * * 1-5'",
    "cron: '0 12 1 1 *'",
    "cron: '0 12 2 * 1'",
    "minutes: 20\nrun_on_start: false\nrange: {start: 8am, end: 9:30am}",
    "hours: 1\nrun_on_start: false\nrange: {start: 8:15am, end: 11am}",
    "hours: 1\nrun_on_start: false\nrange: {start: 8:15am, end: 11:45am, invert: true}",
    "minutes: 20\nrun_on_start: false\nrange: {start: '2018-01-01 08:00', end: '2018-01-01 09:00', invert: true}",
    "cron: '*/15 * * * *'\nrange: {start: 8am, end: 9am}",
    "cron: '*/15 * * * *'\nrange: {start: 8am, end: 9am, invert: true}",
    "minutes: 20\nskip_during_range: {start: 8am, end: 9:30am}",
    "hours: 1\nskip_during_range: {start: 8am, end: 9:30am}\nrun_after_skip_range: true",
    "cron: '*/15 * * * *'\nskip_during_range: {start: 8am, end: 9am}",
    "minutes: 20\nrun_on_start: false\nafter: '2018-01-01 09:00'",
    "minutes: 20\nuntil: '2018-01-01 09:00'",
)
# Ours, then Salt's. It fires at the start whatever the range; a range over midnight is an error there; `once` fires at
# two looks; `after` forgets that `until` has passed; a splay drops what comes before it has passed.
OTHER = (
    ("minutes: 20\nrange: {start: 8am, end: 8:30am}", ["08:00:00", "08:20:00"], ["07:00:01", "08:00:00", "08:20:00"]),
    ("hours: 1\nrange: {start: 11pm, end: 8:30am}", ["07:00:01", "08:00:01"], ["07:00:01"]),
    ("when: ['9:30am', '9:45am']\nsplay: {start: 1000, end: 1000}", ["09:30:00", "09:45:00"], ["09:46:40"]),
    ("once: '2018-01-01T09:30:00'", ["09:30:00"], ["09:30:00", "09:30:01"]),
    ("once: '01.01.2018 10'\nonce_fmt: '%d.%m.%Y %H'", ["10:00:00"], ["10:00:00", "10:00:01"]),
    (
        "cron: '0 * * * *'\nafter: 9am\nuntil: 11am",
        ["10:00:00"],
        ["10:00:00", "11:00:00", "12:00:00", "13:00:00"],
    ),
)


def ask(entries: tuple[str, ...]) -> dict[str, list[int]]:
    asked = {
        "start": BEGUN,
        "seconds": SECONDS,
        "whens": {},
        "schedules": [
            {"it": {"function": "cmd.run", **yaml.load(entry, yaml.BaseLoader), **typed(entry)}} for entry in entries
        ],
    }
    walk = Path(__file__).with_name("salt_walk.py")
    answer = subprocess.run(
        [os.environ["AGENTLESS_SALT_PYTHON"], str(walk)],
        input=json.dumps(asked).encode(),
        stdout=subprocess.PIPE,
        check=True,
        timeout=patience(600),
        env={**os.environ, "TZ": "UTC"},
    )
    return dict(zip(entries, json.loads(answer.stdout), strict=True))


def typed(entry: str) -> dict[str, object]:
    """Flags and splays as YAML has them, which the base loader leaves as text."""
    found: dict[str, object] = yaml.safe_load(entry)
    flags: dict[str, object] = {key: value for key, value in found.items() if isinstance(value, bool) or key == "splay"}
    span = yaml.load(entry, yaml.BaseLoader).get("range", {})
    if "invert" in span:
        flags["range"] = {**span, "invert": True}
    return flags


@pytest.fixture(scope="module")
def salt() -> dict[str, list[int]]:
    return ask((*SAME, *(entry for entry, _, _ in OTHER)))


def ours(entry: str) -> list[int]:
    walk = Walk(timing(entry))
    walk.through(BEGUN + SECONDS, start=BEGUN)
    return walk.nominals


@pytest.mark.parametrize("entry", SAME)
def test_an_entry_fires_when_it_would_under_salt(entry: str, salt: dict[str, list[int]]) -> None:
    assert shown(ours(entry)) == shown(salt[entry])


@pytest.mark.parametrize(("entry", "here", "there"), OTHER)
def test_what_differs_on_purpose(entry: str, here: list[str], there: list[str], salt: dict[str, list[int]]) -> None:
    assert (shown(ours(entry)), shown(salt[entry])) == (here, there)


def shown(instants: list[int]) -> list[str]:
    return [f"{at % 86400 // 3600:02}:{at % 3600 // 60:02}:{at % 60:02}" for at in instants]
