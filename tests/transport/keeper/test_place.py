"""Where a keeper listens: one for all commands of a user and a version, and nobody else's."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless import config
from agentless.transport.keeper.place import Place, Unusable, code_name
from tests.hosts import need, patience, until
from tests.hosts.client import ROOT
from tests.transport.keeper.conftest import needed, started

Pids = Callable[[], list[int]]


NOBODY = 65534


CONNECT = """
import sys
from pathlib import Path
from agentless.transport.keeper import messages, signs
from agentless.transport.keeper.place import Place, Unusable
from agentless.transport.keeper.greeting import greeted, held
# On a busy machine, one of many that begin at once takes its time.
signs._PATIENCE = 600.0
place = Place(Path(sys.argv[1]), *sys.argv[2:])
try:
    line = greeted(place)
except Unusable as problem:
    print(problem)
else:
    line.send(messages.message(messages.LEASE, 0, messages.Lease("00", 600.0)))
    line.receive()
    print(held(place).pid, flush=True)
    sys.stdin.read()
"""


def opened_up(*needed: Path) -> str:
    """Shell words by which others reach these directories, in a mount namespace, through a home that is its owner's."""
    closed = {parent for path in needed for parent in path.parents if not parent.stat().st_mode & stat.S_IXOTH}
    tops = [path for path in closed if closed.isdisjoint(path.parents)]
    words = "set -e; t=/mnt; mount -t tmpfs tmpfs $t; " if tops else ""
    inside = [path for path in needed if not closed.isdisjoint(path.parents)]
    words += "".join(f"mkdir $t/{n}; mount --bind {path} $t/{n}; " for n, path in enumerate(inside))
    words += "".join(f"mount -t tmpfs -o mode=755 tmpfs {path}; " for path in tops)
    return words + "".join(f"mkdir -p {path}; mount --bind $t/{n} {path}; " for n, path in enumerate(inside))


def as_nobody(directory: Path, *name: str) -> str:
    """What another user learns who wants a keeper there."""
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    command = ["unshare", "--mount", "/bin/sh", "-c", opened_up(ROOT, Path(sys.base_prefix)) + 'exec "$@"', "sh"]
    command += ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    command += [sys.executable, "-c", CONNECT, str(directory), *name]
    environ = {"HOME": os.environ["HOME"], "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, env=environ, input="", capture_output=True, text=True, timeout=patience(30), check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_twenty_commands_that_begin_at_once_have_one_keeper(place: Place, alone: Pids) -> None:
    need("many seconds")
    command = [sys.executable, "-c", CONNECT, str(place.directory)]
    pipe = subprocess.PIPE
    commands = [subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) for _ in range(20)]
    # Each stays until all have theirs: a keeper that nobody is connected to would leave before the last has come.
    answers = {one.stdout.readline().strip() for one in commands if one.stdout}
    for one in commands:
        one.communicate(timeout=patience(60))
    assert answers == {str(pid) for pid in alone()}
    assert len(answers) == 1


def test_two_versions_side_by_side_have_a_keeper_each(place: Place, alone: Pids) -> None:
    other = Place(place.directory, "0.0.9-0123456789abcdef")
    with needed(place) as one, needed(other) as two:
        assert one != two
        assert (started(place), started(other)) == (one, two)
        assert sorted(path.name for path in place.directory.iterdir()) == sorted([place.name, other.name])


def test_the_name_is_that_of_the_code(tmp_path: Path) -> None:
    assert code_name() == Place(tmp_path).name

    def name() -> str:
        """Of the copy."""
        words = "from agentless.transport.keeper.place import code_name; print(code_name())"
        command = [sys.executable, "-c", words]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    shutil.copytree(ROOT / "agentless", tmp_path / "agentless", ignore=shutil.ignore_patterns("__pycache__"))
    assert len({code_name(), before := name()}) == 2, "it is elsewhere"
    assert name() == before
    (tmp_path / "agentless" / "transport" / "ssh" / "link.py").touch()
    assert name() != before


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as made:
        yield made


def test_directory_and_socket_are_this_users_alone(place: Place, alone: Pids) -> None:
    with needed(place):
        assert stat.S_IMODE(place.directory.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.path.stat().st_mode) == 0o600


