"""A value of each kind that has a JSON document: the reference shows them, and its guard compares their keys."""

from __future__ import annotations

import json
from typing import Any

from agentless.cache.pruning import Pruned
from agentless.model.answers import Helper
from agentless.model.connections import Connections, KeptConnection
from agentless.model.copies import Copied, Copies, FileFailure
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Job, JobRow, Report
from agentless.model.output import InMemory
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
from agentless.model.returns import Return
from agentless.model.states import Dispatched, HostResult, State
from agentless.remote.evaluator import Fire
from agentless.report.failure import failure
from agentless.schedule.host_schedule import HostSchedule, OnHost, Placed, Pushed, ScheduleEvent, Seen

__all__ = ["SAMPLES"]

_JID = JID("20261122095039579207")
_START = 1795341039.579207
_UPTIME = " 09:50:39 up 12 days,  3:07,  1 user,  load average: 0.08, 0.03, 0.01\n"
_JOB = Job(_JID, "cmd.run", ("uptime",), "web*", ("web1", "web2"), "ada", _START, {"ticket": "OPS-7"})
_RETURN = Return(
    0,
    None,
    "exit",
    InMemory(_UPTIME.encode()),
    pid=4711,
    started=_START + 0.21,
    finished=_START + 0.222,
    duration=0.012,
)
_TIMEOUT = Problem("connect-timeout", "web2: it did not answer in time", "Is it up? --connect-timeout waits longer.")
_DENIED = Problem(
    "permission-denied", "/etc/app/secret: Permission denied", "Log in as another user, or become one: -b."
)
_REPORT = Report(
    _JOB,
    {
        "web1": HostResult(State.RETURNED, Dispatched.YES, ret=_RETURN),
        "web2": HostResult(State.UNREACHABLE, problem=_TIMEOUT),
    },
)
_PROCESS = Process(_JID, "cmd.run", ("sleep 3600",), "web*", "compound", "ada", 4711, _START + 0.21)
_SURVIVOR = Survivor(4790, "root", "no permission to signal it")
_SENT = f"Signal 15 sent to job {_JID} at pid 4711"
_FIRE = Fire(1795401000, 1795401212, "20261123023000104711", 0)
_FIRE_JSON = {
    "nominal": "2026-11-23T02:30:00.000000Z",
    "time": "2026-11-23T02:33:32.000000Z",
    "utc_offset": 0,
    "zone": "Europe/Berlin",
    "splay": 212,
    "host": "db1",
    "skipped": None,
    "jid": "20261123023000104711",
}
_ON_HOST = OnHost("nightly", "cmd.run", ("df -h",), "db", True, _START, None, 0, (_FIRE,), None)
_SKIPPED = ScheduleEvent(_START, "nightly", None, "maxrunning", 2, None)

SAMPLES: dict[str, Any] = {
    "report": _REPORT.to_json(),
    "check": {
        "command": "uptime",
        "batch": "25%",
        "hosts": {"web1": {"address": "192.0.2.17", "port": None, "user": "ada", "become": "root"}},
    },
    "running": Running({"web1": [_PROCESS], "web2": []}, {"web3": _TIMEOUT}).to_json(),
    "found": Found(_JID, {"web1": _PROCESS, "web2": None}, {}).to_json(),
    "signalled": Signalled(_JID, 15, {"web1": Signal((4711, 4712), (_SURVIVOR,), _SENT)}, {}).to_json(),
    "active": Active({_JID: ActiveJob(_JOB, {"web1": 4711}, ("web2",))}, {}).to_json(),
    "list": Listed([JobRow(_JOB, {**_REPORT.summary, "returned": 2, "unreachable": 0}, _START)]).to_json(),
    "exit_success": ExitSuccess(_REPORT).to_json(),
    "prune": Pruned((_JID,), (), 8192).to_json(),
    "ping": Pong(
        {
            "web1": Answered(
                Helper(
                    python="3.11.2",
                    executable="/usr/bin/python3",
                    user="ada",
                    node="web1",
                    state_dir="/home/ada/.local/state/agentless",
                    platform="Linux 6.1.0-28-amd64 x86_64",
                    time=_START,
                ),
                0.213,
            )
        },
        {},
    ).to_json(),
    "hosts": Hosts(
        {"web1": InventoryHost(Endpoint("web1", "192.0.2.17", user="ada"), ("web", "prod"), {"ansible_user": "ada"})}
    ).to_json(),
    "connections": Connections(
        8123,
        (KeptConnection("keeper", ("web1",), "ada", "192.0.2.17", 22, None, _START, 0, False, 41.5),),
    ).to_json(),
    "placed": Pushed({"db1": Placed(added=("nightly",), crontab="added")}, {}).to_json(),
    "seen": Seen(
        {"db1": HostSchedule(_START, "ada@laptop", True, {"nightly": _ON_HOST}, (_SKIPPED,), ())}, {}
    ).to_json(),
    "copies": Copies(
        "put",
        "web",
        ("app.conf", "secret"),
        "/etc/app/",
        {
            "web1": Copied("copied", "/etc/app/", 2, 4711, 0.213),
            "web2": Copied("failed", "/etc/app/", 1, 4000, 0.2, _DENIED, 1, (FileFailure("/etc/app/secret", _DENIED),)),
        },
    ).to_json(),
    "next": {"nightly": [_FIRE_JSON]},
    "entries": {
        "nightly": {
            "enabled": True,
            "function": "cmd.run",
            "arguments": ["df -h"],
            "target": "db",
            "runs_on": "host",
            "timing": {"cron": "30 2 * * *", "splay": "600"},
            "pushed": {"same": ["db1"], "others": ["db2"], "as_of": "2026-11-22T09:50:39.579207Z"},
            "metadata": {},
            "next": _FIRE_JSON,
            "next_known": True,
            "last_fire": None,
            "last_result": None,
            "last_skip": None,
        }
    },
    "failure": json.loads(
        failure(["run", "--out", "json"], "cache", "the job cache is full", "agentless jobs prune makes room.", 2)
    ),
}
"""By the name that the reference has for the document."""
