"""Values in shell text: real shells read them back as they were, wherever they stand, or they are refused."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.inventory.quoting import CannotQuote, Safe, TemplateValue, interpreter_of, quoted
from tests.report.values import quick

NASTY = 'it\'s $(echo no) `echo no` "q" \\ $HOME * ~ # ; & | < > ( ) { } ! \t é\n  two'
PLACES = [
    ("printf %s ", ""),
    ("printf %s x", "y"),
    ("printf %s '", "'"),
    ("printf %s 'it'\\''s ", "'"),
    ('printf %s "', '"'),
    ('printf %s "\\"a\\" ', '"'),
    ('printf %s "$(printf %s ', ')"'),
    ('printf %s "$(printf %s "', '")"'),
    ("true # don't\nprintf %s ", ""),
    ("printf %s ${HOME:+a#b}", ""),
    ("f() { printf %s ", "; }; f"),
    ("case x in x) printf %s ", ";; esac"),
    ("x='a\nb'; printf %s ", ""),
    ("cat <<EOF\na ", "\nEOF\n"),
    ("cat <<'EOF'\n", "\nEOF\n"),
    ("cat <<-\\E\n\t", "\n\tE\n"),
    ("x=$(cat <<A <<'B'\nnone\nA\n", '\nB\n); printf %s "$x"'),
]
values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=20)


def said(shell: str, text: str) -> bytes:
    return subprocess.run([shell, "-c", text], capture_output=True, check=False).stdout


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize(("before", "after"), PLACES)
def test_a_value_is_the_same_in_every_place(shell: str, before: str, after: str) -> None:
    around = said(shell, before + "MARK" + after)
    assert b"MARK" in around
    assert said(shell, quoted([before, TemplateValue(NASTY), after], shell)) == around.replace(b"MARK", NASTY.encode())


@quick
@given(values, st.sampled_from(PLACES[:7]))
def test_any_value_is_the_same(value: str, place: tuple[str, str]) -> None:
    before, after = place
    got = said("sh", quoted([before, TemplateValue(value), after, "; echo ."], "sh"))
    want = said("sh", before + "MARK" + after + "; echo .").replace(b"MARK", value.encode())
    if after == ')"':
        # A command substitution takes newlines from its end, whoever wrote them.
        got, want = got.replace(b"\n", b""), want.replace(b"\n", b"")
    assert got == want


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("echo `echo ", "`"),
        ('echo "`echo ', '`"'),
        ("echo $'", "'"),
        ("echo $", ""),
        ('echo "$', '"'),
        ("echo \\", ""),
        ("echo ${x:-", "}"),
        ('echo "${x:-', '}"'),
        ("echo $((1 + ", "))"),
        ("echo $(case x in x) echo ", ";; esac)"),
        ('echo "$(case x in x) echo ', ';; esac)"'),
        ("cat <<EOF\n$(echo ", ")\nEOF\n"),
        ("cat <<EOF\n`echo ", "`\nEOF\n"),
        ("cat <<EOF\n$", "\nEOF\n"),
        ("cat <<", "\nx\n"),
        ("true # ", ""),
    ],
)
def test_where_nothing_can_be_quoted_a_value_is_refused(before: str, after: str) -> None:
    with pytest.raises(CannotQuote, match="cannot be quoted") as caught:
        quoted([before, TemplateValue("a'$(b)\nc"), after], "/bin/sh")
    assert "$(b)" not in str(caught.value)


def test_a_value_cannot_end_its_here_document() -> None:
    with pytest.raises(CannotQuote):
        quoted(["cat <<'EOF'\n", TemplateValue("a\nEOF\nreboot"), "\nEOF\n"], "sh")


def test_plain_values_stand_anywhere_and_safe_ones_as_they_are() -> None:
    assert quoted(
        ["echo `echo ", TemplateValue("web-1.example.com"), "` $((1+", TemplateValue("3"), "))"], "sh"
    ).endswith("$((1+3))")
    assert quoted(["rm ", TemplateValue(Safe("*.log 'a b'"))], "sh") == "rm *.log 'a b'"
    assert quoted(["", TemplateValue("")], "sh") == "''"


def test_for_what_is_no_posix_shell_only_plain_values_pass() -> None:
    assert quoted(["x = '", TemplateValue("web1"), "'"], "/usr/bin/python3") == "x = 'web1'"
    with pytest.raises(CannotQuote, match="mean something to python3"):
        quoted(["x = '", TemplateValue("it's"), "'"], "/usr/bin/python3")


def test_the_interpreter_of_a_script_is_that_of_its_first_line() -> None:
    for first, program in (
        (b"#!/bin/bash -e\n", "/bin/bash"),
        (b"#!/usr/bin/env -S A=b python3 -u\n", "python3"),
        (b"echo\n", "/bin/sh"),
        (b"#!", "/bin/sh"),
    ):
        assert interpreter_of(first, "/bin/sh") == program
