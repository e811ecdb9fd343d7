"""A living master is ridden, and a dead one, or one that hangs, changes nothing."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agentless.model.secret import Secret
from agentless.openssh.arguments import parse
from agentless.transport.host_connector import HostConnector
from tests.hosts import Master, patience
from tests.hosts.client import ROOT
from tests.transport.conftest import USER, Home, Server, logins, master
from tests.transport.mux.conftest import run


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="cm-") as path:
        yield Path(path)


def test_a_living_master_is_ridden_and_a_dead_one_is_passed_over(
    home: Home, server: Server, connector: HostConnector, short: Path
) -> None:
    home.config(f"Host *\n  ControlPath {short}/%C\n")
    assert run(connector, home.to(server)) == (b"hi\n", False)
    (path,) = connector.resolver.settings(home.to(server)).control_paths
    with master(home, server, Path(path)) as held:
        before = logins(server)
        assert run(connector, home.to(server)) == (b"hi\n", True)
        assert logins(server) == before
        held.kill()
        assert held.path.is_socket()
        assert run(connector, home.to(server)) == (b"hi\n", False)
    with master(home, server, Path(path)) as held:
        assert run(connector, home.to(server)) == (b"hi\n", True)
        held.control("stop")
        assert run(connector, home.to(server)) == (b"hi\n", False)


@pytest.mark.parametrize(
    "words", ["-o ControlPath={}", "-S {}", "-o ControlPath=/nowhere -S {}", "-o ControlMaster=auto -o ControlPath={}"]
)
def test_a_master_is_named_by_arguments_of_ssh(
    home: Home, server: Server, connector: HostConnector, held: Master, words: str
) -> None:
    endpoint = replace(home.to(server), options=parse(words.format(held.path)).options)
    assert run(connector, endpoint) == (b"hi\n", True)


def test_with_a_password_no_master_is_ridden(
    home: Home, server: Server, connector: HostConnector, held: Master
) -> None:
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    assert run(connector, endpoint)[1]
    assert not run(connector, replace(endpoint, password=Secret("x")))[1]


def test_a_master_that_hangs_is_passed_over(home: Home, server: Server, connector: HostConnector, held: Master) -> None:
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    os.kill(held.pid, signal.SIGSTOP)
    try:
        assert run(connector, endpoint) == (b"hi\n", False)
    finally:
        os.kill(held.pid, signal.SIGCONT)


def test_two_hosts_with_one_socket_are_told_and_the_second_does_not_get_the_firsts_commands(
    home: Home, start_sshd: Callable[..., Server]
) -> None:
    warnings: list[str] = []
    one, other = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.knows(one.known_line(), other.known_line())
    connector = HostConnector(home=home.path, system_config=home.path / "none", warn=warnings.append)
    with contextlib.closing(connector), master(home, one) as held:
        option = [("controlpath", str(held.path))]
        assert run(connector, home.to(one, options=option), "echo $SSH_CONNECTION")[1]
        out, ridden = run(connector, home.to(other, options=option), "echo $SSH_CONNECTION")
        assert not ridden
        assert out.split()[-1] == str(other.port).encode()
        assert [("%C" in line, str(held.path) in line) for line in warnings] == [(True, True)]


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("User somebody\nControlPath {}/master", True),
        ("User somebody\nControlPath {}/%r", False),
        ("ControlPath {}/master", False),
    ],
)
def test_a_master_that_may_be_another_users_is_ridden_and_told(
    home: Home, server: Server, short: Path, config: str, told: bool
) -> None:
    """The inventory names the user, and ssh by itself logs in as somebody, at the same ControlPath."""
    warnings: list[str] = []
    home.config(config.format(short) + "\n")
    connector = HostConnector(home=home.path, system_config=home.path / "none", warn=warnings.append)
    path = short / (USER if "%r" in config else "master")
    with contextlib.closing(connector), master(home, server, path):
        for _ in range(2):
            assert run(connector, home.to(server)) == (b"hi\n", True)
    assert [(str(path) in line, "as somebody" in line, "%C" in line) for line in warnings] == [(True,) * 3] * told


def test_a_host_behind_a_bastion_that_has_a_master_itself_needs_no_bastion(
    home: Home, server: Server, connector: HostConnector, held: Master
) -> None:
    home.config("Host nowhere\n  HostName 127.0.0.1\n  Port 1\nHost web\n  ProxyJump nowhere\n")
    endpoint = home.to(server, address="web", options=[("controlpath", str(held.path)), ("hostname", "127.0.0.1")])
    assert run(connector, endpoint) == (b"hi\n", True)


def test_a_ridden_command_imports_no_paramiko(home: Home, server: Server, held: Master) -> None:
    home.config(f"Host *\n  ControlPath {held.path}\n")
    code = """if True:
        import sys
        from pathlib import Path
        from agentless.model.endpoint import Endpoint
        from agentless.transport.host_connector import HostConnector
        from agentless.transport.mux import masters, ridden_link
        masters._HELLO_WITHIN = ridden_link._SILENCE = 60.0
        home = Path(sys.argv[1])
        endpoint = Endpoint('web1', '127.0.0.1', port=int(sys.argv[2]), user=sys.argv[3])
        with HostConnector(home=home).connect(endpoint) as link:
            print(link.exec('echo hi').recv(600))
        print([name for name in sys.modules if name in ('paramiko', 'cryptography', 'agentless.transport.ssh')])
    """
    done = subprocess.run(
        [sys.executable, "-c", code, str(home.path), str(server.port), USER],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=patience(60),
        check=True,
    )
    assert done.stdout == "(1, b'hi\\n')\n[]\n"
