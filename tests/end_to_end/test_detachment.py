"""A job goes on whatever becomes of the command that sent it, and is found again whole; nothing is started twice."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import Links, Nodes, Proxy, Sshd, in_time, over_every_link, patience, until

LINES = 40
COUNTING = f"i=0; while [ $i -lt {LINES} ]; do i=$((i+1)); echo line $i; sleep 0.1; done"
COUNTED = "".join(f"line {number}\n" for number in range(1, LINES + 1))


def lookup(client: Any, *arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(client.agentless("jobs", *arguments, "--out", "json").stdout)
    return document


def read_line(process: subprocess.Popen[str], text: str) -> None:
    assert process.stdout is not None
    while text not in (line := process.stdout.readline()):
        assert line, process.communicate()


def rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What follows of both streams; Popen.communicate would pass over what `readline` has read ahead."""
    assert process.stdout is not None
    assert process.stderr is not None
    output, errors = process.stdout.read(), process.stderr.read()
    process.wait(patience(60))
    return output, errors


def said(host: str, lines: str) -> str:
    """Lines as they are followed, each behind the name of its host."""
    return "".join(f"{host} | {line}" for line in lines.splitlines(keepends=True))


def through(sshd: Sshd, proxy: Proxy, links: Links) -> None:
    """Have host1 reached by way of the proxy."""
    tree = json.loads(sshd.client.agentless("hosts", "host1", "--out", "json").stdout)
    variables = {**tree["host1"]["vars"], "ansible_port": proxy.port}
    sshd.client.write_inventory({"host1": variables})
    sshd.client.trust({f"[127.0.0.1]:{proxy.port}": sshd.public_host_key})
    links.lay(sshd.client)


@over_every_link
def test_the_job_outlives_a_killed_controller(sshd: Sshd) -> None:
    """`jobs wait` attaches again; the output is complete, in order, and of one copy."""
    with sshd.client.start("run", "host1", "--live", "--", COUNTING) as process:
        read_line(process, "line 3")
        process.kill()
    jid = sshd.client.agentless("jobs", "last", "--out", "json")
    waited = lookup(sshd.client, "wait", "last")
    assert waited["hosts"]["host1"]["stdout"] == COUNTED
    assert waited["exit_code"] == 0
    assert lookup(sshd.client, "lookup", "last") == waited
    assert json.loads(jid.stdout)["jid"] == waited["jid"]


@over_every_link
def test_the_laptop_may_sleep_through_the_end(sshd: Sshd) -> None:
    """Nobody is connected when the job ends; `jobs lookup` brings its end home."""
    go = sshd.directory / "go"
    command = f"while ! [ -e {go} ]; do sleep 0.05; done; echo done; exit 7"
    with sshd.client.start("run", "all", "--", command) as process:
        until(lambda: lookup_running(sshd) == 3, "all three run")
        process.kill()
    go.touch()
    until(lambda: lookup_running(sshd) == 0, "all three have ended")
    found = lookup(sshd.client, "lookup", "last")
    assert [host["stdout"] for host in found["hosts"].values()] == ["done\n"] * 3
    assert [host["retcode"] for host in found["hosts"].values()] == [7] * 3


def lookup_running(sshd: Sshd) -> int:
    return sum(len(list(sshd.state_dir(name).glob("*/proc/*"))) for name in sshd.names)


def test_hosts_that_were_not_sent_to_are_said_to_be_not_started(sshd: Sshd) -> None:
    flag = sshd.directory / "go-on"
    command = f"until [ -e {flag} ]; do sleep 0.1; done"
    with sshd.client.start("run", "all", "--batch", "1", "--", command) as process:
        until(lambda: lookup_running(sshd) == 1, "the first runs")

        def states() -> list[str]:
            return sorted(host["state"] for host in lookup(sshd.client, "lookup", "last")["hosts"].values())

        until(lambda: states() == ["pending", "pending", "running"], "its run knows that it runs")
        assert lookup(sshd.client, "lookup", "last")["exit_code"] == 4
        process.kill()
    flag.touch()
    waited = lookup(sshd.client, "wait", "last")
    assert [host["state"] for host in waited["hosts"].values()] == ["returned", "not-started", "not-started"]
    assert waited["hosts"]["host3"]["error"]["kind"] == "controller-gone"
    assert waited["exit_code"] == 3


@over_every_link
def test_a_run_survives_a_lost_connection(sshd: Sshd, start_proxy: Callable[..., Proxy], links: Links) -> None:
    """It comes back by itself, goes on where the output stopped, and shows every line once."""
    proxy = start_proxy("127.0.0.1", sshd.port)
    through(sshd, proxy, links)
    with sshd.client.start("run", "host1", "--live", "--", COUNTING) as process:
        read_line(process, "line 5")
        proxy.cut()
        output, errors = rest(process)
    assert output == said("host1", COUNTED[COUNTED.index("line 6") :]), errors
    assert process.returncode == 0
    assert lookup(sshd.client, "lookup", "last")["hosts"]["host1"]["stdout"] == COUNTED


