"""`put` and `get` of the Python API, on a real sshd without SFTP and on this machine; and on hosts that lie."""

from __future__ import annotations

import os
import pwd
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from agentless import Fleet
from agentless.errors import TargetError, UsageError
from agentless.model.copies import Copied
from agentless.runner import copying
from agentless.runner.parcel import pack as packed
from tests.hosts import Sshd, patience
from tests.runner.conftest import Bench
from tests.runner.lying import END, LyingHosts


class Place:
    """A fleet and a folder of its host."""

    def __init__(self, fleet: Fleet, host: str, folder: Path) -> None:
        self.fleet, self.host, self.folder = fleet, host, folder

    def put(self, sources: str | Path | list[str | Path], destination: str) -> Copied:
        return self.fleet.put(self.host, sources, destination).hosts[self.host]

    def get(self, sources: str | list[str], directory: Path) -> Copied:
        return self.fleet.get(self.host, sources, directory).hosts[self.host]


@pytest.fixture(params=["ssh", "local"])
def place(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, start_sshd: Callable[..., Sshd]
) -> Iterator[Place]:
    with ExitStack() as stack:
        folder = tmp_path / "host"
        folder.mkdir()
        if request.param == "ssh":
            sshd = start_sshd()
            for name, value in sshd.client.environ.items():
                monkeypatch.setenv(name, value)
            monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
            yield Place(stack.enter_context(Fleet()), "host1", folder)
        else:
            monkeypatch.setenv("HOME", str(tmp_path))
            inventory = tmp_path / "inventory.yaml"
            variables = f"{{ansible_connection: local, agentless_state_dir: {tmp_path}/state}}"
            inventory.write_text(f"all: {{hosts: {{host1: {variables}}}}}\n")
            yield Place(stack.enter_context(Fleet(inventory)), "host1", folder)


def below(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): f"{path.stat().st_mode & 0o7777:o}" for path in sorted(folder.rglob("*"))}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    made = tmp_path / "source"
    (made / "tree" / "sub").mkdir(parents=True)
    (made / "tree" / "sub").chmod(0o750)
    (made / "tree" / "run.sh").write_text("#!/bin/sh\n")
    (made / "tree" / "run.sh").chmod(0o755)
    (made / "tree" / "sub" / "empty").write_text("")
    odd = made / "tree" / "sub" / os.fsdecode(b"odd \xff\n'\"$(x)")
    odd.write_bytes(os.urandom(500_000))
    odd.chmod(0o600)
    (made / "a").write_text("a\n")
    (made / "a").chmod(0o640)
    return made


def test_a_tree_goes_there_and_back_as_it_is(place: Place, source: Path, tmp_path: Path) -> None:
    done = place.put(f"{source}/tree", f"{place.folder}/srv/deep")
    assert done.ok, done.problem
    assert (done.files, done.bytes, done.path) == (3, 500_010, f"{place.folder}/srv/deep")
    assert below(place.folder / "srv" / "deep" / "tree") == below(source / "tree")
    done = place.get(f"{place.folder}/srv/deep/tree/", tmp_path / "got")
    assert done.ok, done.problem
    assert (done.files, done.bytes, done.path) == (3, 500_010, f"{tmp_path}/got/host1")
    assert below(tmp_path / "got" / "host1") == below(source / "tree")
    for path in source.rglob("odd*"):
        (got,) = (tmp_path / "got").rglob("odd*")
        assert got.read_bytes() == path.read_bytes()


def test_where_a_file_goes(place: Place, source: Path) -> None:
    (place.folder / "there").mkdir()
    assert place.put(source / "a", f"{place.folder}/b").path == f"{place.folder}/b"
    assert place.put(source / "a", f"{place.folder}/there").ok
    assert place.put(source / "a", f"{place.folder}/new/deep/").ok
    assert sorted(below(place.folder)) == ["b", "new", "new/deep", "new/deep/a", "there", "there/a"]
    for destination in ("none/x", "b/x"):
        done = place.put(source / "a", f"{place.folder}/{destination}")
        assert done.problem is not None
        assert (done.state, done.problem.kind) == ("failed", "no-such-directory")
    done = place.put([source / "a", source / "tree" / "run.sh"], f"{place.folder}/none")
    assert done.problem is not None
    assert done.problem.kind == "no-such-directory"
    assert "/ at its end" in done.problem.hint
    assert place.put([source / "a", source / "tree" / "run.sh"], f"{place.folder}/there").files == 2


