"""YAML whose errors name file, line and key."""

from __future__ import annotations

import pytest

from agentless.errors import ConfigError, FileError, ScheduleError
from agentless.yamlfile import YamlItem, root


def document(text: str | bytes) -> YamlItem:
    item = root(text, "f.yaml", ConfigError)
    assert item is not None
    return item


def test_each_value_knows_what_leads_to_it_and_its_line() -> None:
    outer = document("a: 1\nb:\n  c: 17:30\n  d: [x, y]\n").fields()["b"].fields()
    assert (outer["c"].key, outer["c"].line, outer["c"].text, outer["c"].value) == ("b: c", 3, "17:30", 1050)
    assert [each.value for each in outer["d"].each()] == ["x", "y"]
    assert [each.value for each in outer["c"].each()] == [1050]


def test_an_empty_file_has_no_document() -> None:
    assert root("", "f.yaml", ConfigError) is None
    assert root(b"# nothing\n", "f.yaml", ConfigError) is None
    assert document("~").empty


@pytest.mark.parametrize("raises", [ConfigError, ScheduleError])
def test_the_error_is_the_one_that_was_asked_for(raises: type[FileError]) -> None:
    with pytest.raises(raises, match=r"^f.yaml:2: not YAML: "):
        root("a: 1\n  b: 2\n", "f.yaml", raises)
    item = root("a: 1\n", "f.yaml", raises)
    assert item is not None
    assert isinstance(item.fields()["a"].error("wrong", "Mend it."), raises)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: [}", 1),
        ("a: 1\n---\nb: 2", 2),
        (b"a: 1\nb: \xff\n", 2),
        ("a: *nobody", 1),
        ("\ud800", None),
        ("a: \x00", None),
        ("[" * 100_000, None),
        ("a: " + "{b: " * 5000, None),
    ],
)
def test_what_is_no_yaml_is_told_and_its_line_where_that_is_known(text: str | bytes, line: int | None) -> None:
    with pytest.raises(ConfigError, match=r"not YAML: .") as caught:
        root(text, "f.yaml", ConfigError)
    assert line is None or caught.value.line == line


@pytest.mark.parametrize(
    "value",
    ['!!int ""', "!!bool maybe", "!!timestamp soon", "!!float x", "!!python/name:os.system", "&a [*a]", "{[1]: 2}"]
    + ["2026-13-45", "!!omap 3", "!!binary é"],
)
def test_a_value_that_its_tag_does_not_fit_is_an_error_of_its_place(value: str) -> None:
    item = document(f"a: 1\nb: {value}\n").fields()["b"]
    with pytest.raises(ConfigError, match=r"^f.yaml:2: b: not YAML: ."):
        assert item.value


def test_a_key_stands_once_and_is_text() -> None:
    with pytest.raises(ConfigError, match=r"^f.yaml:2: a: stands here a second time$"):
        document("a: 1\na: 2\n").fields()
    with pytest.raises(ConfigError, match=r"^f.yaml:1: a key must be text$"):
        document("? [1]\n: 2\n").fields()
    with pytest.raises(ConfigError, match="a mapping of keys to values is needed"):
        document("- a\n").fields()


def test_a_merged_mapping_gives_what_the_other_does_not_say() -> None:
    text = "base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\n"
    assert {key: item.value for key, item in document(text).fields()["own"].fields().items()} == {"a": 1, "b": 3}


def test_an_error_quotes_a_value_in_short() -> None:
    assert document("a").shown == "'a'"
    assert len(document("- " + "x" * 5000).shown) < 200
    assert document("0x" + "f" * 5000).shown
