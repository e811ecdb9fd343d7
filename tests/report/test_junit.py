"""Any report is JUnit XML that CI servers read."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from hypothesis import given

from agentless.model.job import Report
from agentless.model.problem import Problem
from agentless.model.states import Dispatched, HostResult, State
from agentless.report.junit import as_junit
from tests.hosts.needs import need
from tests.report.harmless import harmless
from tests.report.values import quick, report, reports, returned


@quick
@given(reports())
def test_any_report_is_well_formed_junit(some: Report) -> None:
    text = "".join(as_junit(some))
    assert harmless(text)
    assert "\x1b" not in text
    root = ElementTree.fromstring(text)
    cases = list(root.iter("testcase"))
    assert len(cases) == len(some.results) + len(some.unknown_hosts) == int(root.get("tests") or "")
    assert len(list(root.iter("failure"))) == some.summary["failed"] == int(root.get("failures") or "")
    bad = len(some.results) + len(some.unknown_hosts) - some.summary["returned"]
    assert len(list(root.iter("error"))) == bad == int(root.get("errors") or "")


def test_a_detached_job_that_runs_is_neither_a_failure_nor_an_error_in_junit() -> None:
    detached = replace(report(web1=HostResult(State.RUNNING, Dispatched.YES)), detached=True)
    root = ElementTree.fromstring("".join(as_junit(detached)))
    assert detached.exit_code == 0
    assert [root.get(name) for name in ("failures", "errors", "skipped")] == ["0", "0", "1"]


def test_junit_is_read_by_the_field_s_library() -> None:
    junitparser = pytest.importorskip("junitparser")
    gone = HostResult(State.LOST, problem=Problem("reboot", "the host rebooted"))
    xml = junitparser.JUnitXml.fromstring(
        "".join(as_junit(report(web1=returned(b"out", b"err"), web2=returned(retcode=3), db=gone))).encode()
    )
    cases = [case for suite in xml for case in suite]
    assert [(case.name, case.time, case.system_out, case.system_err) for case in cases] == [
        ("web1", 1.0, "out", "err"),
        ("web2", 1.0, None, None),
        ("db", None, None, None),
    ]
    assert [[(type(end).__name__, end.message) for end in case.result] for case in cases] == [
        [],
        [("Failure", "failed (3)")],
        [("Error", "lost: reboot: the host rebooted")],
    ]


def test_no_output_is_in_memory_as_text() -> None:
    """Escapes and wide characters used to make it sixty times as large there."""
    need("some seconds")
    data = "\x1b[31m<red> \U0001f4a5\x1b[0m\n".encode() * 200_000
    some = report(web1=returned(data, data))
    tracemalloc.start()
    try:
        pieces = sum(len(piece) for piece in as_junit(some))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert pieces > 2 * len(data)
    # Both streams, as bytes.
    assert peak < 3 * len(data)