def test_a_path_may_be_a_path_of_pathlib_or_bytes(place: Place, source: Path, tmp_path: Path) -> None:
    assert place.fleet.put(place.host, source / "a", PurePosixPath(place.folder, "a")).ok
    assert place.fleet.get(place.host, PurePosixPath(place.folder, "a"), tmp_path / "got").ok
    assert (tmp_path / "got" / "host1" / "a").read_bytes() == (source / "a").read_bytes()


def test_a_file_where_a_directory_is_to_be_is_named_as_that(place: Place, source: Path) -> None:
    (place.folder / "file").write_text("old")
    for destination in (f"{place.folder}/file", f"{place.folder}/file/"):
        done = place.put(f"{source}/tree", destination)
        assert done.problem is not None
        assert (done.state, done.problem.kind) == ("failed", "not-a-directory")
        assert "something else than a directory is there" in done.problem.message
    assert (place.folder / "file").read_text() == "old"


def test_a_relative_path_begins_at_home(place: Place, source: Path) -> None:
    name = f"agentless-files-test-{os.getpid()}"
    home = Path(pwd.getpwuid(os.geteuid()).pw_dir)
    try:
        assert place.put(source / "a", f"./{name}").path in (f"{home}/./{name}", f"{home}/{name}")
        assert (home / name).read_text() == "a\n"
        assert place.get(f"~/{name}", source / "got").files == 1
    finally:
        with suppress(FileNotFoundError):
            (home / name).unlink()


def test_an_old_file_stays_until_the_new_one_is_whole_and_keeps_its_owner(place: Place, source: Path) -> None:
    target = place.folder / "x"
    target.write_text("old")
    target.chmod(0o600)
    if os.geteuid() == 0:
        os.chown(target, 3333, 4444)
    with target.open() as old:
        assert place.put(source / "a", str(target)).ok
        assert old.read() == "old", "it was replaced, and not written over"
    info = target.stat()
    assert (target.read_text(), info.st_mode & 0o777) == ("a\n", 0o640)
    if os.geteuid() == 0:
        assert (info.st_uid, info.st_gid) == (3333, 4444)


def test_a_link_leads_where_its_owner_is_trusted(place: Place, source: Path) -> None:
    (place.folder / "real").write_text("old")
    (place.folder / "link").symlink_to("real")
    assert place.put(source / "a", f"{place.folder}/link").ok
    assert (place.folder / "link").is_symlink()
    assert (place.folder / "real").read_text() == "a\n"
    if os.geteuid() != 0:
        return
    (place.folder / "elsewhere").mkdir()
    for name, to in (("theirs", "real"), ("tree", "elsewhere")):
        (place.folder / name).symlink_to(to)
        os.lchown(place.folder / name, 3333, 3333)
    (place.folder / "real").write_text("safe")
    done = place.put(source / "a", f"{place.folder}/theirs")
    assert done.problem is not None
    assert (done.state, done.problem.kind) == ("failed", "link")
    assert (place.folder / "real").read_text() == "safe"
    done = place.put([source / "tree", source / "a"], f"{place.folder}/")
    assert (done.state, done.files, done.failures) == ("failed", 1, 5)
    assert not list((place.folder / "elsewhere").iterdir()), "what lies below another's link goes nowhere"


