"""`jobs retry` sends a job again where it did not end well, and leaves alone who still runs it."""

from __future__ import annotations

import json

from tests.cli.conftest import Cli, Say, hosts
from tests.hosts import Sshd

_FAILS_ONCE = "[ -e {0}/$AGENTLESS_HOST ] || {{ touch {0}/$AGENTLESS_HOST; exit 3; }}"


def test_who_leaves_at_once_waits_for_nothing(say: Say) -> None:
    code, out, err = say("jobs", "retry", "last", "--detach", "--wait", "3s")
    assert (code, out) == (2, "")
    assert "--detach leaves at once: it does not go with --wait" in err


def test_it_goes_to_the_hosts_where_the_job_failed_and_names_the_job_that_it_repeats(cli: Cli, sshd: Sshd) -> None:
    first = cli("run", "host1,host2", "--out", "json", "--", _FAILS_ONCE.format(sshd.directory))
    jid = json.loads(first.stdout)["jid"]
    assert {host["retcode"] for host in hosts(first).values()} == {3}
    again = cli("jobs", "retry", jid, "host2", "--out", "json")
    assert again.returncode == 0, again.stderr
    assert list(hosts(again)) == ["host2"]
    assert hosts(again)["host2"]["retcode"] == 0
    document = json.loads(again.stdout)
    assert (document["retry_of"], document["jid"] != jid) == (jid, True)


def test_where_all_is_well_there_is_nobody_and_the_exit_code_is_that_of_the_job(cli: Cli) -> None:
    jid = json.loads(cli("run", "host1", "--out", "json", "--", "true").stdout)["jid"]
    nobody = cli("jobs", "retry", jid)
    assert (nobody.returncode, nobody.stdout) == (0, "")
    assert nobody.stderr == f"job {jid}: there is no host to send it to again\n"
    document = json.loads(cli("jobs", "retry", jid, "--out", "json").stdout)
    assert document["jid"] == jid, "a program gets the job as it is"


def test_a_host_that_runs_it_still_is_left_alone_by_name(cli: Cli) -> None:
    jid = cli("run", "host1", "--detach", "--", "sleep 600").stdout.strip()
    left = cli("jobs", "retry", jid)
    assert "left alone: host1, which still run it" in left.stderr
    assert left.returncode == 4
    cli("kill-job", jid)
