"""Unknown hosts are met once before they are contacted: bastions first, and nothing is written without a yes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from agentless.fleet import Fleet
from agentless.model.new_key import NewKey
from tests.hosts import Sshd


@pytest.fixture
def strangers(start_sshd: Callable[..., Sshd], monkeypatch: pytest.MonkeyPatch) -> Sshd:
    """Three hosts whose keys nobody knows; the third is reached over the first."""
    sshd = start_sshd(3, addresses=3)
    sshd.client.known_hosts.unlink()
    hosts = {
        name: {
            "ansible_host": address,
            "ansible_port": sshd.port,
            "ansible_user": sshd.user,
            "ansible_ssh_private_key_file": str(sshd.client.key),
            "agentless_state_dir": str(sshd.state_dir(name)),
        }
        for name, address in zip(sshd.names, sshd.addresses, strict=True)
    }
    jump = f"{sshd.user}@{sshd.addresses[0]}:{sshd.port}"
    hosts["host3"]["ansible_ssh_common_args"] = f"-o ProxyJump={jump} -o IdentityFile={sshd.client.key}"
    sshd.client.write_inventory(hosts)
    (sshd.client.key.parent / "config").write_text(f"IdentityFile {sshd.client.key}\n")
    for name, value in sshd.client.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return sshd


class Asked:
    """Answers, and remembers what it was asked."""

    def __init__(self, *answers: bool) -> None:
        self.answers = list(answers)
        self.keys: list[list[tuple[str, ...]]] = []

    def __call__(self, keys: Sequence[NewKey]) -> bool:
        self.keys.append([key.hosts for key in keys])
        return self.answers.pop(0)


def test_who_is_behind_a_bastion_is_met_when_that_is_known(strangers: Sshd) -> None:
    asked = Asked(True, True)
    with Fleet(strangers.client.inventory, trust=asked) as fleet:
        pong = fleet.ping()
        assert list(pong.hosts) == strangers.names, pong.problems
        fleet.ping()
    # host1 is unknown as a host and as the way to host3, and one machine.
    assert [sorted(name for hosts in keys for name in hosts) for keys in asked.keys] == [
        ["host1", "host2", "host3"],
        ["host3"],
    ]
    assert len(strangers.client.known_hosts.read_text().splitlines()) == 3


def test_a_no_is_asked_for_once(strangers: Sshd) -> None:
    asked = Asked(False)
    with Fleet(strangers.client.inventory, trust=asked) as fleet:
        assert not fleet.ping().hosts
        assert fleet.ping().problems["host2"].kind == "host-key"
    assert not strangers.client.known_hosts.exists()


def test_nobody_is_asked_where_checking_is_strict_by_a_word_or_off(strangers: Sshd) -> None:
    config = strangers.client.key.parent / "config"
    for word in ("yes", "accept-new"):
        config.write_text(f"IdentityFile {strangers.client.key}\nStrictHostKeyChecking {word}\n")
        with Fleet(strangers.client.inventory, trust=Asked(), limit="host2") as fleet:
            assert bool(fleet.ping().hosts) is (word == "accept-new")
    with Fleet(strangers.client.inventory, trust=Asked(), limit="host1", host_key_checking="strict") as fleet:
        assert not fleet.ping().hosts


def test_a_host_that_shows_no_key_is_no_reason_to_ask(strangers: Sshd) -> None:
    strangers.stop()
    with Fleet(strangers.client.inventory, trust=Asked()) as fleet:
        assert {problem.kind for problem in fleet.ping().problems.values()} == {"connect"}
