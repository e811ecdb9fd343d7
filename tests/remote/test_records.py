"""What a host keeps survives what happens to hosts: reboots, full disks, strangers, cleaners, and time."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless.remote.records import Records
from tests.hosts.needs import every, need
from tests.hosts.waiting import patience, until
from tests.remote.conftest import OUTERMOST
from tests.remote.host import BEFORE_IT_STARTS, BEFORE_IT_TELLS, NONCE, Host, alive, die_at, file_with, new_jid

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts file systems and acts as other users")
HOUR = 3600.0


def state_of(host: Host, jid: str) -> tuple[str, str | None]:
    answer = host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}])
    if answer.all("return"):
        return "returned", None
    state = answer.one("state")
    return state["state"], state["kind"]


def sweep_now(host: Host, **kwargs: object) -> None:
    for name in ("swept", "pruned"):
        if (host.root / name).exists():
            os.utime(host.root / name, (0, 0))
    host.call("ping", **kwargs)


def age(host: Host, jid: str, hours: float) -> None:
    """Make a return as old as that."""
    path = host.root / "jobs" / jid / "return.json"
    ret = json.loads(path.read_text())
    ret["finished"] -= hours * HOUR
    path.write_text(json.dumps(ret))


def test_helpers_that_nobody_used_for_a_day_are_removed(one_host: Host) -> None:
    old, recent = one_host.state / "helper" / ("a" * 64), one_host.state / "helper" / ("b" * 64)
    for path in (old, recent):
        (path / "remote").mkdir(parents=True)
        (path / "remote" / "x.py").touch()
    os.utime(old, (0, 0))
    sweep_now(one_host)
    assert not old.exists()
    assert recent.exists()
    assert one_host.call("ping").one("pong")["helper"] == "kept"


# --- a supervisor that dies before it could tell ---
def test_a_job_whose_supervisor_died_before_it_told_is_running(host: Host, tmp_path: Path) -> None:
    """Its command runs: to call it not started would make somebody start a second one."""
    die_at(host.state, BEFORE_IT_TELLS)
    jid = new_jid()
    answer = host.run(f": > {tmp_path}/up; exec sleep 60", jid, detach=True)
    until((tmp_path / "up").exists, "it runs")
    accepted = answer.one("accepted")
    assert (accepted["state"], accepted["warning"]["kind"]) == ("running", "unsupervised")
    assert host.call("find", jid=jid).one("found")["proc"]["pid"] == accepted["pid"]
    assert host.kill(jid)["delivered"] == [accepted["pid"]]
    assert state_of(host, jid) == ("lost", "killed")


def test_a_job_whose_supervisor_died_before_its_start_never_starts(host: Host, tmp_path: Path) -> None:
    die_at(host.state, BEFORE_IT_STARTS)
    jid = new_jid()
    for _ in range(2):
        refused = host.run(f"touch {tmp_path}/up", jid).one("refused")
        assert (refused["kind"], refused["message"]) == ("supervisor", "the supervisor died at the start")
    assert state_of(host, jid) == ("not-started", "supervisor")
    assert [path.name for path in (host.root / "jobs").iterdir()] == [jid]
    assert not (tmp_path / "up").exists()


def test_a_job_that_kills_its_supervisor_at_once_is_never_called_not_started(one_host: Host) -> None:
    need("many seconds")
    for _ in range(8):
        jid, pid = one_host.start("kill -9 $PPID; exec sleep 60")
        assert one_host.kill(jid)["delivered"] == [pid]


# --- the output of a lost job ---
def test_the_output_of_a_lost_job_is_told_with_its_end(host: Host) -> None:
    """It is what one wants to see of a job that the kernel killed."""
    jid, pid = host.start("echo one; echo two >&2; exec sleep 60")
    until(lambda: (host.root / "jobs" / jid / "stderr").read_text(), "it has said two")
    record = host.proc(jid)
    for victim in (record["supervisor_pid"], pid):
        os.kill(victim, 9)
    until(lambda: not alive(record["supervisor_pid"]) and not alive(pid), "both are gone")
    for swept in (False, True):
        if swept:
            sweep_now(host)
            assert (host.root / "jobs" / jid / "return.json").exists()
        for answer in (host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}]), host.ended(jid)):
            assert (answer.bytes("rec", 1), answer.bytes("rec", 2)) == (b"one\n", b"two\n")
            state = answer.one("state")
            assert (state["state"], state["stdout_truncated"], state["stderr_truncated"]) == ("lost", 0, 0)
        live = host.call("follow", jid=jid, live=True, at=[1, 0])
        assert (live.bytes("out", 1), live.bytes("out", 2)) == (b"ne\n", b"two\n")


def test_the_output_of_a_lost_job_is_no_more_than_its_cap(one_host: Host) -> None:
    """Its supervisor is gone and holds nothing back any more."""
    jid, pid = one_host.start("kill -9 $PPID; seq 100000; exec sleep 60", cap=1000)
    path = one_host.root / "jobs" / jid / "stdout"
    until(lambda: path.read_bytes().endswith(b"100000\n"), "it has said all")
    os.kill(pid, 9)
    until(lambda: not alive(pid), "it is gone")
    answer = one_host.ended(jid)
    whole = path.read_bytes()
    assert answer.bytes("rec", 1) == whole[:500] + whole[-500:]
    assert answer.one("state")["stdout_truncated"] == len(whole) - 1000


# --- a full disk ---
@ROOT
@pytest.mark.parametrize("python", every(OUTERMOST))
def test_on_a_full_disk_a_job_is_refused_and_nothing_is_half_written(
    start_host: Callable[..., Host], python: str, tmp_path: Path
) -> None:
    host = start_host(python, fresh=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(host.state)], check=True)
    try:
        filler = host.state / "filler"
        fill(filler)
        assert host.run(f"touch {tmp_path}/ran").one("refused")["kind"] == "disk-full"
        assert not list((host.state / "helper").glob("*"))
        filler.unlink()
        host.call("ping")
        fill(filler)
        for sections in ({}, {"stdin": b"x" * 300_000}):
            refused = host.run(f"touch {tmp_path}/ran", sections=sections).one("refused")
            assert (refused["kind"], str(host.state) in refused["message"]) == ("disk-full", True)
            assert not list((host.root / "jobs").iterdir())
            assert not list((host.root / "proc").iterdir())
        assert not (tmp_path / "ran").exists()
        filler.unlink()
        assert host.run("echo hi").bytes("rec", 1) == b"hi\n"
    finally:
        subprocess.run(["umount", "-l", str(host.state)], check=True)


@ROOT
def test_a_full_disk_that_keeps_out_a_tombstone_takes_nothing_from_what_is_asked_beside_it(one_host: Host) -> None:
    """A job that was accepted is not refused for another one, of which nothing is known."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(one_host.state)], check=True)
    try:
        done = one_host.run("echo out").one("return")["jid"]
        jid, pid = one_host.start("exec sleep 60")
        fill(one_host.state / "filler")
        want = [{"jid": new_jid(), "nonce": NONCE, "maybe": True}, {"jid": done}]
        answer = one_host.run("true", jid, detach=True, want=want)
        assert answer.one("accepted")["pid"] == pid
        assert not answer.all("refused")
        # Nor does it keep another's return from coming home.
        assert [ret["jid"] for ret in answer.all("return")] == [done]
        assert one_host.kill(jid)["delivered"] == [pid]
    finally:
        subprocess.run(["umount", "-l", str(one_host.state)], check=True)


