"""Jobs of another user: where they start, what they see, whether they are found, and what a terminal does to them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless import Fleet, Output
from agentless.model.job_spec import Delivery, JobSpec
from agentless.model.secret import Secret
from agentless.model.states import HostResult, State
from agentless.runner.run import Run
from tests.become.conftest import PASSWORD, Host
from tests.hosts import over_every_link, until
from tests.hosts.fleet import out, problem

# Each with its password, as ada, who logs in.
METHODS: dict[str, dict[str, Any]] = {
    "sudo": {"ansible_become_method": "sudo", "ansible_become_password": PASSWORD},
    "su": {"ansible_become_method": "su", "ansible_become_password": "root's"},
    "doas": {"ansible_become_method": "doas", "ansible_become_password": PASSWORD},
}
NOPASSWD = "ada ALL=(ALL) NOPASSWD: ALL"
each_method = pytest.mark.parametrize("method", METHODS)


def started(host: Host, fleet: Fleet, command: str) -> Run:
    """A detached job that runs."""
    run = fleet.start("web1", JobSpec(command), Delivery(detach=True))
    for _ in run:
        pass
    result = run.report().results["web1"]
    assert result.state is State.RUNNING, result
    run.close()
    return run


def processes(host: Host, command: str) -> list[str]:
    """The processes of the node whose command line ends so, as `USER PID`."""
    listed = host.node.run(f"ps -eo user:20,pid,args | grep -- '{command}$' | grep -v grep", check=False).stdout
    return [" ".join(line.split()[:2]) for line in listed.splitlines()]


# --- where it starts ---
def test_a_job_starts_where_the_method_leaves_it(host: Host) -> None:
    assert out(host.run("pwd", ansible_become_password=PASSWORD)) == "/home/ada\n"


def test_a_user_who_may_not_enter_the_login_users_home_starts_at_home(host: Host) -> None:
    assert out(host.run("pwd; ls", ansible_become_user="bob", ansible_become_password=PASSWORD)) == "/home/bob\n"
    host.node.run("mv /home/bob /home/gone")
    try:
        result = host.run("pwd", ansible_become_user="bob", ansible_become_password=PASSWORD)
    finally:
        host.node.run("mv /home/gone /home/bob")
    assert out(result) == "/\n"


def test_nothing_of_ours_lies_in_the_login_users_home(host: Host) -> None:
    host.node.run("rm -rf /home/ada/.cache /home/ada/.local")
    for method in METHODS.values():
        out(host.run(**method))
    out(host.run(ansible_become_user="www", ansible_become_password=PASSWORD))
    assert not [*host.node.path("/home/ada").glob(".[cl]*")]
    assert not list(host.node.path("/tmp").iterdir())


def test_records_lie_with_the_user_whom_the_job_runs_as(host: Host) -> None:
    host.node.run("rm -rf /home/*/.local /home/*/.cache /var/lib/agentless")
    out(host.run(ansible_become_user="bob", ansible_become_password=PASSWORD))
    state = host.node.path("/home/bob/.local/state/agentless")
    assert state.stat().st_uid == host.node.path("/home/bob").stat().st_uid
    assert len(list(state.glob("node1/jobs/*/return.json"))) == 1
    out(host.run(ansible_become_password=PASSWORD))
    assert len(list(host.node.path("/var/lib/agentless").glob("node1/jobs/*/return.json"))) == 1


def test_a_user_without_a_home_keeps_records_under_var_tmp(host: Host) -> None:
    user: dict[str, Any] = {"ansible_become_user": "nobody", "ansible_become_password": PASSWORD}
    with host.fleet(ansible_become=True, **user) as fleet:
        assert out(fleet.run("web1", "id -un").results["web1"]) == "nobody\n"
        assert fleet.ping().hosts["web1"].helper.state_dir.startswith("/var/tmp/agentless-")


# --- what it sees ---
@pytest.mark.parametrize("defaults", ["use_pty", "!use_pty", "requiretty", "!env_reset"])
def test_the_environment_is_what_sudo_gives(host: Host, defaults: str) -> None:
    host.sudoers(NOPASSWD, f"Defaults {defaults}", "Defaults env_keep += FROM_ADA")
    host.start_file("export FROM_ADA=1 NOT_KEPT=1\n")
    terminal = ["-tt"] if defaults == "requiretty" else []
    line = "sudo -H -u bob /bin/sh -c env"
    if terminal:
        line = "unset SSH_TTY TERM; " + line
    plain = host.nodes.client.ssh(*terminal, "node1", line)
    assert plain.returncode == 0, plain
    expected = dict(line.split("=", 1) for line in plain.stdout.replace("\r", "").splitlines())
    seen = dict(line.split("=", 1) for line in out(host.run("env", ansible_become_user="bob")).splitlines())
    assert seen.pop("AGENTLESS_JID").isdigit()
    assert seen.pop("AGENTLESS_HOST") == "web1"
    assert seen.pop("SUDO_COMMAND") == "/bin/sh"
    assert expected.pop("SUDO_COMMAND")
    for connection in ("SSH_CLIENT", "SSH_CONNECTION"):
        assert (seen.pop(connection, None) is None) == (expected.pop(connection, None) is None)
    # Each starts where its user may be; bash, which we replace, tells its child its own path.
    for name in ("PWD", "OLDPWD", "_"):
        expected.pop(name, None)
        seen.pop(name, None)
    assert seen == expected


@each_method
def test_the_environment_knows_of_no_terminal(host: Host, method: str) -> None:
    names = {line.partition("=")[0] for line in out(host.run("env; tty || true", **METHODS[method])).splitlines()}
    assert "not a tty" in names
    assert "SSH_TTY" not in names


def test_environment_stdin_and_scripts_reach_the_other_user(host: Host, tmp_path: Path) -> None:
    script = tmp_path / "job"
    script.write_text("#!/bin/sh\necho $(id -un) $1 $GIVEN; cat\n")
    options = {"script": script, "env": {"GIVEN": "value"}, "stdin": b"typed\n"}
    for method in METHODS.values():
        assert out(host.run("one", job=options, **method)) == "root one value\ntyped\n"


# --- what a terminal must not do to it ---
@over_every_link
@each_method
@pytest.mark.parametrize("live", [True, False])
def test_a_terminal_harms_no_output(host: Host, method: str, live: bool) -> None:
    """All 256 bytes, five megabytes: no CR is added, nothing echoes, no control character acts."""
    if method == "sudo":
        host.sudoers("ada ALL=(ALL) ALL", "Defaults requiretty")
    make = (
        "import os, sys; data = bytes(range(256)) * 20480; sys.stdout.buffer.write(data); os.write(2, b'\\n\\x04\\x03')"
    )
    result = host.run(f'/usr/bin/python3 -c "{make}"', job={"live": live}, **METHODS[method])
    assert result.ret is not None, result
    assert result.ret.stdout == bytes(range(256)) * 20480
    assert result.ret.stderr == b"\n\x04\x03"


@over_every_link
@each_method
def test_a_terminal_harms_no_input(host: Host, method: str) -> None:
    """A megabyte of all bytes, among them those that mean end, interrupt and stop to a terminal."""
    if method == "sudo":
        host.sudoers("ada ALL=(ALL) ALL", "Defaults requiretty")
    data = bytes(range(256)) * 4096 + os.urandom(1 << 16)
    result = host.run("sha256sum", job={"stdin": data}, **METHODS[method])
    assert out(result).split()[0] == hashlib.sha256(data).hexdigest()
    assert result.ret is not None
    assert result.ret.stderr == b""


@over_every_link
@each_method
def test_live_output_comes_as_it_grows(host: Host, method: str) -> None:
    with host.fleet(ansible_become=True, **METHODS[method]) as fleet:
        with fleet.start("web1", JobSpec("echo first; while [ ! -e /run/go ]; do sleep 0.02; done; echo last")) as run:
            heard = b""
            for event in run:
                if isinstance(event, Output):
                    heard += event.data
                    if heard == b"first\n":
                        host.node.write("/run/go", "")
            host.node.run("rm -f /run/go")
        assert heard == b"first\nlast\n"
        assert out(run.report().results["web1"]) == "first\nlast\n"


# --- that it goes on ---
@each_method
def test_a_detached_job_outlives_its_method(host: Host, method: str) -> None:
    """sudo's use_pty (Debian's default) and doas' and su's terminal go with the call; the job stays."""
    with host.fleet(ansible_become=True, **METHODS[method]) as fleet:
        run = started(host, fleet, "until [ -e /run/go ]; do sleep 0.02; done; echo went on")
        until(lambda: not processes(host, f"{method} .*") or None, f"{method} has ended")
        host.node.write("/run/go", "")
        with fleet.wait(run.job.jid) as waiting:
            list(waiting)
        host.node.run("rm -f /run/go")
        assert out(fleet.lookup(run.job.jid).results["web1"]) == "went on\n"


@over_every_link
@each_method
def test_a_job_outlives_a_broken_connection(host: Host, method: str) -> None:
    with host.fleet(ansible_become=True, **METHODS[method]) as fleet:
        with fleet.start("web1", JobSpec("echo on; until [ -e /run/go ]; do sleep 0.02; done; echo went on")) as run:
            next(event for event in run if isinstance(event, Output))
            assert host.node.kill_sshd_sessions()
            until(lambda: not processes(host, f"{method} .*") or None, f"{method} has ended")
            host.node.write("/run/go", "")
            list(run)
        host.node.run("rm -f /run/go")
        assert out(run.report().results["web1"]) == "on\nwent on\n"


# --- that it is found ---
@pytest.mark.parametrize("become_user", ["root", "bob"])
def test_jobs_of_both_users_are_found_and_killed(host: Host, become_user: str) -> None:
    host.sudoers(NOPASSWD)
    with host.fleet() as plain:
        own = started(host, plain, "sleep 7001").job.jid
    with host.fleet(options={"become": True, "become_user": become_user}) as fleet:
        other = started(host, fleet, "sleep 7002 & sleep 7003").job.jid
        listed = {process.jid for process in fleet.running().hosts["web1"]}
        assert {own, other} <= listed
        assert {own, other} <= set(fleet.active().jobs)
        for jid, left in ((own, "sleep 7001"), (other, "sleep 700[23]")):
            found = fleet.find_job(jid).hosts["web1"]
            assert found is not None
            killed = fleet.kill_job(jid).hosts["web1"]
            assert found.pid in killed.delivered
            assert killed.survivors == ()
            assert killed.message == f"Signal 9 sent to job {jid} at pid {found.pid}"
            assert processes(host, left) == []
            result = fleet.lookup(jid).results["web1"]
            assert result.ret is not None
            assert result.ret.ended_by.startswith("signal-job:")


def test_two_names_of_a_host_for_two_users_have_each_its_own_job(host: Host) -> None:
    """One job has one JID on both, and with the login user lies the other's record: it says nothing of this one."""
    host.sudoers(NOPASSWD)
    way = {"ansible_host": host.node.address, "ansible_user": "ada"}
    hosts = {"web1": way, "web1-root": {**way, "ansible_become": True}}
    with host.fleet() as fleet:
        host.inventory.write_text(yaml.safe_dump({"all": {"hosts": hosts}}))
        run = fleet.start("all", JobSpec("exec sleep 7005"), Delivery(detach=True))
        list(run)
        jid = run.job.jid
        pids = {name: result.pid for name, result in run.report().results.items()}
        run.close()
        # Each contact brings home what is waited for, also from the login user.
        fleet.ping()
        assert {name: result.state for name, result in fleet.lookup(jid).results.items()} == dict.fromkeys(
            pids, State.RUNNING
        )
        found = fleet.find_job(jid).hosts
        assert {name: process and process.pid for name, process in found.items()} == pids
        assert fleet.kill_job(jid, "web1-root").hosts["web1-root"].delivered == (pids["web1-root"],)
        [left] = processes(host, "sleep 7005")
        assert left.startswith("ada ")
        assert fleet.find_job(jid, "web1-root").hosts["web1-root"] is None
        assert fleet.kill_job(jid).hosts["web1"].delivered == (pids["web1"],)
        assert processes(host, "sleep 7005") == []
        ends = {name: result.ret and result.ret.signal for name, result in fleet.lookup(jid).results.items()}
        assert ends == dict.fromkeys(pids, 9)


