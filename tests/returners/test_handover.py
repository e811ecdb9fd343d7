"""What a returner is handed of a host: one line of ASCII, which has the job and the host."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.states import HostResult, State
from agentless.returners.handover import HostEnd
from tests.cache.results import HOSTS, results, returned

JOB = Job(JID("20261122095039579207"), "cmd.run", ("id",), "all", HOSTS, "ada", 1.0)
ENDS = st.sampled_from([State.RETURNED, State.LOST, State.NOT_STARTED])


@given(results(ENDS), st.sampled_from(HOSTS))
def test_any_end_is_one_line_that_says_whose_it_is(result: HostResult, host: str) -> None:
    line = HostEnd(JOB, host, result).encode()
    assert line.isascii()
    assert (line.count(b"\n"), line[-1:]) == (1, b"\n")
    document = json.loads(line)
    assert (document["jid"], document["host"], document["state"]) == (JOB.jid, host, result.state.value)


def test_its_size_is_what_it_printed_on_both_streams() -> None:
    result = returned(b"four", stderr=b"six by")
    assert HostEnd(JOB, "web1", result).output_size == 10
    assert HostEnd(JOB, "web1", replace(result, state=State.LOST, ret=None)).output_size == 0
