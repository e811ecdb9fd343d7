"""How the helper comes to a host: where it keeps things, whom it trusts there, and what heals it."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from agentless.runner import payload
from tests.hosts.needs import every, need
from tests.hosts.waiting import patience
from tests.remote.conftest import OUTERMOST, PYTHONS
from tests.remote.host import Call, Host

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it mounts file systems and acts as other users")


def bytecode(host: Host) -> list[Path]:
    """The files of bytecode of the helper that is in use."""
    return [path for path in (host.state / "helper").glob("*/*-*") if "." not in path.parent.name]


# --- the helper itself ---
def test_a_first_contact_brings_the_helper_and_the_next_finds_it(start_host: Callable[..., Host]) -> None:
    host = start_host(fresh=True)
    first = host.call("ping")
    assert [frame.kind for frame in first.frames] == ["need", "pong", "end"]
    assert first.one("pong")["helper"] == "new"
    second = host.call("ping")
    assert [frame.kind for frame in second.frames] == ["pong", "end"]
    assert host.run("cat", sections={"stdin": b"x"}).frames[0].kind == "ready"


@pytest.mark.parametrize("python", every(OUTERMOST))
def test_first_contacts_at_once_do_not_disturb_one_another(start_host: Callable[..., Host], python: str) -> None:
    need("many seconds")
    host = start_host(python, fresh=True)
    calls = [host.begin_run("echo hi") for _ in range(6)]
    for call in calls:
        assert call.process.stdout is not None
        assert select.select([call.process.stdout], [], [], patience(30))[0], "each has asked for it before any gets it"
    for call in calls:
        assert call.end().bytes("rec", 1) == b"hi\n"
    assert len([path for path in (host.state / "helper").iterdir() if "." not in path.name]) == 1


def test_a_deleted_helper_is_brought_again_and_jobs_go_on(host: Host) -> None:
    jid, pid = host.start("sleep 60")
    shutil.rmtree(host.state / "helper")
    assert host.call("ping").one("pong")["helper"] == "new"
    next((host.state / "helper").glob("*/remote/tree.py")).unlink()
    assert host.call("ping").one("pong")["helper"] == "new"
    assert pid in host.kill(jid)["delivered"]
    assert host.ended(jid).one("return")["ended_by"] == "signal-job:ada@laptop"


@pytest.mark.parametrize("room", ["serve", "wire", "start"])
@pytest.mark.parametrize("damage", ["empty", "cut", "zeros"])
def test_a_helper_that_a_power_cut_damaged_is_brought_again(
    start_host: Callable[..., Host], room: str, damage: str
) -> None:
    """Files that were not on disk yet come back empty, short, or with nothing but zeros in them."""
    need("many seconds")
    host = start_host(PYTHONS[-1])
    host.run("true")
    (path,) = (host.state / "helper").glob(f"*/remote/{room}.py")
    data = path.read_bytes()
    if damage == "zeros":
        path.write_bytes(bytes(len(data)))
        for compiled in bytecode(host):
            compiled.unlink()
    else:
        os.truncate(path, 0 if damage == "empty" else len(data) // 2)
    assert host.run("echo hi").bytes("rec", 1) == b"hi\n"
    assert host.call("ping").one("pong")["helper"] == "kept"


@pytest.mark.parametrize("python", every(OUTERMOST))
@pytest.mark.parametrize("size", ["empty", "cut in the head", "cut in the rooms", "zeros", "none"])
def test_bytecode_that_a_bad_disk_damaged_is_made_again(
    start_host: Callable[..., Host], python: str, size: str
) -> None:
    host = start_host(python)
    host.run("true")
    (path,) = bytecode(host)
    whole = path.read_bytes()
    damaged = {"empty": b"", "cut in the head": whole[:3000], "cut in the rooms": whole[:9000], "none": b""}
    path.write_bytes(damaged.get(size, bytes(len(whole))))
    if size == "none":
        path.unlink()
    answer = host.call("ping")
    assert answer.one("pong")["helper"] == ("kept" if size == "none" else "new")
    assert host.run("echo hi").bytes("rec", 1) == b"hi\n"
    (path,) = bytecode(host)
    assert len(path.read_bytes()) > len(whole) // 2


def test_bytecode_that_is_damaged_where_only_one_operation_reads_is_told_and_brought_again(host: Host) -> None:
    host.run("true")
    (path,) = bytecode(host)
    whole = path.read_bytes()
    at = whole.index(b"launch.py") - 1000
    path.write_bytes(whole[:at] + bytes(2000) + whole[at + 2000 :])
    answers = [host.run("echo hi"), host.run("echo hi")]
    assert [answer.bytes("rec", 1) for answer in answers][-1] == b"hi\n"
    assert answers[0].all("refused") == [] or answers[0].one("refused")["kind"] == "helper"


def test_each_python_has_its_own_bytecode_in_one_file(start_host: Callable[..., Host]) -> None:
    host = start_host(PYTHONS[0])
    assert host.call("ping", python=PYTHONS[-1]).one("pong")["helper"] == "kept"
    assert len(bytecode(host)) == len({PYTHONS[0], PYTHONS[-1]})
    # Nothing else is to be looked at, call by call.
    assert not list((host.state / "helper").glob("*/remote/__pycache__/serve*"))


def test_a_damaged_payload_is_not_run(start_host: Callable[..., Host]) -> None:
    host = start_host(fresh=True)
    call = host.begin("ping")
    damaged = bytearray(call.command.payload)
    damaged[50] ^= 1
    broken = Call(type(call.command)(call.command.line, call.command.nonce, bytes(damaged), b""), b"", host.argv)
    assert broken.end().one("error")["kind"] == "payload"
    assert not list((host.state / "helper").glob("*/remote/*"))
    broken.close()


# --- the state directory ---
def test_a_state_directory_that_is_a_link_is_refused(one_host: Host, tmp_path: Path) -> None:
    one_host.state.rename(tmp_path / "elsewhere")
    one_host.state.symlink_to(tmp_path / "elsewhere")
    assert one_host.call("ping").one("error")["kind"] == "state-dir"
    refused = one_host.run("true").one("refused")
    assert refused["kind"] == "state-dir"
    assert f"{one_host.state} is a link" in refused["message"]
    assert "agentless_state_dir" in refused["hint"]
    one_host.state.unlink()
    (tmp_path / "elsewhere").rename(one_host.state)


@ROOT
def test_a_state_directory_of_another_user_is_refused(one_host: Host) -> None:
    os.chown(one_host.state, 65534, 65534)
    refused = one_host.run("true").one("refused")
    assert (refused["kind"], "is another user's (uid 65534)" in refused["message"]) == ("state-dir", True)
    os.chown(one_host.state, 0, 0)


@pytest.mark.parametrize("mode", [0o755, 0o777, 0o1777, 0o775])
def test_the_mode_of_a_directory_that_was_there_stays_as_it_is(one_host: Host, mode: int) -> None:
    """It may be /tmp. What others can write to is refused, and what is in it comes from anybody."""
    one_host.state.chmod(mode)
    answer = one_host.call("ping")
    assert one_host.state.stat().st_mode & 0o7777 == mode
    if mode == 0o755:
        assert answer.one("pong")
    else:
        error = answer.one("error")
        assert (error["kind"], "can be written by others" in error["message"]) == ("state-dir", True)
    one_host.state.chmod(0o700)


def test_a_directory_of_everybodys_is_no_state_directory() -> None:
    command = payload.command({"op": "ping"}, state_dir="/tmp")
    mode = os.stat("/tmp").st_mode
    call = Call(command, b"", ("/bin/sh", "-c"))
    error = call.end().one("error")
    assert "/tmp" in error["message"]
    assert "agentless_state_dir" in error["hint"]
    assert os.stat("/tmp").st_mode == mode
    assert not os.path.exists("/tmp/helper")
    call.close()


@pytest.mark.parametrize("through", ["the way", "a link"])
def test_a_place_that_another_user_could_exchange_is_refused(one_host: Host, tmp_path: Path, through: str) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o777)
    if through == "a link":
        (shared / "real").mkdir()
        (tmp_path / "link").symlink_to(shared / "real")
        one_host.state = tmp_path / "link" / "state"
    else:
        one_host.state = shared / "state"
    refused = one_host.run(f"touch {tmp_path}/ran").one("refused")
    assert (refused["kind"], str(shared) in refused["message"]) == ("state-dir", True)
    assert not one_host.state.exists()
    assert not (tmp_path / "ran").exists()
    # /tmp is open to all, too, but nobody can rename what is another's there.
    shared.chmod(0o1777)
    if through == "a link":
        assert one_host.run("echo hi").bytes("rec", 1) == b"hi\n"
        assert one_host.call("ping").one("pong")["helper"] == "kept"


def test_a_place_that_is_written_with_two_slashes_is_the_same_place(one_host: Host) -> None:
    one_host.call("ping")
    state = f"/{one_host.state}"
    assert state.startswith("//")
    call = Call(payload.command({"op": "ping"}, python=one_host.python, state_dir=state), b"", ("/bin/sh", "-c"))
    assert call.end().one("pong")["helper"] == "kept"
    call.close()


@ROOT
def test_a_helper_that_another_user_put_there_is_not_run(one_host: Host, tmp_path: Path) -> None:
    """The directory was open to others once; its name is what a helper's would be."""
    need("many seconds")
    (helper,) = (one_host.state / "helper").iterdir()
    (helper / "remote" / "serve.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n" * 500)
    os.chown(helper / "remote" / "serve.py", 65534, 65534)
    assert one_host.call("ping").one("pong")["helper"] == "new"
    assert not (tmp_path / "ran").exists()
    for path in ("remote/__pycache__", "remote/wire.abi3.so", "remote/serve", "cpython-39-30912f0"):
        planted = helper / path
        shutil.rmtree(planted) if planted.exists() else None
        planted.symlink_to(tmp_path)
        assert one_host.call("ping").one("pong")["helper"] == "new"
        assert not planted.is_symlink()
    # What runs first is the bytecode.
    text = f"open({str(tmp_path / 'ran')!r}, 'w')"
    code = f"import marshal; c = compile({text!r}, 'x', 'exec'); "
    code += "open('planted', 'wb').write(marshal.dumps((c, c, {})))"
    subprocess.run([one_host.python, "-c", code], cwd=tmp_path, check=True)
    (kept,) = bytecode(one_host)
    kept.write_bytes((tmp_path / "planted").read_bytes())
    os.chown(kept, 65534, 65534)
    assert one_host.call("ping").one("pong")["helper"] == "new"
    kept.unlink()
    kept.symlink_to(tmp_path / "planted")
    assert one_host.call("ping").one("pong")["helper"] == "new"
    kept.unlink()
    os.mkfifo(kept)
    assert one_host.call("ping").one("pong")["helper"] == "new"
    assert not (tmp_path / "ran").exists()
    os.chown(one_host.state / "helper", 65534, 65534)
    assert one_host.call("ping").one("error")["kind"] == "state-dir"
    os.chown(one_host.state / "helper", 0, 0)


