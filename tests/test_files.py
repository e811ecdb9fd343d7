"""Files that are replaced in one step, and directories of one's own."""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from agentless.files import TEMPORARY, NotOwn, close_to_others, make_own_directory, read_file, replace_file
from agentless.locks import Lock

ROOT = Path(__file__).parents[1]

WRITER = """
import os, sys
from agentless.files import replace_file
path, n = sys.argv[1], 0
print("ready", flush=True)
while True:
    replace_file(path, f"{n} ".encode() * 20_000)
    n += 1
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_a_new_file_is_its_owners_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        replace_file(tmp_path / "a", b"one")
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), (tmp_path / "a").read_bytes()) == (0o600, b"one")


def test_directories_and_locks_are_their_owners_whatever_the_umask(tmp_path: Path) -> None:
    """Else the next command of whoever is not root could not open what this one made."""
    own = tmp_path / "above" / "it" / "own"
    before = os.umask(0o777)
    try:
        make_own_directory(own)
        lock = Lock(str(own / "lock"), timeout=0, poll=0)
        lock.acquire()
        lock.release()
    finally:
        os.umask(before)
    assert [mode(path) for path in (own.parents[1], own.parent, own)] == [0o700] * 3
    assert mode(own / "lock") == 0o600


def test_a_small_file_takes_little_room_whatever_it_may_have(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 100)
    script = (
        "import resource; from agentless.files import read_file; "
        "room = 150 << 20; resource.setrlimit(resource.RLIMIT_AS, (room, room)); "
        f"assert len(read_file({str(tmp_path / 'a')!r}, 1024)) == 100"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)


def test_a_persons_file_keeps_its_mode_and_a_new_one_follows_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", b"one", mode=None)
        assert mode(tmp_path / "a") == 0o640
        (tmp_path / "a").chmod(0o664)
        replace_file(tmp_path / "a", b"two", mode=None)
    finally:
        os.umask(before)
    assert (mode(tmp_path / "a"), (tmp_path / "a").read_bytes()) == (0o664, b"two")


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    replace_file(tmp_path / "a", b"one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(OSError) as caught:
            replace_file(tmp_path / "a", b"x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)
    assert caught.value.errno == errno.EFBIG
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"one")]
    with pytest.raises(IsADirectoryError):
        replace_file(tmp_path, b"x")


def test_a_link_is_replaced_and_what_it_points_to_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "a").symlink_to("precious")
    replace_file(tmp_path / "a", b"new")
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert not (tmp_path / "a").is_symlink()


def test_a_name_as_long_as_a_file_system_takes_is_written(tmp_path: Path) -> None:
    replace_file(tmp_path / ("n" * 255), b"x")
    assert len(list(tmp_path.iterdir())) == 1


def test_a_writer_that_is_killed_at_any_instant_leaves_a_whole_file(tmp_path: Path) -> None:
    rng = random.Random(5)
    path = tmp_path / "a"
    for _ in range(12):
        writer = subprocess.Popen([sys.executable, "-c", WRITER, path], cwd=ROOT, stdout=subprocess.PIPE)
        with writer:
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.02))
            writer.kill()
        if path.exists():
            words = path.read_bytes().split()
            assert len(words) == 20_000
            assert len(set(words)) == 1
        assert all(left.name.endswith(TEMPORARY) for left in tmp_path.iterdir() if left != path)


def test_a_directory_of_ones_own_is_made_and_closed_to_others(tmp_path: Path) -> None:
    own = tmp_path / "made" / "own"
    assert not close_to_others(own)
    make_own_directory(own)
    assert (mode(own), mode(own.parent)) == (0o700, 0o700)
    own.chmod(0o777)
    assert close_to_others(own)
    assert mode(own) == 0o700


def test_a_link_a_file_and_another_users_directory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "file").write_text("")
    for name, words in (("link", "is a link"), ("file", "is no directory")):
        for use in (close_to_others, make_own_directory):
            with pytest.raises(NotOwn, match=words):
                use(tmp_path / name)
    if os.geteuid() == 0:
        (tmp_path / "theirs").mkdir(0o777)
        os.chown(tmp_path / "theirs", 12345, -1)
        with pytest.raises(NotOwn, match="belongs to uid 12345, not to uid 0"):
            make_own_directory(tmp_path / "theirs")


def test_a_file_that_never_ends_is_read_up_to_its_bound(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="more than 1 MiB"):
        read_file("/dev/zero", 1)
    (tmp_path / "a").write_bytes(b"x" * (1 << 20))
    assert len(read_file(tmp_path / "a", 1)) == 1 << 20


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(OSError, match="it is a device or a pipe"):
            replace_file(tmp_path / name, b"")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
