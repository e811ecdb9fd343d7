"""The pipelines of docs/ci.md are whole: their steps, in order on a machine that has nothing, end green with a report.

Their hosts are real ones over ssh, whose keys are checked. Two things stand in: the installation puts this tree's
program where the package index would put it, and the job is `true`, for there is no service to restart.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from junitparser import JUnitXml

from tests.hosts import Sshd, patience
from tests.hosts.client import ROOT

PAGE = (ROOT / "docs/ci.md").read_text()
JOB = "-b -- systemctl restart app"
INSTALLER = """\
#!/bin/sh
test "$*" = "install agentless-jobs" || {{ echo "unexpected: $0 $*" >&2; exit 1; }}
printf '%s\\n' {program} > {place}/agentless
chmod 755 {place}/agentless
"""
VENV = """\
#!/bin/sh
test "$1 $2" = "-m venv" || exit 1
mkdir -p "$3/bin"
cp {pip} "$3/bin/pip"
"""


def block(heading: str) -> str:
    """The first code block below a heading."""
    below = PAGE.split(f"\n## {heading}\n")[1]
    found = re.search(r"^```\w+\n(.*?)^```$", below, re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@dataclass
class Runner:
    """A machine of a pipeline: a checkout with inventory and known_hosts, and nothing installed."""

    place: Path
    key: str
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def checkout(self) -> Path:
        return self.place / "checkout"

    def step(self, script: str, **environ: str) -> str:
        """Run a step as the server would, up to the first command that fails."""
        assert JOB in script or "agentless run" not in script
        done = subprocess.run(
            ["bash", "-e", "-c", script.replace(JOB, "-- true")],
            cwd=self.checkout,
            env={
                "PATH": f"{self.place}/bin:/usr/bin:/bin",
                "HOME": str(self.place / "home"),
                "LC_ALL": "C.UTF-8",
                **self.environ,
                **environ,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=patience(120),
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def report(self) -> JUnitXml:
        return JUnitXml.fromfile(str(self.checkout / "report.xml"))


@pytest.fixture
def runner(start_sshd: Callable[..., Sshd], tmp_path: Path) -> Runner:
    sshd = start_sshd(4)
    runner = Runner(tmp_path, sshd.client.key.read_text())
    runner.checkout.mkdir()
    (tmp_path / "home").mkdir()
    hosts = yaml.safe_load(sshd.client.inventory.read_text())["all"]["hosts"]
    for values in hosts.values():
        del values["ansible_ssh_private_key_file"]
    (runner.checkout / "inventory.yaml").write_text(yaml.safe_dump({"web": {"hosts": hosts}}))
    (runner.checkout / "known_hosts").write_text(sshd.client.known_hosts.read_text())
    tools = tmp_path / "bin"
    tools.mkdir()
    program = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {shlex.quote(sys.executable)} -m agentless "$@"'
    for name, text in {
        "pipx": INSTALLER.format(program=shlex.quote(program), place=tools),
        "pip": INSTALLER.format(program=shlex.quote(program), place='"$(dirname "$0")"'),
        "python3": VENV.format(pip=tools / "pip"),
    }.items():
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    return runner


def test_github(runner: Runner) -> None:
    workflow = yaml.safe_load(block("GitHub Actions"))
    (job,) = workflow["jobs"].values()
    temporary, summary = runner.place / "temporary", runner.place / "summary.md"
    temporary.mkdir()
    runner.environ |= {"RUNNER_TEMP": str(temporary), "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_ACTIONS": "true"}
    for step in job["steps"]:
        if "run" not in step:
            assert step["uses"].startswith("actions/")
            continue
        secrets = {name: runner.key.rstrip("\n") for name in step.get("env", {})}
        runner.step(step["run"], **secrets)
    assert (temporary / "key").stat().st_mode & 0o77 == 0
    assert runner.report().tests == 4
    assert runner.report().failures == 0
    assert "4" in summary.read_text()
    (uploaded,) = [step["with"]["path"] for step in job["steps"] if "with" in step]
    assert {path.name for path in runner.checkout.glob(uploaded)} >= {"report.xml"}


def test_gitlab(runner: Runner) -> None:
    (job,) = yaml.safe_load(block("GitLab")).values()
    key = runner.place / "key"
    key.write_text(runner.key)
    for line in job["script"]:
        runner.step(line, DEPLOY_KEY=str(key), CI="true", GITLAB_CI="true")
    assert runner.report().tests == 4
    assert (runner.checkout / job["artifacts"]["reports"]["junit"]).exists()


def test_jenkins(runner: Runner) -> None:
    text = block("Jenkins")
    key, password = runner.place / "key", runner.place / "password"
    key.write_text(runner.key)
    key.chmod(0o600)
    password.write_text("secret\n")
    scripts = re.findall(r"sh '''(.*?)'''|sh '(.*?)'$", text, re.MULTILINE | re.DOTALL)
    assert len(scripts) == 2
    for long, short in scripts:
        runner.step(long or short, DEPLOY_KEY=str(key), ANSIBLE_BECOME_PASSWORD_FILE=str(password))
    assert runner.report().tests == 4
    assert text.count("{") == text.count("}")
