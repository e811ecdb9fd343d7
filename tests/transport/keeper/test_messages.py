"""What a command and its keeper say to each other arrives as it was sent."""

from __future__ import annotations

import dataclasses
import re

import pytest

from agentless.errors import HostError, NoSession, Refused, Unreachable
from agentless.model.secret import Secret
from agentless.transport.keeper import messages
from agentless.transport.mux.protocol import Message, SessionOpened, pack, unpack
from tests.hosts.client import ROOT


def sent(kind: int, value: object) -> Message:
    """A word of ours as the other side gets it."""
    message = messages.message(kind, 7, value)
    arrived = unpack(pack(message)[4:])
    assert arrived == message
    assert message.request == 7
    return arrived


@pytest.mark.parametrize("error", [Unreachable("connect", "m", "h"), NoSession("throttled", "m"), Refused("auth", "m")])
def test_an_error_is_raised_as_the_one_it_was(error: HostError) -> None:
    raised = messages.value(sent(messages.FAILED, messages.Failed.of(error)), messages.Failed).raised()
    assert type(raised) is type(error)
    assert (raised.kind, raised.message, raised.hint) == (error.kind, error.message, error.hint)


def test_an_error_that_only_one_side_tells_apart_is_the_general_one() -> None:
    class Special(Unreachable):
        pass

    raised = messages.value(
        sent(messages.FAILED, messages.Failed.of(Special("host-key", "m"))), messages.Failed
    ).raised()
    assert type(raised) is Unreachable


@pytest.mark.parametrize("secret", [None, Secret(""), Secret("zwölf")])
def test_an_answer_that_is_empty_is_not_none(secret: Secret | None) -> None:
    assert messages.value(sent(messages.ANSWER, messages.Answer(secret)), messages.Answer).secret == secret


def test_no_packet_of_ours_is_one_of_ssh_s() -> None:
    ours = [messages.LEASE, messages.CONNECT, messages.ANSWER, messages.LIST, messages.CLOSE]
    ours += [messages.ASK, messages.WARN, messages.FAILED, messages.CONNECTED, messages.HELD, messages.ENDED]
    assert len(set(ours)) == len(ours)
    # PROTOCOL.mux: a client's begin at 0x10000001, a server's at 0x80000001.
    assert all(number & 0x0A000000 for number in ours)


def test_the_page_of_the_protocol_tells_every_word_of_ours_and_its_fields() -> None:
    page = (ROOT / "docs" / "dev" / "protocol.md").read_text()
    rows = re.findall(r"^\| ([0-9A-F]{8}) \| (?:← )?(\w+)(?: →)? \| (?:`([a-z ]+)`|-) \|", page, re.MULTILINE)
    fields = {
        messages.LEASE: messages.Lease,
        messages.CONNECT: messages.Connect,
        messages.ANSWER: messages.Answer,
        messages.LIST: None,
        messages.CLOSE: messages.Close,
        messages.ASK: messages.Text,
        messages.WARN: messages.Text,
        messages.FAILED: messages.Failed,
        messages.CONNECTED: messages.Connected,
        messages.HELD: messages.HeldAll,
        messages.ENDED: None,
    }
    told = {int(number, 16): (name, tuple(names.split())) for number, name, names in rows}
    assert told == {
        number: (name, tuple(field.name for field in dataclasses.fields(of)) if of else ())
        for name in (
            "lease",
            "connect",
            "answer",
            "list",
            "close",
            "ask",
            "warn",
            "failed",
            "connected",
            "held",
            "ended",
        )
        for number in [getattr(messages, name.upper())]
        for of in [fields[number]]
    }


def test_what_holds_no_value_is_none_of_ours() -> None:
    for message in (
        SessionOpened(1, 2),
        messages.message(messages.ENDED, 1),
        messages.message(messages.ASK, 1, messages.Answer(None)),
    ):
        with pytest.raises(ValueError):
            messages.value(message, messages.Text)
