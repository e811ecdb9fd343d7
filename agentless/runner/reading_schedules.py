"""What hosts say of their schedules, made into the values that the verbs of a schedule work with."""

from __future__ import annotations

from agentless.remote import course, evaluator
from agentless.remote.evaluator import Fire
from agentless.runner.frame_fields import Meta, build, count, items, mapping, number, stamp, text, texts
from agentless.schedule.difference import shown
from agentless.schedule.host_schedule import OnHost, ScheduleEvent

__all__ = ["entry", "event"]

# Of fires: what a table has room for.
COUNT_MAX = 10**9
DAY = 86400


def entry(meta: Meta) -> OnHost | None:
    """An entry as a host has it; None where it is none."""
    raw, history = mapping(meta, "entry"), mapping(meta, "history")
    job = mapping(raw, "job")
    if not job:
        return None
    fired, skipped = items(history, course.FIRED), items(history, course.SKIPPED)
    skip = stamp({"at": skipped[1]}, "at") if len(skipped) == 2 else None
    planned = (_planned(row, text(raw, "id")) for row in items(meta, "plan"))
    return OnHost(
        name=text(raw, "name"),
        function=text(job, "fun"),
        arguments=texts(job, "arg"),
        target=text(job, "tgt"),
        enabled=bool(raw.get("enabled", 1)),
        last_fire=stamp({"at": fired[1]}, "at") if len(fired) == 2 else None,
        last_skip=None if skip is None else (text({"why": skipped[0]}, "why"), skip),
        running=min(count(meta, "running"), COUNT_MAX),
        coming=tuple(fire for fire in planned if fire is not None),
        timezone=text(raw, "zone") or None,
        shown=shown(raw),
    )


def _planned(row: object, digits: str) -> Fire | None:
    """A fire to come as a host works it out: nominal time, time, reason, seconds ahead of UTC."""
    if not isinstance(row, list) or len(row) != 4:
        return None
    values = dict(zip(("nominal", "at", "reason", "shift"), row, strict=True))
    nominal, at, shift = stamp(values, "nominal"), stamp(values, "at"), number(values, "shift")
    if nominal is None or at is None or shift is None or abs(shift) >= DAY:
        return None
    jid = evaluator.jid({"id": digits}, int(nominal))
    return Fire(int(nominal), int(at), jid, shift, text(values, "reason") or None)


def event(meta: Meta) -> ScheduleEvent:
    """What happened at a nominal time."""
    return build(
        ScheduleEvent,
        meta,
        at=stamp(meta, "at") or 0.0,
        reason=text(meta, "skip") or None,
        count=min(count(meta, "count"), COUNT_MAX) or 1,
    )
