"""A schedule that is read without a file."""

from __future__ import annotations

from agentless.schedule import document
from agentless.schedule.document import parse
from tests.schedule.walking import START

FILE = "dir/schedule.yaml"


ENTRY = """\
schedule:
  it:
    function: cmd.run
    args: [uptime]
    target: web*
"""


def read(text: str) -> document.Schedule:
    return parse(text, FILE, identity="ada@laptop", now=START)
