"""The one line that starts the helper: what stands on it, and what goes to stdin. What a host makes of it:
tests/remote/test_payload.py."""

from __future__ import annotations

import base64
import json
import re
import shlex

import pytest

from agentless.runner import payload


def words(command: payload.CallCommand) -> list[str]:
    return shlex.split(command.line)


def test_the_request_stands_on_the_line_where_that_has_room_for_it() -> None:
    request = {"op": "ping", "want": []}
    command = payload.command(request)
    assert json.loads(base64.b64decode(words(command)[-1])) == request
    assert command.stdin == b""


def test_a_request_that_is_too_long_for_the_line_comes_on_stdin() -> None:
    request = {"op": "fetch", "jobs": ["x" * payload.LINE_MAX]}
    command = payload.command(request)
    assert len(command.line) <= payload.LINE_MAX
    assert words(command)[-1] == "-"
    assert json.loads(command.stdin) == request


def test_operations_that_need_more_of_the_helper_bring_it() -> None:
    request = {"op": "put", "path": "x"}
    command = payload.command(request, sections_len=-1)
    sent = json.loads(command.stdin or base64.b64decode(words(command)[-1]))
    assert sent.pop("rooms")
    assert sent == request


def test_each_call_has_a_nonce_of_its_own_that_stands_on_its_line() -> None:
    one, other = payload.command({"op": "ping"}), payload.command({"op": "ping"})
    assert one.nonce != other.nonce
    assert re.fullmatch("[0-9a-f]{16}", one.nonce)
    assert one.nonce in words(one)


@pytest.mark.parametrize(("python", "told"), [(None, "-"), ("auto_silent", "-"), ("/opt/py 3/bin/python", None)])
def test_the_python_of_the_inventory_is_tried_first_where_it_names_one(python: str | None, told: str | None) -> None:
    assert (told or python) in words(payload.command({"op": "ping"}, python=python))


def test_a_python_that_a_login_shell_might_change_is_refused() -> None:
    with pytest.raises(ValueError, match="a login shell may change"):
        payload.command({"op": "ping"}, python="python3'; rm -rf ~")
