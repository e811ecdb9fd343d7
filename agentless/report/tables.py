"""Results as tables: rows of cells laid out with tabulate, and the rows of each document.

Cells are made printable here: none can carry a newline or a control character.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import wraps
from typing import NamedTuple, ParamSpec

from agentless.hostlist import fold
from agentless.model.connections import Connections
from agentless.model.copies import Copies
from agentless.model.endpoint import Become, Endpoint
from agentless.model.jid import JID
from agentless.model.job import Job, Report
from agentless.model.output import StreamOutput
from agentless.model.problem import Problem
from agentless.model.process import Process
from agentless.model.results import (
    Active,
    ActiveJob,
    ExitSuccess,
    Found,
    Hosts,
    Listed,
    Pong,
    Running,
    Signalled,
)
from agentless.model.states import HostResult, State
from agentless.model.times import age, local
from agentless.regex import regex
from agentless.report.cells import cells, padded
from agentless.report.printable import one_line
from agentless.report.spelling import as_typed
from agentless.report.text import duration, states, word
from agentless.report.troubles import Trouble, troubles

P = ParamSpec("P")
Row = Sequence[str]


class Table(NamedTuple):
    """Rows of cells, and the headings above them."""

    headers: Row
    rows: Iterable[Row]


def headed(*headers: str) -> Callable[[Callable[P, Iterable[Row]]], Callable[P, Table]]:
    """Make a function that yields rows one that gives them as a `Table` under these headings."""

    def decorate(rows: Callable[P, Iterable[Row]]) -> Callable[P, Table]:
        @wraps(rows)
        def made(*arguments: P.args, **options: P.kwargs) -> Table:
            return Table(headers, rows(*arguments, **options))

        return made

    return decorate


class Reason(str):
    """A cell that says why there is nothing else to say of a host: on a terminal it is never cut."""

    __slots__ = ()


# Measured: tabulate takes 35 µs a row, which is 0.35 of the 0.5 s for `jobs list` of 10,000 jobs; str.format takes 1.5.
TABULATE_ROWS = 500
_GAP = "  "
# Characters of an output's first line: tables are laid out in memory.
_LINE = 4000


def table(headers: Row, rows: Iterable[Row]) -> str:
    """Aligned columns under headings, without lines; empty where there are no rows."""
    shown = [[one_line(cell) for cell in row] for row in rows]
    if not shown:
        return ""
    # tabulate takes all characters for one column wide.
    if len(shown) > TABULATE_ROWS or not all(cell.isascii() for row in shown for cell in row):
        return _aligned([list(headers), *shown])
    from tabulate import tabulate

    text = tabulate(shown, headers=list(headers), tablefmt="plain", disable_numparse=True, preserve_whitespace=True)
    return "".join(line.rstrip() + "\n" for line in text.split("\n"))


def _aligned(rows: Sequence[Row]) -> str:
    # As tabulate: a heading takes two more than its length.
    widths = [max(len(heading) + 2, *map(cells, column)) for heading, *column in zip(*rows, strict=True)]
    layout = _GAP.join(f"{{:<{width}}}" for width in widths)
    return "".join(
        [
            (layout.format(*row) if all(map(str.isascii, row)) else _GAP.join(map(padded, row, widths))).rstrip() + "\n"
            for row in rows
        ]
    )


_AT_PID = regex(r" at pid [0-9]+$")
# Columns that are different at each look, and say what others say too.
_FLEETING = frozenset({"AGE", "ELAPSED"})


def tabbed(headers: Row, rows: Iterable[Row]) -> str:
    """The rows alone, cells parted by tabs, for `cut` and `read`; without the columns that say how long ago."""
    kept = [at for at, heading in enumerate(headers) if heading not in _FLEETING]
    return "".join("\t".join(one_line(row[at]) for at in kept) + "\n" for row in rows)


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: width - 1] + "…"


def _text(value: object) -> str:
    return "" if value is None else str(value)


def ago(stamp: float | None, now: float) -> str:
    """How long ago it was, both in Unix seconds; empty where that is not known."""
    return "" if stamp is None else age(now - stamp)


def command(job: Job | Process, width: int | None = 60) -> str:
    """What was run, in at most `width` characters; a script with its arguments quoted."""
    words = job.arguments if isinstance(job, Job) else job.arg
    text = words[0] if len(words) == 1 else shlex.join(words)
    return text if width is None else cut(text, width)


def not_asked(problem: Problem) -> Reason:
    """Why a host could not be asked: it is out of reach, or the inventory leaves no way to it."""
    state = "not-started" if problem.kind == "inventory" else "unreachable"
    return Reason(f"{state}: {error(problem)}")


def error(problem: Problem) -> Reason:
    return Reason(f"{problem.kind}: {as_typed(problem.message)}")


def head(job: Job) -> str:
    """What was sent where by whom, a line each."""
    pairs = {
        "jid": job.jid,
        "function": job.function,
        "arguments": shlex.join(job.arguments),
        "target": job.target,
        "user": job.user,
        "login": job.login,
        "become": job.become,
        "schedule": job.schedule,
        "retry of": job.retry_of,
        "start_time": local(job.start_time or None),
        "metadata": ", ".join(f"{key}={value}" for key, value in job.metadata.items()),
    }
    width = max(map(len, pairs)) + 1
    return "".join(f"{name + ':':<{width}} {one_line(value)}\n" for name, value in pairs.items() if value) + "\n"


def alike(headers: Row, rows: Iterable[Row]) -> Table:
    """Rows that are the same but for their host as one, with these hosts folded in the first column."""
    hosts: dict[Row, list[str]] = {}
    for host, *others in rows:
        hosts.setdefault(tuple(others), []).append(host)
    return Table(("HOSTS", *headers[1:]), [(fold(names), *others) for others, names in hosts.items()])


def not_reached(problems: Mapping[str, Problem], columns: int, *, folded: bool) -> Iterator[Row]:
    """Rows for hosts that could not be asked: why stands in the last column, where its length moves nothing.

    Args:
        columns: how many the table has.
        folded: hosts of which the same is said, but for addresses and the like, are one row.
    """
    if not folded:
        for host, problem in problems.items():
            yield host, *[""] * (columns - 2), not_asked(problem)
        return
    for trouble in unreached(problems):
        yield *[""] * (columns - 1), Reason(trouble.line())


def unreached(problems: Mapping[str, Problem]) -> list[Trouble]:
    """Hosts that could not be asked, by why."""
    states = {True: State.NOT_STARTED, False: State.UNREACHABLE}
    return troubles(
        {host: HostResult(states[problem.kind == "inventory"], problem=problem) for host, problem in problems.items()}
    )


# --- rows ----------------------------------------------------------------------------------------------------------
@headed("HOST", "STATE", "TIME", "OUTPUT")
def report(result: Report) -> Iterator[Row]:
    """One row a host: the first line of its output, or what went wrong."""
    for name, host in result.results.items():
        ret = host.ret
        if ret is None:
            yield name, host.state.value, "", error(host.problem) if host.problem else ""
            continue
        first = _first_line(ret.out) or _first_line(ret.err)
        time = "" if ret.duration is None else duration(ret.duration)
        yield name, word(host), time, cut(first.decode("utf-8", "backslashreplace"), _LINE)
    for name, problem in result.unknown_hosts.items():
        yield name, "unreachable", "", error(problem)


def _first_line(output: StreamOutput) -> bytes:
    """The first line that is not blank."""
    for piece in output.pieces():
        if text := piece.strip():
            return text.split(b"\n", 1)[0]
    return b""


@headed("HOST", "JID", "PID", "STARTED", "ELAPSED", "USER", "COMMAND")
def running(result: Running, now: float) -> Iterator[Row]:
    """One row for each job of each host.

    Args:
        now: Unix seconds, from which ELAPSED counts.
    """
    for host, processes in result.hosts.items():
        for process in processes:
            since = local(process.started), ago(process.started, now)
            yield host, process.jid, _text(process.pid), *since, process.user, _named(process)


@headed("JID", "STARTED", "ELAPSED", "USER", "HOSTS", "COMMAND")
def running_jobs(result: Running, now: float) -> Iterator[Row]:
    """One row for each job, with its hosts folded; STARTED is where it began first."""
    hosts: dict[tuple[JID, str], list[str]] = {}
    first: dict[tuple[JID, str], Process] = {}
    for host, processes in result.hosts.items():
        for process in processes:
            key = process.jid, process.user
            hosts.setdefault(key, []).append(host)
            if key not in first or (process.started or now) < (first[key].started or now):
                first[key] = process
    for key in sorted(first):
        process = first[key]
        since = local(process.started), ago(process.started, now)
        yield process.jid, *since, process.user, fold(hosts[key]), _named(process)


@headed("HOST", "STATE", "PID", "STARTED", "ELAPSED", "COMMAND")
def found(result: Found, now: float) -> Iterator[Row]:
    for host, process in result.hosts.items():
        if process is None:
            yield host, "not running", "", "", "", ""
        else:
            since = local(process.started), ago(process.started, now)
            yield host, "running", _text(process.pid), *since, _named(process)


@headed("HOST", "STATE", "ELAPSED", "COMMAND")
def found_alike(result: Found, now: float) -> Iterator[Row]:
    """The same, to be folded: ELAPSED is that of the host where it began first."""
    starts = [process.started for process in result.hosts.values() if process and process.started is not None]
    elapsed = ago(min(starts, default=None), now)
    for host, process in result.hosts.items():
        yield (host, "not running", "", "") if process is None else (host, "running", elapsed, _named(process))


@headed("HOST", "PROCESSES", "MESSAGE")
def signalled(result: Signalled, *, pids: bool = True) -> Iterator[Row]:
    """One row for each host, and one for each process that survived.

    Args:
        pids: the message names the PID, so that no two hosts have the same.
    """
    for host, signal in result.hosts.items():
        yield host, str(len(signal.delivered)), signal.message if pids else _AT_PID.sub("", signal.message)
        for survivor in signal.survivors:
            yield host, "", f"survived: pid {survivor.pid} of {survivor.user}: {survivor.reason}"


@headed("JID", "STARTED", "AGE", "TARGET", "STATE", "HOSTS", "COMMAND")
def active(result: Active, now: float, *, pids: bool = False) -> Iterator[Row]:
    """One row for each job and state.

    Args:
        now: Unix seconds, from which AGE counts.
        pids: the hosts that run it are not folded, and each has its PID.
    """
    for jid, entry in result.jobs.items():
        job = entry.job
        first: tuple[str, str, str, str] = (jid, local(job.start_time), ago(job.start_time, now), job.target)
        shown_command = _named(job)
        for state, hosts in _active_states(entry, pids):
            yield *first, state, hosts, shown_command
            first, shown_command = ("", "", "", ""), ""


def _active_states(entry: ActiveJob, pids: bool) -> Iterator[tuple[str, str]]:
    if entry.running and pids:
        named = [host if pid is None else f"{host} (pid {pid})" for host, pid in entry.running.items()]
        yield "running", ", ".join(named)
    states = (
        ("running", () if pids else tuple(entry.running)),
        ("pending", entry.pending),
        ("returned", entry.returned),
        ("lost", entry.lost),
        ("unreachable", entry.unreachable),
    )
    for state, hosts in states:
        if hosts:
            yield state, fold(hosts)


@headed("JID", "STARTED", "AGE", "TARGET", "USER", "STATE", "COMMAND")
def jobs(result: Listed, now: float, *, ages: bool = False) -> Iterator[Row]:
    """One row for each job; what is only remembered of it says as of when.

    Args:
        now: Unix seconds, from which AGE counts.
        ages: it says how long ago that was instead.
    """
    for row in result.rows:
        job = row.job
        # Where no host has described the job of another controller, only its JID is known.
        began = job.start_time or None
        state = states(row.summary)
        if row.as_of is not None:
            state += f" ({ago(row.as_of, now)} ago)" if ages else f" (as of {local(row.as_of)})"
        yield job.jid, local(began), ago(began, now), job.target, job.user, state, _named(job)


def _named(job: Job | Process) -> str:
    """The command, behind the name of the entry that fired it."""
    return command(job, None) if job.schedule is None else f"[{job.schedule}] {command(job, None)}"


@headed("HOST", "SUCCESS", "STATE")
def success(result: ExitSuccess) -> Iterator[Row]:
    for host, one in result.report.results.items():
        yield host, "yes" if one.ret is not None and one.ret.ok else "no", word(one)


@headed("HOST", "ADDRESS", "PORT", "USER", "BECOME", "GROUPS")
def hosts(result: Hosts) -> Iterator[Row]:
    for name, entry in result.hosts.items():
        yield *_endpoint(name, entry.endpoint), ", ".join(entry.groups)


@headed("HOST", "ADDRESS", "PORT", "USER", "BECOME")
def endpoints(selected: Mapping[str, Endpoint]) -> Iterator[Row]:
    for name, endpoint in selected.items():
        yield _endpoint(name, endpoint)


def _endpoint(name: str, endpoint: Endpoint) -> tuple[str, str, str, str, str]:
    """Where neither inventory nor options say, ~/.ssh/config decides: the cell is empty."""
    address = "(this machine)" if endpoint.local else "(not supported)" if endpoint.problem else endpoint.address
    return name, address, _text(endpoint.port), _text(endpoint.user), as_user(endpoint.become)


def as_user(become: Become | None) -> str:
    return "" if become is None else f"{become.method}:{become.user}"


@headed("HOST", "USER", "PYTHON", "EXECUTABLE", "NODE", "STATE DIRECTORY", "TIME")
def ping(result: Pong) -> Iterator[Row]:
    for name, one in result.hosts.items():
        who = one.helper
        yield name, who.user, who.python, who.executable, who.node, who.state_dir, duration(one.seconds)


@headed("HOST", "STATE", "FILES", "BYTES", "TIME", "PATH", "ERROR")
def copies(result: Copies) -> Iterator[Row]:
    """One row for each host of a put or a get."""
    for name, one in result.hosts.items():
        seconds = "" if one.seconds is None else duration(one.seconds)
        # In the last column, where its length moves nothing.
        why = "" if one.problem is None else f"{one.problem.kind}: {one.problem.message}"
        yield name, one.state, _text(one.files), _text(one.bytes), seconds, one.path or "", why


@headed("HOSTS", "KIND", "USER", "ADDRESS", "VIA", "SINCE", "COMMANDS", "CLOSES IN")
def connections(result: Connections) -> Iterator[Row]:
    """One row for each connection that is kept."""
    for one in result.connections:
        address = f"[{one.host}]:{one.port}" if ":" in one.host else f"{one.host}:{one.port}"
        closes = "in use" if one.in_use else "" if one.closes_in is None else duration(one.closes_in)
        if one.kind == "master":
            closes = "ssh decides"
        yield fold(one.names), one.kind, one.user, address, one.via or "", local(one.since), _text(one.sessions), closes
