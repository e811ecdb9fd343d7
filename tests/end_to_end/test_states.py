"""Each host of a job is in exactly one state, and the state is true: reboots, cuts, other controllers, real kills."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.hosts import Client, Nodes, Sshd, User, in_time, over_every_link, patience, soon, until
from tests.hosts.client import printed

BOMB = "f() { f & f & wait; }; while :; do f; done"
STATES = ("pending", "running", "returned", "lost", "unreachable", "not-started")


def ask(client: Client, *arguments: str) -> dict[str, Any]:
    done = client.agentless(*arguments, "--out", "json")
    document: dict[str, Any] = json.loads(done.stdout)
    if "summary" in document:
        assert document["exit_code"] == done.returncode, done.stderr
        assert sum(document["summary"][state] for state in STATES) == len(document["hosts"])
    return document


@over_every_link
def test_a_reboot_and_a_cut_are_told_apart(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(3)
    command = "echo up; until [ -e /tmp/go ]; do sleep 0.1; done; echo end"
    jid = nodes.client.agentless("run", "all", "--detach", "--", command).stdout.strip()
    nodes["node1"].reboot()
    nodes["node2"].cut()
    found = ask(nodes.client, "jobs", "lookup", jid, "--connect-timeout", soon())
    states = {name: host["state"] for name, host in found["hosts"].items()}
    assert states["node1"] == "lost"
    assert found["hosts"]["node1"]["error"]["kind"] == "reboot"
    assert states["node2"] == "unreachable"
    assert found["hosts"]["node2"]["pid"], "what was last known stays"
    assert states["node3"] == "running"
    active = nodes.client.agentless("jobs", "active", "--connect-timeout", soon(), "--out", "json")
    assert active.returncode == 3
    assert "node2" in active.stderr
    assert json.loads(active.stdout)[jid]["unreachable"] == ["node2"]
    nodes["node2"].heal()
    for name in ("node2", "node3"):
        nodes[name].path("/tmp/go").touch()
    waited = ask(nodes.client, "jobs", "wait", jid)
    assert {name: host["state"] for name, host in waited["hosts"].items()} == {
        "node1": "lost",
        "node2": "returned",
        "node3": "returned",
    }
    assert waited["hosts"]["node2"]["stdout"] == "up\nend\n"
    assert waited["exit_code"] == 3


def test_a_job_that_was_cut_off_has_failed_for_every_verb_whatever_its_handler_says(
    start_nodes: Callable[..., Nodes],
) -> None:
    client = start_nodes(1).client
    command = "trap 'exit 0' TERM; while :; do sleep 0.05; done"

    def cut_off(seconds: float) -> subprocess.CompletedProcess[str]:
        return client.agentless("run", "node1", "--timeout", f"{seconds}", "--out", "json", "--", command)

    # The handler has a tenth of a second before SIGKILL.
    done = in_time(cut_off, lambda done: json.loads(done.stdout)["hosts"]["node1"]["retcode"] == 0, seconds=0.3)
    document = json.loads(done.stdout)
    host = document["hosts"]["node1"]
    assert (host["retcode"], host["ended_by"], done.returncode) == (0, "timeout", 1)
    assert document["summary"]["failed"] == 1
    jid = document["jid"]
    junit = client.agentless("jobs", "lookup", jid, "--out", "junit")
    assert (junit.returncode, 'failures="1"' in junit.stdout) == (1, True)
    assert json.loads(client.agentless("jobs", "list", "--out", "json").stdout)[jid]["summary"]["failed"] == 1
    assert client.agentless("jobs", "exit-success", jid).returncode == 1
    again = client.agentless("run", "all", "--limit", f"@failed:{jid}", "--check", "--", "true")
    assert "node1" in again.stdout
    detached = client.agentless("run", "node1", "--detach", "--", command).stdout.strip()
    assert client.agentless("term-job", detached).returncode == 0
    ended = ask(client, "jobs", "wait", detached)
    assert (ended["hosts"]["node1"]["ended_by"][:10], ended["exit_code"]) == ("signal-job", 1)


def test_what_a_lost_job_wrote_is_shown_by_the_run_and_ever_after(start_nodes: Callable[..., Nodes]) -> None:
    client = start_nodes(1).client
    command = "echo one; echo err >&2; sleep 0.5; kill -9 $PPID; sleep 0.5; echo still"
    ran = json.loads(client.agentless("run", "node1", "--out", "json", "--", command).stdout)
    lost = ran["hosts"]["node1"]
    assert (lost["state"], lost["error"]["kind"], lost["retcode"]) == ("lost", "killed", None)
    assert (lost["stdout"], lost["stderr"], lost["stdout_truncated"]) == ("one\nstill\n", "err\n", 0)
    assert ask(client, "jobs", "lookup", ran["jid"]) == ran
    for verb in ("lookup", "wait", "tail"):
        said = client.agentless("jobs", verb, ran["jid"], "--out", "text")
        alone = verb == "tail"
        assert (said.stdout if alone else printed(said)).startswith("one\nstill\n"), verb
        assert "err\n" in (said.stderr if alone else said.stdout)
        assert said.returncode == 3
    # As somebody else sees it, who asks the host.
    elsewhere = {**client.environ, "XDG_CACHE_HOME": str(client.home / "elsewhere")}
    found = json.loads(client.agentless("jobs", "lookup", ran["jid"], "--out", "json", env=elsewhere).stdout)
    assert {**found["hosts"]["node1"], "pid": None, "started": None} == {**lost, "pid": None, "started": None}
    assert client.agentless("jobs", "tail", ran["jid"], env=elsewhere).stdout == "one\nstill\n"


def test_a_host_that_only_ansible_reaches_is_told_and_the_others_are_served(tmp_path: Path) -> None:
    client = Client(tmp_path / "home")
    here = {"ansible_connection": "local", "agentless_state_dir": str(tmp_path / "state")}
    windows = {"ansible_connection": "winrm", "ansible_become_method": "runas", "ansible_password": "{{ a | b }}"}
    client.write_inventory({"here": here, "windows1": windows})
    ran = json.loads(client.agentless("run", "all", "--out", "json", "--", "echo hi").stdout)
    assert ran["exit_code"] == 3
    assert ran["hosts"]["here"]["stdout"] == "hi\n"
    told = ran["hosts"]["windows1"]
    assert (told["state"], told["error"]["kind"]) == ("not-started", "inventory")
    assert "ansible_connection 'winrm' of windows1 is not supported" in told["error"]["message"]
    assert "all:!windows1" in told["error"]["hint"]
    assert ask(client, "jobs", "wait", ran["jid"])["hosts"] == ran["hosts"]
    assert ask(client, "running") == {"here": [], "windows1": {"error": told["error"]}}
    assert "windows1  (not supported)" in client.agentless("hosts").stdout


def test_any_contact_brings_home_what_is_waited_for(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(2)
    jid = nodes.client.agentless("run", "all", "--detach", "--", "echo home").stdout.strip()

    def brought() -> list[str]:
        """What is here of its output after a contact; `jobs show` asks nobody."""
        ask(nodes.client, "running")
        return [host["stdout"] for host in ask(nodes.client, "jobs", "show", jid)["hosts"].values()]

    until(lambda: brought() == ["home\n", "home\n"], "it has come home")


def test_another_controller_with_only_the_jid_finds_follows_and_kills(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(3)
    command = "echo up; trap '' TERM; setsid sleep 500 & sleep 501"
    jid = nodes.client.agentless(
        "run", "node1,node3", "--detach", "--metadata", "why=test", "--", command
    ).stdout.strip()
    environ = {**nodes.client.environ, "XDG_CACHE_HOME": str(nodes.client.home / "other")}

    def other(*arguments: str) -> Any:
        return nodes.client.agentless(*arguments, env=environ)

    assert json.loads(other("jobs", "list", "--out", "json").stdout) == {}
    found = json.loads(other("find-job", jid, "--out", "json").stdout)
    assert [bool(found[name]) for name in ("node1", "node2", "node3")] == [True, False, True]

    def asleep() -> list[int]:
        return [sum(name == "sleep" for _, name in node.processes()) for node in nodes]

    until(lambda: asleep() == [2, 0, 2], "the trees stand")
    assert other("jobs", "tail", jid, "node1").stdout == "up\n"
    looked = json.loads(other("jobs", "lookup", jid, "--out", "json").stdout)
    assert list(looked["hosts"]) == ["node1", "node3"]
    assert (looked["arguments"], looked["target"], looked["metadata"]) == ([command], "node1,node3", {"why": "test"})
    killed = json.loads(other("kill-job", jid, "--out", "json").stdout)
    assert all(len(host["delivered"]) >= 3 and not host["survivors"] for host in killed["hosts"].values())
    assert asleep() == [0, 0, 0]
    ended = ask(nodes.client, "jobs", "lookup", jid)["hosts"]["node1"]
    assert (ended["signal"], ended["stdout"], ended["left_running"]) == (9, "up\n", 0)
    assert ended["ended_by"].startswith("signal-job:")


def test_a_jid_that_everybody_denies_is_a_usage_error(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(2)
    jid = "20200101000000000000"
    assert nodes.client.agentless("jobs", "lookup", jid).returncode == 2
    assert nodes.client.agentless("find-job", jid).returncode == 1
    assert nodes.client.agentless("kill-job", jid).returncode == 2
    nodes["node2"].cut()
    done = nodes.client.agentless("jobs", "lookup", jid, "--connect-timeout", soon(), "--out", "json")
    assert done.returncode == 3
    assert list(json.loads(done.stdout)["unknown_hosts"]) == ["node2"]
    assert nodes.client.agentless("find-job", jid, "--connect-timeout", soon()).returncode == 3


def test_hosts_that_cannot_be_asked_about_a_foreign_job_stay_in_its_report(start_nodes: Callable[..., Nodes]) -> None:
    """A pipeline's `jobs wait JID && deploy` must not deploy because a host that has the job is down."""
    nodes = start_nodes(2)
    client = nodes.client
    jid = client.agentless("run", "all", "--detach", "--", "echo ended; exit 3").stdout.strip()
    sent = client.agentless("run", "node2", "--detach", "--", "sleep 6; echo late")
    # The JID is said also where the host did not take the job.
    assert sent.returncode == 0, sent.stderr
    second = sent.stdout.strip()
    until(lambda: all(one["jid"] != jid for some in ask(client, "running").values() for one in some), "it has ended")
    environ = {**client.environ, "XDG_CACHE_HOME": str(client.home / "other")}
    nodes["node2"].cut()

    def other(*arguments: str) -> tuple[dict[str, Any], int]:
        done = client.agentless(*arguments, "--connect-timeout", soon(), "--out", "json", env=environ)
        return json.loads(done.stdout), done.returncode

    assert other("jobs", "lookup", jid)[1] == 3
    for words in (("jobs", "wait", jid, "--wait", soon()), ("jobs", "tail", jid)):
        told, code = other(*words)
        assert list(told["unknown_hosts"]) == ["node2"]
        assert (list(told["hosts"]), told["exit_code"], code) == (["node1"], 3, 3)
        assert told["hosts"]["node1"]["stdout"] == "ended\n"
    told, code = other("jobs", "tail", jid, "node2")
    assert (told["hosts"], list(told["unknown_hosts"]), code) == ({}, ["node2"], 3)
    told, code = other("jobs", "tail", jid, "node1")
    assert (list(told["hosts"]), "unknown_hosts" in told, code) == (["node1"], False, 1)
    for verb, *rest in (["lookup"], ["wait", "--wait", soon()], ["tail"]):
        told, code = other("jobs", verb, "20200101000000000000", *rest)
        head = [told[key] for key in ("function", "arguments", "target", "user", "metadata")]
        assert (head, list(told["unknown_hosts"])) == ([None] * 5, ["node2"])
        assert (told["exit_code"], code) == (3, 3), verb

    def wait(jid: str) -> subprocess.Popen[str]:
        bounds = ("--connect-timeout", soon(), "--wait", f"{patience(30):.0f}")
        command = client.command("jobs", "wait", jid, *bounds, "--out", "json", "-v")
        pipe = subprocess.PIPE
        return subprocess.Popen(command, env=environ, cwd=client.home, stdout=pipe, stderr=pipe, text=True)

    waits = [wait(jid), wait(second), wait("20200101000000000001")]
    time.sleep(3)
    assert [one.poll() for one in waits] == [None] * 3
    nodes["node2"].heal()
    (first, _), (late, late_errors), (nothing, errors) = [one.communicate(timeout=patience(100)) for one in waits]
    both = json.loads(first)
    assert (list(both["hosts"]), both["summary"]["failed"], "unknown_hosts" in both) == (["node1", "node2"], 2, False)
    assert late, (late_errors, waits[1].returncode)
    found = json.loads(late)
    assert (list(found["hosts"]), found["hosts"]["node2"]["stdout"]) == (["node2"], "late\n")
    assert (found["target"], found["function"]) == ("node2", "cmd.run")
    assert (nothing, "no host has a record" in errors) == ("", True)
    assert [one.returncode for one in waits] == [1, 0, 2]


