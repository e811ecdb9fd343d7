"""The verbs that change a schedule's file, and say when hosts do not know of it yet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import Say

Edit = Callable[..., tuple[int, str, str]]
UNTOLD = "the hosts know nothing of it yet: agentless schedule push\n"


@pytest.fixture
def edit(tmp_path: Path, say: Say) -> Edit:
    def run(*words: str) -> tuple[int, str, str]:
        return say("-i", "web1,web2", "schedule", *words, "--schedule-file", str(tmp_path / "schedule.yaml"))

    return run


def test_an_entry_is_added_and_changed_and_what_concerns_hosts_is_to_be_pushed(edit: Edit, tmp_path: Path) -> None:
    keys = ("function=cmd.run", "args=uptime", "target=web1", "hours=1")
    assert edit("add", "tidy", *keys) == (0, "", UNTOLD)
    for words in (
        ("modify", "tidy", "hours=2"),
        ("disable", "tidy"),
        ("enable", "tidy"),
        ("move", "tidy", "web2"),
        ("skip", "tidy", "2030-01-02 03:04"),
        ("postpone", "tidy", "2030-01-03 03:04", "2030-01-03 05:00"),
    ):
        assert edit(*words) == (0, "", UNTOLD), words
    text = (tmp_path / "schedule.yaml").read_text()
    assert "hours: 2" in text
    assert "web2" in text
    assert edit("delete", "tidy") == (0, "", UNTOLD)
    assert "tidy" not in (tmp_path / "schedule.yaml").read_text()


def test_what_the_controller_fires_needs_no_push(edit: Edit) -> None:
    assert edit("add", "prune", "function=jobs.prune", "hours=1") == (0, "", "")
    assert edit("disable", "prune") == (0, "", "")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("add", "tidy"), "an entry needs keys"),
        (("add", "tidy", "hours"), "KEY=VALUE"),
        (("add", "tidy", "function=jobs.prune"), "never says when"),
        (("modify", "tydi", "hours=1"), "tydi"),
        (("skip", "tidy", "soon"), ""),
    ],
)
def test_an_edit_that_makes_no_sense_leaves_the_file_alone(
    words: tuple[str, ...], says: str, edit: Edit, tmp_path: Path
) -> None:
    edit("add", "prune", "function=jobs.prune", "hours=1")
    before = (tmp_path / "schedule.yaml").read_text()
    code, out, err = edit(*words)
    assert (code, out) == (2, "")
    assert says in err
    assert (tmp_path / "schedule.yaml").read_text() == before


def test_a_schedule_of_salts_is_imported_whole_or_not_at_all(edit: Edit, tmp_path: Path) -> None:
    salt = tmp_path / "_schedule.conf"
    salt.write_text(
        "schedule:\n"
        "  uptime: {function: cmd.run, args: [uptime], minutes: 5, kwargs: {output_loglevel: quiet}}\n"
        "  highstate: {function: state.apply, hours: 1}\n"
    )
    code, out, err = edit("import", str(salt), "--target", "web*")
    assert (code, out) == (2, "")
    assert f"{salt}: 1 thing of it cannot be taken:" in err
    assert "line 3: highstate: state.apply is Salt's own" in err
    assert not (tmp_path / "schedule.yaml").exists()
    assert edit("import", str(salt), "--target", "nowhere", "--skip", "high*")[0] == 2
    assert not (tmp_path / "schedule.yaml").exists()
    code, out, err = edit("import", str(salt), "--target", "web*", "--skip", "high*")
    assert (code, out) == (0, "")
    assert "uptime: left out, since it changes nothing here: output_loglevel" in err
    assert "uptime" in edit("list")[1]
    assert edit("import", str(tmp_path / "none"), "--target", "web*")[0] == 2


def test_a_returner_of_salts_is_told_with_the_line_of_salts_file(edit: Edit, tmp_path: Path) -> None:
    salt = tmp_path / "_schedule.conf"
    salt.write_text("schedule:\n  df: {function: cmd.run, args: [df], hours: 1, returner: mysql}\n")
    code, _, err = edit("import", str(salt), "--target", "web*")
    assert code == 2
    assert f"{salt}: 1 thing of it cannot be taken:\n  line 2: df: returner: agentless's configuration has no " in err
