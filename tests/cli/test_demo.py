"""The verb of the demo: what it refuses. What it tells is in tests/demo/."""

from __future__ import annotations

import pytest

from tests.cli.conftest import Say


@pytest.mark.parametrize("hosts", ["0", "51", "-1", "three"])
def test_a_fleet_of_no_size_is_refused(hosts: str, say: Say) -> None:
    code, out, err = say("demo", "--hosts", hosts)
    assert (code, out) == (2, "")
    assert "--hosts" in err


@pytest.mark.parametrize("words", [["-i", "web1,"], ["--out", "json"], ["-b"], ["--limit", "web1"]])
def test_an_option_that_it_could_only_ignore_is_refused(words: list[str], say: Say) -> None:
    code, out, err = say(*words, "demo")
    assert (code, out) == (2, "")
    assert "the demo has a fleet and an output of its own" in err
