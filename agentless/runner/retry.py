"""Sending a job again as it was, to those of its hosts that have no part in it any more."""

from __future__ import annotations

from agentless.errors import UnknownJob, UsageError
from agentless.inventory.retry_lists import RETRY_LISTS
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Job, Origin, Report
from agentless.model.job_spec import Delivery
from agentless.model.states import HostResult, State
from agentless.runner.dispatcher import Dispatcher, PreparedJob
from agentless.runner.lookup import look_up
from agentless.values import dataclass

__all__ = ["Retry", "prepare"]


@dataclass(frozen=True, slots=True)
class Retry:
    """What becomes of a job that is to be sent again.

    Args:
        report: the job that was sent, on the hosts that were asked for, after those were asked that may have it still.
        prepared: the same job for those of them to which it can be sent again; None where there are none.
        left_alone: those that may still run it, or get it.
    """

    report: Report
    prepared: PreparedJob | None
    left_alone: tuple[str, ...]

    @property
    def unasked(self) -> tuple[str, ...]:
        """Those left alone that could not be asked whether they have it."""
        return tuple(name for name in self.left_alone if self.report.results[name].state is State.UNREACHABLE)


def prepare(dispatcher: Dispatcher, jid: JID, target: str | None, lists: tuple[str, ...], how: Delivery) -> Retry:
    """Find the hosts that a job can be sent to again, and prepare that; the errors are those of `Fleet.retry`.

    Hosts of which the end is not known are asked first. One that may have the job (the connection broke before it
    acknowledged) makes sure that it never starts, or is left alone; so is one that runs it.

    Args:
        target: only these of its hosts.
        lists: only those on these retry lists (`@failed`, `@unreachable`); none is all.
        how: detached or not, and what is waited for; batches are those of the job.
    """
    contact, selection = dispatcher.contact, dispatcher.selection
    in_cache = contact.cache.current(jid, outputs=False)
    if in_cache is None:
        raise UnknownJob(
            f"job {jid} is not in the job cache", "A job can be sent again by who sent it, while it is kept."
        )
    _check_origin(in_cache.job)
    report = look_up(contact, selection, jid, target)
    names = [name for name, result in report.results.items() if result.repeatable and _listed(result, lists)]
    left_alone = tuple(name for name, result in report.results.items() if not result.settled)
    if not names:
        return Retry(report, None, left_alone)
    sent = contact.cache.sent(jid)
    if sent is None:
        raise UsageError(
            f"what was sent with job {jid} is not kept any more, or was not to be (keep_sent)",
            f"Send it anew, to these alone: `limit=@failed:{jid}`.",
        )
    endpoints, missing = selection.of_job(report.job, names)
    endpoints |= {name: Endpoint(name, name, problem=problem) for name, problem in missing.items()}
    prepared = dispatcher.again(report.job, {name: endpoints[name] for name in names}, sent, how)
    return Retry(report, prepared, left_alone)


def _listed(result: HostResult, lists: tuple[str, ...]) -> bool:
    return not lists or any(RETRY_LISTS[each](result) for each in lists)


def _check_origin(job: Job) -> None:
    jid = job.jid
    if job.schedule is not None:
        raise UsageError(
            f"job {jid} is a fire of the schedule's entry {job.schedule!r}, and what it ran stands there",
            f"Run the entry now (agentless schedule run {job.schedule}), on these alone: `limit=@failed:{jid}`.",
        )
    if job.origin is not Origin.RUN:
        raise UsageError(
            f"job {jid} was not sent from here: {job.user} did so from elsewhere",
            "It can be sent again there, where its script and environment are kept.",
        )