def test_a_job_is_waited_for_as_the_user_it_was_sent_as_and_a_missing_password_is_told_at_once(host: Host) -> None:
    with host.fleet(options={"become": True, "become_user": "bob", "become_password": Secret(PASSWORD)}) as fleet:
        jid = started(host, fleet, "until [ -e /run/go ]; do sleep 0.02; done; id -un").job.jid
    host.node.run("rm -rf /run/sudo")
    with host.fleet() as fleet:
        with fleet.wait(jid) as waiting:
            list(waiting)
        result = waiting.report().results["web1"]
        assert result.state is State.UNREACHABLE
        assert result.problem is not None
        assert result.problem.message == "sudo asks for a password to become bob"
    with host.fleet(options={"become_password": Secret(PASSWORD)}) as fleet:
        host.node.write("/run/go", "")
        with fleet.wait(jid) as waiting:
            list(waiting)
        host.node.run("rm -f /run/go")
        assert out(fleet.lookup(jid).results["web1"]) == "bob\n"


def test_a_job_sent_without_become_is_not_lost_when_asked_about_with_it(host: Host) -> None:
    host.sudoers(NOPASSWD)
    with host.fleet() as plain:
        jid = started(host, plain, "until [ -e /run/go ]; do sleep 0.02; done; id -un").job.jid
    with host.fleet(options={"become": True}) as fleet:
        assert fleet.lookup(jid).results["web1"].state is State.RUNNING
        host.node.write("/run/go", "")
        until(lambda: fleet.lookup(jid).results["web1"].state is State.RETURNED, "it returned")
        host.node.run("rm -f /run/go")
        assert out(fleet.lookup(jid).results["web1"]) == "ada\n"


