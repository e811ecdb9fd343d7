"""What people install: sdist and wheel are built offline from this tree, and the wheel works in a new environment."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path

import pytest

from agentless.cli.app import cli
from agentless.cli.manual import manuals
from tests.guards.test_examples import write_programs
from tests.hosts import need, patience
from tests.hosts.client import ROOT

VERSION = "9.8.7"
# A worktree whose environment was made before the package had a version from git.
BUILDS = importlib.util.find_spec("setuptools_scm") is not None
pytestmark = pytest.mark.skipif(not BUILDS, reason="setuptools-scm is not installed: sh .ci/venv test")


def run(*words: str | Path, cwd: Path, **environ: str) -> str:
    done = subprocess.run(
        words,
        cwd=cwd,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": str(cwd), **environ},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=patience(300),
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def files_of_the_tree() -> list[Path]:
    """What belongs to the project here, relative; in a tree without git, all but what is made."""
    if (ROOT / ".git").exists():
        names = subprocess.run(
            ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-co", "--exclude-standard"],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.splitlines()
        return [Path(name) for name in names if (ROOT / name).is_file()]
    made = {"__pycache__", "build", "dist", "site", "_version.py"}
    every = (path.relative_to(ROOT) for path in ROOT.rglob("*") if path.is_file())
    return [
        path for path in every if not made.intersection(path.parts) and not path.parts[0].startswith((".venv", ".h"))
    ]


def copy_of_the_tree(place: Path) -> Path:
    for name in files_of_the_tree():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, place / name, follow_symlinks=False)
    return place


def build(what: str, tree: Path, into: Path) -> Path:
    """Build as pip does, with what is installed here and nothing else."""
    into.mkdir(exist_ok=True)
    code = f"import setuptools.build_meta as backend; backend.build_{what}({str(into)!r})"
    run(sys.executable, "-c", code, cwd=tree)
    (made,) = into.iterdir()
    return made


@dataclass(frozen=True)
class Built:
    """The sdist of a tree with the tag v9.8.7; the tree that it unpacks to, and the wheel that this makes."""

    sdist: Path
    tree: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    need("half a minute, for the building")
    place = tmp_path_factory.mktemp("package")
    tagged = copy_of_the_tree(place / "tagged")
    for words in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["-c", "user.name=t", "-c", "user.email=t@t.invalid", "commit", "--quiet", "-m", "All of it"],
        ["tag", f"v{VERSION}"],
    ):
        run("git", *words, cwd=tagged)
    sdist = build("sdist", tagged, place / "sdist")
    # Python has the filter that this wants since 3.10.12 and 3.11.4.
    (place / "unpacked").mkdir()
    run("tar", "-xf", str(sdist), cwd=place / "unpacked")
    (tree,) = (place / "unpacked").iterdir()
    return Built(sdist, tree, build("wheel", tree, place / "wheel"))


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return HeaderParser().parsestr(archive.read(name).decode())


def test_the_distribution_has_its_own_name_and_the_version_of_the_tag(built: Built) -> None:
    assert built.sdist.name == f"agentless_jobs-{VERSION}.tar.gz"
    assert built.wheel.name == f"agentless_jobs-{VERSION}-py3-none-any.whl"
    told = metadata(built.wheel)
    assert told["Name"] == "agentless-jobs"
    assert told["License-Expression"] == "MIT"
    assert {"dask", "sql", "top"} <= set(told.get_all("Provides-Extra", []))
    words = [url.split(",")[0] for url in told.get_all("Project-URL", [])]
    assert words == ["Documentation", "Source", "Issues", "Changelog"]


def test_on_the_page_of_a_package_index_every_link_leads_somewhere(built: Built) -> None:
    """There, docs/start.md is no page, and docs/assets/run.svg no picture."""
    told = metadata(built.wheel)
    assert told["Description-Content-Type"] == "text/markdown"
    text = told.get_payload()
    assert isinstance(text, str)
    targets = re.findall(r"\]\(([^)]+)\)", text)
    assert len(targets) > 10
    source = next(url.split(", ")[1] for url in told.get_all("Project-URL", []) if url.startswith("Source,"))
    raw = source.replace("https://github.com/", "https://raw.githubusercontent.com/")
    for target in targets:
        assert target.startswith((f"{source}/blob/main/", f"{raw}/main/")), target
        assert (ROOT / target.split("/main/")[1].split("#")[0]).exists()
    assert f"]({raw}/main/docs/assets/run.svg)" in text


def test_the_sdist_has_all_that_the_tree_has(built: Built) -> None:
    lacking = [str(name) for name in files_of_the_tree() if not (built.tree / name).exists()]
    assert lacking == []


def test_the_wheel_has_the_whole_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        names = set(archive.namelist())
    packed = {str(name) for name in files_of_the_tree() if name.parts[0] == "agentless"}
    assert packed - names == set()
    assert {"agentless/py.typed", "agentless/remote/serve.py", "agentless/_version.py"} <= names
    others = {name.split("/")[0] for name in names} - {"agentless"}
    assert others == {f"agentless_jobs-{VERSION}.dist-info", f"agentless_jobs-{VERSION}.data"}


def test_the_wheel_has_a_manual_page_for_each_verb(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        pages = {name.rsplit("/", 1)[1] for name in archive.namelist() if ".data/data/share/man/man1/" in name}
    assert pages == set(manuals(cli, VERSION))


def installed(wheel: Path, place: Path) -> Path:
    """An environment of its own, with the wheel and nothing else; returns it."""
    run(sys.executable, "-m", "venv", "--without-pip", place, cwd=place.parent)
    run(
        *(sys.executable, "-m", "pip", "--python", place / "bin/python", "install", "--quiet", "--no-index"),
        *("--no-deps", "--disable-pip-version-check", wheel),
        cwd=place.parent,
    )
    return place


def test_the_types_of_the_installed_package_are_those_that_programs_stand_on(built: Built, tmp_path: Path) -> None:
    """mypy --strict reads the programs of README and docs against the wheel: py.typed is in it, and every type has a
    name there; a program that takes it for something else is told."""
    place = installed(built.wheel, tmp_path / "venv")
    programs = tmp_path / "programs"
    programs.mkdir()
    written = write_programs(programs)
    assert len(written) > 5
    mypy = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(place / "bin/python")]
    mypy += ["--config-file", os.devnull, "--cache-dir", str(tmp_path / "cache")]
    assert "Success" in run(*mypy, *(program.name for program in written), cwd=programs)
    (programs / "wrong.py").write_text(
        "from agentless import Fleet, HostResult, JobSpec, Report\n"
        "from datetime import datetime\n"
        "def ended(result: HostResult) -> datetime:\n"
        "    return result.finished_at\n"
        "report: Report = Fleet().run('all', 'true', timeout='15m')\n"
        "Fleet().run('all', 'true', time_out=15)\n"
        "JobSpec('true', timeout='15m')\n"
        "report.nothing\n"
    )
    told = subprocess.run([*mypy, "wrong.py"], cwd=programs, stdout=subprocess.PIPE, text=True).stdout
    lines = [int(line.split(":")[1]) for line in told.splitlines() if ": error: " in line]
    assert lines == [4, 5, 6, 7, 8], told


def test_the_wheel_runs_a_job_in_an_environment_of_its_own(built: Built, tmp_path: Path) -> None:
    """Libraries come from the tests' environment; agentless itself only from the wheel."""
    place = installed(built.wheel, tmp_path / "venv")
    python = place / "bin/python"
    (site,) = place.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    tool = place / "bin/agentless"
    assert run(tool, "--version", cwd=tmp_path) == f"agentless {VERSION}\n"
    where = run(python, "-c", "import agentless; print(agentless.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(place)
    host = f"ansible_connection: local, ansible_python_interpreter: {sys.executable}"
    (tmp_path / "inventory.yaml").write_text(
        f"all: {{hosts: {{here: {{{host}, agentless_state_dir: {tmp_path / 'state'}}}}}}}\n"
    )
    assert "it works" in run(tool, "run", "here", "--", "echo it works", cwd=tmp_path)
    assert "it works" in run(tool, "jobs", "lookup", "last", "--out", "json", cwd=tmp_path)
    assert (place / "share/man/man1/agentless-run.1").exists()


def test_the_sdist_can_be_tested(built: Built) -> None:
    told = run(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/test_durations.py"),
        *("tests/cli/test_manual.py",),
        cwd=built.tree,
        PYTHONPATH=str(built.tree),
    )
    assert " passed" in told


def test_a_tree_without_git_is_built_too(tmp_path: Path) -> None:
    """As one gets it from an archive; the version says that it is none of a release."""
    need("some seconds, for the building")
    wheel = build("wheel", copy_of_the_tree(tmp_path / "tree"), tmp_path / "wheel")
    assert metadata(wheel)["Version"] == "0.1.dev0"
