"""Which register is read: one that a returner writes; else the error says which there are."""

from __future__ import annotations

from pathlib import Path

import pytest

from agentless import Fleet
from agentless.errors import UnknownJob, UsageError

RETURNERS = """returners:
  archive: {type: sql, url: "sqlite:///%s/register.sqlite"}
  failures: {type: sql, url: "sqlite:///%s/register.sqlite", on: failure}
  pipe: {type: command, command: [cat]}
"""
JID = "20261122095039579207"


@pytest.fixture
def fleet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fleet:
    (tmp_path / "agentless.yaml").write_text(RETURNERS % (tmp_path, tmp_path))
    (tmp_path / "hosts.yaml").write_text("all: {hosts: {web1: {ansible_connection: local}}}\n")
    monkeypatch.setenv("AGENTLESS_CONFIG", str(tmp_path / "agentless.yaml"))
    return Fleet(str(tmp_path / "hosts.yaml"), config=str(tmp_path / "agentless.yaml"))


def test_a_returner_that_cannot_be_read_back_is_refused_with_those_that_can(fleet: Fleet) -> None:
    with pytest.raises(UsageError) as caught:
        fleet.list_jobs(source="pipe")
    assert "pipe cannot be read back" in caught.value.message
    assert "archive" in caught.value.hint


def test_a_returner_that_is_not_there_is_refused(fleet: Fleet) -> None:
    with pytest.raises(UsageError, match="archiv"):
        fleet.list_jobs(source="archiv")


@pytest.mark.parametrize("register", ["archive", "failures"])
def test_a_job_that_it_does_not_have_is_unknown_and_a_look_makes_no_database(
    fleet: Fleet, tmp_path: Path, register: str
) -> None:
    with pytest.raises(UnknownJob, match=register):
        fleet.lookup(JID, source=register)
    assert not (tmp_path / "register.sqlite").exists()
