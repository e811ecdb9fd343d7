"""A connection that is logged in: no session, and its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
from paramiko.common import AUTH_SUCCESSFUL, OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED, cMSG_IGNORE

from agentless.errors import NoSession, Unreachable
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh.innards import packed
from agentless.transport.ssh.link import SshLink
from agentless.transport.ssh.relay import Ringing
from tests.hosts import patience, until
from tests.hosts.needs import need
from tests.transport.conftest import Home, Listen, Server, drain, fails, open_descriptors


def test_closing_ends_the_session_on_the_host_and_leaves_no_descriptor(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    connector.connect(home.to(server)).close()
    before = open_descriptors()
    for _ in range(5):
        with connector.connect(home.to(server)) as link:
            link.exec("true")
    until(lambda: open_descriptors() <= before, "nothing stays open")
    until(lambda: "disconnected by user" in server.log, "the host is told")


def test_a_process_with_open_connections_exits_at_once(home: Home, start_sshd: Callable[..., Server]) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    program = (
        "import sys; from pathlib import Path; from agentless.transport.host_connector import HostConnector; "
        "from agentless.model.endpoint import Endpoint\n"
        f"c = HostConnector(home=Path({str(home.path)!r}), system_config=Path('/none'))\n"
        f"endpoint = Endpoint('h', '127.0.0.1', port={server.port}, connect_timeout={patience(20)})\n"
        "links = [c.connect(endpoint) for _ in range(3)]\n"
        "channels = [link.exec('sleep 600') for link in links]\n"
        "print('up', flush=True)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=patience(60), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "up\n", "")


def test_a_break_that_is_met_by_sending_is_known_at_once(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before the thread that reads has noticed: who asks whether the connection lives hears no."""
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    with connector.connect(home.to(server)) as link:
        assert isinstance(link, SshLink)

        def broken(message: paramiko.Message) -> None:
            raise EOFError

        with monkeypatch.context() as there:
            there.setattr(link.transport, "send_in_turn", broken)
            with pytest.raises(Unreachable, match="the connection broke"):
                link.exec("true")
        assert not link.alive


@pytest.mark.parametrize("act", ["send", "tunnel"])
def test_a_break_that_input_or_a_tunnel_meets_is_the_connections(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, act: str
) -> None:
    """Also before the thread that reads has noticed: neither a defect, nor a command that reads no more."""
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    with connector.connect(home.to(server)) as link:
        assert isinstance(link, SshLink)
        channel = link.exec("cat")
        soon = time.monotonic() + patience(5)

        def broken(out: bytes) -> None:
            raise EOFError

        with monkeypatch.context() as there:
            there.setattr(link.transport.packetizer, "write_all", broken)
            with pytest.raises(Unreachable, match="the connection broke") as caught:
                channel.send(b"x", patience(5)) if act == "send" else link.tunnel("127.0.0.1", 1, soon)
        assert caught.value.kind == "connection-lost"
        assert not link.alive


class Stops(paramiko.ServerInterface):
    """A server that answers no login, or no session."""

    def __init__(self, *, login: bool) -> None:
        self._login = login
        self.over = threading.Event()

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        if not self._login:
            self.over.wait(patience(60))
        return AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        self.over.wait(patience(60))
        return OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


@pytest.mark.parametrize(("login", "says"), [(False, "logged in"), (True, "did not open a session")])
def test_a_server_that_stops_after_the_key_exchange_or_after_the_login(
    home: Home, connector: HostConnector, listen: Listen, login: bool, says: str
) -> None:
    need("many seconds")
    server = Stops(login=login)

    def serve(connection: socket.socket, number: int) -> None:
        transport = paramiko.Transport(connection)
        transport.add_server_key(paramiko.ECDSAKey.generate())
        transport.start_server(event=threading.Event(), server=server)

    for seconds in (2, 10, 40):
        error = fails(connector, home, listen(serve), timeout=seconds)
        # On a busy machine it takes longer until the server is where it stops.
        if says in error.message:
            break
    server.over.set()
    assert (error.kind, says in error.message) == ("connect-timeout", True)


