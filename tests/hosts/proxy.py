"""A TCP proxy between a client and a server: latency, counted round trips, cut lines and black holes."""

from __future__ import annotations

import asyncio
import math
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

from tests.hosts.waiting import patience

Direction = Literal["server", "client"]

# As much as may wait in the proxy per direction: a window of SSH's, so that the proxy is no bottleneck of its own.
WAITING_BYTES = 4 * 1024 * 1024


@dataclass(eq=False)
class _Line:
    """One proxied connection, with the causal depth that each side has seen, in one-way trips."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    seen: dict[str, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    passed: dict[str, int] = field(default_factory=lambda: {"client": 0, "server": 0})
    tasks: list[asyncio.Task[None]] = field(default_factory=list)


class Proxy:
    """A context manager that listens on loopback and forwards to a server.

    Args:
        host, port: the server.
        delay: seconds that each direction takes; a round trip takes twice that.

    Attributes:
        host, port: where it listens itself.
        connections: how many it has accepted.

    Round trips are counted by cause and not by the clock: what a side sends is one one-way trip deeper than the
    deepest thing that it had received before. That is what wall time divided by latency would give on idle machines.
    It needs a delay above what the two sides compute: a side that is slow to send what it could have sent at once may
    have received more by then. A busy machine can only add to the count, so that the fewest of a few tries hold.
    """

    def __init__(self, host: str, port: int, *, delay: float = 0.0) -> None:
        self._target = (host, port)
        self.host = "127.0.0.1"
        self.delay = delay
        self.connections = 0
        self._trips = 0
        self._count = 0
        self._lines: set[_Line] = set()
        self._open = {"server": True, "client": True}
        self._limit: dict[str, int | None] = {"server": None, "client": None}

    def __enter__(self) -> Proxy:
        self._loop = asyncio.new_event_loop()
        self._wake: dict[str, asyncio.Event] = {}
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), name="proxy", daemon=True)
        self._thread.start()
        started.wait(patience(10))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(patience(10))

    @property
    def round_trips(self) -> float:
        """The longest chain of cause so far, in round trips; halves are one-way. TCP's handshake is not counted."""
        return self._trips / 2

    def fewest_round_trips(self, action: Callable[[], object], *, enough: float, tries: int = 8) -> float:
        """What `action` costs over connections of its own: tried until it is `enough`, at most `tries` times."""
        fewest = math.inf
        for _ in range(tries):
            self.forget()
            action()
            assert self.connections == 1
            fewest = min(fewest, self.round_trips)
            if fewest <= enough:
                break
        return fewest

    def forget(self) -> None:
        """Count round trips, and connections, from now on."""
        self._count += 1
        for line in list(self._lines):
            line.seen.update(client=0, server=0)
        self._trips = 0
        self.connections = 0

    def cut(self) -> None:
        """Reset every connection on both sides; new ones are accepted."""
        self._do(self._cut_all)

    def cut_after(self, size: int, *, to: Direction = "server") -> None:
        """Reset each connection, also future ones, once `size` bytes have gone `to` that side of it from now on."""
        for line in list(self._lines):
            line.passed[to] = 0
        self._limit[to] = size

    def hole(self, *, to: Direction | None = None) -> None:
        """Forward nothing more in one direction or both, and close nothing: what is sent is neither lost nor seen."""

        def close() -> None:
            for direction in self._wake if to is None else [to]:
                self._wake[direction].clear()

        self._do(close)

    def heal(self) -> None:
        """Forward again, also what waited; `cut_after` is forgotten."""

        def open_again() -> None:
            self._limit = {"server": None, "client": None}
            for event in self._wake.values():
                event.set()

        self._do(open_again)

    def _do(self, action: object) -> None:
        done = threading.Event()

        def run() -> None:
            assert callable(action)
            action()
            done.set()

        self._loop.call_soon_threadsafe(run)
        done.wait(patience(10))

    def _serve(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._main(started))
        finally:
            self._loop.close()

    async def _main(self, started: threading.Event) -> None:
        self._stop = asyncio.Event()
        for direction in ("server", "client"):
            self._wake[direction] = asyncio.Event()
            self._wake[direction].set()
        server = await asyncio.start_server(self._accept, self.host, 0, backlog=512)
        self.port = int(server.sockets[0].getsockname()[1])
        started.set()
        await self._stop.wait()
        server.close()
        self._cut_all()
        ending = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*ending, return_exceptions=True)
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        line = _Line(writer)
        self._lines.add(line)
        try:
            server_reader, line.server = await asyncio.open_connection(*self._target)
        except OSError:
            self._cut(line)
            return
        if line not in self._lines:  # cut in the meantime
            line.server.close()
            return
        pumps = [
            asyncio.ensure_future(self._pump(line, reader, line.server, "server")),
            asyncio.ensure_future(self._pump(line, server_reader, writer, "client")),
        ]
        line.tasks += pumps
        await asyncio.gather(*pumps, return_exceptions=True)
        self._lines.discard(line)
        writer.close()
        line.server.close()

    async def _pump(
        self, line: _Line, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: Direction
    ) -> None:
        queue: asyncio.Queue[tuple[float, int, int, bytes]] = asyncio.Queue(maxsize=WAITING_BYTES // 65536)
        sender = asyncio.ensure_future(self._deliver(line, queue, writer, to))
        line.tasks.append(sender)
        source = "client" if to == "server" else "server"
        try:
            while True:
                data = await reader.read(65536)
                await queue.put((self._loop.time() + self.delay, self._count, line.seen[source] + 1, data))
                if not data:
                    break
        except ConnectionError:
            self._cut(line)
        await sender

    async def _deliver(
        self,
        line: _Line,
        queue: asyncio.Queue[tuple[float, int, int, bytes]],
        writer: asyncio.StreamWriter,
        to: Direction,
    ) -> None:
        while True:
            due, count, depth, data = await queue.get()
            await asyncio.sleep(max(0.0, due - self._loop.time()))
            await self._wake[to].wait()
            if not data:
                if writer.can_write_eof() and not writer.is_closing():
                    writer.write_eof()
                return
            limit = self._limit[to]
            if limit is not None and line.passed[to] + len(data) >= limit:
                writer.write(data[: max(0, limit - line.passed[to])])
                await asyncio.sleep(0)
                self._cut(line, gently=to)
                return
            line.passed[to] += len(data)
            depth = depth if count == self._count else 0
            line.seen[to] = max(line.seen[to], depth)
            if to == "client":
                self._trips = max(self._trips, depth)
            try:
                writer.write(data)
                await writer.drain()
            except ConnectionError:
                self._cut(line)
                return

    def _cut_all(self) -> None:
        for line in list(self._lines):
            self._cut(line)

    def _cut(self, line: _Line, gently: Direction | None = None) -> None:
        """Close both sides, with a reset; the side named `gently` gets what was written, and then the end."""
        self._lines.discard(line)
        current = asyncio.current_task()
        for task in line.tasks:
            if task is not current:
                task.cancel()
        for side, writer in (("client", line.client), ("server", line.server)):
            if writer is None or writer.is_closing():
                continue
            if side == gently:
                writer.close()
                continue
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
