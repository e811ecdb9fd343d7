"""Login shells as people have them, and the start-up files that they put in front of every command."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from agentless.model.states import Dispatched, State
from agentless.runner.bounds import Bounds
from tests.hosts import Nodes, User, patience
from tests.hosts.fleet import out, problem
from tests.shells.conftest import SHELLS, START_FILES, Host

every_shell = pytest.mark.parametrize("shell", SHELLS)
every_start_file = pytest.mark.parametrize("shell", START_FILES)
COMMAND = "echo \"$HOME\" 'a  b' $((1 + 1)) !x \\\\ | tr a-z A-Z; echo $0; exit 3"


@every_shell
def test_a_command_is_run_by_sh_whatever_the_login_shell(host: Host, shell: str) -> None:
    result = host.run(COMMAND, user=shell)
    assert result.ret is not None, result
    assert result.ret.retcode == 3
    assert result.ret.stdout.decode() == f"/HOME/{shell.upper()} A  B 2 !X \\\n/bin/sh\n"


@every_shell
def test_scripts_stdin_and_environment_pass_every_login_shell(host: Host, shell: str, tmp_path: Path) -> None:
    script = tmp_path / "job"
    script.write_text('#!/bin/sh\necho "$GIVEN" "$1"; sha256sum\n')
    data = os.urandom(300_000)
    job: dict[str, Any] = {"script": script, "stdin": data, "env": {"GIVEN": 'it\'s $HOME `!` \\ \n"two"'}}
    told = out(host.run("it's\\!", user=shell, job=job))
    assert told == "it's $HOME `!` \\ \n\"two\" it's\\!\n" + hashlib.sha256(data).hexdigest() + "  -\n"


@every_shell
def test_a_request_too_long_for_a_command_line_passes_every_login_shell(host: Host, shell: str) -> None:
    assert out(host.run(f"echo {'x' * 100_000} | wc -c", user=shell)) == "100001\n"


@every_shell
@pytest.mark.parametrize("method", ["sudo", "su", "doas"])
def test_becoming_passes_every_login_shell(host: Host, shell: str, method: str) -> None:
    host.node.write("/etc/sudoers.d/test", "ALL ALL=(ALL) ALL\n", 0o440)
    host.node.write("/etc/doas.conf", "".join(f"permit {user}\n" for user in SHELLS), 0o600)
    password = "it's $HOME `!` \\x"
    host.node.run("chpasswd", stdin=None, input=f"root:{password}\n{shell}:{password}\n")
    become: dict[str, Any] = {
        "ansible_become": True,
        "ansible_become_method": method,
        "ansible_become_password": password,
    }
    assert out(host.run("id -un", user=shell, **become)) == "root\n"


# --- start-up files ---
@every_start_file
def test_a_start_file_that_prints_to_both_streams_is_not_heard(host: Host, shell: str) -> None:
    """Also what looks like a frame, a prompt, or JSON, and without a line end."""
    host.start_file(
        shell,
        "echo 'Welcome! {\"t\": \"end\"} Password:'; printf '\\036 12 0 \\377'\n"
        "sh -c 'echo err >&2; printf no-end >&2'\n"
        "printf no-end\n",
    )
    result = host.run("echo out; echo err >&2", user=shell)
    assert out(result) == "out\n"
    assert result.ret is not None
    assert result.ret.stderr == b"err\n"


@every_start_file
def test_a_start_file_may_print_much_and_take_its_time(host: Host, shell: str) -> None:
    host.start_file(shell, "head -c 5000000 /dev/urandom; sh -c 'head -c 5000000 /dev/urandom >&2'; sleep 2\n")
    assert out(host.run(user=shell)) == f"{shell}\n"


@every_start_file
def test_a_start_file_may_leave_a_process_that_prints(host: Host, shell: str) -> None:
    """It writes into the same pipe as the helper, and tears none of its frames."""
    loop = "i=0; while [ $i -lt 500 ]; do echo noise; echo noise >&2; i=$((i+1)); sleep 0.003; done"
    host.start_file(shell, f"sh -c '({loop}) & exit 0'\n")
    data = bytes(range(256)) * 20480
    command = '/usr/bin/python3 -c "import sys; sys.stdout.buffer.write(bytes(range(256)) * 20480)"'
    for live in (True, False):
        result = host.run(command, user=shell, job={"live": live})
        assert result.ret is not None, result
        assert result.ret.stdout == data


@every_start_file
@pytest.mark.parametrize("other", ["cat", "sleep 1000", "yes", "sh -c 'yes >&2'"])
def test_a_start_file_that_runs_something_else_is_an_error_and_no_hang(
    host: Host, shell: str, other: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bounds, "first_answer", round(patience(0.5), 1))
    host.start_file(shell, f"exec {other}\n")
    result = host.run(user=shell)
    assert result.state is State.UNREACHABLE
    message, hint = problem(result, "no-answer")
    assert f"nothing answered within {Bounds.first_answer:g} s" in message
    assert "start-up files" in hint
    if "yes" in other:
        assert message.endswith("y / y")
    host.start_file(shell, "")
    host.node.run(f"pkill -KILL -u {shell} || true")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_a_start_file_that_exits_is_told_with_what_it_printed(host: Host, shell: str) -> None:
    host.start_file(shell, "echo quota exceeded\nexit 1\n")
    message, hint = problem(host.run(user=shell), "no-answer")
    assert "ended with status 1" in message
    assert "quota exceeded" in message
    assert "start-up files" in hint


def test_a_start_file_in_the_way_of_sudo_is_not_blamed_on_sudo(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    become: dict[str, Any] = {"ansible_become": True, "ansible_become_password": "x"}
    host.start_file("bash", "exit 1\n")
    assert "login shell ended with status 1" in problem(host.run(**become), "no-answer")[0]
    monkeypatch.setattr(Bounds, "first_answer", round(patience(0.5), 1))
    host.start_file("bash", "echo -n 'Password: '; exec cat\n")
    assert "nothing answered" in problem(host.run(**become), "no-answer")[0]


# --- accounts that run nothing ---
def test_an_account_without_a_shell_says_what_it_printed_and_whom_to_take(host: Host) -> None:
    message, hint = problem(host.run(user="nologin"), "no-answer")
    assert "This account is currently not available." in message
    assert "ansible_user" in hint
    assert "status 1" in problem(host.run(user="false"), "no-answer")[0]


@pytest.mark.parametrize(
    ("forced", "words"),
    [("echo no commands here", "no commands here"), ("sleep 1000", "nothing answered"), ("false", "")],
)
def test_a_forced_command_is_an_error_that_names_it(
    host: Host, forced: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if words == "nothing answered":
        monkeypatch.setattr(Bounds, "first_answer", round(patience(0.5), 1))
    keys = host.node.path("/etc/ssh/node_authorized_keys")
    before = keys.read_text()
    keys.write_text(f'command="{forced}" {before}')
    try:
        result = host.run()
    finally:
        keys.write_text(before)
    message, hint = problem(result, "no-answer")
    assert words in message
    assert "command= in authorized_keys" in hint


def test_an_account_for_sftp_only_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Bounds, "first_answer", round(patience(0.5), 1))
    only = "Match User files\n ForceCommand internal-sftp\nMatch all"
    with Nodes(1, users=[User("files")], sshd_config=only) as nodes:
        host = Host(nodes, "files")
        host.act_as_client(monkeypatch)
        message, hint = problem(host.run(), "no-answer")
    assert "This service allows sftp connections only." in message
    assert "SFTP" in hint


def test_what_never_reached_the_helper_is_not_taken_for_a_job(host: Host) -> None:
    host.start_file("bash", "exit 1\n")
    with host.fleet() as fleet:
        report = fleet.run("web1", "id")
        assert report.results["web1"].dispatched is Dispatched.MAYBE
        host.start_file("bash", "")
        with fleet.wait(report.job.jid) as waiting:
            list(waiting)
        result = fleet.lookup(report.job.jid).results["web1"]
    assert result.state is State.NOT_STARTED
    assert problem(result, "never-arrived")
