"""What hosts are asked: another place is told nothing of a job, and no repr tells its secrets."""

from __future__ import annotations

from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.job_spec import JobSpec, Script, Sent
from agentless.model.requests import Caller, RunRequest, Wanted
from agentless.runner.writing import write


def test_what_was_sent_to_another_place_of_a_host_is_not_called_off_here() -> None:
    """It may run there; a tombstone that another user leaves would make it not started."""
    maybe = Wanted(JID("20261122095039579207"), "ab", maybe=True, place="ada")
    assert [maybe.at(place).maybe for place in ("ada", "ada root", "bob")] == [True, False, False]
    assert Wanted(maybe.jid, "ab", maybe=True).at("bob").maybe


def test_what_may_be_secret_of_a_job_stands_in_no_repr() -> None:
    """Nor in a traceback or a log that shows one: environment, stdin, and what a script holds."""
    script = Script("setup.sh", b"PW=s3cret")
    spec = JobSpec(script=script, env={"PW": "s3cret"}, stdin=b"s3cret")
    job = Job(JID("20261122095039579207"), "cmd.script", ("setup.sh",), "web1", ("web1",), "ada", 0.0)
    message = write(RunRequest(job, spec, "web1", "ab"), Caller("ada@here", 1.0, 1))
    for value in (spec, script, RunRequest(job, spec, "web1", "ab"), Sent(spec), message):
        assert "s3cret" not in repr(value)
