"""A job on its way over the hosts: whom to send it to when, whom to wait for how long, and what happened as events."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

from agentless.model.answers import Output
from agentless.model.endpoint import Endpoint
from agentless.model.job import Report
from agentless.model.problem import Problem
from agentless.model.states import HostResult, State
from agentless.runner import payload
from agentless.runner.awaited import Awaited
from agentless.runner.contact import Contact, in_order
from agentless.runner.discovery import Search, described, known_to_nobody
from agentless.runner.events import Changed, Event, Events, Standing
from agentless.runner.fanout import FanOut, Part
from agentless.runner.homecoming import Ledger, Unrecorded
from agentless.runner.pursuit import Errand, Pursuit
from agentless.runner.rollout import Rollout

__all__ = ["Changed", "Event", "Output", "Run"]

# How long a host that was reached once is tried again before it is called unreachable.
RECONNECT = 45.0
NEVER_SENT = {
    "max-fail": Problem(
        "max-fail", "not sent: too many hosts had failed before", "Raise `max_fail`, or mend those first."
    ),
    "interrupted": Problem("interrupted", "not sent: the run was interrupted before", ""),
    "wait-over": Problem(
        "wait-over", "not sent: `wait` was over before its batch", "Without `wait` a run goes on to the last batch."
    ),
}


class Run:
    """A job on its hosts, as an iterator of its events; it can be left at any time, and the job goes on.

    Iterating ends when every host is settled, or `wait` seconds are over and every host has the job; hosts of later
    batches are then `not-started`. A KeyboardInterrupt that hits the waiting leaves the Run usable: iterate again, or
    look at `report()`. Live output waits to be read, and its host with it, once some MiB of it are unread.

    Args:
        report: the job, and where each host stands before the first contact. Its unknown hosts are asked again, unless
            it is `once`.
        endpoints: the hosts to contact, where they are not settled.
        contact: how to reach them, and where what they tell is kept.
        known: the job is in the cache; of one that is not, nothing is kept.
        rollout: what to send to hosts that the job was not sent to; None only follows.
        live: stream the output while it grows.
        once: stop at the end of the output so far instead of waiting for the return.
        wait: seconds.
        release: called once, when the Run lets go of the job (the cache's lock).
    """

    def __init__(
        self,
        report: Report,
        endpoints: Mapping[str, Endpoint],
        contact: Contact,
        *,
        known: bool = True,
        rollout: Rollout | None = None,
        live: bool = False,
        once: bool = False,
        wait: float | None = None,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        self.job = job = report.job
        self._results = dict(report.results)
        self._unknown = dict(report.unknown_hosts)
        self._rollout = rollout
        self._release = ExitStack()
        self._release.callback(release)
        self._until = None if wait is None else time.monotonic() + wait
        self._lock = threading.Lock()
        self._events = Events()
        self._closed = threading.Event()
        self._patience = RECONNECT if wait is None else wait
        payload.pack()
        todo = [name for name, result in self._results.items() if name in endpoints and not result.settled]
        self._searches = {
            name: Search(contact, job.jid, endpoints[name], problem, self._patience, self._closed)
            for name, problem in self._unknown.items()
            if name in endpoints and not once
        }
        self._ledger: Ledger = contact.cache if known else Unrecorded()
        wanted = self._ledger.wanted(todo, lambda other: (other.login, other.become) == (job.login, job.become))
        self._awaited = Awaited(contact.cache, job.jid)
        errand = Errand(
            job,
            rollout,
            contact,
            self._ledger,
            live=live,
            once=once,
            patience=self._patience,
            awaited=self._awaited,
            left=self._closed,
            tell=self._tell,
            follows=lambda name: self._pool.follows(name),
            called_off=self._called_off,
            more=self._more,
        )

        def pursuit(name: str, result: HostResult) -> Pursuit:
            return Pursuit(name, result, endpoints[name], errand, wanted.get(name, ()))

        self._pursuit = pursuit
        self._pursuits = {name: pursuit(name, self._results[name]) for name in todo}
        todo += self._searches
        self._left = dict.fromkeys(todo)
        self._unsent = {name for name, one in self._pursuits.items() if one.result.state is State.PENDING}
        self._failed = {name for name, result in self._results.items() if _failure(result)}
        batch = rollout.batch if rollout else None
        self._pool = FanOut(
            todo,
            self._part,
            self._done,
            contact.carrier(endpoints),
            forks=contact.forks,
            batch=batch,
            admit=self._admit,
            refused=lambda names: self._refuse(names, "max-fail"),
        )
        if not todo:
            self._events.put(None)
        self._pool.pump()

    # --- the consumer's side ---
    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            event = self._events.get(None if self._until is None else max(0.0, self._until - time.monotonic()))
        except queue.Empty:
            if self._rollout is not None and self._rollout.batch is not None:
                # Without anybody who waits for a batch to end, there is nobody to send the next one.
                self.stop_dispatching("wait-over")
            if not self.dispatching and self._events.empty():
                raise StopIteration from None
            event = self._events.get()
        if event is None:
            self._events.put(None)
            raise StopIteration
        return event

    @property
    def dispatching(self) -> bool:
        """Whether hosts are still to get the job, which the end of the waiting does not keep from them."""
        return self._rollout is not None and bool(self._unsent)

    def waiting_for(self) -> tuple[str, ...]:
        """The hosts that are still being waited for, in the job's order."""
        with self._lock:
            # One that has ended may keep its place in a batch for a while.
            ended = {name for name, pursuit in self._pursuits.items() if pursuit.result.state.final}
            return tuple(name for name in self._left if name not in ended)

    def standing(self) -> Standing:
        """How many hosts stand where, now."""
        with self._lock:
            results = list(self._now().values())
        ok = sum(result.settled and not _failure(result) for result in results)
        failed = sum(result.settled and _failure(result) for result in results)
        pending = sum(result.state is State.PENDING for result in results)
        size = self._rollout.batch if self._rollout else None
        batches = (-(-self._pool.begun // size), -(-len(results) // size)) if size else (0, 0)
        return Standing(ok, failed, len(results) - ok - failed - pending, pending, *batches)

    def report(self, *, interrupted: bool = False) -> Report:
        """Where every host stands now.

        Raises:
            UnknownJob: of a job that the cache doesn't know, all hosts deny it.
        """
        detached = self._rollout is not None and self._rollout.detach
        with self._lock:
            job, now = self.job, self._now()
            unknown = {**self._unknown, **{name: search.problem for name, search in self._searches.items()}}
        results = in_order(job.hosts, now)
        problems = {name: problem for name, problem in unknown.items() if problem is not None and name not in results}
        if not results and self._unknown and not problems:
            raise known_to_nobody(job.jid)
        return Report(job, results, problems, interrupted=interrupted, detached=detached)

    def _now(self) -> dict[str, HostResult]:
        return {**self._results, **{name: pursuit.result for name, pursuit in self._pursuits.items()}}

    def stop_dispatching(self, kind: str = "interrupted") -> None:
        """Hosts that the job was not sent to yet become `not-started`, of this kind."""
        self._refuse(self._pool.stop(), kind)

    def close(self) -> None:
        """Let go of connections and lock; the job goes on where it runs."""
        self._closed.set()
        self._events.close()
        self._pool.close()
        with self._lock:
            release, self._release = self._release, ExitStack()
        release.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- the workers' side ---
    def _admit(self) -> bool:
        return self._rollout is None or not self._rollout.max_fail.exceeded(len(self._failed), len(self._results))

    def _tell(self, event: Event) -> None:
        if isinstance(event, Changed):
            with self._lock:
                if event.result.state is not State.PENDING:
                    self._unsent.discard(event.host)
                (self._failed.add if _failure(event.result) else self._failed.discard)(event.host)
        self._events.put(event)

    def _more(self) -> bool:
        """Whether a later batch is to get the job; who pauses before it looks whether that was called off meanwhile."""
        if self._pool.waiting and not self._admit():
            self.stop_dispatching("max-fail")
        if self._pool.waiting and not self._awaited.pending():
            self._called_off()
        return self._pool.waiting > 0

    def _refuse(self, names: Sequence[str], kind: str) -> None:
        for name in names:
            self._pursuits[name].change(HostResult(State.NOT_STARTED, problem=NEVER_SENT[kind]))
            self._done(name)

    def _part(self, name: str) -> Part:
        return self._pursuits.get(name) or self._searches[name]

    def _done(self, name: str) -> None:
        """Where a host was asked whether it has the job, and has it, its end is waited for; else it is done."""
        search = self._searches.get(name)
        if name not in self._pursuits and search is not None and search.found is not None:
            result, answers = search.found
            with self._lock:
                self.job = described(self.job, answers)
                self._results[name] = result
                if not result.settled:
                    self._pursuits[name] = self._pursuit(name, result)
            self._tell(Changed(name, result))
            if not result.settled:
                self._pool.add(name)
                return
        with self._lock:
            self._left.pop(name, None)
            self._unsent.discard(name)
            over = not self._left
        if over:
            self._events.put(None)

    def _called_off(self) -> None:
        """Hosts that somebody has kept the job from are not contacted for it."""
        report = self._ledger.load(self.job.jid, outputs=False)
        ended = {name: result for name, result in report.results.items() if result.state.final} if report else {}
        for name in self._pool.drop(ended):
            self._pursuits[name].stand(ended[name])
            self._done(name)


def _failure(result: HostResult) -> bool:
    return result.failed or result.state in (State.UNREACHABLE, State.LOST, State.NOT_STARTED)
