"""The tree of errors."""

from __future__ import annotations

import inspect

import pytest

from agentless import errors
from agentless.errors import AgentlessError, FileError, InventoryError


def test_every_error_has_one_base_and_is_exported() -> None:
    found = {name for name, value in vars(errors).items() if inspect.isclass(value)}
    assert found == set(errors.__all__)
    assert all(issubclass(getattr(errors, name), AgentlessError) for name in found)


def test_the_picture_at_the_top_names_each() -> None:
    assert errors.__doc__ is not None
    for name in set(errors.__all__) - {"FileError"}:
        assert name in errors.__doc__


@pytest.mark.parametrize(
    ("file", "line", "text"), [("a.yaml", 3, "a.yaml:3: wrong"), ("a.yaml", None, "a.yaml: wrong"), ("", None, "wrong")]
)
def test_an_error_of_a_file_begins_with_its_place(file: str, line: int | None, text: str) -> None:
    error = InventoryError("wrong", "mend it", file=file, line=line)
    assert isinstance(error, FileError)
    assert (str(error), error.message, error.hint) == (text, text, "mend it")
