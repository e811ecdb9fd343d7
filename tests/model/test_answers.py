"""What hosts answer: values that another process can take over, with what is not told at its default."""

from __future__ import annotations

import dataclasses
import pickle
from datetime import datetime, timezone
from typing import get_args

import pytest

from agentless.model import answers
from agentless.model.jid import JID

JID_OF_ONE = JID("20261122095039579207")


def test_whatever_a_host_can_answer_stands_in_this_room() -> None:
    kinds = get_args(answers.Answer)
    assert {kind.__name__ for kind in kinds} == set(answers.__all__) - {"Answer", "FileAnswer", "JobAnswer"}


@pytest.mark.parametrize(
    "answer",
    [
        answers.Output(JID_OF_ONE, "web1", 1, 0, b"up\n"),
        answers.Stated(JID_OF_ONE, "running", 7, 1.0, None),
        answers.Described(JID_OF_ONE),
        answers.RunningJobs(()),
        answers.Gathering(),
        answers.FetchedItem("etc/motd", 0o644, 3),
    ],
)
def test_an_answer_is_the_same_in_another_process_and_nobody_changes_it(answer: answers.Answer) -> None:
    assert pickle.loads(pickle.dumps(answer)) == answer
    with pytest.raises(AttributeError):
        answer.jid = ""  # type: ignore[misc, union-attr]


def test_of_a_tombstone_no_more_than_the_jid_is_known() -> None:
    described = answers.Described(JID_OF_ONE)
    assert (described.function, described.hosts, described.metadata, described.keep) == ("", (), None, True)


def test_the_clock_of_a_host_is_a_time_in_utc() -> None:
    helper = answers.Helper("3.11", "/usr/bin/python3", "ada", "web1", "~/.cache", "Linux", 0.0)
    assert helper.time_at == datetime(1970, 1, 1, tzinfo=timezone.utc)
    assert dataclasses.replace(helper, time=None).time_at is None
