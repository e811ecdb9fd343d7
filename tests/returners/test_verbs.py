"""Returners by the command line, on real sshds: per run, per entry of a schedule, for all; and registers read back."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Client, Sshd, patience, until
from tests.hosts.client import printed
from tests.hosts.needs import need
from tests.returners.postgres import Postgres
from tests.returners.web import Web
from tests.schedule_hosts.test_local import Local

CONFIG = """\
returners:
  archive:
    type: sql
    url_file: register-url
  hook: {type: webhook, url_env: HOOK_URL, on: failure, timeout: 300}
  lines: {type: command, command: 'cat >>lines'}
returner: archive
"""


def configure(client: Client, text: str = CONFIG, *, register: str = "sqlite:///register.db") -> None:
    path = client.home / ".config" / "agentless" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    (path.parent / "register-url").write_text(register.replace("///r", f"///{client.home}/r") + "\n")


def lines(client: Client) -> list[dict[str, Any]]:
    path = client.home / ".config" / "agentless" / "lines"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture(params=["sqlite", "postgresql"])
def register(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite:///register.db"
    server: Postgres = request.getfixturevalue("postgres")
    return server.database()


@pytest.mark.parametrize("out", ["text", "json", "jsonl", "table"])
def test_a_register_shows_what_the_run_showed_also_when_the_cache_is_gone(sshd: Sshd, register: str, out: str) -> None:
    configure(sshd.client, register=register)
    broken: dict[str, Any] = {"errors": "surrogateescape"}
    command = 'printf "no end\\377"; exit 4'
    ran = sshd.client.agentless("run", "all", "--out", out, "--metadata", "a=b", "--", command, **broken)
    assert ran.returncode == 1, ran.stderr
    listed = json.loads(sshd.client.agentless("jobs", "list", "--out", "json").stdout)
    (jid,) = listed
    lookup = ("jobs", "lookup", jid, "--out", out)
    looked = sshd.client.agentless(*lookup, **broken)
    subprocess.run(["rm", "-r", str(sshd.client.home / ".cache")], check=True)
    sshd.stop()
    again = sshd.client.agentless(*lookup, "--from", "archive", **broken)
    assert (again.stdout, again.returncode) == (looked.stdout, looked.returncode), again.stderr
    assert json.loads(sshd.client.agentless("jobs", "list", "--from", "archive", "--out", "json").stdout) == listed
    narrowed = sshd.client.agentless("jobs", "lookup", jid, "host2", "--from", "archive", "--out", "json")
    assert list(json.loads(narrowed.stdout)["hosts"]) == ["host2"]
    filtered = sshd.client.agentless("jobs", "list", "--from", "archive", "--metadata", "a=c", "--out", "json")
    assert json.loads(filtered.stdout) == {}
    assert not (sshd.client.home / ".cache" / "agentless" / "jobs").exists(), "a register is read without the cache"


def test_a_run_names_returners_and_each_gets_the_return(sshd: Sshd, web: Web) -> None:
    configure(sshd.client)
    environ = {**sshd.client.environ, "HOOK_URL": web.url}
    command = 'test "$SSH_CONNECTION" && exit 3'
    done = sshd.client.agentless("run", "host1", "--return", "lines", "--return", "hook", "--", command, env=environ)
    assert done.returncode == 1
    assert "returner" not in done.stderr
    (line,) = lines(sshd.client)
    (post,) = web.posts
    assert post.document == line
    assert (line["host"], line["retcode"], line["arguments"]) == ("host1", 3, [command])
    assert sshd.client.agentless("run", "host1", "--return", "hook", "--", "true", env=environ).returncode == 0
    assert len(web.posts) == 1, "on: failure"


def test_one_that_fails_is_told_and_the_next_command_brings_it_home_there(sshd: Sshd, web: Web) -> None:
    seconds = round(patience(1))
    configure(sshd.client, CONFIG.replace("timeout: 300", f"timeout: {seconds}"))
    environ = {**sshd.client.environ, "HOOK_URL": web.url}
    web.script.extend(["hang", 200])
    done = sshd.client.agentless("run", "host1", "--return", "hook", "--", "echo out; false", env=environ)
    assert (printed(done), done.returncode) == ("out\n", 1)
    assert (
        f"the returner hook has yet to get 1 return: http://127.0.0.1:{web.port}: no answer within {seconds} s"
        in done.stderr
    )
    assert "/hook" not in done.stderr
    done = sshd.client.agentless("-v", "ping", "host1", env=environ)
    assert "the returner hook has had 1 return" in done.stderr
    assert len(web.posts) == 2


def test_what_comes_home_later_goes_to_the_returners_of_its_run(sshd: Sshd) -> None:
    configure(sshd.client)
    gate = sshd.directory / "gate"
    done = sshd.client.agentless(
        "run", "host1", "--detach", "--return", "lines", "--", f"until [ -e {gate} ]; do sleep 0.1; done"
    )
    jid = done.stdout.strip()
    assert lines(sshd.client) == []
    gate.touch()
    assert sshd.client.agentless("jobs", "wait", jid).returncode == 0
    assert [line["jid"] for line in lines(sshd.client)] == [jid]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--return", "lime"), "config.yaml has no returner 'lime'\n  Did you mean lines?"),
        (("--return", "lines", "--return", "lines"), "the returner 'lines' is given a second time"),
        (("--return", "hook"), "config.yaml:5: returners: hook: url_env: the environment variable HOOK_URL is not set"),
    ],
)
def test_a_name_that_is_wrong_ends_the_run_before_anything_is_sent(
    sshd: Sshd, words: tuple[str, ...], error: str
) -> None:
    configure(sshd.client)
    done = sshd.client.agentless("run", "host1", *words, "--", "touch", str(sshd.directory / "ran"))
    assert done.returncode == 2
    assert error in done.stderr
    assert sshd.logins() == 0
    assert not (sshd.client.home / ".cache" / "agentless" / "jobs").exists()


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("list", "--from", "lines"), "the returner lines cannot be read back\n  One that can: archive."),
        (("list", "--from", "archiv"), "has no returner 'archiv'\n  Did you mean archive?"),
        (
            ("lookup", "20261122095039579207", "--from", "archive"),
            "the register archive has no job 20261122095039579207",
        ),
    ],
)
def test_what_cannot_be_read_from_a_register_is_told(tmp_path: Path, words: tuple[str, ...], error: str) -> None:
    client = Client(tmp_path)
    client.write_inventory({"web1": {}})
    configure(client)
    done = client.agentless("jobs", *words)
    assert done.returncode == 2
    assert error in done.stderr


def test_without_sqlalchemy_the_extra_is_named(tmp_path: Path) -> None:
    client = Client(tmp_path)
    client.write_inventory({"web1": {"ansible_connection": "local"}})
    configure(client)
    hides = tmp_path / "hides"
    hides.mkdir()
    (hides / "sitecustomize.py").write_text(
        "import sys\n"
        "class Hides:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'sqlalchemy':\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.modules['sqlalchemy'] = None\n"
    )
    environ = {**client.environ, "PYTHONPATH": f"{hides}:{client.environ['PYTHONPATH']}"}
    for words in (("run", "web1", "--", "true"), ("jobs", "list", "--from", "archive")):
        done = client.agentless(*words, env=environ)
        assert done.returncode == 2
        assert "SQLAlchemy is not installed\n  pip install 'agentless-jobs[sql]'" in done.stderr


def test_a_command_that_is_interrupted_while_it_hands_over_leaves_at_once(sshd: Sshd, web: Web) -> None:
    configure(sshd.client, CONFIG)
    web.script.append("hang")
    environ = {**sshd.client.environ, "HOOK_URL": web.url}
    command = sshd.client.command("run", "host1", "--return", "hook", "--", "false")
    process = subprocess.Popen(
        command, env=environ, cwd=sshd.client.home, stdin=subprocess.DEVNULL, stdout=-1, stderr=-1, text=True
    )
    until(lambda: web.posts, "the return is on its way")
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=patience(10))
    assert process.returncode == 130
    assert "Traceback" not in errors
    assert sshd.client.agentless("ping", "host1", env=environ).returncode == 0
    assert len(web.posts) == 2


@pytest.mark.parametrize("moment", range(8))
def test_a_run_that_is_killed_at_any_moment_loses_no_return(sshd: Sshd, moment: int) -> None:
    """The next command of this controller hands over whatever the cache has then, and what comes home by it."""
    configure(sshd.client)
    command = sshd.client.command("run", "all", "--return", "lines", "--", "echo out")
    process = subprocess.Popen(
        command, env=sshd.client.environ, cwd=sshd.client.home, stdin=subprocess.DEVNULL, stdout=-1, stderr=-1
    )
    assert process.stdout is not None
    if moment:
        process.stdout.readline()  # one host's heading: its return is in the cache
        time.sleep(0.05 * (moment - 1))
    else:
        until(lambda: sshd.commands() > 0, "it was sent")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    (jid,) = json.loads(sshd.client.agentless("jobs", "list", "--out", "json").stdout)
    sshd.client.agentless("jobs", "wait", jid)
    results = json.loads(sshd.client.agentless("jobs", "lookup", jid, "--out", "json").stdout)["hosts"]
    ended = {host for host, result in results.items() if result["state"] in ("returned", "lost", "not-started")}
    assert ended == {"host1", "host2", "host3"}
    assert {(line["jid"], line["host"]) for line in lines(sshd.client)} == {(jid, host) for host in ended}
    rows = sshd.client.agentless("jobs", "lookup", jid, "--from", "archive", "--out", "json").stdout
    assert json.loads(rows)["hosts"] == results


# --- schedules ---
ENTRY = (
    "  nightly:\n    function: cmd.run\n    args: [echo fired]\n    target: all\n    seconds: 1\n    maxrunning: 99\n"
)


def test_what_hosts_fire_goes_to_the_returner_of_the_entry_when_it_comes_home(tmp_path: Path) -> None:
    need("many seconds")
    local = Local(tmp_path / "home")
    configure(local.client, CONFIG.replace("returner: archive\n", ""))
    local.write(ENTRY + "    returner: lines\n" + ENTRY.replace("nightly", "other"))
    local.said("schedule", "push")

    def home() -> bool:
        for host in ("web1", "web2"):
            local.tick(host)
        local.agentless("ping")
        return len(lines(local.client)) >= 2

    until(home, "two fires came home", seconds=60)
    assert {line["schedule"] for line in lines(local.client)} == {"nightly"}
    fired = local.said("jobs", "list", "--schedule", "nightly")
    assert {line["jid"] for line in lines(local.client)} <= set(fired)
    assert len({(line["jid"], line["host"]) for line in lines(local.client)}) == len(lines(local.client))


def test_what_the_controller_fires_goes_to_the_returner_of_the_entry(sshd: Sshd) -> None:
    configure(sshd.client)
    entry = ENTRY.replace("seconds: 1", "seconds: 3600") + "    runs_on: controller\n    returner: [lines]\n"
    (sshd.client.home / "schedule.yaml").write_text("schedule:\n" + entry)
    assert sshd.client.agentless("schedule", "run", "nightly").returncode == 0
    assert {(line["host"], line["schedule"]) for line in lines(sshd.client)} == {
        (host, "nightly") for host in ("host1", "host2", "host3")
    }
    done = sshd.client.agentless("scheduler", "--once")
    assert done.returncode == 0, done.stderr
    # A fire's JID is the time that it is for: it need not be the newest.
    for jid in json.loads(sshd.client.agentless("jobs", "list", "--out", "json").stdout):
        sshd.client.agentless("jobs", "wait", jid)
    assert len(lines(sshd.client)) == 6


@pytest.mark.parametrize(
    ("more", "line", "words"),
    [
        ("    returner: lime\n", 8, "has no returner 'lime'"),
        ("    returner: [lines, lines]\n", 8, "a returner is named a second time"),
        ("    return_job: nocache\n    returner: lines\n", 9, "with return_job: nocache there is nothing"),
    ],
)
def test_an_entry_with_a_returner_that_is_wrong_is_refused_with_file_and_line(
    tmp_path: Path, more: str, line: int, words: str
) -> None:
    need("many seconds")
    local = Local(tmp_path / "home")
    configure(local.client)
    local.write(ENTRY + more)
    for verb in (("schedule", "push"), ("schedule", "list"), ("schedule", "run", "nightly"), ("scheduler", "--once")):
        done = local.agentless(*verb, code=2)
        assert f"schedule.yaml:{line}: schedule: nightly: returner: " in done.stderr
        assert words in done.stderr
    assert not local.crontab.exists()


def test_an_edit_with_a_returner_that_is_wrong_leaves_the_file_as_it_is(tmp_path: Path) -> None:
    local = Local(tmp_path / "home")
    configure(local.client)
    local.write(ENTRY)
    before = (local.client.home / "schedule.yaml").read_text()
    local.agentless("schedule", "modify", "nightly", "returner=lime", code=2)
    assert (local.client.home / "schedule.yaml").read_text() == before
    local.agentless("schedule", "modify", "nightly", "returner=[lines, archive]")
