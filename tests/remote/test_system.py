"""What the two ways to ask for processes agree on, and what makes a process the one that was meant."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from agentless.remote import system, tree
from tests.hosts import need
from tests.hosts.waiting import until
from tests.remote.host import Host, alive, file_with, new_jid, tagged

TABLES = [system.PsTable()] + ([system.ProcTable()] if Path("/proc/self/stat").exists() else [])
PS = pytest.mark.skipif(shutil.which("ps") is None, reason="needs ps (procps)")


@PS
@pytest.mark.parametrize("table", TABLES, ids=lambda table: type(table).__name__)
def test_a_process_has_the_same_start_each_time_and_another_process_not_this_pid(table: system.ProcTable) -> None:
    with subprocess.Popen(["sleep", "60"], start_new_session=True) as child:
        row = table.process(child.pid)
        assert row is not None
        assert (row.pid, row.ppid, row.pgid) == (child.pid, os.getpid(), child.pid)
        assert row.sid == child.pid
        assert table.table()[child.pid].start == row.start
        assert table.uid(child.pid) == os.geteuid()
        assert not row.dead
        child.kill()
        until(lambda: (found := table.process(child.pid)) is None or found.dead, "it is dead")
    assert table.process(child.pid) is None


@PS
def test_both_tables_see_the_same_processes() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        tables = [table.table() for table in TABLES]
        assert all({child.pid, os.getpid(), 1} <= set(rows) for rows in tables)
        assert len({(rows[child.pid].ppid, rows[child.pid].pgid) for rows in tables}) == 1
        child.kill()


@PS
def test_a_start_time_of_ps_does_not_depend_on_zone_and_language(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = set()
    for zone, language in (("UTC", "C"), ("Asia/Kolkata", "de_DE.UTF-8")):
        monkeypatch.setenv("TZ", zone)
        monkeypatch.setenv("LC_ALL", language)
        row = system.PsTable().process(os.getpid())
        assert row is not None
        seen.add(row.start)
    assert len(seen) == 1


PS_WITH_ENVIRONMENTS = """#!/bin/sh
echo x >> "$0.calls"
case "$*" in
*-ax*) printf '%s\\n' '10 sleep 60 A=1 AGENTLESS_JID=7 B=2' '11 true AGENTLESS_JID=70' '12 x' '13 y AGENTLESS_JID=7' ;;
*' 10') echo 'sleep 60 A=1 AGENTLESS_JID=7 B=2' ;;
*) echo 'true AGENTLESS_JID=70' ;;
esac
"""


def test_ps_is_asked_once_who_carries_a_jid_and_believes_no_line_that_a_process_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ps = tmp_path / "ps"
    ps.write_text(PS_WITH_ENVIRONMENTS)
    ps.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert system.PsTable().tagged([10, 11, 12, 13, 14], b"AGENTLESS_JID=7") == [10]
    assert len(Path(f"{ps}.calls").read_text().splitlines()) == 3


@pytest.mark.parametrize("name", ["a) b", "((", "x y z", ")"])
def test_a_command_name_of_any_kind_does_not_confuse_the_table(name: str, tmp_path: Path) -> None:
    if not Path("/proc/self/stat").exists():
        pytest.skip("needs /proc")
    shutil.copy(shutil.which("sleep") or "/bin/sleep", tmp_path / name)
    with subprocess.Popen([str(tmp_path / name), "60"]) as child:
        until(lambda: name.encode() in Path(f"/proc/{child.pid}/stat").read_bytes(), "it has its name")
        row = system.ProcTable().process(child.pid)
        assert row is not None
        assert row.ppid == os.getpid()
        child.kill()


def test_a_process_is_the_one_only_with_its_start_and_this_boot() -> None:
    row = system.table.process(os.getpid())
    assert row is not None
    boot = system.table.boot_id()
    assert system.is_process(os.getpid(), row.start, boot)
    assert not system.is_process(os.getpid(), "0", boot)
    assert not system.is_process(os.getpid(), row.start, "another boot")
    for pid in (None, 0, 1, -1, "1", 2**30):
        assert not system.is_process(pid, row.start, boot)


def test_a_signal_is_not_sent_to_a_process_with_another_start() -> None:
    with subprocess.Popen(["sleep", "60"]) as child:
        row = system.table.process(child.pid)
        assert row is not None
        row.start += "0"
        assert tree.send(row, 9) is False
        assert child.poll() is None
        child.kill()


@PS
def test_without_proc_and_subreaper_a_job_is_run_found_and_killed_all_the_same(one_host: Host, tmp_path: Path) -> None:
    need("many seconds")
    root = next((one_host.state / "helper").iterdir())
    (tmp_path / "hook.py").write_text(
        f"import sys; sys.path.insert(0, {str(root)!r}); from remote import system\n"
        "system.table = system.PsTable(); system.LINUX = False; system.children = lambda: []\n"
    )
    (tmp_path / "python3").write_text(
        f"#!/bin/sh\nshift 3; code=$1; shift\n"
        f'exec {sys.executable} -I -S -c "exec(open(\'{tmp_path}/hook.py\').read());$code" "$@"\n'
    )
    (tmp_path / "python3").chmod(0o755)
    one_host.python = str(tmp_path / "python3")
    assert one_host.run("echo hi; exit 4").one("return")["retcode"] == 4
    jid, pid = one_host.start(f"sleep 60 & echo $! > {tmp_path}/child; sleep 61")
    child = int(file_with(tmp_path / "child")[0])
    assert one_host.call("running").one("running")["jobs"][0]["pid"] == pid
    assert {pid, child} <= set(one_host.kill(jid)["delivered"])
    ret = one_host.ended(jid).one("return")
    assert (ret["signal"], ret["ended_by"], ret["left_running"]) == (9, "signal-job:ada@laptop", 0)
    assert tagged(jid) == []
    jid = new_jid()
    assert one_host.run("sleep 60 & exit 0", jid).one("return")["left_running"] == 1
    assert one_host.run("sleep 60 & sleep 61", timeout=0.2).one("return")["ended_by"] == "timeout"
    for left in tagged(jid):
        os.kill(left, 9)
        until(lambda pid=left: not alive(pid), "it is dead")  # type: ignore[misc]


def test_a_python_without_libffi_adopts_no_orphans_and_punches_no_holes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As some are built: a job starts there all the same, and its tree is found by other means."""
    for name in ("_ctypes", "ctypes"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setattr(system, "_functions", {})
    assert not system.become_subreaper()
    with (tmp_path / "output").open("w+b") as file:
        assert not system.punch(file.fileno(), 0, 4096)
