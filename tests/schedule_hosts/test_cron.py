"""Schedules on hosts with a real cron daemon: they fire with nobody connected, and come home by the next contact."""

from __future__ import annotations

import shlex

from tests.hosts import Node, Nodes, until
from tests.remote.host import BEFORE_IT_STARTS, BEFORE_IT_TELLS, die_at
from tests.schedule_hosts.conftest import Plan, begin_now, crontab, tick

MINUTELY = """\
  minutely:
    function: cmd.run
    args: ['echo out of $AGENTLESS_JID; echo err >&2; exit 3']
    target: all
    cron: '* * * * *'
    metadata: {ticket: '4711'}
  quick:
    function: cmd.script
    args: [quick.sh, 'two words']
    kwargs: {env: {SECRET: hidden}, cwd: /tmp}
    target: all
    seconds: 10
"""
MINUTE = 200.0


def fires(node: Node, *, ended: bool = True) -> int:
    """How many fires have a record on the node."""
    name = "return.json" if ended else "job.json"
    return len(list(node.path("/var/lib/agentless").glob(f"*/jobs/*/{name}")))


def test_hosts_fire_by_their_cron_with_the_controller_away() -> None:
    """At the minute and within it; each of two controllers brings everything home by whatever it does next."""
    with Nodes(1, cron=True) as nodes:
        node = nodes["node1"]
        plan = Plan(nodes.client)
        (plan.client.home / "quick.sh").write_text('#!/bin/sh\necho "$1 $SECRET $PWD"\n')
        plan.write(MINUTELY)
        assert plan.said("schedule", "status")["node1"]["last_tick"] is None
        plan.push()
        (entries,) = node.path("/var/lib/agentless").glob("*/schedule/entries.json")
        begin_now(entries.parent.parent)
        node.cut()
        until(lambda: fires(node) >= 5, "some fires, one of them within the minute", seconds=MINUTE + 60)
        node.heal()
        # Another version of the helper is used meanwhile, and the one that the push brought is cleaned away.
        node.run("rm -r /var/lib/agentless/helper")
        plan.said("ping")
        found = plan.jobs("--metadata", "ticket=4711")
        assert len(found) == len(plan.jobs("--schedule", "minutely"))
        jid, job = next(iter(found.items()))
        assert (job["schedule"], job["target"], job["summary"]["failed"]) == ("minutely", "all", 1)
        assert jid[12:14] == "00"
        looked_up = plan.said("jobs", "lookup", jid, code=1)["hosts"]["node1"]
        assert (looked_up["stdout"], looked_up["stderr"]) == (f"out of {jid}\n", "err\n")
        quick = plan.jobs("--schedule", "quick")
        assert len({jid[12:14] for jid in quick}) > 1
        assert plan.said("jobs", "lookup", next(iter(quick)))["hosts"]["node1"]["stdout"] == "two words hidden /tmp\n"
        assert "hidden" not in "".join(plan.client.agentless("schedule", "pull", "--out", "json").stdout)

        seen = plan.said("schedule", "status")["node1"]
        assert seen["last_tick"] is not None
        assert {event["entry"] for event in seen["events"]} == {"minutely", "quick"}
        assert not seen["warnings"]
        # A second controller has its own place in the sequence.
        plan.client.agentless("schedule", "disable")
        plan.push()
        until(lambda: not list(node.path("/var/lib/agentless").glob("*/proc/*")), "no fire is under way any more")
        plan.said("ping")
        known = set(plan.jobs())
        elsewhere = {**plan.client.environ, "XDG_CACHE_HOME": str(plan.client.home / "other")}
        plan.client.agentless("ping", env=elsewhere)
        listed = plan.client.agentless("jobs", "list", "--out", "text", env=elsewhere).stdout
        assert {line.split("\t")[0] for line in listed.splitlines()} == known
        # After the next tick all fires are skips.
        count = fires(node)
        until(lambda: tick_now(node) and _skipped(plan, "disabled"), "a skip is recorded")
        assert fires(node) == count
        plan.said("schedule", "purge")
        assert crontab(node) is None
        # What was there is still found.
        assert plan.said("jobs", "show", jid, code=1)["hosts"]["node1"]["retcode"] == 3


def _skipped(plan: Plan, reason: str) -> bool:
    events = plan.said("schedule", "status")["node1"]["events"]
    return any(event["skipped"] == reason for event in events)


