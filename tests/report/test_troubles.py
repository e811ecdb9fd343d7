"""What went wrong on many hosts, by kind."""

from __future__ import annotations

from hypothesis import given

from agentless.model.job import Report
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from agentless.report.troubles import troubles
from tests.report.harmless import harmless
from tests.report.values import quick, reports, returned


def gone(message: str, hint: str = "", kind: str = "connect") -> HostResult:
    return HostResult(State.UNREACHABLE, problem=Problem(kind, message, hint))


@quick
@given(reports())
def test_every_host_that_is_not_ok_is_told_of_once(some: Report) -> None:
    found = troubles(some.results)
    bad = [name for name, result in some.results.items() if result.ret is None or not result.ret.ok]
    assert sorted(name for trouble in found for name in trouble.names) == sorted(bad)
    for trouble in found:
        assert harmless(trouble.line())
        assert harmless(trouble.hint)


def test_the_same_words_with_other_addresses_and_keys_are_one_kind_with_one_hint() -> None:
    some = {
        f"web{n}": gone(f"no answer from 10.0.0.{n} port 22", f"Compare it: ssh-keyscan 10.0.0.{n}") for n in (1, 2, 3)
    }
    [trouble] = troubles(some)
    assert trouble.line() == "web[1-3] (3) | unreachable | connect: no answer from 10.0.0.… port 22"
    assert trouble.hint == "Compare it: ssh-keyscan 10.0.0.…"


def test_what_is_said_in_other_words_is_another_kind() -> None:
    some = {"a": gone("refused by sshd"), "b": gone("no route to host at all"), "c": gone("refused by sshd", kind="x")}
    assert len(troubles(some)) == 3


def test_a_failure_has_the_last_line_that_it_printed() -> None:
    some = {
        f"web{n}": returned(b"working\n", f"warned\ncat: /srv/web{n}/x: No such file\n\n".encode(), 1) for n in (1, 2)
    }
    some["web3"] = returned(b"\x1b[31mgave up\x1b[0m\n", b"", 1)
    assert [trouble.line() for trouble in troubles(some)] == [
        "web3 | failed (1) | gave up",
        "web[1-2] (2) | failed (1) | cat: /srv/web…/x: No such file",
    ]


def test_what_runs_on_or_was_never_sent_stands_before_what_failed() -> None:
    never = HostResult(State.NOT_STARTED, problem=Problem("max-fail", "not sent: too many hosts had failed before"))
    running = HostResult(State.RUNNING, Dispatched.YES)
    some = {"a1": returned(retcode=2), "a2": never, "a3": running, "a4": gone("x"), "a5": never, "ok": returned()}
    assert [trouble.line() for trouble in troubles(some)] == [
        "a3 | running",
        "a[2,5] (2) | not-started | max-fail: not sent: too many hosts had failed before",
        "a4 | unreachable | connect: x",
        "a1 | failed (2)",
    ]


def test_of_very_many_ways_to_fail_the_most_frequent_are_told() -> None:
    some = {f"h{n}": returned(retcode=n) for n in range(1, 200)}
    some |= {f"g{n}": returned(retcode=200) for n in range(1, 9)}
    found = troubles(some)
    assert len(found) == 8
    assert found[-1].line() == "g[1-8] (8) | failed (200)"
    assert found[0].why == "in 193 other ways"
    worded = {f"h{n}": returned(b"", f"{'x ' * n}\n".encode(), 1) for n in range(1, 30)}
    assert "26 other messages" in [trouble.why for trouble in troubles(worded)]
