"""Which files of a job cache belong to a job, and which to all of them."""

from __future__ import annotations

import pytest

from agentless.cache import file_names

JID = "20261122095039579207"


@pytest.mark.parametrize("suffix", [file_names.OPEN, file_names.FINISHED, file_names.OUTPUT, file_names.LIVE])
def test_each_file_of_a_job_is_known_by_its_name(suffix: str) -> None:
    assert file_names.of_job(JID + suffix) == (JID, suffix)


@pytest.mark.parametrize(
    "name",
    [file_names.LOCK, file_names.LAST, file_names.HEADS, file_names.PRUNED, file_names.SET_ASIDE, JID, f"{JID}.json",
     f"x{JID}.jsonl", "20261322095039579207.jsonl", f"{JID[1:]}.jsonl", "٢" * 20 + ".jsonl", f"{JID}.jsonl~"],
)  # fmt: skip
def test_no_other_file_is_taken_for_one_of_a_job(name: str) -> None:
    assert file_names.of_job(name) is None