@pytest.mark.parametrize("verb", ["wait", "lookup"])
def test_a_job_is_not_lost_where_the_inventory_names_another_user_by_now(host: Host, verb: str) -> None:
    """Who denies it is not the one to whom it was sent."""
    host.sudoers(NOPASSWD)

    def ask(fleet: Fleet) -> HostResult:
        if verb == "lookup":
            return fleet.lookup(jid).results["web1"]
        with fleet.wait(jid) as waiting:
            list(waiting)
        return waiting.report().results["web1"]

    try:
        with host.fleet() as fleet:
            jid = started(host, fleet, "until [ -e /run/go ]; do sleep 0.02; done; id -un").job.jid
        for user, state_dir in (("bob", None), ("ada", "/var/tmp/elsewhere")):
            with host.fleet(user, agentless_state_dir=state_dir) as fleet:
                assert problem(ask(fleet), "no-record")[0].startswith("the job was sent to ada@")
        host.node.write("/run/go", "")
        with host.fleet(ansible_become=True) as fleet:
            until(lambda: ask(fleet).state is State.RETURNED, "it returned")
            assert out(fleet.lookup(jid).results["web1"]) == "ada\n"
    finally:
        host.node.run("rm -rf /run/go /var/tmp/elsewhere")


def test_without_become_another_users_job_is_not_seen_but_that_there_is_one(host: Host) -> None:
    host.sudoers(NOPASSWD)
    with host.fleet(ansible_become=True, ansible_become_user="bob") as fleet:
        jid = started(host, fleet, "sleep 7004").job.jid
        with host.fleet() as plain:
            seen = plain.running()
            assert jid not in {process.jid for process in seen.hosts["web1"]}
            assert seen.others == plain.active().others == {"web1": ("bob",)}
        assert fleet.running().others == {}
        assert fleet.kill_job(jid).hosts["web1"].delivered


