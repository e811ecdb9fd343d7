"""A returner's secret is read when it is used, from where the configuration says; else an error names the key."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless.errors import ConfigError
from agentless.model.returner import NAME, SecretSource
from agentless.model.secret import Secret

KEY = "returners: archive: url_file"


def test_a_secret_of_the_configuration_is_taken_as_it_stands() -> None:
    assert SecretSource(KEY, text=Secret(" s ")).read({}).reveal() == " s "


def test_a_variable_and_a_file_are_read_without_blanks_around_and_anew_each_time(tmp_path: Path) -> None:
    path = tmp_path / "url"
    path.write_text("\n first \n")
    of_file, of_variable = SecretSource(KEY, path=str(path)), SecretSource(KEY, variable="URL")
    assert of_variable.read({"URL": " x\n"}).reveal() == "x"
    assert of_file.read({}).reveal() == "first"
    path.write_text("second")
    assert of_file.read({}).reveal() == "second"


@pytest.mark.parametrize("environ", [{}, {"URL": ""}, {"URL": " \n"}])
def test_a_variable_without_a_text_is_told_with_file_and_line(environ: dict[str, str]) -> None:
    source = SecretSource(KEY, variable="URL", file="agentless.yaml", line=3)
    with pytest.raises(ConfigError) as caught:
        source.read(environ)
    assert "environment variable URL is not set" in caught.value.message
    assert (caught.value.file, caught.value.line) == ("agentless.yaml", 3)


@pytest.mark.parametrize(
    ("content", "told"), [(None, "cannot be read"), (b"", "is empty"), (b" \n", "is empty"), (b"\xff", "UTF-8")]
)
def test_a_file_without_a_text_is_named_with_its_key(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "url"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        SecretSource(KEY, path=str(path)).read({})
    assert all(word in caught.value.message for word in (KEY, str(path), told))


def test_a_secret_is_in_no_repr() -> None:
    assert "hunter2" not in repr(SecretSource(KEY, text=Secret("hunter2")))


def test_a_name_can_be_the_name_of_a_lock() -> None:
    good, bad = ("a", "archive-2.eu", "A" * 64), ("", ".hidden", "a/b", "..", "a b", "é", "A" * 65, "a\n")
    assert all(NAME.fullmatch(name) for name in good)
    assert not any(NAME.fullmatch(name) for name in bad)