@over_every_link
def test_a_killed_session_does_not_take_the_job_along(start_nodes: Callable[..., Nodes]) -> None:
    nodes = start_nodes(1)
    # Its session is there to be killed, however late.
    command = f"{COUNTING}; until [ -e /tmp/go ]; do sleep 0.05; done"
    with nodes.client.start("run", "node1", "--live", "--", command) as process:
        read_line(process, "line 2")
        assert nodes["node1"].kill_sshd_sessions() > 0
        nodes["node1"].path("/tmp/go").touch()
        output, errors = rest(process)
    assert output == said("node1", COUNTED[COUNTED.index("line 3") :]), errors
    assert process.returncode == 0


@over_every_link
def test_wherever_the_connection_breaks_the_job_starts_once_or_never(
    sshd: Sshd, start_proxy: Callable[..., Proxy], tmp_path: Path, links: Links
) -> None:
    """The connection is cut after ever more bytes, in either direction: through connect, dispatch and the answer.

    One that is ridden is there already.
    """
    proxy = start_proxy("127.0.0.1", sshd.port)
    through(sshd, proxy, links)
    assert sshd.client.agentless("ping").returncode == 0
    outcomes = set()
    connecting = [*range(2200, 9800, 950), *range(9800, 10400, 300)]
    for size in connecting if links.kind == "direct" else [1, 1000, 2500]:
        for direction in ("server", "client"):
            links.lay(sshd.client)
            if links.kind == "keeper":
                assert sshd.client.agentless("ping").returncode == 0
            mark = tmp_path / f"{size}-{direction}"
            proxy.cut_after(size, to=direction)
            command = f"echo x >> {mark}; echo said"
            ran = sshd.client.agentless("run", "host1", "--out", "json", "--wait", "3", "--", command)
            state = json.loads(ran.stdout)["hosts"]["host1"]["state"]
            proxy.heal()
            found = lookup(sshd.client, "wait", "last")["hosts"]["host1"]
            starts = mark.read_text().count("x") if mark.exists() else 0
            assert starts == (1 if found["state"] == "returned" else 0), (size, direction, state, found)
            if found["state"] == "returned":
                assert found["stdout"] == "said\n"
            outcomes.add(found["state"])
    assert "returned" in outcomes


@pytest.mark.parametrize("contact", [("jobs", "lookup", "last"), ("ping",), ("run", "host1", "--detach", "--", "true")])
def test_a_delayed_request_cannot_start_any_more(
    sshd: Sshd, start_proxy: Callable[..., Proxy], tmp_path: Path, contact: tuple[str, ...], links: Links
) -> None:
    """Where the request may never have arrived, the host makes sure that it can't; then it is `not-started`."""
    proxy = start_proxy("127.0.0.1", sshd.port)
    through(sshd, proxy, links)
    assert sshd.client.agentless("ping").returncode == 0
    jobs = sshd.client.home / ".cache" / "agentless" / "jobs"
    mark = tmp_path / "mark"

    def send(delay: float) -> tuple[str, int]:
        proxy.delay = delay
        mark.unlink(missing_ok=True)
        shutil.rmtree(jobs, ignore_errors=True)
        logins, commands = sshd.logins(), sshd.commands()
        with sshd.client.start("run", "host1", "--connect-timeout", "60", "--", f"echo x >> {mark}") as process:
            # The client hears of its login half a second later, or more: what it sends then reaches nobody.
            until(lambda: sshd.logins() > logins or process.poll() is not None, "logged in")
            proxy.hole(to="server")
            until(lambda: any('"maybe"' in file.read_text() for file in jobs.glob("*.open.jsonl")), "sent, perhaps")
            (jid,) = {file.name.partition(".")[0] for file in jobs.glob("*.open.jsonl")}
            process.kill()
        proxy.cut()
        proxy.heal()
        proxy.delay = 0.0
        return jid, sshd.commands() - commands

    jid, _ = in_time(send, lambda sent: not sent[1] and not mark.exists(), seconds=0.5)
    sshd.client.agentless(*contact)
    found = lookup(sshd.client, "show", jid)["hosts"]["host1"]
    assert (found["state"], found["error"]["kind"]) == ("not-started", "never-arrived")
    assert not mark.exists()


@over_every_link
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_in_a_pipeline_leaves_nothing_running(sshd: Sshd, number: signal.Signals) -> None:
    """Without a terminal the job is TERM'ed, given time to clean up, and its JID is told."""
    command = "trap 'echo cleaned; exit 9' TERM; echo up; sleep 100 & wait"
    with sshd.client.start("run", "host1", "--live", "--", command) as process:
        read_line(process, "up")
        process.send_signal(number)
        output, errors = process.communicate(timeout=patience(60))
    assert process.returncode == 130
    found = lookup(sshd.client, "lookup", "last")
    assert found["jid"] in errors
    host = found["hosts"]["host1"]
    assert (host["retcode"], host["stdout"]) == (9, "up\ncleaned\n")
    assert host["ended_by"].startswith("signal-job:")
    assert "cleaned" in output


@over_every_link
def test_on_interrupt_detach_leaves_it_running(sshd: Sshd) -> None:
    with sshd.client.start("run", "host1", "--live", "--on-interrupt", "detach", "--", "echo up; sleep 100") as process:
        read_line(process, "up")
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=patience(60))
    assert process.returncode == 130
    assert "agentless jobs wait" in errors
    assert sshd.client.agentless("find-job", "last").returncode == 0
    assert sshd.client.agentless("kill-job", "last").returncode == 0
