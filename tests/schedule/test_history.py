"""What the controller's own evaluator remembers, and what becomes of it when it is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from agentless.errors import ScheduleError
from agentless.remote import clock, evaluator
from agentless.schedule.history import Histories
from agentless.schedule.schedule_file import load
from tests.hosts.needs import need

NOW = 1_800_000_000.0
ENTRIES = """
schedule:
  one: {function: cmd.run, args: id, target: all, minutes: 5, runs_on: controller}
  two: {function: cmd.run, args: id, target: all, cron: '*/7 * * * *', runs_on: controller}
  three: {function: cmd.run, args: id, target: all, when: ['1:40pm'], runs_on: controller, splay: 30}
"""
DAMAGED: list[Any] = [None, 1, [], {}, "x", True, {"v": 1}, {"f": 3}]


class Bench:
    def __init__(self, directory: Path) -> None:
        self.root = directory / "scheduler"
        self.file = directory / "schedule.yaml"
        self.file.write_text(ENTRIES)
        self.schedule = load(self.file, now=NOW)
        self.warnings: list[str] = []
        self.histories = self.another()

    def another(self) -> Histories:
        return Histories(self.root, self.file, self.warnings.append)

    def look(self, now: float) -> list[str]:
        """Evaluate all entries at this time; which of them fire."""
        fired = []
        with self.another().changing() as histories:
            for entry in self.schedule.entries.values():
                done = evaluator.evaluate(entry.timing, histories.get(entry.name), now, "me", clock.local)
                assert done.history is not None
                histories[entry.name] = done.history
                fired += [entry.name for _ in done.fires]
        return fired

    @property
    def path(self) -> Path:
        (path,) = self.root.glob("*.json")
        return path


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """Each entry has a history: of half an hour, with looks at each minute."""
    bench = Bench(tmp_path)
    for minute in range(370, 400):
        bench.look(NOW + 60 * minute)
    return bench


def test_what_the_evaluator_makes_is_read_again(bench: Bench) -> None:
    for minute in range(401, 500):
        bench.look(NOW + 60 * minute)
    assert bench.warnings == []
    for entry in bench.schedule.entries.values():
        past = bench.histories.load(entry)
        assert bench.histories.raw(entry.name)
        assert past.last_fire is None or past.last_fire <= NOW + 500 * 60
    assert bench.histories.load(bench.schedule.entries["one"]).last_fire


def damages(document: Any) -> list[Any]:
    """The document with each of its values, at any depth, at each wrong one."""
    found: list[Any] = []
    if isinstance(document, (dict, list)):
        keys: Any = document if isinstance(document, dict) else range(len(document))
        for key in keys:
            for inner in damages(document[key]):
                copy = dict(document) if isinstance(document, dict) else list(document)
                copy[key] = inner
                found.append(copy)
    return found + [wrong for wrong in DAMAGED if wrong != document]


def test_one_damaged_history_starts_its_entry_anew_and_the_others_go_on(bench: Bench) -> None:
    need("many seconds")
    whole = json.loads(bench.path.read_bytes())
    good = {name: whole[name] for name in ("two", "three")}
    for damage in damages(whole["one"]):
        bench.path.write_text(json.dumps({**whole, "one": damage}))
        del bench.warnings[:]
        again = bench.another()
        assert {name: again.raw(name) for name in good} == good
        for entry in bench.schedule.entries.values():
            again.load(entry)
        if again.raw("one") is None:
            (warning,) = bench.warnings
            assert "'one'" in warning
            assert str(bench.path.name) in warning
        fires = [bench.look(NOW + 60 * minute) for minute in range(401, 408)]
        assert ["one" in fired for fired in fires].count(True) >= 1
        assert ["two" in fired for fired in fires].count(True) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"null", b'{"one":', b"\xff", b"[" * 100_000, b"3"])
def test_a_file_that_is_none_is_set_aside_and_all_start_anew(bench: Bench, content: bytes) -> None:
    bench.path.write_bytes(content)
    bench.look(NOW + 60 * 401)
    (warning,) = bench.warnings
    assert "all entries start anew" in warning
    assert (bench.root / "set-aside" / bench.path.name).read_bytes() == content
    assert bench.another().raw("two")


def test_a_directory_of_another_kind_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scheduler").symlink_to(tmp_path)
    bench = Bench(tmp_path)
    with pytest.raises(ScheduleError, match="is a link"):
        bench.look(NOW)
