"""The verbs about processes, on a real sshd."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli, hosts


def test_a_target_outside_the_job_s_hosts_is_told_so_and_alone_it_is_an_error(cli: Cli) -> None:
    jid = cli("run", "host1", "--detach", "--", "exec sleep 300").stdout.strip()
    for words in (("find-job", "last"), ("term-job", "last"), ("signal-job", "last", "TERM"), ("kill-job", "last")):
        done = cli(*words, "host2:host3")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"agentless: job {jid} was not sent to 'host2:host3'\n  Its hosts: host1\n"
    found = json.loads(cli("find-job", "last", "host1:host2", "--out", "json").stdout)
    assert (found["host1"]["jid"], found["host2"]) == (jid, {})
    killed = cli("kill-job", "last", "host1:host2", "--out", "json")
    assert killed.returncode == 0
    assert hosts(killed)["host1"]["delivered"]
    assert hosts(killed)["host2"] == {
        "delivered": [],
        "survivors": [],
        "message": f"Job {jid} was not sent to host2",
    }