def test_special_files_and_directories_are_not_replaced(place: Place, source: Path) -> None:
    os.mkfifo(place.folder / "pipe")
    (place.folder / "run.sh").mkdir()
    done = place.put(source / "a", f"{place.folder}/pipe")
    assert done.problem is not None
    assert done.problem.kind == "special-file"
    done = place.put(f"{source}/tree/", str(place.folder))
    assert done.problem is not None
    assert (done.problem.kind, done.files, done.failures) == ("is-a-directory", 2, 1)
    (place.folder / "sub2").mkdir()
    (place.folder / "sub2" / "sub").write_text("a file")
    done = place.put(f"{source}/tree/", f"{place.folder}/sub2")
    assert done.problem is not None
    assert (done.problem.kind, done.files) == ("not-a-directory", 1)


def test_what_a_get_cannot_have_is_named_and_the_rest_comes(place: Place, source: Path, tmp_path: Path) -> None:
    tree = place.folder / "tree"
    tree.mkdir()
    (tree / "x").write_text("x")
    (tree / "gone").symlink_to("nowhere")
    (tree / "up").symlink_to(".")
    os.mkfifo(tree / "pipe")
    done = place.get([str(tree), f"{place.folder}/missing"], tmp_path / "got")
    assert (done.state, done.files, done.failures) == ("failed", 1, 4)
    assert {(Path(one.path).name, one.problem.kind) for one in done.failed} == {
        ("gone", "no-such-file"),
        ("up", "link"),
        ("pipe", "special-file"),
        ("missing", "no-such-file"),
    }
    assert sorted(below(tmp_path / "got" / "host1")) == ["tree", "tree/x"]


def test_wildcards_and_files_without_a_size_and_files_that_grow(place: Place, tmp_path: Path) -> None:
    for name in ("a.log", "b.log", "c.txt"):
        (place.folder / name).write_text(name)
    assert place.get(f"{place.folder}/*.log", tmp_path / "got").files == 2
    (place.folder / "[x].log").write_text("literally")
    assert place.get(f"{place.folder}/[x].log", tmp_path / "other").files == 1
    assert place.get("/proc/version", tmp_path / "got").files == 1
    assert (tmp_path / "got" / "host1" / "version").read_text() == Path("/proc/version").read_text()
    assert sorted(below(tmp_path / "got" / "host1")) == ["a.log", "b.log", "version"]


def test_a_user_who_is_not_there_and_a_socket(place: Place, source: Path, tmp_path: Path) -> None:
    done = place.put(source / "a", "~no-such-user-here/x")
    assert done.problem is not None
    assert (done.state, done.problem.kind) == ("failed", "no-such-user")
    assert done.problem.message == "~no-such-user-here/x: there is no such user"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place.folder / "s"))
        done = place.get(f"{place.folder}/s", tmp_path / "got")
    assert done.problem is not None
    assert done.problem.kind == "special-file"


def test_a_source_that_vanishes_on_the_way_leaves_the_old_file(place: Place, source: Path) -> None:
    (place.folder / "tree" / "sub").mkdir(parents=True)
    (place.folder / "tree" / "sub" / "empty").write_text("old")
    gone = source / "tree" / "sub" / "empty"

    def pack(*arguments: object, **options: object) -> object:
        parcel = packed(*arguments, **options)  # type: ignore[arg-type]
        gone.unlink()
        return parcel

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(copying, "pack", pack)
        done = place.put(source / "tree", f"{place.folder}/")
    assert done.problem is not None
    assert (done.state, done.problem.kind, done.files) == ("failed", "source", 2)
    assert (place.folder / "tree" / "sub" / "empty").read_text() == "old"


def test_nonsense_is_refused_before_anybody_is_contacted(place: Place, source: Path, tmp_path: Path) -> None:
    fleet = place.fleet
    for target in ("", " ", ",", "nobody", None, ["host1"], 5):
        with pytest.raises(TargetError):
            fleet.put(target, source / "a", "/x")  # type: ignore[arg-type]
        with pytest.raises(TargetError):
            fleet.get(target, "/x", tmp_path)  # type: ignore[arg-type]
    wrong: Any
    for wrong in ("", " ", None, 5):
        with pytest.raises(UsageError):
            fleet.put("host1", source / "a", wrong)
        with pytest.raises(UsageError):
            fleet.get("host1", "/x", wrong)
        # Of an empty variable, everybody's whole home would come.
        with pytest.raises(UsageError):
            fleet.get("host1", wrong, tmp_path)
    with pytest.raises(UsageError, match="not 5"):
        fleet.put("host1", [source / "a", 5], "/x")  # type: ignore[list-item]
    for nothing in ([], [source / "missing"]):
        with pytest.raises(UsageError):
            fleet.put("host1", nothing, "/x")
    with pytest.raises(UsageError, match="into one folder"):
        fleet.get("host1", ["/a/x", "/b/x"], tmp_path)
    with pytest.raises(UsageError, match="is no directory"):
        fleet.get("host1", "/a/x", source / "a")


