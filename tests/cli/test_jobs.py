"""The verbs about jobs that were sent before, on a real sshd."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cli.conftest import Cli, hosts
from tests.cli.terminal import agentless
from tests.hosts import Sshd, over_every_link, patience, until


@over_every_link
def test_lookup_gives_the_blocks_the_json_and_the_exit_code_of_the_run(cli: Cli) -> None:
    command = 'echo "$AGENTLESS_JID"; echo oops >&2; exit $((RANDOM * 0))'
    ran = cli("run", "all", "--", command)
    looked_up = cli("jobs", "lookup", "last")
    assert sorted(ran.stdout.splitlines()) == sorted(looked_up.stdout.splitlines())
    assert [line.split(" | ")[0] for line in looked_up.stdout.splitlines() if " | " in line] == [
        "host1",
        "host2",
        "host3",
    ]
    assert ran.stderr == looked_up.stderr
    ran = cli("--out", "json", "run", "all", "--", "exit 1")
    looked_up = cli("jobs", "lookup", "last", "--out", "json")
    assert json.loads(ran.stdout) == json.loads(looked_up.stdout)
    assert (ran.returncode, looked_up.returncode, ran.stderr) == (1, 1, "")


def test_detach_prints_the_jid_alone_and_wait_shows_the_end(cli: Cli) -> None:
    detached = cli("run", "all", "--detach", "--", "sleep 1; echo slept")
    jid = detached.stdout.strip()
    assert (len(jid), detached.returncode, detached.stderr) == (20, 0, "")
    running = json.loads(cli("running", "--out", "json").stdout)
    assert all(process["jid"] == jid for processes in running.values() for process in processes)
    waited = cli("jobs", "wait", jid, "--group")
    assert waited.returncode == 0
    assert waited.stdout == "host[1-3] (3) | ok\nslept\n"


def test_wait_that_is_over_leaves_with_4_and_the_next_command(cli: Cli) -> None:
    done = cli("run", "host1", "--wait", "1", "--", "echo begun; sleep 600")
    jid = json.loads(cli("jobs", "list", "-n", "1", "--out", "jsonl").stdout)["jid"]
    assert done.returncode == 4
    assert f"agentless jobs wait {jid}" in done.stderr
    until(lambda: cli("jobs", "tail", "last", "host1").stdout == "begun\n", "it has begun")
    assert cli("jobs", "tail", "last", "host1").returncode == 4
    killed = cli("kill-job", jid, "--out", "json")
    assert killed.returncode == 0
    assert json.loads(killed.stdout)["hosts"]["host1"]["delivered"]
    assert cli("find-job", jid).returncode == 1


@pytest.mark.parametrize("count", [0, 1, 2])
def test_who_could_not_be_asked_about_another_controller_s_job_is_told_with_the_reason(
    sshd: Sshd, cli: Cli, count: int
) -> None:
    jid = "20200101000000000000"
    if count:
        jid = cli("run", ",".join(sshd.names[:count]), "--out", "json", "--", "echo said").stdout[9:29]
    environ = {**sshd.client.environ, "XDG_CACHE_HOME": str(sshd.directory / "other")}
    sources = ("-i", str(sshd.client.inventory), "-i", "127.0.0.1,", "-u", "nobody")

    def other(*words: str) -> subprocess.CompletedProcess[str]:
        done = agentless(*sources, *words, environ=environ)
        assert done.returncode == 3, done.stderr
        return done

    error = json.loads(other("jobs", "lookup", jid, "--out", "json").stdout)["unknown_hosts"]["127.0.0.1"]
    why = f"127.0.0.1 | unreachable | {error['kind']}: {error['message']}\n"
    for words in ((), ("--group",), ("-q",)):
        text = other("jobs", "lookup", jid, *words)
        assert why in text.stdout
        assert "-q" in words or f"  {why}" in text.stderr
        assert (text.stdout + text.stderr).count(error["hint"]) == 1
        assert "0 hosts" not in text.stderr
    success = json.loads(other("jobs", "exit-success", jid, "--out", "json").stdout)
    assert success == {**dict.fromkeys(sshd.names[:count], True), "127.0.0.1": {"error": error}}
    table = other("jobs", "exit-success", jid)
    assert f"{error['kind']}: {error['message']}" in table.stdout
    assert error["hint"] in table.stderr


def test_the_retry_list_takes_up_those_that_failed(cli: Cli, sshd: Sshd) -> None:
    first = cli("run", "all", "--out", "json", "--", 'case "$0$(ls -d /nonexistent 2>&1)" in *) ;; esac; exit 1')
    jid = json.loads(first.stdout)["jid"]
    again = cli("run", "all", "--limit", f"@failed:{jid}", "--out", "json", "--", "true")
    assert list(hosts(again)) == ["host1", "host2", "host3"]
    none = cli("run", "all", "--limit", f"@unreachable:{jid}", "--", "true")
    assert none.returncode == 2
    assert none.stderr.startswith("agentless: ")


def test_a_retry_list_says_whom_it_cannot_know_yet_and_how_to_learn_it(cli: Cli, sshd: Sshd) -> None:
    flag = sshd.directory / "go-on"
    command = f'[ "$(basename "$HOME")" = x ]; until [ -e {flag} ]; do sleep 0.1; done; exit 3'
    jid = cli("run", "host1,host2", "--detach", "--", command).stdout.strip()
    nobody = cli("run", "all", "--limit", "@failed:last", "--", "true")
    assert (nobody.returncode, nobody.stdout) == (2, "")
    said = f"of job {jid}, 2 hosts have not ended as far as is known here; to know first: agentless jobs wait {jid}"
    assert nobody.stderr == f"agentless: no host is left of 'all' limited to '@failed:last'\n  {said}\n"
    cli("kill-job", jid, "host1")
    until(lambda: cli("jobs", "lookup", jid, "--out", "jsonl").stdout.count("returned") == 1, "host1's end")
    some = cli("run", "all", "--limit", f"@failed:{jid}", "--out", "json", "--", "true")
    assert list(hosts(some)) == ["host1"]
    assert f"agentless: warning: of job {jid}, 1 host has not ended" in some.stderr
    flag.touch()
    cli("jobs", "wait", jid)
    both = cli("run", "all", "--limit", f"@failed:{jid}", "--out", "json", "--", "true")
    assert (list(hosts(both)), both.stderr) == (["host1", "host2"], "")


def test_a_target_and_the_limit_narrow_what_is_shown_of_a_job_and_its_exit_code(cli: Cli) -> None:
    jid = json.loads(cli("run", "host1,host2", "--out", "json", "--", "echo hi").stdout)["jid"]
    for words in (("lookup",), ("show",), ("wait",), ("tail", "-f")):
        for narrowed in (("host2",), ("-l", "host2"), ("host*", "--limit", "all:!host1")):
            done = cli("jobs", *words, jid, *narrowed, "--out", "json")
            assert (done.returncode, list(hosts(done))) == (0, ["host2"]), words
    assert json.loads(cli("jobs", "exit-success", jid, "host2", "--out", "json").stdout) == {"host2": True}
    for words in (("lookup",), ("show",), ("wait",), ("tail",), ("exit-success",)):
        for wrong in (("host3",), ("-l", "nonsense"), ("-l", ""), ("",), (",",)):
            done = cli("jobs", *words, jid, *wrong)
            assert (done.returncode, done.stdout) == (2, ""), (words, wrong)


def test_tail_f_follows_several_hosts_each_line_behind_its_host(sshd: Sshd, cli: Cli) -> None:
    flag = sshd.directory / "go-on"
    cli("run", "host1,host2", "--detach", "--", f"echo one; until [ -e {flag} ]; do sleep 0.1; done; echo two")
    process = subprocess.Popen(
        [sys.executable, "-m", "agentless", "jobs", "tail", "last", "-f"],
        env=sshd.client.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert sorted(process.stdout.readline() for _ in range(2)) == ["host1 | one\n", "host2 | one\n"]
    flag.touch()
    assert sorted(process.stdout.read().splitlines()) == ["host1 | two", "host2 | two"]
    assert process.wait(timeout=patience(60)) == 0
    process.stdout.close()


def test_pruning_and_listing_contact_nobody(cli: Cli, sshd: Sshd) -> None:
    cli("run", "host1", "--", "true")
    until(lambda: sshd.logins() == 1, "one login")
    for verb in (("jobs", "list"), ("jobs", "show", "last"), ("jobs", "last"), ("jobs", "prune"), ("hosts",)):
        assert cli(*verb).returncode == 0
    assert sshd.logins() == 1
