"""Files to and from hosts: what is cut, refused or killed on the way, as another user, and over every kind of link."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.test_links import Linked, linked
from tests.hosts import Node, Nodes, User, kill, over_every_link, patience, soon, until
from tests.hosts.client import Client
from tests.hosts.links import keepers

__all__ = ["linked"]

PASSWORD = "ada's $(password)"
MIB = 1 << 20


class Fleet:
    """Hosts on which ada logs in, and what she types."""

    def __init__(self, nodes: Nodes) -> None:
        self.nodes = nodes
        self.client: Client = nodes.client
        self.node: Node = nodes["node1"]
        self.home = self.client.home

    def __call__(self, *words: str, code: int = 0, **options: Any) -> dict[str, Any]:
        done = self.client.agentless(*words, "--out", "json", **options)
        assert done.returncode == code, done.stdout + done.stderr
        hosts = json.loads(done.stdout)["hosts"]
        assert isinstance(hosts, dict)
        return hosts

    def big(self, mib: int) -> Path:
        path = self.home / "big"
        with path.open("wb") as file:
            file.truncate(mib * MIB)
        return path

    def parts(self, folder: str) -> list[str]:
        return [name for name in os.listdir(self.node.path(folder)) if name.endswith(".agentless-part")]


@pytest.fixture(scope="module")
def booted() -> Iterator[Fleet]:
    with Nodes(2, users=[User("ada", password=PASSWORD), User("bob")], login="ada") as nodes:
        for node in nodes:
            node.write("/etc/sudoers.d/test", "ada ALL=(ALL) ALL\n", 0o440)
        yield Fleet(nodes)


@pytest.fixture
def fleet(booted: Fleet) -> Fleet:
    booted.node.run(
        "rm -rf /home/ada/drop /var/lib/files /root/secret; mkdir -p /home/ada/drop && chown ada: /home/ada/drop"
    )
    (booted.home / "a").write_text("hello\n")
    (booted.home / "a").chmod(0o640)
    (booted.home / "password").write_text(PASSWORD)
    return booted


def test_a_cut_connection_leaves_no_half_file_and_the_old_one_stays(fleet: Fleet) -> None:
    fleet.node.write("/home/ada/drop/big", "old")
    fleet.node.run("chown ada: /home/ada/drop/big")
    copying = fleet.client.start("put", str(fleet.big(2000)), "node1:drop/", "--out", "json")
    until(lambda: fleet.parts("/home/ada/drop"), "it has begun")
    fleet.node.kill_sshd_sessions()
    out, err = copying.communicate(timeout=patience(120))
    assert copying.returncode == 3, err
    host = json.loads(out)["hosts"]["node1"]
    assert (host["state"], host["error"]["kind"], host["files"]) == ("unreachable", "connection-lost", None), err
    assert ".agentless-part" in host["error"]["hint"]
    until(lambda: not fleet.parts("/home/ada/drop"), "the host took away what had come")
    assert fleet.node.path("/home/ada/drop/big").read_text() == "old"


def test_what_a_lost_host_had_is_taken_away_by_the_next_put(fleet: Fleet) -> None:
    copying = fleet.client.start("put", str(fleet.big(2000)), "node1:drop/")
    until(lambda: fleet.parts("/home/ada/drop"), "it has begun")
    helpers = [pid for pid, name in fleet.node.processes() if name.startswith("python")]
    assert kill(helpers)
    assert copying.wait(timeout=patience(120)) == 3
    copying.communicate()
    (left,) = fleet.parts("/home/ada/drop")
    fleet.node.run(f"touch -d '1 hour ago' /home/ada/drop/{left}")
    assert fleet("put", "a", "node1:drop/")["node1"]["state"] == "copied"
    assert fleet.parts("/home/ada/drop") == []


def test_a_get_that_is_cut_leaves_no_half_file_here(fleet: Fleet) -> None:
    fleet.node.run("truncate -s 4000M /home/ada/drop/big")
    got = fleet.home / "cut" / "node1"
    copying = fleet.client.start("get", "node1:drop/big", "cut", "--out", "json")
    until(lambda: got.exists() and list(got.iterdir()), "it has begun")
    fleet.node.kill_sshd_sessions()
    out, err = copying.communicate(timeout=patience(120))
    assert copying.returncode == 3, err
    assert json.loads(out)["hosts"]["node1"]["files"] == 0
    assert list(got.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_get_leaves_no_half_file_here(fleet: Fleet, number: signal.Signals) -> None:
    fleet.node.run("truncate -s 4000M /home/ada/drop/big")
    got = fleet.home / f"sig{number}" / "node1"
    copying = fleet.client.start("get", "node1:drop/big", f"sig{number}")
    until(lambda: got.exists() and list(got.iterdir()), "it has begun")
    copying.send_signal(number)
    copying.communicate(timeout=patience(60))
    assert copying.returncode == 130
    assert list(got.iterdir()) == []


def test_what_the_user_may_not_write_or_read_is_refused_and_root_may(fleet: Fleet) -> None:
    fleet.node.run("cd /var/lib && mkdir -p files && echo secret > files/s && chmod 600 files/s && chmod 755 files")
    host = fleet("put", "a", "node1:/var/lib/files/x", code=1)["node1"]
    assert (host["state"], host["error"]["kind"]) == ("failed", "permission-denied")
    assert "-b" in host["error"]["hint"]
    assert fleet("get", "node1:/var/lib/files/s", "denied", code=1)["node1"]["error"]["kind"] == "permission-denied"
    become = ("-b", "--become-password-file", f"{fleet.home}/password")
    assert fleet("put", "a", "node1:/var/lib/files/x", *become)["node1"]["state"] == "copied"
    info = fleet.node.path("/var/lib/files/x").stat()
    assert (info.st_uid, info.st_mode & 0o777) == (0, 0o640)
    fleet("get", "node1:/var/lib/files/s", "got", *become)
    got = fleet.home / "got" / "node1" / "s"
    assert (got.read_text(), got.stat().st_mode & 0o777) == ("secret\n", 0o600)
    # A wrong password is no host's refusal of a file, but of the way to it.
    (fleet.home / "wrong").write_text("wrong")
    fleet.node.run("rm -rf /run/sudo")
    wrong = ("-b", "--become-password-file", f"{fleet.home}/wrong")
    assert fleet("put", "a", "node1:/var/lib/x", *wrong, code=3)["node1"]["error"]["kind"] == "become"


def test_what_only_root_may_read_is_open_to_nobody_on_its_way(fleet: Fleet) -> None:
    fleet.node.run("mkdir -p /var/lib/files && chmod 755 /var/lib/files")
    secret = fleet.big(500)
    secret.chmod(0o644)
    become = ("-b", "--become-password-file", f"{fleet.home}/password")
    copying = fleet.client.start("put", str(secret), "node1:/var/lib/files/", *become)
    (part,) = until(lambda: fleet.parts("/var/lib/files"), "it has begun")
    seen = fleet.node.run(f"head -c 1 /var/lib/files/{part}", user="bob", check=False)
    assert "Permission denied" in seen.stderr or "No such file" in seen.stderr
    copying.communicate(timeout=patience(120))
    assert copying.returncode == 0
    assert fleet.node.path("/var/lib/files/big").stat().st_mode & 0o777 == 0o644


def test_the_terminal_that_sudo_insists_on_changes_no_byte(fleet: Fleet) -> None:
    fleet.node.write("/etc/sudoers.d/test", "ada ALL=(ALL) ALL\nDefaults requiretty\n", 0o440)
    odd = fleet.home / "odd"
    odd.write_bytes(bytes(range(256)) * 2000 + os.urandom(100_000))
    become = ("-b", "--become-password-file", f"{fleet.home}/password")
    try:
        assert fleet("put", "odd", "node1:/root/odd", *become)["node1"]["state"] == "copied"
        assert fleet.node.path("/root/odd").read_bytes() == odd.read_bytes()
        fleet("get", "node1:/root/odd", "back", *become)
        assert (fleet.home / "back" / "node1" / "odd").read_bytes() == odd.read_bytes()
    finally:
        fleet.node.write("/etc/sudoers.d/test", "ada ALL=(ALL) ALL\n", 0o440)


def test_a_disk_that_gets_full_is_told_and_has_no_half_file(fleet: Fleet) -> None:
    with fleet.node.small_disk("/var/lib/small", "4m"):
        fleet.node.run("chown ada: /var/lib/small")
        (fleet.home / "tree").mkdir(exist_ok=True)
        for name in ("1", "2", "3"):
            (fleet.home / "tree" / name).write_bytes(bytes(2 * MIB))
        host = fleet("put", "tree/", "node1:/var/lib/small/", code=1)["node1"]
        assert (host["state"], host["error"]["kind"]) == ("failed", "disk-full")
        assert "had come before, whole" in host["error"]["hint"]
        assert fleet.parts("/var/lib/small") == []
        # At once, and not when the disk is full: nothing is written.
        assert (
            fleet("put", str(fleet.big(3000)), "node1:/var/lib/small/", code=1)["node1"]["error"]["kind"] == "disk-full"
        )
    with fleet.node.small_disk("/home/ada/.local", "1m", full=True):
        fleet.node.run("chown -R ada: /home/ada/.local")
        host = fleet("put", "a", "node1:drop/", code=1)["node1"]
        assert host["error"]["kind"] in ("disk-full", "state-dir")


def test_a_file_system_that_tells_no_size_has_room(fleet: Fleet) -> None:
    """As ramfs and many of FUSE do; they were full."""
    fleet.node.run("mkdir -p /var/lib/ram && mount -t ramfs ramfs /var/lib/ram && chown ada: /var/lib/ram")
    try:
        assert fleet("put", "a", "node1:/var/lib/ram/")["node1"]["state"] == "copied"
        assert fleet.node.path("/var/lib/ram/a").read_text() == "hello\n"
    finally:
        fleet.node.run("umount /var/lib/ram")
    (fleet.home / "ram").mkdir(exist_ok=True)
    get = shlex.join(fleet.client.command("get", "node1:/etc/hostname", "ram"))
    own = ["unshare", "--mount", "sh", "-ec", f"mount -t ramfs ramfs ram; {get}; cat ram/node1/hostname"]
    done = subprocess.run(
        own, env=fleet.client.environ, cwd=fleet.home, capture_output=True, text=True, timeout=patience(60)
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_one_host_that_is_off_is_no_matter_to_the_other(fleet: Fleet) -> None:
    fleet.nodes["node2"].power_off()
    try:
        hosts = fleet("put", "a", "all:drop-new/", "-T", soon(), code=3)
    finally:
        fleet.nodes["node2"].power_on()
    assert hosts["node1"]["state"] == "copied"
    assert hosts["node2"]["state"] == "unreachable"
    assert hosts["node2"]["error"]["hint"].count(".agentless-part") == 0, "nothing was under way there"


def test_no_job_is_made_and_what_hosts_have_for_us_comes_home(fleet: Fleet) -> None:
    jid = fleet.client.agentless("run", "node1", "--detach", "--", "true").stdout.strip()
    until(lambda: fleet.client.agentless("running", "node1", "--out", "json").stdout.count("jid") == 0, "it has ended")
    fleet("put", "a", "node1:drop/")
    listed = json.loads(fleet.client.agentless("jobs", "list", "--out", "json").stdout)
    assert next(iter(listed)) == jid
    assert listed[jid]["summary"]["returned"] == 1


@over_every_link
def test_over_a_master_and_a_keeper_it_is_the_same(linked: Linked) -> None:
    there = linked.sshd.directory / "there"
    given = linked.sshd.client.home / "given"
    given.write_bytes(os.urandom(3 * MIB))
    logins = linked.sshd.logins()
    assert linked.document("put", str(given), f"host1:{there}/")["exit_code"] == 0
    assert (there / "given").read_bytes() == given.read_bytes()
    assert linked.document("get", f"host1:{there}", "got")["hosts"]["host1"]["bytes"] == 3 * MIB
    assert (linked.sshd.client.home / "got" / "host1" / "there" / "given").read_bytes() == given.read_bytes()
    assert linked.document("put", str(given), f"host1:{there}/no/x")["hosts"]["host1"]["state"] == "failed"
    assert (linked.sshd.logins() == logins) is (linked.kind != "direct")


@pytest.mark.parametrize("links", ["keeper"], indirect=True)
def test_a_keeper_that_is_killed_on_the_way_costs_a_new_connection(linked: Linked) -> None:
    there, home = linked.sshd.directory / "there", linked.sshd.client.home
    there.mkdir()
    big = home / "big"
    with big.open("wb") as file:
        file.truncate(1000 * MIB)
    copying = linked.start("put", str(big), f"host1:{there}/", "--out", "json")
    until(lambda: list(there.iterdir()), "it has begun")
    assert kill(keepers(f"HOME={home}\0"))
    out, err = copying.communicate(timeout=patience(120))
    assert copying.returncode == 0, out + err
    until(lambda: [path.name for path in there.iterdir()] == ["big"], "nothing half is left")
    assert (there / "big").stat().st_size == 1000 * MIB
