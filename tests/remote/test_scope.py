"""Where logind ends a user's processes at logout, a job moves into a scope of its own, or the reply warns.

logind and systemd-run are played by files and a script: no systemd runs where these tests do. The helper is real.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.hosts.needs import every
from tests.remote.conftest import OUTERMOST
from tests.remote.host import BEFORE_IT_TELLS, Host, die_at

HOOK = "import sys; sys.path.insert(0, {root!r}); from remote import scope; scope.ROOT = {conf!r}"


def configure(host: Host, folder: Path, files: dict[str, str], systemd_run: str | None) -> Path:
    """Let the helper see this logind and this systemd-run; return the configuration's root."""
    conf = folder / "conf"
    (conf / "run/systemd/system").mkdir(parents=True)
    for name, text in files.items():
        (conf / name).parent.mkdir(parents=True, exist_ok=True)
        (conf / name).write_text(text)
    tools = folder / "tools"
    tools.mkdir()
    if systemd_run is not None:
        (tools / "systemd-run").write_text("#!/bin/sh\n" + systemd_run)
        (tools / "systemd-run").chmod(0o755)
    # The helper's package is imported before the loader does, with another root for the files of systemd.
    root = next((host.state / "helper").iterdir())
    (folder / "hook.py").write_text(HOOK.format(root=str(root), conf=str(conf)))
    wrapper = tools / "python3"
    # `-c CODE ARGS…` becomes `-c HOOK+CODE ARGS…`.
    code = f"exec(open('{folder}/hook.py').read());"
    wrapper.write_text(f'#!/bin/sh\nshift 3; code=$1; shift; exec {host.python} -I -S -c "{code}$code" "$@"\n')
    wrapper.chmod(0o755)
    host.python = str(wrapper)
    host.env = {"PATH": f"{tools}:/usr/bin:/bin"}
    return conf


YES = {"etc/systemd/logind.conf": "[Login]\n#KillUserProcesses=no\nKillUserProcesses=yes\n"}
CGROUP = {"proc/self/cgroup": "0::/user.slice/user-54321.slice/session-4.scope\n"}
SCOPED = 'echo "$@" > {log}; while [ "$1" != -- ]; do shift; done; shift; exec "$@"\n'


@pytest.mark.parametrize("python", every(OUTERMOST))
def test_the_supervisor_moves_into_a_scope_and_the_job_is_as_ever(
    start_host: Callable[..., Host], tmp_path: Path, python: str
) -> None:
    host = start_host(python)
    configure(host, tmp_path, {**YES, **CGROUP}, SCOPED.format(log=tmp_path / "log"))
    answer = host.run(
        'cat; echo "$K"; pwd', sections={"stdin": b"in\n", "env": '{"K": "ä"}'.encode()}, cwd="/usr", live=True
    )
    assert answer.bytes("out", 1) == "in\nä\n/usr\n".encode()
    assert answer.one("return")["streamed"]
    assert answer.one("accepted")["warning"] is None
    assert "--scope" in (tmp_path / "log").read_text()


def test_a_supervisor_that_dies_in_its_scope_before_it_told_leaves_a_running_job(
    one_host: Host, tmp_path: Path
) -> None:
    configure(one_host, tmp_path, {**YES, **CGROUP}, SCOPED.format(log=tmp_path / "log"))
    die_at(one_host.state, BEFORE_IT_TELLS)
    jid, pid = one_host.start("exec sleep 60")
    assert one_host.kill(jid)["delivered"] == [pid]


@pytest.mark.parametrize("systemd_run", ["exit 1\n", None, "echo 'Failed to connect to bus' >&2; exit 1\n"])
def test_without_a_scope_it_runs_with_a_warning(one_host: Host, tmp_path: Path, systemd_run: str | None) -> None:
    configure(one_host, tmp_path, {**YES, **CGROUP}, systemd_run)
    if systemd_run is None:
        one_host.env = {"PATH": f"{tmp_path}/tools:/bin-without-systemd"}
    answer = one_host.run("echo hi")
    assert answer.one("accepted")["warning"]["kind"] == "kill-user-processes"
    assert answer.bytes("rec", 1) == b"hi\n"


@pytest.mark.parametrize(
    "files",
    [
        {**CGROUP},
        {**CGROUP, "etc/systemd/logind.conf": "KillUserProcesses=no\n"},
        {**CGROUP, **YES, "etc/systemd/logind.conf.d/50-no.conf": "[Login]\nKillUserProcesses = no\n"},
        {**CGROUP, **YES, "usr/lib/systemd/logind.conf.d/50-no.conf": "[Login]\nKillUserProcesses=no\n"},
        {**YES, "proc/self/cgroup": "0::/user.slice/user-0.slice/session-4.scope\n"},
        {**YES},
    ],
    ids=["silent", "no", "drop-in", "vendor's drop-in", "root's own session", "no session"],
)
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: only root is spared by logind")
def test_where_nothing_is_ended_at_logout_nothing_is_done(
    one_host: Host, tmp_path: Path, files: dict[str, str]
) -> None:
    configure(one_host, tmp_path, files, "exit 1\n")
    assert one_host.run("echo hi").one("accepted")["warning"] is None
