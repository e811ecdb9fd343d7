"""What an entry does: the args and kwargs of its function, and the keys beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless.errors import ScheduleError
from agentless.schedule import work
from agentless.yamlfile import YamlItem, root

NUL = "\0"


def item(value: Any) -> YamlItem:
    made = root(yaml.safe_dump({"key": value}), "schedule.yaml", ScheduleError)
    assert made is not None
    return made.fields()["key"]


def test_words_of_a_command_are_text_as_it_is_written() -> None:
    document = root("key: [a, 042, yes, 1e3, ~]", "schedule.yaml", ScheduleError)
    assert document is not None
    assert work.arguments(document.fields()["key"]) == ("a", "042", "yes", "1e3", "~")


@pytest.mark.parametrize(("function", "known"), work.KWARGS.items())
def test_each_function_has_its_own_kwargs(function: str, known: tuple[str, ...]) -> None:
    with pytest.raises(ScheduleError, match=f"{function} has no such kwarg") as caught:
        work.kwargs(item({"cdw": "/"}), function)
    assert ("cwd" in (caught.value.hint or "")) is ("cwd" in known)


def test_kwargs_come_as_what_they_are() -> None:
    given = {"cwd": "/srv", "env": {"A": 1, "B": ""}, "timeout": "5m", "stdin": f"a{NUL}b"}
    assert work.kwargs(item(given), "cmd.run") == {
        "cwd": "/srv",
        "env": {"A": "1", "B": ""},
        "timeout": 300.0,
        "stdin": f"a{NUL}b",
    }
    wanted = {"since": "2h", "state": "failed", "metadata": {"team": "web"}}
    assert work.kwargs(item(wanted), "jobs.list_jobs") == wanted


@pytest.mark.parametrize(
    ("key", "value", "reason"),
    [
        ("runas", "bob", "not known here"),
        ("env", {"A=B": "x"}, "no name for an environment variable"),
        ("env", {"A": f"x{NUL}"}, "NUL"),
        ("cwd", f"/{NUL}", "NUL"),
        ("cwd", ["/"], "text is needed"),
        ("timeout", 0, "more than 0"),
        ("timeout", "soon", "not a duration"),
    ],
)
def test_a_kwarg_that_no_job_can_have_is_refused(key: str, value: object, reason: str) -> None:
    with pytest.raises(ScheduleError, match=reason):
        work.kwargs(item({key: value}), "cmd.run")


@pytest.mark.parametrize(("value", "kept"), [(True, True), (False, False), ("nocache", "nocache")])
def test_what_comes_back_of_a_fire_on_hosts_may_be_left_there(value: object, kept: object) -> None:
    assert work.return_job(item(value), "host") == kept
    if value is not True:
        with pytest.raises(ScheduleError, match="a job of its job cache"):
            work.return_job(item(value), "controller")


def test_a_script_is_beside_the_file_and_has_to_be_there(tmp_path: Path) -> None:
    (tmp_path / "backup.sh").touch()
    document = root("key: x", str(tmp_path / "schedule.yaml"), ScheduleError)
    assert document is not None
    key = document.fields()["key"]
    assert work.script(key, "backup.sh") == str(tmp_path / "backup.sh")
    for missing in ("none.sh", "."):
        with pytest.raises(ScheduleError, match="there is no script"):
            work.script(key, missing)
