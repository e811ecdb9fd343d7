"""What a retry list has of a job, by where its hosts stand."""

from __future__ import annotations

import pytest

from agentless.inventory.retry_lists import is_retry_list, not_ended, picked_of
from agentless.model.jid import JID
from agentless.model.job import Job, Report
from agentless.model.returns import Return
from agentless.model.states import Dispatched, HostResult, State

THE_JID = JID("20261122095039579207")
RESULTS = {
    "well": HostResult(State.RETURNED, Dispatched.YES, ret=Return(0, None, "exit")),
    "failed": HostResult(State.RETURNED, Dispatched.YES, ret=Return(3, None, "exit")),
    "lost": HostResult(State.LOST, Dispatched.YES),
    "refused": HostResult(State.NOT_STARTED),
    "unreached": HostResult(State.UNREACHABLE),
    "doubtful": HostResult(State.UNREACHABLE, Dispatched.MAYBE),
    "runs": HostResult(State.RUNNING, Dispatched.YES),
}
REPORT = Report(Job(THE_JID, "cmd.run", ("true",), "all", tuple(RESULTS), "ada", 1.0), RESULTS)


@pytest.mark.parametrize("word", [None, "", "all", "@failed", "@hosts.txt", "failed:1", "web1:2222"])
def test_other_words_are_none(word: str | None) -> None:
    assert not is_retry_list(word)


@pytest.mark.parametrize(
    ("kind", "names"),
    [("@failed", {"failed", "lost", "refused"}), ("@unreachable", {"unreached", "doubtful"})],
)
def test_it_has_the_hosts_that_stand_like_that(kind: str, names: set[str]) -> None:
    assert is_retry_list(f"{kind}:{THE_JID}")
    assert picked_of(f"{kind}:{THE_JID}", REPORT) == names


def test_what_may_end_otherwise_is_told_with_how_to_know_first() -> None:
    assert not_ended(REPORT).startswith(f"of job {THE_JID}, 2 hosts have not ended")
    ended = {name: RESULTS[name] for name in ("well", "failed", "unreached")}
    assert not_ended(Report(REPORT.job, ended)) == ""
