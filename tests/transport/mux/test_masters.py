"""A living master is ridden, a dead one changes nothing, and one that fails costs a connection of our own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from agentless.errors import NoSession, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.openssh.arguments import parse
from agentless.transport.host_connector import HostConnector
from agentless.transport.mux.masters import RiddenLink
from tests.hosts import Master, Proxy, patience, until
from tests.hosts.client import ROOT
from tests.transport.conftest import USER, Home, Server, drain, logins, master, open_descriptors


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A master that is only slow, as on a busy machine, is none that hangs."""
    for name in ("_HELLO_WITHIN", "_SILENCE"):
        monkeypatch.setattr(f"agentless.transport.mux.masters.{name}", patience(1.0))


@pytest.fixture
def short() -> Iterator[Path]:
    """A directory whose name leaves room for a socket's."""
    with tempfile.TemporaryDirectory(prefix="cm-") as path:
        yield Path(path)


def run(connector: HostConnector, endpoint: Endpoint, line: str = "echo hi", **how: bool) -> tuple[bytes, bool]:
    """What the command prints, and whether it rode a master."""
    with connector.connect(endpoint) as link:
        out = drain(link.exec(line, **how))[0]
        return out, isinstance(link, RiddenLink) and link._own is None


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


def test_a_master_that_gives_no_more_sessions_costs_a_connection_of_our_own(
    home: Home, start_sshd: Callable[..., Server], connector: HostConnector
) -> None:
    server = start_sshd("MaxSessions 1", authorized=home.key)
    home.knows(server.known_line())
    with master(home, server) as held:
        endpoint = home.to(server, options=[("controlpath", str(held.path))])
        with connector.connect(endpoint) as first, connector.connect(endpoint) as second:
            channel = first.exec("read line; echo $line")
            assert drain(second.exec("echo over its own")) == (b"over its own\n", b"")
            assert isinstance(second, RiddenLink)
            assert second._own is not None
            channel.send(b"ridden\n", patience(5))
            assert drain(channel) == (b"ridden\n", b"")
        assert logins(server) == 2


def test_where_neither_the_master_nor_we_get_in_both_reasons_are_told_and_nothing_was_sent(
    home: Home, start_sshd: Callable[..., Server], connector: HostConnector
) -> None:
    server = start_sshd("MaxSessions 1", authorized=home.key)
    home.knows(server.known_line())
    with master(home, server) as held:
        home.key.unlink()
        endpoint = home.to(server, options=[("controlpath", str(held.path))])
        with connector.connect(endpoint) as first, connector.connect(endpoint) as second:
            first.exec("sleep 1000")
            with pytest.raises(NoSession, match="Session open refused by peer") as caught:
                second.exec("echo hi")
            assert caught.value.kind == "auth"


def test_a_master_that_goes_away_before_it_knew_what_to_run_costs_a_connection_of_our_own(
    home: Home, server: Server, connector: HostConnector, held: Master
) -> None:
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    with connector.connect(endpoint) as link:
        assert drain(link.exec("echo ridden"))[0] == b"ridden\n"
        held.kill()
        assert drain(link.exec("echo own"))[0] == b"own\n"


@pytest.fixture
def slow_line(home: Home, server: Server) -> Iterator[tuple[Proxy, Master]]:
    """A master whose connection goes through a proxy, while others reach the server."""
    with Proxy("127.0.0.1", server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
        with master(home, replace(server, port=proxy.port)) as held:
            yield proxy, held


def test_a_master_whose_connection_has_died_unnoticed_is_raced_by_our_own(
    home: Home, server: Server, connector: HostConnector, slow_line: tuple[Proxy, Master]
) -> None:
    proxy, held = slow_line
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    assert run(connector, endpoint)[1]
    before = open_descriptors()
    proxy.hole()
    assert run(connector, endpoint) == (b"hi\n", False)
    # From now on it is passed over at once.
    with connector.connect(endpoint) as link:
        assert not isinstance(link, RiddenLink)
    until(lambda: open_descriptors() <= before, "nothing stays open")


def test_what_must_not_run_twice_waits_for_the_master(
    home: Home, server: Server, connector: HostConnector, slow_line: tuple[Proxy, Master], tmp_path: Path
) -> None:
    proxy, held = slow_line
    endpoint = home.to(server, options=[("controlpath", str(held.path))], connect_timeout=patience(2.5))
    line = f"echo x >> {tmp_path}/count"
    proxy.hole()
    with pytest.raises(Unreachable) as caught:
        run(connector, endpoint, line, once=True)
    assert caught.value.kind == "connect-timeout"
    assert not isinstance(caught.value, NoSession)
    assert "ssh -O exit" in caught.value.hint
    proxy.heal()
    # It may run now, and does so once.
    until(lambda: (tmp_path / "count").exists(), "the master has gone on")
    assert (tmp_path / "count").read_text() == "x\n"


def test_a_master_that_answers_late_wins_over_a_login_that_fails(
    home: Home, server: Server, connector: HostConnector, slow_line: tuple[Proxy, Master]
) -> None:
    proxy, held = slow_line
    endpoint = home.to(server, options=[("controlpath", str(held.path))])
    home.key.unlink()
    proxy.hole()

    def heal() -> None:
        until(lambda: "authenticating user" in server.log, "our own login has failed")
        proxy.heal()

    with ThreadPoolExecutor(1) as thread:
        healed = thread.submit(heal)
        assert run(connector, endpoint) == (b"hi\n", True)
        healed.result(patience(30))


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


def test_the_master_of_a_bastion_carries_us_to_the_host_behind_it(
    home: Home, start_sshd: Callable[..., Server], connector: HostConnector
) -> None:
    bastion, behind = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.knows(bastion.known_line(), behind.known_line())
    with master(home, bastion) as held:
        home.config(
            f"Host bastion\n  HostName 127.0.0.1\n  Port {bastion.port}\n  ControlPath {held.path}\n"
            f"Host behind\n  ProxyJump bastion\n"
        )
        endpoint = home.to(behind, address="behind", options=[("hostname", "127.0.0.1")])
        before = logins(bastion)
        assert run(connector, endpoint)[0] == b"hi\n"
        assert logins(bastion) == before
        assert logins(behind) == 1
        with pytest.raises(Unreachable, match=r"not reached from 127\.0\.0\.1") as caught:
            run(connector, replace(endpoint, port=1))
        assert caught.value.kind == "connect"
        held.kill()
        assert run(connector, endpoint)[0] == b"hi\n"
        assert logins(bastion) == before + 1


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
        from agentless.transport.mux import masters
        masters._HELLO_WITHIN = masters._SILENCE = 60.0
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
