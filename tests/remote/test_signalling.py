"""Signals reach the whole tree of a job, and nobody else; the return says who ended it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.needs import every, need
from tests.hosts.waiting import in_time, until
from tests.remote.conftest import OUTERMOST, PYTHONS
from tests.remote.host import NONCE, Answer, Host, alive, file_with, new_jid, tagged

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it acts as another user")

DAEMONS = """
import os, sys, time, signal
def daemon():
    if os.fork(): os._exit(0)
    os.setsid()
    if os.fork(): os._exit(0)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with open(sys.argv[1], "a") as f: f.write("%d " % os.getpid())
    time.sleep(1000)
for _ in range(3):
    if os.fork() == 0: daemon()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open(sys.argv[1], "a") as f: f.write("%d " % os.getpid())
time.sleep(1000)
"""

# Each generation forks the next one in a session of its own and dies: a walk is always late.
RUNNERS = """
import os, sys, time
end = time.time() + 60
for _ in range(4):
    if os.fork() == 0:
        while time.time() < end:
            if os.fork(): os._exit(0)
            os.setsid()
        os._exit(0)
open(sys.argv[1], "w").write("up")
time.sleep(60)
"""

# Each waits for its child's death and starts it again.
PHOENIX = """
import os, sys, time
open(sys.argv[1], "w").write("up")
end = time.time() + 60
def watch(depth):
    while time.time() < end:
        pid = os.fork()
        if pid == 0:
            os.setsid()
            if depth: watch(depth - 1)
            time.sleep(60); os._exit(0)
        os.waitpid(pid, 0)
watch(3)
"""

# As many as it may be here, and each forks on as fast as it can.
BOMB = """
import os, sys, time
open(sys.argv[1], "w").write("up")
end = time.time() + 60
for _ in range(6): os.fork()
while time.time() < end:
    if os.fork() == 0: os._exit(0)
    try:
        while os.waitpid(-1, os.WNOHANG)[0]: pass
    except ChildProcessError: pass