def test_many_hosts_have_a_folder_each_and_what_is_done_is_told(sshd: Sshd, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in sshd.client.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    there, got = sshd.directory / "there", sshd.directory / "got"
    there.write_text("x")
    told: list[str] = []
    with Fleet(forks=2) as fleet:
        result = fleet.get("all", str(there), got, done=lambda host, copied: told.append(host))
    assert result.ok
    assert sorted(told) == sorted(result.hosts) == sorted(path.name for path in got.iterdir()) == sorted(sshd.names)
    assert {(got / name / "there").read_text() for name in sshd.names} == {"x"}


EVIL = ({"t": "gathering"}, b""), ({"t": "item", "path": "../../evil", "mode": 511, "size": 4}, b"")


def test_a_host_that_lies_writes_nothing_outside_and_the_others_are_served(bench: Bench, tmp_path: Path) -> None:
    honest = (
        ({"t": "gathering"}, b""),
        ({"t": "item", "path": "x", "mode": 0o100644, "size": 1}, b""),
        ({"t": "data"}, b"x"),
        ({"t": "whole"}, b""),
        ({"t": "gathered", "failed": [["\x1b[31m", "k", "m", "h"], 5, [1, 2, 3, 4]], "failures": 0}, b""),
        END,
    )
    hosts = LyingHosts(web1=[honest], web2=[(*EVIL, ({"t": "data"}, b"evil"), ({"t": "whole"}, b""), END)])
    result = copying.get(bench.contact(hosts), bench.selection, "web*", ["/x"], tmp_path / "got")
    assert result.hosts["web1"].ok
    bad = result.hosts["web2"].problem
    assert bad is not None
    assert bad.kind == "protocol"
    assert sorted(below(tmp_path / "got")) in (["web1", "web1/x"], ["web1", "web1/x", "web2"])


@pytest.mark.parametrize("frame", ["stored", "gathering", "item", "data", "whole", "gathered", "pong", "out"])
def test_whatever_a_host_says_to_a_put_is_a_value_or_a_problem(bench: Bench, tmp_path: Path, frame: str) -> None:
    (tmp_path / "a").write_text("a")
    meta = {"t": frame, "path": 5, "files": -1, "bytes": "x", "failed": {}, "failures": [], "mode": None, "size": 1e300}
    for pieces in ([(meta, b"x"), END], [(meta, b"x")], [END]):
        contact = bench.contact(LyingHosts(web1=[pieces]))
        result = copying.put(contact, bench.selection, "web1", [tmp_path / "a"], "/x")
        assert result.hosts["web1"].state == "unreachable"
        assert result.exit_code == 3


def test_who_is_interrupted_leaves_nothing_half(bench: Bench, tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def endless() -> Iterator[tuple[dict[str, object], bytes]]:
        yield {"t": "gathering"}, b""
        yield {"t": "item", "path": "x", "mode": 0o644, "size": 1 << 20}, b""
        yield {"t": "data"}, b"x"
        begun.set()
        go_on.wait(patience(20))
        yield {"t": "data"}, b"x"

    contact = bench.contact(LyingHosts(web1=[endless()], web2=[[END]]))

    def done(host: str, copied: Copied) -> None:
        assert begun.wait(patience(20))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copying.get(contact, bench.selection, "web*", ["/x"], tmp_path / "got", done)
    go_on.set()
    assert [path for path in (tmp_path / "got").rglob("*") if path.is_file()] == []
