"""Connections by way of the keeper, to a real sshd: they are ridden again, and never by the wrong command."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from agentless.errors import CarrierLost, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.openssh.resolver import Resolver
from agentless.transport.channel import Link
from agentless.transport.keeper.client import KeeperClient
from agentless.transport.keeper.greeting import held, let_go
from agentless.transport.keeper.kept_link import connect
from agentless.transport.keeper.place import Place
from agentless.transport.local import LocalLink
from tests.hosts import Proxy, need, patience, until
from tests.transport.conftest import USER, Home, Server, drain, keygen, logins
from tests.transport.keeper.conftest import connections, connector_over, run, running, stopped

Make = Callable[..., KeeperClient]


def test_the_next_command_rides_what_the_last_one_has_left(home: Home, server: Server, keeper: Make) -> None:
    assert run(keeper(), home, home.to(server)) == b"hi\n"
    assert run(keeper(), home, home.to(server), "echo again") == b"again\n"
    assert logins(server) == 1


def test_who_resolves_to_something_else_has_a_connection_of_its_own(home: Home, server: Server, keeper: Make) -> None:
    endpoint = home.to(server)
    run(keeper(), home, endpoint)
    run(keeper(), home, replace(endpoint, password=Secret("x")))
    run(keeper(), home, replace(endpoint, password=Secret("y")))
    run(keeper(), home, replace(endpoint, password=Secret("y"), connect_timeout=17.0))
    assert logins(server) == 3


def test_a_key_that_was_replaced_opens_no_kept_connection(home: Home, server: Server, keeper: Make) -> None:
    endpoint = home.to(server)
    run(keeper(), home, endpoint)
    for file in (home.key, home.key.with_suffix(".pub")):
        file.unlink()
    keygen(home.key)
    with pytest.raises(Unreachable, match="permission denied"):
        run(keeper(), home, endpoint)


def test_a_passphrase_is_asked_for_by_the_command_and_kept_by_nobody(
    home: Home, start_sshd: Callable[..., Server], keeper: Make, place: Place
) -> None:
    locked = keygen(home.path / "locked", passphrase="open sesame")
    server = start_sshd(authorized=locked)
    home.knows(server.known_line())
    endpoint = home.to(server, key_files=(str(locked),))
    prompts: list[str] = []

    def ask(prompt: str) -> Secret:
        prompts.append(prompt)
        return Secret("open sesame")

    assert run(keeper(ask=ask), home, endpoint) == b"hi\n"
    assert prompts == [f"Enter passphrase for key '{locked}': "]
    let_go(None, place)
    assert run(keeper(ask=ask), home, endpoint) == b"hi\n"
    assert len(prompts) == 2
    let_go(None, place)
    with pytest.raises(Unreachable, match="locked"):
        run(keeper(), home, endpoint)


def test_an_error_is_word_for_word_that_of_a_connection_without_a_keeper(
    home: Home, start_sshd: Callable[..., Server], keeper: Make
) -> None:
    stranger = start_sshd(authorized=home.key)
    closed = start_sshd(authorized=home.key)
    closed.end()
    refusing = start_sshd()
    home.knows(refusing.known_line())
    for endpoint in (home.to(stranger), home.to(closed), home.to(refusing), home.to(stranger, address="no.invalid")):
        errors = []
        for way in (None, keeper()):
            connector = connector_over(way, home)
            with pytest.raises(Unreachable) as caught:
                connector.connect(endpoint)
            errors.append((caught.value.kind, caught.value.message, caught.value.hint))
            connector.close()
        assert errors[0] == errors[1]


def test_bastions_are_kept_like_hosts_and_named(
    home: Home, start_sshd: Callable[..., Server], keeper: Make, place: Place
) -> None:
    bastion, server, other = (start_sshd(authorized=home.key) for _ in range(3))
    home.knows(*(one.known_line() for one in (bastion, server, other)))
    jump = (("proxyjump", f"{USER}@127.0.0.1:{bastion.port}"),)
    for _ in range(2):
        assert run(keeper(), home, home.to(server, options=jump)) == b"hi\n"
    assert (logins(bastion), logins(server)) == (1, 1)
    # A host that nobody has asked for yet needs no other connection to its bastion.
    assert run(keeper(), home, home.to(other, options=jump)) == b"hi\n"
    assert (logins(bastion), logins(server), logins(other)) == (1, 1, 1)
    ways = {one.port: one.via for one in connections(place)}
    assert ways == {bastion.port: None, server.port: "127.0.0.1", other.port: "127.0.0.1"}
    # Without its connection, what lay behind it is made anew.
    bastion.hang_up()
    assert run(keeper(), home, home.to(server, options=jump)) == b"hi\n"
    assert (logins(bastion), logins(server)) == (2, 2)


def test_what_a_proxy_command_leads_to_is_kept_and_named_with_the_environment_of_its_command(
    home: Home, server: Server, keeper: Make, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = tmp_path / "proxy"
    proxy.write_text(
        f"#!{sys.executable}\n"
        "import os, socket, sys, threading\n"
        f"open({str(tmp_path / 'ran')!r}, 'a').write(os.environ['WHO'] + '\\n')\n"
        "sock = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): sock.sendall(data)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := sock.recv(65536): os.write(1, data)\n"
    )
    proxy.chmod(0o755)
    endpoint = home.to(server, options=(("proxycommand", f"{proxy} %h %p"),))
    for who in ("ada", "ada", "bob"):
        monkeypatch.setenv("WHO", who)
        assert run(keeper(environ=dict(os.environ)), home, endpoint) == b"hi\n"
    # Another environment may lead elsewhere.
    assert (tmp_path / "ran").read_text() == "ada\nbob\n"
    assert logins(server) == 2
    assert {one.via for one in connections(place)} == {"ProxyCommand"}
    let_go(None, place)
    # A keeper that keeps nothing ends some time later.
    until(lambda: not (keeps := held(place)) or not keeps.connections, "it is closed")


@pytest.mark.usefixtures("stubborn")
def test_a_keeper_that_hangs_is_connected_without_said_to_be_so_and_replaced(
    home: Home, server: Server, keeper: Make, place: Place, alone: Callable[[], list[int]]
) -> None:
    run(keeper(), home, home.to(server))
    pid = stopped(place)
    warnings: list[str] = []
    connector = connector_over(keeper(warn=warnings.append), home)
    for _ in range(2):
        with connector.connect(home.to(server)) as link:
            assert drain(link.exec("echo hi")) == (b"hi\n", b"")
    connector.close()
    (warning,) = warnings
    assert f"it does not answer (PID {pid})" in warning
    assert logins(server) == 3
    # The next command has another keeper, and the one that goes on finds that it was replaced.
    assert run(keeper(), home, home.to(server)) == b"hi\n"
    assert set(alone()) > {pid}
    os.kill(pid, signal.SIGCONT)
    until(lambda: pid not in alone(), "it ends")
    assert run(keeper(), home, home.to(server)) == b"hi\n"
    assert logins(server) == 4


@pytest.mark.usefixtures("stubborn")
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("moment", ["connecting", "connected", "asked for a session"])
def test_a_keeper_that_hangs_at_any_step_starts_nothing_twice(
    moment: str,
    once: bool,
    home: Home,
    server: Server,
    keeper: Make,
    place: Place,
    start_proxy: Callable[..., Proxy],
    alone: Callable[[], list[int]],
) -> None:
    proxy = start_proxy("127.0.0.1", server.port)
    home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
    warnings: list[str] = []
    connector = connector_over(keeper(warn=warnings.append), home)
    endpoint = home.to(server, port=proxy.port)
    with contextlib.closing(connector), ThreadPoolExecutor(1) as thread:
        if moment == "connecting":
            proxy.hole()
            connecting = thread.submit(connector.connect, endpoint)
            until(lambda: proxy.connections == 1, "the keeper connects")
            stopped(place)
            proxy.heal()
            link = connecting.result(patience(60))
        else:
            link = connector.connect(endpoint)
        with link:
            if moment == "connected":
                stopped(place)
            if moment != "asked for a session":
                channel = link.exec("echo hi", once=once) if moment == "connecting" or not once else None
            else:
                proxy.hole()
                starting = thread.submit(link.exec, "echo hi", once=once)
                until(lambda: [one.sessions for one in connections(place)] == [1], "it was asked for")
                stopped(place)
                proxy.heal()
                channel = None if once else starting.result(patience(60))
            if channel is None:
                # Whether the host got it is not known, and it must not get it twice.
                with pytest.raises(CarrierLost):
                    starting.result(patience(60)) if moment != "connected" else link.exec("echo hi", once=True)
            else:
                assert drain(channel) == (b"hi\n", b"")
    assert len(warnings) == 1


def test_a_hundred_commands_at_once_share_one_connection(
    home: Home, start_sshd: Callable[..., Server], keeper: Make, place: Place
) -> None:
    server = start_sshd("MaxSessions 200", authorized=home.key)
    home.knows(server.known_line())
    connector = connector_over(keeper(), home)
    all_run = threading.Barrier(100, timeout=patience(60))

    def one(number: int) -> bytes:
        with connector.connect(home.to(server)) as link:
            channel = link.exec(f"read line; echo {number} $line", once=number % 2 == 1)
            all_run.wait()
            channel.send(b"times\n", patience(60))
            return drain(channel)[0]

    with contextlib.closing(connector), ThreadPoolExecutor(100) as threads:
        assert list(threads.map(one, range(100))) == [b"%d times\n" % number for number in range(100)]
    assert logins(server) == 1
    pid = running(place).pid
    until(lambda: not any(one.in_use for one in connections(place)), "nobody rides it")
    # The one that listens, and the transport's; one may serve who asks.
    until(lambda: len(os.listdir(f"/proc/{pid}/task")) == 2, "no thread is left")


@pytest.mark.parametrize("to", ["the command", "the host"])
def test_gigabytes_pass_and_nothing_of_them_is_kept(
    to: str, home: Home, server: Server, keeper: Make, place: Place
) -> None:
    need("many seconds")
    run(keeper(), home, home.to(server))
    processes = (running(place).pid, os.getpid())
    before = [peak(pid) for pid in processes]
    size = 2 << 30 if to == "the command" else 1 << 30
    connector = connector_over(keeper(), home)
    with contextlib.closing(connector), connector.connect(home.to(server)) as link:
        if to == "the command":
            channel = link.exec(f"head -c {size} /dev/zero")
            received = 0
            while (piece := channel.recv(patience(60))) is not None and piece[0]:
                received += len(piece[1])
        else:
            channel = link.exec(f"head -c {size} | wc -c")
            for _ in range(size >> 20):
                channel.send(bytes(1 << 20), patience(60))
            received = int(drain(channel)[0])
        assert received == size
        assert channel.exit_status() == 0
    assert all(peak(pid) - was < 24 << 20 for pid, was in zip(processes, before, strict=True))


def peak(pid: int) -> int:
    """The most memory that a process has ever had, in bytes."""
    (line,) = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10


def test_connections_without_a_keeper_are_made_side_by_side(keeper: Make, tmp_path: Path) -> None:
    """Once a command has given its keeper up."""
    (tmp_path / "keeper").touch()
    client = keeper(explain=lambda line: None)
    settings = Resolver(home=tmp_path, system_config=tmp_path / "none").settings(Endpoint("web1", "web1.invalid"))
    both = threading.Barrier(2, timeout=patience(20))

    def direct() -> Link:
        both.wait()
        return LocalLink()

    connect(client, "web1", settings, LocalLink)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda name: connect(client, name, settings, direct), ["web1", "web2"]))
