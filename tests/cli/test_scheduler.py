"""The verb of the controller's own evaluator."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from tests.cli.conftest import Say

PRUNE = "schedule:\n  tidy: {function: jobs.prune, hours: 1}\n"


def test_once_fires_what_is_due_and_says_so_with_the_time(tmp_path: Path, say: Say) -> None:
    file = tmp_path / "schedule.yaml"
    file.write_text(PRUNE)
    words = ("-i", "web1,", "scheduler", "--once", "--schedule-file", str(file))
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    code, out, err = say(*words)
    assert (code, out) == (0, "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d [\d:]+[+-][\d:]+ tidy: jobs\.prune: removed 0 jobs, 0 bytes\n", err)
    assert say(*words) == (0, "", "")
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers


def test_a_wrong_file_is_an_error_with_its_line(tmp_path: Path, say: Say) -> None:
    file = tmp_path / "schedule.yaml"
    file.write_text("schedule:\n  tidy: {function: jobs.prune}\n")
    code, out, err = say("-i", "web1,", "scheduler", "--once", "--schedule-file", str(file))
    assert (code, out) == (2, "")
    assert f"{file}:2: schedule: tidy: it never says when" in err
