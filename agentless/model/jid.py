"""Job ids: Salt"s 20 digits, `YYYYMMDDhhmmssffffff`, in UTC."""

from __future__ import annotations

import re
from datetime import datetime, timezone

__all__ = ["JID", "check_jid", "jid_time", "new_jid"]

JID = re.compile(r"^\d{20}$", re.ASCII)


def new_jid(now: datetime) -> str:
    """Salt's JID of an instant: 20 digits, `YYYYMMDDhhmmssffffff`, in UTC.

    The caller takes it exclusively (the job cache creates its file) and adds a microsecond where it is taken.
    """
    return now.astimezone(timezone.utc).strftime("%Y%m%d%H%M%S%f")


def jid_time(jid: str) -> float:
    """The instant that a JID names, in Unix seconds; 0.0 when its digits are no date."""
    try:
        return datetime.strptime(jid, "%Y%m%d%H%M%S%f").replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0


def check_jid(text: str) -> str:
    """Return `text` if it is a JID; raise ValueError before it can touch a path."""
    if not JID.fullmatch(text):
        raise ValueError(f"{text!r} is not a JID: a JID has 20 digits, YYYYMMDDhhmmssffffff")
    return text
