"""How a report is shown, and what is written beside stdout: outputs, JUnit, a page, Markdown, annotations on GitHub."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from agentless import files
from agentless.cli.commands import option
from agentless.cli.invocation import Invocation
from agentless.cli.output_files import OutputFiles
from agentless.cli.printers import Printer
from agentless.cli.reports import printer, render
from agentless.cli.screen import Screen
from agentless.errors import UsageError
from agentless.model.job import Job, Report
from agentless.model.states import HostResult
from agentless.values import dataclass

__all__ = ["DIFF", "GROUP", "ReportOptions", "report_options"]

F = TypeVar("F", bound=Callable[..., Any])
GROUP = option("--group", is_flag=True, help="Identical results under one heading.")
DIFF = option("--diff", is_flag=True, help="The largest such group, and how the others differ from it.")
# GitHub shows ten of a step.
_ANNOTATIONS = 10


@dataclass(frozen=True, slots=True)
class ReportOptions:
    """What `--group`, `--diff`, `--junit`, `--html`, `--summary` and `--outdir` were given."""

    group: bool
    diff: bool
    junit: Path | None
    html: Path | None
    summary: Path | None
    outdir: Path | None

    def printers(self, invocation: Invocation, *, detach: bool = False, live: bool = False) -> Callable[[Job], Printer]:
        """What makes the printer of a job, which writes the files, too.

        Args:
            invocation: its screen, `--out` and environment.
            detach, live: as for `reports.printer`.

        Raises:
            UsageError: an option fits neither `--detach` nor `--out`, or a file could not be written: all of which is
                said before anything is sent.
        """
        out = invocation.out("text")
        for given, name in ((self.outdir is not None, "--outdir"), (self.diff, "--diff")):
            if detach and given:
                hint = "agentless jobs wait JID takes it, too."
                raise UsageError(f"--detach leaves before there is any output: it does not go with {name}", hint)
        if self.diff and out != "text":
            raise UsageError(f"--diff is for people: it does not go with --out {out}")
        report_files = _ReportFiles.given(self, invocation.environ)

        def shows(job: Job) -> Printer:
            shown = printer(invocation.screen, job, out, detach=detach, group=self.group, diff=self.diff, live=live)
            return _Filed(shown, report_files)

        return shows


class _Directory(click.Path):
    """A directory; empty is an error: an unset variable shall not fill the one in which somebody stands."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not os.fspath(value):
            self.fail("it is empty; is a variable unset? `.` is this directory", param, ctx)
        return super().convert(value, param, ctx)


def report_options(function: F) -> F:
    """Give a verb `--outdir`, `--junit`, `--html` and `--summary`; with its `--group` and `--diff` they are `shown`."""

    @functools.wraps(function)
    def run(*arguments: Any, **options: Any) -> Any:
        given = {name: options.pop(name) for name in ReportOptions.__slots__}
        return function(*arguments, shown=ReportOptions(**given), **options)

    declare = partial(option, section="How it is shown", type=click.Path(path_type=Path), metavar="FILE")
    outdir = partial(option, section="How it is shown", type=_Directory(path_type=Path), metavar="DIR")(
        "--outdir", help="Write HOST.stdout and HOST.stderr of each host into this directory, too."
    )
    summary = declare("--summary", help="Append a summary in Markdown to this file, such as $GITHUB_STEP_SUMMARY.")
    html = declare("--html", help="Write a page for people to this file, too; it can be mailed.")
    junit = declare("--junit", help="Write a JUnit report to this file, too.")
    return cast("F", outdir(junit(html(summary(run)))))


