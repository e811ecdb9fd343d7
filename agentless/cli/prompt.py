"""A prompt for hidden input, which any thread may show; an interruption, which the main thread gets, ends it."""

from __future__ import annotations

import os
import select
import termios

__all__ = ["Prompts"]


class Prompts:
    """Asks on /dev/tty without echo, one question at a time, until `end`.

    getpass cannot be used where others connect: it reads until the person types, and keeps the terminal silent when the
    command has ended before.

    Attributes:
        refused: an interruption has ended a question.
    """

    def __init__(self) -> None:
        self.refused = False
        self._over = False
        self._woken: int | None = None

    def ask(self, prompt: str) -> str | None:
        """What a person types; None where they press Ctrl-D or Ctrl-C, or did so before. Raises OSError."""
        if self._over:
            return None
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
        reading, self._woken = os.pipe()
        try:
            modes = termios.tcgetattr(terminal)
            hidden = [*modes]
            hidden[3] &= ~termios.ECHO
            termios.tcsetattr(terminal, termios.TCSAFLUSH, hidden)
            try:
                os.write(terminal, prompt.encode("utf-8", "replace"))
                line = self._line(terminal, reading)
            finally:
                termios.tcsetattr(terminal, termios.TCSAFLUSH, modes)
            os.write(terminal, b"\n")
        finally:
            woken, self._woken = self._woken, None
            for descriptor in (terminal, reading, woken):
                os.close(descriptor)
        return None if line is None else line.rstrip(b"\n").decode("utf-8", "surrogateescape")

    def _line(self, terminal: int, woken: int) -> bytes | None:
        if self._over:
            # It came before there was anything by which to wake us.
            self.refused = True
            return None
        line = b""
        poll = select.poll()
        for descriptor in (terminal, woken):
            poll.register(descriptor, select.POLLIN)
        while not line.endswith(b"\n"):
            ready = dict(poll.poll())
            if self._over or woken in ready:
                return None
            data = os.read(terminal, 4096)
            if not data:
                return line or None
            line += data
        return line

    def end(self) -> None:
        """End the question that is asked, and ask no other; a signal's handler may call it."""
        self._over = True
        if (woken := self._woken) is not None:
            self.refused = True
            os.write(woken, b"!")
