"""The terminal, or the files in its place: results go to stdout, and what is said about them to stderr."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, TextIO

from agentless.cli.progress import Progress
from agentless.cli.prompt import Prompts
from agentless.errors import UsageError
from agentless.files import write_stream
from agentless.model.secret import Secret
from agentless.report.printable import note, one_line, plain
from agentless.report.spelling import as_typed
from agentless.report.text import Look, paint
from agentless.report.wrapping import wrapped

if TYPE_CHECKING:
    from agentless.runner.events import Standing

__all__ = ["ReaderGone", "Screen"]

# Characters of a document that are written at once.
_WRITE = 1 << 16
# What TERM says of a terminal that only takes lines, or of which nothing is known.
_DUMB = ("", "dumb", "unknown")
# Warnings that are said again at the end.
_REPEATED = 3


class ReaderGone(Exception):
    """Nobody reads stdout any more (`| head`), or it takes no more. Not an OSError: click would end the process for it.

    Args:
        reason: why it takes no more (a full disk); empty where the reader has left.
    """

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)
        self.reason = reason


class Screen:
    """Everything that a verb writes or asks goes through here, one writer at a time.

    Args:
        environ: `NO_COLOR`, `FORCE_COLOR` and `TERM` decide about colour, unless `--color` does.
        stdout, stderr: where to write; the process's own by default.
    """

    def __init__(
        self, environ: Mapping[str, str], *, stdout: TextIO | None = None, stderr: TextIO | None = None
    ) -> None:
        _open_standard_files()
        self._stdout = sys.stdout if stdout is None else stdout
        self._stderr = sys.stderr if stderr is None else stderr
        # no-color.org and force-color.org: whatever they are set to, but for nothing.
        wish = "never" if environ.get("NO_COLOR") else "always" if environ.get("FORCE_COLOR") else "auto"
        # Whether a terminal, where there is one, can be drawn over.
        self.draws = environ.get("TERM", "") not in _DUMB
        self.colour(wish)
        # Whether a person is at work: somebody who may type, or who reads what is said.
        self.attended = self.err_look.terminal or bool(sys.stdin and sys.stdin.isatty())
        self.quiet = False
        self.verbose = 0
        self.show_progress: bool | None = None
        self._lock = threading.RLock()
        self.prompts = Prompts()
        self._progress: Progress | None = None
        self._wrote_result = False
        self.occupant: Callable[[str], object] | None = None
        # All that was written, and of each warning how many had been by then.
        self._lines = 0
        self._warnings: dict[str, int] = {}

    def colour(self, wish: str) -> None:
        """Say where colours go: `always`, `never`, or `auto`: to terminals that have them."""
        self.out_look, self.err_look = (
            Look(terminal, wish == "always" or (wish == "auto" and terminal and self.draws))
            for terminal in (self._stdout.isatty(), self._stderr.isatty())
        )

    @property
    def columns(self) -> int | None:
        """How wide stdout's terminal is now; None where it is none."""
        return _columns() if self.out_look.terminal else None

    @property
    def folds(self) -> bool:
        """Whether a person looks at stdout, who wants few lines: hosts folded, and PIDs only with `-v`."""
        return self.out_look.terminal and not self.verbose

    @property
    def err_columns(self) -> int | None:
        """How wide stderr's terminal is now; None where it is none."""
        return _columns() if self.err_look.terminal else None

    # --- results ---
    def result(self, data: bytes | str) -> None:
        """Write to stdout, at once. Raises ReaderGone."""
        self._wrote_result = True
        try:
            self._write(self._stdout, data)
        except BrokenPipeError:
            raise ReaderGone from None
        except OSError as error:
            raise ReaderGone(error.strerror or str(error)) from None

    def result_in_pieces(self, pieces: Iterable[str], *, utf8: bool = False) -> None:
        """Write one document to stdout as it is made. Raises ReaderGone.

        Args:
            utf8: it says of itself that it is UTF-8, and is that wherever it goes.
        """

        def write(text: str) -> None:
            self.result(text.encode("utf-8", "backslashreplace") if utf8 else text)

        waiting: list[str] = []
        size = 0
        for piece in pieces:
            waiting.append(piece)
            size += len(piece)
            if size > _WRITE:
                write("".join(waiting))
                waiting, size = [], 0
        write("".join(waiting))

    def conclude(self, document: str) -> None:
        """Write a document where no result was written; nobody minds whether it finds a reader."""
        if document and not self._wrote_result:
            with suppress(ReaderGone):
                self.result(document)

    def result_stderr(self, data: bytes | str) -> None:
        """Write what a job wrote to its stderr."""
        self._write_stderr(data)

    def _write(self, stream: TextIO, data: bytes | str) -> None:
        if isinstance(data, str):
            data = _encoded(stream, data, "backslashreplace")
        with self._lock:
            if self._progress is not None:
                self._progress.wipe()
            write_stream(stream.buffer, data)
            self._lines += data.count(b"\n")
            if self._progress is not None and data.endswith(b"\n"):
                self._progress.restore()

    # --- notes about them ---
    def say(self, line: str, *, painted: bool = False) -> None:
        """A summary or a hint; `-q` silences it.

        Args:
            painted: parts of it were painted by us, and what hosts say in it has no colours any more.
        """
        if not self.quiet:
            self._tell_line(note(line) if painted else one_line(line))

    def detail(self, line: str, level: int = 1) -> None:
        """What only `-v` shows, or with `level` 2 only `-vv`."""
        if self.verbose >= level:
            self._tell_line(one_line(line))

    def annotation(self, line: str) -> None:
        """A command to a CI server's runner, which reads stderr; `-q` does not silence it."""
        self._tell(one_line(line))

    def warn(self, line: str) -> None:
        line = one_line(as_typed(line))
        if line not in self._warnings:
            self._warnings[line] = self._lines
        self._tell_line(f"agentless: {paint('warning', 'yellow', self.err_look)}: {line}")

    def warn_again(self) -> None:
        """Repeat the warnings that results have moved out of a person's sight."""
        if not self.err_look.terminal or self.quiet:
            return
        from shutil import get_terminal_size

        rows = get_terminal_size().lines
        for line in [line for line, at in self._warnings.items() if self._lines - at >= rows][:_REPEATED]:
            self.warn(line)

    def error(self, message: str, hint: str = "") -> None:
        """`agentless: MESSAGE` and a hint below it."""
        first, *rest = as_typed(message).splitlines() or [""]
        self._tell_line(f"agentless: {one_line(first)}")
        for line in (*rest, *as_typed(hint).splitlines()):
            self._tell_line(f"  {one_line(line)}")

    def defect(self, traceback: str) -> None:
        """A traceback, whose values may come from a host."""
        self._tell(plain(traceback.rstrip("\n")))

    def below_the_echo(self) -> None:
        """Leave the line on which a terminal has echoed ^C."""
        if self.err_look.terminal:
            self._tell("")

    def _tell_line(self, line: str) -> None:
        """Tell what is one line, as several where a terminal is narrower."""
        width = self.err_columns if self.occupant is None else None
        self._tell("\n".join(wrapped(line, width)))

    def _tell(self, line: str) -> None:
        if self.occupant is not None:
            self.occupant(line.removeprefix("agentless: "))
            return
        self._write_stderr(line + "\n")

    def _write_stderr(self, data: bytes | str) -> None:
        try:
            self._write(self._stderr, data)
        except OSError:
            # Nobody reads stderr, or its disk is full: the results still have a reader, and the exit code stands.
            _abandon(self._stderr)

    # --- progress ---
    @contextmanager
    def progress(
        self, waiting: Callable[[], Sequence[str]], total: int, standing: Callable[[], Standing] | None = None
    ) -> Iterator[Progress | None]:
        """How far it is, while the block runs.

        Args:
            waiting: the hosts that are waited for, of `total`.
            standing: how many hosts of a job stand where.
        """
        # A dumb terminal (Emacs's shell, some screen readers) cannot be drawn over: a line now and then, as in a log.
        terminal = self.err_look.terminal and self.draws
        wanted = self.err_look.terminal and not self.quiet if self.show_progress is None else self.show_progress
        if not wanted or self._progress is not None or self.occupant is not None:
            yield None
            return
        with Progress(
            lambda text: write_stream(self._stderr.buffer, _encoded(self._stderr, text, "replace")),
            waiting,
            total,
            terminal=terminal,
            width=_columns,
            lock=self._lock,
            standing=standing,
            colour=self.err_look.colour,
        ) as self._progress:
            try:
                yield self._progress
            finally:
                line, self._progress = self._progress, None
                line.pause(True)

    # --- questions ---
    def can_ask(self) -> bool:
        """Whether there is a terminal to ask on, whatever stdin is."""
        return self.err_look.terminal and self.occupant is None and _has_terminal()

    def secret(self, prompt: str, option: str) -> Secret:
        """Ask for a password on /dev/tty, without echo.

        Raises UsageError where there is no terminal: a password is never read from stdin, which may be the job's.
        """
        if not _has_terminal():
            raise UsageError(
                f"{option} needs a terminal to ask for the password on, and there is none",
                "Give it by --connection-password-file or --become-password-file, in the inventory (ansible_password, "
                "ansible_become_password), or use keys.",
            )
        with self._quiet_progress():
            from getpass import getpass

            return Secret(getpass(one_line(prompt)))

    def passphrase(self, prompt: str) -> Secret | None:
        """Ask for a key's passphrase; None where nobody can be asked. Called from any thread."""
        if not self.can_ask():
            return None
        with self._quiet_progress():
            typed = self.prompts.ask(one_line(prompt))
        return None if typed is None else Secret(typed)

    def question(self, text: str, answers: Mapping[str, str], default: str) -> str:
        """Ask on the terminal until one of `answers` (first letters suffice) is given; end of file is `default`."""
        with self._quiet_progress(), open("/dev/tty", encoding="utf-8", errors="replace") as tty:
            poll = select.poll()
            poll.register(tty, select.POLLIN)
            while True:
                self._write_stderr(f"{note(text)} ")
                try:
                    # A Ctrl-C in the instant before a wait begins is heard when that is over: so none is long.
                    while not poll.poll(500):
                        pass
                    reply = tty.readline()
                except KeyboardInterrupt:
                    self._write_stderr("\n")
                    raise
                word = reply.strip().lower()
                if not word:
                    return default
                for answer in answers:
                    if answer.startswith(word):
                        return answer
                self._tell("; ".join(f"{answer}: {meaning}" for answer, meaning in answers.items()))

    @contextmanager
    def occupied(self, occupant: Callable[[str], object]) -> Iterator[None]:
        """While the block runs, another program draws on the terminal: `occupant` gets what is to be said."""
        self.occupant = occupant
        try:
            yield
        finally:
            self.occupant = None

    @contextmanager
    def _quiet_progress(self) -> Iterator[None]:
        with self._lock:
            if self._progress is not None:
                self._progress.pause(True)
            try:
                yield
            finally:
                if self._progress is not None:
                    self._progress.pause(False)

    def abandon_stdout(self) -> None:
        """Nobody reads stdout any more: let nothing be written there, also not when Python flushes it at its end."""
        _abandon(self._stdout)


def _encoded(stream: TextIO, text: str, errors: str) -> bytes:
    return text.encode(stream.encoding or "utf-8", errors)


def _abandon(stream: TextIO) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _open_standard_files() -> None:
    """Where the caller closed stdin, stdout or stderr (`>&-`), put /dev/null in its place, as ssh(1) does.

    Else the next file or socket that is opened would get its number, and what is meant for the terminal.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115  it stays open to the end


def _has_terminal() -> bool:
    """Whether this process has one to ask on, whatever its stdin is."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _columns() -> int:
    """Of the terminal, or what COLUMNS says."""
    from shutil import get_terminal_size

    return get_terminal_size().columns