@over_every_link
def test_nothing_is_left_after_kill_job(start_nodes: Callable[..., Nodes]) -> None:
    """A daemon, a session of its own, one that ignores TERM, and one that forks as fast as it can."""
    nodes = start_nodes(1, users=[User("ada")], login="ada")
    commands = {
        "daemon": "(setsid sleep 601 >/dev/null 2>&1 &) & sleep 602",
        "deaf": "trap '' TERM HUP INT; while :; do sleep 1; done",
        "bomb": f"exec prlimit --nproc=150:150 bash -c {shlex.quote(BOMB)}",
    }
    for name, command in commands.items():
        jid = nodes.client.agentless("run", "node1", "--detach", "--", command).stdout.strip()
        before = nodes["node1"].processes()
        killed = ask(nodes.client, "kill-job", jid)["hosts"]["node1"]
        assert killed["survivors"] == [], name
        left = [one for one in nodes["node1"].processes() if "sleep" in one[1] or "f()" in one[1] or jid in one[1]]
        assert left == [], (name, before)
        ended = ask(nodes.client, "jobs", "lookup", jid)["hosts"]["node1"]
        assert ended["ended_by"].startswith("signal-job:"), name


@over_every_link
def test_term_job_leaves_the_job_its_clean_up(sshd: Sshd) -> None:
    command = f"trap 'echo bye; exit 5' TERM; touch {sshd.directory}/up-$AGENTLESS_HOST; sleep 100 & wait"
    jid = sshd.client.agentless("run", "all", "--detach", "--", command).stdout
    until(lambda: len(list(sshd.directory.glob("up-*"))) == 3, "their traps are set")
    assert sshd.client.agentless("term-job", jid.strip()).returncode == 0
    waited = ask(sshd.client, "jobs", "wait", jid.strip())
    assert {(host["retcode"], host["stdout"]) for host in waited["hosts"].values()} == {(5, "bye\n")}
    assert all(host["ended_by"].startswith("signal-job:") for host in waited["hosts"].values())


