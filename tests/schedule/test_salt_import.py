"""What Salt keeps of a schedule, as entries of ours: all of it, or each thing that cannot be taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless.errors import ScheduleError
from agentless.schedule.editing import Editor
from agentless.schedule.salt_import import Taken, translated
from agentless.schedule.schedule_file import Entry, load

NOW = 1_800_000_000.0


def taken(tmp_path: Path, text: str, **options: Any) -> Taken:
    options = {"target": "web*", **options}
    return translated(text.encode(), "salt.conf", beside=str(tmp_path / "schedule.yaml"), now=NOW, **options)


def entries(tmp_path: Path, text: str, **options: Any) -> dict[str, Entry]:
    """The entries of the file that they are imported into."""
    path = tmp_path / "schedule.yaml"
    return dict(Editor(path, now=NOW).add_all(taken(tmp_path, text, **options).entries).entries)


def one(tmp_path: Path, fields: str, **options: Any) -> Entry:
    (entry,) = entries(tmp_path, f"schedule:\n  it: {{{fields}}}\n", **options).values()
    return entry


def faults(tmp_path: Path, text: str, **options: Any) -> list[str]:
    with pytest.raises(ScheduleError) as caught:
        taken(tmp_path, text, **options)
    assert not (tmp_path / "schedule.yaml").exists()
    return caught.value.message.splitlines()[1:]


CONF = """\
schedule:
  __mine_interval: {enabled: true, function: mine.update, jid_include: true, maxrunning: 2, minutes: 60}
  loadavg:
    function: cmd.run
    args: ['logger -t salt < /proc/loadavg']
    kwargs: {output_loglevel: quiet, python_shell: true}
    seconds: 3660.0
    splay: {start: 10, end: 15}
    jid_include: true
    maxrunning: 1
    name: loadavg
    _next_fire_time: 2026-01-01T00:00:00
"""


@pytest.mark.parametrize(
    "text",
    [
        CONF,
        CONF.replace("'logger", "!!python/unicode 'logger"),
        # salt-call schedule.list --out yaml; salt MINION schedule.list --out yaml; salt-call pillar.get schedule
        "local:\n" + "".join(f"  {line}\n" for line in CONF.splitlines()),
        "web1: |\n" + "".join(f"  {line}\n" for line in CONF.splitlines()),
        "local:\n" + CONF.partition("\n")[2],
        CONF.partition("\n")[2].replace("\n  ", "\n").removeprefix("  "),
    ],
)
def test_every_form_in_which_salt_shows_a_schedule_is_read(tmp_path: Path, text: str) -> None:
    (entry,) = entries(tmp_path, text).values()
    assert (entry.name, entry.args, entry.target) == ("loadavg", ("logger -t salt < /proc/loadavg",), "web*")
    assert (entry.timing["every"], entry.timing["splay"], entry.kwargs) == (3660, [10, 15], {})
    words = taken(tmp_path, text).words
    assert words == [
        "__mine_interval is left out: it keeps Salt itself going",
        "loadavg: left out, since it changes nothing here: output_loglevel, python_shell",
    ]


def test_text_that_yaml_takes_for_something_else_stays_what_it_says(tmp_path: Path) -> None:
    entry = one(tmp_path, "function: cmd.run, job_args: [uptime], when: 17:30, range: {start: 8:00, end: 18:00}")
    assert entry.said == {"when": "17:30", "range": "8:00 to 18:00"}


def test_names_of_whens_are_written_out(tmp_path: Path) -> None:
    text = "whens: {tea time: 1:40pm}\nschedule: {it: {function: cmd.run, args: [x], when: [tea time, Monday 5pm]}}"
    assert entries(tmp_path, text)["it"].said == {"when": "1:40pm, Monday 5pm"}


def test_what_holds_for_all_entries_there_holds_for_each_here(tmp_path: Path) -> None:
    text = "schedule: {enabled: false, splay: 7, a: {function: cmd.run, args: [x], hours: 1}}"
    (entry,) = entries(tmp_path, text).values()
    assert (entry.enabled, entry.timing["splay"]) == (False, [0, 7])


def test_runas_is_sudo_and_its_environment_arrives(tmp_path: Path) -> None:
    entry = one(tmp_path, "function: cmd.run, args: [\"echo 'a b'\"], hours: 1, kwargs: {runas: deploy, env: [{A: 1}]}")
    assert entry.args == ("sudo -n -H --preserve-env=A -u deploy -- /bin/sh -c 'echo '\"'\"'a b'\"'\"''",)
    assert entry.kwargs["env"] == {"A": "1"}
    root = one(tmp_path / "other", "function: cmd.run, args: [id], hours: 1, kwargs: {runas: root}")
    assert root.args == ("id",)


def test_arguments_in_salts_order_and_commands_without_a_shell_are_understood(tmp_path: Path) -> None:
    fields = "function: cmd.run_all, args: ['printf %s \"a b\"', /srv], hours: 1, kwargs: {python_shell: no}"
    entry = one(tmp_path, fields)
    assert (entry.function, entry.args, entry.kwargs["cwd"]) == ("cmd.run", ("printf", "%s", "a b"), "/srv")


def test_a_script_is_the_one_beside_the_schedule_file(tmp_path: Path) -> None:
    fields = "function: cmd.script, args: ['salt://ops/backup.sh', 'one \"two three\"'], hours: 1"
    assert faults(tmp_path, f"schedule: {{it: {{{fields}}}}}") == [
        f"line 1: it: salt://ops/backup.sh: copy it to {tmp_path / 'backup.sh'} first"
    ]
    (tmp_path / "backup.sh").write_text("#!/bin/sh\n")
    assert one(tmp_path, fields).args == ("backup.sh", "one", "two three")


def test_each_thing_that_cannot_be_taken_is_named_and_nothing_is_done(tmp_path: Path) -> None:
    text = """\
