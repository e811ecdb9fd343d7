"""The exit codes of the command line, and what each means."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = [
    "DEFECT",
    "FAILED",
    "INTERRUPTED",
    "MEANINGS",
    "MISSING",
    "OUTPUT",
    "PIPE",
    "RUNNING",
    "SUCCESS",
    "USAGE",
]

SUCCESS = 0
FAILED = 1
USAGE = 2
MISSING = 3
RUNNING = 4
# sysexits.h: a defect of ours must not look like a job that failed.
DEFECT = 70
OUTPUT = 74
INTERRUPTED = 130
# What a shell reports for a command that SIGPIPE ended.
PIPE = 141

MEANINGS: Mapping[int, str] = MappingProxyType(
    {
        SUCCESS: "All hosts returned, and none failed.",
        FAILED: "A job failed on some host: its exit code was not 0, or it was cut off by its deadline or a signal.",
        USAGE: "The call, the configuration or the inventory is wrong; also a target that matches no host, and a JID "
        "that every host and the job cache deny. Nothing was sent.",
        MISSING: "Some host was unreachable, has lost the job, or has not started it.",
        RUNNING: "The job still runs, or waits for its batch, when this command stops waiting.",
        DEFECT: "A defect of agentless; what it was stands on stderr.",
        OUTPUT: "The results could not be written to stdout, a full disk for example.",
        INTERRUPTED: "The command was interrupted (Ctrl-C, SIGTERM, SIGHUP, SIGQUIT).",
        PIPE: "Whoever read stdout has closed it (`| head`).",
    }
)
"""What each code means, for people. Where several hold, the first of 2, 130, 4, 3, 1, 0 is the exit code."""
