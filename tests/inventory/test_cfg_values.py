"""One value of ansible.cfg: what Ansible makes of the text, or an error that has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.inventory.cfg_values import CfgText, absolute, flag, items, number, path, paths, text, word


def value(told: str, *, in_file: bool = True, **environ: str) -> CfgText:
    return CfgText(told, Path("/etc/ansible"), Path("/srv/here"), environ, in_file)


@pytest.mark.parametrize(
    ("told", "plain"),
    [('"a"', "a"), ("'a'", "a"), ("\"a'", "\"a'"), ('"', '"'), ("''", ""), ("'a\\'", "'a\\'"), ("", "")],
)
def test_quotes_around_a_text_of_the_file_go_and_only_a_pair_of_them(told: str, plain: str) -> None:
    assert text(value(told)) == plain
    assert text(value(told, in_file=False)) == told


@pytest.mark.parametrize(("told", "true"), [(" Yes ", True), ("1.0", True), ("on", True), ("2", False), ("", False)])
def test_what_is_not_true_is_false(told: str, true: bool) -> None:
    assert flag(value(told)) is true


@pytest.mark.parametrize("told", ["", "x", "1.5", "0", "11", "nan", "inf", "1e999999999", "5 5"])
def test_a_number_that_is_none_or_out_of_bounds_is_an_error_with_the_bounds(told: str) -> None:
    with pytest.raises(ValueError, match="from 1 to 10"):
        number(1, 10)(value(told))


def test_a_whole_number_may_be_written_with_a_point_or_a_power() -> None:
    assert [number(1, 10)(value(told)) for told in ("5", "5.0", "1e1", " 7 ")] == [5, 5, 10, 7]


def test_a_long_text_that_is_no_number_does_not_fill_the_screen() -> None:
    with pytest.raises(ValueError, match="whole number") as caught:
        number(1, 10)(value("x" * 10_000))
    assert len(str(caught.value)) < 200


def test_items_stand_between_commas_and_an_empty_one_is_one() -> None:
    assert items(value("a, 'b' ,,c")) == ("a", "b", "", "c")
    assert items(value("")) == ("",)


def test_paths_count_from_the_directory_of_the_file_and_empty_places_are_none() -> None:
    assert paths(value("hosts, ,/abs/../x,")) == ("/etc/ansible/hosts", "/x")
    assert path(value("{{CWD}}/x")) == "/srv/here/x"


def test_a_home_and_variables_are_those_of_the_environment_that_is_given() -> None:
    assert path(value("~/x", HOME="/home/ada")) == "/home/ada/x"
    assert path(value("$BASE/x/${NAME}", BASE="/srv", NAME="y")) == "/srv/x/y"
    assert absolute("$MISSING", Path("/etc"), {}) == "/etc/$MISSING"


def test_a_word_is_one_of_those_that_are_there() -> None:
    assert word("ssh", "local")(value("'ssh'")) == "ssh"
    with pytest.raises(ValueError, match="ssh or local is needed, not 'SSH'"):
        word("ssh", "local")(value("SSH"))