schedule:
  good: {function: cmd.run, args: [uptime], hours: 1}
  highstate: {function: state.apply, hours: 1}
  umask: {function: cmd.run, args: [x], kwargs: {umask: '022', runas: ada}, hours: 1}
  late: {function: cmd.run, args: [x], cron: '61 * * * *'}
  mail: {function: cmd.run, args: [x], hours: 1, return_config: smtp}
"""
    found = faults(tmp_path, text)
    assert [line.split(": ")[:3] for line in found] == [
        ["line 3", "highstate", "state.apply is Salt's own"],
        ["line 4", "umask", "umask"],
        ["line 5", "late", "cron"],
        ["line 6", "mail", "return_config means nothing here"],
    ]
    assert set(taken(tmp_path, text, skip=["[hulm]*"]).entries) == {"good"}
    with pytest.raises(ScheduleError, match="there is no entry 'higstate' in it that could be left out"):
        taken(tmp_path, text, skip=["higstate"])


def test_without_a_target_the_minions_are_asked_for_or_taken(tmp_path: Path) -> None:
    entry = "{function: cmd.run, args: [uptime], hours: 1}"
    assert "target=PATTERN" in faults(tmp_path, f"schedule: {{it: {entry}}}", target=None)[0]
    both = f"web1: {{schedule: {{it: {entry}}}}}\ndb1: {{schedule: {{it: {entry}, own: {entry}}}}}\n"
    targets = {name: made["target"] for name, made in taken(tmp_path, both, target=None).entries.items()}
    assert targets == {"it": "web1,db1", "own": "db1"}
    differ = both.replace("hours: 1", "hours: 2", 1)
    assert "another one on web1" in faults(tmp_path, differ, target=None)[0]


@pytest.mark.parametrize(
    "text", ["", "[]", "web1: 3", "a: {b: 1}", "schedule: {}", "schedule: [", "{% if x %}\nb: {{ c }}"]
)
def test_what_is_no_schedule_is_refused_with_what_is_needed(tmp_path: Path, text: str) -> None:
    with pytest.raises(ScheduleError) as caught:
        taken(tmp_path, text)
    assert caught.value.message.startswith("salt.conf")
    assert ("template" in caught.value.hint) == ("{%" in text)


def test_nothing_of_the_file_that_is_imported_into_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "schedule.yaml"
    before = "# mine\nschedule:\n  tidy:   {function: jobs.prune, hours: 6}   # kept\n"
    path.write_text(before)
    editor = Editor(path, now=NOW)
    editor.add_all(taken(tmp_path, CONF).entries)
    assert path.read_text().startswith(before)
    again = path.read_text()
    with pytest.raises(ScheduleError, match="there is an entry 'loadavg' already"):
        editor.add_all({"new": {"function": "cmd.run", "args": ["x"], "target": "a", "hours": 1}, "loadavg": {}})
    assert path.read_text() == again
    assert set(load(path, now=NOW).entries) == {"tidy", "loadavg"}
    assert yaml.safe_load(again)["schedule"]["loadavg"]["seconds"] == 3660
