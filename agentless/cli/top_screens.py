"""What `agentless top` puts over its view: a question, a field for a signal, and the output of a job, as it comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen, Screen
from textual.widgets import Footer, Input, RichLog, Static

from agentless.errors import AgentlessError
from agentless.model.answers import Output
from agentless.report.lines import HostPrefixes, Lines
from agentless.report.printable import one_line
from agentless.report.text import Look, word

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.runner.run import Run

__all__ = ["FollowScreen", "KeysScreen", "Question", "SignalInput"]

_LOOK = Look(terminal=True)
_LINES_MAX = 10_000
_KEYS = (
    ("up, down", "select a job, or a job's host"),
    ("pgup, pgdn", "a screen further"),
    ("enter", "follow its output; escape or q leads back"),
    ("k", "send KILL to it, after a question"),
    ("t", "send TERM to it, after a question"),
    ("s", "send another signal to it"),
    ("r", "send the job again where it did not end well"),
    ("/", "show only rows with these words; escape shows all"),
    ("?", "these keys"),
    ("q, ctrl+c", "leave; the jobs go on"),
)


class Question(ModalScreen[bool]):
    """Asks something that y answers with yes, and any other key with no."""

    CSS = """
    Question { align: center middle; }
    Question > Static {
        width: 70; max-width: 90%; height: auto; padding: 1 2; border: round $warning; background: $surface;
    }
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        yield Static(Text(f"{self._text} [y/N]"))

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss(event.key == "y")


class KeysScreen(ModalScreen[None]):
    """All keys, until one is pressed."""

    CSS = """
    KeysScreen { align: center middle; }
    KeysScreen > Static {
        width: 70; max-width: 95%; height: auto; max-height: 100%; padding: 0 2; border: round $primary;
        background: $surface;
    }
    """

    def compose(self) -> ComposeResult:
        yield Static(Text("\n".join(f"{key:<10} {does}" for key, does in _KEYS)))

    def on_key(self, event: Key) -> None:
        event.stop()
        self.dismiss()


class SignalInput(ModalScreen[str]):
    """Asks which signal to send; empty where none."""

    CSS = """
    SignalInput { align: center middle; }
    SignalInput > Vertical {
        width: 50; max-width: 90%; height: auto; padding: 1 2; border: round $warning; background: $surface;
    }
    """
    BINDINGS: ClassVar[list[BindingType]] = [("escape", "leave", "leave")]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Static("Which signal? A name or a number:")
            yield Input(placeholder="HUP")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip())

    def action_leave(self) -> None:
        self.dismiss("")


class FollowScreen(Screen[None]):
    """The output of a job, as it comes.

    Args:
        fleet: what follows it.
        jid: the job.
        host: only of this host; None is all of them.
        title: what stands above.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        ("escape", "leave", "back"),
        ("q", "leave", "back"),
        ("k", "app.signal_it('KILL')", "kill"),
        ("t", "app.signal_it('TERM')", "term"),
    ]
    CSS = """
    FollowScreen > Static { height: 1; background: $primary; color: $text; }
    FollowScreen > RichLog { height: 1fr; }
    """

    def __init__(self, fleet: Fleet, jid: str, host: str | None, title: str) -> None:
        super().__init__()
        self._fleet = fleet
        self.jid = jid
        self.host = host
        self._title = title
        # Filled by the thread, which waits while nobody takes anything out.
        self._queue: queue.Queue[str] = queue.Queue(maxsize=500)
        self._left = threading.Event()
        self._run: Run | None = None
        self._thread = threading.Thread(target=self._follow, name="top-screen", daemon=True)

    def compose(self) -> ComposeResult:
        yield Static(Text(one_line(self._title), no_wrap=True, overflow="ellipsis"))
        yield RichLog(max_lines=_LINES_MAX, wrap=True, min_width=1)
        yield Footer()

    def on_mount(self) -> None:
        self._thread.start()
        self.set_interval(0.1, self._take)

    def on_unmount(self) -> None:
        self._left.set()
        run = self._run
        if run is not None:
            run.close()

    def action_leave(self) -> None:
        self.dismiss()

    def _take(self) -> None:
        log = self.query_one(RichLog)
        for _ in range(200):
            try:
                text = self._queue.get_nowait()
            except queue.Empty:
                return
            for line in text.removesuffix("\n").split("\n"):
                log.write(Text.from_ansi(line))

    def _put(self, text: str) -> None:
        while text and not self._left.is_set():
            try:
                self._queue.put(text, timeout=0.2)
                return
            except queue.Full:
                continue

    def _follow(self) -> None:
        try:
            for text in self._texts():
                self._put(text)
        except AgentlessError as error:
            self._put(f"— {one_line(error.message)}")
        except Exception as error:  # noqa: BLE001  a defect is told, and the view goes on
            self._put(f"— {type(error).__name__}: {one_line(str(error))}")

    def _texts(self) -> Iterator[str]:
        with self._fleet.tail(self.jid, self.host, follow=True) as run:
            self._run = run
            names = run.report().job.hosts if self.host is None else (self.host,)
            marks = HostPrefixes(names)
            streams: dict[tuple[str, int], Lines] = {}
            shown: set[tuple[str, int]] = set()

            def lines(host: str, stream: int) -> Lines:
                return streams.setdefault((host, stream), Lines(marks, host, stream, _LOOK))

            for event in run:
                if self._left.is_set():
                    return
                if isinstance(event, Output):
                    shown.add((event.host, event.stream))
                    yield lines(event.host, event.stream).feed(event.data).decode("utf-8", "backslashreplace")
            for host, result in run.report().results.items():
                for stream in (1, 2):
                    output = result.output
                    if output is not None and (host, stream) not in shown:
                        for piece in (output.out if stream == 1 else output.err).pieces():
                            yield lines(host, stream).feed(piece).decode("utf-8", "backslashreplace")
                    yield lines(host, stream).finish().decode("utf-8", "backslashreplace")
                why = f": {result.problem.kind}: {result.problem.message}" if result.problem else ""
                yield f"— {one_line(host)} | {word(result)}{one_line(why)}"
