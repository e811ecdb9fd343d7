"""Job ids: Salt's 20 digits, `YYYYMMDDhhmmssffffff`, in UTC."""

from __future__ import annotations

from datetime import datetime, timezone

from agentless.regex import regex

__all__ = ["JID", "jid_time", "new_jid"]

_DIGITS = regex(r"[0-9]{20}")


class JID(str):
    """A job id that was checked where it came in: 20 ASCII digits that name a possible instant.

    Raises:
        ValueError: the text is none.
    """

    __slots__ = ()

    def __new__(cls, text: str) -> JID:
        if isinstance(text, JID):
            return text
        if not isinstance(text, str):
            raise ValueError(f"a {type(text).__name__} is not a JID: a JID is a string")
        if not _DIGITS.fullmatch(text):
            raise ValueError(f"{text!r:.80} is not a JID: a JID has 20 digits, YYYYMMDDhhmmssffffff")
        if _instant(text) is None:
            raise ValueError(f"{text!r} is not a JID: its digits are no date, YYYYMMDDhhmmssffffff")
        return super().__new__(cls, text)


def new_jid(now: datetime) -> JID:
    """Salt's JID of an instant: 20 digits, `YYYYMMDDhhmmssffffff`, in UTC.

    The caller takes it exclusively (the job cache creates its file) and adds a microsecond where it is taken.
    """
    return JID(now.astimezone(timezone.utc).strftime("%Y%m%d%H%M%S%f"))


def jid_time(jid: str) -> float:
    """The instant that a JID names, in Unix seconds; 0.0 when its digits are no date."""
    moment = _instant(jid)
    return moment.timestamp() if moment else 0.0


def _instant(jid: str) -> datetime | None:
    try:
        # strptime takes ten times as long, and a list has thousands
        date = int(jid[:4]), int(jid[4:6]), int(jid[6:8])
        return datetime(*date, int(jid[8:10]), int(jid[10:12]), int(jid[12:14]), int(jid[14:]), tzinfo=timezone.utc)
    except ValueError:
        return None
