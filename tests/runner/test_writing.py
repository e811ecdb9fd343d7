"""The fields that both sides of the wire share are those that remote/wire.py names."""

from __future__ import annotations

from dataclasses import fields

from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.job_spec import JobSpec, Script
from agentless.model.process import Process
from agentless.model.requests import Caller, FetchRequest, RunRequest, Wanted
from agentless.model.returns import Return
from agentless.remote import wire
from agentless.runner.writing import job_fields, write

CALLER = Caller("ada@laptop", 168.0, 1 << 30)
JOB = Job(JID("20261122095039579207"), "cmd.script", ("x", "1"), "web*", ("web1",), "ada", 0.0)


def test_a_return_has_the_fields_that_the_helper_sends() -> None:
    assert {each.name for each in fields(Return)} == {"out", "err", *wire.RETURN}


def test_a_process_has_fields_that_the_helper_sends() -> None:
    assert {each.name for each in fields(Process)} <= set(wire.PROC)


def test_a_job_is_described_by_the_fields_that_a_run_and_a_schedule_share() -> None:
    assert tuple(job_fields(JobSpec("uptime"), "web*")) == wire.JOB


def test_a_record_keeps_of_a_run_what_the_run_sends() -> None:
    sent = write(RunRequest(JOB, JobSpec("uptime"), "web1", "00"), CALLER).fields
    assert set(wire.ASKED) <= set(sent)


def test_what_no_ps_may_show_goes_in_sections() -> None:
    spec = JobSpec(script=Script("x", b"#!/bin/sh\n", ("1",)), env={"TOKEN": "geheim"}, stdin=b"geheim")
    message = write(RunRequest(JOB, spec, "web1", "00"), CALLER)
    assert list(message.sections) == ["env", "script", "stdin"]
    assert message.fields["sections"] == [[name, len(data)] for name, data in message.sections.items()]
    assert "geheim" not in str(message)


def test_what_is_wanted_beside_has_no_part_in_what_is_asked() -> None:
    one, two, three = JOB.jid, JID("20261122095039579208"), JID("20261122095039579209")
    beside = [Wanted(two, "cd"), Wanted(three, "e", maybe=True)]
    message = write(FetchRequest((Wanted(one, "ab", maybe=True),)), CALLER, beside, {"seq": 3})
    assert message.fields["jobs"] == [{"jid": one, "nonce": "ab", "maybe": True}]
    assert message.fields["want"] == [{"jid": two, "nonce": "cd"}, {"jid": three, "nonce": "e", "maybe": True}]
    assert message.fields["seen"] == {"seq": 3}
