"""Stdin, stdout and stderr as callers leave them: unbuffered, or such that reading and writing does not block."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest

from tests.hosts import until
from tests.hosts.needs import every
from tests.hosts.waiting import patience

# More than a pipe takes at once.
HOSTS = 5000
BUFFERING = [{}, {"PYTHONUNBUFFERED": "1"}]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "many.ini").write_text("".join(f"host{number}\n" for number in range(HOSTS)))
    (tmp_path / "here.ini").write_text("web1 ansible_connection=local\n")
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    return {**environ, "HOME": str(tmp_path)}


def start(environ: dict[str, str], *words: str, **files: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "agentless", *words], env=environ, **files)  # type: ignore[call-overload, no-any-return]


def unblocking_pipe() -> tuple[int, int]:
    reading, writing = os.pipe()
    for end in (reading, writing):
        os.set_blocking(end, False)
    return reading, writing


def slowly(reading: int) -> bytes:
    """All that comes, by a reader that first lets the pipe become full."""
    os.set_blocking(reading, True)
    until(lambda: waiting(reading) > 50_000, "the pipe is full")
    with open(reading, "rb") as file:
        return file.read()


def waiting(reading: int) -> int:
    """The bytes in a pipe."""
    return int.from_bytes(fcntl.ioctl(reading, termios.FIONREAD, bytes(4)), sys.byteorder)


@pytest.mark.parametrize("buffering", every(BUFFERING))
def test_a_stdout_that_does_not_block_gets_all_of_it(buffering: dict[str, str], environ: dict[str, str]) -> None:
    reading, writing = unblocking_pipe()
    process = start({**environ, **buffering}, "-i", f"{environ['HOME']}/many.ini", "hosts", stdout=writing)
    os.close(writing)
    lines = slowly(reading).splitlines()
    assert process.wait(patience(30)) == 0
    assert len(lines) == HOSTS + 1
    assert lines[-1].startswith(b"host4999 ")


@pytest.mark.parametrize("buffering", every(BUFFERING))
def test_a_stderr_that_does_not_block_gets_all_of_it(buffering: dict[str, str], environ: dict[str, str]) -> None:
    reading, writing = unblocking_pipe()
    words = (
        "-i",
        f"{environ['HOME']}/here.ini",
        "run",
        "web1",
        "--live",
        "--",
        "yes 1234567 | head -n 50000 >&2",
    )
    process = start({**environ, **buffering}, *words, stdout=subprocess.DEVNULL, stderr=writing)
    os.close(writing)
    lines = slowly(reading).splitlines()
    assert process.wait(patience(30)) == 0
    assert sum(line.endswith(b"1234567") for line in lines) == 50000


@pytest.mark.parametrize("buffering", every(BUFFERING))
def test_a_reader_that_leaves_is_told_by_the_exit_code(buffering: dict[str, str], environ: dict[str, str]) -> None:
    reading, writing = os.pipe()
    process = start({**environ, **buffering}, "-i", f"{environ['HOME']}/many.ini", "hosts", stdout=writing)
    os.close(writing)
    until(lambda: waiting(reading) > 50_000, "the pipe is full")
    os.close(reading)
    assert process.wait(patience(30)) == 141


def test_a_stdin_that_does_not_block_is_read_to_its_end(environ: dict[str, str]) -> None:
    reading, writing = unblocking_pipe()
    words = ("-i", f"{environ['HOME']}/here.ini", "run", "web1", "--stdin", "-", "--", "cat")
    process = start(environ, *words, stdin=reading, stdout=subprocess.PIPE)

    def feed() -> None:
        for part in (b"one\n", b"two\n"):
            os.write(writing, part)
            until(lambda: waiting(reading) == 0, "it is read")
        os.close(writing)

    feeder = threading.Thread(target=feed)
    feeder.start()
    stdout, _ = process.communicate(timeout=patience(60))
    feeder.join()
    os.close(reading)
    assert process.returncode == 0
    assert b"one" in stdout
    assert b"two" in stdout


@pytest.mark.parametrize(
    "options", [("--detach", "--outdir", "out"), ("--live", "--group"), ("--diff", "--out", "json")], ids=" ".join
)
def test_options_that_do_not_go_together_are_refused_before_stdin_is_read(
    options: tuple[str, ...], environ: dict[str, str]
) -> None:
    words = ("-i", f"{environ['HOME']}/here.ini", "run", "web1", *options, "--stdin", "-", "--", "cat")
    with start(environ, *words, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        # Its stdin stays open.
        assert process.wait(patience(30)) == 2
        assert process.stderr is not None
        assert options[0].encode() in process.stderr.read()
