"""Ask hosts something that is answered at once: one connection and one call each, bounded, answers as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import replace
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
from agentless.runner.fanout import fan_out
from agentless.runner.homecoming import Homecoming, Learned
from agentless.runner.reading import Answer
from agentless.runner.session import NOT_TWICE, Session
from agentless.runner.writing import operation, write
from agentless.transport.channel import Connector
from agentless.values import dataclass

__all__ = ["MENDED_BY_WAITING", "Contact", "Watch", "problem_of"]

# What another try can mend. A refused login is not tried twice: that locks accounts (pam_faillock, fail2ban).
MENDED_BY_WAITING = frozenset({"resolve", "connect", "connect-timeout", "throttled", "connection-lost"})

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
        watch: makes the context manager that is entered around each request to many hosts. It gets `waiting()`, which
            lists the hosts that have not answered, and the number of all.
    """

    connector: Connector
    cache: JobCache
    forks: int
    caller: Caller
    cap: int
    learned: Learned
    sent_alike: Callable[[Job], bool]
    watch: Watch

    def ask(
        self,
        endpoints: Mapping[str, Endpoint],
        request: Callable[[str], Request],
        *,
        about: Collection[JID] = (),
        both_users: bool = False,
        take: Callable[[str, Answer], bool] = lambda host, answer: False,
        shown: Callable[[str], str] = str,
    ) -> Iterator[tuple[str, list[Answer] | HostError]]:
        """Yield each host with its answers, or with why it gave none, as they come in.

        Args:
            endpoints: the hosts to ask.
            request: the request for a host; of one operation for all.
            about: the JIDs that the request is about: answers about others are brought home, not yielded.
            both_users: where a host is asked as another user (become), ask as the login user too: each has records
                of its own.
            take: given a host's answer as soon as it is there, whether it took it; else it is one of the answers.
                Called by the threads of the hosts; a HostError that it raises ends that host's call. Should the process
                that holds the connection end, the host is asked anew, and answers from the start.
            shown: how a host that is waited for is named.
        """
        payload.pack()
        wanted = self.cache.wanted(endpoints, self.sent_alike)
        left = dict.fromkeys(endpoints)

        def call(name: str) -> list[Answer]:
            return self.call(
                name,
                endpoints[name],
                request(name),
                wanted.get(name, ()),
                about=about,
                both_users=both_users,
                take=lambda answer: take(name, answer),
            )

        with self.watch(lambda: tuple(map(shown, tuple(left))), len(endpoints)):
            for name, outcome in fan_out(list(endpoints), call, forks=self.forks):
                del left[name]
                yield name, outcome

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

    def call(
        self,
        host: str,
        endpoint: Endpoint,
        request: Request,
        wanted: Sequence[Wanted] = (),
        *,
        about: Collection[JID] = (),
        both_users: bool = False,
        take: Callable[[Answer], bool] = lambda answer: False,
    ) -> list[Answer]:
        """Ask one host; the arguments are those of `ask`.

        Args:
            wanted: jobs whose ends it is to bring home.

        Raises:
            HostError: why it gave no answer.
        """
        want = [one for one in wanted if one.jid not in about]
        users = [endpoint]
        # One directory belongs to one user; `~/` is each one's own.
        if both_users and endpoint.become and (endpoint.state_dir or "~/").startswith("~/"):
            users.append(replace(endpoint, become=None))
        try:
            try:
                return self._answers(host, users, request, want, about, take)
            except CarrierLost:
                if operation(request) in NOT_TWICE:
                    raise
                return self._answers(host, users, request, want, about, take)
        except AgentlessError:
            raise
        except Exception as error:
            # A defect of ours, or what only this host makes of it: the others are not to go without their answers.
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, None)))
            raise Unreachable("internal", f"{type(error).__name__}: {error}") from error

    def _answers(
        self,
        host: str,
        users: Sequence[Endpoint],
        request: Request,
        want: Sequence[Wanted],
        about: Collection[str],
        take: Callable[[Answer], bool],
    ) -> list[Answer]:
        """The answers of one host to the users as whom it is asked; raises HostError."""
        answers: list[Answer] = []
        endpoint, *_ = users
        try:
            with closing(self.connector.connect(endpoint)) as link:
                for acting in users:
                    home = Homecoming(self.cache, host, self.learned)
                    # The login user, asked beside another, has no word in what never arrived at that one.
                    wanted = want if acting is endpoint else [replace(one, maybe=False) for one in want]
                    message = write(request, self.caller, wanted, home.seen())
                    for answer in Session(link, acting, message, self.cache.scratch, cap=self.cap).answers():
                        if take(answer):
                            continue
                        if (isinstance(answer, JobAnswer) and answer.jid in about) or not home.take(answer):
                            answers.append(answer)
        except HostError:
            # The end of the job that it is about holds, however the connection ended.
            if any(isinstance(answer, Returned) for answer in answers):
                return answers
            raise
        return answers
