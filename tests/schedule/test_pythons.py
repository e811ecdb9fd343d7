"""The evaluator answers the same under every Python that a host may have."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import agentless
from agentless.schedule import dates
from tests.hosts import need, patience
from tests.schedule.walking import START, timing

PYTHONS = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), key=lambda path: int(path.parts[-3].split(".")[1]))
PACKAGE = Path(agentless.__file__).parent
WALK = """
import json, sys
sys.path.insert(0, sys.argv[1])
from remote import clock, evaluator
asked = json.load(sys.stdin)
zone, told = clock.Zone(asked["zone"]), []
for entry in asked["entries"]:
    history, now = None, asked["start"] + 0.25
    while now < asked["start"] + 100 * 86400:
        outcome = evaluator.evaluate(entry, history, now, "w\\u00e9b1", zone)
        told += [["fire", fire.nominal, fire.at, fire.jid] for fire in outcome.fires]
        told += [["skip", skip.reason, skip.first, skip.last, skip.count] for skip in outcome.skips]
        history = json.loads(json.dumps(outcome.history))
        now = max(outcome.look, now + 1)
    told.append(history)
    planned = evaluator.plan(entry, history, now, "w\\u00e9b1", zone)
    told += [[each.nominal, each.at, each.reason] for each, _ in zip(planned, range(5))]
json.dump(told, sys.stdout, sort_keys=True)
"""
ENTRIES = (
    "hours: 7\nsplay: 500",
    "when: ['2:30', Monday 5pm, 24 March 3am]",
    "cron: '*/30 2-3 * * 0'\nsplay: {start: 5, end: 90}",
    "hours: 5\nrange: {start: 10pm, end: 6am}",
    "cron: '0 */4 * * *'\nskip_during_range: {start: 11pm, end: 9am}\nrun_after_skip_range: true",
    "once: 2018-03-25T02:30:00",
)


@pytest.fixture(scope="module")
def answers() -> dict[str, str]:
    need("every Python")
    asked = json.dumps(
        {
            "start": START,
            "zone": dates.zone("Europe/Berlin", START),
            "entries": [timing(entry) for entry in ENTRIES],
        }
    )
    return {
        python.parts[-3]: subprocess.run(
            [str(python), "-I", "-S", "-c", WALK, str(PACKAGE)],
            input=asked.encode(),
            stdout=subprocess.PIPE,
            check=True,
            timeout=patience(120),
        ).stdout.decode()
        for python in PYTHONS
    }


@pytest.mark.skipif(len(PYTHONS) < 2, reason="there is one Python here")
def test_every_python_fires_the_same(answers: dict[str, str]) -> None:
    first = next(iter(answers.values()))
    assert json.loads(first)
    assert {python for python, answer in answers.items() if answer != first} == set()
