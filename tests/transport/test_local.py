"""`connection: local`: the same channel without SSH."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from agentless.model.endpoint import Endpoint
from agentless.transport.channel import Link
from agentless.transport.host_connector import HostConnector
from agentless.transport.local import LocalLink
from tests.hosts import patience, until
from tests.transport.conftest import drain, open_descriptors


@pytest.fixture
def link() -> Link:
    return LocalLink()


def test_a_local_endpoint_needs_no_ssh(connector: HostConnector) -> None:
    with connector.connect(Endpoint("here", "here", local=True)) as link:
        assert link.user == pwd.getpwuid(os.getuid()).pw_name
        assert drain(link.exec("pwd"))[0].decode().strip() == os.path.realpath(pwd.getpwuid(os.getuid()).pw_dir)


def test_closing_hangs_up_what_still_runs_and_leaves_no_descriptor(link: Link) -> None:
    before = open_descriptors()
    channel = link.exec("echo $$; sleep 600")
    piece = channel.recv(patience(20))
    assert piece is not None
    channel.close()
    until(lambda: not Path(f"/proc/{int(piece[1])}").exists(), "the shell is gone")
    until(lambda: open_descriptors() <= before, "nothing stays open")
