"""The JSON contract: scripts depend on these keys, so they change only on purpose, here and in the documentation."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from agentless.model.answers import Helper
from agentless.model.endpoint import Endpoint
from agentless.model.job import Job, JobRow
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal, Survivor
from agentless.model.results import (
    Active,
    ActiveJob,
    Answered,
    ExitSuccess,
    Found,
    Hosts,
    InventoryHost,
    Listed,
    Pong,
    Running,
    Signalled,
)
from agentless.model.states import HostResult, State
from tests.report.values import JID, START, report, returned

PROBLEM = Problem("auth", "permission denied", "Which key?")
ERROR = {"error": {"kind": "auth", "message": "permission denied", "hint": "Which key?"}}
PROCESS = Process(JID, "cmd.run", ("uptime",), "web*", "compound", "ada", 4711, START)
PROCESS_JSON = {
    "jid": JID,
    "fun": "cmd.run",
    "arg": ["uptime"],
    "tgt": "web*",
    "tgt_type": "compound",
    "user": "ada",
    "pid": 4711,
    "started": "2026-11-22T09:50:39.579207Z",
}
JOB = Job(JID, "cmd.run", ("uptime",), "web*", ("web1",), "ada", START, {"ticket": "1"})
HEAD: dict[str, Any] = {
    "function": "cmd.run",
    "arguments": ["uptime"],
    "target": "web*",
    "user": "ada",
    "start_time": "2026-11-22T09:50:39.579207Z",
}
NOTHING = {
    "retcode": None,
    "signal": None,
    "ended_by": None,
    "stdout": None,
    "stderr": None,
    "stdout_truncated": None,
    "stderr_truncated": None,
    "pid": None,
    "started": None,
    "finished": None,
    "duration": None,
    "left_running": None,
    "uncapped": None,
}


def test_run_and_lookup() -> None:
    document = report(web1=returned(b"up\n"), web2=HostResult(State.UNREACHABLE, problem=PROBLEM)).to_json()
    assert document == {
        "jid": JID,
        **HEAD,
        "metadata": {},
        "hosts": {
            "web1": {
                "state": "returned",
                "retcode": 0,
                "signal": None,
                "ended_by": "exit",
                "stdout": "up\n",
                "stderr": "",
                "stdout_truncated": 0,
                "stderr_truncated": 0,
                "pid": 4711,
                "started": "2026-11-22T09:50:39.579207Z",
                "finished": "2026-11-22T09:50:40.579207Z",
                "duration": 1.0,
                "left_running": 0,
                "uncapped": False,
                "error": None,
            },
            "web2": {"state": "unreachable", **NOTHING, **ERROR},
        },
        "summary": {
            "pending": 0,
            "running": 0,
            "returned": 1,
            "lost": 0,
            "unreachable": 1,
            "not-started": 0,
            "failed": 0,
        },
        "exit_code": 3,
    }


def test_output_that_is_not_utf_8_comes_in_base64() -> None:
    host = returned(b"\xff").to_json()
    assert (host["stdout"], host["stdout_base64"], host["stderr"]) == (None, "/w==", "")


def test_running() -> None:
    assert Running({"web1": [PROCESS]}, {"web2": PROBLEM}).to_json() == {"web1": [PROCESS_JSON], "web2": ERROR}


def test_find_job() -> None:
    found = Found(JID, {"web1": PROCESS, "web2": None}, {"web3": PROBLEM})
    assert found.to_json() == {"web1": PROCESS_JSON, "web2": {}, "web3": ERROR}


def test_signal_job() -> None:
    done = Signalled(
        JID, 15, {"web1": Signal((4711,), (Survivor(4712, "root", "no permission"),), "sent")}, {"web2": PROBLEM}
    )
    survivor = {"pid": 4712, "user": "root", "reason": "no permission"}
    assert done.to_json() == {
        "jid": JID,
        "signal": 15,
        "hosts": {"web1": {"delivered": [4711], "survivors": [survivor], "message": "sent"}, "web2": ERROR},
    }


def test_jobs_active() -> None:
    job = ActiveJob(JOB, {"web1": 4711}, ("web2",), ("web3",), ("web4",), ("web5",))
    assert Active({JID: job}, {"web4": PROBLEM}).to_json() == {
        JID: {
            **HEAD,
            "running": [{"host": "web1", "pid": 4711}],
            "returned": ["web2"],
            "lost": ["web3"],
            "unreachable": ["web4"],
            "pending": ["web5"],
        }
    }


def test_jobs_list() -> None:
    summary = report(web1=returned()).summary
    row = {**HEAD, "metadata": {"ticket": "1"}, "summary": summary}
    assert Listed([JobRow(JOB, summary, START)]).to_json() == {JID: row}
    runs = report(web1=HostResult(State.RUNNING)).summary
    known = Listed([JobRow(JOB, runs, START)]).to_json()
    assert known == {JID: {**row, "summary": runs, "as_of": HEAD["start_time"]}}


def test_exit_success() -> None:
    asked = ExitSuccess(report(web1=returned(), web2=returned(retcode=1), web3=HostResult(State.RUNNING)))
    assert asked.to_json() == {"web1": True, "web2": False, "web3": False}
    assert asked.exit_code == 4
    foreign = ExitSuccess(replace(report(web1=returned()), unknown_hosts={"web2": PROBLEM}))
    assert (foreign.to_json(), foreign.exit_code) == ({"web1": True, "web2": ERROR}, 3)


def test_hosts() -> None:
    host = InventoryHost(Endpoint("web1", "10.0.0.1", port=2222, user="ada"), ("web",), {"ansible_port": 2222})
    assert Hosts({"web1": host}).to_json() == {
        "web1": {"address": "10.0.0.1", "port": 2222, "user": "ada", "groups": ["web"], "vars": {"ansible_port": 2222}}
    }


def test_hosts_without_a_way_to_one() -> None:
    host = InventoryHost(Endpoint("web1", "web1", problem=PROBLEM), (), {})
    assert Hosts({"web1": host}).exit_code == 3
    assert Hosts({"web1": host}).to_json() == {
        "web1": {"address": None, "port": None, "user": None, "groups": [], "vars": {}, **ERROR}
    }


def test_ping() -> None:
    answer = {
        "python": "3.11.7",
        "executable": "/usr/bin/python3",
        "user": "ada",
        "node": "web1",
        "state_dir": "/home/ada/.local/state/agentless",
        "platform": "linux",
    }
    pong = Pong({"web1": Answered(Helper(**answer, time=None), 0.2)}, {"web2": PROBLEM})
    assert pong.to_json() == {"web1": {**answer, "seconds": 0.2}, "web2": ERROR}
