"""Edits keep what a person wrote, are checked before a byte is written, and are whole or not at all."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agentless.errors import ScheduleError, UsageError
from agentless.schedule.coming import coming
from agentless.schedule.editing import Editor, values
from agentless.schedule.schedule_file import Entry, load
from tests.schedule.walking import START

TEXT = """\
# Ours, since 2019.
whens:
  tea time: 1:40pm   # sharp

schedule:
  # The night's work.
  nightly:
    function: cmd.run
    args: ['du -s /home']   # slow
    target: "db*"
    cron: '30 2 * * *'

  tea:
    func: cmd.run
    job_args:
      - kettle
      - "on"
    target: kitchen
    when: tea time
    name: Tea for all
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "schedule.yaml"
    found.write_text(TEXT)
    return found


@pytest.fixture
def editor(path: Path) -> Editor:
    return Editor(path, now=START)


def changed(path: Path) -> tuple[list[str], list[str]]:
    """The lines that came, and those that went."""
    before, after = TEXT.splitlines(), path.read_text().splitlines()
    return [line for line in after if line not in before], [line for line in before if line not in after]


EDITS: tuple[tuple[Callable[[Editor], object], list[str], list[str]], ...] = (
    (lambda e: e.disable("nightly"), ["    enabled: false"], []),
    (lambda e: e.disable(), ["  enabled: false"], []),
    (lambda e: e.modify("nightly", {"cron": "0 3 * * *"}), ["    cron: '0 3 * * *'"], ["    cron: '30 2 * * *'"]),
    (lambda e: e.modify("nightly", {"hours": 6}), ["    hours: 6"], ["    cron: '30 2 * * *'"]),
    (lambda e: e.modify("Tea for all", {"function": "cmd.run"}), [], ["    func: cmd.run"]),
    (lambda e: e.modify("nightly", {"splay": 5}), ["    splay: 5"], []),
    (lambda e: e.move("nightly", "web*"), ['    target: "web*"'], ['    target: "db*"']),
    (
        lambda e: e.skip("nightly", "2018-01-02 02:30"),
        ["    skip_explicit: ['2018-01-02 02:30']"],
        [],
    ),
    (
        lambda e: e.postpone("nightly", "2018-01-02 02:30", "2018-01-02 05:00"),
        ["    skip_explicit: ['2018-01-02 02:30']", "    run_explicit: ['2018-01-02 05:00']"],
        [],
    ),
    (lambda e: e.delete("Tea for all"), [], TEXT.splitlines()[12:]),
)


@pytest.mark.parametrize("number", range(len(EDITS)))
def test_an_edit_changes_its_lines_and_no_other(number: int, editor: Editor, path: Path) -> None:
    edit, came, went = EDITS[number]
    edit(editor)
    assert changed(path) == (came, [line for line in went if line])


def test_what_is_there_reads_as_the_edit_says(editor: Editor, path: Path) -> None:
    schedule = editor.add("new one", values(["function=cmd.run", "args=[uptime]", "target=all", "minutes=5"]))
    assert schedule.entry("new one").timing["every"] == 300
    schedule = editor.disable("new one")
    assert not schedule.entry("new one").enabled
    schedule = editor.enable("new one")
    assert schedule.entry("new one").enabled
    schedule = editor.disable()
    assert not any(entry.enabled for entry in schedule.entries.values())
    schedule = editor.enable()
    assert all(entry.enabled for entry in schedule.entries.values())
    schedule = editor.copy("nightly", "web*")
    assert schedule.entry("nightly@web*").target == "web*"
    assert schedule.entry("nightly@web*").args == schedule.entry("nightly").args
    schedule = editor.modify("new one", {"minutes": None, "when": ["Monday 5pm", "1:40pm"]})
    assert len(schedule.entry("new one").timing["rules"]) == 2
    assert load(path, now=START) == schedule
    assert "# slow" in path.read_text()


def test_skips_of_one_entry_add_up_and_the_same_one_is_one(editor: Editor) -> None:
    for _ in range(2):
        editor.skip("nightly", "2018-01-02 02:30")
    schedule = editor.skip("nightly", "2018-01-03 02:30")
    assert len(schedule.entry("nightly").timing["skip"]) == 2


