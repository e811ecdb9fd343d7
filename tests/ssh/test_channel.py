"""Commands over a link to a real sshd."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from agentless.errors import Unreachable
from agentless.runner.channel import Channel, Link
from agentless.runner.ssh import Connector
from tests.hosts import Proxy
from tests.ssh.conftest import USER, Home, Server, drain


@pytest.fixture
def link(home: Home, connector: Connector, start_sshd: Callable[..., Server]) -> Link:
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    return connector.connect(home.to(server))


def test_a_command_runs_and_its_streams_and_status_come_back(link: Link) -> None:
    assert link.user == USER
    channel = link.exec("cat; echo err >&2; exit 7")
    channel.send(b"hello" * 100000, 20)
    channel.close_stdin()
    assert drain(channel) == (b"hello" * 100000, b"err\n")
    assert channel.exit_status() == 7


def test_megabytes_on_both_streams_come_without_deadlock(link: Link) -> None:
    size = 6 * 1024 * 1024
    out, err = drain(link.exec(f"head -c {size} /dev/zero >&2; head -c {size} /dev/zero"))
    assert (len(out), len(err)) == (size, size)


def test_megabytes_pass_through_in_both_directions_at_once(link: Link) -> None:
    data = os.urandom(4 * 1024 * 1024)
    channel = link.exec("cat")

    def feed() -> None:
        channel.send(data, 20)
        channel.close_stdin()

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert drain(channel) == (data, b"")
    feeder.join()


def test_nothing_in_time_is_none_and_the_end_is_zero(link: Link) -> None:
    channel = link.exec("read line; echo $line")
    assert channel.recv(0.05) is None
    channel.send(b"now\n", 5)
    assert channel.recv(20) == (1, b"now\n")
    assert channel.recv(20) == (0, b"")
    assert channel.recv(20) == (0, b"")


def test_a_command_that_a_signal_ended_has_no_status(link: Link) -> None:
    channel = link.exec("kill -9 $$")
    drain(channel)
    assert channel.exit_status() is None


def test_input_for_a_command_that_has_ended_is_a_broken_pipe_and_its_output_stays(link: Link) -> None:
    channel = link.exec("echo said")
    assert channel.exit_status() == 0
    with pytest.raises(BrokenPipeError):
        channel.send(b"x" * 16 * 1024 * 1024, 5)
    assert drain(channel) == (b"said\n", b"")


def test_input_that_nobody_takes_ends_at_its_deadline(link: Link) -> None:
    channel = link.exec("sleep 60")
    with pytest.raises(Unreachable, match="took no input"):
        channel.send(b"x" * 8 * 1024 * 1024, 0.2)
    channel.close()


def test_a_pty_passes_bytes_as_they_are(link: Link) -> None:
    channel = link.exec("test -t 0 && test -t 1 && echo tty && head -c 6 | od -An -tx1", pty=True)
    assert channel.recv(20) == (1, b"tty\n")
    channel.send(b"\x03\r\n\x04\x00\xff", 5)
    assert drain(channel)[0].split() == [b"03", b"0d", b"0a", b"04", b"00", b"ff"]


def test_several_commands_share_a_link(link: Link) -> None:
    channels = [link.exec(f"echo {number}") for number in range(5)]
    assert [drain(channel)[0] for channel in channels] == [f"{number}\n".encode() for number in range(5)]


def test_a_server_that_dies_is_a_lost_connection_not_an_end(
    home: Home, connector: Connector, start_sshd: Callable[..., Server]
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
    home: Home, connector: Connector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("_ASK_AFTER", 0.2), ("_ASK_AGAIN", 0.2), ("GONE_AFTER", 1.0)):
        monkeypatch.setattr(f"agentless.runner.ssh.packets.{name}", seconds)
    monkeypatch.setattr("agentless.runner.ssh.transport.Transport._active_check_timeout", 0.05)
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
    home: Home, connector: Connector, start_sshd: Callable[..., Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, seconds in (("_ASK_AFTER", 0.2), ("_ASK_AGAIN", 0.2), ("GONE_AFTER", 1.0)):
        monkeypatch.setattr(f"agentless.runner.ssh.packets.{name}", seconds)
    monkeypatch.setattr("agentless.runner.ssh.transport.Transport._active_check_timeout", 0.05)
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
    home: Home, connector: Connector, start_sshd: Callable[..., Server]
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
    home: Home, connector: Connector, start_sshd: Callable[..., Server], ciphers: str
) -> None:
    server = start_sshd("RekeyLimit 1M", authorized=home.key)
    home.knows(server.known_line())
    options = (("ciphers", ciphers),) if ciphers else ()
    data = os.urandom(5 * 1024 * 1024)
    with connector.connect(home.to(server, options=options)) as link:
        channel = link.exec("cat")

        def feed() -> None:
            channel.send(data, 20)
            channel.close_stdin()

        feeder = threading.Thread(target=feed)
        feeder.start()
        assert drain(channel) == (data, b"")
        feeder.join()


def test_closing_ends_the_session_on_the_host_and_leaves_no_descriptor(
    home: Home, connector: Connector, start_sshd: Callable[..., Server]
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
        "import sys; from pathlib import Path; from agentless.runner.ssh import Connector; "
        "from agentless.endpoint import Endpoint\n"
        f"c = Connector(home=Path({str(home.path)!r}), system_config=Path('/none'))\n"
        f"links = [c.connect(Endpoint('h', '127.0.0.1', port={server.port})) for _ in range(3)]\n"
        "channels = [link.exec('sleep 600') for link in links]\n"
        "print('up', flush=True)\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=root, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "up\n", "")


def test_an_interrupted_wait_leaves_the_channel_usable(link: Link, request: pytest.FixtureRequest) -> None:
    # A shell's background jobs, the tests perhaps among them, ignore the signal.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    channel: Channel = link.exec("read line; echo got $line")
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        channel.recv(30)
    channel.send(b"it\n", 5)
    assert drain(channel)[0] == b"got it\n"
