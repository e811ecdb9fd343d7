"""Commands typed one after another, over connections that a keeper holds: faster, and nothing else is different."""

from __future__ import annotations

import concurrent.futures
import json
import os
import pty
import random
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from agentless.errors import AgentlessError
from agentless.transport.keeper.greeting import held
from agentless.transport.keeper.messages import Held
from agentless.transport.keeper.place import Place
from tests.hosts import Master, Nodes, Proxy, Sshd, in_time, kill, need, patience, until
from tests.hosts.client import Client, make_key, printed
from tests.hosts.links import keepers


class Commands:
    """What a person types in one home, with connections that are kept."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.environ = {**client.environ, "AGENTLESS_KEEP_CONNECTIONS": "60"}
        self.place = Place(client.home / ".cache" / "agentless" / "connections")

    def __call__(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.client.agentless(*arguments, env=self.environ)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def keepers(self) -> list[int]:
        return keepers(f"HOME={self.client.home}\0")


@pytest.fixture
def commands(sshd: Sshd) -> Iterator[Commands]:
    """Commands on the three names of an sshd."""
    made = Commands(sshd.client)
    assert not made.keepers()
    yield made
    kill(made.keepers())


def test_commands_one_after_another_log_in_once(sshd: Sshd, commands: Commands) -> None:
    commands("run", "host1", "--", "echo one")
    assert printed(commands("run", "host1", "--", "echo two")) == "two\n"
    commands("jobs", "active", "host1")
    assert "agentless: host1: over a connection that was kept\n" in commands("-v", "ping", "host1").stderr
    assert "agentless: host1: over a connection that is kept\n" in commands("-v", "hosts", "host1").stderr
    assert "kept" not in commands("ping", "host1").stderr
    assert sshd.logins() == 1


def test_what_waits_for_the_end_of_the_output_returns_at_once(sshd: Sshd, commands: Commands) -> None:
    agentless = " ".join(commands.client.command("run", "host1", "--", "echo hi"))
    script = f'x=$({agentless} 2>&1 | cat) && echo "$x"'
    done = subprocess.run(
        ["/bin/sh", "-c", script],
        env={**commands.environ, "AGENTLESS_KEEP_CONNECTIONS": "10000"},
        capture_output=True,
        text=True,
        timeout=patience(60),
        check=True,
    )
    assert "hi" in done.stdout
    (pid,) = commands.keepers()
    assert {os.readlink(f"/proc/{pid}/fd/{number}") for number in (0, 1, 2)} == {"/dev/null"}


def test_twenty_commands_at_once_have_one_keeper(sshd: Sshd, commands: Commands) -> None:
    with concurrent.futures.ThreadPoolExecutor(20) as threads:
        every = list(threads.map(lambda number: commands("run", "host1", "--", f"echo {number}"), range(20)))
    assert [printed(done) for done in every] == [f"{number}\n" for number in range(20)]
    assert len(commands.keepers()) == 1
    assert not any("without the keeper" in done.stderr for done in every), "it was busy, and nothing else"


def test_a_keeper_that_is_killed_at_any_instant_costs_a_connection_and_nothing_else(
    sshd: Sshd, commands: Commands, tmp_path: Path
) -> None:
    """The job runs once, its output is whole, the exit code is that of the job; so does every other verb."""
    rolling = random.Random(7)
    stop = threading.Event()
    kills: list[int] = []

    def kill_all() -> None:
        while not stop.wait(rolling.uniform(0.0, 0.6)):
            kills.extend(kill(commands.keepers()))

    killer = threading.Thread(target=kill_all, daemon=True)
    killer.start()
    try:
        for number in range(8):
            count = tmp_path / f"count{number}"
            line = f"echo run >>{count}; echo begun; sleep 0.2; seq 20000 | tail -n 1; exit 7"
            done = commands("run", "host1", "--", line, code=1)
            assert printed(done) == "begun\n20000\n"
            assert count.read_text() == "run\n"
            assert "unreachable" not in done.stderr
            commands("find-job", "last", code=1)
    finally:
        stop.set()
        killer.join(patience(20))
    assert kills


def test_a_job_goes_on_when_its_keeper_is_killed(sshd: Sshd, commands: Commands) -> None:
    go = sshd.directory / "go"
    process = subprocess.Popen(
        commands.client.command(
            "run", "host1", "--live", "--", f"echo begun; until [ -e {go} ]; do sleep 0.05; done; echo done"
        ),
        env=commands.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "host1 | begun\n"
    (pid,) = commands.keepers()
    os.kill(pid, signal.SIGKILL)
    go.touch()
    out, err = process.communicate(timeout=patience(60))
    assert (out, process.returncode) == ("host1 | done\n", 0), err


def test_where_the_keepers_directory_is_removed_jobs_go_on_and_the_next_command_has_another(
    sshd: Sshd, commands: Commands
) -> None:
    go = sshd.directory / "go"
    process = sshd.client.start(
        *("run", "host1", "--live", "--", f"echo begun; until [ -e {go} ]; do sleep 0.05; done; echo done"),
        env=commands.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "host1 | begun\n"
    (pid,) = commands.keepers()
    shutil.rmtree(commands.place.directory)
    assert printed(commands("run", "host1", "--", "echo hi")) == "hi\n"
    assert len(commands.keepers()) == 2
    go.touch()
    out, err = process.communicate(timeout=patience(60))
    assert (out, process.returncode) == ("host1 | done\n", 0), err
    assert sshd.logins() == 2, "each keeper has logged in, and nobody was cut off"
    until(lambda: pid not in commands.keepers(), "the one that nobody finds ends")


def test_who_forgets_a_host_s_key_is_not_carried_there(sshd: Sshd, commands: Commands) -> None:
    commands("run", "host1", "--", "true")
    sshd.client.known_hosts.write_text("")
    document = json.loads(commands("run", "host1", "--out", "json", "--", "true", code=3).stdout)
    assert document["hosts"]["host1"]["error"]["kind"] == "host-key"


def test_one_command_says_that_the_keeper_hangs_and_the_next_has_another(sshd: Sshd, commands: Commands) -> None:
    commands("run", "host1", "--", "true")
    (pid,) = commands.keepers()
    os.kill(pid, signal.SIGSTOP)
    done = commands("run", "host1", "--", "echo hi")
    assert printed(done) == "hi\n"
    assert (
        f"agentless: warning: connecting without the keeper of connections: it does not answer (PID {pid})"
        in done.stderr
    )
    assert commands("run", "-q", "host1", "--", "echo hi").stderr == ""
    assert set(commands.keepers()) > {pid}
    (other,) = set(commands.keepers()) - {pid}
    os.kill(other, signal.SIGSTOP)
    # What it holds is not known, and not nothing.
    for words in (["connections"], ["connections", "close"]):
        done = commands(*words, code=2 if words == ["connections"] else 0)
        assert ("kill -9" in done.stderr) is (words == ["connections"])


def test_a_job_goes_on_when_its_keeper_hangs(sshd: Sshd, commands: Commands) -> None:
    go = sshd.directory / "go"
    process = sshd.client.start(
        *("run", "host1", "--live", "--", f"echo begun; until [ -e {go} ]; do sleep 0.05; done; echo done"),
        env=commands.environ,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "host1 | begun\n"
    logins = sshd.logins()
    (pid,) = commands.keepers()
    os.kill(pid, signal.SIGSTOP)
    until(lambda: sshd.logins() > logins, "the run has come back by itself", seconds=60)
    go.touch()
    out, err = process.communicate(timeout=patience(60))
    assert (out, process.returncode) == ("host1 | done\n", 0), err


def test_a_host_that_was_restarted_is_come_back_to_without_a_word(sshd: Sshd, commands: Commands) -> None:
    commands("run", "host1", "--", "true")
    sshd.stop()
    sshd.start()
    done = commands("run", "-q", "host1", "--", "echo hi")
    assert (printed(done), done.stderr) == ("hi\n", "")
    assert sshd.logins() == 1


def test_a_host_that_was_set_up_anew_is_refused_as_ever(sshd: Sshd, commands: Commands) -> None:
    commands("run", "host1", "--", "true")
    sshd.stop()
    for file in (sshd.host_key, sshd.host_key.with_suffix(".pub")):
        file.unlink()
    make_key(sshd.host_key)
    sshd.start()
    document = json.loads(commands("run", "host1", "--out", "json", "--", "true", code=3).stdout)
    assert document["hosts"]["host1"]["error"]["kind"] == "host-key"


def test_a_password_is_proved_and_rides_on_nobody_elses_login(sshd: Sshd, commands: Commands) -> None:
    commands("run", "host1", "--", "true")
    document = json.loads(commands("hosts", "host1", "--show-passwords", "--out", "json").stdout)
    wrong = {**document["host1"]["vars"], "ansible_ssh_private_key_file": "/dev/null", "ansible_password": "wrong"}
    sshd.client.write_inventory({"host1": wrong})
    document = json.loads(commands("run", "host1", "--out", "json", "--", "true", code=3).stdout)
    assert document["hosts"]["host1"]["error"]["kind"] == "auth"


def test_where_there_can_be_no_keeper_connections_are_made_without_one(sshd: Sshd, commands: Commands) -> None:
    commands.place.directory.parent.mkdir(parents=True)
    commands.place.directory.write_text("in the way")
    done = commands("-v", "run", "host1", "--", "echo hi")
    assert printed(done) == "hi\n"
    assert "connections are not kept" in done.stderr
    assert "connections are not kept" not in commands("run", "host1", "--", "echo hi").stderr
    assert commands.keepers() == []


def test_without_a_terminal_nothing_is_kept_unless_it_is_asked_for(sshd: Sshd, commands: Commands) -> None:
    for setting in ("", "0"):
        commands.environ["AGENTLESS_KEEP_CONNECTIONS"] = setting
        commands("run", "host1", "--", "true")
        assert commands.keepers() == []
    commands.environ["AGENTLESS_KEEP_CONNECTIONS"] = "soon"
    assert "AGENTLESS_KEEP_CONNECTIONS" in commands("run", "host1", "--", "true", code=2).stderr
    commands.environ["AGENTLESS_KEEP_CONNECTIONS"] = ""
    commands("run", "host1", "--keep", "1m", "--", "true")
    assert len(commands.keepers()) == 1


def test_a_person_at_a_terminal_has_connections_kept(sshd: Sshd, commands: Commands) -> None:
    commands.environ["AGENTLESS_KEEP_CONNECTIONS"] = ""
    main, side = pty.openpty()
    done = subprocess.run(
        commands.client.command("run", "host1", "--", "echo hi"),
        env=commands.environ,
        stdout=subprocess.PIPE,
        stderr=side,
        text=True,
        timeout=patience(60),
    )
    os.close(side)
    os.close(main)
    assert printed(done) == "hi\n"
    assert len(commands.keepers()) == 1


def test_it_is_gone_some_time_after_the_last_use_and_leaves_nothing(sshd: Sshd, commands: Commands) -> None:
    def kept(seconds: float) -> list[int]:
        commands.environ["AGENTLESS_KEEP_CONNECTIONS"] = f"{seconds:.1f}s"
        commands("run", "host1", "--", "true")
        return commands.keepers()

    # A command may take longer to its end than its connection is kept.
    assert len(in_time(kept, len, seconds=1.0)) == 1
    until(lambda: not commands.keepers(), "it ends")
    assert list(commands.place.directory.iterdir()) == []


def test_a_warm_command_costs_one_round_trip(sshd: Sshd, commands: Commands, start_proxy: Callable[..., Proxy]) -> None:
    proxy = start_proxy("127.0.0.1", sshd.port, delay=0.3)
    tree = json.loads(commands("hosts", "host1", "--out", "json").stdout)
    sshd.client.write_inventory({"host1": {**tree["host1"]["vars"], "ansible_port": proxy.port}})
    sshd.client.trust({f"[127.0.0.1]:{proxy.port}": sshd.public_host_key})
    commands("run", "host1", "--", "true")

    def cost(*arguments: str) -> float:
        """The fewest round trips of a few tries: what a command leaves behind, and nobody waits for, adds to them."""
        fewest = 99.0
        for _ in range(8):
            until(lambda: _keeps(commands.place, lambda one: one.ready and not one.in_use), "a session stands ready")
            proxy.forget()
            commands(*arguments)
            fewest = min(fewest, proxy.round_trips)
            if fewest <= 1.5:
                break
        return fewest

    assert cost("run", "host1", "--", "true") <= 1.5
    assert proxy.connections == 0
    assert cost("run", "host1", "--env", "A=B", "--", "true") <= 2.5
    # What must not be sent twice waits for a sign of life.
    assert cost("kill-job", "last") <= 2.5


def _keeps(place: Place, so: Callable[[Held], bool]) -> bool:
    """Whether all that the keeper there holds is so; one that is busy does not tell."""
    try:
        running = held(place)
    except AgentlessError:
        return False
    return running is not None and all(map(so, running.connections))


def test_another_network_or_one_that_was_away_costs_a_connection_at_most(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(1)
    commands = Commands(nodes.client)
    node = nodes["node1"]
    try:
        commands("run", "node1", "--", "true")
        node.cut()
        node.heal()
        assert printed(commands("run", "node1", "--", "echo back")) == "back\n"
        # The laptop is given another address; packets of the old one go nowhere.
        for change in (("del", 1), ("add", 254)):
            address = f"{nodes.network}.{change[1]}/24"
            subprocess.run(["ip", "addr", change[0], address, "dev", f"al{nodes.slot}br"], check=True)
        assert printed(commands("run", "node1", "--", "echo moved")) == "moved\n"
        assert commands("signal-job", "last", "0", code=2).stdout == ""
        node.reboot()
        assert printed(commands("run", "node1", "--", "echo rebooted")) == "rebooted\n"
    finally:
        kill(commands.keepers())


@pytest.mark.parametrize("kind", ["direct", "master", "keeper"])
def test_a_job_that_is_followed_from_another_network_is_come_back_to(
    kind: str, start_nodes: Callable[..., Nodes], tmp_path: Path
) -> None:
    """The laptop wakes up elsewhere: packets of its old address go nowhere, and nobody tells."""
    need("many seconds")
    nodes = start_nodes(1)
    commands = Commands(nodes.client)
    commands.environ["AGENTLESS_KEEP_CONNECTIONS"] = "60" if kind == "keeper" else "0"
    node, home = nodes["node1"], nodes.client.home
    with ExitStack() as stack:
        if kind == "master":
            (home / ".ssh" / "config").write_text(f"Host *\n  ControlPath {home}/m\n")
            stack.enter_context(Master(home / "m", ["-F", str(nodes.client.openssh_config), "node1"]))
        process = nodes.client.start(
            *("run", "node1", "--live", "--", "echo begun; until [ -e /tmp/go ]; do sleep 0.05; done; echo done"),
            env=commands.environ,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "node1 | begun\n"
        for change in (("del", 1), ("add", 254)):
            address = f"{nodes.network}.{change[1]}/24"
            subprocess.run(["ip", "addr", change[0], address, "dev", f"al{nodes.slot}br"], check=True)
        until(
            lambda: f"Accepted publickey for root from {nodes.network}.254" in node.sshd_log, "it is back", seconds=150
        )
        node.run("touch /tmp/go")
        out, err = process.communicate(timeout=patience(60))
        assert (out, process.returncode) == ("node1 | done\n", 0), err
    kill(commands.keepers())
