"""Commands over the masters that a person has opened with ssh: all of agentless, whatever was needed to log in."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.hosts import Master, Nodes, Sshd, patience, until
from tests.hosts.client import Client, printed

RUN_ON = "echo begun; until [ -e {go} ]; do sleep 0.05; done; echo done; exit 3"


class Person:
    """Whoever has `ControlPath` in ~/.ssh/config, and types ssh and agentless."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.socket = client.home / "m"
        (client.home / ".ssh" / "config").write_text(f"Host *\n  ControlPath {self.socket}\n")

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.client.agentless(*arguments)
        assert done.returncode == code, done.stdout + done.stderr
        return done


@pytest.fixture
def person(sshd: Sshd) -> Person:
    return Person(sshd.client)


@pytest.fixture
def master(sshd: Sshd, person: Person) -> Iterator[Master]:
    with Master(person.socket, ["-F", str(sshd.client.openssh_config), "host1"]) as master:
        yield master


def test_all_of_agentless_rides_and_says_so(sshd: Sshd, person: Person, master: Master) -> None:
    logins = sshd.logins()
    note = f"agentless: host1: over the master of ssh at {person.socket}\n"
    assert note in person("-v", "ping", "host1").stderr
    assert note in person("-v", "hosts", "host1").stderr
    listed = person("connections", "-l", "host1").stdout
    assert "master" in listed
    assert "ssh decides" in listed
    assert str(person.socket) not in listed, "it is long, and who wants it has it in JSON"
    assert str(person.socket) in person("connections", "-l", "host1", "--out", "json").stdout
    assert printed(person("run", "host1", "--", "echo out; echo err >&2; exit 3", code=1)) == "out\nstderr: err\n"
    jid = person("run", "host1", "--detach", "--", "echo so far; exec sleep 300").stdout.strip()
    until(lambda: person("jobs", "tail", jid, code=4).stdout == "so far\n", "it printed")
    assert '"delivered": [' in person("kill-job", jid, "--out", "json").stdout
    assert "killed (KILL)" in person("jobs", "lookup", jid, code=1).stderr
    assert sshd.logins() == logins, "nobody has logged in"
    assert note not in person("ping", "host1").stderr


def test_a_run_goes_on_when_its_master_is_killed(sshd: Sshd, person: Person, master: Master) -> None:
    go = sshd.directory / "go"
    process = sshd.client.start("run", "host1", "--live", "--", RUN_ON.format(go=go))
    assert process.stdout is not None
    assert process.stdout.readline() == "host1 | begun\n"
    logins = sshd.logins()
    os.kill(master.pid, signal.SIGKILL)
    until(lambda: sshd.logins() > logins, "the run has come back")
    go.touch()
    out, err = process.communicate(timeout=patience(60))
    assert (out, process.returncode) == ("host1 | done\n", 1), err
    assert "failed (3)" in err


@pytest.mark.parametrize("word", ["stop", "exit"])
def test_a_master_that_was_told_to_go_takes_no_job_along(sshd: Sshd, person: Person, master: Master, word: str) -> None:
    go = sshd.directory / "go"
    process = sshd.client.start("run", "host1", "--live", "--", RUN_ON.format(go=go))
    assert process.stdout is not None
    assert process.stdout.readline() == "host1 | begun\n"
    assert master.control(word).returncode == 0
    logins = sshd.logins()
    assert printed(person("run", "host1", "--", "echo beside it")) == "beside it\n"
    assert sshd.logins() > logins, "over a connection of its own"
    go.touch()
    out, err = process.communicate(timeout=patience(60))
    assert (out, process.returncode) == ("host1 | done\n", 1), err


def _listens(address: str, port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex((address, port)) == 0


# Each code is good for one login.
OTP = """#!/bin/sh
read -r code
grep -qx "$code" /etc/codes && sed -i "/^$code$/d" /etc/codes
"""
PAM = """auth requisite pam_exec.so expose_authtok quiet /etc/otp
auth required pam_permit.so
account required pam_permit.so
session required pam_permit.so
"""
SSHD = """Port 2222
HostKey /etc/ssh/node_key
PidFile none
UsePAM yes
PermitRootLogin yes
PubkeyAuthentication no
PasswordAuthentication no
KbdInteractiveAuthentication yes
AuthenticationMethods keyboard-interactive
"""


def test_where_only_a_one_time_code_logs_in_who_has_done_so_once_has_all_of_agentless(
    start_nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    nodes = start_nodes(1)
    node, client = nodes["node1"], nodes.client
    for path, text in (("/etc/pam.d/sshd", PAM), ("/etc/codes", "4711\n"), ("/etc/ssh/otp_config", SSHD)):
        node.write(path, text)
    node.write("/etc/otp", OTP, 0o755)
    node.run("/usr/sbin/sshd -f /etc/ssh/otp_config")
    # It goes into the background first, and listens then.
    until(lambda: _listens(node.address, 2222), "the other sshd listens")
    client.write_inventory({"node1": {"ansible_host": node.address, "ansible_port": 2222, "ansible_user": "root"}})
    client.trust({f"[{node.address}]:2222": node.public_host_key})
    person = Person(client)
    assert "permission denied" in person("ping", code=3).stdout
    askpass = tmp_path / "askpass"
    askpass.write_text("#!/bin/sh\necho 4711\n")
    askpass.chmod(0o700)
    environ = {**client.environ, "SSH_ASKPASS": str(askpass), "SSH_ASKPASS_REQUIRE": "force"}
    with Master(
        person.socket, ["-F", str(client.openssh_config), "-o", "BatchMode=no", "node1"], environ=environ
    ) as master:
        assert node.run("cat /etc/codes").stdout == "", "the code was good for this login alone"
        assert printed(person("run", "node1", "--", "id -un")) == "root\n"
        jid = person("run", "node1", "--detach", "--", "echo so far; exec sleep 300").stdout.strip()
        until(lambda: person("jobs", "tail", jid, code=4).stdout == "so far\n", "it printed")
        person("kill-job", jid)
        assert "killed (KILL)" in person("jobs", "wait", jid, code=1).stderr
        master.kill()
    assert "permission denied" in person("ping", code=3).stdout
