"""What these tests share: a file, a look at crontabs, and a tick as cron would start it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from tests.hosts import Client, Node

CRONTAB_COMMAND = """\
#!/bin/sh
case $1 in
-l) cat {file} 2>/dev/null || {{ echo 'no crontab for tester' >&2; exit 1; }} ;;
-r) rm {file} ;;
-) cat >{file} ;;
esac
"""
OURS = re.compile(r"\* \* \* \* \* '(/[^']+)' .* >/dev/null 2>&1 # agentless")


class Plan:
    """The schedule of a client, and what its `agentless` says of it."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def write(self, entries: str) -> None:
        (self.client.home / "schedule.yaml").write_text("schedule:\n" + entries)

    def push(self, *words: str, code: int = 0) -> dict[str, Any]:
        return self.said("schedule", "push", *words, code=code)

    def said(self, *words: str, code: int = 0) -> dict[str, Any]:
        """The JSON of a command, which ends with `code`."""
        done = self.client.agentless(*words, "--out", "json")
        assert done.returncode == code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def jobs(self, *words: str) -> dict[str, Any]:
        return self.said("jobs", "list", *words)


def crontab(node: Node, user: str = "root") -> str | None:
    """A user's crontab as its file has it; None where there is none."""
    path = node.path(f"/var/spool/cron/crontabs/{user}")
    if not path.exists():
        return None
    # Debian's crontab puts three lines of comment before what it was given.
    lines = path.read_text().splitlines(keepends=True)
    return "".join(
        line
        for line in lines
        if not line.startswith(
            (
                "# DO NOT EDIT",
                "# (",
            )
        )
    )


def begin_now(root: Path) -> None:
    """Let the entries that were pushed to a node directory count from now on, not from the next full minute."""
    path = root / "schedule" / "entries.json"
    pushed = json.loads(path.read_bytes())
    now = int(time.time()) - 1
    if all(entry["since"] <= now for entry in pushed["entries"]):
        return
    for entry in pushed["entries"]:
        entry["since"] = min(entry["since"], now)
    # As a push does it: a tick that reads it meanwhile has the old one or the new one, and nothing torn.
    new = path.with_name("entries.new")
    new.write_text(json.dumps(pushed))
    new.chmod(path.stat().st_mode & 0o777)
    new.replace(path)


def tick(node: Node, user: str = "root") -> None:
    """What cron would do now, by the line that stands in the crontab."""
    text = crontab(node, user)
    assert text is not None
    line = text.splitlines()[0]
    assert OURS.fullmatch(line), line
    node.run(line.split(None, 5)[5], user=user)
