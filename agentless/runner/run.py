"""A job on its way over the hosts: dispatch, follow, come back after a cut, and tell what happened as events."""

from __future__ import annotations

import os
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from typing import Any

from agentless.endpoint import Endpoint
from agentless.errors import AgentlessError, Refused, Unreachable
from agentless.job import Dispatched, HostResult, Problem, Report, State
from agentless.runner.contact import Contact, problem_of
from agentless.runner.fanout import FanOut
from agentless.runner.home import Homecoming, Ledger, Unrecorded, settle
from agentless.runner.order import Order, Threshold
from agentless.runner.session import Accepted, Answer, Chunk, Reply, Returned, Section, Session, Stated

__all__ = ["Changed", "Event", "Output", "Run"]

# How long a host that was reached once is tried again before it is called unreachable.
RECONNECT = 45.0

# The helper cannot have got the request.
NOT_ARRIVED = frozenset({"become", "no-python"})
# Trying again would only take time; and the same wrong password again may lock the account.
NOT_MENDED_BY_WAITING = NOT_ARRIVED | {"no-answer"}


@dataclass(frozen=True, slots=True)
class Output:
    """A piece of live output of one host. `stream` is 1 or 2; `dropped` bytes before `data` are gone (the cap)."""

    host: str
    stream: int
    data: bytes
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Changed:
    """A host of the job came into another state, or is about to be asked again (then with a `problem`)."""

    host: str
    result: HostResult


Event = Output | Changed


class _Heard:
    """How far the live output of a host was heard, and the beginning of it that a record may consist of."""

    __slots__ = ("_cap", "at", "kept")

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self.at = [0, 0]
        self.kept = (bytearray(), bytearray())

    def take(self, chunk: Chunk) -> None:
        """Beyond the cap the host sends the record itself, so no more than that is kept."""
        index = chunk.stream - 1
        if chunk.at == len(self.kept[index]) < self._cap:
            self.kept[index].extend(chunk.data)
        self.at[index] = chunk.at + chunk.dropped + len(chunk.data)


