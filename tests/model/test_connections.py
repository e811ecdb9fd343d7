"""What is kept, as `connections` gives it back."""

from __future__ import annotations

from datetime import datetime, timezone

from agentless.model.connections import Connections, KeptConnection


def test_what_is_not_known_of_a_connection_is_null() -> None:
    master = KeptConnection("master", ("web1",), "ada", "192.0.2.1", 22, socket="/home/ada/.ssh/master")
    document = master.to_json()
    assert {key for key, value in document.items() if value is None} == {
        "via",
        "since",
        "sessions",
        "in_use",
        "closes_in",
    }
    assert master.since_at is None


def test_times_are_utc_and_seconds_are_rounded() -> None:
    kept = KeptConnection("keeper", ("web1", "web2"), "ada", "192.0.2.1", 22, "bastion", 1.0, 1, False, 59.987)
    assert kept.since_at == datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)
    document = Connections(4711, (kept,)).to_json()
    assert document["keeper"] == 4711
    assert document["connections"][0]["closes_in"] == 60.0
    assert document["connections"][0]["names"] == ["web1", "web2"]
    assert Connections(None, ()).exit_code == 0
