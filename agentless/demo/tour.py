"""The tour: the commands that are run on the throwaway fleet, each with a sentence on what it is for."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Callable, Iterator

from agentless.demo.throwaway import DemoFleet
from agentless.values import dataclass

__all__ = ["Step", "demo", "story"]


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the story.

    Args:
        purpose: what it is for, in a sentence.
        command: what a person would type.
        output: what it printed.
        exit_code: how it ended.
        expected: how it ends when all is well.
    """

    purpose: str
    command: str
    output: str
    exit_code: int
    expected: int = 0


def story(fleet: DemoFleet) -> Iterator[Step]:
    """The main job on a fleet, step by step: run, leave, look, kill, look up, miss a host, list.

    Ends early where a step fails.
    """

    def step(purpose: str, *arguments: str, expected: int = 0) -> Step:
        process = fleet.agentless(*arguments)
        command = shlex.join(["agentless", *arguments])
        return Step(purpose, command, process.stdout, process.returncode, expected)

    count = "the host" if len(fleet.names) == 1 else f"all {len(fleet.names)} hosts"
    yield step(
        f"A command on {count}. Every command is a job; its output comes as the hosts finish.",
        "run", "all", "--", 'echo "process $$ on $(uname -sr)"',
    )  # fmt: skip
    sent = step(
        "A job that takes an hour, sent and left: --detach prints its job id and goes.",
        "run", "all", "--detach", "--", "echo started; sleep 3600; echo never seen",
    )  # fmt: skip
    yield sent
    if sent.exit_code != sent.expected:
        return
    jid = sent.output.split()[0]
    yield step("No connection holds it, and no agent: it runs under its job id, and says where.", "jobs", "active")
    yield step("It is not needed any more. The whole tree of its processes is killed, on every host.", "kill-job", jid)
    yield step(
        "What became of it? The output so far was kept, and who ended it. (It exits with 1: the job failed.)",
        "jobs", "lookup", jid,
        expected=1,
    )  # fmt: skip
    yield step(
        "A host that nobody answers for is named with the step that failed. (It exits with 3: unreachable.)",
        "ping", "127.0.0.1", "-i", "127.0.0.1:1,",
        expected=3,
    )  # fmt: skip
    yield step("Both jobs are in this controller's job cache, for a day.", "jobs", "list")


def demo(echo: Callable[[str], None], *, hosts: int = 3, keep: bool = False) -> int:
    """Tell the story on a throwaway fleet; with `keep`, leave the fleet up until Ctrl-C.

    Args:
        echo: writes one line.
        hosts: how many hosts.
        keep: stay in the foreground afterwards, with the inventory and commands to try.

    Returns:
        0, or 1 where a step did not end as it should.
    """
    with DemoFleet(hosts) as fleet:
        echo(f"{hosts} throwaway host{'s' if hosts > 1 else ''} on this machine; their inventory: {fleet.inventory}")
        steps = 0
        for step in story(fleet):
            echo("")
            echo(f"# {step.purpose}")
            echo(f"$ {step.command}")
            for line in step.output.splitlines():
                echo(line)
            if step.exit_code != step.expected:
                echo(f"This step exited with {step.exit_code} instead of {step.expected}: the demo ends here.")
                return 1
            steps += 1
        echo("")
        echo(
            f"That was the main job, in {steps} commands: run on {hosts} host{'s' if hosts > 1 else ''}, leave, look, "
            "kill, look up, miss a host, list. Nothing was installed, and nothing is left."
            if not keep
            else "That was the main job. The hosts stay up: try it by hand, from another terminal."
        )
        if keep:
            with contextlib.suppress(KeyboardInterrupt):
                _stay(fleet, echo)
            echo("The hosts are gone.")
    return 0


def _stay(fleet: DemoFleet, echo: Callable[[str], None]) -> None:
    at = f"agentless -i {shlex.quote(str(fleet.inventory))}"
    echo("")
    for line in fleet.inventory.read_text().splitlines():
        echo(f"    {line}")
    echo("")
    for command in (
        "hosts --graph",
        "run web -- uptime",
        "run all --group -- uname -sr",
        "run all --detach -- 'for i in 1 2 3 4 5 6 7 8 9; do echo $i; sleep 5; done'",
        "jobs tail last -f",
        "jobs list",
    ):
        echo(f"{at} {command}")
    echo("")
    echo("The hosts are this machine, and their jobs run as you. Ctrl-C kills every job that still runs on them.")
    # A signal that comes in the instant before a wait begins is heard when that is over.
    while True:
        time.sleep(1.0)
