"""One host of a run: sends it the job, takes its answers, and comes back to it after a lost connection."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from agentless.cache.scratch import Scratch, Spool
from agentless.errors import AgentlessError, CacheError, CarrierLost, HostError, NoSession, Refused, Unreachable
from agentless.model.answers import Accepted, JobAnswer, Output, Returned, Stated
from agentless.model.endpoint import Endpoint
from agentless.model.job import Job
from agentless.model.problem import Problem
from agentless.model.requests import FetchRequest, FollowRequest, Request, RunRequest, Wanted
from agentless.model.states import Dispatched, HostResult, State, settle
from agentless.runner.awaited import EVERY, Awaited
from agentless.runner.contact import CARRIERS, MENDED_BY_WAITING, Contact, problem_of
from agentless.runner.events import Changed, Event
from agentless.runner.homecoming import Homecoming, Ledger
from agentless.runner.host_call import HostCall
from agentless.runner.reading import Answer
from agentless.runner.rollout import Rollout
from agentless.runner.writing import write
from agentless.values import dataclass

__all__ = ["Errand", "Pursuit"]

# The helper cannot have got the request.
NOT_ARRIVED = frozenset({"become", "no-python"})
# While there is nothing to do but wait for the next batch: whether that was called off.
LOOK_EVERY = 1.0
# Between an answer that it runs, and following it.
FOLLOW_AFTER = 0.2
# Refusals by which the host says that no request of this dispatch has started, nor can start, the job.
NEVER_RAN = ("never-arrived", "same-host")


@dataclass(frozen=True, slots=True)
class Errand:
    """What a run wants of each of its hosts, and where it is told what became of it.

    Args:
        job: the job.
        rollout: what to send to a host that the job was not sent to; None only follows.
        contact: how to ask, and in whose name.
        ledger: where results are kept.
        live, once: as of `Run`.
        patience: seconds for which a host that may have the job is tried again, before it is called unreachable.
        awaited: tells when the run that is to send the job, another one, has done so.
        left: set when the run is left.
        tell: takes each event: output, or another state.
        follows: called with the host's name once it has the job, so that its place goes to another host.
        called_off: called when the job was to be sent to a host, and a signal has ended it before.
        more: whether hosts of later batches are still to get the job.
    """

    job: Job
    rollout: Rollout | None
    contact: Contact
    ledger: Ledger
    live: bool
    once: bool
    patience: float
    awaited: Awaited
    left: threading.Event
    tell: Callable[[Event], None]
    follows: Callable[[str], None]
    called_off: Callable[[], None]
    more: Callable[[], bool]

    @property
    def cap(self) -> int:
        """Bytes of each stream that a host's record keeps."""
        return (self.rollout.spec.cap if self.rollout else None) or self.contact.cap


class _Heard:
    """How far the live output was heard, and the beginning of it that a record may consist of."""

    __slots__ = ("_cap", "at", "kept")

    def __init__(self, cap: int, scratch: Scratch) -> None:
        self._cap = cap
        self.at = [0, 0]
        self.kept = (Spool(scratch), Spool(scratch))

    def take(self, output: Output) -> None:
        """Beyond the cap the host sends the record itself, so no more than that is kept."""
        index = output.stream - 1
        if output.at == len(self.kept[index]) < self._cap:
            self.kept[index].write(output.data)
        self.at[index] = output.at + output.dropped + len(output.data)


