"""What a fresh machine runs first: the Makefile, the script that makes .venv, and CI's entry."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hosts import patience
from tests.hosts.client import ROOT


def setup(place: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", str(place / ".ci/venv"), *arguments],
        env={"PATH": "/nonexistent", **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(120),
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A tree with the set-up alone, in a directory whose name has a space."""
    place = tmp_path / "my projects"
    (place / ".ci").mkdir(parents=True)
    shutil.copy(ROOT / ".ci/venv", place / ".ci/venv")
    (place / ".ci/constraints").mkdir()
    (place / "pyproject.toml").write_text("")
    return place


def tools(place: Path, **scripts: str) -> str:
    """A PATH with the machine's small tools, and stand-ins for Python: what this machine has must not matter."""
    bin_ = place / "bin"
    bin_.mkdir()
    for tool in ("dirname", "find", "touch"):
        path = shutil.which(tool)
        assert path is not None
        (bin_ / tool).symlink_to(path)
    for name, script in scripts.items():
        (bin_ / name).write_text(f"#!/bin/sh\n{script}\n")
        (bin_ / name).chmod(0o755)
    return str(bin_)


# A Python that is too old: says so, and fails every other check.
OLD = "case $2 in *version_info\\[:2\\]*) echo 3.8 ;; *) exit 1 ;; esac"
# One of Debian without python3-venv.
WITHOUT_VENV = "case $2 in *version_info\\[:2\\]*) echo 3.12 ;; *ensurepip*) exit 1 ;; *) exit 0 ;; esac"


def test_without_a_fit_python_it_says_what_it_found_and_what_to_do(place: Path) -> None:
    script = place / ".ci/venv"
    text = script.read_text()
    for absolute in ("/opt/homebrew/bin/python3", "/usr/local/bin/python3", "/usr/bin/python3"):
        assert absolute in text
        text = text.replace(absolute, "")
    script.write_text(text)
    done = setup(place, "run", PATH=tools(place, python3=OLD, **{"python3.12": WITHOUT_VENV}))
    assert done.returncode == 1
    assert "needs Python 3.10 or newer" in done.stderr
    assert "python3 is 3.8" in done.stderr
    assert "python3.12 (3.12) has no venv" in done.stderr
    assert "apt install python3-venv" in done.stderr
    assert not (place / ".venv").exists()


def test_a_second_time_it_does_nothing(place: Path) -> None:
    (place / ".venv/bin").mkdir(parents=True)
    (place / ".venv/bin/python").symlink_to(sys.executable)
    (place / ".venv/.for-test").touch()
    for wanted in ("test", "run"):
        done = setup(place, wanted, PATH=tools(place) if wanted == "test" else str(place / "bin"))
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_changed_pyproject_makes_it_install_what_is_named_and_nothing_else(place: Path) -> None:
    (place / ".venv/bin").mkdir(parents=True)
    calls = place / "calls"
    python = place / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\necho "$*" >> "{calls}"\n')
    python.chmod(0o755)
    stamp = place / ".venv/.for-run"
    stamp.touch()
    os.utime(stamp, (1, 1))
    done = setup(place, "run", PATH=tools(place))
    assert done.returncode == 0, done.stderr
    first, second = (line for line in calls.read_text().splitlines() if "-m pip install" in line)
    assert "--require-hashes --requirement .ci/constraints/run.txt" in first
    assert "--no-deps --no-build-isolation --editable ." in second
    assert stamp.stat().st_mtime > 1


@pytest.mark.parametrize("shell", [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)])
def test_scripts_parse(shell: str) -> None:
    scripts = [ROOT / ".ci/venv", ROOT / ".ci/constrain", *(ROOT / "vagrant").glob("*.sh")]
    if shell == "bash":
        scripts.append(ROOT / ".ci/run")
    for script in scripts:
        subprocess.run([shell, "-n", str(script)], check=True, stdin=subprocess.DEVNULL)


def test_the_makefile_is_plain_enough_for_every_make() -> None:
    """No function, no conditional and no assignment that GNU make 3.81 or BSD's lack."""
    for line in (ROOT / "Makefile").read_text().splitlines():
        assert not line.startswith(("ifeq", "ifdef", "ifneq", "define", "include", "export", ".ONESHELL"))
        assert ":=" not in line
        assert "!=" not in line
        assert "$(shell" not in line
