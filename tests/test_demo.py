"""The demo's hosts behave like sshd, and its story is told by the real command line."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko
import pytest
import yaml

from agentless.demo import DemoFleet, demo, story
from agentless.demo.server import CLOSE_WITHIN
from agentless.errors import AgentlessError
from tests.hosts import until
from tests.hosts.client import ROOT


@pytest.fixture
def fleet() -> Iterator[DemoFleet]:
    with DemoFleet(3) as fleet:
        yield fleet


def connect(fleet: DemoFleet, name: str = "web1", *, key: paramiko.PKey | None = None) -> paramiko.SSHClient:
    tree = yaml.safe_load(fleet.inventory.read_text())["all"]
    shared = tree["vars"]
    client = paramiko.SSHClient()
    client.load_host_keys(str(fleet.directory / "known_hosts"))
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    client.connect(
        shared["ansible_host"],
        tree["hosts"][name]["ansible_port"],
        shared["ansible_user"],
        pkey=key or paramiko.Ed25519Key.from_private_key_file(shared["ansible_ssh_private_key_file"]),
        allow_agent=False,
        look_for_keys=False,
        timeout=30,
        auth_timeout=30,
        banner_timeout=30,
    )
    return client


def run(client: paramiko.SSHClient, command: str, data: bytes = b"") -> tuple[int, bytes, bytes]:
    """As a careful client does it: feed stdin, read both streams, all at once."""
    transport = client.get_transport()
    assert transport is not None
    channel = transport.open_session(timeout=30)
    channel.exec_command(command)
    got: dict[str, bytes] = {}

    def feed() -> None:
        # A command need not read all of it: then the channel closes under our hands.
        with contextlib.suppress(OSError, EOFError):
            channel.sendall(data)
            channel.shutdown_write()

    def read(name: str) -> None:
        pieces = []
        while piece := channel.recv(65536) if name == "out" else channel.recv_stderr(65536):
            pieces.append(piece)
        got[name] = b"".join(pieces)

    threads = [threading.Thread(target=feed)] + [threading.Thread(target=read, args=(name,)) for name in ("out", "err")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    status = channel.recv_exit_status()
    channel.close()
    return status, got["out"], got["err"]


def test_a_command_runs_in_its_own_session_with_both_streams_and_its_status(fleet: DemoFleet) -> None:
    with connect(fleet) as client:
        assert run(client, "echo out; echo err >&2; exit 7") == (7, b"out\n", b"err\n")
        status, out, _ = run(client, "echo $$; ps -o sess= -p $$; pwd; echo $HOME")
        pid, session, directory, home = out.split()
        assert pid == session
        assert Path(os.fsdecode(directory)).name == Path(os.fsdecode(home)).name == "web1"
        assert status == 0
        assert run(client, "kill -9 $$")[0] == 137


def test_streams_larger_than_every_window_pass_in_both_directions(fleet: DemoFleet) -> None:
    data = os.urandom(1024) * 5000
    with connect(fleet) as client:
        status, out, err = run(client, "tee /dev/stderr", data)
    assert status == 0
    assert out == data
    assert err == data


def test_a_command_that_reads_no_stdin_ends_all_the_same(fleet: DemoFleet) -> None:
    with connect(fleet) as client:
        assert run(client, "echo done", b"x" * 100_000)[:2] == (0, b"done\n")


def test_hundreds_of_quick_commands_all_come_back_in_full(fleet: DemoFleet) -> None:
    def many(name: str) -> list[tuple[int, bytes, bytes]]:
        with connect(fleet, name) as client:
            return [run(client, f"echo {number}; exit {number % 7}") for number in range(70)]

    with ThreadPoolExecutor(3) as pool:
        for answers in pool.map(many, fleet.names):
            assert answers == [(number % 7, b"%d\n" % number, b"") for number in range(70)]


def test_a_cut_connection_leaves_detached_processes_alone(fleet: DemoFleet) -> None:
    with connect(fleet) as client:
        _, out, _ = run(client, "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $!")
    pid = int(out)
    os.kill(pid, 0)
    os.kill(pid, 9)


def test_only_the_fleets_own_key_opens_its_hosts(fleet: DemoFleet, tmp_path: Path) -> None:
    with pytest.raises(paramiko.AuthenticationException):
        connect(fleet, key=paramiko.RSAKey.generate(2048))


def test_host_keys_are_all_different_and_known(fleet: DemoFleet) -> None:
    lines = (fleet.directory / "known_hosts").read_text().splitlines()
    assert len({line.split()[2] for line in lines}) == 3


def test_openssh_client_gets_along_with_it(fleet: DemoFleet) -> None:
    tree = yaml.safe_load(fleet.inventory.read_text())["all"]
    shared = tree["vars"]
    done = subprocess.run(
        f"ssh -F /dev/null -o BatchMode=yes {shared['ansible_ssh_common_args']}"
        f" -i {shared['ansible_ssh_private_key_file']} -p {tree['hosts']['db1']['ansible_port']}"
        f" {shared['ansible_user']}@{shared['ansible_host']} 'cat; exit 3'",
        shell=True,
        input=b"through and through",
        capture_output=True,
        timeout=60,
    )
    assert (done.stdout, done.returncode) == (b"through and through", 3)


def test_names_make_groups_and_a_fleet_of_none_is_refused() -> None:
    assert DemoFleet(6).names == ["web1", "web2", "db1", "web3", "web4", "db2"]
    with pytest.raises(AgentlessError):
        DemoFleet(0)


def test_commands_that_are_still_attached_end_with_the_fleet() -> None:
    with DemoFleet(1) as fleet, connect(fleet) as client:
        transport = client.get_transport()
        assert transport is not None
        channel = transport.open_session()
        channel.exec_command("echo $$; sleep 600 & wait")
        pid = int(channel.recv(100))

    def gone() -> bool:
        try:
            os.killpg(pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone, "the command has ended")


def test_a_command_that_comes_as_the_fleet_ends_does_not_outlive_it() -> None:
    mark = f"of-the-last-moment-{os.getpid()}"

    def gone() -> bool:
        return subprocess.run(["pgrep", "-f", mark], stdout=subprocess.DEVNULL).returncode == 1

    for _ in range(10):
        with DemoFleet(1) as fleet:
            client = connect(fleet)
            transport = client.get_transport()
            assert transport is not None
            transport.open_session().exec_command(f": {mark}; sleep 600 & wait")
        client.close()
    until(gone, "all of them have ended")


def test_closing_waits_for_nobody_who_holds_on() -> None:
    """Not for a silent client, one that reads nothing, a detached process, nor one with a copy of every socket."""
    with contextlib.ExitStack() as holding:
        with DemoFleet(1) as fleet:
            port = yaml.safe_load(fleet.inventory.read_text())["all"]["hosts"]["web1"]["ansible_port"]
            holding.enter_context(socket.create_connection(("127.0.0.1", port))).recv(4)
            client = holding.enter_context(connect(fleet))
            transport = client.get_transport()
            assert transport is not None
            flood = transport.open_session()
            flood.exec_command("yes")
            until(flood.recv_ready, "it floods")
            detached = transport.open_session()
            detached.exec_command("setsid sleep 600 & echo $!")
            holding.callback(os.kill, int(detached.recv(100)), 9)
            sockets = [fd for fd in range(3, 1024) if is_socket(fd)]
            forked = holding.enter_context(subprocess.Popen(["sleep", "600"], pass_fds=sockets))
            holding.callback(forked.kill)
            began = time.monotonic()
        assert time.monotonic() - began < CLOSE_WITHIN + 10
        assert not fleet.directory.exists()


def is_socket(fd: int) -> bool:
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False


def test_it_leaves_nothing_behind() -> None:
    with DemoFleet(1) as fleet:
        directory = fleet.directory
        with connect(fleet) as client:
            assert run(client, "echo here")[1] == b"here\n"
    assert not directory.exists()
    assert not [thread for thread in threading.enumerate() if thread.name in ("demo hosts", "web1")]


def test_the_story_is_told_to_its_end(fleet: DemoFleet) -> None:
    steps = list(story(fleet))
    assert [step.exit_code for step in steps] == [step.expected for step in steps], steps
    first, sent, active, killed, looked_up, listed = steps
    for name in fleet.names:
        assert f"this is {name}" in first.output
    jid = sent.output.strip()
    assert jid.isdigit()
    assert len(jid) == 20
    assert jid in active.output
    assert jid in killed.command
    assert "started" in looked_up.output
    assert "never seen" not in looked_up.output
    assert jid in listed.output
    assert not list(fleet.directory.glob("state/*/*/proc/*"))


def test_jobs_that_still_run_end_with_the_fleet() -> None:
    with DemoFleet(2) as fleet:
        sent = fleet.agentless("run", "all", "--detach", "--", "echo $$ > $HOME/pid; sleep 600")
        assert sent.returncode == 0, sent.stdout
        pids = []
        for name in fleet.names:
            file = fleet.directory / "hosts" / name / "pid"
            until(file.exists, f"{file} is written")
            pids.append(int(until(file.read_text, f"{file} has its line")))
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_demo_says_each_command_and_its_output() -> None:
    lines: list[str] = []
    assert demo(lines.append, hosts=1) == 0
    commands = [line for line in lines if line.startswith("$ agentless ")]
    assert len(commands) == 6
    assert lines[-1].startswith("That was the main job, in 6 commands: run on 1 host, ")


def test_kept_hosts_stay_until_they_are_interrupted() -> None:
    code = "from agentless.demo import demo\ndemo(lambda line: print(line, flush=True), hosts=1, keep=True)"
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        shown = []
        for line in process.stdout:
            shown.append(line)
            if line.startswith("Ctrl-C ends"):
                break
        inventory = Path(next(line for line in shown if "inventory" in line).split()[-1])
        assert inventory.exists()
        process.terminate()
        assert process.stdout.read() == "The hosts are gone.\n"
        assert process.wait(timeout=30) == 0
    assert not inventory.exists()
