"""What push and purge do to a crontab: real ones of real users, and hosts that have none or forbid it."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

import pytest

from tests.hosts import Nodes, User, patience
from tests.schedule_hosts.conftest import OURS, Plan, crontab

ADA = User("ada")
AS_ADA = ("--become", "--become-user", "ada")
HOURLY = """\
  hello:
    function: cmd.run
    args: ['echo hello']
    target: all
    hours: 1
"""
FOREIGN = "".join(
    f"{line}\n"
    for line in [
        "SHELL=/bin/bash",
        'MAILTO="ops@example.com"',
        "# nightly things, agentless of all agents",
        "",
        "   \t ",
        *(
            f"{minute} {hour} * * *\techo {minute} \\% 'a  b' \"ü\" # {hour}"
            for minute in range(30)
            for hour in range(10)
        ),
        "@reboot /usr/bin/true",
    ]
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Nodes]:
    with Nodes(3, users=[ADA]) as nodes:
        yield nodes


def install(nodes: Nodes, name: str, text: str, user: str = "root") -> None:
    nodes[name].run("crontab -", user=user, input=text, stdin=None)


def test_our_line_stands_first_and_every_other_stays_byte_for_byte(nodes: Nodes) -> None:
    """Pushing again changes nothing; purge leaves the crontab as it was found, or none where there was none."""
    plan = Plan(nodes.client)
    plan.write(HOURLY)
    install(nodes, "node1", FOREIGN)
    found = plan.push("--check")
    assert {host: (one["added"], one["crontab"]) for host, one in found.items()} == {
        f"node{i}": (["hello"], "added") for i in (1, 2, 3)
    }
    assert crontab(nodes["node1"]) == FOREIGN
    assert crontab(nodes["node2"]) is None
    assert plan.push() == found
    first, rest = (crontab(nodes["node1"]) or "").split("\n", 1)
    assert OURS.fullmatch(first)
    assert "%" not in first
    assert "/var/lib/agentless" in first
    assert rest == FOREIGN
    text = crontab(nodes["node1"])
    inode = nodes["node1"].path("/var/spool/cron/crontabs/root").stat().st_ino
    again = plan.push()
    assert all(one["unchanged"] == ["hello"] and one["crontab"] == "kept" for one in again.values())
    assert (crontab(nodes["node1"]), nodes["node1"].path("/var/spool/cron/crontabs/root").stat().st_ino) == (
        text,
        inode,
    )
    plan.said("schedule", "purge")
    assert crontab(nodes["node1"]) == FOREIGN
    assert crontab(nodes["node2"]) is None
    for node in nodes:
        assert not list(node.path("/var/lib/agentless").glob("*/schedule"))
    assert all(one["crontab"] == "kept" for one in plan.said("schedule", "purge").values())


def test_our_line_is_ours_whatever_a_user_made_of_its_end(nodes: Nodes) -> None:
    """Somebody wanted to see what it prints: the next push puts it right, and purge leaves none."""
    plan = Plan(nodes.client)
    plan.write(HOURLY)
    install(nodes, "node1", FOREIGN)
    plan.push("node1")
    text = (crontab(nodes["node1"]) or "").replace(">/dev/null 2>&1 # agentless", ">>/tmp/tick.log 2>&1")
    install(nodes, "node1", text)
    assert plan.said("schedule", "status", "node1")["node1"]["warnings"][0]["kind"] == "crontab"
    assert plan.push("node1")["node1"]["crontab"] == "changed"
    first, rest = (crontab(nodes["node1"]) or "").split("\n", 1)
    assert OURS.fullmatch(first)
    assert rest == FOREIGN
    install(nodes, "node1", text)
    plan.said("schedule", "purge", "node1")
    assert crontab(nodes["node1"]) == FOREIGN


def test_a_crontab_whose_last_line_has_no_end_is_told_with_the_way_out(nodes: Nodes) -> None:
    """crontab(1) takes none such, and cron runs none of its lines: to end it is for who wrote it past crontab(1)."""
    plan, node = Plan(nodes.client), nodes["node1"]
    plan.write(HOURLY)
    install(nodes, "node1", "0 5 * * * true\n")
    node.path("/var/spool/cron/crontabs/root").write_text("0 5 * * * true")
    error = plan.push("node1", code=3)["node1"]["error"]
    assert "newline" in error["message"]
    node.run(error["hint"].split(": ", 1)[1])
    assert plan.push("node1")["node1"]["crontab"] == "added"
    assert (crontab(node) or "").split("\n", 1)[1] == "0 5 * * * true\n"
    plan.said("schedule", "purge", "node1")


def test_two_pushes_at_once_leave_one_line(nodes: Nodes) -> None:
    plan = Plan(nodes.client)
    plan.write(HOURLY)
    install(nodes, "node1", FOREIGN)
    words = plan.client.command("schedule", "push", "node1")
    started = [
        subprocess.Popen(
            words, env=plan.client.environ, cwd=plan.client.home, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        for _ in range(4)
    ]
    said = [process.communicate(timeout=patience(120))[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, said
    text = crontab(nodes["node1"]) or ""
    assert text.count("remote.tick") == 1
    assert text.split("\n", 1)[1] == FOREIGN
    plan.said("schedule", "purge")


def test_an_entry_that_leaves_a_host_is_taken_from_it(nodes: Nodes) -> None:
    """Where nothing is left for a host, the line goes too."""
    plan = Plan(nodes.client)
    plan.write(HOURLY + HOURLY.replace("hello:", "other:").replace("all", "node1"))
    plan.push()
    plan.write(HOURLY.replace("all", "node1").replace("hours: 1", "hours: 2"))
    done = plan.push()
    assert (done["node1"]["changed"], done["node1"]["removed"]) == (["hello"], ["other"])
    assert (done["node2"]["removed"], done["node2"]["crontab"]) == (["hello"], "removed")
    assert crontab(nodes["node2"]) is None
    assert list(plan.said("schedule", "pull", "node1")["node1"]["entries"]) == ["hello"]
    plan.said("schedule", "purge")


def test_a_user_of_its_own_has_a_schedule_of_its_own(nodes: Nodes) -> None:
    plan = Plan(nodes.client)
    plan.write(HOURLY)
    plan.push("node1", *AS_ADA)
    plan.push("node1")
    assert "/home/ada/.local/state/agentless" in (crontab(nodes["node1"], "ada") or "")
    assert "/var/lib/agentless" in (crontab(nodes["node1"]) or "")
    plan.said("schedule", "purge", "node1", *AS_ADA)
    assert crontab(nodes["node1"], "ada") is None
    assert crontab(nodes["node1"]) is not None
    plan.said("schedule", "purge")


def test_hosts_that_cannot_are_told_and_the_others_are_served(nodes: Nodes) -> None:
    """No crontab command, cron.deny, a full disk: each with the way out, and nothing half done is left."""
    plan = Plan(nodes.client)
    plan.write(HOURLY)
    nodes["node1"].write("/etc/cron.deny", "ada\n")
    nodes["node2"].write("/root/empty", "", 0o644)
    command = nodes["node2"].run("command -v crontab").stdout.strip()
    nodes["node2"].run(f"mount --bind /root/empty {command}")
    try:
        done = plan.push(*AS_ADA, code=3)
    finally:
        nodes["node2"].run(f"umount {command}")
        nodes["node1"].run("rm /etc/cron.deny")
    assert done["node1"]["error"]["kind"] == "cron-denied"
    assert "cron.allow" in done["node1"]["error"]["hint"]
    assert done["node2"]["error"]["kind"] == "no-crontab"
    assert "runs_on: controller" in done["node2"]["error"]["hint"]
    assert done["node3"]["added"] == ["hello"]
    for name in ("node1", "node2"):
        assert not list(nodes[name].path("/home/ada/.local/state/agentless").glob("*/schedule"))
    plan.said("schedule", "purge", *AS_ADA)


def test_a_full_disk_is_told_and_leaves_the_crontab_alone(nodes: Nodes) -> None:
    plan = Plan(nodes.client)
    plan.write(HOURLY)
    install(nodes, "node1", FOREIGN)
    plan.said("ping", "node1")
    with nodes["node1"].small_disk("/var/lib/agentless", "2m"):
        plan.said("schedule", "pull", "node1")
        nodes["node1"].fill("/var/lib/agentless")
        done = plan.push("node1", code=3)
        assert done["node1"]["error"]["kind"] == "disk-full"
        assert crontab(nodes["node1"]) == FOREIGN
        nodes["node1"].run("rm /var/lib/agentless/filler; mount -o remount,size=4m /var/lib/agentless")
        plan.push("node1")
        plan.said("schedule", "purge", "node1")
    assert crontab(nodes["node1"]) == FOREIGN
