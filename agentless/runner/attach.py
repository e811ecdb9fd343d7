"""Watching a job that was sent before: `jobs wait` and `jobs tail`."""

from __future__ import annotations

from agentless.inventory.selection import Selection
from agentless.model.jid import JID
from agentless.model.job_spec import Delivery
from agentless.model.states import State
from agentless.runner.contact import Contact
from agentless.runner.discovery import discover
from agentless.runner.run import Run

__all__ = ["attach"]


def attach(
    contact: Contact,
    selection: Selection,
    jid: JID,
    target: str | None,
    *,
    live: bool = False,
    once: bool = False,
    wait: float | None = None,
) -> Run:
    """Follow a job on those of its hosts whose end is not known; a JID that the cache doesn't know is asked of all.

    A host that a living run is still to send it to is waited for like the others. `live`, `once` and `wait` are as of
    `Run`, the target and the errors as of `Fleet.wait`.
    """
    wait = Delivery(wait=wait).wait
    report = contact.cache.current(jid)
    if known := report is not None:
        report = selection.narrow(report, target)
    else:
        report, known = discover(contact, selection, jid, target)
    pending = [name for name, result in report.results.items() if result.state is State.PENDING]
    endpoints, missing = selection.of_job(report.job, [*report.open_hosts, *pending, *report.unknown_hosts])
    # Of a host that this inventory lacks nothing is known but that its run is at it.
    missing = {name: problem for name, problem in missing.items() if name not in pending}
    contact.meet({name: endpoint for name, endpoint in endpoints.items() if name not in pending})
    return Run(report.unreached(missing), endpoints, contact, known=known, live=live, once=once, wait=wait)
