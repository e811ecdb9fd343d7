"""What users of such tools report as broken, tried on real hosts: crowds, stuck hosts, odd addresses, full tables."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.terminal import Terminal
from tests.hosts import Client, Links, Nodes, Sshd, over_every_link, patience, until
from tests.hosts.client import printed
from tests.remote.host import alive

NOBODY = {"ansible_host": "127.0.0.1", "ansible_port": 1}


def answer(client: Client, *arguments: str, **options: Any) -> dict[str, Any]:
    done = client.agentless("--out", "json", *arguments, **options)
    assert done.stdout, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def entries(sshd: Sshd) -> dict[str, dict[str, object]]:
    return {name: found["vars"] for name, found in answer(sshd.client, "hosts").items()}


# --- crowds ---
@over_every_link
def test_an_sshd_as_it_comes_loses_none_of_many_hosts_of_two_runs_at_once(start_sshd: Callable[..., Sshd]) -> None:
    """Ansible #18188: of eleven logins that are under way at once, sshd's default lets three in ten fall."""
    sshd = start_sshd(60, config="MaxStartups 10:30:100")
    runs = [sshd.client.start("run", "all", "--out", "json", "--", "id -u") for _ in range(2)]
    for run in runs:
        output, errors = run.communicate(timeout=patience(120))
        assert json.loads(output)["summary"]["returned"] == 60, errors
        assert run.returncode == 0


CROWDED = """
import os, resource, runpy, sys
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096) if hard >= 0 else 4096, hard))
for _ in range(1100):
    os.open(os.devnull, os.O_RDONLY)
sys.argv[0] = "agentless"
runpy.run_module("agentless", run_name="__main__")
"""


@over_every_link
@pytest.mark.skipif(
    0 <= resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 1300, reason="this user may not have 1,300 open files"
)
@pytest.mark.parametrize("proxy", [False, True])
def test_descriptors_above_1024_are_as_good_as_any(sshd: Sshd, proxy: bool) -> None:
    """paramiko #2568: select() takes none of them; a ProxyCommand costs several a host."""
    if proxy:
        relay = f"{sys.executable} {sshd.client.home}/relay.py %h %p"
        (sshd.client.home / "relay.py").write_text(RELAY)
        options = {"ansible_ssh_common_args": f'-o ProxyCommand="{relay}"'}
        sshd.client.write_inventory({name: {**values, **options} for name, values in entries(sshd).items()})
    done = subprocess.run(
        [sys.executable, "-c", CROWDED, "run", "all", "--out", "json", "--", "echo in"],
        env=sshd.client.environ,
        cwd=sshd.client.home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(120),
    )
    assert {host["stdout"] for host in json.loads(done.stdout)["hosts"].values()} == {"in\n"}, done.stderr


RELAY = """
import os, socket, sys, threading
from tests.hosts.client import printed
line = socket.create_connection((sys.argv[1], int(sys.argv[2])))
def outwards():
    while data := os.read(0, 65536):
        line.sendall(data)
    line.shutdown(socket.SHUT_WR)
threading.Thread(target=outwards, daemon=True).start()
while data := line.recv(65536):
    os.write(1, data)
"""


@over_every_link
def test_few_descriptors_are_enough_for_many_hosts(start_sshd: Callable[..., Sshd], links: Links) -> None:
    """The limit of macOS, and of many a CI runner, is 256."""
    sshd = start_sshd(100, addresses=10)
    go = sshd.directory / "go"
    command = f"until [ -e {go} ]; do sleep 0.1; done; echo went"
    run = subprocess.Popen(
        sshd.client.command("run", "all", "--out", "json", "--", command),
        env=sshd.client.environ,
        cwd=sshd.client.home,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256)),
    )
    until(lambda: sum(1 for _ in sshd.directory.glob("state/*/*/proc/*")) == 100, "all run", seconds=90)
    go.touch()
    output, errors = run.communicate(timeout=patience(120))
    assert {host["stdout"] for host in json.loads(output)["hosts"].values()} == {"went\n"}, errors
    assert ("Raise `ulimit -n`" in errors) is (links.kind == "master"), "who can only ride has to know"


def test_sixty_thousand_hosts_fit_into_half_a_gigabyte(sshd: Sshd) -> None:
    """Ansible #66285."""
    (sshd.client.home / "many.yaml").write_text("web:\n  hosts:\n    web[00001:60000].example.com: {}\n")
    few = answer(
        sshd.client,
        *("-i", "many.yaml", "run", "web:!web0*", "--check", "--", "true"),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (512 << 20, 512 << 20)),
    )
    assert len(few["hosts"]) == 50_001


