"""`connection: local`: this machine without SSH, as several users with their own state directories."""

from __future__ import annotations

import os
import pwd
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless import Fleet
from agentless.model.job_spec import Delivery, JobSpec
from agentless.model.states import State
from tests.hosts.fleet import out

LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
NOBODY: dict[str, Any] = {"ansible_become": True, "ansible_become_method": "su", "ansible_become_user": "nobody"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A controller's home. Its inventories give each host a state directory, so that none of the machine's is used."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return tmp_path


@pytest.fixture
def nobodys(home: Path) -> Iterator[Path]:
    """A directory of the user nobody; becoming it takes root."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes nobody without a password")
    # Not by a number that one of a run that was killed had, too.
    directory = Path(tempfile.mkdtemp(prefix="agentless-test-", dir="/var/tmp"))
    directory.chmod(0o755)
    entry = pwd.getpwnam("nobody")
    os.chown(directory, entry.pw_uid, entry.pw_gid)
    yield directory
    shutil.rmtree(directory)


def fleet(home: Path, **hosts: dict[str, Any]) -> Fleet:
    inventory = home / "inventory.yaml"
    inventory.write_text(yaml.safe_dump({"all": {"hosts": {name: {**LOCAL, **host} for name, host in hosts.items()}}}))
    return Fleet(inventory)


def test_two_names_with_state_directories_of_their_own_run_the_job_twice(home: Path) -> None:
    with fleet(
        home, one={"agentless_state_dir": str(home / "one")}, two={"agentless_state_dir": str(home / "two")}
    ) as here:
        report = here.run("all", "echo $AGENTLESS_JID")
        assert {out(result) for result in report.results.values()} == {report.job.jid + "\n"}
        node = os.uname().nodename
        for name in ("one", "two"):
            assert (home / name / node / "jobs" / report.job.jid / "return.json").exists()


def test_two_names_for_one_state_directory_run_it_once_and_say_so(home: Path) -> None:
    shared = {"agentless_state_dir": str(home / "state")}
    with fleet(home, one=shared, two=shared) as here:
        report = here.run("all", "echo ran")
    states = sorted(result.state for result in report.results.values())
    assert states == [State.NOT_STARTED, State.RETURNED]
    refused = next(result for result in report.results.values() if result.state is State.NOT_STARTED)
    assert refused.problem is not None
    assert refused.problem.kind == "same-host"
    assert "agentless_state_dir" in refused.problem.hint


def test_different_users_of_this_machine_are_different_hosts(home: Path, nobodys: Path) -> None:
    """`nobody` cannot enter the controller's home, and keeps its records in a directory of its own."""
    root = {"agentless_state_dir": str(home / "root")}
    other = {**NOBODY, "ansible_python_interpreter": "/usr/bin/python3", "agentless_state_dir": str(nobodys / "state")}
    home.chmod(0o700)
    with fleet(home, me=root, other=other) as here:
        report = here.run("all", "id -un")
        assert {name: out(result) for name, result in report.results.items()} == {"me": "root\n", "other": "nobody\n"}
        run = here.start("all", JobSpec("sleep 7100"), Delivery(detach=True))
        list(run)
        run.close()
        listed = here.running()
        jids = {name: {process.jid for process in jobs} for name, jobs in listed.hosts.items()}
        assert jids == {"me": {run.job.jid}, "other": {run.job.jid}}, listed
        killed = here.kill_job(run.job.jid).hosts
        assert {name: (bool(one.delivered), one.survivors) for name, one in killed.items()} == {
            "me": (True, ()),
            "other": (True, ()),
        }
        ended = {result.ret.signal for result in here.lookup(run.job.jid).results.values() if result.ret}
        assert ended == {9}
    assert (nobodys / "state").stat().st_uid == pwd.getpwnam("nobody").pw_uid


def test_a_state_directory_of_another_user_is_refused(home: Path, nobodys: Path) -> None:
    with fleet(home, me={"agentless_state_dir": str(nobodys)}) as here:
        result = here.run("me", "id").results["me"]
    assert result.state is State.NOT_STARTED
    assert result.problem is not None
    assert result.problem.kind == "state-dir"
    assert str(nobodys) in result.problem.message
