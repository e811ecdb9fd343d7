"""Schedules of hosts that are reached without SSH, each with a state directory of its own and one crontab for all.

A `crontab` command that keeps a file stands in for the real one (tests/schedule_hosts/test_crontab.py has that), and a
tick is what cron would start, with an environment as poor as cron's.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Client, until
from tests.schedule_hosts.conftest import CRONTAB_COMMAND, begin_now

EVERY_SECOND = "    target: all\n    seconds: 1\n    maxrunning: 99\n"
ENVIRONMENT = "  env:\n    function: cmd.run\n    args: [env]\n" + EVERY_SECOND


class Local:
    """Two local hosts of one user.

    Args:
        home: of the user.
    """

    def __init__(self, home: Path) -> None:
        self.client = Client(home)
        self.crontab = home / "crontab"
        command = home / "bin" / "crontab"
        command.parent.mkdir()
        command.write_text(CRONTAB_COMMAND.format(file=self.crontab))
        command.chmod(0o755)
        hosts = {
            name: {"ansible_connection": "local", "agentless_state_dir": str(home / name)} for name in ("web1", "web2")
        }
        self.client.write_inventory(hosts)
        self.environ = {
            **self.client.environ,
            "PATH": f"{command.parent}:{self.client.environ['PATH']}",
            "AWS_SECRET_ACCESS_KEY": "caller's own",
        }

    def write(self, entries: str) -> None:
        (self.client.home / "schedule.yaml").write_text("schedule:\n" + entries)

    def agentless(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.client.agentless(*words, env=self.environ)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def said(self, *words: str, code: int = 0) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.agentless(*words, "--out", "json", code=code).stdout)
        return document

    def node(self, host: str) -> Path:
        """Where the records of a host lie."""
        (found,) = (self.client.home / host).glob("*/schedule.lock")
        return found.parent

    def tick(self, host: str, *, gone: bool = False) -> None:
        """What cron would do now, but that it does not stay for the rest of the minute; `gone`: with no files left."""
        if not gone:
            begin_now(self.node(host))
        (line,) = (line for line in self.crontab.read_text().splitlines() if f"/{host}/" in line)
        command = line.split(None, 5)[5].replace(
            "tick import main;main(sys.argv[2])", "tick import tick,book_of;tick(book_of(sys.argv[2]))"
        )
        environ = {"HOME": str(self.client.home), "LOGNAME": "tester", "PATH": self.environ["PATH"], "FROM": "cron"}
        done = subprocess.run(["/bin/sh", "-c", command], env=environ, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")

    def fired(self, *hosts: str) -> dict[str, Any]:
        """The jobs that are here, once each of these hosts has brought home a fire."""

        def look() -> dict[str, Any]:
            for host in hosts:
                self.tick(host)
            self.said("ping")
            return self.said("jobs", "list", "--schedule", "*")

        return until(look, "a fire comes home")


@pytest.fixture
def local(tmp_path: Path) -> Local:
    return Local(tmp_path)


def test_a_tick_gets_crons_environment_and_nothing_of_the_caller(local: Local) -> None:
    """What the caller of the push had in its environment is not on disk, and no job gets it."""
    local.write(ENVIRONMENT.replace("all", "web1") + "    kwargs: {env: {MINE: entry's own}}\n")
    local.said("schedule", "push", "web1")
    for path in local.node("web1").rglob("*"):
        assert path.is_dir() or b"caller's own" not in path.read_bytes(), path
    jid = next(iter(local.fired("web1")))
    output = local.said("jobs", "show", jid)["hosts"]["web1"]["stdout"].splitlines()
    assert {"FROM=cron", "MINE=entry's own", "AGENTLESS_HOST=web1"} <= set(output)
    assert not [line for line in output if line.startswith(("AWS_", "AGENTLESS_INVENTORY", "LC_CTYPE"))]


def test_two_local_hosts_have_a_line_each(local: Local) -> None:
    """The push and the purge of one leave that of the other alone."""
    local.write("  hourly: {function: cmd.run, args: ['true'], target: all, hours: 1}\n")
    done = local.said("schedule", "push")
    assert [one["crontab"] for one in done.values()] == ["added", "added"]
    assert all(one["crontab"] == "kept" for one in local.said("schedule", "push").values())
    assert local.crontab.read_text().count("remote.tick") == 2
    local.said("schedule", "purge", "web1")
    (line,) = local.crontab.read_text().splitlines()
    assert "/web2/" in line
    assert local.said("schedule", "status", "web2")["web2"]["error"] is None


def test_a_host_whose_state_directory_moved_has_one_line(local: Local) -> None:
    """The old one would fire the same once more."""
    local.write("  hourly: {function: cmd.run, args: ['true'], target: web1, hours: 1}\n")
    local.said("schedule", "push", "web1")
    text = local.client.inventory.read_text()
    local.client.inventory.write_text(text.replace(f"{local.client.home}/web1", f"{local.client.home}/moved"))
    assert local.said("schedule", "push", "web1")["web1"]["crontab"] == "changed"
    (line,) = local.crontab.read_text().splitlines()
    assert "/moved/" in line


def test_a_schedule_whose_files_are_gone_is_told_as_that_and_a_push_mends_it(local: Local) -> None:
    """`status` ends with 3 and names the host, cron's tick fails and tells syslog, all fires again after a push."""
    local.write(ENVIRONMENT)
    (local.client.home / "once.sh").write_text("#!/bin/sh\n")
    local.said("schedule", "push")
    subprocess.run(["rm", "-rf", local.client.home / "web1"], check=True)
    logger = local.client.home / "bin" / "logger"
    logger.write_text(f'#!/bin/sh\necho "$@" >>{local.client.home}/syslog\n')
    logger.chmod(0o755)
    local.tick("web1", gone=True)
    assert "schedule does not fire" in (local.client.home / "syslog").read_text()
    seen = local.said("schedule", "status", code=3)
    assert seen["web1"]["error"]["kind"] == "no-files"
    assert seen["web2"]["error"] is None
    assert "web1: the files of its schedule are gone" in local.agentless("schedule", "status", code=3).stderr
    done = local.said("schedule", "push")
    assert (done["web1"]["added"], done["web2"]["unchanged"]) == (["env"], ["env"])
    assert [warning["kind"] for warning in done["web1"]["warnings"]] == ["restored"]
    assert local.said("schedule", "status")["web1"]["error"] is None
    assert local.fired("web1")