def test_a_connection_that_breaks_is_never_a_command_that_ended(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """paramiko closes the channels of such a connection before it knows that this has ended."""
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    seen = threading.Event()
    unlink = paramiko.Channel._unlink  # type: ignore[attr-defined]

    def and_wait(channel: paramiko.Channel) -> None:
        unlink(channel)
        seen.wait(patience(20))

    monkeypatch.setattr(paramiko.Channel, "_unlink", and_wait)
    with connector.connect(home.to(server)) as link:
        channel = link.exec("echo begun; sleep 60")
        assert channel.recv(patience(20)) == (1, b"begun\n")
        server.hang_up()
        with pytest.raises(Unreachable) as caught:
            drain(channel)
        assert caught.value.kind == "connection-lost"
        with pytest.raises(Unreachable) as again:
            channel.recv(1.0)
        assert again.value.message == caught.value.message
    seen.set()


def test_a_connection_that_breaks_before_a_command_is_confirmed_does_not_say_that_it_was_refused(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    seen, sent = threading.Event(), threading.Event()
    unlink, ask = paramiko.Channel._unlink, SshLink.ask_to_run  # type: ignore[attr-defined]

    def and_wait(channel: paramiko.Channel) -> None:
        unlink(channel)
        seen.wait(patience(20))

    def frozen(link: SshLink, channel: paramiko.Channel, line: str, *, pty: bool) -> None:
        server.hang_up(signal.SIGSTOP)
        ask(link, channel, line, pty=pty)
        sent.set()

    monkeypatch.setattr(paramiko.Channel, "_unlink", and_wait)
    monkeypatch.setattr(SshLink, "ask_to_run", frozen)
    with connector.connect(home.to(server)) as link, ThreadPoolExecutor(1) as thread:
        running = thread.submit(link.exec, "true")
        assert sent.wait(patience(20))
        server.hang_up()
        with pytest.raises(Unreachable) as caught:
            running.result(patience(20))
        assert type(caught.value) is Unreachable
        assert caught.value.kind == "connection-lost"
        seen.set()


def a_session(link: SshLink) -> paramiko.Channel:
    opened = threading.Event()
    channel = link.transport.ask_for_session(opened)
    assert opened.wait(patience(20))
    return channel


def test_of_a_session_that_was_closed_before_the_command_no_answer_is_waited_for(
    home: Home, connector: HostConnector, server: Server
) -> None:
    with connector.connect(home.to(server)) as link:
        assert isinstance(link, SshLink)
        channel = a_session(link)
        channel.close()
        with pytest.raises(NoSession, match="closed the session before a command was sent") as caught:
            link.ask_to_run(channel, "true", pty=False)
        assert caught.value.kind == "connect"


def test_of_a_connection_that_broke_before_the_command_no_answer_is_waited_for(
    home: Home, connector: HostConnector, server: Server
) -> None:
    """paramiko drops what is sent then, and says nothing."""
    with connector.connect(home.to(server)) as link:
        assert isinstance(link, SshLink)
        channel = a_session(link)
        server.hang_up()
        until(lambda: channel.closed, "the end was seen")
        with pytest.raises(NoSession) as caught:
            link.ask_to_run(channel, "true", pty=False)
        assert caught.value.kind == "connection-lost"
        until(lambda: not link.transport.active, "it has ended for paramiko, too")
        with pytest.raises(EOFError):
            link.transport.send_in_turn(packed(cMSG_IGNORE, ""))


def test_of_a_connection_that_breaks_all_who_wait_for_sessions_hear_also_while_somebody_asks_for_one(
    home: Home, connector: HostConnector, server: Server
) -> None:
    with connector.connect(home.to(server)) as link:
        assert isinstance(link, SshLink)
        transport = link.transport
        server.hang_up(signal.SIGSTOP)
        third = threading.Event()

        def ask() -> None:
            """Between the first and the second that is told."""
            transport.ask_for_session(third)

        first, second = Ringing(ask), threading.Event()
        for event in (first, second):
            transport.ask_for_session(event)
        server.hang_up()
        assert all(event.wait(patience(20)) for event in (first, second, third))
