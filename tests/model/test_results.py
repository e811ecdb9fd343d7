"""The exit code and the JSON of what the verbs give back."""

from __future__ import annotations

import pytest

from agentless.model import jid
from agentless.model.problem import Problem
from agentless.model.process import Process, Signal, Survivor
from agentless.model.results import Found, Running, Signalled

JID = jid.JID("20261122095039579207")
GONE = {"db1": Problem("connect", "refused", "start it")}
PROCESS = Process(JID, "cmd.run", ("uptime",), "web*", "compound", "ada", 7, 0.5)
ALIVE = Signal((7,), (Survivor(8, "root", "not ours"),), "sent")
DEAD = Signal((7,), (), "sent")


@pytest.mark.parametrize(
    ("hosts", "problems", "code"),
    [({"web1": PROCESS}, {}, 0), ({"web1": None}, {}, 1), ({}, {}, 1), ({"web1": PROCESS}, GONE, 3)],
)
def test_find_job_says_whether_it_runs_and_whether_all_could_be_asked(
    hosts: dict[str, Process | None], problems: dict[str, Problem], code: int
) -> None:
    assert Found(JID, hosts, problems).exit_code == code


@pytest.mark.parametrize(
    ("signal", "answer", "problems", "code"),
    [(9, ALIVE, {}, 1), (15, ALIVE, {}, 0), (9, DEAD, {}, 0), (9, DEAD, GONE, 3)],
)
def test_survivors_of_a_kill_are_a_failure_and_of_other_signals_only_told(
    signal: int, answer: Signal, problems: dict[str, Problem], code: int
) -> None:
    assert Signalled(JID, signal, {"web1": answer}, problems).exit_code == code


def test_hosts_that_could_not_be_asked_stand_beside_the_others_with_their_error() -> None:
    document = Running({"web1": [PROCESS]}, GONE).to_json()
    assert document["web1"][0] == {
        "jid": JID,
        "fun": "cmd.run",
        "arg": ["uptime"],
        "tgt": "web*",
        "tgt_type": "compound",
        "user": "ada",
        "pid": 7,
        "started": "1970-01-01T00:00:00.500000Z",
    }
    assert document["db1"] == {"error": {"kind": "connect", "message": "refused", "hint": "start it"}}
    assert Found(JID, {"web1": None}, {}).to_json() == {"web1": {}}
    found = Signalled(JID, 9, {"web1": ALIVE}, {}).to_json()
    assert found["hosts"]["web1"]["survivors"] == [{"pid": 8, "user": "root", "reason": "not ours"}]
