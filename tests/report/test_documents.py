"""Results for programs."""

from __future__ import annotations

import json
import math
from typing import NoReturn

import pytest
import yaml
from hypothesis import given

from agentless.model.job import Report
from agentless.report.documents import as_json, as_yaml, host_line, lines, report_json, report_yaml
from tests.report.harmless import harmless
from tests.report.values import JID, plain_names, quick, reports

DOCUMENT = {"web1": {"stdout": "a\x1b[31m\u202e\udcff\n", "code": 0}, "db1": {}}


@pytest.mark.parametrize("text", [as_json(DOCUMENT), as_json(DOCUMENT, indent=True), as_yaml(DOCUMENT)])
def test_a_document_is_ascii_without_control_characters(text: str) -> None:
    assert text.endswith("\n")
    assert all(" " <= character <= "~" or character == "\n" for character in text)


def test_a_document_comes_back_as_it_was() -> None:
    assert json.loads(as_json(DOCUMENT)) == DOCUMENT
    assert list(yaml.safe_load(as_yaml({"b": "é", "a": 1}))) == ["b", "a"]


def test_each_entry_has_a_line_with_its_name() -> None:
    found = [json.loads(line) for line in lines({"web1": {"pid": 1}, "db1": [2], "db2": []}, key="host", value="jobs")]
    assert found == [{"host": "web1", "pid": 1}, {"host": "db1", "jobs": [2]}, {"host": "db2", "jobs": []}]
    assert json.loads(host_line("2026", "web1", {"state": "lost"})) == {"jid": "2026", "host": "web1", "state": "lost"}


def _no_json(name: str) -> NoReturn:
    raise AssertionError(f"{name} is no JSON")


@pytest.mark.parametrize("indent", [False, True])
def test_a_float_that_is_no_number_of_json_is_a_text(indent: bool) -> None:
    document = {"vars": {"a": [math.nan, {"b": math.inf}], "c": -math.inf, math.nan: 1.5}, "pair": (math.inf,)}
    assert json.loads(as_json(document, indent=indent), parse_constant=_no_json) == {
        "vars": {"a": ["NaN", {"b": "Infinity"}], "c": "-Infinity", "NaN": 1.5},
        "pair": ["Infinity"],
    }
    (line,) = lines({"web1": {"vars": {"a": math.nan}}}, key="host", value="vars")
    assert json.loads(line, parse_constant=_no_json)["vars"] == {"a": "NaN"}
    assert math.isnan(yaml.safe_load(as_yaml({"a": math.nan}))["a"])


@quick
@given(reports())
def test_json_yaml_and_lines_hold_the_same_and_are_ascii(some: Report) -> None:
    document = some.to_json()
    as_lines = [host_line(JID, name, result.to_json()) for name, result in some.results.items()]
    for text in (as_json(document), as_json(document, indent=True), as_yaml(document), *as_lines):
        text.encode("ascii")
        assert harmless(text)
    assert json.loads(as_json(document)) == document
    for indent in (False, True):
        assert "".join(report_json(some, indent=indent)) == as_json(document, indent=indent)
    assert [json.loads(line)["host"] for line in as_lines] == list(some.results)
    assert all(line.count("\n") == 1 for line in as_lines)


@quick
@given(reports(names=plain_names))
def test_yaml_holds_what_json_holds(some: Report) -> None:
    document = json.loads(as_json(some.to_json()))
    # YAML can't say a lone surrogate otherwise than JSON does; readers disagree about them.
    if "\\ud" not in json.dumps(document):
        assert yaml.safe_load(as_yaml(document)) == document
        assert yaml.safe_load("".join(report_yaml(some))) == document


def test_a_jid_is_a_string_in_yaml() -> None:
    assert yaml.safe_load(as_yaml({"jid": JID})) == {"jid": JID}