# --- hosts in trouble ---
@pytest.mark.parametrize("links", ["direct", "keeper"], indirect=True)
def test_a_host_that_is_stuck_is_named_and_holds_up_no_other(start_nodes: Callable[..., Nodes]) -> None:
    """Its kernel takes the connection, and nobody behind it answers (Ansible #13327, Salt #34161)."""
    nodes = start_nodes(3)
    os.kill(nodes["node2"].pid, signal.SIGSTOP)
    with Terminal(
        "run", "all", "--connect-timeout", "60", "--", "echo on $(uname -n)", environ=nodes.client.environ
    ) as terminal:
        terminal.until("on node1")
        terminal.until("on node3")
        terminal.until("waiting for node2 · ")
        os.kill(nodes["node2"].pid, signal.SIGCONT)
        terminal.until("on node2")
        assert terminal.end() == 0


@over_every_link
def test_a_run_learns_by_itself_that_a_host_was_rebooted(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(2)
    go = "/var/tmp/go"
    command = f"echo up; until [ -e {go} ]; do sleep 0.1; done"
    with nodes.client.start("run", "all", "--out", "json", "--", command) as process:
        until(lambda: all([*node.path("/var/lib/agentless").glob("*/proc/*")] for node in nodes), "both run")
        nodes["node1"].reboot()
        nodes["node2"].write(go, "")
        output, errors = process.communicate(timeout=patience(120))
    found = json.loads(output)["hosts"]
    assert (found["node1"]["state"], found["node1"]["error"]["kind"]) == ("lost", "reboot"), errors
    assert (found["node2"]["state"], found["node2"]["stdout"]) == ("returned", "up\n")
    assert process.returncode == 3


def test_a_host_without_free_inodes_refuses_the_job_and_goes_on_answering(start_nodes: Callable[..., Nodes]) -> None:
    """There is room in bytes (Ansible #73206 and #28318: misreported)."""
    nodes = start_nodes(1)
    node = nodes["node1"]
    with node.small_disk("/var/lib/agentless", "20m,nr_inodes=60"):
        jid = answer(nodes.client, "run", "all", "--", "echo before")["jid"]
        node.run("i=0; while : > /var/lib/agentless/filler$i; do i=$((i+1)); done 2>/dev/null; :", check=False)
        refused = answer(nodes.client, "run", "all", "--", "echo no")["hosts"]["node1"]
        assert (refused["state"], refused["error"]["kind"]) == ("not-started", "disk-full")
        assert nodes.client.agentless("ping").returncode == 0
        environ = {**nodes.client.environ, "XDG_CACHE_HOME": str(nodes.client.home / "other")}
        found = answer(nodes.client, "jobs", "lookup", jid, env=environ)["hosts"]["node1"]
        assert found["stdout"] == "before\n"
        node.run("rm /var/lib/agentless/filler*")
        assert answer(nodes.client, "run", "all", "--", "echo again")["hosts"]["node1"]["stdout"] == "again\n"


def test_a_disk_that_became_read_only_refuses_the_job_and_goes_on_answering(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(1)
    node = nodes["node1"]
    with node.small_disk("/var/lib/agentless"):
        jid = answer(nodes.client, "run", "all", "--", "echo before")["jid"]
        node.run("mount -o remount,ro /var/lib/agentless")
        refused = answer(nodes.client, "run", "all", "--", "echo no")["hosts"]["node1"]
        assert (refused["state"], refused["error"]["kind"]) == ("not-started", "state-dir")
        assert "Read-only" in refused["error"]["message"]
        assert "agentless_state_dir" in refused["error"]["hint"]
        environ = {**nodes.client.environ, "XDG_CACHE_HOME": str(nodes.client.home / "other")}
        assert answer(nodes.client, "jobs", "lookup", jid, env=environ)["hosts"]["node1"]["stdout"] == "before\n"


@pytest.fixture
def small_cache(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB for the job cache."""
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    disk = tmp_path / "disk"
    disk.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"this machine mounts no tmpfs: {done.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def test_a_full_disk_of_the_controller_loses_no_return(sshd: Sshd, small_cache: Path) -> None:
    """The host keeps what the cache has no room for, and the report tells it all the same."""
    environ = {**sshd.client.environ, "XDG_CACHE_HOME": str(small_cache)}
    output = "".join(f"{n}\n" for n in range(1, 40001))
    ran = sshd.client.agentless("run", "host1", "--out", "json", "--", "seq 1 40000; exit 3", env=environ)
    document = json.loads(ran.stdout)
    assert (document["hosts"]["host1"]["state"], document["hosts"]["host1"]["retcode"], ran.returncode) == (
        "returned",
        3,
        1,
    ), ran.stderr
    assert document["hosts"]["host1"]["stdout"] == output
    assert "not in the job cache" in ran.stderr
    for verb in ("lookup", "wait"):
        found = sshd.client.agentless("jobs", verb, "last", "--out", "json", env=environ)
        assert json.loads(found.stdout) == document, found.stderr
        assert found.returncode == 1
        assert "not in the job cache" in found.stderr
    started = sshd.client.agentless("run", "all", "--detach", "--", "echo in", env=environ).stdout.strip()
    room = os.statvfs(small_cache)
    (small_cache / "filler").write_bytes(b"x" * room.f_bavail * room.f_bsize)
    found = sshd.client.agentless("jobs", "wait", started, "--out", "json", env=environ)
    assert {host["stdout"] for host in json.loads(found.stdout)["hosts"].values()} == {"in\n"}
    (small_cache / "filler").unlink()
    assert sshd.client.agentless("jobs", "wait", started, env=environ).returncode == 0
    assert sshd.client.agentless("jobs", "show", started, env=environ).returncode == 0


@over_every_link
def test_a_child_that_is_left_behind_holds_nobody_up(sshd: Sshd) -> None:
    """It keeps the job's stdout and stderr open (fabric #1828)."""
    pid = sshd.directory / "pid"
    done = sshd.client.agentless("run", "host1", "--", f"sleep 1000 & echo $! > {pid}; echo done")
    try:
        note = "note: 1 process that it started was still running when it ended\n"
        assert (printed(done), done.returncode) == (f"done\n{note}", 0)
        os.kill(int(pid.read_text()), 0)
    finally:
        os.kill(int(pid.read_text()), signal.SIGKILL)


@over_every_link
@pytest.mark.parametrize(("verb", "number"), [("term-job", 15), ("kill-job", 9)])
def test_a_signalled_job_leaves_no_child_and_has_its_return(sshd: Sshd, verb: str, number: int) -> None:
    """Salt lets both sleeps live on, and never gets a return (Salt #26490, #66501)."""
    pids = sshd.directory / "pids"
    command = f"sleep 1045 & echo $! $$ > {pids}; exec sleep 1046"
    jid = sshd.client.agentless("run", "host1", "--detach", "--", command).stdout.strip()
    until(lambda: pids.exists() and pids.read_text().endswith("\n"), "both sleep")
    assert sshd.client.agentless(verb, jid).returncode == 0
    ended = answer(sshd.client, "jobs", "wait", jid)
    host = ended["hosts"]["host1"]
    assert (host["state"], host["signal"], ended["exit_code"]) == ("returned", number, 1)
    assert host["ended_by"].startswith("signal-job:")
    until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()), "nobody is left")


# --- addresses ---
def test_ipv6_addresses_are_hosts_and_no_ranges(start_nodes: Callable[..., Nodes]) -> None:
    """Ansible #3888: `fd18::[a:b]` is a range, `[fd18::a]` is an address."""
    nodes = start_nodes(3)
    one, two, three = (node.address6 for node in nodes)
    for source, target in ((f"{one},", "all"), (f"[{one}]:22,", one), (f"[{one}],", "all")):
        done = nodes.client.agentless("-i", source, "run", target, "--", "uname -n")
        assert (printed(done), done.returncode) == ("node1\n", 0), (source, done.stderr)
    (nodes.client.home / "six.yaml").write_text(
        f"all:\n  hosts:\n    six: {{ansible_host: '{one}'}}\n    '[{two}]:22':\n"
        f"    '{three[:-1]}[{three[-1]}:{three[-1]}]':\n"
    )
    found = answer(nodes.client, "-i", "six.yaml", "run", "all", "--", "uname -n")["hosts"]
    said = {name: host["stdout"] for name, host in found.items()}
    assert said == {"six": "node1\n", two: "node2\n", three: "node3\n"}


# --- reports ---
def test_retry_lists_hold_those_that_failed_and_those_not_reached_apart(sshd: Sshd) -> None:
    """Also as a file of names, which is what `--limit @file` reads."""
    sshd.client.write_inventory({**entries(sshd), "gone": NOBODY})
    first = sshd.directory / "first"
    ran = answer(sshd.client, "run", "all", "--", f"mkdir {first} && exit 4; exit 0")
    (failed,) = [name for name, host in ran["hosts"].items() if host["retcode"] == 4]

    def selected(limit: str) -> list[str]:
        return list(answer(sshd.client, "hosts", "--limit", limit))

    assert selected(f"@failed:{ran['jid']}") == [failed]
    assert selected("@unreachable:last") == ["gone"]
    names = sshd.directory / "names"
    names.write_text(f"gone\n{failed}\n")
    assert set(selected(f"@{names}")) == {"gone", failed}
    again = answer(sshd.client, "run", "all", "--limit", "@failed:last", "--", "true")
    assert (list(again["hosts"]), again["exit_code"]) == ([failed], 0)


def test_timeouts_and_refusals_count_against_the_threshold_of_a_batch(sshd: Sshd) -> None:
    for words in (("--timeout", "0.2", "--", "sleep 1000"), ("--cwd", "/no/such", "--", "true")):
        ran = answer(sshd.client, "run", "all", "--batch", "1", "--max-fail", "0", *words)
        kinds = [(host["error"] or {}).get("kind") for host in ran["hosts"].values()]
        assert kinds[1:] == ["max-fail", "max-fail"], ran


def test_every_verb_tells_an_unknown_target_from_a_host_that_does_not_answer(sshd: Sshd) -> None:
    """Salt #37802, #61505, #66274: exit code 0 for both."""
    sshd.client.write_inventory({**entries(sshd), "gone": NOBODY})
    assert sshd.client.agentless("run", "all", "--detach", "--", "true").returncode == 3
    verbs = [("ping",), ("running",), ("jobs", "active"), ("find-job", "last"), ("schedule", "status")]
    for verb in (*verbs, ("kill-job", "last")):
        unknown = sshd.client.agentless(*verb, "nosuch")
        assert (unknown.returncode, unknown.stdout) == (2, ""), verb
        assert "nosuch" in unknown.stderr
        silent = sshd.client.agentless(*verb, "gone")
        assert silent.returncode == 3, (verb, silent)
        assert "gone" in silent.stdout + silent.stderr


def test_nobody_else_reads_what_a_job_said_whatever_the_umask(sshd: Sshd) -> None:
    """Salt #41926, #69069: caches that are open to the world."""
    answer(sshd.client, "run", "all", "--", "umask 0; seq 2000", preexec_fn=lambda: os.umask(0))
    kept = [sshd.state_dir(name) for name in sshd.names] + [sshd.client.home / ".cache" / "agentless"]
    for top in kept:
        for path in (top, *top.rglob("*")):
            # What says that a job runs may be taken away just now.
            with contextlib.suppress(FileNotFoundError):
                assert not stat.S_IMODE(path.lstat().st_mode) & 0o077 or path.is_symlink(), path
    assert any(path.name == "stdout" for path in kept[0].rglob("*"))


def test_what_somebody_did_to_the_files_of_the_cache_changes_no_age(sshd: Sshd) -> None:
    """Salt #69374: a chown of the cache begins the hours anew."""
    assert sshd.client.agentless("run", "all", "--", "true").returncode == 0
    cache = sshd.client.home / ".cache" / "agentless" / "jobs"

    def kept_after(when: int, **config: float) -> int:
        for path in cache.iterdir():
            os.utime(path, (when, when))
        (sshd.client.home / "config.yaml").write_text(json.dumps(config))
        sshd.client.agentless("--config", "config.yaml", "jobs", "prune")
        return len(answer(sshd.client, "jobs", "list"))

    assert kept_after(978_307_200, keep_jobs=1) == 1
    # A third of a second.
    until(lambda: kept_after(4_102_444_800, keep_jobs=0.0001) == 0, "its time is over, whatever its files say")


@over_every_link
def test_an_interrupted_pipeline_still_has_one_whole_document_on_stdout(sshd: Sshd) -> None:
    for out in ("json", "junit"):
        with sshd.client.start("run", "all", "--out", out, "--", "echo up; exec sleep 1000") as process:
            until(
                lambda: [job["summary"]["running"] for job in answer(sshd.client, "jobs", "list").values()][:1] == [3],
                "all run, and the command knows it",
            )
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=patience(60))
        assert process.returncode == 130
        assert "sending TERM to job" in errors
        if out == "json":
            assert {host["signal"] for host in json.loads(output)["hosts"].values()} == {15}
        else:
            assert output.rstrip().endswith("</testsuites>")


@pytest.mark.parametrize("name", ["return.json", "job.json"])
def test_a_torn_record_is_one_jobs_problem_and_never_the_hosts(sshd: Sshd, name: str) -> None:
    """Ansible: an unreadable file reads as running for ever."""
    go = sshd.directory / "go"
    command = f"until [ -e {go} ]; do sleep 0.1; done"
    jid = sshd.client.agentless("run", "host1", "--detach", "--", command).stdout.strip()
    (record,) = sshd.state_dir("host1").glob(f"*/jobs/{jid}")
    go.touch()
    until(lambda: not (record.parents[1] / "proc" / jid).exists(), "it has ended")
    (record / name).write_text('{"pi')
    found = answer(sshd.client, "jobs", "lookup", jid)["hosts"]["host1"]
    if name == "return.json":
        assert (found["state"], found["error"]["kind"]) == ("lost", "torn")
    else:
        assert found["state"] == "returned"
    assert sshd.client.agentless("ping", "host1").returncode == 0
    assert answer(sshd.client, "run", "host1", "--", "echo on")["hosts"]["host1"]["stdout"] == "on\n"
