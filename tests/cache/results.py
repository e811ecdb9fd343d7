"""Results of hosts as hypothesis draws them, and short ways to make them."""

from __future__ import annotations

from hypothesis import strategies as st

from agentless.model.output import InMemory
from agentless.model.problem import Problem
from agentless.model.returns import Remains, Return
from agentless.model.states import Dispatched, HostResult, State

HOSTS = ("web1", "web2.example.com", "db é 1")

stamps = st.none() | st.floats(min_value=0, max_value=4e9)
pids = st.none() | st.integers(1, 2**22)
texts = st.text(max_size=20)
outputs = st.binary(max_size=40) | st.text(max_size=40).map(lambda text: text.encode("utf-8", "surrogatepass"))
large = st.builds(
    lambda piece, n: piece * n, st.sampled_from([b"line\n", b"\xff\x00", "é\u2028".encode()]), st.integers(0, 900)
)
returns = st.builds(
    Return,
    retcode=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    ended_by=st.sampled_from(["exit", "timeout", "signal", "signal-job:ada@laptop"]),
    out=(outputs | large).map(InMemory),
    err=(outputs | large).map(InMemory),
    stdout_truncated=st.integers(0, 2**40),
    stderr_truncated=st.integers(0, 2**40),
    pid=pids,
    started=stamps,
    finished=stamps,
    duration=stamps,
    left_running=st.integers(0, 9),
    uncapped=st.booleans(),
)
remains = st.builds(
    Remains,
    out=(outputs | large).map(InMemory),
    err=(outputs | large).map(InMemory),
    stdout_truncated=st.integers(0, 2**40),
    stderr_truncated=st.integers(0, 2**40),
)
problems = st.none() | st.builds(Problem, texts, texts, texts)
nonces = st.sampled_from(["", "0123456789abcdef"])


def results(states: st.SearchStrategy[State]) -> st.SearchStrategy[HostResult]:
    return states.flatmap(
        lambda state: st.builds(
            HostResult,
            state=st.just(state),
            dispatched=st.sampled_from(Dispatched),
            nonce=nonces,
            ret=returns if state is State.RETURNED else st.none(),
            pid=pids,
            started=stamps,
            problem=problems,
            remains=st.none() | remains if state is State.LOST else st.none(),
        )
    )


any_result = results(st.sampled_from(State))
open_result = results(st.sampled_from([state for state in State if not state.final]))


def returned(stdout: bytes = b"ok\n", retcode: int = 0, stderr: bytes = b"") -> HostResult:
    return HostResult(
        State.RETURNED,
        Dispatched.YES,
        "0123456789abcdef",
        Return(retcode, None, "exit", InMemory(stdout), InMemory(stderr), pid=7),
    )


def running(pid: int = 7) -> HostResult:
    return HostResult(State.RUNNING, Dispatched.YES, "0123456789abcdef", pid=pid, started=1.5)