@dataclass(frozen=True, slots=True)
class _ReportFiles:
    """Where a report goes besides stdout.

    Args:
        junit: replaced by the report as JUnit XML.
        html: replaced by the report as a page.
        summary: gets the report as Markdown at its end.
        annotate: say on stderr, in the words of GitHub's runner, who failed.
        outputs: get what each host printed.
    """

    junit: Path | None = None
    html: Path | None = None
    summary: Path | None = None
    annotate: bool = False
    outputs: OutputFiles | None = None

    @classmethod
    def given(cls, paths: ReportOptions, environ: Mapping[str, str]) -> _ReportFiles:
        """Those of a command line.

        Raises:
            UsageError: one of them could not be written, which is said before anything is sent.
        """
        for name, path in (("--junit", paths.junit), ("--html", paths.html), ("--summary", paths.summary)):
            if path is not None:
                _check(name, path)
        annotate = environ.get("GITHUB_ACTIONS") == "true"
        return cls(paths.junit, paths.html, paths.summary, annotate, OutputFiles.given(paths.outdir))

    def write(self, screen: Screen, report: Report) -> None:
        """Write them; raises UsageError where one cannot be written after all."""
        if self.annotate:
            _annotate(screen, report)
        for out, path in (("junit", self.junit), ("html", self.html)):
            if path is not None:
                _write(f"--{out}", path, render(screen, out)(report), _replace)
        if self.summary is not None:
            from agentless.report.markdown import as_markdown

            _write("--summary", self.summary, as_markdown(report), _append)
        if self.outputs is not None:
            self.outputs.end(screen, report.job.jid, report.results.items())


class _Filed(Printer):
    """Another printer, and the files at its end, also where nobody reads stdout any more."""

    def __init__(self, printer: Printer, report_files: _ReportFiles) -> None:
        super().__init__(printer.screen)
        self.whole_lines = printer.whole_lines
        self._printer = printer
        self._files = report_files

    def output(self, host: str, stream: int, data: bytes, dropped: int) -> None:
        self._printer.output(host, stream, data, dropped)

    def done(self, host: str, result: HostResult) -> None:
        self._printer.done(host, result)
        if self._files.outputs is not None:
            self._files.outputs.write(host, result)

    def end(self, report: Report) -> None:
        try:
            self._printer.end(report)
        finally:
            self._files.write(self.screen, report)


def _check(name: str, path: Path) -> None:
    if path.is_dir():
        raise UsageError(f"{name} {path}: it is a directory")
    if files.is_special(path):
        if not os.access(path, os.W_OK):
            raise UsageError(f"{name} {path}: it cannot be written")
        return
    directory = path.parent
    if not directory.is_dir():
        raise UsageError(f"{name} {path}: there is no directory {directory}")
    if not os.access(path if name == "--summary" and path.exists() else directory, os.W_OK):
        raise UsageError(f"{name} {path}: it cannot be written")


def _write(name: str, path: Path, pieces: Iterable[str], write: Callable[[Path, Iterable[bytes]], None]) -> None:
    try:
        write(path, (piece.encode("utf-8", "backslashreplace") for piece in pieces))
    except OSError as error:
        raise UsageError(f"{name} {path}: {error.strerror or error}") from error


def _replace(path: Path, pieces: Iterable[bytes]) -> None:
    if files.is_special(path):
        _append(path, pieces)
    else:
        files.replace_file_by(path, pieces)


def _append(path: Path, pieces: Iterable[bytes]) -> None:
    # A named pipe that nobody reads is an error, and no wait without an end.
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    os.set_blocking(descriptor, True)
    with open(descriptor, "wb") as file:
        file.writelines(pieces)


def _annotate(screen: Screen, report: Report) -> None:
    from agentless.report.text import heading

    bad = {name: result for name, result in report.results.items() if result.failed or result.problem is not None}
    for number, (name, result) in enumerate(bad.items(), 1):
        if number == _ANNOTATIONS and len(bad) > _ANNOTATIONS:
            text = f"{len(bad) - number + 1} more hosts; agentless jobs lookup {report.job.jid}"
        else:
            text = heading(name, result)
        screen.annotation(f"::error title=agentless::{text.replace('%', '%25')}")
        if number == _ANNOTATIONS:
            return
