"""A running job's process and what a signal did, as scripts read them."""

from __future__ import annotations

from dataclasses import replace

from agentless.model.jid import JID
from agentless.model.process import Process, Signal, Survivor

PROCESS = Process(JID("20261122095039579207"), "cmd.run", (), "web*", "compound", "ada@laptop", None, None)


def test_a_process_of_which_little_is_known_has_every_key_and_null() -> None:
    document = PROCESS.to_json()
    assert (document["arg"], document["pid"], document["started"]) == ([], None, None)
    assert PROCESS.started_at is None


def test_only_what_an_entry_fired_names_one() -> None:
    assert "schedule" not in PROCESS.to_json()
    assert replace(PROCESS, schedule="nightly").to_json()["schedule"] == "nightly"


def test_a_start_is_told_in_utc_whatever_the_zone() -> None:
    document = replace(PROCESS, started=0.5).to_json()
    assert document["started"] == "1970-01-01T00:00:00.500000Z"


def test_a_signal_that_reached_nobody_has_empty_lists_and_says_why() -> None:
    assert Signal((), (), "it does not run", known=False).to_json() == {
        "delivered": [],
        "survivors": [],
        "message": "it does not run",
    }


def test_each_survivor_is_told_with_whose_it_is_and_why() -> None:
    survivors = (Survivor(8, "root", "not ours"), Survivor(9, "ada", "in uninterruptible sleep"))
    assert [one["reason"] for one in Signal((7,), survivors, "sent").to_json()["survivors"]] == [
        "not ours",
        "in uninterruptible sleep",
    ]
