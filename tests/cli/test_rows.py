"""Documents that are rows, as a table or as themselves."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable

import pytest
import yaml

from agentless.cli.interrupts import Interrupts
from agentless.cli.invocation import Invocation
from agentless.cli.rows import Sheet, tell_no_way
from agentless.cli.screen import Screen
from agentless.fleet import Fleet
from agentless.model.problem import Problem
from agentless.report.tables import Table

DOCUMENT = {"web1": {"pid": 1}, "web2": {}}
GONE = Problem("connect", "no answer", "Is it up?")


class Caught:
    """An invocation that writes to memory, in the format of its `--out`."""

    def __init__(self, out: str) -> None:
        self._streams = io.BytesIO(), io.BytesIO()
        stdout, stderr = (io.TextIOWrapper(stream, encoding="utf-8", write_through=True) for stream in self._streams)
        self.invocation = Invocation(Screen({}, stdout=stdout, stderr=stderr), Fleet, Interrupts(), os.environ)
        self.invocation.take("out", out)
        self.sheet = Sheet(self.invocation)

    @property
    def out(self) -> str:
        return self._streams[0].getvalue().decode()

    @property
    def err(self) -> str:
        return self._streams[1].getvalue().decode()


ROWS = Table(("HOST", "PID"), [("web1", "1"), ("web2", "")])


@pytest.mark.parametrize(
    ("out", "read"),
    [
        ("json", json.loads),
        ("yaml", yaml.safe_load),
        ("jsonl", lambda text: {line.pop("host"): line for line in map(json.loads, text.splitlines())}),
    ],
)
def test_a_document_comes_out_as_itself_in_the_formats_for_programs(out: str, read: Callable[[str], object]) -> None:
    caught = Caught(out)
    caught.sheet.show(DOCUMENT, ROWS)
    assert read(caught.out) == DOCUMENT


def test_a_table_has_headers_and_text_has_none() -> None:
    caught = Caught("table")
    caught.sheet.show(DOCUMENT, ROWS)
    assert caught.out.splitlines()[0].split() == ["HOST", "PID"]
    another = Caught("text")
    another.sheet.show(DOCUMENT, ROWS)
    assert another.out == "web1\t1\nweb2\t\n"


def test_a_document_that_costs_is_made_only_where_it_is_shown() -> None:
    def made() -> dict[str, object]:
        raise AssertionError("nobody wants it")

    caught = Caught("table")
    caught.sheet.show(made, ROWS)
    assert "web1" in caught.out


def test_rows_are_made_only_where_they_are_shown() -> None:
    Caught("json").sheet.show(DOCUMENT, Table(("HOST",), (pytest.fail("nobody wants it") for _ in DOCUMENT)))


def test_where_there_are_no_rows_that_is_said_on_stderr() -> None:
    caught = Caught("text")
    caught.sheet.show({}, Table(("HOST",), []), empty="no jobs")
    assert (caught.out, caught.err) == ("", "no jobs\n")


def test_each_hint_is_said_once_and_only_to_people() -> None:
    problems = {"web1": GONE, "web2": GONE}
    program, caught = Caught("json"), Caught("table")
    program.sheet.tell_problems(problems)
    assert program.err == ""
    caught.sheet.tell_problems(problems)
    assert caught.err == "  Is it up?\n"
    another = Caught("table")
    tell_no_way(another.invocation, problems)
    assert another.err == "agentless: web1: no answer\nagentless: web2: no answer\n  Is it up?\n"


def test_whose_jobs_another_look_would_show_is_said_with_the_options_for_it() -> None:
    others = {"web1": ("root",), "web2": ("root", "deploy"), "db1": ("deploy",)}
    program, caught = Caught("json"), Caught("table")
    program.sheet.tell_others(others)
    assert program.err == ""
    caught.sheet.tell_others(others)
    assert caught.err.splitlines() == [
        "jobs of root run on web[1-2] too: -b shows them",
        "jobs of deploy run on web2,db1 too: -b --become-user deploy shows them",
    ]
