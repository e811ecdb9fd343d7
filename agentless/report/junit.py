"""A report as JUnit XML, which CI servers show: one test case a host.

A job that did not end with 0 is a `failure`; a host that is unreachable, lost, not started or not yet finished is an
`error`; where a job was only to be accepted (`--detach`), one that runs is `skipped`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from xml.etree import ElementTree

from agentless.model.job import Report
from agentless.model.problem import Problem
from agentless.model.states import HostResult, State
from agentless.model.times import iso
from agentless.report.printable import one_line, plain
from agentless.report.text import outcome

__all__ = ["as_junit"]


def as_junit(report: Report) -> Iterator[str]:
    """The whole document, with its XML declaration, in pieces: no two outputs are in memory at once.

    Raises:
        CacheError: the output of a host cannot be read from the job cache.
    """
    job = report.job
    seconds = [
        result.ret.duration for result in report.results.values() if result.ret and result.ret.duration is not None
    ]
    verdicts = [_verdict(result, report.detached) for result in report.results.values()]
    counts = {
        "tests": str(len(verdicts) + len(report.unknown_hosts)),
        "failures": str(verdicts.count("failure")),
        "errors": str(verdicts.count("error") + len(report.unknown_hosts)),
        "skipped": str(verdicts.count("skipped")),
        "time": f"{sum(seconds):.3f}",
    }
    name = one_line(shlex.join(job.arguments) or job.function)
    root = ElementTree.Element("testsuites", {"name": "agentless", **counts})
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": name, "timestamp": (iso(job.start_time) or "").rstrip("Z"), **counts}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in {"jid": job.jid, "target": job.target, "user": job.user, **job.metadata}.items():
        ElementTree.SubElement(properties, "property", {"name": one_line(key), "value": one_line(value)})
    opening, closing, _ = ElementTree.tostring(root, encoding="unicode").partition("</testsuite>")
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n{opening}\n'
    for name, result in report.results.items():
        yield _text(_case(job.function, name, result, report.detached))
    for name, problem in report.unknown_hosts.items():
        yield _text(_unknown(job.function, name, problem))
    yield f"{closing}</testsuites>\n"


def _text(case: ElementTree.Element) -> str:
    ElementTree.indent(case)
    return ElementTree.tostring(case, encoding="unicode") + "\n"


def _verdict(result: HostResult, detached: bool) -> str:
    """What a host's test case is beside passed: `skipped`, `error`, `failure`, or nothing."""
    if detached and result.state is State.RUNNING:
        return "skipped"
    if result.ret is None:
        return "error"
    return "" if result.ret.ok else "failure"


def _element(function: str, name: str, seconds: float | None) -> ElementTree.Element:
    attributes = {"classname": one_line(f"agentless.{function}"), "name": one_line(name)}
    if seconds is not None:
        attributes["time"] = f"{seconds:.3f}"
    return ElementTree.Element("testcase", attributes)


def _problem(case: ElementTree.Element, kind: str, message: str, text: str = "") -> None:
    element = ElementTree.SubElement(case, kind, {"message": one_line(message)})
    element.text = plain(text)


def _case(function: str, name: str, result: HostResult, detached: bool) -> ElementTree.Element:
    ret, problem = result.ret, result.problem
    case = _element(function, name, ret.duration if ret else None)
    verdict = _verdict(result, detached)
    if verdict == "skipped":
        _problem(case, verdict, result.state.value)
    elif ret is None:
        message = f"{result.state.value}: {problem.kind}: {problem.message}" if problem else result.state.value
        _problem(case, verdict, message, problem.hint if problem else "")
    elif verdict:
        _problem(case, verdict, outcome(ret))
    if (output := result.output) is not None:
        for tag, data in (("system-out", output.stdout), ("system-err", output.stderr)):
            if data:
                ElementTree.SubElement(case, tag).text = plain(data.decode("utf-8", "backslashreplace"))
    return case


def _unknown(function: str, name: str, problem: Problem) -> ElementTree.Element:
    case = _element(function, name, None)
    _problem(case, "error", f"{State.UNREACHABLE.value}: {problem.kind}: {problem.message}", problem.hint)
    return case
