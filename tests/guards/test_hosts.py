"""The hosts that other tests stand on do what they say, seen through OpenSSH's own client."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.hosts import Nodes, Process, Proxy, Sshd, User, need, patience, serving, until
from tests.hosts.client import ROOT


def test_sshd_lets_the_client_log_in_under_every_name(sshd: Sshd) -> None:
    for name in sshd.names:
        done = sshd.client.ssh(name, "echo out; echo err >&2; exit 7")
        assert (done.stdout, done.stderr, done.returncode) == ("out\n", "err\n", 7)
    assert sshd.logins() == 3
    assert sshd.commands() == 3
    listed = yaml.safe_load(sshd.client.inventory.read_text())["all"]["hosts"]
    assert len({host["agentless_state_dir"] for host in listed.values()}) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has all of 127.0.0.0/8 on loopback")
def test_sshd_listens_on_as_many_addresses_as_wanted(start_sshd: Callable[..., Sshd]) -> None:
    sshd = start_sshd(40, addresses=40)
    done = sshd.client.ssh("host40", "echo $SSH_CONNECTION")
    assert done.stdout.split()[2:] == [sshd.addresses[39], str(sshd.port)]
    assert len(set(sshd.addresses)) == 40


def test_stopped_sshd_refuses_and_a_restarted_one_answers_at_the_same_port(sshd: Sshd) -> None:
    sshd.stop()
    assert sshd.client.ssh("host1", "true").returncode == 255
    sshd.start()
    assert sshd.client.ssh("host1", "true").returncode == 0


def test_what_an_sshd_started_ends_with_it(start_sshd: Callable[..., Sshd]) -> None:
    with Sshd() as sshd:
        done = sshd.client.ssh("host1", "setsid sleep 600 >/dev/null 2>&1 </dev/null & echo $!")
        detached = Process.of(int(done.stdout))
        until(lambda: _name(detached.pid) == "sleep", "it has become what it is to be")
    until(lambda: not detached.lives, "it has ended")


def test_a_killed_test_run_leaves_no_sshd_behind(tmp_path: Path) -> None:
    need("an sshd")
    printed = _die_with("Sshd()", "sshd.client.ssh('host1', 'echo $PPID')", "sshd.port, sshd.directory")
    port, directory = printed.split()

    def refused() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(port))) != 0

    until(refused, "sshd has ended")
    until(lambda: not Path(directory).exists(), "its files are gone")


def test_nodes_are_hosts_of_their_own(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(2, users=[User("ada"), User("zoe", shell="/bin/dash")])
    seen = {}
    for node in nodes:
        done = nodes.client.ssh(
            node.name, "hostname; cat /proc/sys/kernel/random/boot_id; ls -A /root /tmp; ps -e | wc -l"
        )
        hostname, boot_id, *_ = done.stdout.split()
        assert hostname == node.name
        assert boot_id == node.boot_id
        assert int(done.stdout.split()[-1]) < 12
        seen[boot_id] = node
    assert len(seen) == 2
    done = nodes.client.ssh("zoe@node2", "id -un; pwd; echo kept > file; echo $SHELL")
    assert done.stdout.split() == ["zoe", "/home/zoe", "/bin/dash"]
    assert nodes["node2"].path("/home/zoe/file").read_text() == "kept\n"
    assert not Path("/home/zoe").exists()


def test_a_node_reboots_with_a_new_boot_id_and_the_same_disk(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(1)
    node = nodes["node1"]
    before = node.boot_id
    nodes.client.ssh(
        "node1", "echo 1 > /var/cache/kept; echo 1 > /run/gone; setsid sleep 600 >/dev/null 2>&1 </dev/null &"
    )
    # A shell that was forked goes on under its own name for a while.
    until(lambda: "sleep" in [name for _, name in node.processes()], "it runs")
    node.reboot()
    assert "sleep" not in [name for _, name in node.processes()]
    done = nodes.client.ssh("node1", "cat /proc/sys/kernel/random/boot_id; ls /var/cache /run")
    assert done.stdout.split()[0] == node.boot_id != before
    assert "kept" in done.stdout
    assert "gone" not in done.stdout


def test_a_cut_network_is_silent_and_heals(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(1)
    node = nodes["node1"]
    with socket.create_connection((node.address, 22), timeout=patience(10)) as line:
        assert line.recv(4) == b"SSH-"
        node.cut()
        line.settimeout(0.3)
        while True:
            try:
                assert line.recv(4096), "the connection was closed by a cut, not silenced"
            except TimeoutError:
                break
        line.sendall(b"nobody is told\r\n")
        with socket.socket() as another:
            another.settimeout(0.3)
            with pytest.raises(TimeoutError):
                another.connect((node.address, 22))
        node.heal()
    assert nodes.client.ssh("node1", "true").returncode == 0


def test_a_hidden_node_is_reached_through_another_only(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(2)
    nodes["node1"].hide()
    assert nodes.client.ssh("-o", "ConnectTimeout=1", "node1", "true").returncode == 255
    assert nodes.client.ssh("-J", "node2", "node1", "hostname").stdout == "node1\n"


def test_killed_sessions_end_the_connection_but_not_the_listener(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(1)
    node = nodes["node1"]
    with subprocess.Popen(
        ["ssh", "-F", str(nodes.client.openssh_config), "node1", "echo here; exec sleep 600"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == b"here\n"
        assert node.kill_sshd_sessions() >= 1
        assert session.wait(timeout=patience(20)) == 255
    assert nodes.client.ssh("node1", "true").returncode == 0


def test_a_full_disk_takes_nothing_more(start_nodes: Callable[..., Nodes]) -> None:
    node = start_nodes(1)["node1"]
    with node.small_disk("/root/.cache", full=True):
        failed = node.run("head -c 5000 /dev/zero > /root/.cache/file", check=False)
        assert failed.returncode != 0
        assert "No space left" in failed.stderr
    node.run("mkdir -p /root/.cache && echo fits > /root/.cache/file")


def test_accounts_have_the_password_they_were_given_and_sudo_asks_for_it(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(1, users=[User("ada", password="correct horse")])
    node = nodes["node1"]
    node.write("/etc/sudoers.d/ada", "ada ALL=(ALL) ALL\n", 0o440)
    right = nodes.client.ssh("ada@node1", "sudo -S -p '' id -un", stdin=None, input="correct horse\n")
    assert right.stdout == "root\n"
    wrong = nodes.client.ssh("ada@node1", "sudo -k; sudo -S -p '' id -un", stdin=None, input="battery\n")
    assert wrong.returncode == 1


def test_cron_of_a_node_knows_only_its_own_crontabs(start_nodes: Callable[..., Nodes]) -> None:
    node = start_nodes(1, cron=True)["node1"]
    assert "cron" in [name for _, name in node.processes()]
    node.run("echo '0 0 1 1 * true' | crontab -")
    assert "0 0 1 1 * true" in node.run("crontab -l").stdout
    assert node.run("cat /etc/cron.d/* /etc/crontab", check=False).stdout == ""


def test_two_sets_of_nodes_never_clash(start_nodes: Callable[..., Nodes]) -> None:
    one, other = start_nodes(1), start_nodes(1)
    assert one.network != other.network
    assert one["node1"].boot_id != other["node1"].boot_id
    for nodes in (one, other):
        done = nodes.client.ssh("node1", "cat /proc/sys/kernel/random/boot_id")
        assert done.stdout.strip() == nodes["node1"].boot_id


class Kept(Nodes):
    """Nodes whose slot stays taken when they are gone, so that what is found in it is theirs.

    Attributes:
        lock: holds it for as long as it is open.
    """

    lock = -1

    def take(self) -> None:
        """Take a slot, and boot nothing."""
        self.lock = super()._take_slot()

    def _take_slot(self) -> int:
        self.take()
        return os.dup(self.lock)


def test_nothing_of_nodes_is_left_also_after_a_failure() -> None:
    nodes, first = Kept(1), Process(0, "")

    def fail() -> None:
        nonlocal first
        with nodes:
            first = Process.of(nodes["node1"].pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    try:
        _assert_gone(nodes.slot, first, nodes.disk)
    finally:
        os.close(nodes.lock)


class Given(Nodes):
    """Nodes in a slot whose lock another process holds, too."""

    def __init__(self, count: int, slot: int, lock: int) -> None:
        super().__init__(count)
        self.slot = slot
        self._lock = lock

    def _take_slot(self) -> int:
        return os.dup(self._lock)


def test_a_killed_test_run_leaves_no_nodes_behind(start_nodes: Callable[..., Nodes]) -> None:
    start_nodes(0)
    keeping = Kept(2)
    keeping.take()
    try:
        printed = _die_with(
            f"Given(2, {keeping.slot}, {keeping.lock})", "", "*Process.of(sshd['node2'].pid), sshd.disk", keeping.lock
        )
        pid, started, disk = printed.split()
        until(lambda: not Path(disk).exists(), "its keeper has cleaned up")
        _assert_gone(keeping.slot, Process(int(pid), started), Path(disk))
    finally:
        os.close(keeping.lock)


def test_the_proxy_counts_round_trips_by_cause(start_proxy: Callable[..., Proxy]) -> None:
    with serving(_echo) as address:
        proxy = start_proxy(*address, delay=0.05)
        with socket.create_connection(("127.0.0.1", proxy.port)) as line, line.makefile("rwb", buffering=0) as file:
            for _ in range(3):
                file.write(b"question\n")
                assert file.readline() == b"question\n"
            assert proxy.round_trips == 3
            file.write(b"sent at once\n" * 5)
            for _ in range(5):
                file.readline()
            assert proxy.round_trips == 4
    assert proxy.connections == 1


def test_ssh_through_a_slow_proxy_takes_its_known_round_trips(sshd: Sshd, start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy(sshd.addresses[0], sshd.port, delay=0.1)
    through = ("-o", f"HostKeyAlias=[127.0.0.1]:{sshd.port}", "-p", str(proxy.port))

    def act() -> None:
        assert sshd.client.ssh(*through, "host1", "echo through").stdout == "through\n"

    assert 5 <= proxy.fewest_round_trips(act, enough=9) <= 9


def test_a_large_transfer_passes_the_proxy_unharmed(sshd: Sshd, start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy(sshd.addresses[0], sshd.port)
    through = ("-o", f"HostKeyAlias=[127.0.0.1]:{sshd.port}", "-p", str(proxy.port))
    text = "0123456789abcde\n" * 500_000
    done = sshd.client.ssh(*through, "host1", "cat", stdin=None, input=text)
    assert done.stdout == text


def test_the_proxy_holds_back_in_a_hole_and_delivers_when_healed(start_proxy: Callable[..., Proxy]) -> None:
    with serving(_echo) as address:
        proxy = start_proxy(*address)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=patience(10)) as line:
            proxy.hole(to="client")
            line.settimeout(0.3)
            line.sendall(b"anybody there?\n")
            with pytest.raises(TimeoutError):
                line.recv(1)
            proxy.heal()
            line.settimeout(patience(10))
            assert line.recv(100) == b"anybody there?\n"


def test_the_proxy_cuts_after_so_many_bytes_and_at_once(start_proxy: Callable[..., Proxy]) -> None:
    with serving(_echo) as address:
        proxy = start_proxy(*address)
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=patience(10)) as line:
            line.sendall(b"1\n")
            assert line.recv(10) == b"1\n"
            proxy.cut()
            with pytest.raises(ConnectionResetError):
                line.recv(1)
        proxy.cut_after(4, to="client")
        with socket.create_connection(("127.0.0.1", proxy.port), timeout=patience(10)) as line:
            line.sendall(b"123456789\n")
            got = b""
            while piece := line.recv(10):
                got += piece
            assert got == b"1234"


def _echo(line: socket.socket) -> None:
    while data := line.recv(4096):
        line.sendall(data)


def _die_with(hosts: str, do: str, tell: str, *inherited: int) -> str:
    """Bring hosts up in another Python, which prints `tell` and kills itself; return what it printed."""
    code = f"""
import os, signal
from tests.guards.test_hosts import Given
from tests.hosts import Process, Sshd
with {hosts} as sshd:
    {do or "pass"}
    print({tell}, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(60),
        pass_fds=inherited,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    return done.stdout


def _name(pid: int) -> str:
    return Path(f"/proc/{pid}/comm").read_text().strip()


def _assert_gone(slot: int, process: Process, disk: Path) -> None:
    assert not process.lives
    assert not disk.exists()
    assert not Path(f"/sys/class/net/al{slot}br").exists()
    spaces = subprocess.run(["ip", "netns", "list"], check=True, capture_output=True, text=True).stdout
    assert not [line for line in spaces.splitlines() if line.startswith(f"al{slot}-")]
