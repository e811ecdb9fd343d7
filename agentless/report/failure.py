"""The document that stands on stdout where a command broke before it had a report: `--out json` promises one.

A call that is wrong gets none: nothing was done, and there is nothing to read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from xml.sax.saxutils import escape

from agentless.report.interruption import HTML, JUNIT, wanted_format
from agentless.report.printable import one_line

__all__ = ["failure"]


def failure(words: Sequence[str], kind: str, message: str, hint: str, exit_code: int) -> str:
    """What stands on stdout in place of a report; empty where people read the output.

    Args:
        words: the command line.
        kind: `cache`, `internal`, or the kind of a host's error.

    Keys:
        error (object): what broke.
        exit_code (integer): what this command exits with.
    """
    wanted = wanted_format(words)
    if wanted in ("junit", "html"):
        text = escape(one_line(message), {'"': "&quot;"})
        return (JUNIT if wanted == "junit" else HTML) % {"name": kind, "message": text}
    if wanted in ("json", "jsonl", "yaml"):
        # Every JSON document is a YAML document.
        error = {"kind": kind, "message": message, "hint": hint}
        return json.dumps({"error": error, "exit_code": exit_code}) + "\n"
    return ""