@pytest.mark.parametrize(
    ("edit", "reason"),
    [
        (lambda e: e.add("nightly", {"function": "jobs.prune", "hours": 1}), "already"),
        (lambda e: e.add("bad", {"function": "jobs.prune"}), "never says when"),
        (lambda e: e.modify("nightli", {"hours": 1}), "no entry"),
        (lambda e: e.modify("nightly", {"cron": "x"}), "five fields"),
        (lambda e: e.modify("nightly", {"function": None}), "no function"),
        (lambda e: e.delete("none"), "no entry"),
        (lambda e: e.skip("nightly", "5pm"), "a full date"),
        (lambda e: e.postpone("nightly", "2018-01-02 02:30", "2017-12-01 05:00"), "2017-12-01 05:00 is past"),
        (lambda e: e.postpone("nightly", "2018-01-02 02:30", "2018-01-02 02:30"), "nothing would run: skip_explicit"),
        (lambda e: e.copy("nightly", "web*", "tea"), "already"),
        (lambda e: e.add("odd", {"function": "cmd.run", "args": "\udcff", "target": "x", "hours": 1}), "Unicode"),
    ],
)
def test_an_edit_that_would_be_wrong_leaves_the_file_as_it_is(
    edit: Callable[[Editor], object], reason: str, editor: Editor, path: Path
) -> None:
    before = path.stat()
    with pytest.raises(ScheduleError, match=reason):
        edit(editor)
    assert path.read_text() == TEXT
    assert path.stat().st_ino == before.st_ino
    assert [each.name for each in path.parent.iterdir() if each.suffix == ".new"] == []


@pytest.mark.usefixtures("utc")
def test_a_fire_is_postponed_within_its_minute_and_back_out_of_its_range_never(editor: Editor) -> None:
    schedule = editor.postpone("nightly", "2018-01-02 02:30", "2018-01-02 02:30:20")
    fires = coming(schedule, schedule.entry("nightly"), 3, now=START + 86400, host="db1")
    assert [(fire.nominal % 86400, fire.reason) for fire in fires] == [
        (9000, "skip_explicit"),
        (9020, None),
        (9000, None),
    ]
    editor.modify("nightly", {"range": {"start": "1am", "end": "5am"}})
    with pytest.raises(ScheduleError, match="nothing would run: not_in_range"):
        editor.postpone("nightly", "2018-01-03 02:30", "2018-01-03 06:00")


@pytest.mark.usefixtures("utc")
def test_a_minute_that_is_skipped_takes_along_what_was_postponed_to_a_time_within_it(editor: Editor) -> None:
    editor.postpone("nightly", "2018-01-02 02:30", "2018-01-02 04:00:20")
    schedule = editor.skip("nightly", "2018-01-02 04:00")
    fires = coming(schedule, schedule.entry("nightly"), 3, now=START + 86400, host="db1")
    assert [fire.reason for fire in fires] == ["skip_explicit", "skip_explicit", None]


def test_what_selects_no_host_is_not_written_and_what_did_so_before_is_in_nobodys_way(path: Path) -> None:
    def check(entry: Entry) -> None:
        if entry.target == "nobody":
            raise ScheduleError("it selects no host")

    editor = Editor(path, now=START, check_target=check)
    before = path.read_bytes()
    edits: tuple[Callable[[Editor], object], ...] = (
        lambda e: e.add("new", {"function": "cmd.run", "args": "w", "target": "nobody", "hours": 1}),
        lambda e: e.modify("Tea for all", {"target": "nobody"}),
        lambda e: e.copy("nightly", "nobody"),
        lambda e: e.move("nightly", "nobody"),
    )
    for edit in edits:
        with pytest.raises(ScheduleError, match="selects no host"):
            edit(editor)
    assert path.read_bytes() == before
    path.write_text(TEXT.replace("kitchen", "nobody"))
    editor.disable("nightly")
    editor.disable("Tea for all")
    assert editor.move("Tea for all", "kitchen").entry("Tea for all").target == "kitchen"


def test_a_script_is_looked_for_beside_the_name_that_was_given_not_beside_what_a_link_points_to(tmp_path: Path) -> None:
    """Where loading will look for it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").mkdir()
    (tmp_path / "real" / "schedule.yaml").write_text("schedule: {}\n")
    (tmp_path / "real" / "backup.sh").write_text("#!/bin/sh\n")
    path = tmp_path / "link" / "schedule.yaml"
    path.symlink_to(tmp_path / "real" / "schedule.yaml")
    keys = {"function": "cmd.script", "args": ["backup.sh"], "target": "all", "hours": 1}
    with pytest.raises(ScheduleError, match="no script"):
        Editor(path, now=START).add("backup", keys)
    (tmp_path / "link" / "backup.sh").write_text("#!/bin/sh\n")
    edited = Editor(path, now=START).add("backup", keys)
    assert path.is_symlink()
    assert load(path, now=START) == edited


def test_the_first_entry_makes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "conf" / "schedule.yaml"
    Editor(path, now=START).add("tidy", {"function": "jobs.prune", "hours": 6})
    assert path.read_text() == "schedule:\n  tidy:\n    function: jobs.prune\n    hours: 6\n"


def test_a_file_of_comments_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    path.write_text("# what runs when\n")
    Editor(path, now=START).add("tidy", {"function": "jobs.prune", "hours": 6})
    assert path.read_text().startswith("# what runs when\nschedule:")


COMMENTED = """\
schedule:
  a:
    function: jobs.prune
    hours: 6  # agreed
  # b: ask Bob before changing this
  b:
    function: jobs.collect
    hours: 6
