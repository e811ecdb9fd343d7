"""The connections that are kept: which of them belong to a target, and what is let go of."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from agentless.model.connections import Connections
from agentless.runner import connections
from agentless.transport.keeper.messages import Held, HeldAll
from tests.runner.test_parts import parts

LINES = "web1 ansible_host=192.0.2.1 ansible_user=ada\nweb2 ansible_host=192.0.2.2 ansible_user=ada ansible_port=2222"
WEB1 = Held(("web1",), "ada", "192.0.2.1", 22, None, 1.0, 1, True, None, False)
WEB2 = Held(("web2",), "ada", "192.0.2.2", 2222, None, 1.0, 0, False, 9.0, True)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No ssh_config of the machine's has a word, nor any keeper of this user's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(connections, "held", lambda: HeldAll(7, (WEB1, WEB2)))


def names(kept: Connections) -> list[str]:
    return [name for one in kept.connections for name in one.names]


def test_without_a_target_all_are_shown_with_the_process_that_keeps_them(tmp_path: Path) -> None:
    with contextlib.closing(parts(LINES, tmp_path)) as made:
        kept = connections.kept(made)
    assert (kept.keeper, names(kept)) == (7, ["web1", "web2"])
    assert [(one.kind, one.port, one.closes_in) for one in kept.connections] == [
        ("keeper", 22, None),
        ("keeper", 2222, 9.0),
    ]


def test_a_target_and_a_limit_narrow_them_to_its_hosts(tmp_path: Path) -> None:
    with contextlib.closing(parts(LINES, tmp_path)) as made:
        assert names(connections.kept(made, "web2")) == ["web2"]
    with contextlib.closing(parts(LINES, tmp_path, limit="web1")) as made:
        assert names(connections.kept(made)) == ["web1"]


def test_where_no_keeper_runs_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "held", lambda: None)
    with contextlib.closing(parts(LINES, tmp_path)) as made:
        assert connections.kept(made) == Connections(None, ())


def test_only_the_ways_to_a_targets_hosts_are_let_go_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def let_go(ways: object) -> HeldAll:
        asked.append(ways)
        return HeldAll(7, (WEB2,))

    monkeypatch.setattr(connections, "let_go", let_go)
    with contextlib.closing(parts(LINES, tmp_path)) as made:
        assert names(connections.close(made, "web2")) == ["web2"]
        connections.close(made, None)
    assert asked == [(("ada", "192.0.2.2", 2222),), None]
