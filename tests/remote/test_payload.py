"""How the helper gets to a host, and what it may cost: its line, its Python, its size, its imports."""

from __future__ import annotations

import ast
import base64
import importlib
import inspect
import os
import re
import shutil
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import vermin  # type: ignore[import-untyped]
from hypothesis import example, given
from hypothesis import strategies as st

from agentless import remote
from agentless.remote import serve, wire
from agentless.runner import packing, payload
from agentless.runner.frames import Decoder
from tests.hosts.needs import every
from tests.remote.conftest import PYTHONS
from tests.remote.host import Host, new_jid

REMOTE = Path(payload.__file__).parents[1] / "remote"
SOURCES = sorted(REMOTE.glob("*.py"))
HELPER_MAX = 24 << 10


def test_the_payload_stays_within_24_kib() -> None:
    package, _, rooms, _, _ = payload.pack()
    assert len(package) <= HELPER_MAX
    assert all(len(base64.b64decode(further)) <= HELPER_MAX // 2 for further in rooms.values())


def test_a_call_about_a_schedule_fits_on_the_line() -> None:
    """What comes on stdin costs a round trip."""
    assert not payload.command({"op": "schedule", "do": "show", "plan": 5, "log": 200}).stdin


def test_threads_that_need_the_payload_at_once_build_it_once() -> None:
    """A fan-out's first answers come together; and `ast.parse` in several threads can fail (CPython gh-106905)."""
    payload._packed.cache_clear()
    with ThreadPoolExecutor(16) as pool:
        built = {command.payload for command in pool.map(lambda _: payload.command({"op": "ping"}), range(64))}
    assert len(built) == 1
    assert payload._packed.cache_info().misses == 1


def test_a_pack_is_kept_for_the_next_command_until_a_source_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    built = packing.build()
    calls: list[str] = []
    build = packing.build
    monkeypatch.setattr(packing, "build", lambda: calls.append("built") or build())  # type: ignore[func-returns-value]
    pack = payload._packed.__wrapped__
    assert pack() == pack() == built
    assert len(calls) == 1
    (kept,) = tmp_path.rglob("payload-*")
    whole = kept.read_bytes()
    # A disk that got full, or a power cut: it is made anew. Building takes long, and came to the same twice already.
    with monkeypatch.context() as patch:
        patch.setattr(packing, "build", lambda: calls.append("again") or built)  # type: ignore[func-returns-value]
        for damaged in (b"", whole[:-100], whole[:500] + b"x" + whole[501:]):
            kept.write_bytes(damaged)
            assert pack() == built
            assert kept.read_bytes() == whole
    assert calls == ["built", "again", "again", "again"]
    sources = {**packing.sources(), "node.py": b"changed = 1\n"}
    monkeypatch.setattr(packing, "sources", lambda: sources)
    monkeypatch.setattr(payload, "_state_of_sources", lambda: ("another", 0.0))
    assert pack() != built
    assert len(list(tmp_path.rglob("payload-*"))) == 1
    # Where it cannot be written, as in another user's directory, there is one all the same.
    monkeypatch.setattr(sys, "pycache_prefix", "/proc/none")
    assert pack() != built


def test_a_command_reads_no_source_until_one_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sources = tmp_path / "remote"
    shutil.copytree(REMOTE, sources, ignore=shutil.ignore_patterns("__pycache__"))
    (sources / "__pycache__").mkdir()
    monkeypatch.setattr(remote, "__file__", str(sources / "__init__.py"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    read: list[str] = []

    def kept_at() -> Path:
        read.clear()
        return payload._kept_at()

    def texts() -> dict[str, bytes]:
        read.append("read")
        return {file.name: file.read_bytes() for file in sorted(sources.glob("*.py"))}

    monkeypatch.setattr(packing, "sources", texts)
    now = max(path.stat().st_ctime for path in sources.iterdir())
    monkeypatch.setattr(time, "time", lambda: now + 1)
    first = kept_at()
    # What was changed just now may be changed again unseen.
    assert (kept_at(), read) == (first, ["read"])
    monkeypatch.setattr(time, "time", lambda: now + 60)
    assert (kept_at(), read) == (first, ["read"])
    assert (kept_at(), read) == (first, [])
    node = sources / "node.py"
    before = node.stat()
    node.write_bytes(node.read_bytes().replace(b"def", b"dfe", 1))
    # Neither its size nor its time of modification tells.
    os.utime(node, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = kept_at()
    assert (second != first, read) == (True, ["read"])
    (second.parent / "payload.state").write_text("nonsense")
    assert (kept_at(), read) == (second, ["read"])
    node.unlink()
    assert (kept_at() != second, read) == (True, ["read"])


def test_the_loader_stays_small_because_each_call_compiles_it() -> None:
    words = payload.command({"op": "ping"}).line.split(" agentless ")[1].split()
    assert len(words[1]) <= 2400
    assert len(words[2]) <= 2100
    assert len(payload.command({"op": "ping"}).line) <= 5400


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_helper_is_python_3_6(path: Path) -> None:
    _, (major, minor) = vermin.detect(path.read_text())
    assert (major, minor) <= (3, 6)


# Rooms of the helper that each call loads, and those that an operation needs beside them.
ALWAYS = {"call", "disk", "serve", "records", "system", "wire"}
LOADED = {
    "ping": {"node"},
    "running": {"node"},
    "fetch": {"fetch"},
    "signal": {"signalling", "tree"},
    "run": {"dispatch", "launch", "scope", "start", "supervisor", "tree", "output", "fetch", "follow"},
}


@pytest.mark.parametrize("op", LOADED)
@pytest.mark.parametrize("python", every(PYTHONS))
def test_an_operation_imports_nothing_heavy(start_host: Callable[..., Host], python: str, op: str) -> None:
    host = start_host(python)
    host.call("ping")
    (host.root / "swept").touch()
    command = payload.command(
        {"op": op, "jid": new_jid(), "nonce": "0", "command": "true", "signal": 15, "jobs": [], "seen": {}},
        python=python,
        state_dir=str(host.state),
    )
    hook = "import os,sys;f=os._exit;os._exit=lambda n:(os.write(2,chr(10).join(sys.modules).encode()),f(n));"
    line = command.line.replace("import binascii,sys;", hook + "import binascii,sys;")
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, stdin=subprocess.DEVNULL, check=True)
    modules = set(done.stderr.decode().split())
    assert {name.partition(".")[2] for name in modules if name.startswith("remote.")} <= ALWAYS | LOADED[op]
    assert "remote.serve" in modules
    heavy = {"json", "re", "subprocess", "tempfile", "enum", "typing", "collections", "ctypes", "threading", "logging"}
    # Of Python's own start, before any import of ours.
    bare = subprocess.run(
        [python, "-I", "-S", "-c", "import sys, os; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    assert not (modules & heavy) - set(bare.stdout.split())


@pytest.mark.parametrize("shell", ["sh", "bash", "dash", "zsh", "fish", "tcsh", "csh", "ksh", "busybox"])
def test_every_login_shell_takes_the_line_as_it_stands(one_host: Host, shell: str) -> None:
    path = shutil.which(shell)
    if path is None:
        pytest.skip(f"needs {shell}")
    one_host.argv = (path, "sh", "-c") if shell == "busybox" else (path, "-c")
    answer = one_host.run('echo "a\'b!c\\\\d"; cat', sections={"stdin": b"in"})
    assert answer.bytes("rec", 1) == b"a'b!c\\d\nin"


@given(st.text(), st.text().filter(lambda text: "\0" not in text))
def test_the_line_has_nothing_that_a_shell_could_trip_over(command: str, state_dir: str) -> None:
    line = payload.command({"op": "run", "jid": "1" * 20, "command": command}, state_dir=state_dir).line
    assert re.fullmatch(r"[ -~]+", line)
    assert not set(line) & set("!\\\n")
    assert len(line) <= payload.LINE_MAX
    outside = "".join(line.split("'")[0::2])
    assert re.fullmatch(r"[a-z/ -]+", outside)


@pytest.mark.parametrize("bad", ["/usr/bin/py'thon", "/a!b", "a\\b", "a\nb", "$(x)"])
def test_an_interpreter_that_a_shell_could_change_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="ansible_python_interpreter"):
        payload.command({"op": "ping"}, python=bad)


def test_the_next_python_is_tried_where_one_does_not_fit(one_host: Host, tmp_path: Path) -> None:
    places = {
        "python3": "exit 127",
        "python3.14": "echo broken >&2; exit 1",
        "python3.13": f'exec {sys.executable} "$@"',
    }
    old = Path.home() / ".pyenv/versions/2.7.18/bin/python"
    places["python3.12"] = f'exec {old} "$@"' if old.exists() else "exit 2"
    for name, text in places.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    one_host.env = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    assert one_host.call("ping", python=str(tmp_path / "python3.12")).one("pong")["executable"]
    assert one_host.call("ping", python="/no/python").one("pong")


def test_without_a_fit_python_it_says_what_was_looked_for(one_host: Host, tmp_path: Path) -> None:
    for name in ("python3", *(f"python3.{minor}" for minor in range(6, 20))):
        (tmp_path / name).write_text("#!/bin/sh\nexit 97\n")
        (tmp_path / name).chmod(0o755)
    line = payload.command({"op": "ping"}).line
    for place in ("/usr/bin/", "/usr/local/bin/", "/opt/homebrew/bin/", "/usr/libexec/"):
        line = line.replace(f" {place}p", f" /no{place}p")
    done = subprocess.run(
        ["/bin/sh", "-c", line], env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == wire.EXIT_NO_PYTHON
    assert "python3.6" in done.stderr
    assert not done.stdout


@pytest.mark.parametrize("version", ["2.7", "3.4", "3.5"])
def test_an_unfit_python_leaves_with_97_before_it_touches_anything(version: str) -> None:
    loader = base64.b64decode(
        payload.command({"op": "ping"}).line.split(" agentless ")[1].split()[1].strip("'")
    ).decode()
    head = loader.split("import marshal")[0]
    major, minor = version.split(".")
    faked = head.replace("sys.version_info", f"({major}, {minor})")
    done = subprocess.run([sys.executable, "-c", faked], check=False)
    assert done.returncode == 97


@pytest.mark.parametrize("name", [*packing.TRAVELLING, packing.BEGIN])
def test_what_is_on_the_line_compiles_under_the_oldest_python_that_knows_its_options(name: str) -> None:
    tree = ast.parse((REMOTE / name).read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr | ast.AnnAssign | ast.NamedExpr)]


def test_the_payload_is_what_the_sources_say() -> None:
    brought = {**_files("ping"), **_files("schedule"), **_files("get")}
    assert set(brought) == {path.name for path in SOURCES} - set(packing.TRAVELLING)
    for name, text in brought.items():
        ours, written = _bare(ast.parse(text)), _bare(ast.parse((REMOTE / name).read_text()))
        assert ast.dump(ours) == ast.dump(written), name
        # A traceback from a host names the lines of the sources.
        assert [node.lineno for node in _calls(ours)] == [node.lineno for node in _calls(written)], name


def test_what_is_on_the_line_is_what_its_sources_say() -> None:
    words = payload.command({"op": "ping"}).line.split(" agentless ")[1].split()
    loader, further = (base64.b64decode(word.strip("'")) for word in words[1:3])
    for sent, names in (loader, ["loader.py"]), (zlib.decompress(further), ["begin.py", "unpack.py"]):
        written = [node for name in names for node in _bare(ast.parse((REMOTE / name).read_text())).body]
        assert ast.dump(_bare(ast.parse(sent))) == ast.dump(ast.Module(written, []))


def _calls(tree: ast.Module) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def _files(op: str) -> dict[str, bytes]:
    package, _, rooms, _, _ = payload.pack()
    files = ast.literal_eval(zlib.decompress(package).decode())
    assert isinstance(files, dict)
    if op in rooms:
        files.update(ast.literal_eval(zlib.decompress(base64.b64decode(rooms[op])).decode()))
    return files


@pytest.mark.parametrize("op", serve.OPERATIONS)
def test_a_payload_brings_all_that_its_operation_loads(op: str) -> None:
    """And cron's tick with `schedule`; what another operation alone would load may be missing."""
    files = _files(op)
    todo = ["serve", serve.OPERATIONS[op].partition(".")[0], *(["tick"] if op == "schedule" else [])]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        assert f"{name}.py" in files, f"{op} loads {name}"
        if name not in seen:
            seen.add(name)
            todo += _rooms(ast.parse(files[f"{name}.py"]))


def _rooms(tree: ast.Module) -> list[str]:
    """The rooms of the helper that one imports, wherever in it."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    names = [name for node in froms for name in ([node.module] if node.module else [each.name for each in node.names])]
    return [name for name in names if not hasattr(remote, name) or (REMOTE / f"{name}.py").exists()]


@pytest.mark.parametrize("op", serve.OPERATIONS)
def test_each_operation_is_where_the_table_says(op: str) -> None:
    room, _, name = serve.OPERATIONS[op].partition(".")
    function = getattr(importlib.import_module(f"agentless.remote.{room}"), name)
    assert list(inspect.signature(function).parameters) == ["call"]


def _bare(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Pass()
        if isinstance(node, ast.FunctionDef):
            node.returns = None
        if isinstance(node, ast.arg):
            node.annotation = None
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [n for n in node.body if not isinstance(n, ast.Pass) and not _is_for_types(n)]
    return tree


def _is_for_types(node: ast.stmt) -> bool:
    name = node.test if isinstance(node, ast.If) else node.targets[0] if isinstance(node, ast.Assign) else None
    return isinstance(name, ast.Name) and name.id == "TYPE_CHECKING"


# --- frames ---
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_without_the_json_package_is_the_same_json(value: object) -> None:
    import json

    assert json.loads(wire.dumps(value)) == value
    assert wire.loads(json.dumps(value)) == value
    assert wire.loads(wire.dumps(value)) == value


@pytest.mark.parametrize("python", every(PYTHONS))
def test_what_is_no_json_is_a_value_error_without_the_json_package(python: str) -> None:
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from remote import wire\n"
        "for text in ('{\"a', '{\"a\" 1}', '{\"a\": 1', '\"', '{\"a\": \"\\x01\"}', '[1', 'x', ''):\n"
        "    try: wire.loads(text)\n"
        "    except ValueError: continue\n"
        "    sys.exit(text)\n"
    )
    subprocess.run([python, "-I", "-S", "-c", code, str(Path(wire.__file__).parents[1])], check=True)


@given(st.text())
@example("\xa00")
@example("0\u2028")
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    import json

    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):
            wire.loads(text)
    else:
        assert wire.loads(text) == expected or expected != expected


FRAMES = st.lists(
    st.tuples(st.dictionaries(st.text(max_size=9), st.text(max_size=99)), st.binary(max_size=300)), max_size=5
)


@given(FRAMES, st.integers(1, 500), st.binary(max_size=9))
def test_frames_come_out_as_they_went_in_whatever_the_pieces(
    frames: list[tuple[dict[str, object], bytes]], size: int, noise: bytes
) -> None:
    nonce = "0123456789abcdef"
    data = noise.join([b"", *(wire.encode(nonce, meta, body) for meta, body in frames)])
    decoder = Decoder(nonce)
    got = [frame for at in range(0, len(data), size) for frame in decoder.feed(data[at : at + size])]
    assert [(frame.meta, frame.body) for frame in got] == frames


def test_a_frame_over_the_limit_is_refused_where_it_is_made() -> None:
    with pytest.raises(ValueError, match="too long"):
        wire.encode("0" * 16, {}, bytes(wire.BODY_MAX + 1))


def test_the_environment_of_tests_has_several_pythons() -> None:
    assert PYTHONS, os.environ.get("PATH")
