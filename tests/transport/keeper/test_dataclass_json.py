"""Settings travel whole and typed; what comes in is not believed."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from agentless.model.secret import Secret
from agentless.openssh.jumps import Jump
from agentless.openssh.settings import Settings
from agentless.transport.keeper.dataclass_json import from_json, to_json


def settings(**changes: Any) -> Settings:
    values: dict[str, Any] = {field.name: "" for field in fields(Settings)}
    for name in (
        *("known_hosts", "revoked_host_keys", "identities", "certificates", "default_identities", "methods", "jumps"),
        "control_paths",
    ):
        values[name] = ()
    values |= dict.fromkeys(("accept_new", "may_ask", "hash_names", "identities_only"), False)
    values |= dict.fromkeys(("agent", "password", "bastion", "proxy_command", "bind"))
    return Settings(**{**values, "host": "web1", "port": 22, "user_files": 0, "connect_timeout": 10.0, **changes})


def test_settings_arrive_as_they_were_sent() -> None:
    jump = Jump("bastion", "ada", 2222, ("/k",), (("ciphers", ("a", "b")),), None)
    bastion = settings(host="bastion", identities=("/home/ada/ünï\udcff",))
    sent = settings(password=Secret("pässword"), jumps=(jump,), bastion=bastion, revoked_host_keys=(Path("/krl"),))
    assert from_json(Settings, json.loads(json.dumps(to_json(sent)))) == sent


def test_what_is_of_another_type_is_refused_without_a_word_of_its_value() -> None:
    good = to_json(settings())
    for name, value in (("port", "22"), ("accept_new", 1), ("identities", "abc"), ("host", None), ("jumps", [{}])):
        with pytest.raises(ValueError, match=f"Settings.{name}"):
            from_json(Settings, {**good, name: value})
    with pytest.raises(ValueError, match="other fields"):
        from_json(Settings, {**good, "more": "secret"})
    with pytest.raises(ValueError, match="password") as caught:
        from_json(Settings, {**to_json(replace(settings(), password=Secret("x"))), "password": ["hunter2"]})
    assert "hunter2" not in str(caught.value)
