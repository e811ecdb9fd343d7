"""The document of a command that was interrupted before it knew of anything to report.

`--out json` promises one document whatever happens. This one needs no import, so that a signal handler can write it
while the command line is still being loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["HTML", "JUNIT", "document", "wanted_format"]

_OBJECT = '{"error": {"kind": "%(name)s", "message": "%(message)s", "hint": ""}, "exit_code": 130}\n'
JUNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="agentless" tests="1" failures="0" errors="1" skipped="0" time="0.000">
  <testsuite name="agentless" tests="1" failures="0" errors="1" skipped="0" time="0.000">
    <testcase classname="agentless" name="%(name)s"><error message="%(message)s" /></testcase>
  </testsuite>
</testsuites>
"""
HTML = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>agentless: %(name)s</title></head>
<body><h1>%(name)s</h1><p>%(message)s</p></body></html>
"""
# Every JSON document is a YAML document.
_DOCUMENTS = {"json": _OBJECT, "jsonl": _OBJECT, "yaml": _OBJECT, "junit": JUNIT, "html": HTML}


def document(words: Sequence[str], message: str) -> str:
    """What stands on stdout in place of a report; empty where people read the output.

    Args:
        words: the command line.
        message: plain ASCII without quotes or markup.
    """
    text = _DOCUMENTS.get(wanted_format(words), "")
    return text % {"name": "interrupted", "message": message}


def wanted_format(words: Sequence[str]) -> str:
    """The last `--out` of a command line that may be wrong; what stands behind `--` is the job's."""
    words = list(words)
    ours = words[: words.index("--")] if "--" in words else words
    wanted = ""
    for word, following in zip(ours, [*ours[1:], ""], strict=False):
        if word == "--out":
            wanted = following
        elif word.startswith("--out="):
            wanted = word.removeprefix("--out=")
    return wanted
