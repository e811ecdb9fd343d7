"""Digests are those of hashlib, whichever module of Python makes them."""

from __future__ import annotations

import hashlib

from agentless.digests import sha1, sha256


def test_they_are_those_of_hashlib() -> None:
    for data in (b"", b"agentless", bytes(range(256)) * 1000):
        assert sha256(data).hexdigest() == hashlib.sha256(data).hexdigest()
        assert sha1(data, usedforsecurity=False).hexdigest() == hashlib.sha1(data, usedforsecurity=False).hexdigest()
