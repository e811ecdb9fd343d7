"""A machine knows its own records by more than a name: hosts are renamed, and clones share a home."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from agentless.remote import identity
from tests.hosts.needs import need
from tests.hosts.waiting import until
from tests.remote.host import NONCE, Host
from tests.remote.test_records import age, state_of, sweep_now

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it renames hosts and mounts boot ids")
HERE: dict[str, Any] = {"space": "boot 2", "local": "a", "machine": "m", "macs": ["02", "03"]}


def machine(
    folder: Path, *, name: str, boot: str | None = None, other: bool = False, var_tmp: Path | None = None
) -> tuple[str, ...]:
    """The words that run a command on a machine of this name.

    Args:
        boot: its boot id; None is this machine's.
        other: another machine, which shares all but the network and /var/tmp.
        var_tmp: its /var/tmp, where that is to outlive the command.
    """
    words = ["unshare", "--uts", "--mount", *(["--net"] if other else []), "/bin/sh", "-c"]
    line = f"hostname {name}"
    if boot:
        (folder / boot).write_text(f"{uuid.uuid5(uuid.NAMESPACE_OID, boot)}\n")
        line += f" && mount --bind {folder / boot} /proc/sys/kernel/random/boot_id"
    if var_tmp:
        line += f" && mount --bind {var_tmp} /var/tmp"
    elif other:
        line += " && mount -t tmpfs -o mode=1777 tmpfs /var/tmp"
    return (*words, f'{line} && exec /bin/sh -c "$0"')


def nodes(host: Host) -> list[str]:
    return sorted(path.name for path in host.state.iterdir() if path.name != "helper")


@ROOT
def test_a_host_that_is_renamed_finds_its_jobs(one_host: Host, tmp_path: Path) -> None:
    need("many seconds")
    jid, pid = one_host.start("echo begun; exec sleep 300")
    one_host.argv = machine(tmp_path, name="renamed")
    assert [job["pid"] for job in one_host.call("running").one("running")["jobs"]] == [pid]
    assert one_host.kill(jid)["delivered"] == [pid]
    assert one_host.ended(jid).one("return")["signal"] == 9
    assert nodes(one_host) == [os.uname().nodename]


@ROOT
def test_a_host_that_is_renamed_and_rebooted_keeps_its_records(one_host: Host, tmp_path: Path) -> None:
    done = one_host.run("echo hi").one("return")["jid"]
    jid, _ = one_host.start("exec sleep 300")
    here, one_host.argv = one_host.argv, machine(tmp_path, name="renamed", boot="next")
    assert state_of(one_host, done) == ("returned", None)
    assert state_of(one_host, jid) == ("lost", "reboot")
    assert nodes(one_host) == [os.uname().nodename]
    one_host.argv = here
    one_host.kill(jid)


@ROOT
@pytest.mark.parametrize("name", [os.uname().nodename, "elsewhere"])
def test_a_machine_judges_ends_and_sweeps_nothing_of_another_whatever_they_share(
    one_host: Host, tmp_path: Path, name: str
) -> None:
    """A home and /etc/machine-id, also the name."""
    need("many seconds")
    done = one_host.run("echo hi").one("return")["jid"]
    jid, pid = one_host.start("exec sleep 300")
    age(one_host, done, 200)
    here, one_host.argv = one_host.argv, machine(tmp_path, name=name, boot="other", other=True)
    assert one_host.call("running").one("running")["jobs"] == []
    assert state_of(one_host, jid)[0] == "unknown"
    assert one_host.kill(jid)["known"] is False
    own = one_host.run("echo own").one("return")["jid"]
    for root in one_host.state.glob("*"):
        for swept in ("swept", "pruned"):
            if (root / swept).exists():
                os.utime(root / swept, (0, 0))
    one_host.call("ping", keep_bytes=1)
    assert len(nodes(one_host)) == 2
    assert (one_host.root / "jobs" / done / "return.json").exists()
    one_host.argv = here
    assert one_host.call("find", jid=jid).one("found")["proc"]["pid"] == pid
    assert state_of(one_host, own)[0] == "unknown"
    sweep_now(one_host)
    assert state_of(one_host, jid)[0] == "running"


@ROOT
def test_records_of_a_former_version_are_taken_over(one_host: Host, tmp_path: Path) -> None:
    """It knew a node by its name, and wrote down its boot."""
    jid, pid = one_host.start("exec sleep 300")
    space = json.loads((one_host.root / "node.json").read_text())["space"]
    (one_host.root / "node.json").unlink()
    assert one_host.call("find", jid=jid).one("found")["proc"]["pid"] == pid
    assert (one_host.root / "node.json").exists()
    (one_host.root / "node.json").unlink()
    (one_host.root / "space.json").write_text(json.dumps({"space": space}))
    here, one_host.argv = one_host.argv, machine(tmp_path, name="renamed")
    assert one_host.call("find", jid=jid).one("found")["proc"]["pid"] == pid
    one_host.argv = here


@pytest.mark.parametrize(
    ("changes", "same"),
    [
        ({}, True),
        ({"macs": ["03", "04"]}, True),
        ({"macs": []}, True),
        ({"machine": "n"}, True),
        ({"machine": "n", "macs": []}, False),
        ({"macs": ["05"]}, False),
        ({"local": "b"}, False),
        ({"local": None}, True),
        ({"local": None, "macs": ["03"]}, False),
        ({"local": None, "machine": "n"}, False),
    ],
)
def test_what_was_before_a_boot_is_the_same_machines_when_nothing_speaks_against_it(
    changes: dict[str, Any], same: bool
) -> None:
    """A clone has another address on the network; one from before the first contact another id in /var/tmp."""
    assert identity.same_machine({**HERE, "space": "boot 1", **changes}, HERE) is same
    assert not identity.same_machine({}, HERE)


def test_first_calls_at_once_come_to_one_directory(start_host: Callable[..., Host]) -> None:
    host = start_host()
    calls = [host.begin_run("echo hi") for _ in range(6)]
    assert {call.end().bytes("rec", 1) for call in calls} == {b"hi\n"}
    assert len(nodes(host)) == 1


@ROOT
def test_first_calls_at_once_come_to_one_directory_for_good_where_another_machine_has_the_name(
    one_host: Host, tmp_path: Path
) -> None:
    one_host.call("ping")
    (tmp_path / "var_tmp").mkdir(mode=0o777)
    another = partial(machine, tmp_path, name=os.uname().nodename, other=True, var_tmp=tmp_path / "var_tmp")
    here, one_host.argv = one_host.argv, another(boot="one")
    calls = [one_host.begin_run("echo hi") for _ in range(6)]
    answers = [call.end() for call in calls]
    assert {answer.bytes("rec", 1) for answer in answers} == {b"hi\n"}
    assert len(nodes(one_host)) == 2
    # Also after a boot, of which an id in /var/tmp that all of them agree upon tells.
    one_host.argv = another(boot="two")
    assert {state_of(one_host, answer.one("return")["jid"])[0] for answer in answers} == {"returned"}
    assert len(nodes(one_host)) == 2
    one_host.argv = here


@ROOT
def test_a_place_in_var_tmp_that_another_user_has_taken_is_done_without(one_host: Host, tmp_path: Path) -> None:
    """Also one where root has no rights, as in a user namespace."""
    taken = tmp_path / "var_tmp" / f"agentless-{os.geteuid()}"
    taken.mkdir(parents=True)
    taken.chmod(0o700)
    os.chown(taken, 12345, 12345)
    here = one_host.argv
    one_host.argv = machine(tmp_path, name="here", other=True, var_tmp=tmp_path / "var_tmp")
    one_host.argv = (*one_host.argv[:-1], one_host.argv[-1].replace("exec ", "exec setpriv --bounding-set=-all ", 1))
    assert one_host.run("echo hi").bytes("rec", 1) == b"hi\n"
    assert json.loads((one_host.state / "here" / "node.json").read_text())["local"] is None
    one_host.argv = here


@ROOT
def test_a_directory_that_was_deleted_and_is_anothers_by_now_is_left_to_it(one_host: Host, tmp_path: Path) -> None:
    """The supervisor of a job on the one, after the shared home was emptied and the other came first."""
    go = tmp_path / "go"
    jid, pid = one_host.start(f"while ! [ -e {go} ]; do sleep 0.05; done")
    supervisor = one_host.proc(jid)["supervisor_pid"]
    here, one_host.argv = one_host.argv, machine(tmp_path, name=os.uname().nodename, boot="other", other=True)
    os.kill(supervisor, 19)
    one_host.state.rename(tmp_path / "gone")
    one_host.call("ping")
    os.kill(supervisor, 18)
    one_host.argv = here
    until(lambda: one_host.call("find", jid=jid).one("found")["proc"].get("pid") == pid, "its record is there again")
    assert len(nodes(one_host)) == 2
    assert not [*(one_host.root / "proc").iterdir()]
    go.touch()
    assert one_host.call("follow", jid=jid, nonce=NONCE).one("return")["retcode"] == 0