def test_maxrunning_counts_what_really_runs() -> None:
    """A stale proc file, or a PID that another process has now, holds nothing up."""
    with Nodes(1) as nodes:
        node, plan = nodes["node1"], Plan(nodes.client)
        plan.write("  slow:\n    function: cmd.run\n    args: ['sleep 1000']\n    target: all\n    seconds: 1\n")
        plan.push()
        until(lambda: tick_now(node) and fires(node, ended=False), "the first fire")
        until(lambda: tick_now(node) and _skipped(plan, "maxrunning"), "a skip")
        assert fires(node, ended=False) == 1
        (jid,) = plan.said("running")["node1"]
        node.run(f"kill -9 {jid['pid']}")
        until(lambda: tick_now(node) and fires(node, ended=False) == 2, "it fires again")
        node.reboot()
        assert not plan.said("running")["node1"]
        until(lambda: tick_now(node) and fires(node, ended=False) == 3, "it fires after a reboot")
        # What still runs when the schedule is taken away comes home all the same.
        plan.said("schedule", "purge")
        (jid,) = plan.said("running")["node1"]
        assert len(plan.jobs("--schedule", "slow")) == 2
        node.run(f"kill -9 {jid['pid']}")
        until(lambda: plan.said("ping") and len(plan.jobs("--schedule", "slow")) == 3, "the third comes home")
        states = [job["summary"] for job in plan.jobs("--schedule", "slow").values()]
        assert (sum(state["lost"] for state in states), sum(state["returned"] for state in states)) == (1, 2)
        assert not list(node.path("/var/lib/agentless").glob("*/schedule"))


def tick_now(node: Node) -> bool:
    """A tick that does not stay for what is due within the minute; always true, for `until`.

    What was pushed counts from now on, not from the next full minute.
    """
    (entries,) = node.path("/var/lib/agentless").glob("*/schedule/entries.json")
    begin_now(entries.parent.parent)
    line = (crontab(node) or "").splitlines()[0].split(None, 5)[5]
    python, *_, helper, state = shlex.split(line.split(" >")[0])
    code = "import sys;sys.path[:0]=sys.argv[1:2];from remote import tick;tick.tick(tick.book_of(sys.argv[2]))"
    node.run(shlex.join([python, "-I", "-S", "-c", code, helper, state]) + " || :")
    return True


def test_a_fire_whose_supervisor_dies_at_once_runs_or_is_told() -> None:
    """Killed before it could tell, it leaves a job that runs; killed before the start, one that never does."""
    with Nodes(1) as nodes:
        node, plan = nodes["node1"], Plan(nodes.client)
        plan.write("  long:\n    function: cmd.run\n    args: ['exec sleep 1000']\n    target: all\n    seconds: 1\n")
        plan.push()
        (folder,) = node.path("/var/lib/agentless").glob("*/schedule")
        die_at(folder, BEFORE_IT_TELLS)
        until(lambda: tick_now(node) and fires(node, ended=False), "the first fire")
        (job,) = plan.said("running")["node1"]
        until(lambda: tick_now(node) and _skipped(plan, "maxrunning"), "it counts as running")
        events = plan.said("schedule", "status")["node1"]["events"]
        first = next(event for event in events if event["jid"])
        assert (first["jid"], first["error"]) == (job["jid"], None)
        die_at(folder, BEFORE_IT_STARTS)
        node.run(f"kill -9 {job['pid']}")

        def told() -> list[str]:
            events = plan.said("schedule", "status")["node1"]["events"]
            return [event["error"] for event in events if event["error"]]

        until(lambda: tick_now(node) and told(), "the next fire")
        assert told()[0] == "supervisor: the supervisor died at the start"
        until(lambda: plan.said("ping") and len(plan.jobs("--schedule", "long")) > 1, "both come home")
        states = [job["summary"] for job in plan.jobs("--schedule", "long").values()]
        assert {state["lost"] + state["not-started"] for state in states} == {1}
        plan.said("schedule", "purge")


TWO = """\
  broken:
    function: cmd.run
    args: ['echo broken']
    target: all
    cron: '* * * * *'
  strict:
    function: cmd.run
    args: ['echo in time']
    target: all
    seconds: 1
    misfire_grace: 0
"""


