"""What scheduling costs: `python benchmarks/schedule.py [ENTRIES]`.

Evaluates 1,000 entries over a simulated day under each Python from 3.6 on, looking when the evaluator asked to, and
adds what 1,440 looks take at which nothing is due, as cron makes them: at most 5 ms an entry and day.
Then CPU of a whole tick, as cron starts it, with 50 entries of which none is due, beyond that of a bare Python: 40 ms.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from agentless.remote import crontab
from agentless.schedule import parse

REMOTE = Path(__file__).resolve().parent.parent / "agentless"
NOW = 1_800_000_000
KEYS = (
    "minutes: 61, splay: {start: 10, end: 15}",
    "cron: '30 2 * * *', timezone: Europe/Berlin",
    "cron: '*/15 8-17 * * 1-5'",
    "when: [Monday 5:00pm, Tuesday 3:00pm, Wednesday 5:00pm, Thursday 3:00pm, Friday 5:00pm]",
    "hours: 1, range: {start: 8am, end: 5pm}",
    "minutes: 30, skip_during_range: {start: 10pm, end: 6am}, run_after_skip_range: true",
    "cron: '0 12 L * *', splay: 600",
    "once: 2027-01-15T20:00:00",
    "days: 1, until: 2030-01-01",
    "when: 1:40pm, enabled: false",
)
DAY = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from remote import clock, evaluator
asked = json.load(sys.stdin)
zones = {name: clock.Zone(table) for name, table in asked["zones"].items()}
started, fires, looks, histories = time.process_time(), 0, 0, []
for entry in asked["entries"]:
    history, now = None, asked["now"]
    offset = zones[entry["zone"]] if "zone" in entry else clock.local
    while now < asked["now"] + 86400:
        outcome = evaluator.evaluate(entry, history, now, "web1", offset)
        history = outcome.history
        fires, looks = fires + len(outcome.fires), looks + 1
        now = max(outcome.look, now + 1)
    histories.append(history)
day = time.process_time() - started
started = time.process_time()
for entry, history in zip(asked["entries"], histories):
    evaluator.evaluate(entry, history, min(history["n"] - 1, now), "web1", clock.local)
idle = time.process_time() - started
print(json.dumps([day, idle, fires, looks]))
"""


LATER = (
    "days: 30, run_on_start: false",
    "cron: '0 0 29 2 *'",
    "when: [24 December 5pm, 1 May 8am]",
    "once: 2098-01-01",
)


def text(count: int, keys: Sequence[str] = KEYS) -> str:
    entries = "".join(
        f"  entry{number}: {{function: cmd.run, args: [x], target: all, {keys[number % len(keys)]}}}\n"
        for number in range(count)
    )
    return "schedule:\n" + entries


def cpu(command: Sequence[str], calls: int = 20) -> float:
    """Seconds of user and system time per call."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(calls):
        subprocess.run(command, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / calls


def tick(python: str, state: Path) -> tuple[float, float]:
    """CPU of a tick, and of a bare Python, in seconds."""
    schedule = parse(text(50, LATER), "schedule.yaml", identity="benchmark", now=time.time())
    entries = [{**entry.timing, "job": {"jid_include": True}} for entry in schedule.entries.values()]
    place = state / os.uname().nodename / "schedule"
    place.mkdir(parents=True)
    (place / "entries.json").write_text(json.dumps({"format": 1, "entries": entries, "zones": {}, "host": "web1"}))
    command = [python, "-I", "-S", "-c", crontab.CODE, str(REMOTE), str(state)]
    # The first one finds out when each comes next.
    subprocess.run(command, check=True)
    assert len(json.loads((place / "state.json").read_text())["history"]) == len(entries)
    return cpu(command), cpu([python, "-I", "-S", "-c", "pass"])


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    source = text(count)
    started = time.perf_counter()
    schedule = parse(source, "schedule.yaml", identity="benchmark", now=NOW)
    print(f"{count} entries are read and checked in {time.perf_counter() - started:.2f} s")
    entries = [dict(entry.timing) for entry in schedule.entries.values()]
    asked = json.dumps({"now": NOW, "zones": schedule.zones, "entries": entries}).encode()
    pythons = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), key=lambda p: int(p.parts[-3].split(".")[1]))
    rows = []
    for python in [str(path) for path in pythons] or [sys.executable]:
        runs = [
            json.loads(
                subprocess.run(
                    [python, "-I", "-S", "-c", DAY, str(REMOTE)], input=asked, stdout=subprocess.PIPE, check=True
                ).stdout
            )
            for _ in range(3)
        ]
        day, idle = (statistics.median(run[i] for run in runs) / count for i in (0, 1))
        whole = day + 1440 * idle
        rows.append(
            (
                Path(python).parts[-3],
                f"{day * 1000:.2f} ms",
                f"{idle * 1e6:.1f} us",
                f"{whole * 1000:.2f} ms",
                *runs[0][2:],
            )
        )
    print(tabulate(rows, ["Python", "looks with work", "a look without", "an entry's day (5 ms)", "fires", "looks"]))

    rows = []
    for python in [str(path) for path in pythons] or [sys.executable]:
        with tempfile.TemporaryDirectory() as state:
            whole, bare = tick(python, Path(state))
        rows.append((Path(python).parts[-3], *(f"{each * 1000:.1f} ms" for each in (whole, bare, whole - bare))))
    print(tabulate(rows, ["Python", "a tick", "bare Python", "beyond it (40 ms)"]))


if __name__ == "__main__":
    main()
