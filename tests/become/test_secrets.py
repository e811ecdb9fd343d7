"""The password is seen by nobody: looked for on both sides, while a job runs and afterwards."""

from __future__ import annotations

import contextlib
import gc
import io
import logging
import os
import traceback
from pathlib import Path

import pytest

from agentless.errors import HostError
from agentless.model.endpoint import Become
from agentless.model.job_spec import JobSpec
from agentless.model.secret import Secret
from agentless.runner.become import Dialogue, wrap
from tests.become.conftest import Host
from tests.hosts import until
from tests.hosts.fleet import out

# One word, which no quoting changes and which nothing else contains.
PASSWORD = "Xyzzy4711Plugh0815"
NEEDLE = PASSWORD.encode()


@pytest.fixture
def host(host: Host) -> Host:
    host.node.run("chpasswd", stdin=None, input=f"root:{PASSWORD}\nada:{PASSWORD}\n")
    return host


def holders(*roots: Path) -> list[Path]:
    """The files below, whose content holds the password."""
    found = []
    for root in roots:
        for path in [root, *root.rglob("*")]:
            # What is only there for a moment is gone by now.
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and not path.is_symlink() and NEEDLE in path.read_bytes():
                    found.append(path)
    return found


def tellers(pids: list[int]) -> list[str]:
    """The processes whose command line or environment holds the password."""
    found = []
    for pid in pids:
        for what in ("cmdline", "environ"):
            with contextlib.suppress(OSError):
                if NEEDLE in Path(f"/proc/{pid}/{what}").read_bytes():
                    found.append(f"{pid} {what}")
    return found


@pytest.mark.parametrize("method", ["sudo", "su", "doas"])
def test_the_password_is_nowhere(host: Host, method: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    host.sudoers("ada ALL=(ALL) ALL", "Defaults logfile=/var/log/sudo.log, log_input, iolog_dir=/var/log/sudo-io")
    options = {"become": True, "become_password": Secret(PASSWORD)}
    with host.fleet(ansible_become_method=method, options=options) as fleet:
        with fleet.start("web1", JobSpec("until [ -e /run/go ]; do sleep 0.02; done; env")) as run:
            # Attached: the method waits for the helper, which follows the job.
            until(lambda: run.report().results["web1"].pid, "the job runs")

            def names() -> set[str]:
                return {name for _, name in host.node.processes()}

            until(lambda: {method, "sleep"} <= names() or {method, "sh"} <= names(), "it is what it runs")
            pids = [pid for pid, _ in host.node.processes()]
            assert tellers([*pids, os.getpid()]) == []
            on_host = [
                host.node.path(top) for top in ("/home", "/root", "/var/cache", "/var/tmp", "/tmp", "/run", "/var/log")
            ]
            assert holders(*on_host) == []
            host.node.write("/run/go", "")
            list(run)
        host.node.run("rm /run/go")
        assert PASSWORD not in out(fleet.lookup(run.job.jid).results["web1"])
        assert holders(*on_host) == []
        home = host.nodes.client.home
        assert any(home.rglob("*.json*"))
        assert holders(home) == []
        shown = [repr(one) for one in (fleet, vars(fleet), run, vars(run), fleet.endpoints(), fleet.hosts().to_json())]
        shown += [repr(one) for one in gc.get_objects() if str(type(one).__module__).startswith("agentless.")]
        assert len(shown) > 20
        assert not [text for text in shown if PASSWORD in text]
    assert "paramiko" in {record.name.partition(".")[0] for record in caplog.records}
    assert PASSWORD not in caplog.text


def test_no_process_of_the_command_line_tells_a_password_of_the_inventory(host: Host) -> None:
    with host.fleet(ansible_become=True, ansible_become_password=PASSWORD):
        done = host.nodes.client.agentless(
            "-i", str(host.inventory), "-v", "--out", "json", "run", "web1", "--", "env", env={**os.environ}
        )
    assert done.returncode == 0, done
    assert '"retcode": 0' in done.stdout
    assert PASSWORD not in done.stdout + done.stderr
    host.inventory.unlink()
    assert holders(host.nodes.client.home) == []


@pytest.mark.parametrize("method", ["sudo", "su", "doas"])
def test_an_error_tells_no_password(host: Host, method: str) -> None:
    """Neither the one that was refused, nor one in the words of the host, nor a traceback."""
    with host.fleet(
        ansible_become=True, ansible_become_method=method, ansible_become_password=PASSWORD + "wrong"
    ) as fleet:
        report = fleet.run("web1", "id")
    assert report.results["web1"].problem is not None
    assert PASSWORD not in repr(report) + str(report.to_json())


def test_a_traceback_with_local_variables_tells_no_password() -> None:
    become = Become("sudo", "root", Secret(PASSWORD))
    dialogue = Dialogue(become, "feed" * 4, tty=False)
    caught: list[BaseException] = []
    try:
        dialogue.feed(b"become-feedfeedfeedfeed\n[feedfeedfeedfeed:ada] ")
        dialogue.feed(b"\nSorry, try again.\n[feedfeedfeedfeed:ada] ")
    except HostError as error:
        caught.append(error)
    try:
        wrap("exec true", Become("sudo", "root", Secret(PASSWORD + "\n")), "feed", tty=False)
    except HostError as error:
        caught.append(error)
    assert len(caught) == 2
    for one in caught:
        text = io.StringIO()
        frames = traceback.TracebackException.from_exception(one, capture_locals=True)
        text.writelines(frames.format())
        assert "become" in text.getvalue()
        assert PASSWORD not in text.getvalue()