def test_nothing_of_a_session_is_in_its_environment_arguments_or_descriptors(
    place: Place, alone: Pids, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stack: contextlib.ExitStack
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hunter2")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        stack.enter_context(needed(place))
    (pid,) = alone()
    process = Path(f"/proc/{pid}")
    names = {line.split(b"=")[0] for line in (process / "environ").read_bytes().split(b"\0") if line}
    assert names == {b"PYTHONPATH", b"PATH", b"HOME", b"LC_ALL"} | ({b"PWD"} & names)
    words = (process / "cmdline").read_bytes().split(b"\0")
    assert words[1:] == [b"-m", b"agentless.transport.keeper", b""]
    until(lambda: os.readlink(process / "cwd") == "/", "it has left the directory")

    def targets() -> list[str]:
        """What its descriptors lead to; that of who has asked something is being closed."""
        found = []
        for entry in (process / "fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                found.append(os.readlink(entry))
        return found

    assert targets().count("/dev/null") == 3
    assert {target.split(":")[0] for target in targets()} - {"/dev/null", str(place.directory)} == {"socket"}
    # It has no terminal, and cannot get one: it leads no session.
    state = (process / "stat").read_text().rpartition(")")[2].split()
    assert state[1] == "1" or int(state[1]) != os.getpid()
    assert state[4] == "0"
    assert int(state[3]) != pid


def test_its_memory_is_in_no_core_dump_and_read_by_no_other_process(place: Place, alone: Pids) -> None:
    with needed(place) as pid:
        limits = Path(f"/proc/{pid}/limits").read_text()
    (core,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    assert core.split()[4:6] == ["0", "0"]


@pytest.fixture
def public() -> Iterator[Path]:
    """A directory where everybody may make files."""
    with tempfile.TemporaryDirectory(prefix="agentless-keeper-") as path:
        os.chmod(path, 0o777)
        yield Path(path)


def test_of_a_user_not_even_another_process_of_theirs_reads_it(alone: Pids, public: Path) -> None:
    def look() -> tuple[int, str] | None:
        """Whose its environment is, and its status; nothing where it ended before, for nobody needs it."""
        process = Path("/proc", as_nobody(public / "nobody's"))
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return (process / "environ").stat().st_uid, (process / "status").read_text()
        return None

    owner, status = until(look, "it is there to be looked at")  # type: ignore[misc]
    # What a process that can be dumped shows is its user's.
    assert owner == 0
    assert f"Uid:\t{NOBODY}" in status


def test_another_user_can_neither_connect_nor_be_there_before(alone: Pids, public: Path) -> None:
    place = Place(public / "ours")
    # It stays for as long as a command may want something of it.
    with needed(place):
        assert "belongs to uid 0" in as_nobody(place.directory, place.name)
        # Even where the directory lets them in, the socket does not, and the keeper asks the kernel.
        place.directory.chmod(0o755)
        with pytest.raises(subprocess.CalledProcessError):
            _knock_as_nobody(place)
        place.path.chmod(0o666)
        assert _knock_as_nobody(place) == b""
        # A directory that they made is none of ours.
        theirs = public / "theirs"
        assert as_nobody(theirs).isdigit()
        with pytest.raises(Unusable, match=f"belongs to uid {NOBODY}"):
            Place(theirs).connect()
        (public / "link").symlink_to(place.directory)
        with pytest.raises(Unusable, match="is a link"):
            Place(public / "link").connect()


def _knock_as_nobody(place: Place) -> bytes:
    """What the keeper says to another user who connects."""
    code = "import socket,sys; s=socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); print(s.recv(99).hex())"
    command = ["unshare", "--mount", "/bin/sh", "-c", opened_up(ROOT, Path(sys.base_prefix)) + 'exec "$@"', "sh"]
    command += ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups"]
    command += [sys.executable, "-I", "-c", code, str(place.path)]
    return bytes.fromhex(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())


def test_who_listens_is_asked_of_the_kernel_by_the_command_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can act as another user")
    place.directory.mkdir(mode=0o700)
    # The whole path may be too long for an address.
    monkeypatch.chdir(place.directory)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(place.path.name)
        os.seteuid(NOBODY)
        try:
            listener.listen()
        finally:
            os.seteuid(0)
        with pytest.raises(Unusable, match=f"uid {NOBODY} listens"):
            place.connect()


def test_a_path_that_is_too_long_for_an_address_will_do(tmp_path: Path, alone: Pids) -> None:
    place = Place(tmp_path / ("long" * 30) / "keeper")
    with needed(place) as pid:
        assert started(place) == pid


def test_a_name_that_nobody_listens_at_is_taken_over(
    place: Place, alone: Pids, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.directory.mkdir(mode=0o700)
    with monkeypatch.context() as there, socket.socket(socket.AF_UNIX) as dead:
        # The whole path may be too long for an address.
        there.chdir(place.directory)
        dead.bind(place.path.name)
    with needed(place) as pid:
        assert [pid] == alone()


def test_where_none_is_to_be_had_it_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unusable, match="file"):
        Place(tmp_path / "file" / "keeper").connect()
    with pytest.raises(Unusable, match="nobody listens"):
        Place(tmp_path / "keeper").connect(start=False)


def test_the_runtime_directory_counts_where_it_is_this_users_alone(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}
    in_cache = tmp_path / ".cache" / "agentless" / "connections"
    assert config.keeper_dir(environ) == in_cache
    (tmp_path / "run").mkdir(mode=0o700)
    assert config.keeper_dir(environ) == tmp_path / "run" / "agentless"
    (tmp_path / "run").chmod(0o755)
    assert config.keeper_dir(environ) == in_cache
    assert config.keeper_dir({**environ, "XDG_RUNTIME_DIR": "run"}) == in_cache
