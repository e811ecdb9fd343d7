"""A command over a real master, while its master, its host and who reads it come and go."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import pytest

from agentless.errors import NoSession, Unreachable
from agentless.transport.mux import ridden_link, session_channel
from tests.hosts import Master, need, patience, until
from tests.transport.conftest import Server, drain, open_descriptors
from tests.transport.mux.conftest import Ride


def test_the_command_gets_a_hangup_when_its_channel_is_closed(held: Master, tmp_path: Path) -> None:
    with Ride(held) as link:
        channel = link.exec(f"echo $$ > {tmp_path}/pid; exec cat")
        pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "it runs"))
        channel.close()
        until(lambda: not Path(f"/proc/{pid}").exists(), "it has ended")
        assert drain(link.exec("echo on")) == (b"on\n", b"")


def test_a_channel_that_is_closed_by_another_thread_gives_no_more(held: Master) -> None:
    before = open_descriptors()
    with Ride(held) as link:
        channel = link.exec("sleep 1000")
        threading.Timer(0.2, channel.close).start()
        assert channel.recv(patience(30)) == (0, b"")
        with pytest.raises(BrokenPipeError):
            channel.send(b"x", 1)
        assert channel.exit_status() is None
    until(lambda: open_descriptors() <= before, "nothing stays open")


def test_a_master_that_is_killed_in_the_middle_is_a_lost_connection(held: Master) -> None:
    with Ride(held) as link:
        channel = link.exec("echo first; sleep 1000")
        assert channel.recv(patience(20)) == (1, b"first\n")
        held.process.kill()
        with pytest.raises(Unreachable) as caught:
            channel.recv(patience(20))
        assert caught.value.kind == "connection-lost"
        with pytest.raises(Unreachable) as caught:
            channel.send(b"x", patience(5))
        assert caught.value.kind == "connection-lost"
        with pytest.raises(NoSession):
            link.exec("true")


def test_a_host_that_goes_away_is_a_lost_connection(held: Master, server: Server) -> None:
    with Ride(held) as link:
        channel = link.exec("echo first; sleep 1000")
        assert channel.recv(patience(20)) == (1, b"first\n")
        server.hang_up()
        with pytest.raises(Unreachable) as caught:
            drain(channel)
        assert caught.value.kind == "connection-lost"


def test_a_master_that_hangs_under_a_command_is_noticed(held: Master, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_channel, "_ASK_AFTER", 0.2)
    monkeypatch.setattr(ridden_link, "_ANSWER_WAIT", patience(20))
    with Ride(held) as link:
        channel = link.exec("echo begun; sleep 600")
        assert channel.recv(patience(20)) == (1, b"begun\n")
        # One that only has nothing to say is not given up.
        assert channel.recv(1.0) is None
        monkeypatch.setattr(ridden_link, "_ANSWER_WAIT", 0.5)
        os.kill(held.pid, signal.SIGSTOP)
        try:
            with pytest.raises(Unreachable) as caught:
                drain(channel)
            assert caught.value.kind == "connection-lost"
        finally:
            os.kill(held.pid, signal.SIGCONT)


def test_a_stopped_command_takes_input_again_when_it_goes_on(held: Master, tmp_path: Path) -> None:
    data = os.urandom(1 << 20)
    with Ride(held) as link:
        channel = link.exec(f"echo $$ > {tmp_path}/pid; exec head -c {len(data)}")
        pid = int(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), "it runs"))
        os.kill(pid, signal.SIGSTOP)
        feeder = threading.Thread(target=lambda: channel.send(data, patience(30)))
        feeder.start()
        assert channel.recv(0.3) is None
        os.kill(pid, signal.SIGCONT)
        assert drain(channel) == (data, b"")
        feeder.join(patience(30))
        assert channel.exit_status() == 0


def test_gigabytes_pass_and_nothing_of_them_is_kept(held: Master) -> None:
    need("many seconds")
    size = 2 << 30
    with Ride(held) as link:
        channel = link.exec(f"head -c {size} /dev/zero")
        received = 0
        before = _peak()
        while (piece := channel.recv(patience(60))) is not None and piece[0]:
            received += len(piece[1])
        assert received == size
        assert channel.exit_status() == 0
        assert _peak() - before < 16 << 20


def _peak() -> int:
    """The most memory that this process has ever had, in bytes."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) << 10
