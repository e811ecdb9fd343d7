"""Passwords, and what a host asks beside them; signatures of old hosts."""

from __future__ import annotations

import gc
import logging
import secrets
import threading
import traceback
from dataclasses import dataclass, replace
from types import FrameType, FunctionType, ModuleType

import paramiko
import pytest
from paramiko.common import AUTH_FAILED, AUTH_PARTIALLY_SUCCESSFUL, AUTH_SUCCESSFUL

from agentless.errors import Unreachable
from agentless.model.secret import Secret
from agentless.transport.host_connector import HostConnector
from tests.hosts.needs import need
from tests.transport.conftest import PASSWORD, Home, Listen, Server, keygen


@dataclass
class Doors(paramiko.ServerInterface):
    """Lets a password in by the methods named; `both` wants a key before it."""

    methods: str
    both: bool = False
    keyed: bool = False
    guesses: int = 0

    def get_allowed_auths(self, username: str) -> str:
        return "publickey" if self.both and not self.keyed else self.methods

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.keyed = self.both
        return AUTH_PARTIALLY_SUCCESSFUL if self.both else AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.guesses += 1
        fits = "password" in self.methods and password == PASSWORD and self.keyed == self.both
        return AUTH_SUCCESSFUL if fits else AUTH_FAILED

    def check_auth_interactive(self, username: str, submethods: str) -> int | paramiko.server.InteractiveQuery:
        return paramiko.server.InteractiveQuery("", "", ("Password: ", False))

    def check_auth_interactive_response(self, responses: list[str]) -> int:
        return AUTH_SUCCESSFUL if responses == [PASSWORD] else AUTH_FAILED

    def check_auth_none(self, username: str) -> int:
        return AUTH_FAILED


def door(listen: Listen, doors: Doors, *, told: bool = True) -> int:
    def serve(connection: object, number: int) -> None:
        transport = paramiko.Transport(connection, server_sig_algs=told)  # type: ignore[arg-type]
        transport.add_server_key(paramiko.ECDSAKey.generate())
        transport.start_server(event=threading.Event(), server=doors)

    return listen(serve)


def knock(home: Home, connector: HostConnector, port: int, password: Secret | None) -> None:
    endpoint = home.to(Server(port, home.path, None, {}), host_key_checking="accept-new")  # type: ignore[arg-type]
    connector.connect(replace(endpoint, password=password, key_files=(str(home.key),))).close()


@pytest.mark.parametrize("doors", [Doors("password"), Doors("keyboard-interactive"), Doors("password", both=True)])
def test_a_password_logs_in_by_either_method_and_after_a_key(
    home: Home, connector: HostConnector, listen: Listen, doors: Doors
) -> None:
    knock(home, connector, door(listen, doors), Secret(PASSWORD))
    assert doors.guesses <= 1


@pytest.mark.parametrize("doors", [Doors("password"), Doors("keyboard-interactive")])
def test_a_connection_that_is_logged_in_knows_no_password_and_no_key(
    home: Home, listen: Listen, connector: HostConnector, doors: Doors
) -> None:
    """It may be kept by a process that serves others."""
    port = door(listen, doors)
    server = Server(port, home.path, None, {})  # type: ignore[arg-type]
    with connector.connect(home.to(server, host_key_checking="accept-new", password=Secret(PASSWORD))) as link:
        seen: set[int] = set()
        waiting: list[object] = [link]
        while waiting:
            one = waiting.pop()
            if id(one) in seen or isinstance(one, (type, ModuleType, FrameType, logging.Logger)):
                continue
            seen.add(id(one))
            assert not isinstance(one, Secret)
            assert not isinstance(one, paramiko.PKey) or not one.can_sign()
            assert not isinstance(one, str) or PASSWORD not in one
            # What a function's module has is not what the connection has.
            held = [one.__closure__, one.__defaults__] if isinstance(one, FunctionType) else gc.get_referents(one)
            waiting += held


def test_a_wrong_password_is_told_and_appears_nowhere(
    home: Home, connector: HostConnector, listen: Listen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guess = Secret(secrets.token_hex())
    with pytest.raises(Unreachable) as caught:
        knock(home, connector, door(listen, Doors("password,keyboard-interactive")), guess)
    assert caught.value.kind == "auth"
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    text = "".join(shown.format()) + caplog.text + repr(caught.value) + caught.value.hint
    assert guess.reveal() not in text


@dataclass
class Asking(Doors):
    """Takes the password, and then asks for something that it is no answer to."""

    prompts: tuple[tuple[str, bool], ...] = ()

    def check_auth_interactive_response(self, responses: list[str]) -> int | paramiko.server.InteractiveQuery:  # type: ignore[override]
        if responses == [PASSWORD] and self.prompts:
            return paramiko.server.InteractiveQuery("", "", *self.prompts)
        return AUTH_FAILED


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        (
            (("You must change your password now.\nCurrent password: ", False),),
            "You must change your password now. Current password:",
        ),
        ((("Code: ", False),), "Code:"),
        ((("Token: ", True),), "Token:"),
        ((("New\x1b[2J password: ", False), ("Retype: ", False)), "New?[2J password: / Retype:"),
    ],
)
def test_a_host_that_asks_something_more_is_quoted(
    home: Home, connector: HostConnector, listen: Listen, prompts: tuple[tuple[str, bool], ...], says: str
) -> None:
    """A password that has expired, or a second factor: the password was right."""
    with pytest.raises(Unreachable) as caught:
        knock(home, connector, door(listen, Asking("keyboard-interactive", prompts=prompts)), Secret(PASSWORD))
    assert caught.value.kind == "auth"
    assert f"asked for something more: {says}" in caught.value.message
    assert "log in by hand once" in caught.value.hint
    with pytest.raises(Unreachable) as caught:
        knock(home, connector, door(listen, Doors("keyboard-interactive")), Secret("wrong"))
    assert "something more" not in caught.value.message


def test_no_password_where_one_is_wanted_says_how_to_give_it(
    home: Home, connector: HostConnector, listen: Listen
) -> None:
    with pytest.raises(Unreachable) as caught:
        knock(home, connector, door(listen, Doors("password")), None)
    assert "with `password`" in caught.value.hint


@pytest.mark.parametrize("told", [False, True])
def test_a_host_from_before_rsa_with_sha2_may_want_sha1_which_has_to_be_allowed(
    home: Home, connector: HostConnector, listen: Listen, told: bool
) -> None:
    """No OpenSSH of today keeps `server-sig-algs` (RFC 8308) to itself, so paramiko's server stands in."""
    need("many seconds")
    keygen(home.key.with_name("rsa"), type_="rsa").replace(home.key)
    with pytest.raises(Unreachable, match="permission denied") as caught:
        knock(home, connector, door(listen, Doors("password"), told=told), None)
    assert ("-o PubkeyAcceptedAlgorithms=+ssh-rsa" in caught.value.message) is not told
