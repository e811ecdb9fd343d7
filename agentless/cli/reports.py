"""Which printer shows a job in which output format; one choice for `run` and every `jobs` verb about one job."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from agentless.cli.printers import Blocks, Detached, Grouped, HostByHost, Printer, Solo, WholeReport
from agentless.cli.screen import Screen
from agentless.model.job import Job, Report

__all__ = ["printer", "render"]


def render(screen: Screen, out: str) -> Callable[[Report], Iterable[str]]:
    """The function that makes a report one text in this format, in pieces."""
    from agentless.report import documents

    if out == "json":
        return partial(documents.report_json, indent=screen.out_look.terminal)
    if out == "yaml":
        return documents.report_yaml
    if out == "junit":
        from agentless.report.junit import as_junit

        return as_junit
    if out == "html":
        from agentless.report.html import report_html

        return lambda report: report_html(report, time.time())
    from agentless.cli.rows import laid_out
    from agentless.report import tables

    return lambda report: laid_out(screen, *tables.report(report))


def printer(
    screen: Screen,
    job: Job,
    out: str,
    *,
    detach: bool = False,
    group: bool = False,
    diff: bool = False,
    tail: bool = False,
    live: bool = False,
) -> Printer:
    """What shows a job's results.

    On a terminal, a single host's output stands alone, and is live; elsewhere it has the heading that each of many has,
    so that the shape of text does not depend on the inventory.

    Args:
        detach: the command leaves before there are outputs; text is the JID alone.
        group: join identical results.
        diff: join them, and show how the groups differ.
        tail: show the output as it comes; of several hosts, each line behind the name of its host.
        live: the same, and behind its name also where there is one host and no terminal.
    """
    if detach and out == "text":
        return Detached(screen)
    if out == "jsonl":
        from agentless.report.documents import host_line

        return HostByHost(screen, lambda host, result: host_line(job.jid, host, result.to_json()))
    if out != "text":
        return WholeReport(screen, render(screen, out), summed_up=out == "table", utf8=out in ("junit", "html"))
    if len(job.hosts) == 1 and not diff and (tail or screen.out_look.terminal):
        return Solo(screen)
    if tail or live:
        from agentless.cli.live import Live

        return Live(screen, job.hosts)
    if diff:
        from agentless.report.differences import differences

        return Grouped(screen, differences)
    return Grouped(screen) if group else Blocks(screen)
