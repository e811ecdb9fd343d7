"""A host key that nobody knows, as a person is asked about it."""

from __future__ import annotations

import dataclasses

import pytest

from agentless.model.new_key import NewKey

KEY = NewKey(("web1", "web2"), "[192.0.2.1]:2222", "ssh-ed25519", "SHA256:abc")


def test_a_key_is_told_apart_by_all_that_a_person_sees() -> None:
    assert {KEY, dataclasses.replace(KEY)} == {KEY}
    for other in ({"hosts": ("web1",)}, {"address": "web1"}, {"type": "ssh-rsa"}, {"fingerprint": "SHA256:abd"}):
        assert dataclasses.replace(KEY, **other) != KEY


def test_what_a_person_has_trusted_cannot_change_afterwards() -> None:
    with pytest.raises(AttributeError):
        KEY.fingerprint = "SHA256:abd"  # type: ignore[misc]
