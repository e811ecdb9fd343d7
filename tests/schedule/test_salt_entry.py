"""One entry of Salt's in our words: what becomes of it, what is left out of it, and what cannot be taken."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.errors import ScheduleError
from agentless.schedule.salt_entry import SaltEntry, value_of
from agentless.yamlfile import YamlItem, root, yaml


def item(text: str) -> YamlItem:
    document = root(text, "salt.conf", ScheduleError)
    assert document is not None
    return document


def salt(fields: str, folder: Path = Path("/nowhere"), shared: str = "{}", whens: str = "{}") -> SaltEntry:
    beside = str(folder / "schedule.yaml")
    return SaltEntry("it", item(f"{{{fields}}}"), item(shared).fields(), item(whens).fields(), beside)


def test_a_command_keeps_its_words_and_its_keywords() -> None:
    entry = salt("function: cmd.shell, args: [uptime, /tmp], kwargs: {env: [{A: b}], output_loglevel: quiet}")
    made = entry.made("web*")
    assert entry.faults == []
    assert made == {
        "function": "cmd.run",
        "args": ["uptime"],
        "kwargs": {"cwd": "/tmp", "env": {"A": "b"}},
        "target": "web*",
    }
    assert entry.words == [
        "left out, since it changes nothing here: output_loglevel",
        "cmd.shell is cmd.run, whose return has it all",
    ]


def test_without_a_shell_the_command_is_its_words() -> None:
    assert salt("function: cmd.run, args: ['echo \"a b\"'], kwargs: {python_shell: false}").made("web*")["args"] == [
        "echo",
        "a b",
    ]


def test_what_holds_for_all_is_in_the_entry_unless_it_says_otherwise() -> None:
    entry = salt("function: cmd.run, args: [x], splay: 3", shared="{splay: 5, enabled: false}")
    made = entry.made("web*")
    assert made["enabled"] is False
    splay = made["splay"]
    assert isinstance(splay, yaml.Node)
    assert value_of(splay) == "3"


def test_a_name_of_whens_is_written_out() -> None:
    made = salt("function: cmd.run, args: [x], when: tea", whens="{tea: 5pm}").made("web*")
    assert made["when"] == "5pm"


def test_a_script_is_looked_for_beside_the_schedule_file(tmp_path: Path) -> None:
    (tmp_path / "backup.sh").touch()
    entry = salt("function: cmd.script, args: ['salt://scripts/backup.sh', '-v now']", tmp_path)
    assert entry.made("web*")["args"] == ["backup.sh", "-v", "now"]
    assert entry.faults == []


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ("args: [x]", "it has no function"),
        ("function: state.apply", "state.apply is Salt's own"),
        ("function: cmd.run", "it has no command"),
        ("function: cmd.run, args: [x], return_config: y", "return_config means nothing here"),
        ("function: cmd.run, args: [x], kwargs: {umask: '022'}", "umask: cmd.run has no such keyword here"),
        ("function: cmd.run, args: [x, /, '', ada, more]", "args: cmd.run is given more than can be taken"),
        ("function: cmd.script, args: ['/x.sh']", "/x.sh: a script lies beside the schedule file"),
        ("function: jobs.prune, args: [x]", "args of jobs.prune mean nothing here"),
    ],
)
def test_what_cannot_be_taken_is_named(fields: str, fault: str) -> None:
    entry = salt(fields)
    entry.made("web*")
    assert any(one.startswith(fault) for one in entry.faults), entry.faults


def test_whom_it_is_for_must_be_known() -> None:
    entry = salt("function: cmd.run, args: [x]")
    entry.made(None)
    assert [one.partition(" stands")[0] for one in entry.faults] == ["whom it is for"]
