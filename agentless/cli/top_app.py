"""The screen of `agentless top`, by Textual: it shows snapshots, and acts by Fleet's methods in threads of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Resize
from textual.screen import ModalScreen
from textual.widgets import DataTable, Footer, Input, Static

from agentless.cli.snapshot import JobPart
from agentless.cli.top_rows import HEADINGS, TopRow, fires, heading, rows, status, widths
from agentless.cli.top_screens import FollowScreen, KeysScreen, Question, SignalInput
from agentless.cli.watcher import Watcher
from agentless.errors import AgentlessError
from agentless.hostlist import fold
from agentless.model.job_spec import Delivery
from agentless.report.printable import one_line
from agentless.report.tables import command

if TYPE_CHECKING:
    from agentless.fleet import Fleet
    from agentless.runner.dispatcher import PreparedJob

__all__ = ["TopApp"]

_EVERY = 0.5


class JobTable(DataTable[Text]):
    """The rows, whose key to follow one stands in the footer."""

    BINDINGS: ClassVar[list[BindingType]] = [("enter", "select_cursor", "follow")]


class TopApp(App[None]):
    """The fleet's jobs.

    Args:
        fleet: what acts.
        watcher: what keeps the snapshot; it is started and closed here.
        clock: Unix seconds.
    """

    CSS = """
    #heading { height: 1; background: $primary; color: $text; }
    #fires, #status { height: 1; }
    #status { color: $warning; }
    #filter { display: none; height: 3; }
    DataTable { height: 1fr; }
    """
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [
        # First what a narrow terminal must not cut off.
        ("q", "quit", "quit"),
        ("question_mark", "keys", "keys"),
        ("k", "signal_it('KILL')", "kill"),
        ("t", "signal_it('TERM')", "term"),
        ("s", "signal_other", "signal"),
        ("r", "retry", "retry"),
        ("slash", "filter", "filter"),
        # Also from where keys are typed into a field.
        Binding("ctrl+c", "quit", "quit", show=False, priority=True),
    ]

    def __init__(self, fleet: Fleet, watcher: Watcher, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._fleet = fleet
        self._watcher = watcher
        self._clock = clock
        self._wanted = ""
        self._rows: list[TopRow] = []
        self._width = 80
        self._sizes: tuple[int, ...] = ()
        self._prepared: queue.SimpleQueue[tuple[PreparedJob, str]] = queue.SimpleQueue()

    def compose(self) -> ComposeResult:
        yield Static(id="heading")
        yield JobTable(cursor_type="row", zebra_stripes=False)
        yield Input(placeholder="words of command, host, state, user or JID; enter keeps, escape clears", id="filter")
        yield Static(id="fires")
        yield Static(id="status")
        yield Footer()

    def on_mount(self) -> None:
        self._width = self.size.width
        self.refresh_view()
        self.set_interval(_EVERY, self.refresh_view)
        # What asks hundreds of hosts takes this process's time: the screen is drawn first.
        self.call_after_refresh(self._watcher.start)

    def on_unmount(self) -> None:
        self._watcher.close()

    def on_resize(self, event: Resize) -> None:
        # `size` is still that of before.
        self._width = event.size.width
        self.refresh_view()

    @property
    def _table(self) -> JobTable:
        return self.screen_stack[0].query_one(JobTable)

    def _lay_out(self, new: list[TopRow]) -> None:
        """Columns that fit the terminal and what is to be shown."""
        sizes = widths(self._width, new)
        if sizes == self._sizes:
            return
        table = self._table
        at = table.cursor_row
        table.clear(columns=True)
        for name, size in zip(HEADINGS, sizes, strict=True):
            if size:
                table.add_column(name, width=size)
        self._sizes = sizes
        for row in self._rows:
            table.add_row(*self._cells(row), key=row.key)
        table.move_cursor(row=at, animate=False)

    # --- showing ---
    def refresh_view(self) -> None:
        """Show what is known now."""
        if not self.screen_stack or not self.is_running:
            return
        snapshot, now = self._watcher.snapshot(), self._clock()
        self._show_rows(rows(snapshot, now, self._wanted))
        base = self.screen_stack[0]
        texts = {"heading": heading(snapshot, now, self._watcher.target), "fires": fires(snapshot, now)}
        wanted = f"filter: {one_line(self._wanted)}" if self._wanted else ""
        texts["status"] = " · ".join(filter(None, (wanted, status(snapshot, now))))
        for name, text in texts.items():
            base.query_one(f"#{name}", Static).update(Text(text, no_wrap=True, overflow="ellipsis"))
        self._ask_about_prepared()

    def _show_rows(self, new: list[TopRow]) -> None:
        self._lay_out(new)
        table = self._table
        if [row.key for row in new] == [row.key for row in self._rows]:
            for at, (row, old) in enumerate(zip(new, self._rows, strict=True)):
                if row != old:
                    for column, cell in enumerate(self._cells(row)):
                        table.update_cell_at((at, column), cell)  # type: ignore[arg-type]
        else:
            selected = self._selected()
            before = table.cursor_row
            table.clear()
            for row in new:
                table.add_row(*self._cells(row), key=row.key)
            keys = [row.key for row in new]
            at = (
                keys.index(selected.key) if selected is not None and selected.key in keys else min(before, len(new) - 1)
            )
            if new:
                table.move_cursor(row=max(0, at), animate=False)
        self._rows = new

    def _cells(self, row: TopRow) -> list[Text]:
        styles = ("bold" if row.host is None and row.colour else "", row.colour, "", "dim" if row.host is None else "")
        return [
            Text(cell, style=style, no_wrap=True, overflow="ellipsis")
            for cell, style, size in zip(row.cells, styles, self._sizes, strict=True)
            if size
        ]

    def _selected(self) -> TopRow | None:
        at = self._table.cursor_row
        return self._rows[at] if 0 <= at < len(self._rows) else None

    # --- acting ---
    def action_keys(self) -> None:
        """List all keys."""
        if not isinstance(self.screen_stack[-1], ModalScreen):
            self.push_screen(KeysScreen())

    def on_data_table_row_selected(self) -> None:
        self.action_follow()

    def action_follow(self) -> None:
        """Show the output of what is selected, as it comes."""
        row = self._selected()
        part = self._watcher.job(row.jid) if row is not None else None
        if row is not None and part is not None and len(self.screen_stack) == 1:
            where = f" on {row.host}" if row.host else ""
            title = f"{row.jid}{where}: {command(part.job)}"
            self.push_screen(FollowScreen(self._fleet, row.jid, row.host, title))

    def _aim(self) -> tuple[JobPart, str | None] | None:
        """The job and host that an action is about: those that are followed, else the selected row's."""
        top = self.screen_stack[-1]
        if isinstance(top, FollowScreen):
            jid, host = top.jid, top.host
        else:
            row = self._selected()
            if row is None:
                return None
            jid, host = row.jid, row.host
        part = self._watcher.job(jid)
        return None if part is None else (part, host)

    def action_signal_it(self, signal: str) -> None:
        """Ask, and send the signal to the job, on the host that is selected or on all of its hosts."""
        aim = self._aim()
        if aim is None:
            return
        part, host = aim
        names = [each.host for each in part.hosts if each.running and host in (None, each.host)]
        if not names:
            self._watcher.note(f"job {part.job.jid} does not run{f' on {host}' if host else ''}")
            self.refresh_view()
            return
        pending = f"; {part.pending} more never get it" if part.pending and host is None else ""
        text = f"Send {signal} to job {part.job.jid} ({command(part.job)}) on {_named(names)}{pending}?"

        def answered(yes: bool | None) -> None:
            if yes:
                self._in_thread(lambda: self._signal(part.job.jid, signal, host))

        self.push_screen(Question(one_line(text)), answered)

    def _signal(self, jid: str, signal: str, host: str | None) -> str:
        answer = self._fleet.signal_job(jid, signal, host)
        reached = [name for name, one in answer.hosts.items() if one.delivered]
        left = [name for name, one in answer.hosts.items() if one.survivors]
        missed = f", not asked: {fold(answer.problems)}" if answer.problems else ""
        survived = f", survivors on {fold(left)}" if left else ""
        delivered = f"delivered on {fold(reached)}" if reached else "it ran nowhere"
        return f"{signal} to job {jid}: {delivered}{survived}{missed}"

    def action_signal_other(self) -> None:
        """Ask which signal to send, and go on as `signal_it`."""

        def answered(name: str | None) -> None:
            if name:
                self.action_signal_it(name)

        if self._aim() is not None:
            self.push_screen(SignalInput(), answered)

    def action_retry(self) -> None:
        """Find the hosts to which the job can be sent again; the question comes when they are known."""
        aim = self._aim()
        if aim is None:
            return
        jid, host = aim[0].job.jid, aim[1]

        def prepare() -> str:
            again = self._fleet.retry(jid, host, how=Delivery(detach=True))
            if again.prepared is None:
                return f"job {jid}: there is no host to send it to again"
            about = f"Send job {jid} ({command(again.report.job)}) again to {_named(list(again.prepared.endpoints))}?"
            self._prepared.put((again.prepared, about))
            return ""

        self._in_thread(prepare)

    def _ask_about_prepared(self) -> None:
        if len(self.screen_stack) > 1 or self._prepared.empty():
            return
        prepared, text = self._prepared.get()

        def send() -> str:
            with prepared.send() as run:
                for _ in run:
                    pass
                return f"sent again, as job {run.job.jid}"

        self.push_screen(Question(one_line(text)), lambda yes: self._in_thread(send) if yes else None)

    def _in_thread(self, work: Callable[[], str]) -> None:
        """Do something that contacts hosts, and say what became of it."""

        def guarded() -> None:
            try:
                outcome = work()
            except AgentlessError as error:
                outcome = f"{error.message} {error.hint}".strip()
            except Exception as error:  # noqa: BLE001  a defect is told, and the view goes on
                outcome = f"{type(error).__name__}: {error}"
            if outcome:
                self._watcher.note(outcome)

        threading.Thread(target=guarded, name="top-action", daemon=True).start()

    # --- the filter ---
    def action_filter(self) -> None:
        """Type words that rows must have."""
        if len(self.screen_stack) > 1:
            return
        field = self.query_one("#filter", Input)
        field.display = True
        field.value = self._wanted
        field.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        if event.input.id == "filter":
            self._wanted = event.value
            self.refresh_view()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.input.id == "filter":
            self._leave_filter()

    def key_escape(self) -> None:
        if len(self.screen_stack) > 1:
            return
        self._wanted = ""
        self._leave_filter()

    def _leave_filter(self) -> None:
        field = self.query_one("#filter", Input)
        field.display = False
        self._table.focus()
        self.refresh_view()


def _named(hosts: list[str]) -> str:
    return fold(hosts) if len(hosts) < 4 else f"{len(hosts)} hosts"