# written by hand, do not sort
"""
WAYS: tuple[tuple[Callable[[Editor], object], str, str], ...] = (
    (lambda e: e.delete("a"), "  a:\n    function: jobs.prune\n    hours: 6  # agreed\n", ""),
    (lambda e: e.delete("b"), "  b:\n    function: jobs.collect\n    hours: 6\n", ""),
    (
        lambda e: e.modify("a", {"cron": "5 4 * * *"}),
        "    hours: 6  # agreed\n",
        "    # agreed\n    cron: 5 4 * * *\n",
    ),
    (lambda e: e.modify("a", {"hours": 7}), "hours: 6  # agreed", "hours: 7  # agreed"),
    (lambda e: e.disable("a"), "# agreed\n", "# agreed\n    enabled: false\n"),
    (lambda e: e.disable(), "schedule:\n", "schedule:\n  enabled: false\n"),
    (
        lambda e: e.add("c", {"function": "jobs.prune", "days": 1}),
        "    hours: 6\n#",
        "    hours: 6\n  c:\n    function: jobs.prune\n    days: 1\n#",
    ),
)


@pytest.mark.parametrize("number", range(len(WAYS)))
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("indent", [2, 4])
def test_comments_stay_where_they_stand(number: int, newline: str, indent: int, tmp_path: Path) -> None:
    """They belong to what follows, or to their line: whatever YAML's library hangs them on."""
    edit, old, new = WAYS[number]

    def written(text: str) -> bytes:
        return ("---\n" + text + "...\n").replace("  ", " " * indent).replace("\n", newline).encode()

    path = tmp_path / "schedule.yaml"
    path.write_bytes(written(COMMENTED))
    edit(Editor(path, now=START))
    assert COMMENTED.count(old) == 1
    assert path.read_bytes() == written(COMMENTED.replace(old, new))


