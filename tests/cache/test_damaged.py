"""Records that are JSON and no records: whatever a field holds, its job is set aside and named, and the rest works."""

from __future__ import annotations

import contextlib
import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentless.cache import JobFilter
from agentless.cache.head import decode_head
from agentless.cache.json_line import DamagedRecord, parse
from agentless.cache.record_lines import decode_host
from agentless.errors import CacheError
from agentless.model.jid import JID
from agentless.model.job import Job
from agentless.model.output import EMPTY, InMemory
from agentless.model.problem import Problem
from agentless.model.returns import Remains
from agentless.model.states import Dispatched, HostResult, State
from tests.cache.conftest import Bench
from tests.cache.results import returned
from tests.hosts.needs import examples, need

WRONG: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        1.5,
        10**30,
        1e300,
        float("nan"),
        float("inf"),
        "",
        "x",
        "\ud800",
        [],
        [0],
        [None],
        ["a", "b", 3],
    ),
    *({}, {"a": 1}, {"returned": "1"}, {"returned": 10**30}, {"x": 1}, [[]], [-1, 5], [0, 10**18], [10**30, 1], "2026"),
]


def record(bench: Bench, finished: bool) -> str:
    """A job with every field that a record can have, in each of its states."""
    job = bench.job(
        *("a", "b", "c", "d", "e"),
        metadata={"k": "v"},
        login="ada",
        become="sudo:root",
        schedule="nightly",
        keep_returns=2.0,
    )
    states = {
        "a": returned(b"short", 3, b"\xff"),
        "b": returned(b"long\n" * 900),
        "c": HostResult(
            State.LOST,
            Dispatched.YES,
            "n",
            problem=Problem("k", "m", "h"),
            remains=Remains(InMemory(b"r"), EMPTY, 1, 2),
        ),
        "d": HostResult(State.UNREACHABLE, Dispatched.NO, problem=Problem("k", "m", "h")),
        "e": HostResult(State.RUNNING, Dispatched.YES, "n", pid=7, started=1.5),
    }
    bench.cache.record_many(job.jid, states)
    if finished:
        bench.cache.record(job.jid, "e", HostResult(State.NOT_STARTED, Dispatched.MAYBE, problem=Problem("k", "m")))
        bench.cache.prune(force=True)
        assert list(bench.cache.open_jobs()) == []
    return job.jid


def everything(bench: Bench, jid: JID) -> None:
    """All that is done with records, by all verbs."""
    cache = bench.another()
    for state in (*State, "failed"):
        word = state.value if isinstance(state, State) else state
        list(filter(JobFilter(function="*", target="*", schedule="*", since=0.0, state=word).matches, cache.rows()))
    cache.last()
    for open_jid in list(cache.open_jobs()):
        if report := cache.current(open_jid):
            report.to_json()
    cache.wanted(["a", "b", "c", "d", "e"])
    for outputs in (True, False):
        if report := cache.current(jid, outputs=outputs):
            json.dumps(report.to_json())
            assert report.exit_code in (0, 1, 3, 4)
    for change in (
        lambda: cache.record(jid, "e", returned()),
        lambda: cache.call_off(jid, ["e"], Problem("k", "m")),
        lambda: cache.adopt(Job(jid, "cmd.run", ("id",), "all", ("a", "z"), "eve", 1.0), {"z": returned()}),
    ):
        with contextlib.suppress(CacheError, ValueError):  # it is gone, or has other hosts now
            change()
    cache.prune(force=True)
    list(cache.rows())


def mutations(lines: list[Any]) -> list[tuple[int, tuple[Any, ...]]]:
    """Every place in these lines: the line, and the keys that lead there."""
    found: list[tuple[int, tuple[Any, ...]]] = []

    def visit(n: int, value: Any, path: tuple[Any, ...]) -> None:
        found.append((n, path))
        for key in value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
            visit(n, value[key], (*path, key))

    for n, line in enumerate(lines):
        visit(n, line, ())
    return found