@pytest.mark.parametrize("defaults", ["use_pty", "!use_pty"])
def test_a_job_that_uses_sudo_itself_is_killed_with_its_root_child(host: Host, defaults: str) -> None:
    host.sudoers(NOPASSWD, f"Defaults {defaults}")
    with host.fleet() as fleet:
        jid = started(host, fleet, "sleep 7005 & sudo sleep 7006; echo not reached").job.jid
        until(lambda: processes(host, "sleep 7006") and any("root" in p for p in processes(host, "sleep 7006")), "sudo")
        killed = fleet.kill_job(jid).hosts["web1"]
        alive = processes(host, "sleep 700[56]")
        assert alive == [] or [survivor.pid for survivor in killed.survivors]
        assert alive == []
        assert killed.survivors == ()


def test_a_child_of_sudo_that_ignores_term_is_reported(host: Host) -> None:
    """Only root could kill it, and sudo is told to by TERM alone."""
    host.sudoers(NOPASSWD)
    with host.fleet() as fleet:
        jid = started(host, fleet, "sudo sh -c 'trap \"\" TERM HUP INT; while :; do sleep 7007; done'").job.jid
        until(lambda: processes(host, "sleep 7007"), "the child runs")
        killed = fleet.kill_job(jid).hosts["web1"]
        alive = processes(host, "sleep 7007")
        host.node.run("pkill -KILL -f 'trap.*sleep 700[7]'; pkill -KILL -f 'sleep 700[7]'", check=False)
        assert bool(alive) == bool(killed.survivors)
        assert all(survivor.user == "root" for survivor in killed.survivors)
