"""What the options of one host add up to."""

from __future__ import annotations

from pathlib import Path

from agentless.openssh.jumps import Jump
from agentless.openssh.settings import Settings, resolve


def settings(**options: str) -> Settings:
    words = {keyword: (value,) for keyword, value in options.items()}
    return resolve(words, Jump("h"), local_user="u", home=Path("/home/u"))


def test_methods_follow_the_options() -> None:
    assert settings().methods == ("publickey", "keyboard-interactive", "password")
    assert settings(pubkeyauthentication="no", passwordauthentication="no").methods == ("keyboard-interactive",)
    assert settings(preferredauthentications="password,gssapi-with-mic").methods == ("password",)


def test_the_usual_keys_are_tried_where_none_is_named() -> None:
    assert settings().default_identities[0] == "/home/u/.ssh/id_ed25519"
    assert settings(identityfile="~/k").default_identities == ()
    assert resolve({}, Jump("h", key_files=("%d/k",)), local_user="u", home=Path("/h")).identities == ("/h/k",)


def test_the_agent_is_the_environments_a_named_one_or_none() -> None:
    assert settings().agent is None
    assert settings(identityagent="SSH_AUTH_SOCK").agent is None
    assert settings(identityagent="none").agent == ""
    assert settings(identityagent="~/agent").agent == "/home/u/agent"


def test_equal_settings_are_one_key_of_a_dict() -> None:
    assert len({settings(), settings(), settings(port="23")}) == 2
