"""What a channel promises, over SSH to a real sshd and on this machine alike."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from agentless.errors import Unreachable
from agentless.model.endpoint import Endpoint
from agentless.transport.channel import Channel, Link
from agentless.transport.host_connector import HostConnector
from agentless.transport.keeper.client import KeeperClient
from tests.hosts import patience, until
from tests.transport.conftest import USER, Home, Server, drain, master
from tests.transport.mux.conftest import Ride


@pytest.fixture(params=["ssh", "master", "keeper", "local"])
def link(request: pytest.FixtureRequest, home: Home, connector: HostConnector) -> Iterator[Link]:
    if request.param == "local":
        with connector.connect(Endpoint("here", "here", local=True)) as link:
            yield link
        return
    start_sshd: Callable[..., Server] = request.getfixturevalue("start_sshd")
    server = start_sshd(authorized=home.key)
    home.knows(server.known_line())
    if request.param == "master":
        with master(home, server) as held, Ride(held) as link:
            yield link
        return
    if request.param == "keeper":
        made: Callable[..., KeeperClient] = request.getfixturevalue("keeper")
        connector = HostConnector(keeper=made(), home=home.path, system_config=home.path / "none")
    with connector.connect(home.to(server)) as link:
        yield link


def test_a_command_runs_and_its_streams_and_status_come_back(link: Link) -> None:
    assert link.user == USER
    channel = link.exec("head -c 5000; echo err >&2; exit 7")
    channel.send(b"hello" * 1000, patience(20))
    assert drain(channel) == (b"hello" * 1000, b"err\n")
    assert channel.exit_status() == 7


def test_megabytes_on_both_streams_come_without_deadlock(link: Link) -> None:
    size = 6 * 1024 * 1024
    out, err = drain(link.exec(f"head -c {size} /dev/zero >&2; head -c {size} /dev/zero"))
    assert (len(out), len(err)) == (size, size)


def test_megabytes_pass_through_in_both_directions_at_once(link: Link) -> None:
    data = os.urandom(4 * 1024 * 1024)
    channel = link.exec(f"head -c {len(data)}")

    def feed() -> None:
        channel.send(data, patience(20))

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert drain(channel) == (data, b"")
    feeder.join(patience(30))


def test_nothing_in_time_is_none_and_the_end_is_zero(link: Link) -> None:
    channel = link.exec("read line; echo $line")
    assert channel.recv(0.05) is None
    channel.send(b"now\n", patience(5))
    assert channel.recv(patience(20)) == (1, b"now\n")
    assert channel.recv(patience(20)) == (0, b"")
    assert channel.recv(patience(20)) == (0, b"")


def test_a_command_that_a_signal_ended_has_no_status(link: Link) -> None:
    channel = link.exec("kill -9 $$")
    drain(channel)
    assert channel.exit_status() is None


def test_input_for_a_command_that_has_ended_is_a_broken_pipe_and_its_output_stays(link: Link) -> None:
    channel = link.exec("echo said")
    until(lambda: channel.exit_status() is not None, "it has ended")
    assert channel.exit_status() == 0
    with pytest.raises(BrokenPipeError):
        channel.send(b"x" * 16 * 1024 * 1024, patience(5))
    assert drain(channel) == (b"said\n", b"")


def test_input_that_nobody_takes_ends_at_its_deadline(link: Link) -> None:
    channel = link.exec("sleep 60")
    with pytest.raises(Unreachable, match="took no input"):
        channel.send(b"x" * 8 * 1024 * 1024, 0.2)
    channel.close()


def test_a_pty_passes_bytes_as_they_are(link: Link) -> None:
    channel = link.exec("test -t 0 && test -t 1 && echo tty && head -c 6 | od -An -tx1", pty=True)
    assert channel.recv(patience(20)) == (1, b"tty\n")
    channel.send(b"\x03\r\n\x04\x00\xff", patience(5))
    assert drain(channel)[0].split() == [b"03", b"0d", b"0a", b"04", b"00", b"ff"]


def test_several_commands_share_a_link(link: Link) -> None:
    channels = [link.exec(f"echo {number}") for number in range(5)]
    assert [drain(channel)[0] for channel in channels] == [f"{number}\n".encode() for number in range(5)]


def test_an_interrupted_wait_leaves_the_channel_usable(link: Link, request: pytest.FixtureRequest) -> None:
    # A shell's background jobs, the tests perhaps among them, ignore the signal.
    request.addfinalizer(partial(signal.signal, signal.SIGINT, signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    channel: Channel = link.exec("read line; echo got $line")
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))

    def wait() -> None:
        timer.start()
        channel.recv(patience(30))

    with pytest.raises(KeyboardInterrupt):
        wait()
    channel.send(b"it\n", patience(5))
    assert drain(channel)[0] == b"got it\n"
