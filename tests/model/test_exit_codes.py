"""The exit codes: each has one meaning, and no two are the same number."""

from __future__ import annotations

from agentless.model import exit_codes
from agentless.model.exit_codes import MEANINGS

CODES = {name: getattr(exit_codes, name) for name in exit_codes.__all__ if name != "MEANINGS"}


def test_each_code_has_a_number_of_its_own_and_a_meaning() -> None:
    assert len(set(CODES.values())) == len(CODES)
    assert set(MEANINGS) == set(CODES.values())
    assert all(meaning.endswith(".") for meaning in MEANINGS.values())


def test_each_fits_the_byte_that_a_shell_sees() -> None:
    assert all(0 <= code <= 255 for code in CODES.values())