@ROOT
def test_a_job_that_fills_the_disk_still_has_its_return_and_can_be_killed(one_host: Host) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(one_host.state)], check=True)
    try:
        one_host.call("ping")
        filler = one_host.state / "filler"
        jid, pid = one_host.start("sleep 60")
        fill(filler)
        assert pid in one_host.kill(jid)["delivered"]
        until(lambda: not (one_host.root / "proc" / jid).exists(), "the return is written")
        assert one_host.ended(jid).one("return")["signal"] == 9
    finally:
        subprocess.run(["umount", "-l", str(one_host.state)], check=True)


@ROOT
def test_a_signal_comes_once_also_where_its_answer_finds_no_room(one_host: Host, tmp_path: Path) -> None:
    """The last page of the disk goes to the request, and somebody waits for it; the answer is written over it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "tmpfs", str(one_host.state)], check=True)
    try:
        command = f"trap 'echo got >> {tmp_path}/got' USR1; touch {tmp_path}/up; while :; do sleep 0.05 || :; done"
        jid, pid = one_host.start(command)
        until((tmp_path / "up").exists, "the trap is set")
        filler = one_host.state / "filler"
        fill(filler)
        os.truncate(filler, filler.stat().st_size - 4096)
        done = threading.Event()

        def take_what_is_freed() -> None:
            asked = False
            while not done.is_set():
                asked = asked or any(name.startswith("signal-") for name in os.listdir(one_host.root / "jobs" / jid))
                if asked:
                    fill(filler)

        thread = threading.Thread(target=take_what_is_freed, daemon=True)
        thread.start()
        try:
            assert pid in one_host.kill(jid, signal.SIGUSR1)["delivered"]
        finally:
            done.set()
            thread.join(patience(10))
        filler.unlink()
        file_with(tmp_path / "got")
        one_host.kill(jid)
        assert (tmp_path / "got").read_text() == "got\n"
        assert not list((one_host.root / "jobs" / jid).glob("signal-*"))
    finally:
        subprocess.run(["umount", "-l", str(one_host.state)], check=True)


def fill(path: Path) -> None:
    """Take what is left of the file system."""
    with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


# --- a reboot ---
@ROOT
def test_after_a_reboot_what_ran_is_lost_and_says_so(host: Host, tmp_path: Path) -> None:
    jid, pid = host.start("sleep 60")
    for line in (pid, host.proc(jid)["supervisor_pid"]):
        assert alive(line)
    (tmp_path / "boot_id").write_text(f"{uuid.uuid4()}\n")
    enter = f'mount --bind {tmp_path}/boot_id /proc/sys/kernel/random/boot_id && exec sh -c "$0"'
    argv, host.argv = host.argv, ("unshare", "-m", "sh", "-c", enter)
    assert state_of(host, jid) == ("lost", "reboot")
    signalled = host.kill(jid)
    assert (signalled["running"], signalled["delivered"]) == (False, [])
    assert alive(pid)
    sweep_now(host)
    assert not (host.root / "proc" / jid).exists()
    host.argv = argv
    assert state_of(host, jid) == ("lost", "reboot")
    os.kill(pid, 9)


# --- time ---
def test_an_old_record_becomes_a_tombstone_that_keeps_its_dispatch_from_starting_again(
    host: Host, tmp_path: Path
) -> None:
    old, young = new_jid(), new_jid()
    for jid in (old, young):
        host.run(f"echo x >> {tmp_path}/count", jid, keep_returns=2)
        age(host, jid, 2.1 if jid == old else 1.9)
    running, _ = host.start("sleep 60", keep_returns=0)
    sweep_now(host)
    assert state_of(host, old) == ("lost", "expired")
    assert (host.root / "jobs" / old).is_file()
    assert state_of(host, young) == ("returned", None)
    assert state_of(host, running)[0] == "running"
    again = host.run(f"echo x >> {tmp_path}/count", old)
    assert again.one("accepted")["state"] == "lost"
    assert again.one("state")["kind"] == "expired"
    assert (tmp_path / "count").read_text() == "x\nx\n"


def test_over_the_size_cap_the_oldest_go_first_and_never_a_running_one(one_host: Host) -> None:
    running, _ = one_host.start("head -c 3000000 /dev/zero; sleep 60")
    stdout = one_host.root / "jobs" / running / "stdout"
    until(lambda: stdout.stat().st_size == 3_000_000, "the running job has written")
    jids = [new_jid() for _ in range(3)]
    for jid in jids:
        one_host.run("head -c 1000000 /dev/zero", jid)
    sweep_now(one_host, keep_bytes=5_500_000)
    assert [state_of(one_host, jid)[0] for jid in jids] == ["lost", "returned", "returned"]
    sweep_now(one_host, keep_bytes=1)
    assert [state_of(one_host, jid)[0] for jid in (*jids, running)] == ["lost", "lost", "lost", "running"]


def test_a_sweep_clears_torn_files_and_leftovers_when_they_are_old(one_host: Host) -> None:
    one_host.call("ping")
    torn = one_host.root / "proc" / new_jid()
    torn.write_text('{"pid"')
    leftover = one_host.root / "jobs" / f".new-{new_jid()}-77"
    leftover.mkdir()
    (leftover / "stdin").write_text("x")
    sweep_now(one_host)
    assert torn.exists()
    assert leftover.exists()
    day = time.time() - 90_000
    os.utime(torn, (day, day))
    os.utime(leftover, (day, day))
    sweep_now(one_host)
    assert not torn.exists()
    assert not leftover.exists()


def test_a_return_that_is_there_wins_over_a_proc_file_that_stayed(one_host: Host) -> None:
    jid, _ = one_host.start("sleep 60")
    proc = (one_host.root / "proc" / jid).read_text()
    one_host.kill(jid)
    one_host.ended(jid)
    until(lambda: not (one_host.root / "proc" / jid).exists(), "the proc file is removed")
    (one_host.root / "proc" / jid).write_text(proc)
    assert state_of(one_host, jid) == ("returned", None)
    assert one_host.call("find", jid=jid).one("found")["proc"] == {}
    sweep_now(one_host)
    assert not (one_host.root / "proc" / jid).exists()
    assert state_of(one_host, jid) == ("returned", None)


@pytest.fixture
def nobody_host() -> Iterator[Host]:
    """A host whose user is not root, where every user may look."""
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="agentless-host-") as folder:
        host = Host(Path(folder), "/usr/bin/python3")
        for path in (host.state.parent, host.state):
            os.chown(path, 65534, 65534)
        host.argv = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "/bin/sh", "-c")
        yield host
        host.close()


@ROOT
def test_a_state_directory_that_is_closed_for_a_while_takes_no_return(
    nobody_host: Host,
) -> None:
    """Whoever is not root cannot even list it then; the return is written once one can again."""
    need("many seconds")
    host = nobody_host
    jid, pid = host.start(f"while ls {host.state}; do sleep 0.05; done; exit 3")
    host.state.chmod(0)
    until(lambda: not alive(pid), "it has ended")
    host.state.chmod(0o700)
    assert host.ended(jid).one("return")["retcode"] == 3


@ROOT
def test_what_ended_on_a_disk_that_cannot_be_written_says_so_until_it_has_returned(nobody_host: Host) -> None:
    need("many seconds")
    host = nobody_host
    go = host.state.parent / "go"
    jid, pid = host.start(f"until [ -e {go} ]; do sleep 0.05; done; exit 3")
    folders = [host.root / "jobs" / jid, host.root / "jobs", host.root / "proc"]
    for folder in folders:
        folder.chmod(0o500)
    go.touch()
    until(lambda: not alive(pid), "it has ended")

    def told() -> tuple[str, str | None]:
        state = host.call("fetch", jobs=[{"jid": jid}]).one("state")
        return state["state"], (state["warning"] or {}).get("kind")

    until(lambda: told() == ("running", "unwritten"), "it says so")
    for folder in folders:
        folder.chmod(0o700)
    assert host.ended(jid).one("return")["retcode"] == 3


@pytest.mark.parametrize("deleted", ["the state directory", "the node", "the records", "the job", "the proc file"])
def test_a_job_whose_records_somebody_deleted_is_found_and_its_return_comes_home(
    one_host: Host, tmp_path: Path, deleted: str
) -> None:
    """Its supervisor is alive and writes them anew; its output is in the files that it holds open."""
    if deleted not in ("the node", "the job"):
        need("many seconds")
    go = tmp_path / "go"
    jid, pid = one_host.start(f"echo one; while ! [ -e {go} ]; do sleep 0.05; done; echo two; exit 3")
    left, _ = one_host.start("exec sleep 300")
    paths = {
        "the state directory": one_host.state,
        "the node": one_host.root,
        "the records": one_host.root / "jobs",
        "the job": one_host.root / "jobs" / jid,
        "the proc file": one_host.root / "proc" / jid,
    }
    path = paths[deleted]
    follower = one_host.begin("follow", jid=jid, live=True)
    follower.until("out")
    # At once: where its supervisor looks while `rm -r` is at it, what is deleted last is missing again.
    path.rename(tmp_path / "gone")
    until(lambda: one_host.call("find", jid=jid).one("found")["proc"].get("pid") == pid, "its record is there again")
    jobs = one_host.call("running").one("running")["jobs"]
    assert {job["jid"] for job in jobs} == {jid, left}
    assert one_host.run("echo again", jid, detach=True).one("accepted")["pid"] == pid
    second = one_host.begin("follow", jid=jid, live=True)
    assert second.until("out")
    go.touch()
    for call in (follower, second):
        answer = call.end()
        assert answer.one("return")["retcode"] == 3
        assert answer.bytes("out", 1) == b"one\ntwo\n"
    ended = one_host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}])
    assert (ended.one("return")["retcode"], ended.bytes("rec", 1)) == (3, b"one\ntwo\n")
    assert not (one_host.root / "jobs" / jid / "stdout").is_symlink()
    assert one_host.kill(left)["delivered"]
    assert one_host.ended(left).one("return")["signal"] == 9


@pytest.mark.parametrize("damage", ["cut off", "NUL bytes", "a directory", "a pipe", "a link", "another job's"])
def test_a_job_whose_proc_file_somebody_damaged_is_found_and_killed(one_host: Host, damage: str) -> None:
    jid, pid = one_host.start("exec sleep 300")
    path = one_host.root / "proc" / jid
    whole = path.read_bytes()
    path.unlink()
    if damage == "a directory":
        path.mkdir()
        (path / "somebody's").touch()
    elif damage == "a pipe":
        os.mkfifo(path)
    elif damage == "a link":
        path.symlink_to("/etc/passwd")
    elif damage == "another job's":
        path.write_bytes(whole.replace(jid.encode(), b"20260101000000000000"))
    else:
        path.write_bytes(whole[:100] if damage == "cut off" else b"\0" * 900)
    until(lambda: one_host.call("find", jid=jid).one("found")["proc"].get("pid") == pid, "its record is there again")
    assert one_host.kill(jid)["delivered"]
    assert one_host.ended(jid).one("return")["signal"] == 9


def test_who_follows_before_the_record_is_there_again_has_the_output_while_it_grows(
    one_host: Host, tmp_path: Path
) -> None:
    """A supervisor that is late with it, as on a busy machine."""
    jid, _ = one_host.start("echo one; exec sleep 300")
    supervisor = one_host.proc(jid)["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    (one_host.root / "jobs").rename(tmp_path / "gone")
    call = one_host.begin("follow", jid=jid, live=True)
    call.until("accepted")
    helper = Path(f"/proc/{call.helper_pid()}/stat")
    states: list[str] = []

    def waits() -> bool:
        states.append(helper.read_text().rsplit(")", 1)[1].split()[0])
        return len(states) >= 20 and set(states[-20:]) == {"S"}

    until(waits, "the helper looks for what grows")
    os.kill(supervisor, signal.SIGCONT)
    call.until("out")
    assert call.answer.bytes("out", 1) == b"one\n"
    one_host.kill(jid)
    call.end()


def test_a_job_that_has_its_records_elsewhere_on_this_machine_is_not_waited_for(
    start_host: Callable[..., Host], tmp_path: Path
) -> None:
    """Where they were moved away or deleted, its supervisor writes them anew: that is waited for."""
    one, other = start_host(), start_host()
    jid, _ = one.start("exec sleep 300")
    assert other.call("running").one("running")["jobs"] == []
    of_one, of_other = Records(str(one.state)), Records(str(other.state))
    assert jid in of_one.alive()
    assert jid not in of_other.alive()
    supervisor = one.proc(jid)["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    one.state.rename(tmp_path / "gone")
    assert jid in Records(str(other.state)).alive()
    one.state.mkdir(0o700)
    assert jid in Records(str(one.state)).alive()
    os.kill(supervisor, signal.SIGCONT)
    until(lambda: (one.root / "proc" / jid).exists(), "the record is there again")


def test_a_supervisor_whose_helper_was_deleted_with_all_else_writes_its_record_anew(
    one_host: Host, tmp_path: Path
) -> None:
    """Before anybody brings the helper again: what it needs for that was loaded when it started."""
    # As on a host that is known: the first call had loaded more.
    one_host.run("true")
    jid, pid = one_host.start("exec sleep 300")
    one_host.state.rename(tmp_path / "gone")
    until(lambda: list(one_host.state.glob(f"*/proc/{jid}")), "the record is there again")
    assert one_host.call("find", jid=jid).one("found")["proc"]["pid"] == pid
    assert one_host.kill(jid)["delivered"]
    assert one_host.ended(jid).one("return")["signal"] == 9


def test_the_capped_output_of_a_job_whose_record_was_deleted_is_what_it_would_have_been(
    one_host: Host, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    jid, _ = one_host.start(f"seq 100000; while ! [ -e {go} ]; do sleep 0.05; done; echo end", cap=1000)
    one_host.state.rename(tmp_path / "gone")
    assert one_host.call("find", jid=jid).one("found")["proc"]
    go.touch()
    answer = one_host.ended(jid)
    whole = b"".join(b"%d\n" % number for number in range(1, 100001)) + b"end\n"
    assert answer.bytes("rec", 1) == whole[:500] + whole[-500:]
    assert answer.one("return")["stdout_truncated"] == len(whole) - 1000
