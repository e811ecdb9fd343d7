"""`connection: local`: the same channel without SSH."""

from __future__ import annotations

import os
import pwd
import threading

import pytest

from agentless.endpoint import Endpoint
from agentless.runner.channel import Link
from agentless.runner.local import LocalLink
from agentless.runner.ssh import Connector
from tests.ssh.conftest import drain


@pytest.fixture
def link() -> Link:
    return LocalLink()


def test_a_local_endpoint_needs_no_ssh(connector: Connector) -> None:
    with connector.connect(Endpoint("here", "here", local=True)) as link:
        assert link.user == pwd.getpwuid(os.getuid()).pw_name
        assert drain(link.exec("pwd"))[0].decode().strip() == os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir)


def test_streams_are_apart_and_the_status_comes(link: Link) -> None:
    channel = link.exec("cat; echo err >&2; exit 7")
    channel.send(b"x" * 1000, 5)
    channel.close_stdin()
    assert drain(channel) == (b"x" * 1000, b"err\n")
    assert channel.exit_status() == 7
    channel.close()


def test_megabytes_pass_both_ways_at_once(link: Link) -> None:
    data = os.urandom(4 * 1024 * 1024)
    channel = link.exec("cat")

    def feed() -> None:
        channel.send(data, 20)
        channel.close_stdin()

    feeder = threading.Thread(target=feed)
    feeder.start()
    assert drain(channel) == (data, b"")
    feeder.join()
    channel.close()


def test_nothing_in_time_is_none_and_a_signal_has_no_status(link: Link) -> None:
    channel = link.exec("read line; kill -9 $$")
    assert channel.recv(0.05) is None
    channel.send(b"\n", 5)
    assert channel.recv(20) == (0, b"")
    assert channel.exit_status() is None
    channel.close()


def test_input_for_a_command_that_has_ended_is_a_broken_pipe(link: Link) -> None:
    channel = link.exec("true")
    assert channel.exit_status() == 0
    with pytest.raises(BrokenPipeError):
        channel.send(b"x" * 100000, 5)
    channel.close()


def test_a_pty_is_raw(link: Link) -> None:
    channel = link.exec("test -t 0 && echo tty && head -c 3 | od -An -tx1", pty=True)
    assert channel.recv(20) == (1, b"tty\n")
    channel.send(b"\x03\r\n", 5)
    assert drain(channel)[0].split() == [b"03", b"0d", b"0a"]
    channel.close()


def test_closing_hangs_up_what_still_runs_and_leaves_no_descriptor(link: Link) -> None:
    before = len(os.listdir("/proc/self/fd"))
    channel = link.exec("echo $$; sleep 600")
    piece = channel.recv(20)
    assert piece is not None
    channel.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(piece[1]), 0)
    assert len(os.listdir("/proc/self/fd")) == before
