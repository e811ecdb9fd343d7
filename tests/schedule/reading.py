"""A schedule that is read without a file."""

from __future__ import annotations

from agentless.schedule import schedule_file
from agentless.schedule.schedule_file import parse
from tests.schedule.walking import START

FILE = "/dir/schedule.yaml"


ENTRY = """\
schedule:
  it:
    function: cmd.run
    args: [uptime]
    target: web*
"""


def read(text: str) -> schedule_file.Schedule:
    return parse(text, FILE, now=START)
