"""Jobs and results for tests of rendering: any bytes, any names, any state."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from agentless.model import jid
from agentless.model.job import Job, Report
from agentless.model.output import InMemory
from agentless.model.problem import Problem
from agentless.model.returns import Return
from agentless.model.states import HostResult, State
from tests.hosts.needs import examples

JID = jid.JID("20261122095039579207")
START = 1795341039.579207

texts = st.one_of(
    st.sampled_from(
        [
            "",
            "web1",
            "\x1b[2J\x1b[31m",
            "a\nb\tc\rd",
            "\ud800",
            "\u202egpj",
            "\u200b\xad\ufeff",
            "\ufffe\x00",
            "\x85\x9b\x7f",
            "é日",
            "[1-3],",
            "<&]]>",
        ]
    ),
    st.text(st.characters(codec=None), max_size=5),
)
"""Any text, with control characters and lone surrogates (which argv and file names can hold)."""

outputs = st.one_of(
    st.binary(max_size=12),
    st.lists(
        st.sampled_from(
            [
                b"\x1b[31m",
                b"\x1b[2J",
                b"\x1b]0;x\x07",
                b"\x9b",
                "\u202eé".encode(),
                b"text",
                b"\n",
                b"\r",
                b"\x00",
                b"\x1b[0m\n",
            ]
        ),
        max_size=4,
    ).map(b"".join),
)

plain_names = st.text("ab.-0123456789:", min_size=1, max_size=8)
numbers = st.integers(0, 2**40)
stamps = st.floats(0, 4e9)

quick = settings(max_examples=examples(50), deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""Reports are large values, and the machine may be busy: what counts here is what comes out."""


def returns() -> st.SearchStrategy[Return]:
    ends = st.one_of(
        st.tuples(st.integers(0, 255), st.none(), st.just("exit")),
        st.tuples(st.none(), st.integers(1, 64), st.one_of(st.sampled_from(["signal", "timeout"]), texts)),
    )
    return st.builds(
        lambda end, **rest: Return(retcode=end[0], signal=end[1], ended_by=end[2], **rest),
        end=ends,
        out=outputs.map(InMemory),
        err=outputs.map(InMemory),
        stdout_truncated=st.sampled_from([0, 0, 12345]),
        stderr_truncated=st.sampled_from([0, 0, 7]),
        pid=st.just(4711),
        started=st.just(START),
        finished=st.just(START),
        duration=st.one_of(st.none(), st.floats(0, 1e6)),
        left_running=st.integers(0, 3),
        uncapped=st.booleans(),
    )


problems = st.builds(Problem, kind=texts, message=texts, hint=texts)


def results() -> st.SearchStrategy[HostResult]:
    others = [state for state in State if state is not State.RETURNED]
    return st.one_of(
        st.builds(
            lambda ret, problem: HostResult(State.RETURNED, ret=ret, problem=problem), returns(), st.none() | problems
        ),
        st.builds(
            HostResult,
            state=st.sampled_from(others),
            pid=st.none() | numbers,
            started=st.none() | stamps,
            problem=st.none() | problems,
        ),
    )


@st.composite
def reports(draw: st.DrawFn, names: st.SearchStrategy[str] = texts) -> Report:
    hosts = draw(st.dictionaries(names, results(), min_size=1, max_size=3))
    job = Job(
        jid=JID,
        function=draw(st.sampled_from(["cmd.run", "cmd.script"]) | texts),
        arguments=tuple(draw(st.lists(texts, max_size=2))),
        target=draw(texts),
        hosts=tuple(hosts),
        user=draw(texts),
        start_time=START,
        metadata=draw(st.sampled_from([{}, {"ticket": "4711", "\x1b": "\n"}])),
    )
    unknown = draw(st.dictionaries(texts, problems, max_size=1))
    return Report(job, hosts, unknown_hosts=unknown, interrupted=draw(st.booleans()))


def returned(stdout: bytes = b"", stderr: bytes = b"", retcode: int = 0) -> HostResult:
    ret = Return(
        retcode,
        None,
        "exit",
        out=InMemory(stdout),
        err=InMemory(stderr),
        pid=4711,
        started=START,
        finished=START + 1,
        duration=1.0,
    )
    return HostResult(State.RETURNED, ret=ret)


def report(**hosts: HostResult) -> Report:
    return Report(Job(JID, "cmd.run", ("uptime",), "web*", tuple(hosts), "ada", START), hosts)