class Pursuit:
    """A host's part of a run, call by call (`fanout.Part`); its `result` can be read from any thread.

    Args:
        host: its inventory name.
        result: where it stands before the first contact.
        endpoint: the way to it.
        errand: what is wanted of it.
        wanted: other jobs whose ends are waited for from it.
    """

    def __init__(
        self, host: str, result: HostResult, endpoint: Endpoint, errand: Errand, wanted: Sequence[Wanted]
    ) -> None:
        self.host = host
        self.result = result
        self._endpoint = endpoint
        self._places_asked = [endpoint.place]
        self._asks_again = False
        self._errand = errand
        self._wanted = wanted
        self._nonce = result.nonce or os.urandom(8).hex()
        self._heard = _Heard(errand.cap, errand.contact.cache.scratch)
        self._home: Homecoming | None = None
        self._before = result.dispatched
        self._out_of_reach_since: float | None = None
        self._carriers_lost = 0
        self._rests_until: float | None = None

    # --- as of fanout.Part ---
    def next(self) -> HostCall | float | None:
        """The next call, until the host's part is settled or the run is left."""
        errand = self._errand
        if errand.left.is_set():
            return None
        if self._rests_until is not None:
            return self._rest()
        if errand.rollout is None and self.result.state is State.PENDING:
            if (pause := self._sent_by_another()) is not None:
                return pause
            if errand.once or self.result.settled or self.result.state is State.PENDING:
                return None
        self._before = self.result.dispatched
        if (no_way := self._endpoint.problem) is not None and self._sends():
            # A template that cannot be rendered for it makes no request either.
            self._refused(Refused(no_way.kind, no_way.message, no_way.hint))
            return None
        self._home = Homecoming(errand.ledger, self.host, errand.contact.learned)
        want = [job.at(self._endpoint.place) for job in self._wanted if job.jid != errand.job.jid]
        request = self._request()
        message = write(request, errand.contact.caller, want, self._home.seen())
        follows = isinstance(request, FollowRequest) or (isinstance(request, RunRequest) and not request.detach)
        return HostCall(self._endpoint, (message,), errand.cap, follows=follows)

    def ready(self) -> bool:
        """The request is about to be sent; False where the host must not get it."""
        return not self._errand.left.is_set() and (not self._sends() or self._may_send())

    def take(self, answer: Answer) -> None:
        """An answer has come: about this job, or about another one, which is brought home."""
        if isinstance(answer, JobAnswer) and answer.jid == self._errand.job.jid:
            self._take(answer)
        elif self._home is not None:
            self._home.take(answer)

    def over(self, error: HostError | None, *, reached: bool) -> float | None:
        """The call has ended; after how many seconds there is another one."""
        pause = self._over(error, reached=reached)
        return self._rest() if pause is None else pause

    def _rest(self) -> float | None:
        """Seconds for which the place in the batch is kept, where the job was here and others are still to get it."""
        rollout = self._errand.rollout
        if rollout is None or not rollout.rest or self.result.dispatched is Dispatched.NO or not self.result.settled:
            return None
        now = time.monotonic()
        if self._rests_until is None:
            self._rests_until = now + rollout.rest
        left = self._rests_until - now
        return min(left, LOOK_EVERY) if left > 0 and not self._errand.left.is_set() and self._errand.more() else None

    def _over(self, error: HostError | None, *, reached: bool) -> float | None:
        never_sent = isinstance(error, NoSession) or (isinstance(error, Unreachable) and error.kind in NOT_ARRIVED)
        if (never_sent or not reached) and self.result.dispatched is not self._before and not self.result.settled:
            self._note(replace(self.result, dispatched=self._before))
        if error is None:
            self._carriers_lost = 0
            if self._asks_again:
                self._asks_again = False
                return 0.0
            # What was asked told that it runs; whatever the first answer was, its end is waited for.
            ended = self.result.state is not State.RUNNING or self._errand.once or self._accepted()
            return None if self._errand.left.is_set() or ended else FOLLOW_AFTER
        if isinstance(error, Refused):
            self._refused(error)
            return None
        # A connection that breaks behind what it was for takes nothing from that.
        if self._errand.left.is_set() or self.result.state.final or self._accepted():
            return None
        if isinstance(error, CarrierLost):
            self._carriers_lost += 1
            if self._carriers_lost <= CARRIERS:
                # Of the host nothing is known to be wrong: it is asked again at once, and has the nonce.
                return 0.0
        return self._unreachable(error)

    def _asks_the_login_user(self) -> bool:
        """Ask once more as who logs in, where who is become by now denies a job that was not sent to that user."""
        endpoint = replace(self._endpoint, become=None)
        if self._endpoint.become is None or not self.result.place or self.result.place in self._places_asked:
            return False
        self._endpoint = endpoint
        self._places_asked.append(endpoint.place)
        self._asks_again = True
        return True

    def _refused(self, error: Refused) -> None:
        # What fails once the job was accepted is not the job's start.
        if self.result.state.final or self._accepted():
            return
        # It says that the job never ran only where no request of ours may have started it, this one included.
        unsent = self._before is Dispatched.NO and self.result.dispatched is not Dispatched.YES
        never = unsent or error.kind in NEVER_RAN
        if never:
            refused = replace(self.result, state=State.NOT_STARTED, dispatched=Dispatched.NO)
        else:
            refused = replace(self.result, state=State.UNREACHABLE)
        self.change(replace(refused, problem=problem_of(error)))

    def _unreachable(self, error: HostError) -> float | None:
        now = time.monotonic()
        if self._out_of_reach_since is None or self.result.state is not State.UNREACHABLE:
            self._out_of_reach_since = now
        self.change(replace(self.result, state=State.UNREACHABLE, problem=problem_of(error)))
        given_up = now - self._out_of_reach_since >= self._errand.patience
        if given_up or self.result.dispatched is Dispatched.NO or error.kind not in MENDED_BY_WAITING:
            return None
        from random import uniform

        return uniform(0.5, 3.0)

    def failed(self, error: BaseException) -> None:
        """Whatever fails besides (a cache that cannot be written, a defect of ours) makes the host unreachable: it must
        not look as if it were still running."""
        if isinstance(error, AgentlessError):
            problem = Problem("controller", error.message, error.hint)
        else:
            problem = Problem("internal", f"{type(error).__name__}: {error}", "The job itself may go on.")
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
        self.result = replace(self.result, state=State.UNREACHABLE, ret=None, problem=problem)
        self._errand.tell(Changed(self.host, self.result))

    def change(self, result: HostResult) -> None:
        """Record where the host stands now, and tell it."""
        self._note(result)
        self.stand(self.result)

    def stand(self, result: HostResult) -> None:
        """Where the host stands now is recorded; tell it."""
        self.result = result
        self._errand.tell(Changed(self.host, result))

    def _note(self, result: HostResult) -> None:
        """Record where the host stands; what was learned holds also where there is no room for it."""
        try:
            self._record(result)
        except CacheError as error:
            self.result = result
            if result.settled:
                self._errand.ledger.warn(
                    f"{self.host}: {result.state.value}, which is not in the job cache: {error.message}"
                )

    def _record(self, result: HostResult) -> bool:
        """Record where the host stands; False where it had ended without the job having been sent to it."""
        jid = self._errand.job.jid
        recorded = self._errand.ledger.record(jid, self.host, result)
        if recorded is not None or self.result.dispatched is not Dispatched.NO:
            self.result = recorded or result
            return True
        self.result = self._errand.ledger.result(jid, self.host) or result
        return False

    def _sent_by_another(self) -> float | None:
        """Seconds after which to look again whether the run that is to send the job has done so; None once it has."""
        errand = self._errand
        if errand.once:
            return None
        result = errand.awaited.look(self.host)
        if result is None:
            return None
        if result.state is State.PENDING:
            return EVERY
        self.stand(result)
        return None

    def _accepted(self) -> bool:
        """Whether the host has the job, and no more was wanted."""
        rollout = self._errand.rollout
        return rollout is not None and rollout.detach and self.result.state is State.RUNNING

    def _may_send(self) -> bool:
        """Record that the host may have the job from now on; False where it must not get it."""
        try:
            sent = replace(self.result, dispatched=Dispatched.MAYBE, nonce=self._nonce, place=self._endpoint.place)
            if self._record(sent):
                return True
        except CacheError as error:
            # A job that nobody could find again is not sent.
            problem = Problem("controller", f"not sent: {error.message}", error.hint)
            self.stand(replace(self.result, state=State.NOT_STARTED, problem=problem))
        else:
            self.stand(self.result)
            self._errand.called_off()
        return False

    def _sends(self) -> bool:
        return self._errand.rollout is not None and self.result.dispatched is not Dispatched.YES

    def _request(self) -> Request:
        errand, job, rollout = self._errand, self._errand.job, self._errand.rollout
        if rollout is not None and self._sends():
            return RunRequest(
                job, rollout.spec_for(self.host), self.host, self._nonce, live=errand.live, detach=rollout.detach
            )
        if self.result.dispatched is Dispatched.MAYBE:
            wanted = Wanted.of(job.jid, self.result, held=self._errand.ledger.is_held(job.jid))
            return FetchRequest((wanted.at(self._endpoint.place),))
        at = self._heard.at
        return FollowRequest(job.jid, self.result.nonce, (at[0], at[1]), live=errand.live, once=errand.once)

    def _take(self, answer: JobAnswer) -> None:
        if isinstance(answer, Accepted):
            running = replace(
                self.result,
                state=State.RUNNING,
                dispatched=Dispatched.YES,
                nonce=self._nonce if self._sends() else self.result.nonce,
                pid=answer.pid,
                started=answer.started,
                problem=answer.warning,
            )
            self.change(running)
            self._errand.follows(self.host)
        elif isinstance(answer, Output):
            self._heard.take(answer)
            self._errand.tell(answer)
        elif isinstance(answer, (Returned, Stated)):
            answer_is_unknown = isinstance(answer, Stated) and answer.state == "unknown"
            if answer.streamed:
                out, err = self._heard.kept
                if isinstance(answer, Returned):
                    answer = replace(answer, ret=replace(answer.ret, out=out, err=err))
                elif answer.remains is not None:
                    answer = replace(answer, remains=replace(answer.remains, out=out, err=err))
            if answer_is_unknown and self._asks_the_login_user():
                return
            self.change(settle(self.result, answer, time.time(), self._places_asked))
            if not self.result.settled:
                self._errand.follows(self.host)