@over_every_link
def test_a_signal_to_a_job_that_has_ended_says_so(sshd: Sshd) -> None:
    assert sshd.client.agentless("run", "all", "--", "true").returncode == 0
    done = sshd.client.agentless("signal-job", "last", "USR1", "--out", "json")
    assert done.returncode == 0
    for host in json.loads(done.stdout)["hosts"].values():
        assert host["delivered"] == []
        assert "not running" in host["message"]


def start(sshd: Sshd, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        sshd.client.command("run", "all", "--out", "json", *arguments),
        env=sshd.client.environ,
        cwd=sshd.client.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def runs_on_host1(sshd: Sshd) -> bool:
    listed = ask(sshd.client, "jobs", "list", "--state", "running")
    return any(job["summary"]["running"] == 1 for job in listed.values())


def test_a_job_that_is_killed_goes_to_no_later_batch(sshd: Sshd) -> None:
    """Salt's batch is the same: who kills a roll-out believes that it is over."""
    run = start(sshd, "--batch", "1", "--", "echo a; exec sleep 600")
    until(lambda: runs_on_host1(sshd), "the first batch runs")
    logins = sshd.logins()
    killed = ask(sshd.client, "kill-job", "last")
    assert killed["hosts"]["host1"]["delivered"]
    for name in ("host2", "host3"):
        assert killed["hosts"][name]["delivered"] == []
        assert "is not sent any more" in killed["hosts"][name]["message"]
    output, errors = run.communicate(timeout=patience(60))
    document = json.loads(output)
    assert document["hosts"]["host1"]["signal"] == 9, errors
    for name in ("host2", "host3"):
        assert document["hosts"][name]["state"] == "not-started"
        assert document["hosts"][name]["error"]["kind"] == "signalled"
        assert "signal 9 to the job by " in document["hosts"][name]["error"]["message"]
        assert not list(sshd.state_dir(name).glob("*/jobs/*/job.json"))
    assert run.returncode == 3
    assert sshd.logins() - logins <= 2, "the killing, and one look of the run"
    assert ask(sshd.client, "jobs", "lookup", "last") == document
    again = ask(sshd.client, "kill-job", "last")["hosts"]
    assert "never started" in again["host2"]["message"]


def test_who_waits_for_a_job_waits_for_its_later_batches_too(sshd: Sshd) -> None:
    go = sshd.directory / "go"
    run = start(sshd, "--batch", "1", "--", f"until [ -e {go} ]; do sleep 0.1; done; echo $AGENTLESS_JID")
    until(lambda: runs_on_host1(sshd), "the first batch runs")
    logins = sshd.logins()
    wait = sshd.client.start("jobs", "wait", "last", "--out", "json")
    until(lambda: sshd.logins() > logins, "it waits")
    go.touch()
    waited = json.loads(wait.communicate(timeout=patience(60))[0])
    assert {name: host["state"] for name, host in waited["hosts"].items()} == dict.fromkeys(sshd.names, "returned")
    output, _ = run.communicate(timeout=patience(60))
    assert waited == json.loads(output)


def test_a_signal_that_does_not_end_leaves_later_batches_alone(sshd: Sshd) -> None:
    go = sshd.directory / "go"
    run = start(sshd, "--batch", "1", "--", f"until [ -e {go} ]; do sleep 0.1; done")
    until(lambda: runs_on_host1(sshd), "the first batch runs")
    sent = ask(sshd.client, "signal-job", "last", "WINCH")["hosts"]
    assert sent["host1"]["delivered"]
    for name in ("host2", "host3"):
        assert (sent[name]["delivered"], "is pending" in sent[name]["message"]) == ([], True)
    go.touch()
    output, errors = run.communicate(timeout=patience(60))
    assert json.loads(output)["summary"]["returned"] == 3, errors


def test_active_shows_jobs_that_were_sent_as_other_users(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(2, users=[User("ada"), User("bob")])
    client, node = nodes.client, nodes["node1"]
    client.write_inventory({name: {"ansible_host": nodes[name].address} for name in ("node1", "node2")})
    sent = {}
    for words in (("-u", "ada"), ("-u", "root", "-b", "--become-user", "bob"), ("-u", "root")):
        done = client.agentless("run", "all", "--detach", *words, "--", "sleep 600")
        sent[words] = done.stdout.strip()
    short = client.agentless("run", "node1", "--detach", "-u", "ada", "--", "sleep 1").stdout.strip()
    proc = node.path(f"/home/ada/.local/state/agentless/node1/proc/{short}")
    until(lambda: not proc.exists(), "the short one has returned")
    for options in ([], ["-u", "bob"], ["-b"]):
        active = ask(client, "jobs", "active", *options)
        assert set(active) == set(sent.values()), options
        for job in active.values():
            assert [one["host"] for one in job["running"]] == ["node1", "node2"]
            assert all(one["pid"] for one in job["running"])
    assert ask(client, "jobs", "show", short)["summary"]["returned"] == 1
    for jid in sent.values():
        assert client.agentless("kill-job", jid).returncode == 0
    assert ask(client, "jobs", "active") == {}


def test_of_two_names_of_one_host_only_that_which_has_the_job_runs_it(start_sshd: Callable[..., Sshd]) -> None:
    sshd = start_sshd(2)
    both = {name: found["vars"] for name, found in ask(sshd.client, "hosts").items()}
    both["host2"]["agentless_state_dir"] = both["host1"]["agentless_state_dir"]
    sshd.client.write_inventory(both)
    sshd.client.agentless("run", "host1,host2", "--detach", "--", "sleep 600")
    accepted = ask(sshd.client, "jobs", "show", "last")
    states = {host["state"]: name for name, host in accepted["hosts"].items()}
    mine, other = states["running"], states["not-started"]
    active = ask(sshd.client, "jobs", "active")[accepted["jid"]]
    assert [one["host"] for one in active["running"]] == [mine]
    found = ask(sshd.client, "find-job", "last")
    assert found[mine]["pid"]
    assert found[other] == {}
    killed = ask(sshd.client, "kill-job", "last", other)["hosts"][other]
    assert (killed["delivered"], "never started" in killed["message"]) == ([], True)
    assert ask(sshd.client, "kill-job", "last")["hosts"][mine]["delivered"]


def test_hosts_whose_addresses_were_exchanged_answer_for_nothing_that_the_other_has(
    start_sshd: Callable[..., Sshd],
) -> None:
    """The other machine denies the job, which may run on where it was sent; its own part of the job is another's."""
    sshd = start_sshd(2)
    client, here = sshd.client, {name: found["vars"] for name, found in ask(sshd.client, "hosts").items()}
    jid = client.agentless("run", "all", "--detach", "--", "echo $AGENTLESS_HOST; sleep 600").stdout.strip()
    client.write_inventory({"host1": here["host2"], "host2": here["host1"]})
    tailed = client.agentless("jobs", "tail", jid)
    assert (tailed.returncode, tailed.stdout) == (3, "")
    for verb in (["lookup"], ["wait", "--wait", soon()], ["tail"], ["lookup"]):
        job = ask(client, "jobs", *verb, jid) if verb != ["tail"] else ask(client, "jobs", "show", jid)
        for host in job["hosts"].values():
            assert (host["state"], host["error"]["kind"]) == ("unreachable", "no-record")
            assert "the job was sent to " in host["error"]["message"]
    for acts in ("kill-job", "find-job"):
        asked = client.agentless(acts, jid)
        assert asked.returncode == 3, asked.stderr
        assert "the job was sent to " in asked.stdout + asked.stderr
    listed = client.agentless("jobs", "active", "--out", "json")
    assert listed.returncode == 3
    assert json.loads(listed.stdout)[jid]["unreachable"] == ["host1", "host2"]
    assert json.loads(listed.stdout)[jid]["running"] == []
    client.write_inventory(here)
    assert ask(client, "jobs", "lookup", jid)["summary"]["running"] == 2
    killed = ask(client, "kill-job", jid)["hosts"]
    assert all(host["delivered"] for host in killed.values())


def test_jobs_are_listed_and_filtered_without_contacting_anybody(sshd: Sshd) -> None:
    sshd.client.agentless("run", "all", "--metadata", "ticket=7", "--", "true")
    sshd.client.agentless("run", "host1", "--", "false")
    logins = sshd.logins()
    listed = ask(sshd.client, "jobs", "list")
    assert [job["target"] for job in listed.values()] == ["host1", "all"]
    assert list(listed) == sorted(listed, reverse=True)
    for words, count in (
        (("--metadata", "ticket=7"), 1),
        (("--target", "host*"), 1),
        (("--state", "failed"), 1),
        (("--function", "cmd.script"), 0),
        (("--since", "1h"), 2),
        (("-n", "1"), 1),
    ):
        assert len(ask(sshd.client, "jobs", "list", *words)) == count, words
    assert ask(sshd.client, "jobs", "exit-success", "last") == {"host1": False}
    assert sshd.logins() == logins


@over_every_link
def test_tail_follows_to_the_end(sshd: Sshd) -> None:
    go = sshd.directory / "go"
    sshd.client.agentless(
        "run", "host1", "--detach", "--", f"echo one; while [ ! -e {go} ]; do sleep 0.1; done; echo two; exit 3"
    )
    until(lambda: sshd.client.agentless("jobs", "tail", "last").stdout == "one\n", "the first line")
    go.touch()
    followed = sshd.client.agentless("jobs", "tail", "last", "-f")
    assert followed.stdout == "one\ntwo\n"
    assert sshd.client.agentless("jobs", "tail", "last").stdout == "one\ntwo\n"
