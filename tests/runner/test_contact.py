"""Many hosts are asked at once: what that must not do to the process that asks."""

from __future__ import annotations

from typing import Any

import pytest

from agentless import Fleet
from agentless.model.jid import JID
from agentless.model.states import Dispatched, HostResult, State
from agentless.runner import lookup, payload, procs
from agentless.transport.host_connector import HostConnector
from tests.hosts import Sshd
from tests.runner.conftest import Bench
from tests.runner.lying import CUT, END, LyingHosts, told


@pytest.mark.parametrize("verb", ["run", "ping", "push"])
def test_the_helper_is_packed_before_the_first_connection_is_open(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    """`ast.parse` of two threads clash (CPython gh-106905), and paramiko's parses where sshd hangs up."""
    for name, value in sshd.client.environ.items():
        monkeypatch.setenv(name, value)
    packed = []
    connect = HostConnector.connect

    def watched(self: HostConnector, endpoint: Any) -> Any:
        packed.append(payload._packed.cache_info().currsize)
        return connect(self, endpoint)

    monkeypatch.setattr(HostConnector, "connect", watched)
    payload._packed.cache_clear()
    (sshd.client.home / "schedule.yaml").write_text("schedule: {}\n")
    with Fleet(sshd.client.inventory) as fleet:
        if verb == "run":
            assert fleet.run("all", "true").exit_code == 0
        elif verb == "ping":
            assert len(fleet.ping().hosts) == 3
        else:
            fleet.schedule().push(check=True)
    assert packed == [1, 1, 1]


def test_a_defect_that_one_host_brings_to_light_is_that_hosts_problem(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threading.excepthook", lambda args: None)
    hosts = LyingHosts(web2=[[({"t": "pong", "python": "3"}, b""), END]])  # and none for web1: a KeyError
    pong = procs.ping(bench.contact(hosts), bench.selection.endpoints(None))
    assert (pong.problems["web1"].kind, pong.hosts["web2"].helper.python) == ("internal", "3")


def test_an_end_that_was_told_holds_where_the_connection_breaks_behind_it(bench: Bench) -> None:
    report = bench.job(web1=HostResult(State.RUNNING, Dispatched.YES, nonce="ab"))
    ended = told(report.job.jid, {"t": "return", "retcode": 3, "ended_by": "exit"})
    hosts = LyingHosts(web1=[[*ended, CUT]])
    found = lookup.look_up(bench.contact(hosts), bench.selection, JID(report.job.jid), None)
    assert (found.results["web1"].state, found.exit_code) == (State.RETURNED, 1)


@pytest.mark.parametrize("verb", [procs.ping, procs.running])
def test_one_host_that_lies_leaves_the_others_their_answers(bench: Bench, verb: Any) -> None:
    hosts = LyingHosts(web1=[[b"[" * 200_000]], web2=[[({"t": "pong"}, b""), END]])
    answer = verb(bench.contact(hosts), bench.selection.endpoints(None))
    assert list(answer.problems) == ["web1"]
    assert answer.problems["web1"].kind == "protocol"
