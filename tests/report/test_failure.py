"""The document of a command that broke, or was interrupted while it started."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
import yaml

from agentless.report.failure import failure, interrupted, wanted_format

HOSTILE = 'we\x1b[2Jb\u200b1\x1b]0;title\x07\r\n\u202e\x9b\ufeff"%s'


def test_it_is_one_document_in_every_format_whatever_the_message_holds() -> None:
    for form, read in (("json", json.loads), ("jsonl", json.loads), ("yaml", yaml.safe_load)):
        text = failure(["jobs", "list", "--out", form], "cache", HOSTILE, "hint", 2)
        assert text.count("\n") == 1
        assert read(text) == {"error": {"kind": "cache", "message": HOSTILE, "hint": "hint"}, "exit_code": 2}
    tree = ElementTree.fromstring(failure(["--out", "junit"], "internal", f'<"&{HOSTILE}', "", 70))
    assert [case.get("name") for case in tree.iter("testcase")] == ["internal"]
    page = failure(["--out", "html"], "internal", f"<script>{HOSTILE}", "", 70)
    assert page.startswith("<!doctype html>")
    assert "<p>&lt;script&gt;we^[[2Jb" in page


@pytest.mark.parametrize("words", [[], ["--out", "text"], ["--out", "nonsense"], ["run", "a", "--", "--out", "json"]])
def test_where_people_read_there_is_none(words: list[str]) -> None:
    assert failure(words, "cache", "message", "", 2) == ""


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


def test_that_of_an_interruption_is_one_in_every_format() -> None:
    expected = {"error": {"kind": "interrupted", "message": "stopped", "hint": ""}, "exit_code": 130}
    for form, read in (("json", json.loads), ("jsonl", json.loads), ("yaml", yaml.safe_load)):
        assert read(interrupted(["--out", form], "stopped")) == expected
    tree = ElementTree.fromstring(interrupted(["--out", "junit"], "stopped"))
    assert [error.get("message") for error in tree.iter("error")] == ["stopped"]
    assert "<p>stopped</p>" in interrupted(["--out=html"], "stopped")
    for words in ([], ["--out", "text"], ["--out", "table"]):
        assert interrupted(words, "stopped") == ""
