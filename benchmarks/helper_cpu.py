"""CPU of one helper operation beside that of a bare Python, for each Python on this machine.

    python benchmarks/helper_cpu.py [--calls N]

Counts user and system time of everything the call started (getrusage, RUSAGE_CHILDREN): the shell that looks for a
Python, the helper, and for `run` its supervisor, without what the job `true` takes by itself. The helper must be within
30 ms of `python3 -I -S -c pass`, both under the same shell.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import datetime
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

from agentless.runner import payload

BUDGET = 0.030
PR_SET_CHILD_SUBREAPER = 36


def pythons() -> list[str]:
    """The Pythons from 3.6 on that pyenv or the system has."""
    found = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python"), key=lambda p: int(p.parts[-3].split(".")[1]))
    return [str(path) for path in [*found, Path("/usr/bin/python3")] if path.exists()]


def cpu(run: Callable[[], object], calls: int) -> float:
    """Seconds of CPU per call, children and grandchildren that were waited for included."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(calls):
        run()
    # The supervisor of a `run` outlives its call, and is counted only once it has been waited for.
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-1, 0)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / calls


def call(request: dict[str, object], python: str, state: str) -> None:
    """One call of the helper through /bin/sh, as sshd would make it."""
    command = payload.command(request, python=python, state_dir=state)
    with subprocess.Popen(["/bin/sh", "-c", command.line], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(command.payload)
        process.stdin.close()
        answer = process.stdout.read()
    if b'"t": "end"' not in answer:
        sys.exit(f"{python}: no answer to {request['op']}: {answer!r}")


def run_request() -> dict[str, object]:
    jid = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d%H%M%S%f")
    return {"op": "run", "jid": jid, "nonce": "0" * 16, "fun": "cmd.run", "arg": ["true"], "command": "true"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20)
    calls = parser.parse_args().calls
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    rows = []
    worst = 0.0
    for python in pythons():
        bare_line = f"{python} -I -S -c pass; exit $?"
        bare = cpu(lambda line=bare_line: subprocess.run(["/bin/sh", "-c", line], check=True), calls)  # type: ignore[misc]
        job = cpu(lambda: subprocess.run(["/bin/sh", "-c", "true"], check=True), calls)
        with tempfile.TemporaryDirectory() as folder:
            state = os.path.join(folder, "state")
            call({"op": "ping"}, python, state)
            call(run_request(), python, state)
            for path in os.scandir(state):
                # A host that was emptied a moment ago would look for jobs in all of /proc.
                os.utime(path, (0, 0))
            row: list[object] = [python, bare * 1000]
            for request in (lambda: {"op": "ping"}, lambda: {"op": "running"}, run_request):
                used = cpu(lambda r=request, p=python, s=state: call(r(), p, s), calls) - bare  # type: ignore[misc]
                used -= job if request is run_request else 0
                worst = max(worst, used)
                row.append(used * 1000)
            began = time.perf_counter()
            call({"op": "ping"}, python, state)
            row.append((time.perf_counter() - began) * 1000)
            rows.append(row)
    headers = ["python", "bare, CPU ms", "ping +ms", "running +ms", "run +ms", "ping, wall ms"]
    print(tabulate(rows, headers, floatfmt=".1f"))
    print(f"worst: {worst * 1000:.1f} ms over a bare Python; the budget is {BUDGET * 1000:.0f} ms")
    return 0 if worst <= BUDGET else 1


if __name__ == "__main__":
    sys.exit(main())
