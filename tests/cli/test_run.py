"""What a run takes: words of its command, standard input, environment, a script, and hosts that are not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import yaml

from tests.cli.conftest import Cli, hosts
from tests.cli.terminal import agentless
from tests.hosts import Sshd, patience
from tests.hosts.client import printed


def test_a_single_host_s_streams_and_retcode_come_through_and_lookup_gives_them_again(cli: Cli) -> None:
    done = cli("run", "host1", "--", "printf 'out\\377' | tr '\\377' x; echo err >&2; exit 3")
    assert (printed(done), done.returncode) == ("outx\nstderr: err\n", 1)
    assert done.stderr.startswith("job 2")
    again = cli("jobs", "lookup", "last")
    assert (again.stdout, again.stderr, again.returncode) == (done.stdout, done.stderr, done.returncode)


def test_stdin_env_cwd_and_script_arrive(cli: Cli, sshd: Sshd) -> None:
    script = sshd.directory / "script"
    script.write_text('#!/bin/sh\npwd; echo "$1 $GREETING"; cat\n')
    done = cli(
        *("run", "host1", "--stdin", "-", "--env", "GREETING=a=b", "--cwd", "/", "--script", str(script), "--", "-x"),
        stdin="from stdin",
    )
    assert printed(done) == "/\n-x a=b\nfrom stdin\n"


def test_stdin_takes_what_can_be_read_but_once(sshd: Sshd) -> None:
    for source, given in (("<(echo once)", "once\n"), ("/dev/null", "")):
        command = f"exec {sys.executable} -m agentless run host1,host2 --group --stdin {source} -- 'cat; echo end'"
        done = subprocess.run(
            ["/bin/bash", "-c", command], env=sshd.client.environ, capture_output=True, text=True, timeout=patience(60)
        )
        assert done.stdout == f"host[1-2] (2) | ok\n{given}end\n", done.stderr


def test_unreachable_hosts_are_results_with_exit_code_3(cli: Cli, sshd: Sshd) -> None:
    sources = ("-i", str(sshd.client.inventory), "-i", "127.0.0.1,")
    done = cli(
        *sources, "run", "all", "--connect-timeout", str(patience(5)), "--out", "json", "-u", "nobody", "--", "true"
    )
    assert done.returncode == 3
    assert hosts(done)["127.0.0.1"]["state"] == "unreachable"
    assert hosts(done)["host1"]["state"] == "returned"


def test_an_empty_target_limit_or_inventory_is_refused_before_anything_is_sent(cli: Cli) -> None:
    before = cli("jobs", "list", "--out", "json").stdout
    for words in (("",), (",",), ("all", "-l", ""), ("all", "-l", "!"), ("all", "-l", ","), ("all", "-i", "")):
        done = cli("run", *words, "--", "true")
        assert (done.returncode, done.stdout) == (2, ""), words
    assert cli("jobs", "list", "--out", "json").stdout == before


def test_closed_standard_files_are_dev_null(sshd: Sshd) -> None:
    command = f"exec {sys.executable} -m agentless run host1 --stdin - -- cat"
    for closed in ("<&-", ">&-", "2>&-", "<&- >&- 2>&-"):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command} {closed}"], env=sshd.client.environ, capture_output=True, timeout=patience(60)
        )
        assert (done.returncode, done.stdout.partition(b"\n")[2]) == (0, b""), closed
        assert b"Traceback" not in done.stderr


def test_a_template_is_rendered_for_each_host_and_kept_as_it_was_typed(sshd: Sshd, tmp_path: Path) -> None:
    """Who lacks a variable gets nothing; the host's own record holds the template, for values may be secret."""
    inventory = yaml.safe_load(sshd.client.inventory.read_text())
    for name in ("host1", "host2"):
        inventory["all"]["hosts"][name]["my_secret"] = f"hidden of {name}"
    sshd.client.inventory.write_text(yaml.safe_dump(inventory))
    (tmp_path / "s.sh").write_text('#!/bin/sh\necho {{ my_secret }} "$1" "$E"\n')
    command = ("--template", "--env", "E=e of {{ inventory_hostname }}", "--script", str(tmp_path / "s.sh"))
    words = ("--", "an {{ inventory_hostname }}")
    checked = agentless("run", "all", *command, "--check", "--out", "json", *words, environ=sshd.client.environ)
    assert "hidden" not in checked.stdout
    shown = json.loads(checked.stdout)["hosts"]["host1"]
    assert (shown["command"], shown["env"]) == ("s.sh 'an host1'", {"E": "e of host1"})
    assert shown["script"].splitlines()[1] == """echo '********' "$1" "$E\""""
    done = agentless("run", "all", "--out", "json", *command, *words, environ=sshd.client.environ)
    report = json.loads(done.stdout)
    assert (done.returncode, report["arguments"]) == (3, ["s.sh", "an {{ inventory_hostname }}"])
    assert report["hosts"]["host2"]["stdout"] == "hidden of host2 an host2 e of host2\n"
    failed = report["hosts"]["host3"]
    assert (failed["state"], failed["error"]["kind"]) == ("not-started", "template")
    assert "'my_secret' is undefined" in failed["error"]["message"]
    (record,) = sshd.state_dir("host1").glob("*/jobs/*/job.json")
    assert "hidden" not in record.read_text()
    nowhere = agentless("run", "all", "--template", "--", "echo {{ x", environ=sshd.client.environ)
    assert (nowhere.returncode, nowhere.stdout) == (2, "")