"""


def script(path: Path, text: str) -> str:
    path.write_text(text)
    return f"{sys.executable} {path} {path}.pids"


def test_kill_leaves_nothing_of_daemons_sessions_and_those_who_ignore_term(host: Host, tmp_path: Path) -> None:
    jid, _ = host.start(script(tmp_path / "daemons", DAEMONS))
    pids = [int(word) for word in file_with(tmp_path / "daemons.pids", 4)]
    signalled = host.kill(jid)
    assert signalled["survivors"] == []
    assert set(pids) <= set(signalled["delivered"])
    assert not [pid for pid in pids if alive(pid)]
    ret = host.ended(jid).one("return")
    assert (ret["signal"], ret["ended_by"], ret["left_running"]) == (9, "signal-job:ada@laptop", 0)


@pytest.mark.parametrize("text", [RUNNERS, PHOENIX, BOMB], ids=["runners", "phoenix", "bomb"])
@pytest.mark.parametrize("python", every(OUTERMOST))
def test_kill_ends_what_forks_as_fast_as_it_can(
    start_host: Callable[..., Host], tmp_path: Path, python: str, text: str
) -> None:
    need("many seconds")
    host = start_host(python)
    jid, _ = host.start(script(tmp_path / "forks", text))
    file_with(tmp_path / "forks.pids")
    host.kill(jid)
    assert tagged(jid) == []
    assert host.ended(jid).one("return")["left_running"] == 0


def test_kill_ends_what_is_stopped(one_host: Host) -> None:
    jid, pid = one_host.start("kill -STOP $$; sleep 60")
    until(lambda: "T" in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1][:3], "it has stopped")
    assert one_host.kill(jid)["survivors"] == []
    assert one_host.ended(jid).one("return")["signal"] == 9


def test_term_reaches_every_process_and_survivors_are_told(host: Host, tmp_path: Path) -> None:
    command = (
        f"trap '' TERM; sleep 60 & echo $! > {tmp_path}/pids; "
        f"(trap - TERM; exec sleep 61) & echo $! >> {tmp_path}/pids; wait"
    )
    jid, pid = host.start(command)
    stubborn, weak = map(int, file_with(tmp_path / "pids", 2))
    # Until then it is a shell, whose command line has these words as well, and which may not have set its trap.
    until(lambda: Path(f"/proc/{weak}/cmdline").read_bytes() == b"sleep\x0061\0", "sleep 61 runs")
    signalled = host.kill(jid, signal.SIGTERM)
    assert signalled["message"] == f"Signal 15 sent to job {jid} at pid {pid}"
    assert signalled["delivered"][0] == pid
    assert set(signalled["delivered"]) == {pid, stubborn, weak}
    assert {survivor["pid"] for survivor in signalled["survivors"]} >= {stubborn}
    assert signalled["survivors"][0]["user"]
    until(lambda: not alive(weak), "the other one ends")


def test_term_lets_the_job_clean_up_and_is_blamed_for_its_exit(host: Host, tmp_path: Path) -> None:
    command = f"trap 'echo cleaned; exit 7' TERM; touch {tmp_path}/up; while :; do sleep 0.05; done"
    jid, _ = host.start(command)
    until((tmp_path / "up").exists, "the trap is set")
    host.kill(jid, signal.SIGTERM)
    answer = host.ended(jid)
    ret = answer.one("return")
    assert (ret["retcode"], ret["ended_by"]) == (7, "signal-job:ada@laptop")
    assert answer.bytes("rec", 1) == b"cleaned\n"


def test_a_signal_that_ends_nothing_is_not_blamed(one_host: Host, tmp_path: Path) -> None:
    command = f"trap 'echo got' USR1; touch {tmp_path}/up; while [ ! -e {tmp_path}/go ]; do sleep 0.02 || :; done"
    jid, _ = one_host.start(command)
    until((tmp_path / "up").exists, "the trap is set")
    one_host.kill(jid, signal.SIGUSR1)
    (tmp_path / "go").touch()
    answer = one_host.ended(jid)
    assert answer.one("return")["ended_by"] == "exit"
    assert answer.bytes("rec", 1) == b"got\n"


def test_a_job_that_does_not_run_is_told_so(host: Host) -> None:
    jid = new_jid()
    host.run("true", jid)
    signalled = host.kill(jid)
    assert (signalled["running"], signalled["delivered"], signalled["message"]) == (
        False,
        [],
        f"Job {jid} is not running",
    )


def test_nothing_of_a_signal_stays_behind(one_host: Host, tmp_path: Path) -> None:
    jid, _ = one_host.start(f"trap : TERM; touch {tmp_path}/up; while :; do sleep 0.1; done")
    until((tmp_path / "up").exists, "the trap is set")
    for _ in range(3):
        one_host.kill(jid, signal.SIGTERM)
    names = {path.name for path in (one_host.root / "jobs" / jid).iterdir()}
    assert not [name for name in names if name.startswith("signal")]


def test_many_signals_at_once_are_all_delivered(one_host: Host, tmp_path: Path) -> None:
    out = tmp_path / "got"
    text = f"""
import signal, os, time
for n in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGWINCH):
    signal.signal(n, lambda n, f: os.write(fd, b"%d " % n))
