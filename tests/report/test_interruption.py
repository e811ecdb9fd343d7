"""The document of a command that was interrupted while it started."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import yaml

from agentless.report.interruption import document, wanted_format


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("run a --out json -- true", "json"),
        ("--out=yaml running", "yaml"),
        ("--out json running --out junit", "junit"),
        ("run a -- tool --out json", ""),
        ("running --out", ""),
    ],
)
def test_the_format_is_the_last_that_stands_before_the_command_of_the_job(line: str, wanted: str) -> None:
    assert wanted_format(line.split()) == wanted


def test_the_document_is_one_in_every_format() -> None:
    expected = {"error": {"kind": "interrupted", "message": "stopped", "hint": ""}, "exit_code": 130}
    for form, read in (("json", json.loads), ("jsonl", json.loads), ("yaml", yaml.safe_load)):
        assert read(document(["--out", form], "stopped")) == expected
    tree = ElementTree.fromstring(document(["--out", "junit"], "stopped"))
    assert [error.get("message") for error in tree.iter("error")] == ["stopped"]
    assert "<p>stopped</p>" in document(["--out=html"], "stopped")
    for words in ([], ["--out", "text"], ["--out", "table"]):
        assert document(words, "stopped") == ""
