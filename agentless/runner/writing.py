"""Requests as the helper reads them; remote/wire.py says what each field is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from functools import lru_cache
from typing import Any

from agentless.digests import sha256
from agentless.model import requests
from agentless.model.job import Job
from agentless.model.job_spec import JobSpec
from agentless.model.requests import Caller, Request, ScheduledJob, Wanted
from agentless.remote import wire
from agentless.values import dataclass

__all__ = ["Message", "entry_fields", "job_fields", "write"]

# With the rest it stays on the command line, which is one round trip less.
HOSTS_MAX = 12 << 10


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it travels: the fields of its JSON object, and the bytes that follow on stdin.

    These are sections by name (`env` in JSON, `script`, `stdin`, or a file of a schedule), which no `ps` shows, or a
    stream that has its own end; `pieces` gives them.
    """

    fields: Mapping[str, Any]
    sections: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    stream: Callable[[], Iterator[bytes]] | None = None

    @property
    def sections_len(self) -> int:
        """Bytes of the sections; -1 of a stream."""
        return sum(map(len, self.sections.values())) if self.stream is None else -1

    def pieces(self) -> Iterator[bytes]:
        """What follows on stdin."""
        yield from self.sections.values()
        if self.stream is not None:
            yield from self.stream()


def write(
    request: Request, caller: Caller, want: Sequence[Wanted] = (), seen: Mapping[str, int] | None = None
) -> Message:
    """One request.

    Args:
        caller: in whose name.
        want: other jobs whose ends the host is to tell.
        seen: how far the sequences of its schedule's fires were seen; None asks for none of them.
    """
    operation, fields, sections = _fields(request)
    message = {
        "op": operation,
        "controller": caller.controller,
        "keep_returns": caller.keep_returns,
        "keep_bytes": caller.keep_bytes,
        "want": [_want(one) for one in want],
        "sections": [[name, len(data)] for name, data in sections.items()],
        **fields,
    }
    if seen is not None:
        message["seen"] = dict(seen)
    return Message(message, sections, request.stream if isinstance(request, requests.PutRequest) else None)


def _want(one: Wanted) -> dict[str, object]:
    # Fifty of them still fit into the command line.
    return {"jid": one.jid, "nonce": one.nonce, **({"maybe": True} if one.maybe else {})}


def _fields(request: Request) -> tuple[str, dict[str, object], dict[str, bytes]]:
    """The helper's word for what is asked, the fields of its own, and the sections."""
    match request:
        case requests.RunRequest():
            return "run", _run(request), {**_env(request.spec.env), **_files(request.spec)}
        case requests.FollowRequest(jid, nonce, at, live, once):
            return "follow", {"jid": jid, "nonce": nonce or None, "at": list(at), "live": live, "once": once}, {}
        case requests.FetchRequest(jobs, describe):
            wanted = [{"jid": one.jid, "nonce": one.nonce or None, "maybe": one.maybe} for one in jobs]
            return "fetch", {"jobs": wanted, "describe": describe}, {}
        case requests.RunningRequest():
            return "running", {}, {}
        case requests.FindRequest(jid, nonce):
            return "find", {"jid": jid, "nonce": nonce or None}, {}
        case requests.PingRequest():
            return "ping", {}, {}
        case requests.SignalRequest(jid, signal, by, nonce):
            return "signal", {"jid": jid, "nonce": nonce or None, "signal": signal, "by": by}, {}
        case requests.PushRequest():
            return "schedule", *_push(request)
        case requests.ShowRequest(plan, log):
            return "schedule", {"do": "show", "plan": plan, "log": log}, {}
        case requests.PurgeRequest(check):
            return "schedule", {"do": "purge", "check": check}, {}
        case requests.PutRequest(path, into, make):
            return "put", {"path": path, "into": into, "make": make}, {}
        case requests.GetRequest(sources):
            return "get", {"sources": [{"path": path, "inside": inside} for path, inside in sources]}, {}


def job_fields(spec: JobSpec, target: str) -> dict[str, object]:
    """What a job is, as a run and the entries of a schedule send it: the fields `wire.JOB`."""
    named_otherwise = {
        "fun": spec.function,
        "arg": list(spec.arguments),
        "tgt": target,
        "metadata": dict(spec.metadata),
        "returners": list(spec.returners),
        "script_args": list(spec.script.arguments) if spec.script else None,
    }
    return {key: named_otherwise[key] if key in named_otherwise else getattr(spec, key) for key in wire.JOB}


def _push(request: requests.PushRequest) -> tuple[dict[str, object], dict[str, bytes]]:
    keys = ("host", "user", "cap", "login", "become", "local", "check", "zones")
    fields = {key: getattr(request, key) for key in keys}
    fields["entries"] = [entry_fields(entry) for entry in request.entries]
    env = {entry.name: dict(entry.spec.env) for entry in request.entries if entry.spec.env}
    sections = _env(env)
    if not request.check:
        files = {_digest(data): data for entry in request.entries for data in _files(entry.spec).values()}
        sections |= {name: files[name] for name in sorted(files)}
    return {"do": "push", **fields}, sections


def entry_fields(entry: ScheduledJob) -> dict[str, object]:
    """An entry of a schedule; a script and an input travel as files, and are named by their hashes."""
    job = {
        **job_fields(entry.spec, entry.target),
        "hosts": _told_hosts(entry.hosts),
        "jid_include": entry.jid_include,
        "return_job": entry.return_job,
        **{key: _digest(data) for key, data in _files(entry.spec).items()},
    }
    return {**entry.timing, "since": entry.since, "said": dict(entry.said), "job": job}


def _files(spec: JobSpec) -> dict[str, bytes]:
    files = {"script": spec.script.data if spec.script else None, "stdin": spec.stdin}
    return {key: data for key, data in files.items() if data is not None}


@lru_cache(maxsize=1000)
def _digest(data: bytes) -> str:
    """Asked for each host of a push, of the same few files."""
    return sha256(data).hexdigest()


def _told_hosts(names: Sequence[str]) -> list[str] | None:
    """All hosts of a job, for whoever learns of it from one of them; None where that is too much to tell each."""
    return list(names) if sum(map(len, names)) <= HOSTS_MAX else None


def _run(request: requests.RunRequest) -> dict[str, object]:
    job: Job = request.job
    return {
        **job_fields(request.spec, job.target),
        # Of a template as it was typed: what it came to may hold secrets, and differs between the job's hosts.
        "arg": list(job.arguments),
        "jid": job.jid,
        "nonce": request.nonce,
        "host": request.host,
        "tgt_type": "compound",
        "user": job.user,
        "schedule": job.schedule,
        "cap": request.spec.cap or wire.CAP,
        "live": request.live,
        "detach": request.detach,
        "hosts": _told_hosts(job.hosts),
        "login": job.login,
        "become": job.become,
    }


def _env(environment: Mapping[str, object]) -> dict[str, bytes]:
    return {"env": json.dumps(dict(environment)).encode("ascii")} if environment else {}