fd = os.open({str(out)!r}, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
os.write(fd, b"up ")
while True: time.sleep(1)
"""
    jid, _ = one_host.start("exec " + script(tmp_path / "job", text))
    file_with(out)
    numbers = [signal.SIGUSR1, signal.SIGUSR2, signal.SIGHUP, signal.SIGWINCH]
    calls = [one_host.begin("signal", jid=jid, signal=number, by="ada@laptop") for number in numbers]
    for call in calls:
        assert call.end().one("signalled")["delivered"]
    assert set(file_with(out, 5)) == {"up", *(str(int(number)) for number in numbers)}


# --- the deadline ---
def test_the_deadline_ends_the_whole_tree_and_keeps_the_output(host: Host, tmp_path: Path) -> None:
    need("many seconds")
    written = tmp_path / "daemons.pids"

    def cut_off(seconds: float) -> tuple[str, Answer]:
        jid = new_jid()
        written.write_text("")
        return jid, host.run("echo before; " + script(tmp_path / "daemons", DAEMONS), jid, timeout=seconds)

    jid, answer = in_time(cut_off, lambda _: len(written.read_text().split()) == 4, seconds=1.5)
    ret = answer.one("return")
    pids = [int(word) for word in file_with(written, 4)]
    assert (ret["ended_by"], ret["left_running"]) == ("timeout", 0)
    assert answer.bytes("rec", 1) == b"before\n"
    assert not [pid for pid in pids if alive(pid)]
    assert ret["duration"] >= 1.5
    assert tagged(jid) == []


def test_the_deadline_sends_term_before_kill(host: Host) -> None:
    command = "trap 'echo bye; exit 4' TERM; while :; do sleep 0.01; done"
    # The handler has a tenth of a second.
    answer = in_time(
        lambda seconds: host.run(command, timeout=seconds),
        lambda answer: answer.one("return")["retcode"] == 4,
        seconds=0.3,
    )
    ret = answer.one("return")
    assert (ret["retcode"], ret["ended_by"]) == (4, "timeout")
    assert answer.bytes("rec", 1) == b"bye\n"


def test_a_job_that_ends_in_time_is_not_a_timeout(one_host: Host) -> None:
    assert one_host.run("exit 3", timeout=30).one("return")["ended_by"] == "exit"


# --- without the supervisor ---
def test_a_job_without_its_supervisor_runs_on_with_a_warning_and_can_be_killed(host: Host, tmp_path: Path) -> None:
    need("many seconds")
    jid, pid = host.start(f"setsid sleep 60 & sleep 61 & echo $! > {tmp_path}/child; wait")
    child = int(file_with(tmp_path / "child")[0])
    supervisor = host.proc(jid)["supervisor_pid"]
    os.kill(supervisor, 9)
    until(lambda: not alive(supervisor), "it is dead")
    state = host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}]).one("state")
    assert (state["state"], state["pid"], state["warning"]["kind"]) == ("running", pid, "unsupervised")
    assert host.call("running").one("running")["jobs"][0]["warning"]["kind"] == "unsupervised"
    signalled = host.kill(jid)
    assert {pid, child} <= set(signalled["delivered"])
    assert signalled["survivors"] == []
    assert tagged(jid) == []
    state = host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}]).one("state")
    assert (state["state"], state["kind"]) == ("lost", "killed")
    assert "signal 9 by ada@laptop" in state["message"]


def test_a_job_that_died_with_its_supervisor_is_lost_and_only_the_sweep_says_so_on_disk(host: Host) -> None:
    need("many seconds")
    jid, pid = host.start("sleep 60")
    call = host.begin("follow", jid=jid)
    call.until("accepted")
    supervisor = host.proc(jid)["supervisor_pid"]
    for victim in (supervisor, pid):
        os.kill(victim, 9)
    until(lambda: not alive(supervisor) and not alive(pid), "both are dead")
    assert call.end().one("state")["state"] == "lost"
    (host.root / "swept").touch()
    assert host.call("running").one("running")["jobs"] == []
    assert (host.root / "proc" / jid).exists()
    os.utime(host.root / "swept", (0, 0))
    host.call("ping")
    assert not (host.root / "proc" / jid).exists()
    state = host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}]).one("state")
    assert (state["state"], state["kind"], state["pid"]) == ("lost", "killed", pid)


@pytest.mark.parametrize("key", ["start", "boot", "pid"])
def test_a_process_is_the_job_only_when_pid_start_time_and_boot_agree(one_host: Host, key: str) -> None:
    with subprocess.Popen(["sleep", "60"]) as bystander:
        jid, pid = one_host.start("sleep 60")
        proc = one_host.proc(jid)
        os.kill(proc["supervisor_pid"], 9)
        until(lambda: not alive(proc["supervisor_pid"]), "it is dead")
        if key == "pid":
            proc["pid"] = bystander.pid
        else:
            proc[key] = "another"
        (one_host.root / "proc" / jid).write_text(json.dumps(proc))
        assert one_host.call("find", jid=jid).one("found")["proc"] == {}
        signalled = one_host.kill(jid)
        assert (signalled["running"], signalled["delivered"]) == (False, [])
        assert alive(bystander.pid)
        assert alive(pid)
        bystander.kill()
        os.kill(pid, 9)


def test_a_stopped_supervisor_does_not_keep_the_job_from_being_killed(one_host: Host) -> None:
    jid, pid = one_host.start("sleep 60")
    supervisor = one_host.proc(jid)["supervisor_pid"]
    os.kill(supervisor, signal.SIGSTOP)
    signalled = one_host.kill(jid)
    assert pid in signalled["delivered"]
    assert not alive(pid)
    ret = one_host.ended(jid).one("return")
    assert (ret["signal"], ret["ended_by"]) == (9, "signal-job:ada@laptop")


# --- another user's processes ---
@ROOT
def test_sudo_is_asked_to_end_the_child_that_only_it_can_end() -> None:
    if not Path("/usr/bin/sudo").exists():
        pytest.skip("needs sudo")
    # /tmp/pytest-of-root is closed to others.
    folder = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/agentless-sudo-XXXXXX"], text=True).strip())
    (folder / "sudoers").write_text("Defaults !use_pty\nnobody ALL=(ALL) NOPASSWD: ALL\n")
    (folder / "sudoers").chmod(0o440)
    home = folder / "home"
    home.mkdir(0o700)
    os.chown(home, 65534, 65534)
    folder.chmod(0o755)
    host = Host(home, "/usr/bin/python3")
    os.chown(host.state, 65534, 65534)
    as_nobody = 'exec setpriv --reuid=65534 --regid=65534 --clear-groups sh -c "$0"'
    host.argv = ("unshare", "-m", "sh", "-c", f"mount --bind {folder}/sudoers /etc/sudoers && {as_nobody}")
    try:
        jid, _ = host.start(f"sudo sh -c 'echo $$ > {home}/child; exec sleep 60'")
        child = int(file_with(home / "child")[0])
        assert os.stat(f"/proc/{child}").st_uid == 0
        signalled = host.kill(jid)
        assert signalled["survivors"] == []
        assert not alive(child)
        assert host.ended(jid).one("return")["left_running"] == 0
    finally:
        host.close()
        subprocess.run(["rm", "-rf", str(folder)], check=True)


@ROOT
def test_a_survivor_is_named_with_its_user_and_the_reason() -> None:
    need("many seconds")
    folder = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/agentless-setuid-XXXXXX"], text=True).strip())
    folder.chmod(0o755)
    home = folder / "home"
    home.mkdir(0o700)
    os.chown(home, 65534, 65534)
    program = folder / "asroot"
    source = "#include <unistd.h>\nint main(){setresuid(0,0,0);for(;;)pause();}"
    subprocess.run(["cc", "-x", "c", "-o", str(program), "-"], input=source, text=True, check=True)
    program.chmod(0o755 | stat.S_ISUID)
    host = Host(home, "/usr/bin/python3")
    os.chown(host.state, 65534, 65534)
    host.argv = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c")
    children: list[int] = []
    try:
        jid, pid = host.start(f"{program} & echo $! > {home}/child; wait")
        children = [int(file_with(home / "child")[0])]
        until(lambda: "Uid:\t0\t0" in Path(f"/proc/{children[0]}/status").read_text(), "it is root")
        (survivor,) = host.kill(jid)["survivors"]
        assert (survivor["pid"], survivor["user"]) == (children[0], "root")
        assert "not permitted" in survivor["reason"]
        assert not alive(pid)
        assert host.ended(jid).one("return")["left_running"] == 1
    finally:
        for child in children:
            os.kill(child, 9)
        host.close()
        subprocess.run(["rm", "-rf", str(folder)], check=True)


def test_signals_reach_the_tree_under_the_system_python_too(start_host: Callable[..., Host], tmp_path: Path) -> None:
    host = start_host(PYTHONS[-1])
    jid, pid = host.start("sleep 60 | sleep 61")
    assert pid in host.kill(jid)["delivered"]
    assert tagged(jid) == []
