"""`agentless run` and `jobs lookup` on real sshds, as processes, as people start them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Sshd, in_time, over_every_link, patience
from tests.hosts.client import printed


def run_json(sshd: Sshd, *arguments: str) -> dict[str, Any]:
    done = sshd.client.agentless("run", "--out", "json", *arguments)
    document: dict[str, Any] = json.loads(done.stdout)
    assert document["exit_code"] == done.returncode, done.stderr
    return document


def test_text_has_the_same_shape_for_one_host_and_for_many(sshd: Sshd) -> None:
    for verb in ("run", "lookup"):
        words = ["run", "host1", "--", "printf 'a\\nb'; echo oops >&2; exit 3"]
        done = sshd.client.agentless(*(words if verb == "run" else ("jobs", "lookup", "last")))
        assert re.fullmatch(r"host1 \| failed \(3\) \| \d+\.\d+ s\na\nb\nstderr: oops\n", done.stdout)
        assert done.returncode == 1
    alone = sshd.client.agentless("jobs", "tail", "last")
    assert (alone.stdout, "oops\n" in alone.stderr) == ("a\nb", True), "what wants the output alone"


def test_every_host_has_one_connection_and_one_command(start_sshd: Callable[..., Sshd]) -> None:
    """Also the first time, when the helper has to be brought along."""
    sshd = start_sshd(8)
    for _ in range(2):
        logins, commands = sshd.logins(), sshd.commands()
        assert sshd.client.agentless("run", "all", "--", "true").returncode == 0
        assert (sshd.logins() - logins, sshd.commands() - commands) == (8, 8)


@pytest.mark.parametrize("links", ["direct", "keeper"], indirect=True)
def test_two_hundred_hosts_run_at_once(start_sshd: Callable[..., Sshd]) -> None:
    """A long job that is only followed holds no place, so -f 20 starts 200 that wait for one another."""
    sshd = start_sshd(200, addresses=40)
    meet = sshd.directory / "meet"
    meet.mkdir()
    wait = f'touch {meet}/$$; while [ "$(ls {meet} | wc -l)" -lt 200 ]; do sleep 0.2; done; echo met'
    document = run_json(sshd, "all", "-f", "20", "--timeout", f"{patience(100):.0f}", "--", wait)
    assert {host["stdout"] for host in document["hosts"].values()} == {"met\n"}
    assert list(document["hosts"]) == sshd.names
    assert document["exit_code"] == 0


@pytest.mark.parametrize("out", ["text", "json", "yaml", "junit", "table"])
@pytest.mark.parametrize("target", ["host1", "all"])
def test_lookup_prints_what_the_run_printed(sshd: Sshd, out: str, target: str) -> None:
    command = 'echo "$AGENTLESS_JID"; printf "no end\\377" >&2; [ "$(basename "$HOME")" ] && exit 4'
    ran = sshd.client.agentless("run", target, "--out", out, "--batch", "1", "--", command, errors="surrogateescape")
    looked = sshd.client.agentless("jobs", "lookup", "last", "--out", out, errors="surrogateescape")
    assert looked.stdout == ran.stdout
    assert looked.returncode == ran.returncode == 1


def test_lines_of_json_are_the_same_for_run_and_lookup(sshd: Sshd) -> None:
    ran = sshd.client.agentless("run", "all", "--out", "jsonl", "--", "echo $AGENTLESS_JID")
    looked = sshd.client.agentless("jobs", "lookup", "last", "--out", "jsonl")
    assert sorted(looked.stdout.splitlines()) == sorted(ran.stdout.splitlines())
    assert len(ran.stdout.splitlines()) == 3


@over_every_link
def test_a_script_runs_by_its_own_interpreter_with_its_arguments(sshd: Sshd, tmp_path: Path) -> None:
    script = tmp_path / "report"
    script.write_text("#!/usr/bin/awk -f\nBEGIN { print ARGV[1], ARGC }\n")
    document = run_json(sshd, "all", "--script", str(script), "--", "a b")
    assert document["function"] == "cmd.script"
    assert document["arguments"] == ["report", "a b"]
    assert {host["stdout"] for host in document["hosts"].values()} == {"a b 2\n"}


@over_every_link
def test_the_job_gets_stdin_environment_directory_and_shell(sshd: Sshd, tmp_path: Path) -> None:
    (tmp_path / "in").write_bytes(b"line\n" * 100_000)
    options = ["--stdin", str(tmp_path / "in"), "--env", "A=x y", "--env", "B="]
    options += ["--cwd", "/usr", "--shell", "/bin/bash"]
    document = run_json(sshd, "all", *options, "--", 'wc -l; echo "[$A][$B]"; pwd; echo ${BASH_VERSION:+bash}')
    assert {host["stdout"] for host in document["hosts"].values()} == {"100000\n[x y][]\n/usr\nbash\n"}


def test_the_job_finds_the_inventory_name_of_its_host(sshd: Sshd) -> None:
    """Also where the caller is a job itself, and where --env asks for another."""
    command = ("run", "all", "--out", "json", "--env", "AGENTLESS_HOST=mine", "--", "echo $AGENTLESS_HOST")
    ran = sshd.client.agentless(*command, env={**sshd.client.environ, "AGENTLESS_HOST": "caller"})
    assert {name: host["stdout"] for name, host in json.loads(ran.stdout)["hosts"].items()} == {
        name: f"{name}\n" for name in sshd.names
    }


@over_every_link
def test_the_environment_is_that_of_ssh(sshd: Sshd) -> None:
    """Python sets LC_CTYPE and ignores SIGPIPE: the job sees neither."""
    ours = "".join(f" -e ^{name}=" for name in ("AGENTLESS_.*", "SSH_.*", "_", "SHLVL", "OLDPWD", "PWD"))
    show = f"env | grep -v{ours} | sort; umask; trap; ulimit -a; pwd"
    expected = sshd.client.ssh("host1", "/bin/sh", "-c", shlex.quote(show)).stdout
    assert run_json(sshd, "host1", "--", show)["hosts"]["host1"]["stdout"] == expected
    pipe = "yes | head -n 1; echo ${PIPESTATUS[0]}"
    assert run_json(sshd, "host1", "--shell", "/bin/bash", "--", pipe)["hosts"]["host1"]["stdout"] == "y\n141\n"


@over_every_link
def test_what_cannot_start_is_not_started_and_says_why(sshd: Sshd) -> None:
    for option, value, kind in (("--cwd", "/no/such", "cwd"), ("--shell", "/no/shell", "shell")):
        document = run_json(sshd, "host1", option, value, "--", "true")
        host = document["hosts"]["host1"]
        assert (host["state"], host["error"]["kind"]) == ("not-started", kind)
        assert value in host["error"]["message"]
        assert document["exit_code"] == 3


@over_every_link
def test_the_deadline_is_the_hosts_and_keeps_the_output(sshd: Sshd) -> None:
    command = "trap '' TERM; echo begun; sleep 100 & wait; sleep 100"
    document = in_time(
        lambda seconds: run_json(sshd, "host1", "--timeout", f"{seconds}", "--", command),
        lambda document: document["hosts"]["host1"]["stdout"],
        seconds=0.5,
    )
    host = document["hosts"]["host1"]
    assert (host["ended_by"], host["stdout"], host["retcode"]) == ("timeout", "begun\n", None)
    assert host["duration"] >= 0.5
    assert document["exit_code"] == 1


@over_every_link
def test_waiting_is_not_the_jobs_deadline(sshd: Sshd) -> None:
    document = in_time(
        lambda seconds: run_json(sshd, "host1", "--wait", f"{seconds}", "--", "sleep 1000"),
        lambda document: document["hosts"]["host1"]["state"] == "running",
        seconds=3,
    )
    assert document["exit_code"] == 4
    assert document["hosts"]["host1"]["state"] == "running"
    assert document["hosts"]["host1"]["pid"]
    assert sshd.client.agentless("kill-job", "last").returncode == 0
    assert sshd.client.agentless("jobs", "lookup", "last").returncode == 1


def test_a_batch_bounds_the_hosts_that_are_unfinished(start_sshd: Callable[..., Sshd]) -> None:
    sshd = start_sshd(6)
    meet = sshd.directory / "meet"
    meet.mkdir()
    command = f"touch {meet}/$$; ls {meet} | wc -l; sleep 0.3; rm {meet}/$$"
    document = run_json(sshd, "all", "--batch", "2", "--", command)
    assert {int(host["stdout"]) for host in document["hosts"].values()} <= {1, 2}
    assert document["summary"]["returned"] == 6


def test_hosts_of_batches_that_nobody_waits_for_are_not_started(sshd: Sshd) -> None:
    go = sshd.directory / "go"
    command = f"until [ -e {go} ]; do sleep 0.1; done"
    document = in_time(
        lambda seconds: run_json(sshd, "all", "--batch", "1", "--wait", f"{seconds}", "--", command),
        lambda document: document["hosts"]["host1"]["state"] == "running",
        seconds=1.5,
    )
    assert [host["state"] for host in document["hosts"].values()] == ["running", "not-started", "not-started"]
    assert document["hosts"]["host2"]["error"]["kind"] == "wait-over"
    assert "`wait` was over" in document["hosts"]["host2"]["error"]["message"]
    assert document["exit_code"] == 4
    go.touch()
    waited = json.loads(sshd.client.agentless("jobs", "wait", "last", "--out", "json").stdout)
    assert waited["hosts"]["host1"]["retcode"] == 0
    assert {name: waited["hosts"][name] for name in ("host2", "host3")} == {
        name: document["hosts"][name] for name in ("host2", "host3")
    }
    text = in_time(
        lambda seconds: sshd.client.agentless("run", "all", "--batch", "1", "--wait", f"{seconds}", "--", "sleep 100"),
        lambda text: "1 running" in text.stderr,
        seconds=1.5,
    )
    assert "host[2-3] (2) | not-started" in text.stdout
    assert "2 not-started" in text.stderr


def test_unreachable_hosts_count_as_failed_ones(sshd: Sshd) -> None:
    """After more than one bad host nothing further is started; the rest says that it was never sent."""
    bad = {f"bad{i}": {"ansible_host": "127.0.0.1", "ansible_port": 1} for i in range(2)}
    tree = json.loads(sshd.client.agentless("hosts", "--out", "json").stdout)
    good = {name: entry["vars"] for name, entry in tree.items()}
    sshd.client.write_inventory({**bad, **good})
    document = run_json(sshd, "all", "--batch", "1", "--max-fail", "1", "--", "true")
    assert [host["state"] for host in document["hosts"].values()] == ["unreachable"] * 2 + ["not-started"] * 3
    assert document["hosts"]["host1"]["error"]["kind"] == "max-fail"
    assert document["exit_code"] == 3
    retry = sshd.client.agentless("hosts", "--limit", f"@unreachable:{document['jid']}", "--out", "json")
    assert list(json.loads(retry.stdout)) == ["bad0", "bad1"]
    looked = json.loads(sshd.client.agentless("jobs", "lookup", "last", "--out", "json").stdout)
    assert looked == document


def test_detach_prints_the_jid_alone(sshd: Sshd) -> None:
    done = sshd.client.agentless("run", "all", "--detach", "--", "sleep 1000")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().isdigit()
    assert len(done.stdout) == 21
    running = json.loads(sshd.client.agentless("running", "--out", "json").stdout)
    assert {record["jid"] for records in running.values() for record in records} == {done.stdout.strip()}
    assert sshd.client.agentless("find-job", "last").returncode == 0
    assert sshd.client.agentless("kill-job", "last").returncode == 0
    assert sshd.client.agentless("find-job", "last").returncode == 1


def test_detached_to_an_unreachable_host_is_three(sshd: Sshd) -> None:
    sshd.client.write_inventory({"bad": {"ansible_host": "127.0.0.1", "ansible_port": 1}})
    done = sshd.client.agentless("run", "all", "--detach", "--", "true")
    assert done.returncode == 3
    assert "bad" in done.stderr


def test_two_names_of_one_host_do_not_run_it_twice(sshd: Sshd) -> None:
    tree = json.loads(sshd.client.agentless("hosts", "host1", "--out", "json").stdout)
    sshd.client.write_inventory({"one": tree["host1"]["vars"], "two": tree["host1"]["vars"]})
    count = sshd.directory / "count"
    document = run_json(sshd, "all", "--", f"echo x >> {count}")
    states = sorted((host["state"], (host["error"] or {}).get("kind", "")) for host in document["hosts"].values())
    assert states == [("not-started", "same-host"), ("returned", "")]
    assert count.read_text() == "x\n"


def test_usage_errors_are_two_and_touch_nothing(sshd: Sshd) -> None:
    for arguments in (
        ("run", "nothing-there", "--", "true"),
        ("run", "all", "--detach", "--wait", "3", "--", "true"),
        ("run", "all"),
        ("run", "all", "--max-fail", "x", "--", "true"),
        ("-i", "/no/such/inventory", "run", "all", "--", "true"),
        ("jobs", "lookup", "2026"),
        ("signal-job", "last", "NOSUCH"),
    ):
        done = sshd.client.agentless(*arguments)
        assert done.returncode == 2, arguments
        assert done.stdout == ""
        assert "agentless: " in done.stderr
    assert json.loads(sshd.client.agentless("jobs", "list", "--out", "json").stdout) == {}


def test_check_contacts_nobody(sshd: Sshd) -> None:
    logins = sshd.logins()
    done = sshd.client.agentless("run", "host1,host2", "--check", "--out", "json", "--", "reboot")
    assert done.returncode == 0
    assert list(json.loads(done.stdout)["hosts"]) == ["host1", "host2"]
    assert sshd.logins() == logins


@over_every_link
def test_much_output_is_capped_in_the_record_and_said(sshd: Sshd) -> None:
    document = run_json(sshd, "host1", "--", "yes 0123456789abcde | head -c 30000000; echo; echo END")
    host = document["hosts"]["host1"]
    assert host["stdout"].endswith("\nEND\n")
    assert len(host["stdout"]) + host["stdout_truncated"] == 30_000_000 + 5
    assert len(host["stdout"]) <= 10 << 20
    much = sshd.client.agentless("run", "host1", "--", "seq 1 200000")
    assert printed(much) == "".join(f"{number}\n" for number in range(1, 200_001))
