"""The document that stands on stdout where a command ended before it had a report: `--out json` promises one.

A call that is wrong gets none: nothing was done, and there is nothing to read. The document of an interruption is made
without an import, so that a signal handler can write it while the command line is still being loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["failure", "interrupted", "wanted_format"]

# Every JSON document is a YAML document.
_AS_OBJECT = ("json", "jsonl", "yaml")
_OBJECT = '{"error": {"kind": "%(name)s", "message": "%(message)s", "hint": ""}, "exit_code": 130}\n'
_JUNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="agentless" tests="1" failures="0" errors="1" skipped="0" time="0.000">
  <testsuite name="agentless" tests="1" failures="0" errors="1" skipped="0" time="0.000">
    <testcase classname="agentless" name="%(name)s"><error message="%(message)s" /></testcase>
  </testsuite>
</testsuites>
"""
_HTML = """\
<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>agentless: %(name)s</title></head>
<body><h1>%(name)s</h1><p>%(message)s</p></body></html>
"""
_MARKUP = {"junit": _JUNIT, "html": _HTML}


def failure(words: Sequence[str], kind: str, message: str, hint: str, exit_code: int) -> str:
    """What stands on stdout in place of a report where a command broke; empty where people read the output.

    Args:
        words: the command line.
        kind: `cache`, `internal`, or the kind of a host's error.

    Keys:
        error (object): what broke.
        exit_code (integer): what this command exits with.
    """
    wanted = wanted_format(words)
    if wanted in _MARKUP:
        from xml.sax.saxutils import escape

        from agentless.report.printable import one_line

        return _MARKUP[wanted] % {"name": kind, "message": escape(one_line(message), {'"': "&quot;"})}
    if wanted in _AS_OBJECT:
        import json

        error = {"kind": kind, "message": message, "hint": hint}
        return json.dumps({"error": error, "exit_code": exit_code}) + "\n"
    return ""


def interrupted(words: Sequence[str], message: str) -> str:
    """The same of a command that was interrupted before it knew of anything to report.

    Args:
        words: the command line.
        message: plain ASCII without quotes or markup.
    """
    wanted = wanted_format(words)
    template = _OBJECT if wanted in _AS_OBJECT else _MARKUP.get(wanted, "")
    return template % {"name": "interrupted", "message": message}


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
