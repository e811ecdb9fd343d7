"""Lines, words, times and ports as ssh_config(5) writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.openssh.syntax import connect_timeout, directive, patterns, port_number, seconds, words


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("Port 22", ("Port", "22")),
        ("\tPort=22\r\n", ("Port", "22")),
        ("Port = 22", ("Port", "22")),
        ('"Port" 22', ("Port", "22")),
        ("IdentityFile  ~/a b ", ("IdentityFile", "~/a b")),
        ("Port", ("Port", "")),
        ("", ("", "")),
        ("   # Port 22", ("", "")),
    ],
)
def test_a_line_is_a_keyword_and_the_text_behind_it(line: str, found: tuple[str, str]) -> None:
    assert directive(line) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a  b\tc", ["a", "b", "c"]),
        ('"a b" c', ["a b", "c"]),
        ("'a b'c", ["a bc"]),
        (r"a\ b", ["a b"]),
        (r'"a\ b"', [r"a\ b"]),
        (r"a\\b \"c", [r"a\b", '"c']),
        (r"C:\dir", [r"C:\dir"]),
        ("a # b", ["a"]),
        ("a#b", ["a#b"]),
        ('""', [""]),
        ("", []),
    ],
)
def test_words_are_parted_by_blanks_and_held_together_by_quotes(text: str, found: list[str]) -> None:
    assert words(text) == found


@pytest.mark.parametrize("text", ['"a', "a 'b"])
def test_a_quote_that_does_not_close_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="does not close"):
        words(text)


@pytest.mark.parametrize(
    ("text", "value"), [("90", 90), ("1m30s", 90), ("2H", 7200), ("0", 0), ("1w", 86400), ("9" * 30, 86400)]
)
def test_a_time_is_a_sum_of_at_most_a_day(text: str, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "m", "1x", "-1", "1 m", "1.5"])
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="no time"):
        seconds(text)


def test_no_connect_timeout_is_none() -> None:
    assert connect_timeout("none") is None
    assert connect_timeout("0") is None
    assert connect_timeout("5") == 5.0


def test_a_port_has_a_number_or_a_service_s_name() -> None:
    assert port_number("22") == 22
    assert port_number("65535") == 65535
    for text in ("0", "65536", "-1", "9" * 20, "²²", "no such service"):
        with pytest.raises(ValueError, match="not a port"):
            port_number(text)


@pytest.mark.parametrize(
    ("texts", "matching", "others"),
    [
        (["web*"], ["web", "web1"], ["db", "aweb"]),
        (["web?"], ["web1"], ["web", "web12"]),
        (["*", "!db*"], ["web"], ["db", "db1"]),
        (["!db*"], [], ["web", "db"]),
        (["a.b"], ["a.b"], ["axb"]),
        (["!web1", "*"], ["web"], ["web1"]),
        (["[web]:22*"], ["[web]:2222"], ["w:22"]),
    ],
)
def test_patterns_have_wildcards_and_negations(texts: list[str], matching: list[str], others: list[str]) -> None:
    matches = patterns(texts)
    assert all(map(matches, matching))
    assert not any(map(matches, others))


@given(st.text(st.sampled_from("ab.*?!,"), max_size=12), st.text(st.sampled_from("ab."), max_size=6))
def test_a_negated_pattern_always_wins(text: str, name: str) -> None:
    assert not patterns([*text.split(","), "!*"])(name)
    assert patterns(["*"])(name)