@ROOT
def test_a_private_group_is_the_user_and_any_other_group_is_others(one_host: Host, tmp_path: Path) -> None:
    """Where umask is 002, as on Fedora, what a user makes is writable for the group that has the user's name."""
    folder = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/agentless-home-XXXXXX"], text=True).strip())
    try:
        for name in ("home", "home/.local", "home/.local/state"):
            (folder / name).mkdir()
            (folder / name).chmod(0o775)
            os.chown(folder / name, 54321, 54322)
        folder.chmod(0o755)
        (folder / "passwd").write_text(f"root:x:0:0::/root:/bin/sh\nada:x:54321:54322::{folder}/home:/bin/sh\n")
        mount = f"mount --bind {folder}/passwd /etc/passwd && mount --bind {folder}/group /etc/group && "
        run = 'exec setpriv --reuid=54321 --regid=54322 --clear-groups sh -c "$0"'
        for group, fits in (("ada:x:54322:", True), ("ada:x:54322:bob", False), ("users:x:54322:", False)):
            (folder / "group").write_text(f"root:x:0:\n{group}\n")
            command = payload.command({"op": "ping"}, python="/usr/bin/python3")
            call = Call(command, b"", ("unshare", "-m", "sh", "-c", mount + run))
            answer = call.end()
            assert bool(answer.all("pong")) is fits, answer.frames
            call.close()
    finally:
        shutil.rmtree(folder)


