"""The first line of a record."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentless.cache.head import SAYS_LEARNED, Head, decode_head, encode_head, line_jid
from agentless.cache.json_line import DamagedRecord, Later
from agentless.model.jid import JID
from agentless.model.job import Job, Origin

THE_JID = JID("20261122095039579207")


words = st.text(max_size=10) | st.just('"origin":"learned"')


jobs = st.builds(
    Job,
    jid=st.just(THE_JID),
    function=words,
    arguments=st.lists(words | st.just("\udcff"), max_size=3).map(tuple),
    target=words,
    hosts=st.lists(words, max_size=3, unique=True).map(tuple),
    user=words,
    start_time=st.floats(0, 4e9),
    metadata=st.dictionaries(words, words, max_size=2),
    login=st.none() | words,
    become=st.none() | words,
    schedule=st.none() | words,
    keep_returns=st.floats(0, 1e5),
    origin=st.sampled_from(Origin),
    retry_of=st.none() | st.just(JID("20261122095039579206")),
    batch=st.none() | st.integers(1, 1000),
)


@given(job=jobs, last=st.floats(0, 4e9), summary=st.none() | st.just({"returned": 3, "failed": 1}))
def test_a_head_is_read_as_it_was_written(job: Job, last: float, summary: dict[str, int] | None) -> None:
    data = encode_head(Head(job, last, summary))
    assert decode_head(data, THE_JID) == Head(job, last, summary)
    assert line_jid(data) == THE_JID
    assert (SAYS_LEARNED in data) is (job.origin is Origin.LEARNED)


def test_a_later_format_is_told_apart_from_damage() -> None:
    data = encode_head(Head(Job(THE_JID, "f", (), "t", ("a",), "u", 1.0), 1.0))
    with pytest.raises(Later, match="its format 2 is not known"):
        decode_head(data.replace(b'"v":1', b'"v":2'), THE_JID)
    with pytest.raises(DamagedRecord, match="its first line is no job") as caught:
        decode_head(data.replace(b'"v":1', b'"v":true'), THE_JID)
    assert not isinstance(caught.value, Later)
    with pytest.raises(DamagedRecord, match="it holds job"):
        decode_head(data, JID("20261122095039579208"))
