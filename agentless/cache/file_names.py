"""What the files of a job cache are called: those of a job by its JID and a suffix, the others by one name."""

from __future__ import annotations

import re

from agentless.model.jid import JID
from agentless.regex import regex

# Of a job: its record while it grows and when all hosts have ended, the output that is too large for it, and the lock
# of the run that sends it; and what was sent, as long as somebody may send it again.
OPEN = ".open.jsonl"
FINISHED = ".jsonl"
OUTPUT = ".output.jsonl"
LIVE = ".live"
SENT = ".sent"
_OF_A_JOB = regex(r"(\d{20})(\.open\.jsonl|\.jsonl|\.output\.jsonl|\.live|\.sent)", re.ASCII)

LOCK = "lock"  # held by whoever writes
LAST = "last"  # the JID of the job that was sent last
HEADS = "heads"  # the first lines of many finished records
PRUNED = "pruned"  # when that was done
SET_ASIDE = "set-aside"  # the directory of what is damaged or foreign


def of_job(name: str) -> tuple[JID, str] | None:
    """The JID and the suffix of a file of a job; None for any other name."""
    match = _OF_A_JOB.fullmatch(name)
    try:
        return (JID(match[1]), match[2]) if match else None
    except ValueError:
        return None
