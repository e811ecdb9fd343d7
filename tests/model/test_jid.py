"""Job ids."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.model.jid import JID, jid_time, new_jid


@pytest.mark.parametrize(
    "text",
    [
        "",
        "last",
        "2026112209503957920",
        "202611220950395792071",
        "2026112209503957920x",
        "٢٠٢٦١١٢٢٠٩٥٠٣٩٥٧٩٢٠٧",
        "20261322095039579207",
        "99999999999999999999",
    ],
)
def test_what_is_not_20_digits_of_a_date_is_no_jid(text: str) -> None:
    with pytest.raises(ValueError, match="not a JID"):
        JID(text)


def test_digits_that_are_no_date_name_no_instant() -> None:
    assert jid_time("20261322095039579207") == 0.0


def test_a_jid_is_the_text_that_it_was_made_of() -> None:
    jid = JID("20261122095039579207")
    assert jid == "20261122095039579207"
    assert JID(jid) is jid


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)), st.integers(-14, 14))
def test_a_jid_names_its_instant_in_utc_to_the_microsecond(moment: datetime, hours: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(hours=hours)))
    assert datetime.fromtimestamp(0, timezone.utc) + timedelta(seconds=jid_time(new_jid(local))) - local < timedelta(
        microseconds=2
    )


@given(st.lists(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1))))
def test_the_order_of_jids_is_that_of_their_instants(moments: list[datetime]) -> None:
    aware = [moment.replace(tzinfo=timezone.utc) for moment in moments]
    assert sorted(map(new_jid, aware)) == [new_jid(moment) for moment in sorted(aware)]
