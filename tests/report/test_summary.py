"""The end of what a person reads of a job."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from agentless.model.job import Origin, Report
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from agentless.report.summary import summary
from agentless.report.text import Look
from agentless.report.wrapping import wrapped
from tests.report.harmless import harmless
from tests.report.values import JID, quick, report, reports, returned

TERMINAL = Look(terminal=True, colour=True)


@quick
@given(reports(), st.sampled_from([None, 80, 140]))
def test_summaries_of_any_report_are_harmless(some: Report, width: int | None) -> None:
    for line in summary(some, TERMINAL, width):
        assert harmless(line)
        assert "\n" not in line


def test_the_summary_counts_names_and_says_what_to_type() -> None:
    gone = HostResult(State.UNREACHABLE, Dispatched.YES, problem=Problem("connection-lost", "reset", "Is it up?"))
    failed = returned(b"", b"no such file\n", 1)
    some = report(web1=returned(), web2=failed, web3=failed, db=gone)
    assert list(summary(some)) == [
        f"job {JID}: 4 hosts: 1 ok, 1 unreachable, 2 failed",
        "  db | unreachable | connection-lost: reset",
        "    Is it up?",
        "  web[2-3] (2) | failed (1) | no such file",
        f"  agentless jobs wait {JID}             asks the unreachable again",
        f"  agentless jobs lookup {JID} --failed  what they printed",
        f"  agentless jobs retry {JID}            repeats it on 2 hosts",
    ]
    assert list(summary(report(web1=returned(), web2=returned()))) == [f"job {JID}: 2 hosts: 2 ok"]


def test_hosts_that_the_job_never_reached_are_not_waited_for_but_tried_again() -> None:
    gone = HostResult(State.UNREACHABLE, problem=Problem("auth", "permission denied"))
    some = report(web1=returned(), db=gone)
    assert list(summary(some))[-1] == f"  agentless jobs retry {JID}  repeats it on 1 host"
    fire = replace(some, job=replace(some.job, origin=Origin.LEARNED))
    assert "retry" not in "".join(summary(fire))


def test_a_single_host_is_told_in_one_line() -> None:
    assert list(summary(report(web1=returned(retcode=3)))) == [
        f"job {JID}: web1 | failed (3) | 1.000 s",
        f"  agentless jobs retry {JID}  repeats it",
    ]


def test_a_hint_that_several_kinds_share_is_told_once() -> None:
    one, two = (
        HostResult(State.UNREACHABLE, problem=Problem(kind, "no", "Look there.")) for kind in ("auth", "connect")
    )
    assert "".join(summary(report(a=one, b=two, c=one))).count("Look there.") == 1


def test_on_a_terminal_lines_fit_and_no_word_is_cut() -> None:
    key = "SHA256:" + "k" * 43
    unknown = HostResult(
        State.UNREACHABLE, problem=Problem("host-key", f"the host key is not known: it offers ssh-ed25519 {key}")
    )
    names = {f"{word}-host-of-no-number": unknown for word in ("alpha", "beta", "gamma", "delta", "eps", "zeta", "eta")}
    names |= {f"{word}-other": unknown for word in ("alpha", "beta", "gamma", "delta")}
    lines = [line for long in summary(report(**names), TERMINAL, 80) for line in wrapped(long, 80)]
    assert all(len(line) <= 80 + len("\x1b[31m\x1b[0m") for line in lines)
    assert any(key in line for line in lines)
    assert "and 3 more (11) |" in " ".join(lines)
    assert "delta-other" in "".join(summary(report(**names)))
