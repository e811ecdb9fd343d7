"""The controller's memory and time while many hosts return much: `run` and `jobs lookup`, in every output format.

The hosts are local ones with state directories of their own, so that no sshd competes for the cores; what is measured
is the largest resident set of the one process that the person starts.

    python benchmarks/memory.py --hosts 1000 --size 2000000
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORMATS = ("json", "yaml", "junit", "jsonl", "text", "table", "html")
# What a run is measured with, beside the lookups: a document, what comes as the hosts return, and a page.
RUNS = ("json", "text", "html")


def measure(words: list[str], environ: dict[str, str]) -> tuple[float, float, float]:
    """Seconds, MB of the largest resident set, and MB written to stdout."""
    began = time.monotonic()
    with tempfile.TemporaryFile() as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "agentless", *words], env=environ, stdout=out, stderr=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
        return time.monotonic() - began, usage.ru_maxrss * _RSS_UNIT / 1e6, out.tell() / 1e6


# KiB on Linux and the BSDs, bytes on macOS (getrusage(2)).
_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--hosts", type=int, default=100)
    arguments.add_argument("--size", type=int, default=2_000_000, help="bytes of stdout of each host")
    arguments.add_argument("--spread", default="threads", help="where the runs contact hosts")
    given = arguments.parse_args()
    root = Path(tempfile.mkdtemp(prefix="agentless-memory-", dir=os.environ.get("TMPDIR", "/var/tmp")))
    try:
        names = [f"web{number}" for number in range(given.hosts)]
        lines = (
            f"    {name}: {{ansible_connection: local, agentless_state_dir: '{root}/state/{name}'}}" for name in names
        )
        (root / "inventory.yaml").write_text("all:\n  hosts:\n" + "\n".join(lines) + "\n")
        environ = {**os.environ, "HOME": str(root), "AGENTLESS_INVENTORY": str(root / "inventory.yaml")}
        environ |= {"XDG_CACHE_HOME": str(root / "cache"), "XDG_CONFIG_HOME": str(root / "config")}
        print(f"{given.hosts} hosts, {given.size / 1e6:g} MB each")
        print(f"{'command':<26} {'seconds':>8} {'memory':>8} {'stdout':>9}")
        prints = f"head -c {given.size} /dev/zero | tr '\\0' x"
        rows = [
            (f"run --out {out}", ["run", "all", "--out", out, "--spread", given.spread, "--", prints]) for out in RUNS
        ]
        rows += [(f"jobs lookup --out {out}", ["jobs", "lookup", "last", "--out", out]) for out in FORMATS]
        for label, words in rows:
            seconds, memory, size = measure(words, environ)
            print(f"{label:<26} {seconds:>7.1f}s {memory:>5.0f} MB {size:>6.0f} MB", flush=True)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
