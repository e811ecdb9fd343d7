"""Hosts behind bastions and proxy commands."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from agentless.errors import Unreachable
from agentless.transport.host_connector import HostConnector
from agentless.transport.ssh.throttle import Shared
from tests.hosts import patience, until
from tests.hosts.needs import need
from tests.transport.conftest import USER, Home, Server, Start, drain, keygen, logins, open_descriptors


def test_many_hosts_share_one_connection_to_their_bastion(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    bastion, server = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.knows(bastion.known_line(), server.known_line())
    home.config(f"Host bastion\n HostName 127.0.0.1\n Port {bastion.port}\n")
    endpoint = home.to(server, options=(("proxyjump", "bastion"),), connect_timeout=patience(60))

    def ask(_: int) -> bytes:
        with connector.connect(endpoint) as link:
            return drain(link.exec("echo behind"))[0]

    with ThreadPoolExecutor(12) as pool:
        assert set(pool.map(ask, range(24))) == {b"behind\n"}
    assert (logins(bastion), logins(server)) == (1, 24)


def test_two_jumps_in_a_row_are_visited_in_the_order_written(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    servers = [start_sshd(authorized=home.key) for _ in range(3)]
    home.knows(*(server.known_line() for server in servers))
    first, second, last = servers
    jumps = f"{USER}@127.0.0.1:{first.port},ssh://127.0.0.1:{second.port}"
    home.config(f"Host last\n HostName 127.0.0.1\n Port {last.port}\n ProxyJump {jumps}\n")
    with connector.connect(home.to(last, address="last", port=None)) as link:
        assert drain(link.exec("echo $SSH_CLIENT"))[0]
    assert [logins(server) for server in servers] == [1, 1, 1]
    # The second was asked by the first, the last by the second; sshd names the forwarding in its log.
    assert f"port {first.port}" in first.log


def test_a_bastion_s_host_key_is_judged_too(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    bastion, server = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.knows(server.known_line())
    with pytest.raises(Unreachable, match="bastion") as caught:
        connector.connect(home.to(server, options=(("proxyjump", f"127.0.0.1:{bastion.port}"),)))
    assert caught.value.kind == "host-key"
    assert logins(bastion) == 0


def test_a_host_that_its_bastion_cannot_reach_says_so(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    closed, forbids = start_sshd(authorized=home.key), start_sshd("AllowTcpForwarding no", authorized=home.key)
    home.knows(closed.known_line(), forbids.known_line())
    for bastion, hint in ((closed, "Is the host up"), (forbids, "AllowTcpForwarding")):
        with pytest.raises(Unreachable) as caught:
            connector.connect(home.to(bastion, port=1, options=(("proxyjump", f"127.0.0.1:{bastion.port}"),)))
        assert (caught.value.kind, hint in caught.value.hint) == ("connect", True)


def test_of_hosts_that_fail_behind_a_bastion_at_once_each_is_told_its_own_reason(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    bastion = start_sshd(authorized=home.key)
    home.knows(bastion.known_line())

    def reason(number: int) -> tuple[int, str]:
        with pytest.raises(Unreachable) as caught:
            connector.connect(home.to(bastion, port=number, options=(("proxyjump", f"127.0.0.1:{bastion.port}"),)))
        return number, caught.value.message

    with ThreadPoolExecutor(12) as pool:
        for number, message in pool.map(reason, range(1, 20)):
            assert message == f"127.0.0.1 port {number}: not reached from 127.0.0.1: Connect failed: Connection refused"


def test_whom_a_bastion_refuses_is_told_where_its_user_and_key_are_named(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    bastion = start_sshd()
    home.knows(bastion.known_line())
    with pytest.raises(Unreachable, match=r"^bastion .*permission denied") as caught:
        connector.connect(home.to(bastion, options=(("proxyjump", f"ada@127.0.0.1:{bastion.port}"),), port=1))
    assert "ProxyJump" in caught.value.hint
    assert "--private-key" not in caught.value.hint


def test_a_bastion_that_died_is_connected_anew(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    bastion, server = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.knows(bastion.known_line(), server.known_line())
    endpoint = home.to(server, options=(("proxyjump", f"127.0.0.1:{bastion.port}"),))
    with connector.connect(endpoint) as link:
        channel = link.exec("sleep 60")
        bastion.hang_up()
        with pytest.raises(Unreachable) as caught:
            channel.recv(patience(30))
        assert caught.value.kind == "connection-lost"
    with connector.connect(endpoint) as link:
        assert drain(link.exec("echo again"))[0] == b"again\n"


def test_ssh_dash_w_as_proxy_command_is_a_shared_jump_with_its_own_key(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    key = keygen(home.path / "bastion-key")
    bastion, server = start_sshd(authorized=key), start_sshd(authorized=home.key)
    home.knows(bastion.known_line(), server.known_line())
    command = f"ssh -q -o StrictHostKeyChecking=no -i {key} -p {bastion.port} -W %h:%p {USER}@127.0.0.1"
    home.config(f"ProxyCommand {command}\n")
    endpoint = home.to(server)
    for _ in range(3):
        with connector.connect(endpoint) as link:
            assert drain(link.exec("echo in"))[0] == b"in\n"
    assert (logins(bastion), logins(server)) == (1, 3)


def test_a_bastion_that_a_star_block_names_is_not_its_own_bastion(
    home: Home, connector: HostConnector, start_sshd: Start
) -> None:
    bastion, server = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.knows(bastion.known_line(), server.known_line())
    home.config(
        f"Host bastion\n HostName 127.0.0.1\n Port {bastion.port}\n"
        f"Host web\n HostName 127.0.0.1\n Port {server.port}\nHost *\n ProxyJump bastion\n"
    )
    connector.connect(home.to(server, address="web", port=None)).close()
    connector.connect(home.to(bastion, address="bastion", port=None)).close()
    until(lambda: logins(server) == 1, "the first is logged")


def test_jumps_in_a_circle_are_an_error(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    home.config("Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(Unreachable, match="through itself"):
        connector.connect(home.to(start_sshd(), address="a", port=None))


def test_a_proxy_command_carries_the_connection_and_ends_with_it(
    home: Home, connector: HostConnector, start_sshd: Start, tmp_path: Path
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    relay = tmp_path / "relay.py"
    relay.write_text(
        "import os, socket, sys, threading\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "s = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
        "def up():\n"
        "    while data := os.read(0, 65536): s.sendall(data)\n"
        "    os._exit(0)\n"
        "threading.Thread(target=up, daemon=True).start()\n"
        "while data := s.recv(65536): os.write(1, data)\n"
    )
    home.config(f"ProxyCommand {sys.executable} {relay} %h %p\n")
    before = open_descriptors()
    for _ in range(3):
        with connector.connect(home.to(server)) as link:
            assert drain(link.exec("echo through"))[0] == b"through\n"
    for thread in threading.enumerate():
        if thread.name == "ProxyCommand":
            thread.join(patience(20))
    until(lambda: not Path(f"/proc/{(tmp_path / 'pid').read_text()}").exists(), "the command has ended")
    until(lambda: open_descriptors() <= before, "nothing stays open")


@pytest.fixture
def heard_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """How a ProxyCommand ends is waited for on a busy machine, too."""
    monkeypatch.setattr("agentless.transport.ssh.dial._ENDS_WITHIN", patience(10))


@pytest.mark.usefixtures("heard_out")
def test_a_proxy_command_that_fails_shows_what_it_said(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    home.config("ProxyCommand echo no way >&2\n")
    with pytest.raises(Unreachable, match="no way") as caught:
        connector.connect(home.to(start_sshd()))
    assert caught.value.kind == "connect"


@pytest.mark.usefixtures("heard_out")
@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("false", "ended with exit code 1 before the host said anything"),
        ("sh -c 'echo no way >&2; exit 7'", "ended with exit code 7 before the host said anything: no way"),
        ("sh -c 'kill -9 $$'", "ended with signal 9"),
        ("sh -c 'sshpass() { exit 255; }; sshpass -p geheim'", "ended with exit code 255"),
        ("/no/such/command", "ended with exit code 127"),
    ],
)
def test_a_proxy_command_that_ends_is_told_at_once_by_its_exit_code(
    home: Home,
    connector: HostConnector,
    start_sshd: Start,
    command: str,
    says: str,
) -> None:
    home.config(f"ProxyCommand {command}\n")
    server = start_sshd()
    with pytest.raises(Unreachable) as caught:
        # Not when its time is over.
        connector.connect(home.to(server, connect_timeout=1e6))
    assert caught.value.kind == "connect"
    assert f"its ProxyCommand {says}" in caught.value.message
    assert "geheim" not in caught.value.message + caught.value.hint


def test_a_host_without_room_behind_a_proxy_command_is_tried_again(home: Home, connector: HostConnector) -> None:
    """What carries the connection has done nothing wrong where it ends well."""
    need("many seconds")
    home.config("ProxyCommand true\n")
    with pytest.raises(Unreachable) as caught:
        connector.connect(home.to(Server(22, home.path, None, {}), connect_timeout=patience(1)))  # type: ignore[arg-type]
    assert (caught.value.kind, "ProxyCommand" in caught.value.hint) == ("throttled", True)


def test_proxies_that_are_none_are_none(home: Home, connector: HostConnector, start_sshd: Start) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    for options in ((("proxyjump", "none"),), (("proxycommand", "none"),)):
        home.config("Host *\n ProxyJump nowhere\n" if options[0][0] == "proxyjump" else "Host *\n ProxyCommand false\n")
        fresh = HostConnector(home=home.path, system_config=Path("/none"))
        fresh.connect(home.to(server, options=options)).close()


def test_a_failed_resource_fails_all_who_waited_and_is_made_anew_afterwards() -> None:
    class Thing:
        alive = True

        def close(self) -> None:
            self.alive = False

    shared: Shared[Thing] = Shared()

    def fail() -> Thing:
        raise OSError("no")

    with pytest.raises(OSError, match="no"):
        shared.get("key", fail, 0)
    first = shared.get("key", Thing, 0)
    assert shared.get("key", fail, 0) is first
    first.close()
    assert shared.get("key", Thing, 0) is not first
