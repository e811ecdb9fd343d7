"""Which word was probably meant."""

from __future__ import annotations

from agentless.suggest import did_you_mean, nearest, one_of


def test_the_nearest_words_come_first() -> None:
    assert nearest("lst", ["show", "last", "list", "lost"]) == ["lost", "list"]
    assert nearest("lst", ["show", "last", "list"], 1) == ["list"]
    assert nearest("zzz", ["show"]) == []


def test_a_hint_names_them_or_says_nothing() -> None:
    assert did_you_mean("lst", ["last", "list", "db"]) == "Did you mean list or last?"
    assert did_you_mean("lst", ["last", "list", "db"], 1) == "Did you mean list?"
    assert did_you_mean("zzz", ["web1"]) == ""


def test_where_nothing_is_near_a_few_known_words_are_all_named() -> None:
    assert one_of("strat", ["start", "end"]) == "Did you mean start?"
    assert one_of("zzz", ["start", "end"]) == "Known: start, end."
    assert one_of("zzz", map(str, range(31))) == ""
    assert one_of("zzz", []) == ""
