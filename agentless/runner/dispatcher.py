"""What sends a job: it is checked, made in the job cache, and brought to its hosts by a Run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from agentless.errors import InventoryError, UsageError
from agentless.inventory.selection import Selection, pattern
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Job, Report
from agentless.model.job_spec import Delivery, JobSpec, Sent
from agentless.model.problem import Problem
from agentless.model.states import HostResult, State
from agentless.runner.contact import Contact
from agentless.runner.rollout import Rollout, share, threshold
from agentless.runner.run import Run
from agentless.values import dataclass

__all__ = ["Dispatcher", "PreparedJob"]


@dataclass(frozen=True, slots=True)
class PreparedJob:
    """A job that is checked and that nobody has got: there is no trace of it until `send`.

    Args:
        contact: how to reach its hosts, and the job cache.
        endpoints: its hosts.
        target: the pattern that selected them.
        rollout: what it is, and how it goes over the hosts.
        user: who sends it.
        login, become: as the job's.
        jid: the JID that it is to have; None takes a new one.
        live: stream output while it grows.
        wait: how many seconds iterating waits; None is to the end.
        selected: how many hosts the pattern selects, of which these may be a subset.
        sent: what is kept to send it again; None keeps nothing of that.
        retry_of: the job that it repeats, or None.
    """

    contact: Contact
    endpoints: Mapping[str, Endpoint]
    target: str
    rollout: Rollout
    user: str
    login: str | None
    become: str | None
    jid: JID | None
    live: bool
    wait: float | None
    selected: int
    sent: Sent | None = None
    retry_of: JID | None = None

    @property
    def in_detached_batches(self) -> bool:
        """Whether somebody has to send later batches when its sender has left: `sender.hand_over`, not `send`."""
        return self.rollout.detach and self.rollout.batch is not None

    def shown(self, host: str) -> JobSpec:
        """What the job is on a host, with `********` in place of each secret that a template brings.

        Raises:
            InventoryError: its template cannot be rendered for this host.
        """
        return self.rollout.spec if self.rollout.rendered is None else self.rollout.rendered(host, hides=True)

    def meet(self) -> None:
        """Where a person may be asked, ask about its hosts whose keys are unknown, before there is a job."""
        self.contact.meet(self.endpoints)

    def send(self, made: Callable[[Job], object] = lambda job: None) -> Run:
        """Make the job and send it; the job and its hosts are in the job cache before the first packet leaves.

        Args:
            made: told of the job before anybody gets it, for who may be interrupted before there is a Run.

        Raises:
            UsageError: it is detached, in batches; or hosts cannot be contacted from where they are to be.
            CacheError: the job cache cannot be written, or (JobExists) has a job of this JID; nothing was sent.
        """
        if self.in_detached_batches:
            raise UsageError(
                "batches of a detached job have no Run here", "Fleet.hand_over sends them, as Fleet.run does."
            )
        cache, spec = self.contact.cache, self.rollout.spec
        if self.contact.spread is not None:
            # Where a secret would go where it must not, there is no job.
            self.contact.spread.carrier(self.endpoints, self.contact.forks)
        job = cache.create(
            function=spec.function,
            arguments=spec.arguments,
            target=self.target,
            hosts=self.endpoints,
            user=self.user,
            metadata=spec.metadata,
            login=self.login,
            become=self.become,
            schedule=spec.schedule,
            keep_returns=self.contact.caller.keep_returns,
            returners=spec.returners,
            retry_of=self.retry_of,
            batch=self.rollout.batch,
            jid=self.jid,
            sent=self.sent,
        )
        try:
            made(job)
            cache.prune()
            return Run(
                Report(job, dict.fromkeys(self.endpoints, HostResult(State.PENDING))),
                self.endpoints,
                self.contact,
                rollout=self.rollout,
                live=self.live,
                wait=self.wait,
                release=lambda: cache.release(job.jid),
            )
        except BaseException:
            # Nobody has the Run that would let go of it.
            cache.release(job.jid)
            raise


@dataclass(frozen=True, slots=True)
class Dispatcher:
    """Prepares jobs.

    Args:
        contact: how to reach hosts, and the job cache.
        selection: the hosts of a target.
        user: who sends, on the controller.
        check_returners: raises UsageError where what a job returns cannot go to returners of these names.
        keep_sent: keep environment, stdin and scripts of jobs, to send them again.
    """

    contact: Contact
    selection: Selection
    user: str
    check_returners: Callable[[Sequence[str]], None]
    keep_sent: bool = True

    def prepare(self, target: str, spec: JobSpec, how: Delivery, jid: JID | None = None) -> PreparedJob:
        """Check a job; the arguments and errors are those of `Fleet.prepare`.

        Args:
            jid: the JID that it is to have; None takes a new one.
        """
        self.check_returners(spec.returners)
        return self._prepared(target, self.selection.endpoints(pattern(target)), spec, how, self.selection.sender, jid)

    def again(self, job: Job, endpoints: Mapping[str, Endpoint], sent: Sent, how: Delivery) -> PreparedJob:
        """The same job once more, as the same user, on these of its hosts.

        Args:
            job: the one that was sent.
            sent: what was sent with it.
            how: detached or not, and what is waited for.
        """
        self.check_returners(sent.spec.returners)
        how = replace(how, batch=sent.batch, max_fail=sent.max_fail, batch_wait=sent.batch_wait)
        prepared = self._prepared(job.target, endpoints, sent.spec, how, (job.login, job.become), None)
        return replace(prepared, retry_of=job.jid)

    def _prepared(
        self,
        target: str,
        selected: Mapping[str, Endpoint],
        spec: JobSpec,
        how: Delivery,
        sender: tuple[str | None, str | None],
        jid: JID | None,
    ) -> PreparedJob:
        endpoints = dict(selected)
        if how.subset is not None and how.subset < len(selected):
            from random import SystemRandom

            picked = frozenset(SystemRandom().sample(list(selected), how.subset))
            endpoints = {name: endpoint for name, endpoint in selected.items() if name in picked}
        if spec.cap is None:
            spec = replace(spec, cap=self.contact.cap)
        rendered = None
        if spec.template:
            self.selection.check_template(spec)
            rendered = partial(self.selection.rendered, spec)
            endpoints = {name: _with_template(endpoint, rendered) for name, endpoint in endpoints.items()}
        login, become = sender
        sent = Sent(spec, how.batch, how.max_fail, how.batch_wait)
        batch = share(how.batch, len(endpoints))
        if how.detach and batch is not None and batch >= len(endpoints):
            # All of them at once: there is no later batch that somebody would have to send.
            batch = None
        return PreparedJob(
            self.contact,
            endpoints,
            target,
            Rollout(spec, how.detach, batch, threshold(how.max_fail), how.batch_wait or 0.0, rendered),
            self.user,
            login,
            become,
            jid,
            live=len(endpoints) == 1 if how.live is None else how.live,
            wait=how.wait,
            selected=len(selected),
            # What a fire runs stands in its schedule.
            sent=sent if spec.schedule is None and (self.keep_sent or not sent.private) else None,
        )


def _with_template(endpoint: Endpoint, rendered: Callable[[str], JobSpec]) -> Endpoint:
    """The endpoint; a template that cannot be rendered for this host is its problem, and nothing is sent to it."""
    if endpoint.problem is not None:
        return endpoint
    try:
        rendered(endpoint.name)
    except InventoryError as error:
        return replace(endpoint, problem=Problem("template", error.message, error.hint))
    return endpoint
