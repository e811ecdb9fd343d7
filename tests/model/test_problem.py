"""Why a host is in its state: the same three words everywhere."""

from __future__ import annotations

from agentless.model.problem import Problem


def test_every_document_has_kind_message_and_hint_also_where_there_is_no_hint() -> None:
    assert Problem("connect", "refused").to_json() == {"kind": "connect", "message": "refused", "hint": ""}


def test_two_of_the_same_words_are_the_same() -> None:
    assert {Problem("connect", "refused"), Problem("connect", "refused", "")} == {Problem("connect", "refused")}
    assert Problem("connect", "refused", "start it") != Problem("connect", "refused")
