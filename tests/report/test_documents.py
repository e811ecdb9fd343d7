"""Results for programs."""

from __future__ import annotations

import json

import pytest
import yaml

from agentless.report.documents import as_json, as_yaml, host_line, lines

DOCUMENT = {"web1": {"stdout": "a\x1b[31m\u202e\udcff\n", "code": 0}, "db1": {}}


@pytest.mark.parametrize("text", [as_json(DOCUMENT), as_json(DOCUMENT, indent=True), as_yaml(DOCUMENT)])
def test_a_document_is_ascii_without_control_characters(text: str) -> None:
    assert text.endswith("\n")
    assert all(" " <= character <= "~" or character == "\n" for character in text)


def test_a_document_comes_back_as_it_was() -> None:
    assert json.loads(as_json(DOCUMENT)) == DOCUMENT
    assert list(yaml.safe_load(as_yaml({"b": "é", "a": 1}))) == ["b", "a"]


def test_each_entry_has_a_line_with_its_name() -> None:
    found = [json.loads(line) for line in lines({"web1": {"pid": 1}, "db1": [2]}, key="host", value="jobs")]
    assert found == [{"host": "web1", "pid": 1}, {"host": "db1", "jobs": [2]}]
    assert json.loads(host_line("2026", "web1", {"state": "lost"})) == {"jid": "2026", "host": "web1", "state": "lost"}
