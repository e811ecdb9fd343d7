"""What is told of an entry without asking anybody."""

from __future__ import annotations

from agentless.remote.evaluator import Fire
from agentless.schedule.coming import Forecast
from agentless.schedule.overview import Overview
from agentless.schedule.schedule_file import Entry

FIRE = Fire(nominal=1800000000, at=1800000007, shift=0, reason=None, jid="20270115080000123456")


def overview(forecast: Forecast, *, enabled: int = 1) -> Overview:
    entry = Entry("it", "it", "cmd.run", ("uptime",), "web*", "host", {"enabled": enabled})
    return Overview(entry, "web1", forecast, None, None, None)


def test_a_document_has_every_key_and_null_for_what_never_was() -> None:
    document = overview(Forecast(None, known=False)).to_json()
    nulls = {key for key, value in document.items() if value is None}
    assert nulls == {"next", "last_fire", "last_result", "last_skip", "pushed"}
    assert document["next_known"] is False
    assert overview(Forecast(FIRE)).to_json()["next"]["splay"] == 7
