"""The master of a bastion leads to the hosts behind it, or says why not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from agentless.errors import Unreachable
from agentless.transport.host_connector import HostConnector
from tests.transport.conftest import Home, Server, logins, master
from tests.transport.mux.conftest import run


def test_the_master_of_a_bastion_carries_us_to_the_host_behind_it(
    home: Home, start_sshd: Callable[..., Server], connector: HostConnector
) -> None:
    bastion, behind = start_sshd(authorized=home.key), start_sshd(authorized=home.key)
    home.knows(bastion.known_line(), behind.known_line())
    with master(home, bastion) as held:
        home.config(
            f"Host bastion\n  HostName 127.0.0.1\n  Port {bastion.port}\n  ControlPath {held.path}\n"
            f"Host behind\n  ProxyJump bastion\n"
        )
        endpoint = home.to(behind, address="behind", options=[("hostname", "127.0.0.1")])
        before = logins(bastion)
        assert run(connector, endpoint)[0] == b"hi\n"
        assert logins(bastion) == before
        assert logins(behind) == 1
        with pytest.raises(Unreachable, match=r"not reached from 127\.0\.0\.1") as caught:
            run(connector, replace(endpoint, port=1))
        assert caught.value.kind == "connect"
        held.kill()
        assert run(connector, endpoint)[0] == b"hi\n"
        assert logins(bastion) == before + 1
