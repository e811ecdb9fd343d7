"""How a report is shown, and what is written beside stdout: outputs, JUnit, a page, Markdown, annotations on GitHub."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable
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
        taken: dict[str, str] = {}
        for name, path in (("--junit", self.junit), ("--html", self.html), ("--summary", self.summary)):
            if path is None:
                continue
            _check(name, path)
            if not files.is_special(path) and (other := taken.setdefault(os.path.realpath(path), name)) != name:
                raise UsageError(f"{name} {path}: {other} goes into the same file")
        outputs = OutputFiles.given(self.outdir)
        annotate = invocation.environ.get("GITHUB_ACTIONS") == "true"

        def shows(job: Job) -> Printer:
            group, diff = self.group, self.diff
            shown = printer(invocation.screen, job, out, detach=detach, group=group, diff=diff, live=live)
            return _Filed(shown, self, outputs, annotate)

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


class _Filed(Printer):
    """Another printer, and the files at its end, also where nobody reads stdout any more.

    Args:
        options: name the files.
        outputs: get what each host printed.
        annotate: say on stderr, in the words of GitHub's runner, who failed.
    """

    def __init__(self, printer: Printer, options: ReportOptions, outputs: OutputFiles | None, annotate: bool) -> None:
        super().__init__(printer.screen)
        self.whole_lines = printer.whole_lines
        self._printer = printer
        self._options = options
        self._outputs = outputs
        self._annotate = annotate

    def output(self, host: str, stream: int, data: bytes, dropped: int) -> None:
        self._printer.output(host, stream, data, dropped)

    def done(self, host: str, result: HostResult) -> None:
        self._printer.done(host, result)
        if self._outputs is not None:
            self._outputs.write(host, result)

    def end(self, report: Report) -> None:
        try:
            self._printer.end(report)
        finally:
            self._write_files(report)

    def _write_files(self, report: Report) -> None:
        """Raises UsageError where one cannot be written after all."""
        options = self._options
        if self._annotate:
            _annotate(self.screen, report)
        for out, path in (("junit", options.junit), ("html", options.html)):
            if path is not None:
                _write(f"--{out}", path, render(self.screen, out)(report), _replace)
        if options.summary is not None:
            from agentless.report.markdown import as_markdown

            _write("--summary", options.summary, as_markdown(report), _append)
        if self._outputs is not None:
            self._outputs.end(self.screen, report.job.jid, report.results.items())


def _check(name: str, path: Path) -> None:
    if path == Path("-"):
        hint = "" if name == "--summary" else f"--out {name.removeprefix('--')} goes to stdout."
        raise UsageError(f"{name} writes a file, and - is none", hint)
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