def changed(lines: list[Any], n: int, path: tuple[Any, ...], value: Any) -> list[Any]:
    lines = copy.deepcopy(lines)
    if not path:
        lines[n] = value
        return lines
    inner = lines[n]
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return lines


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def written(lines: list[Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


@pytest.mark.parametrize("suffix", [".open.jsonl", ".jsonl", ".output.jsonl"])
def test_every_field_at_every_wrong_value_harms_its_own_job_alone(bench: Bench, suffix: str) -> None:
    need("many seconds")
    good = bench.job()
    bench.cache.record(good.jid, "web1", returned())
    jid = record(bench, suffix == ".jsonl")
    whole = {path: path.read_bytes() for path in bench.root.glob(f"{jid}*")}
    path = bench.root / f"{jid}{suffix}"
    lines = read(path)
    rng = random.Random(1)
    for n, place in mutations(lines):
        for value in rng.sample(WRONG, 3) if place else WRONG:
            for name, data in whole.items():
                name.write_bytes(data)
            path.write_bytes(written(changed(lines, n, place, value)))
            warned = len(bench.warnings)
            try:
                everything(bench, JID(jid))
            except Exception as error:
                raise AssertionError(f"line {n} {place} = {value!r}") from error
            assert all(jid in warning for warning in bench.warnings[warned:])
            report = bench.another().load(good.jid)
            assert report is not None
            assert report.results == {"web1": returned()}
            for left in bench.root.glob(f"{jid}*"):
                left.unlink()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=examples(300), deadline=None)
@given(data=st.data())
def test_a_line_with_any_value_is_read_with_the_types_that_it_has_or_refused(data: st.DataObject) -> None:
    head = {
        "v": 1,
        "jid": "20261122095039579207",
        "function": "f",
        "arguments": ["a"],
        "target": "t",
        "user": "u",
        "start": 1.0,
        "hosts": ["a"],
        "metadata": {"k": "v"},
        "login": "l",
        "become": "",
        "schedule": "s",
        "keep_returns": 1.0,
        "origin": "run",
        "retry_of": "20261122095039579206",
        "batch": 3,
        "last": 2.0,
        "summary": {"returned": 1},
    }
    host = {
        "host": "a",
        "state": "returned",
        "dispatched": "yes",
        "nonce": "n",
        "problem": ["k", "m", "h"],
        "pid": 1,
        "retcode": 0,
        "signal": None,
        "ended_by": "exit",
        "started": 1.0,
        "finished": 2.0,
        "duration": 1.0,
        "stdout_truncated": 0,
        "stderr_truncated": 0,
        "left_running": 0,
        "uncapped": False,
        "seen_pid": 1,
        "seen_started": 1.0,
        "remains": [1, 2],
        "output": [0, 1],
        "stdout": "o",
        "stderr_base64": "aGk=",
    }
    line = data.draw(st.sampled_from([head, host]))
    key = data.draw(st.sampled_from(sorted(line)))
    text = json.dumps({**line, key: data.draw(json_values)}).encode()
    try:
        if line is head:
            row = decode_head(text, JID("20261122095039579207"))
            json.dumps(row.job.to_json())
            assert abs(row.last) < 1e12
        else:
            name, found = decode_host(parse(text), 5.0)
            assert isinstance(name, str)
            json.dumps(found.full().to_json())
    except DamagedRecord:
        pass


def test_a_record_of_an_impossible_jid_is_no_job_and_is_set_aside(bench: Bench) -> None:
    good = bench.job()
    bench.cache.record(good.jid, "web1", returned())
    content = (bench.root / f"{good.jid}.jsonl").read_bytes()
    for jid in ("99991231235999000000", "20261399000000000000", "00000101000000000000", "99999999999999999999"):
        for suffix in (".jsonl", ".open.jsonl"):
            (bench.root / f"{jid}{suffix}").write_bytes(content.replace(good.jid.encode(), jid.encode()))
            assert [row.job.jid for row in bench.another().rows()] == [good.jid]
            assert bench.cache.prune(force=True).set_aside
            assert f"{jid}{suffix}, which is nothing of the job cache" in bench.warnings.pop()


def test_where_there_is_no_room_to_set_it_aside_it_is_left_out_and_named(bench: Bench) -> None:
    good = bench.job()
    bench.cache.record(good.jid, "web1", returned())
    jid = record(bench, finished=True)
    (bench.root / f"{jid}.jsonl").write_bytes(b"[]\n")
    (bench.root / "set-aside").write_bytes(b"in the way")
    assert [row.job.jid for row in bench.cache.rows()] == [row.job.jid for row in bench.cache.rows()] == [good.jid]
    (warning,) = bench.warnings
    assert jid in warning
    assert "stays where it is" in warning
