"""A process that outlives the command which starts it: in a session of its own, with its stdin and nothing else."""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

import pytest

from agentless.background import launch
from tests.hosts import until

# What the process finds, told in a file that is there only when it is whole.
TELL = """
import json, os, sys
from agentless.background import harden, leave_terminal
given = leave_terminal()
harden()
import resource
told = {
    "stdin": os.read(given, 100).decode(), "null": os.readlink("/proc/self/fd/0"), "cwd": os.getcwd(),
    "mark": os.environ.get("MARK"), "leader": os.getsid(0) == os.getpid(), "session": os.getsid(0),
    "core": resource.getrlimit(resource.RLIMIT_CORE), "descriptors": sorted(map(int, os.listdir("/proc/self/fd"))),
}
with open(sys.argv[1] + ".new", "w") as file:
    json.dump(told, file)
os.replace(sys.argv[1] + ".new", sys.argv[1])
"""


def test_it_has_its_stdin_its_directory_and_environment_and_a_session_that_no_terminal_comes_to(
    tmp_path: Path,
) -> None:
    reader, writer = os.pipe()
    # A descriptor that whoever starts it has open, and lets others inherit.
    foreign = os.dup(writer)
    os.set_inheritable(foreign, True)
    root = str(Path(__file__).resolve().parent.parent)
    environ = {**os.environ, "PYTHONPATH": root, "MARK": "mine"}
    try:
        launch([sys.executable, "-c", TELL, str(tmp_path / "told")], reader, environ, tmp_path)
        os.write(writer, b"hello")
        until((tmp_path / "told").exists, "it tells")
    finally:
        for descriptor in (reader, writer, foreign):
            os.close(descriptor)
    told = json.loads((tmp_path / "told").read_text())
    assert (told["stdin"], told["null"], told["mark"]) == ("hello", os.devnull, "mine")
    assert Path(told["cwd"]) == tmp_path.resolve()
    assert not told["leader"]
    assert told["session"] != os.getsid(0)
    assert told["core"] == [0, 0]
    # stdin, stdout, stderr, what came as stdin, and the one that lists them.
    assert len(told["descriptors"]) == 5


def test_what_cannot_be_started_at_all_is_an_error(tmp_path: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="nowhere"):
            launch(["true"], null, {}, tmp_path / "nowhere")
    finally:
        os.close(null)


def test_whoever_starts_one_keeps_its_own_limits() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        launch(["true"], null, dict(os.environ))
    finally:
        os.close(null)
    assert resource.getrlimit(resource.RLIMIT_CORE) == before
