"""Ask hosts something that is answered at once: one connection and one call each, bounded, answers as they come."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from typing import TypeVar

from agentless.cache import JobCache
from agentless.errors import AgentlessError, CarrierLost, HostError, Unreachable
from agentless.model.answers import JobAnswer, Returned
from agentless.model.endpoint import Endpoint
from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.problem import Problem
from agentless.model.requests import Caller, Request, Wanted
from agentless.runner import payload
from agentless.runner.events import next_of
from agentless.runner.fanout import Carrier, FanOut, Threads
from agentless.runner.homecoming import Homecoming, Learned
from agentless.runner.host_call import HostCall
from agentless.runner.reading import Answer
from agentless.runner.session import NOT_TWICE
from agentless.runner.spread import Spread
from agentless.runner.writing import write
from agentless.transport.channel import Connector
from agentless.values import dataclass

__all__ = ["CARRIERS", "MENDED_BY_WAITING", "Contact", "SingleCall", "Watch", "problem_of"]

# What another try can mend. A refused login is not tried twice: that locks accounts (pam_faillock, fail2ban).
MENDED_BY_WAITING = frozenset({"resolve", "connect", "connect-timeout", "throttled", "connection-lost"})

# How often in a row a call is made whose carrier was lost, before that is the host's problem.
CARRIERS = 3

V = TypeVar("V")
Watch = Callable[[Callable[[], Sequence[str]], int], AbstractContextManager[object]]


def in_order(order: Iterable[str], values: Mapping[str, V]) -> dict[str, V]:
    """The values by name, in this order of the names; names without a value are left out."""
    return {name: values[name] for name in order if name in values}


def problem_of(error: HostError) -> Problem:
    return Problem(error.kind, error.message, error.hint)


@dataclass(frozen=True, slots=True)
class Contact:
    """How to ask: over which connections, how many at once, and in whose name.

    Args:
        connector: opens connections.
        cache: what every contact brings home, answers about other jobs, is kept there.
        forks: calls in flight.
        caller: in whose name every request is made.
        cap: bytes of each output stream that records keep, where a job says nothing else.
        learned: the inventory's hosts of a job that a host tells of (`Selection.learned`).
        sent_alike: whether a job was sent as the user that is acted as now, so that its record lies where we look.
        watch: as of `Fleet`.
        spread: what carries calls out elsewhere than in threads of this process; None is nothing.
        meet: called with the hosts before they are contacted, where a person may be asked about unknown host keys.
    """

    connector: Connector
    cache: JobCache
    forks: int
    caller: Caller
    cap: int
    learned: Learned
    sent_alike: Callable[[Job], bool]
    watch: Watch
    spread: Spread | None = None
    meet: Callable[[Mapping[str, Endpoint]], None] = lambda endpoints: None

    def ask(
        self,
        endpoints: Mapping[str, Endpoint],
        request: Callable[[str], Request],
        *,
        about: Collection[JID] = (),
        both_users: bool = False,
        take: Callable[[str, Answer], bool] | None = None,
        shown: Callable[[str], str] = str,
    ) -> Iterator[tuple[str, list[Answer] | HostError]]:
        """Yield each host with its answers, or with why it gave none, as they come in.

        Args:
            endpoints: the hosts to ask.
            request: the request for a host; of one operation for all.
            about: the JIDs that the request is about: answers about others are brought home, not yielded.
            both_users: where a host is asked as another user (become), ask as the login user too: each has records
                of its own.
            take: given a host's answer as soon as it is there, whether it took it; else it is one of the answers. The
                calls are made by this process then, wherever others are: what goes back and forth is no value.
                Called by the threads of the hosts; a HostError that it raises ends that host's call. Should the process
                that holds the connection end, the host is asked anew, and answers from the start.
            shown: how a host that is waited for is named.
        """
        self.meet(endpoints)
        payload.pack()
        wanted = self.cache.wanted(endpoints, self.sent_alike)
        left = dict.fromkeys(endpoints)
        parts: dict[str, SingleCall] = {}
        over: queue.SimpleQueue[str] = queue.SimpleQueue()

        def part(name: str) -> SingleCall:
            if name not in parts:
                parts[name] = SingleCall(
                    self,
                    endpoints[name],
                    partial(request, name),
                    wanted.get(name, ()),
                    about=about,
                    both_users=both_users,
                    take=None if take is None else partial(take, name),
                )
            return parts[name]

        carrier = self.carrier(endpoints) if take is None else Threads(self.connector, self.cache.scratch)
        pool = FanOut(list(endpoints), part, over.put, carrier, forks=self.forks)
        with self.watch(lambda: tuple(map(shown, tuple(left))), len(endpoints)):
            try:
                pool.pump()
                for _ in endpoints:
                    name = next_of(over)
                    del left[name]
                    try:
                        outcome: list[Answer] | HostError = parts.pop(name).result()
                    except HostError as error:
                        outcome = error
                    yield name, outcome
            finally:
                pool.close()

    def carrier(self, endpoints: Mapping[str, Endpoint]) -> Carrier:
        """What carries out calls on these hosts.

        Raises:
            UsageError: they cannot be made where they are to be.
        """
        if self.spread is not None and (carrier := self.spread.carrier(endpoints, self.forks)) is not None:
            return carrier
        return Threads(self.connector, self.cache.scratch)

    def gather(
        self,
        endpoints: Mapping[str, Endpoint],
        request: Callable[[str], Request],
        read: Callable[[str, list[Answer]], V],
        *,
        both_users: bool = False,
    ) -> tuple[dict[str, V], dict[str, Problem]]:
        """Ask hosts; what each answered, and why others gave no answer, both in the order of `endpoints`.

        Args:
            endpoints, request, both_users: as of `ask`.
            read: makes a value of a host's answers, as they come; a HostError that it raises is the host's problem.
        """
        values: dict[str, V] = {}
        problems: dict[str, Problem] = {}
        for name, answers in self.ask(endpoints, request, both_users=both_users):
            try:
                if isinstance(answers, HostError):
                    raise answers
                values[name] = read(name, answers)
            except HostError as error:
                problems[name] = problem_of(error)
        order = list(endpoints)
        return in_order(order, values), in_order(order, problems)


class SingleCall:
    """A host that is asked something once (`fanout.Part`); the arguments are those of `Contact.ask`.

    Args:
        request: makes what is asked.
        want: jobs whose ends it is to bring home.
    """

    def __init__(
        self,
        contact: Contact,
        endpoint: Endpoint,
        request: Callable[[], Request],
        want: Sequence[Wanted] = (),
        *,
        about: Collection[JID] = (),
        both_users: bool = False,
        take: Callable[[Answer], bool] | None = None,
    ) -> None:
        self._contact = contact
        self._endpoint = endpoint
        self._make_request = request
        self._request: Request | None = None
        self._want = [one.at(endpoint.place) for one in want if one.jid not in about]
        self._about = about
        # One directory belongs to one user; `~/` is each one's own.
        own = (endpoint.state_dir or "~/").startswith("~/")
        self._both_users = both_users and endpoint.become is not None and own
        self._taken_elsewhere = take or (lambda answer: False)
        self._tries = 0
        self._home = self._homecoming()
        self._answers: list[Answer] = []
        self._error: BaseException | None = None

    def _homecoming(self) -> Homecoming:
        return Homecoming(self._contact.cache, self._endpoint.name, self._contact.learned)

    def result(self) -> list[Answer]:
        """What the host answered, when its part is over.

        Raises:
            HostError: why it gave no answer.
        """
        if self._error is None:
            return self._answers
        if isinstance(self._error, AgentlessError):
            raise self._error
        # A defect of ours, or what only this host makes of it: the others are not to go without their answers.
        raise Unreachable("internal", f"{type(self._error).__name__}: {self._error}") from self._error

    def next(self) -> HostCall | float | None:
        begins = self._request is None
        request = self._request = self._request or self._make_request()
        self._home, self._answers = self._homecoming(), []
        seen, caller = self._home.seen(), self._contact.caller
        messages = [write(request, caller, self._want, seen)]
        if begins:
            self._tries = 1 if messages[0].fields["op"] in NOT_TWICE else CARRIERS
        if self._both_users:
            # The login user, asked beside another, has no word in what never arrived at that one.
            messages.append(write(request, caller, [replace(one, maybe=False) for one in self._want], seen))
        return HostCall(self._endpoint, tuple(messages), self._contact.cap)

    def ready(self) -> bool:
        return True

    def take(self, answer: Answer) -> None:
        if self._taken_elsewhere(answer):
            return
        if (isinstance(answer, JobAnswer) and answer.jid in self._about) or not self._home.take(answer):
            self._answers.append(answer)

    def over(self, error: HostError | None, *, reached: bool) -> float | None:
        self._tries -= 1
        if isinstance(error, CarrierLost) and self._tries > 0:
            return 0.0
        # The end of the job that it is about holds, however the connection ended.
        if not any(isinstance(answer, Returned) for answer in self._answers):
            self._error = error
        return None

    def failed(self, error: BaseException) -> None:
        self._error = error
        if not isinstance(error, AgentlessError):
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