@pytest.mark.parametrize("gone", ["helper", "files", "entries.json"])
def test_a_part_of_the_files_that_is_gone_is_told_and_mended_too(local: Local, gone: str) -> None:
    local.write("  daily: {function: cmd.script, args: [daily.sh], target: web1, days: 1}\n")
    (local.client.home / "daily.sh").write_text("#!/bin/sh\necho\n")
    local.said("schedule", "push", "web1")
    subprocess.run(["rm", "-rf", local.node("web1") / "schedule" / gone], check=True)
    error = local.said("schedule", "status", "web1", code=3)["web1"]["error"]
    assert (error["kind"], "push" in error["hint"]) == ("no-files", True)
    assert local.said("schedule", "push", "web1", "--check")["web1"]["warnings"][0]["kind"] == "restored"
    assert local.said("schedule", "push", "web1")["web1"]["warnings"][0]["kind"] == "restored"
    assert local.said("schedule", "status", "web1")["web1"]["error"] is None
    assert not local.said("schedule", "push", "web1")["web1"]["warnings"]


def test_a_helper_that_is_torn_is_brought_again(local: Local) -> None:
    local.write(ENVIRONMENT)
    local.said("schedule", "push", "web1")
    (module,) = local.node("web1").glob("schedule/helper/*/remote/evaluator.py")
    whole = module.read_bytes()
    module.write_bytes(whole[:100])
    local.said("schedule", "push", "web1")
    assert module.read_bytes() == whole


def test_a_line_that_somebody_took_out_of_the_crontab_is_an_error(local: Local) -> None:
    local.write(ENVIRONMENT)
    local.said("schedule", "push", "web1")
    local.crontab.write_text("")
    assert local.said("schedule", "status", "web1", code=3)["web1"]["error"]["kind"] == "no-line"
    assert local.said("schedule", "push", "web1")["web1"]["crontab"] == "added"
    local.said("schedule", "status", "web1")


def test_what_is_not_to_be_kept_comes_home_and_is_not_kept(local: Local) -> None:
    """`return_job: nocache` is told by the contact that brings it; `false` stays on the host; both can be asked for."""
    local.write(
        "".join(
            f"  {name}:\n    function: cmd.run\n    args: [echo {name}]\n    return_job: {value}\n{EVERY_SECOND}"
            for name, value in (("kept", "true"), ("passing", "nocache"), ("silent", "false"))
        ).replace("all", "web1")
    )
    local.said("schedule", "push", "web1")
    told = ""

    def look() -> bool:
        nonlocal told
        local.tick("web1")
        told += local.agentless("ping").stderr
        return bool(local.said("jobs", "list", "--schedule", "kept")) and "passing" in told

    until(look, "fires come home")
    assert "web1: passing fired " in told
    assert "silent" not in told
    assert {job["schedule"] for job in local.said("jobs", "list").values()} == {"kept"}
    events = local.said("schedule", "status", "web1")["web1"]["events"]
    for name in ("passing", "silent"):
        jid = next(event["jid"] for event in events if event["entry"] == name and event["jid"])
        assert local.said("jobs", "lookup", jid)["hosts"]["web1"]["stdout"] == f"{name}\n"


def test_the_record_of_a_fire_says_whose_it_is(local: Local) -> None:
    """All hosts of its target, the login user and become: what a controller needs that learns of it from one host."""
    local.write(ENVIRONMENT)
    local.said("schedule", "push")

    def records() -> list[Path]:
        local.tick("web1")
        return list(local.node("web1").glob("jobs/*/job.json"))

    found = json.loads(until(records, "a fire")[0].read_bytes())
    assert (found["hosts"], found["login"], found["become"]) == (["web1", "web2"], None, "")
