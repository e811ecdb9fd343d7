"""A real sshd that dies, falls silent, renews its keys, and is far away."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from agentless.errors import Unreachable
from agentless.transport.connector import HostConnector
from tests.hosts import Proxy
from tests.transport.conftest import Home, Server, drain


def test_a_server_that_dies_is_a_lost_connection_not_an_end(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    with Proxy(server.address, server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
        link = connector.connect(home.to(server, port=proxy.port))
        channel = link.exec("echo first; sleep 60")
        assert channel.recv(20) == (1, b"first\n")
        proxy.cut()
        with pytest.raises(Unreachable) as caught:
            channel.recv(20)
        assert caught.value.kind == "connection-lost"
        with pytest.raises(Unreachable):
            channel.send(b"x", 5)
        with pytest.raises(Unreachable):
            link.exec("true")
        assert channel.exit_status() is None
        link.close()


def test_a_silent_peer_is_given_up(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("_ASK_AFTER", 0.2), ("_ASK_AGAIN", 0.2), ("GONE_AFTER", 1.0)):
        monkeypatch.setattr(f"agentless.transport.ssh.packets.{name}", seconds)
    monkeypatch.setattr("agentless.transport.ssh.transport.Transport._active_check_timeout", 0.05)
    server = start_sshd(authorized=home.key)
    with Proxy(server.address, server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
        link = connector.connect(home.to(server, port=proxy.port))
        channel = link.exec("sleep 60")
        # The other side answers what it is asked, so silence alone ends nothing.
        assert channel.recv(3) is None
        proxy.hole()
        with pytest.raises(Unreachable, match="no sign of life"):
            channel.recv(30)
        link.close()


def test_a_stuck_send_buffer_does_not_hide_a_silent_peer(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("_ASK_AFTER", 0.2), ("_ASK_AGAIN", 0.2), ("GONE_AFTER", 1.0)):
        monkeypatch.setattr(f"agentless.transport.ssh.packets.{name}", seconds)
    monkeypatch.setattr("agentless.transport.ssh.transport.Transport._active_check_timeout", 0.05)
    server = start_sshd(authorized=home.key)
    with Proxy(server.address, server.port) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))
        link = connector.connect(home.to(server, port=proxy.port))
        channel = link.exec("cat > /dev/null")
        proxy.hole()
        with pytest.raises(Unreachable):
            channel.send(b"x" * 256 * 1024 * 1024, 30)
        link.close()


def test_connect_and_exec_take_no_more_round_trips_than_bare_paramiko(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    with Proxy(server.address, server.port, delay=0.05) as proxy:
        home.knows(server.known_line(f"[127.0.0.1]:{proxy.port}"))

        def connect_and_exec() -> None:
            with connector.connect(home.to(server, port=proxy.port)) as link:
                drain(link.exec("id -un"))

        assert proxy.fewest_round_trips(connect_and_exec, enough=6) <= 6


@pytest.mark.parametrize("ciphers", ["", "aes128-ctr"])
def test_keys_are_renewed_in_the_middle_of_both_directions(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server], ciphers: str
) -> None:
    server = start_sshd("RekeyLimit 1M", authorized=home.key)
    home.knows(server.known_line())
    options = (("ciphers", ciphers),) if ciphers else ()
    data = os.urandom(5 * 1024 * 1024)
    with connector.connect(home.to(server, options=options)) as link:
        channel = link.exec(f"head -c {len(data)}")

        def feed() -> None:
            channel.send(data, 20)

        feeder = threading.Thread(target=feed)
        feeder.start()
        assert drain(channel) == (data, b"")
        feeder.join()


def test_closing_ends_the_session_on_the_host_and_leaves_no_descriptor(
    home: Home, connector: HostConnector, start_sshd: Callable[..., Server]
) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    connector.connect(home.to(server)).close()
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(5):
        with connector.connect(home.to(server)) as link:
            link.exec("true")
    assert len(os.listdir("/proc/self/fd")) == before
    assert "disconnected by user" in server.log


def test_a_process_with_open_connections_exits_at_once(home: Home, start_sshd: Callable[..., Server]) -> None:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    program = (
        "import sys; from pathlib import Path; from agentless.transport.connector import HostConnector; "
        "from agentless.model.endpoint import Endpoint\n"
        f"c = HostConnector(home=Path({str(home.path)!r}), system_config=Path('/none'))\n"
        f"links = [c.connect(Endpoint('h', '127.0.0.1', port={server.port})) for _ in range(3)]\n"
        "channels = [link.exec('sleep 600') for link in links]\n"
        "print('up', flush=True)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "up\n", "")
