"""Passwords show themselves nowhere but where they are asked for."""

from __future__ import annotations

import copy
import traceback

from agentless.model.endpoint import Become, Endpoint
from agentless.model.secret import Secret


def test_no_repr_str_or_format_shows_it() -> None:
    secret = Secret("hunter2")
    endpoint = Endpoint("web1", "web1", password=secret, become=Become(password=secret))
    shown = f"{secret} {secret!r} {[secret]} {endpoint}"
    assert "hunter2" not in shown
    assert secret.reveal() == "hunter2"


def test_no_traceback_shows_it() -> None:
    secret = Secret("hunter" + str(2))
    try:
        raise ValueError(secret)
    except ValueError:
        assert "hunter2" not in traceback.format_exc()


def test_equal_ones_are_equal_and_no_text_is() -> None:
    secret = Secret("a")
    assert secret == Secret("a") == copy.copy(secret)
    assert len({secret, Secret("a"), Secret("b")}) == 2
    assert secret != "a"