@ROOT
@pytest.mark.parametrize("home", [True, False, "old"], ids=["home", "no home", "home of a former version"])
def test_the_state_directory_is_below_the_home_of_passwd_or_else_in_var_tmp(one_host: Host, home: bool | str) -> None:
    folder = Path(subprocess.check_output(["mktemp", "-d", "/var/tmp/agentless-home-XXXXXX"], text=True).strip())
    try:
        folder.chmod(0o755)
        (folder / "home").mkdir()
        os.chown(folder / "home", 54321, 54321)
        if home == "old":
            for name in ("home/.cache", "home/.cache/agentless"):
                (folder / name).mkdir(mode=0o700)
                os.chown(folder / name, 54321, 54321)
        passwd = f"root:x:0:0::/root:/bin/sh\nada:x:54321:54321::{folder}/{'home' if home else 'none'}:/bin/sh\n"
        (folder / "passwd").write_text(passwd)
        (folder / "tmp").mkdir(mode=0o777)
        (folder / "tmp").chmod(0o1777)
        command = payload.command({"op": "ping"}, python="/usr/bin/python3")
        # Where there is no home, /var/tmp is the test's own.
        mount = f"mount --bind {folder}/passwd /etc/passwd && " + (
            "" if home else f"mount --bind {folder}/tmp /var/tmp && "
        )
        run = 'HOME=/no XDG_CACHE_HOME=/no exec setpriv --reuid=54321 --regid=54321 --clear-groups sh -c "$0"'
        enter = mount + run
        call = Call(command, b"", ("unshare", "-m", "sh", "-c", enter))
        pong = call.end().one("pong")
        assert pong["state_dir"] == (
            f"{folder}/home/{'.cache' if home == 'old' else '.local/state'}/agentless"
            if home
            else "/var/tmp/agentless-54321"
        )
        call.close()
    finally:
        shutil.rmtree(folder)
