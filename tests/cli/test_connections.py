"""`agentless connections`: what is kept for the next command, and letting go of it."""

from __future__ import annotations

import json

import pytest

from agentless.errors import AgentlessError
from agentless.transport.keeper.greeting import held
from tests.end_to_end.test_kept import Commands, commands
from tests.hosts import Sshd, until

__all__ = ["commands"]


def _idle(commands: Commands) -> bool:
    """Whether something is kept, and nobody rides it; a keeper that is busy is asked again."""
    try:
        kept = held(commands.place)
    except AgentlessError:
        return False
    return kept is not None and bool(kept.connections) and not any(one.in_use for one in kept.connections)


def test_what_is_kept_is_listed_and_let_go_of(sshd: Sshd, commands: Commands) -> None:
    nothing = commands("connections")
    assert (nothing.stdout, nothing.stderr) == ("", "no connection is kept\n")
    assert json.loads(commands("connections", "--out", "json").stdout) == {"keeper": None, "connections": []}
    commands("run", "host1,host2", "--", "true")

    until(lambda: _idle(commands), "nobody rides them")
    document = json.loads(commands("connections", "--out", "json").stdout)
    assert [document["keeper"]] == commands.keepers()
    # Two names of one host, and what is resolved for them is the same.
    (one,) = document["connections"]
    since, closes_in = one.pop("since"), one.pop("closes_in")
    assert since.endswith("Z")
    assert 0 < closes_in <= 60
    assert one == {
        "kind": "keeper",
        "names": ["host1", "host2"],
        "user": sshd.user,
        "host": "127.0.0.1",
        "port": sshd.port,
        "via": None,
        "sessions": 0,
        "in_use": False,
        "socket": None,
    }
    table = commands("connections").stdout
    assert table.split()[:8] == ["HOSTS", "KIND", "USER", "ADDRESS", "VIA", "SINCE", "COMMANDS", "CLOSES"]
    assert "host[1-2]" in table
    commands("connections", "close", "nobody", code=2)
    assert "host[1-2]" in commands("connections", "close", "host1").stdout
    assert commands("connections").stdout == ""
    assert commands("connections", "close").stderr == "no connection was kept\n"


@pytest.mark.parametrize(("out", "document"), [("jsonl", ""), ("yaml", "keeper: null\nconnections: []\n")])
def test_where_nothing_is_kept_a_program_reads_an_empty_document(out: str, document: str, commands: Commands) -> None:
    for words in ((), ("close",)):
        done = commands("connections", *words, "--out", out)
        assert (done.stdout, done.stderr) == (document, "")
    assert not commands.keepers(), "who only asks starts none"


def test_jsonl_numbers_the_connections(sshd: Sshd, commands: Commands) -> None:
    commands("run", "host1", "--", "true")
    until(lambda: _idle(commands), "nobody rides it")
    (line,) = commands("connections", "--out", "jsonl").stdout.splitlines()
    document = json.loads(line)
    assert (document["number"], document["names"], document["port"]) == ("0", ["host1"], sshd.port)
