"""The process of a command line: how it ends."""

from __future__ import annotations

import subprocess
import sys

# A thread at work, and one line that is written where Python takes itself down.
BUSY = """\
import atexit, sys, threading
from agentless.__main__ import main
atexit.register(print, "taken down", flush=True)
if {busy}:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.exit(main())
"""


def ended(*words: str, busy: bool) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", BUSY.format(busy=busy), *words], capture_output=True, text=True, check=False
    )


def test_python_is_not_taken_down_around_a_thread_that_is_still_at_work() -> None:
    for words in (["--version"], ["run"]):
        alone, beside = ended(*words, busy=False), ended(*words, busy=True)
        assert alone.stdout == beside.stdout + "taken down\n"
        assert (alone.returncode, alone.stderr) == (beside.returncode, beside.stderr)