def test_what_goes_wrong_on_a_host_is_told_and_stops_nothing_else() -> None:
    """An entry whose evaluation raises, a grace that a tick's own delay would use up, and a disk that fills up."""
    with Nodes(1) as nodes:
        node, plan = nodes["node1"], Plan(nodes.client)
        plan.write(TWO)
        with node.small_disk("/var/lib/agentless", "4m"):
            plan.push()
            (path,) = node.path("/var/lib/agentless").glob("*/schedule/entries.json")
            path.write_text(path.read_text().replace('"rules": [[', '"rules": [["soon", ', 1))
            until(lambda: tick_now(node) and plan.said("ping") and plan.jobs("--schedule", "strict"), "the other fires")
            seen = plan.said("schedule", "status")["node1"]
            errors = [event["error"] for event in seen["events"] if event["entry"] == "broken"]
            assert errors[0].startswith("it cannot be evaluated: TypeError: ")
            assert set(seen["entries"]) == {"broken", "strict"}
            assert not plan.jobs("--schedule", "broken")
            assert not plan.said("schedule", "status", "-n", "0")["node1"]["events"]
            node.fill("/var/lib/agentless")

            def later() -> bool:
                tick_now(node)
                now = plan.said("schedule", "status")["node1"]
                return bool(now["last_tick"] > seen["last_tick"])

            until(later, "a tick with the disk full")
            (warning,) = plan.said("schedule", "status")["node1"]["warnings"]
            assert (warning["kind"], "No space left" in warning["message"]) == ("disk-full", True)
            count = len(plan.jobs("--schedule", "strict"))
            node.run("rm /var/lib/agentless/filler")
            until(
                lambda: tick_now(node) and plan.said("ping") and len(plan.jobs("--schedule", "strict")) > count, "again"
            )
            assert not plan.said("schedule", "status")["node1"]["warnings"]
            plan.said("schedule", "purge")


HOUR_AHEAD = """\
#!/bin/sh
code="import time as t;now=t.time;t.time=lambda:now()+3600
$4"
shift 4
exec /usr/bin/python3 -I -S -c "$code" "$@"
"""


def test_a_clock_that_is_off_is_told() -> None:
    """Measured at the contact, against this machine's; the entries are pushed all the same."""
    with Nodes(1) as nodes:
        plan = Plan(nodes.client)
        plan.write(MINUTELY.split("  quick")[0])
        nodes["node1"].write("/usr/local/bin/early", HOUR_AHEAD, 0o755)
        known = plan.said("hosts", "node1")["node1"]["vars"]
        plan.client.write_inventory({"node1": {**known, "ansible_python_interpreter": "/usr/local/bin/early"}})
        done = plan.push()["node1"]
        assert done["added"] == ["minutely"]
        (warning,) = done["warnings"]
        assert (warning["kind"], "60 min ahead" in warning["message"]) == ("clock", True)
        nodes["node1"].run("rm /usr/local/bin/early")


def test_a_fire_that_cannot_start_comes_home_as_not_started() -> None:
    with Nodes(1) as nodes:
        node, plan = nodes["node1"], Plan(nodes.client)
        plan.write("  lost: {function: cmd.run, args: [pwd], kwargs: {cwd: /nowhere}, target: all, seconds: 1}\n")
        plan.push()
        until(lambda: tick_now(node) and _errors(plan), "the first fire")
        plan.said("schedule", "purge")
        plan.said("ping")
        jid = next(iter(plan.jobs("--state", "not-started")))
        problem = plan.said("jobs", "show", jid, code=3)["hosts"]["node1"]["error"]
        assert (problem["kind"], "/nowhere" in problem["message"]) == ("cwd", True)


def _errors(plan: Plan) -> bool:
    return any(event["error"] for event in plan.said("schedule", "status")["node1"]["events"])


def test_a_tick_that_comes_twice_fires_once() -> None:
    """Also several at the very same time."""
    with Nodes(1) as nodes:
        node, plan = nodes["node1"], Plan(nodes.client)
        plan.write("  daily:\n    function: cmd.run\n    args: [uptime]\n    target: all\n    days: 1\n")
        plan.push()
        (entries,) = node.path("/var/lib/agentless").glob("*/schedule/entries.json")
        begin_now(entries.parent.parent)
        line = (crontab(node) or "").splitlines()[0].split(None, 5)[5].partition(" #")[0]
        node.run(" & ".join([line] * 5) + " & wait")
        tick(node)
        assert fires(node, ended=False) == 1
        plan.said("schedule", "purge")


def test_a_host_that_is_renamed_goes_on_firing() -> None:
    """What it fires under its new name lies with the rest, and comes home."""
    with Nodes(1) as nodes:
        node, plan = nodes["node1"], Plan(nodes.client)
        plan.write("  often: {function: cmd.run, args: [hostname], target: all, seconds: 1, maxrunning: 99}\n")
        plan.push()
        until(lambda: tick_now(node) and fires(node), "a fire before")
        count = fires(node)
        node.run("hostname other")
        until(lambda: tick_now(node) and fires(node) > count, "a fire after")
        assert len(list(node.path("/var/lib/agentless").glob("*/schedule/entries.json"))) == 1
