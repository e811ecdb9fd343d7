"""A job from request to return: its output, its end, its environment, and what the host keeps of it."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.needs import need
from tests.hosts.waiting import patience, until
from tests.remote.host import NONCE, Host, alive, file_with, new_jid, tagged


def test_a_return_has_retcode_output_and_times(host: Host) -> None:
    answer = host.run("echo out; echo err >&2; exit 3")
    ret = answer.one("return")
    assert (ret["retcode"], ret["signal"], ret["ended_by"], ret["left_running"]) == (3, None, "exit", 0)
    assert (answer.bytes("rec", 1), answer.bytes("rec", 2)) == (b"out\n", b"err\n")
    assert ret["started"] <= ret["finished"]
    assert 0 < ret["duration"] < patience(30)
    assert answer.one("accepted")["pid"] == ret["pid"]


def test_live_output_is_the_record_and_is_not_sent_twice(host: Host, tmp_path: Path) -> None:
    go = tmp_path / "go"
    wait = f"until [ -e {go} ]; do sleep 0.01; done"
    call = host.begin_run(f"printf a; printf b >&2; {wait}; printf 'c\\377'", live=True)
    while len(call.answer.all("out")) < 2:
        assert call.step()
    go.touch()
    answer = call.end()
    assert answer.one("return")["streamed"]
    assert (answer.bytes("out", 1), answer.bytes("out", 2)) == (b"ac\xff", b"b")
    assert not answer.all("rec")
    assert [meta["at"] for meta in answer.all("out") if meta["s"] == 1] == [0, 1]


def test_a_job_ended_by_a_signal_says_which(host: Host) -> None:
    ret = host.run("kill -HUP $$").one("return")
    assert (ret["retcode"], ret["signal"], ret["ended_by"]) == (None, signal.SIGHUP, "signal")


def test_while_it_runs_a_proc_file_names_it_and_afterwards_a_record_stays(host: Host) -> None:
    jid, pid = host.start("sleep 60")
    proc = host.proc(jid)
    assert (proc["pid"], proc["jid"], proc["nonce"], proc["node"]) == (pid, jid, NONCE, os.uname().nodename)
    assert proc["boot"] == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert alive(proc["supervisor_pid"])
    assert [job["jid"] for job in host.call("running").one("running")["jobs"]] == [jid]
    assert host.call("find", jid=jid).one("found")["proc"]["pid"] == pid
    host.kill(jid)
    until(lambda: not (host.root / "proc" / jid).exists(), "the proc file is removed")
    assert host.call("find", jid=jid).one("found")["proc"] == {}
    assert host.call("running").one("running")["jobs"] == []
    assert (host.root / "jobs" / jid / "return.json").exists()


def test_a_job_that_stops_its_supervisor_at_once_is_accepted_and_returns(one_host: Host) -> None:
    """Also where it could not tell of the start before; behind that it is told, and any signal mends it."""
    jid, _ = one_host.start("kill -STOP $PPID; exit 3")

    def state() -> dict[str, Any]:
        answer = one_host.call("fetch", jobs=[{"jid": jid}])
        return answer.one("return") if answer.all("return") else answer.one("state")

    until(lambda: "retcode" in state() or (state()["warning"] or {}).get("kind") == "stopped", "it has stopped it")
    one_host.call("signal", jid=jid, signal=15, by="ada@here")
    assert one_host.ended(jid).one("return")["retcode"] == 3


def test_who_follows_another_dispatch_under_the_same_jid_gets_nothing_of_it(one_host: Host) -> None:
    jid = new_jid()
    one_host.run("echo mine", jid)
    for once in (False, True):
        answer = one_host.call("follow", jid=jid, nonce="another", live=True, once=once)
        assert answer.one("state")["state"] == "unknown"
        assert answer.bytes("out", 1) == answer.bytes("rec", 1) == b""
    assert one_host.call("follow", jid=jid).one("return")["retcode"] == 0


def test_records_are_for_their_user_only(one_host: Host) -> None:
    jid = new_jid()
    one_host.run(None, jid, sections={"script": b"#!/bin/sh\necho hi\n", "stdin": b"secret", "env": b'{"K": "v"}'})
    for path in one_host.state.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    assert {path.name for path in (one_host.root / "jobs" / jid).iterdir()} == {
        "job.json",
        "return.json",
        "stdout",
        "stderr",
    }


def test_the_environment_is_that_of_a_bare_command_the_jid_and_the_inventory_name(host: Host, tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "BYTES": "\udcff", "USER": "ada"}
    show = 'env -0; echo; umask; ulimit -a; pwd; grep -E "Sig(Blk|Ign)" /proc/self/status; ls /proc/self/fd | wc -l'
    host.env = env
    bare = subprocess.run(["/bin/sh", "-c", f"/bin/sh -c '{show}'"], env=env, cwd=host.cwd, capture_output=True)
    jid = new_jid()
    ours = host.run(show, jid, host="web1").bytes("rec", 1)
    for word in (f"AGENTLESS_JID={jid}", "AGENTLESS_HOST=web1"):
        assert f"\0{word}\0".encode() in b"\0" + ours
        ours = ours.replace(f"{word}\0".encode(), b"")
    assert sorted(ours.split(b"\0")) == sorted(bare.stdout.split(b"\0"))


@pytest.mark.parametrize("value", [None, "", "C", "C.UTF-8", "POSIX"])
def test_lc_ctype_is_what_the_login_shell_had(host: Host, value: str | None) -> None:
    host.env = {"PATH": os.environ["PATH"]} if value is None else {"PATH": os.environ["PATH"], "LC_CTYPE": value}
    said = host.run('echo "${LC_CTYPE-unset}:$LC_ALL"').bytes("rec", 1).decode()
    assert said == f"{'unset' if value is None else value}:\n"


def test_the_umask_of_the_login_shell_is_kept(one_host: Host) -> None:
    one_host.argv = ("/bin/sh", "-c", 'umask 027; eval "$0"')
    assert one_host.run("umask").bytes("rec", 1) == b"0027\n"


def test_env_stdin_cwd_and_shell_are_those_asked_for(host: Host, tmp_path: Path) -> None:
    answer = host.run(
        'cat; echo "$K $BASH_VERSION"; pwd',
        sections={"env": json.dumps({"K": "päß\udc80"}).encode(), "stdin": b"typed\0\n"},
        cwd=str(tmp_path),
        shell="/bin/bash",
    )
    lines = answer.bytes("rec", 1).split(b"\n")
    assert lines[0] == b"typed\0"
    assert lines[1].startswith("päß".encode() + b"\x80 ")
    assert lines[1].split()[1][:1].isdigit()
    assert lines[2] == str(tmp_path).encode()


def test_text_arrives_as_it_is_whatever_the_locale_of_the_host(host: Host, tmp_path: Path) -> None:
    host.env = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    (tmp_path / "ünï").mkdir()
    answer = host.run(
        'pwd; echo "$K ä\udcff"', sections={"env": '{"Kä": "x", "K": "é"}'.encode()}, cwd=f"{tmp_path}/ünï"
    )
    assert answer.bytes("rec", 1) == f"{tmp_path}/ünï\né ä".encode() + b"\xff\n"
    script = "#!/bin/sh\necho ß $1\n".encode()
    assert host.run(None, sections={"script": script}, script_args=["é"]).bytes("rec", 1) == "ß é\n".encode()
    host.state = host.state.rename(tmp_path / "stäte")
    assert host.call("ping").one("pong")["state_dir"] == str(host.state)
    assert "ü" in host.run("true", cwd="/no/ü").one("refused")["message"]


@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
@pytest.mark.parametrize("command", ["-x; echo $-", "+x; echo $-"])
def test_a_command_is_never_taken_for_options_of_the_shell(one_host: Host, command: str, shell: str) -> None:
    answer = one_host.run(command, shell=shell)
    assert command[:2].encode() in answer.bytes("rec", 2)
    assert b"x" not in answer.bytes("rec", 1)
    assert answer.one("return")["retcode"] == 0


def test_without_stdin_it_reads_nothing(one_host: Host) -> None:
    assert one_host.run("wc -c; readlink /proc/self/fd/0").bytes("rec", 1) == b"0\n/dev/null\n"


def test_a_script_runs_by_its_own_interpreter_with_its_arguments(host: Host) -> None:
    script = b"#!/usr/bin/env -S bash -e\n" + b"# " + b"x" * 100_000 + b'\necho "$1|$2|$BASH_VERSION" | cut -c 1-9\n'
    answer = host.run(None, sections={"script": script}, script_args=["a b", "c"])
    assert answer.bytes("rec", 1)[:6] == b"a b|c|"
    assert answer.one("return")["retcode"] == 0


@pytest.mark.parametrize("first", [b"", b"#!\n", b"#! \t\n", b"#!\r\n"])
def test_a_script_without_an_interpreter_runs_by_the_shell(one_host: Host, first: bytes) -> None:
    assert one_host.run(None, sections={"script": first + b"echo $0 | sed s,.*/,,"}).bytes("rec", 1) == b"script\n"


@pytest.mark.parametrize(
    ("request_", "kind", "names"),
    [
        ({"cwd": "/no/such"}, "cwd", "/no/such"),
        ({"shell": "/no/shell"}, "shell", "/no/shell"),
        ({"command": "x" * 200_000}, "shell", "/bin/sh"),
        ({"fun": "cmd.script", "sections": {"script": b"#!/no/interpreter\n"}}, "shell", "/no/interpreter"),
        ({"jid": "../../../etc/passwd0"}, "bad-request", "JID"),
    ],
)
def test_what_cannot_be_started_is_refused_and_leaves_nothing(
    one_host: Host, request_: dict[str, object], kind: str, names: str
) -> None:
    refused = one_host.run(**{"command": "true", **request_}).one("refused")  # type: ignore[arg-type]
    assert refused["kind"] == kind
    assert names in refused["message"]
    assert not list((one_host.root / "jobs").iterdir())
    assert not list((one_host.root / "proc").iterdir())


def test_a_long_request_goes_on_stdin(host: Host) -> None:
    call = host.begin_run("# " + "x" * 60_000 + "\necho done")
    assert call.command.stdin
    assert call.end().bytes("rec", 1) == b"done\n"


def test_the_same_dispatch_again_is_not_a_second_copy(host: Host, tmp_path: Path) -> None:
    jid = new_jid()
    command = f"echo x >> {tmp_path}/count; echo out"
    host.run(command, jid)
    again = host.run(command, jid, sections={"stdin": b"y" * 300_000})
    assert again.one("accepted")["state"] == "returned"
    assert again.bytes("rec", 1) == b"out\n"
    assert (tmp_path / "count").read_text() == "x\n"


def test_the_same_dispatch_again_follows_what_runs(host: Host, tmp_path: Path) -> None:
    command = f"echo a; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo b"
    jid, pid = host.start(command)
    again = host.begin_run(command, jid, live=True)
    assert again.until("accepted")["pid"] == pid
    again.until("out")
    (tmp_path / "go").touch()
    answer = again.end()
    assert answer.bytes("out", 1) == b"a\nb\n"
    assert answer.one("return")["streamed"]


def test_two_requests_of_one_dispatch_at_once_start_one_job(host: Host, tmp_path: Path) -> None:
    jid = new_jid()
    calls = [host.begin_run(f"echo $$ >> {tmp_path}/pids; sleep 0.2", jid) for _ in range(4)]
    pids = {call.end().one("return")["pid"] for call in calls}
    assert [int(word) for word in (tmp_path / "pids").read_text().split()] == list(pids)


def test_the_same_jid_with_another_nonce_is_a_collision(host: Host) -> None:
    jid = new_jid()
    host.run("true", jid)
    assert host.run("true", jid, nonce="f" * 16).one("refused")["kind"] == "same-host"
    for maybe, known in ((True, ("not-started", "same-host")), (False, ("unknown", None))):
        state = host.call("fetch", jobs=[{"jid": jid, "nonce": "f" * 16, "maybe": maybe}]).one("state")
        assert (state["state"], state["kind"]) == known


def test_the_same_jid_with_another_nonce_is_neither_found_nor_signalled(host: Host) -> None:
    """The same machine has it under another name; one that was accepted lies with another user."""
    jid, pid = host.start("exec sleep 60")
    assert host.call("find", jid=jid, nonce="f" * 16).one("found")["proc"] == {}
    answer = host.call("signal", jid=jid, nonce="f" * 16, signal=9, by="ada@laptop").one("signalled")
    assert (answer["delivered"], answer["known"]) == ([], False)
    assert host.call("find", jid=jid, nonce=NONCE).one("found")["proc"]["pid"] == pid
    assert host.call("signal", jid=jid, nonce=NONCE, signal=9, by="ada@laptop").one("signalled")["delivered"] == [pid]


def test_a_dispatch_that_never_arrived_can_not_start_any_more(host: Host, tmp_path: Path) -> None:
    jid = new_jid()
    asked = [{"jid": jid, "nonce": NONCE, "maybe": True}]
    for _ in range(2):
        state = host.call("fetch", jobs=asked).one("state")
        assert (state["state"], state["kind"]) == ("not-started", "never-arrived")
    assert host.run(f"touch {tmp_path}/ran", jid).one("refused")["kind"] == "never-arrived"
    assert not (tmp_path / "ran").exists()


def test_nothing_is_known_of_a_job_that_was_never_here(one_host: Host) -> None:
    assert one_host.call("fetch", jobs=[{"jid": new_jid(), "nonce": None}]).one("state")["state"] == "unknown"


def test_a_job_outlives_the_helper_and_its_shell(host: Host, tmp_path: Path) -> None:
    jid = new_jid()
    call = host.begin_run(f"echo a; while [ ! -e {tmp_path}/go ]; do sleep 0.01; done; echo b", jid, live=True)
    call.until("out")
    call.kill()
    (tmp_path / "go").touch()
    answer = host.call("follow", jid=jid, at=[2, 0], live=True)
    assert answer.bytes("out", 1) == b"b\n"
    assert not answer.one("return")["streamed"]
    assert answer.bytes("rec", 1) == b"a\nb\n"


def test_a_helper_whose_reader_is_gone_ends_and_its_job_does_not(host: Host, tmp_path: Path) -> None:
    call = host.begin_run(f"sleep 60 & echo $! > {tmp_path}/child; wait", live=True)
    pid = call.until("accepted")["pid"]
    helper = call.helper_pid()
    file_with(tmp_path / "child")
    assert call.process.stdout is not None
    call.process.stdout.close()
    until(lambda: not alive(helper), "the helper ends")
    assert alive(pid)


def test_a_detached_job_holds_no_channel_open(host: Host) -> None:
    jid, pid = host.start("sleep 60")
    assert alive(pid)
    assert host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}]).one("state")["state"] == "running"


def test_what_is_left_running_is_counted_and_does_not_hold_the_return(host: Host, tmp_path: Path) -> None:
    jid = new_jid()
    ret = host.run(f"sleep 60 & echo $! > {tmp_path}/child; setsid sleep 60 & exit 0", jid).one("return")
    child = int(file_with(tmp_path / "child")[0])
    assert ret["left_running"] == 2
    assert alive(child)
    for pid in tagged(jid):
        os.kill(pid, 9)


def test_what_is_left_running_is_held_to_the_cap(host: Host, tmp_path: Path) -> None:
    """The return is there at once and stays as it was; what the child writes behind it does not fill the disk."""
    need("many seconds")
    jid, cap = new_jid(), 1 << 20
    # Each waits to be asked for the next; that of a test that was killed ends by itself.
    wait = f"for look in $(seq 2000); do [ ! -e {tmp_path}/gate$n ] || break; sleep 0.05; done"
    floods = f"for n in 1 2 3 4 5 6 7; do head -c 100000000 /dev/zero; printf x >> {tmp_path}/floods; {wait}; done"
    child = f"sh -c 'echo $$ > {tmp_path}/child; {floods}' &"
    ret = host.run(f"{child} until [ -s {tmp_path}/child ]; do sleep 0.01; done; echo hi", jid, cap=cap).one("return")
    assert ret["left_running"] >= 1
    pid = int(file_with(tmp_path / "child")[0])
    (output,) = host.state.glob(f"*/jobs/{jid}/stdout")
    for number in range(1, 7):
        until(lambda count=number: len(file_with(tmp_path / "floods")[0]) >= count, "it has written 100 MB")  # type: ignore[misc]
        until(lambda: output.stat().st_blocks * 512 <= 6 << 20, "they are given back while it lives")
        (tmp_path / f"gate{number}").touch()
    assert alive(pid)
    os.kill(pid, 9)
    again = host.call("fetch", jobs=[{"jid": jid, "nonce": NONCE}])
    assert again.one("return")["stdout_truncated"] == ret["stdout_truncated"]
    until(lambda: not tagged(jid), "nothing of it is left")


def test_a_child_that_writes_elsewhere_keeps_no_supervisor(host: Host, tmp_path: Path) -> None:
    command = f"sleep 60 >/dev/null 2>&1 & echo $! > {tmp_path}/child; while [ ! -e {tmp_path}/go ]; do sleep 0.1; done"
    jid, _ = host.start(command)
    supervisor = host.proc(jid)["supervisor_pid"]
    (tmp_path / "go").touch()
    until(lambda: not alive(supervisor), "the supervisor has left")
    child = int(file_with(tmp_path / "child")[0])
    assert alive(child)
    os.kill(child, 9)


def test_a_limit_on_the_size_of_files_ends_no_job_that_only_prints(host: Host) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        ret = host.run("yes | head -c 100000").one("return")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (ret["retcode"], ret["signal"]) == (0, None)


def test_a_fetch_describes_the_job_and_gives_its_return(host: Host) -> None:
    jid = new_jid()
    host.run("echo hi", jid, metadata={"ticket": "7"}, host="web1")
    answer = host.call("fetch", jobs=[{"jid": jid, "nonce": None}], describe=True)
    job = answer.one("job")
    assert (job["fun"], job["arg"], job["controller"], job["metadata"], job["host"]) == (
        "cmd.run",
        ["echo hi"],
        "ada@laptop",
        {"ticket": "7"},
        "web1",
    )
    assert answer.bytes("rec", 1) == b"hi\n"
    assert answer.one("return")["jid"] == jid


def test_wanted_returns_come_home_with_any_operation(host: Host) -> None:
    first, second = new_jid(), new_jid()
    host.run("echo first", first)
    host.run("echo second; exit 2", second)
    third, _ = host.start("sleep 60")
    want = [{"jid": jid, "nonce": NONCE} for jid in (first, second, third)]
    for answer in (host.call("ping", want=want), host.run("echo own", want=want, detach=True)):
        assert {meta["jid"]: meta["retcode"] for meta in answer.all("return")} == {first: 0, second: 2}
        assert [meta["state"] for meta in answer.all("state")] == ["running"]
        assert answer.bytes("rec", 1) == b"first\nsecond\n"


def test_with_any_operation_what_never_arrived_is_kept_from_starting(host: Host, tmp_path: Path) -> None:
    jid, other = new_jid(), new_jid()
    want = [{"jid": jid, "nonce": NONCE, "maybe": True}, {"jid": other, "nonce": NONCE}]
    assert [meta["state"] for meta in host.call("ping", want=want).all("state")] == ["not-started", "unknown"]
    assert host.run(f"touch {tmp_path}/ran", jid).one("refused")["kind"] == "never-arrived"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("damage", ["deleted", "a pipe", "a directory", "a link to nowhere", "cut off"])
def test_a_record_that_somebody_damaged_fails_no_other_operation(one_host: Host, damage: str) -> None:
    """Its end is told all the same, and what is gone of its output is counted as dropped."""
    damaged, whole = new_jid(), new_jid()
    for jid in (damaged, whole):
        one_host.run("echo output", jid)
    stdout = one_host.root / "jobs" / damaged / "stdout"
    stdout.unlink()
    if damage == "a pipe":
        os.mkfifo(stdout)
    elif damage == "a directory":
        stdout.mkdir()
    elif damage == "a link to nowhere":
        stdout.symlink_to("nowhere")
    elif damage == "cut off":
        stdout.write_bytes(b"out")
    want = [{"jid": jid, "nonce": NONCE} for jid in (damaged, whole)]
    answers = [
        one_host.run("true", want=want, detach=True),
        one_host.call("fetch", jobs=want),
        one_host.call("follow", jid=damaged, want=want[1:]),
    ]
    for answer in answers:
        assert not answer.all("error")
        assert not answer.all("refused")
        returns = {meta["jid"]: (meta["retcode"], meta["stdout_truncated"]) for meta in answer.all("return")}
        assert returns == {damaged: (0, 4 if damage == "cut off" else 7), whole: (0, 0)}
        records = {frame.meta["jid"]: frame.body for frame in answer.frames if frame.kind == "rec"}
        assert records == {whole: b"output\n"} | ({damaged: b"out"} if damage == "cut off" else {})
    assert answers[0].one("accepted")


def test_wanted_returns_come_in_bounded_portions(one_host: Host) -> None:
    jids = [new_jid() for _ in range(3)]
    for jid in jids:
        one_host.run("head -c 3000000 /dev/zero", jid)
    answer = one_host.call("ping", want=[{"jid": jid, "nonce": NONCE} for jid in jids])
    assert [meta["jid"] for meta in answer.all("return")] == jids[:1]


def test_a_list_that_is_too_long_for_one_frame_comes_in_several(one_host: Host) -> None:
    need("many seconds")
    jids = [one_host.start("sleep 60", arg=["x" * 200_000])[0] for _ in range(4)]
    frames = one_host.call("running").all("running")
    assert len(frames) > 1
    assert [job["jid"] for frame in frames for job in frame["jobs"]] == jids


def test_ping_says_who_answers(host: Host) -> None:
    pong = host.call("ping").one("pong")
    assert pong["helper"] == "kept"
    assert pong["node"] == os.uname().nodename
    assert pong["state_dir"] == str(host.state)
    assert pong["executable"] == host.python


def test_an_unknown_operation_is_an_error(one_host: Host) -> None:
    assert one_host.call("dance").one("error")["kind"] == "bad-request"


def test_a_tty_that_hangs_up_does_not_take_the_job_along(start_host: Callable[..., Host], tmp_path: Path) -> None:
    host = start_host()
    host.argv = ("setsid", "-w", "/bin/sh", "-c")
    jid, pid = host.start("sleep 60")
    os.kill(pid, 0)
    assert os.getsid(pid) == pid
    assert os.getsid(host.proc(jid)["supervisor_pid"]) == host.proc(jid)["supervisor_pid"]
