"""What hosts are asked, as values: one type for each operation of the helper."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.job_spec import JobSpec
from agentless.model.states import Dispatched, HostResult
from agentless.values import dataclass

__all__ = [
    "Caller",
    "FetchRequest",
    "FindRequest",
    "FollowRequest",
    "GetRequest",
    "PingRequest",
    "PurgeRequest",
    "PushRequest",
    "PutRequest",
    "Request",
    "RunRequest",
    "RunningRequest",
    "ScheduledJob",
    "ShowRequest",
    "SignalRequest",
    "Wanted",
]


@dataclass(frozen=True, slots=True)
class Caller:
    """In whose name every request is made.

    Args:
        controller: `USER@CONTROLLER`.
        keep_returns: hours for which hosts keep what is started now.
        keep_bytes: bytes of records that hosts keep.
    """

    controller: str
    keep_returns: float
    keep_bytes: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """A job that a host is asked about.

    Args:
        jid: the job.
        nonce: of the dispatch that is meant; empty where any is.
        maybe: the request may never have arrived; where the host knows nothing of it, it makes sure of that for good.
        place: where on the host it was sent to (`Endpoint.place`); empty where that is not known.
    """

    jid: JID
    nonce: str = ""
    maybe: bool = False
    place: str = ""

    @classmethod
    def of(cls, jid: JID, result: HostResult, *, held: bool) -> Wanted:
        """The job as it is asked about where a host stands like that.

        Args:
            held: its run lives: its request may just be on its way, and nobody else calls that off.
        """
        return cls(jid, result.nonce, result.dispatched is Dispatched.MAYBE and not held, result.place)

    def at(self, place: str) -> Wanted:
        """As it is asked about at this place: one that was sent to another one is not called off there."""
        return replace(self, maybe=self.maybe and self.place in ("", place))


@dataclass(frozen=True, slots=True)
class RunRequest:
    """Start a job, at most once, and follow it.

    Args:
        job: whose part this host is to run.
        spec: what the job is.
        host: the inventory name.
        nonce: of this job and host; the same again is a repeat, another one under this JID a collision.
        live: stream the output while it grows.
        detach: leave as soon as the job is accepted.
    """

    job: Job
    spec: JobSpec
    host: str
    nonce: str
    live: bool = False
    detach: bool = False


@dataclass(frozen=True, slots=True)
class FollowRequest:
    """Attach to a job again: its output from the offsets `at` on, then its end.

    `nonce` is of the dispatch that is meant, empty where any is; `once` stops at the end of the output so far.
    """

    jid: JID
    nonce: str = ""
    at: tuple[int, int] = (0, 0)
    live: bool = False
    once: bool = False


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """What is known of some jobs, now; with `describe` also what each is."""

    jobs: tuple[Wanted, ...]
    describe: bool = False


@dataclass(frozen=True, slots=True)
class RunningRequest:
    """All jobs that run."""


@dataclass(frozen=True, slots=True)
class FindRequest:
    """Whether a job runs.

    Args:
        nonce: of its dispatch to this host: what the host runs under the JID by another name is not meant. Empty where
            this controller does not know it, for any.
    """

    jid: JID
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class PingRequest:
    """Who answers."""


@dataclass(frozen=True, slots=True)
class SignalRequest:
    """Signal a job's whole tree; `by` is `USER@CONTROLLER`, whom the return names; `nonce` as of `FindRequest`."""

    jid: JID
    signal: int
    by: str
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class ScheduledJob:
    """An entry of a schedule, as a host that fires it has it.

    Args:
        timing: when it fires, as remote/evaluator.py takes it; `name` is the entry's.
        since: Unix seconds from which a new or changed entry counts, the same for all hosts.
        spec: what a fire runs.
        target: the entry's target.
        hosts: all hosts of that target.
        said: when, as the file writes it: text by key, for whoever reads it on the host.
        jid_include: false leaves `maxrunning` uncounted.
        return_job: True; False, nothing comes home; or `nocache`, it comes home and is not kept.
    """

    timing: Mapping[str, object]
    since: int
    spec: JobSpec
    target: str
    hosts: tuple[str, ...]
    jid_include: bool = True
    return_job: bool | str = True
    said: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.timing["name"])


@dataclass(frozen=True, slots=True)
class PushRequest:
    """Bring a host's schedule to what the file says; `check` only tells what would change.

    Args:
        host: the inventory name.
        user: who pushes, on the controller.
        login, become: as those of a job that is sent now.
        local: the host is reached without SSH: what the helper has in its environment is the caller's.
        cap: bytes of each output stream that a record keeps.
        entries: what the host is to fire, all of it.
        zones: by name, the tables of the time zones that the entries name.
    """

    host: str
    user: str
    login: str | None
    become: str | None
    local: bool
    cap: int
    check: bool
    entries: tuple[ScheduledJob, ...]
    zones: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ShowRequest:
    """What a host has of its schedule: `plan` fires to come of each entry, `log` events, the newest."""

    plan: int
    log: int


@dataclass(frozen=True, slots=True)
class PurgeRequest:
    """Take the schedule and its line in the crontab away; `check` only tells what would go."""

    check: bool


@dataclass(frozen=True, slots=True)
class PutRequest:
    """Take files.

    Args:
        path: where they go on the host: absolute, from the home, or `~` and `~NAME`.
        into: it is a directory; else it is the file's own place, unless a directory is there.
        make: make it, and the directories above it, where it is missing.
        stream: makes what follows on stdin, as remote/put.py has it, anew for each try.
    """

    path: str
    into: bool
    make: bool
    stream: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True)
class GetRequest:
    """Give files.

    Args:
        sources: paths on the host, which may have wildcards; each with whether it is a directory whose content is
            meant, without its name.
    """

    sources: tuple[tuple[str, bool], ...]


Request = (
    RunRequest
    | FollowRequest
    | FetchRequest
    | RunningRequest
    | FindRequest
    | PingRequest
    | SignalRequest
    | PushRequest
    | ShowRequest
    | PurgeRequest
    | PutRequest
    | GetRequest
)