class Run:
    """A job on its hosts, as an iterator of its events; it can be left at any time, and the job goes on.

    Iterating ends when every host is settled, or `wait` seconds are over and every host has the job (hosts of later
    batches have not). A KeyboardInterrupt that hits the waiting leaves the Run usable: iterate again, or look at
    `report()`.

    Args:
        report: the job, and where each host stands before the first contact.
        endpoints: the hosts to contact, where they are not settled.
        contact: how to reach them, and where what they tell is kept.
        known: the job is in the cache; of one that is not, nothing is kept.
        cap: bytes of each stream that a host's record keeps.
        order: what to send to hosts that the job was not sent to; None only follows.
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
        cap: int,
        known: bool = True,
        order: Order | None = None,
        live: bool = False,
        once: bool = False,
        wait: float | None = None,
        release: Callable[[], object] = lambda: None,
    ) -> None:
        self.job = job = report.job
        self._results = dict(report.results)
        self._endpoints = endpoints
        self._connector = contact.connector
        self._base = contact.base
        self._ledger: Ledger = contact.cache if known else Unrecorded()
        self._order = order
        self._live = live
        self._once = once
        self._cap = cap
        self._release = ExitStack()
        self._release.callback(release)
        self._until = None if wait is None else time.monotonic() + wait
        self._patience = RECONNECT if wait is None else wait
        self._lock = threading.Lock()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._sessions: dict[str, Session] = {}
        self._closed = threading.Event()
        self._nonces = {name: result.nonce or os.urandom(8).hex() for name, result in self._results.items()}
        self._todo = [name for name, result in self._results.items() if name in endpoints and not result.settled]
        self._left = set(self._todo)
        self._wanted = self._ledger.wanted(
            self._todo, lambda other: (other.login, other.become) == (job.login, job.become)
        )
        self._heard: dict[str, _Heard] = {}
        order_batch = order.batch if order else None
        self._pool = FanOut(self._todo, self._work, forks=contact.forks, batch=order_batch, admit=self._admit)
        if not self._todo:
            self._events.put(None)
        self._pump()

    # --- the consumer's side ---
    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        try:
            event = self._events.get(timeout=self._timeout())
        except queue.Empty:
            if not self._dispatching():
                raise StopIteration from None
            event = self._events.get()
        if event is None:
            self._events.put(None)
            raise StopIteration
        return event

    def _timeout(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - time.monotonic())

    def _dispatching(self) -> bool:
        """Whether hosts still have to get the job, which the end of the waiting does not keep from them."""
        if self._order is None or self._order.batch is not None:
            return False
        with self._lock:
            return any(self._results[name].state is State.PENDING for name in self._left)

    def waiting_for(self) -> tuple[str, ...]:
        """The hosts that are still being waited for, in the job's order."""
        with self._lock:
            return tuple(name for name in self._todo if name in self._left)

    def report(self, *, interrupted: bool = False) -> Report:
        """Where every host stands now."""
        with self._lock:
            results = dict(self._results)
        detached = self._order is not None and self._order.detach
        return Report(self.job, results, interrupted=interrupted, detached=detached)

    def stop_dispatching(self, kind: str = "interrupted") -> None:
        """Hosts that the job was not sent to yet become `not-started`, of this kind."""
        self._refuse(self._pool.stop(), kind)

    def close(self) -> None:
        """Let go of connections and lock; the job goes on where it runs."""
        self._closed.set()
        self._pool.stop()
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.close()
        self._let_go()

    def _let_go(self) -> None:
        with self._lock:
            release, self._release = self._release, ExitStack()
        release.close()

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # --- the workers' side ---
    def _pump(self) -> None:
        self._refuse(self._pool.pump(), "max-fail")

    def _admit(self) -> bool:
        if self._order is None or self._order.max_fail == Threshold():
            return True
        with self._lock:
            failures = sum(_failure(result) for result in self._results.values())
        return not self._order.max_fail.exceeded(failures, len(self._results))

    def _refuse(self, names: Sequence[str], kind: str) -> None:
        for name in names:
            self._change(name, HostResult(State.NOT_STARTED, problem=NEVER_SENT[kind]))
            self._done(name)

    def _work(self, name: str) -> None:
        try:
            self._pursue(name)
        except BaseException as error:  # noqa: BLE001 - whatever it is, a thread must not end unseen
            # A cache that cannot be written, or a defect of ours: the host must not look as if it were still running.
            self._give_up(name, error)
        finally:
            self._pool.finished(name)
            self._done(name)
            self._pump()

    def _give_up(self, name: str, error: BaseException) -> None:
        if isinstance(error, AgentlessError):
            problem = Problem("controller", error.message, error.hint)
        else:
            problem = Problem("internal", f"{type(error).__name__}: {error}", "The job itself may go on.")
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
        with self._lock:
            result = replace(self._results[name], state=State.UNREACHABLE, ret=None, problem=problem)
            self._results[name] = result
        self._events.put(Changed(name, result))

    def _done(self, name: str) -> None:
        with self._lock:
            self._left.discard(name)
            over = not self._left
        if over:
            self._events.put(None)

    def _pursue(self, name: str) -> None:
        """Contact the host until its part is settled, it has been out of reach for too long, or the Run is left."""
        out_of_reach_since: float | None = None
        while not self._closed.is_set():
            earlier = self._results[name].dispatched
            try:
                self._contact(name)
                return
            except Refused as error:
                # It says that the job never ran only where no earlier request of ours may have started it.
                never = earlier is Dispatched.NO or error.kind in NEVER_RAN
                if never:
                    refused = replace(self._results[name], state=State.NOT_STARTED, dispatched=Dispatched.NO)
                else:
                    refused = replace(self._results[name], state=State.UNREACHABLE)
                self._change(name, replace(refused, problem=problem_of(error)))
                return
            except Unreachable as error:
                if self._closed.is_set():
                    return
                now = time.monotonic()
                if out_of_reach_since is None or self._results[name].state is not State.UNREACHABLE:
                    out_of_reach_since = now
                self._problem(name, problem_of(error))
                if self._results[name].dispatched is Dispatched.NO or now - out_of_reach_since >= self._patience:
                    return
                if error.kind in NOT_MENDED_BY_WAITING:
                    return
                self._closed.wait(random.uniform(0.5, 3.0))

    def _contact(self, name: str) -> None:
        with closing(self._connector.connect(self._endpoints[name])) as link:
            before = self._results[name]
            home = Homecoming(self._ledger, name)
            request = {**self._request(name), **home.request()}
            session = Session(link, self._endpoints[name], request, self._sections(name), patient=True)
            with self._lock:
                self._sessions[name] = session
            try:
                if self._closed.is_set():
                    return
                if self._sends(before):
                    self._record(name, replace(before, dispatched=Dispatched.MAYBE, nonce=self._nonces[name]))
                for answer in session.answers():
                    if getattr(answer, "jid", self.job.jid) == self.job.jid and not isinstance(answer, Reply):
                        self._take(name, answer)
                    else:
                        home.take(answer)
            except Unreachable as error:
                if error.kind in NOT_ARRIVED:
                    self._record(name, replace(self._results[name], dispatched=before.dispatched))
                raise
            finally:
                session.close()
                with self._lock:
                    self._sessions.pop(name, None)

    def _sends(self, result: HostResult) -> bool:
        return self._order is not None and result.dispatched is not Dispatched.YES

    def _sections(self, name: str) -> Sequence[Section]:
        return self._order.sections if self._order is not None and self._sends(self._results[name]) else ()

    def _request(self, name: str) -> dict[str, Any]:
        request = {
            **self._base,
            "want": [{"jid": jid, "nonce": nonce} for jid, nonce in self._wanted.get(name, ()) if jid != self.job.jid],
        }
        request["jid"] = self.job.jid
        result = self._results[name]
        if self._order is not None and self._sends(result):
            return {
                **request,
                **self._order.request,
                "op": "run",
                "fun": self._order.function,
                "arg": list(self._order.arguments),
                "tgt": self.job.target,
                "tgt_type": "compound",
                "user": self.job.user,
                "metadata": dict(self.job.metadata),
                "schedule": self.job.schedule,
                "nonce": self._nonces[name],
                "host": name,
                "live": self._live,
                "detach": self._order.detach,
            }
        if result.dispatched is Dispatched.MAYBE:
            return {**request, "op": "fetch", "jobs": [{"jid": self.job.jid, "nonce": result.nonce, "maybe": True}]}
        at = self._heard[name].at if name in self._heard else [0, 0]
        return {**request, "op": "follow", "at": at, "live": self._live, "once": self._once}

    def _take(self, name: str, answer: Answer) -> None:
        if isinstance(answer, Accepted):
            running = replace(
                self._results[name],
                state=State.RUNNING,
                dispatched=Dispatched.YES,
                nonce=self._nonces[name],
                pid=answer.pid,
                started=answer.started,
                problem=answer.warning,
            )
            self._change(name, running)
            self._pool.release(name)
            self._pump()
        elif isinstance(answer, Chunk):
            self._output(name, answer)
        elif isinstance(answer, (Returned, Stated)):
            if isinstance(answer, Returned) and answer.streamed:
                out, err = self._heard[name].kept if name in self._heard else (b"", b"")
                answer = replace(answer, ret=replace(answer.ret, stdout=bytes(out), stderr=bytes(err)))
            self._change(name, settle(self._results[name], answer))
            if not self._results[name].settled:
                self._pool.release(name)
                self._pump()

    def _output(self, name: str, chunk: Chunk) -> None:
        self._heard.setdefault(name, _Heard(self._cap)).take(chunk)
        self._events.put(Output(name, chunk.stream, chunk.data, chunk.dropped))

    def _problem(self, name: str, problem: Problem) -> None:
        self._change(name, replace(self._results[name], state=State.UNREACHABLE, problem=problem))

    def _change(self, name: str, result: HostResult) -> None:
        self._record(name, result)
        self._events.put(Changed(name, result))

    def _record(self, name: str, result: HostResult) -> None:
        self._ledger.record(self.job.jid, name, result)
        with self._lock:
            self._results[name] = result


# Refusals by which the host says that no request of this dispatch has started, nor can start, the job.
NEVER_RAN = ("never-arrived", "same-host")
NEVER_SENT = {
    "max-fail": Problem(
        "max-fail", "not sent: too many hosts had failed before", "Raise --max-fail, or mend those first."
    ),
    "interrupted": Problem("interrupted", "not sent: the run was interrupted before", ""),
}


def _failure(result: HostResult) -> bool:
    return result.failed or result.state in (State.UNREACHABLE, State.LOST, State.NOT_STARTED)
