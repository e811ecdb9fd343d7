"""Whose process is at the other end of a socket."""

from __future__ import annotations

import os
import socket

from agentless.transport.keeper.peer import peer_uid


def test_the_kernel_knows_whose_process_is_at_the_other_end() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert peer_uid(ours) == os.geteuid()
