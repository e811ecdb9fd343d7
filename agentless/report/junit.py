"""A report as JUnit XML, which CI servers show: one test case a host.

A job that did not end with 0 is a `failure`; a host that is unreachable, lost, not started or not yet finished is an
`error`; where a job was only to be accepted (`--detach`), one that runs is `skipped`. Servers show little but the text
of these, so it has all that one needs: how it ended, the end of the output, and the command that shows the rest.

A server tells test cases apart by class and name. The class is the command, or `step` of the job's metadata, so that
two steps of a pipeline do not overwrite each other, and the same step of two pipelines is one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from xml.etree import ElementTree
from xml.sax.saxutils import escape

from agentless.model.job import Job, Report
from agentless.model.problem import Problem
from agentless.model.states import HostResult, State
from agentless.model.times import iso
from agentless.report.printable import one_line, plain, plain_pieces
from agentless.report.spelling import as_typed
from agentless.report.tables import command, error
from agentless.report.text import ending, heading, notes, outcome

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
    name = one_line(command(job, 200) or job.function)
    root = ElementTree.Element("testsuites", {"name": "agentless", **counts})
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": name, "timestamp": (iso(job.start_time) or "").rstrip("Z"), **counts}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for key, value in {"jid": job.jid, "target": job.target, "user": job.user, **job.metadata}.items():
        ElementTree.SubElement(properties, "property", {"name": one_line(key), "value": one_line(value)})
    ElementTree.indent(root)
    opening, end, closing = ElementTree.tostring(root, encoding="unicode").partition("</testsuite>")
    yield f'<?xml version="1.0" encoding="UTF-8"?>\n{opening.rstrip()}\n'
    for name, result in report.results.items():
        yield from _written(_case(job, name, result, report.detached), _streams(result))
    for name, problem in report.unknown_hosts.items():
        yield from _written(_unknown(job, name, problem), {})
    yield f"  {end}{closing}\n"


def _streams(result: HostResult) -> dict[str, bytes]:
    """What a host printed, by the element that gets it."""
    if (output := result.output) is None:
        return {}
    return {tag: data for tag, data in (("system-out", output.stdout), ("system-err", output.stderr)) if data}


def _written(case: ElementTree.Element, streams: Mapping[str, bytes]) -> Iterator[str]:
    """A case with these further elements, whose texts are much longer in memory than they come from the host."""
    for tag in streams:
        ElementTree.SubElement(case, tag)
    ElementTree.indent(case)
    rest = ElementTree.tostring(case, encoding="unicode") + "\n"
    for tag, data in streams.items():
        before, _, rest = rest.partition(f"<{tag} />")
        yield f"{before}<{tag}>"
        yield from map(escape, plain_pieces(data))
        yield f"</{tag}>"
    yield rest


def _verdict(result: HostResult, detached: bool) -> str:
    """What a host's test case is beside passed: `skipped`, `error`, `failure`, or nothing."""
    if detached and result.state is State.RUNNING:
        return "skipped"
    if result.ret is None:
        return "error"
    return "" if result.ret.ok else "failure"


def _element(job: Job, name: str, seconds: float | None) -> ElementTree.Element:
    step = job.metadata.get("step") or (command(job, 200) or job.function)
    # What stands before a dot is a package to them.
    attributes = {"classname": "agentless." + one_line(step)[:80].replace(".", "_"), "name": one_line(name)}
    if seconds is not None:
        attributes["time"] = f"{seconds:.3f}"
    return ElementTree.Element("testcase", attributes)


def _problem(case: ElementTree.Element, kind: str, message: str, text: str = "") -> None:
    element = ElementTree.SubElement(case, kind, {"message": one_line(message)})
    element.text = plain(text)


def _case(job: Job, name: str, result: HostResult, detached: bool) -> ElementTree.Element:
    ret, problem = result.ret, result.problem
    case = _element(job, name, ret.duration if ret else None)
    verdict = _verdict(result, detached)
    if verdict == "skipped":
        _problem(case, verdict, result.state.value)
    elif ret is None:
        message = f"{result.state.value}: {error(problem)}" if problem else result.state.value
        _problem(case, verdict, message, _body(job, name, result))
    elif verdict:
        _problem(case, verdict, outcome(ret), _body(job, name, result))
    return case


def _body(job: Job, name: str, result: HostResult) -> str:
    """What a server shows of a host that is no success."""
    lines = [heading(name, result)]
    if result.output is not None:
        lines += ending(result.output)
    lines += notes(result)
    return "\n".join([*lines, f"agentless jobs lookup {job.jid} {one_line(shlex.quote(name))}", ""])


def _unknown(job: Job, name: str, problem: Problem) -> ElementTree.Element:
    case = _element(job, name, None)
    _problem(case, "error", f"{State.UNREACHABLE.value}: {error(problem)}", as_typed(problem.hint))
    return case