@pytest.mark.parametrize(
    ("before", "edit", "after"),
    [
        ("", lambda e: e.disable(), "schedule:\n  enabled: false\n"),
        ("schedule:", lambda e: e.disable(), "schedule:\n  enabled: false\n"),
        (
            "schedule: {}  # none\n",
            lambda e: e.add("a", {"function": "jobs.prune", "hours": 1}),
            "schedule:  # none\n  a:\n    function: jobs.prune\n    hours: 1\n",
        ),
        ("{schedule: }", lambda e: e.disable(), "{schedule: {enabled: false} }"),
        ("{}", lambda e: e.disable(), "{schedule: {enabled: false}}"),
        ("{schedule: {enabled: true}}", lambda e: e.disable(), "{schedule: {enabled: false}}"),
        ("whens:\n   tea: 5pm", lambda e: e.disable(), "whens:\n   tea: 5pm\nschedule:\n   enabled: false\n"),
        (
            "schedule: {a: {function: jobs.prune, hours: 1}, b: {function: jobs.prune, days: 1}}",
            lambda e: e.delete("a"),
            "schedule: {b: {function: jobs.prune, days: 1}}",
        ),
        (
            "schedule: {a: {function: jobs.prune, hours: 1}, b: {function: jobs.prune, days: 1}}",
            lambda e: e.delete("b"),
            "schedule: {a: {function: jobs.prune, hours: 1}}",
        ),
        (
            "schedule: {a: {function: jobs.prune, hours: 1}}",
            lambda e: e.add("b", {"function": "jobs.collect", "target": "a,b", "days": 1}),
            "schedule: {a: {function: jobs.prune, hours: 1}, b: {function: jobs.collect, target: 'a,b', days: 1}}",
        ),
        (
            "schedule:\n  5: {function: jobs.prune, hours: 1}\n",
            lambda e: e.disable("5"),
            "schedule:\n  5: {function: jobs.prune, hours: 1, enabled: false}\n",
        ),
        (
            "schedule:\n  2026-01-01: {function: jobs.prune, name: 7, hours: 1}\n",
            lambda e: e.disable("7"),
            "schedule:\n  2026-01-01: {function: jobs.prune, name: 7, hours: 1, enabled: false}\n",
        ),
        (
            "schedule:\n  ? a\n  : function: jobs.prune\n    hours: 1\n  b: {function: jobs.prune, days: 1}\n",
            lambda e: e.delete("a"),
            "schedule:\n  b: {function: jobs.prune, days: 1}\n",
        ),
    ],
)
def test_other_ways_to_write_it(before: str, edit: Callable[[Editor], object], after: str, tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    path.write_text(before)
    edit(Editor(path, now=START))
    assert path.read_text() == after


SHARED = """\
schedule:
  a: &a  # first
    function: cmd.run
    args: a
    target: node1
    cron: 0 2 * * *
    skip_explicit: [2031-01-01T02:00]
  b: {<<: *a, target: node2}
  c: *a  # as a
"""


def test_what_an_entry_has_from_another_by_an_anchor_is_written_out_where_it_is_changed(tmp_path: Path) -> None:
    """The other entry keeps its fires: skipping one of b is not to skip it of a."""
    path = tmp_path / "schedule.yaml"
    path.write_text(SHARED)
    editor = Editor(path, now=START)
    before = load(path, now=START)
    after = editor.skip("b", "2031-02-02T02:00")
    assert [len(after.entry(name).timing["skip"]) for name in "abc"] == [1, 2, 1]
    after = editor.modify("c", {"hours": 5})
    assert not after.entry("c").timing.get("rules")
    assert after.entry("a") == before.entry("a")
    assert path.read_text() == SHARED.replace(
        "target: node2}", "target: node2, skip_explicit: ['2031-01-01T02:00', '2031-02-02T02:00']}"
    ).replace(
        "c: *a  # as a\n",
        "c:  # as a\n    function: cmd.run\n    args: a\n    target: node1\n"
        "    skip_explicit: ['2031-01-01T02:00']\n    hours: 5\n",
    )


@pytest.mark.parametrize(
    "edit", [lambda e: e.disable("a"), lambda e: e.delete("a"), lambda e: e.skip("a", "2031-02-02")]
)
def test_what_others_have_by_an_anchor_is_not_changed_under_them(
    edit: Callable[[Editor], object], tmp_path: Path
) -> None:
    path = tmp_path / "schedule.yaml"
    path.write_text(SHARED)
    with pytest.raises(ScheduleError, match="another entry has keys of it by an anchor"):
        edit(Editor(path, now=START))
    assert path.read_text() == SHARED


@pytest.mark.parametrize(("encoding", "line"), [("latin-1", 2), ("utf-16", 1)])
def test_a_file_that_is_not_utf_8_is_refused_with_its_line(encoding: str, line: int, tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    path.write_bytes("schedule:\n  ä: {function: jobs.prune, hours: 1}\n".encode(encoding))
    asked: tuple[Callable[[], object], ...] = (lambda: load(path, now=START), Editor(path, now=START).disable)
    for ask in asked:
        with pytest.raises(ScheduleError, match="not UTF-8") as caught:
            ask()
        assert caught.value.line == line


def test_a_link_stays_a_link_and_a_mode_a_mode(path: Path) -> None:
    path.chmod(0o640)
    link = path.with_name("link.yaml")
    link.symlink_to(path)
    Editor(link, now=START).disable()
    assert link.is_symlink()
    assert "enabled: false" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_edits_at_once_all_count(editor: Editor, path: Path) -> None:
    names = [f"entry {number}" for number in range(8)]
    threads = [
        threading.Thread(target=editor.add, args=(name, {"function": "jobs.prune", "hours": 1})) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(names) <= set(load(path, now=START).entries)


def test_a_full_disk_leaves_the_file_as_it_is(editor: Editor, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ScheduleError, match="No space"):
        editor.disable()
    assert path.read_text() == TEXT
    assert not list(path.parent.glob("*.new"))
    assert not list(path.parent.glob(".*.new"))


def test_values_of_a_command_line() -> None:
    assert values(["when=[Monday 5pm, '13:40']", "cron=*/5 * * * *", "minutes=5", "enabled=false", "splay="]) == {
        "when": ["Monday 5pm", "13:40"],
        "cron": "*/5 * * * *",
        "minutes": 5,
        "enabled": False,
        "splay": None,
    }


@pytest.mark.parametrize("pair", ["minutes", "minuets=5", "when=[5pm", "=5", "args=&a [*a]"])
def test_a_pair_that_is_wrong_is_a_usage_error(pair: str) -> None:
    with pytest.raises(UsageError):
        values([pair])


@pytest.mark.parametrize("pairs", [["hours=1", "hours=2"], ["function=cmd.run", "func=cmd.script"]])
def test_a_key_that_is_given_twice_is_a_usage_error(pairs: list[str]) -> None:
    with pytest.raises(UsageError, match="a second time"):
        values(pairs)


def test_values_are_text_as_it_is_written_where_yaml_would_guess() -> None:
    """YAML 1.1 takes 17:30 for 1050 and 0022 for 18."""
    found = values(
        ["range={start: 17:30, end: 2031-01-01}", "args=[sleep, 1.50, 0022, -5, 2]", "metadata={on: yes, x: true}"]
    )
    assert found == {
        "range": {"start": "17:30", "end": "2031-01-01"},
        "args": ["sleep", "1.50", "0022", -5, 2],
        "metadata": {"on": "yes", "x": True},
    }
