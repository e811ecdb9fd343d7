"""A real browser without a window, spoken to by the DevTools protocol over two pipes: no port, no library."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts import need
from tests.hosts.waiting import patience, until

__all__ = ["Browser", "Page", "browser"]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
# It reads what it is to do from descriptor 3, and answers on 4.
START = """
import fcntl, os, sys
read, write = (fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3])
os.dup2(read, 3)
os.dup2(write, 4)
os.execvp(sys.argv[3], sys.argv[3:])
"""
COMPLAINTS = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Page.javascriptDialogOpening")
OPTIONS = (
    *("--headless", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu"),
    # As root, and in containers, it has no sandbox and little shared memory; the pages are ours.
    *("--no-sandbox", "--disable-dev-shm-usage"),
    # It shall talk to nobody.
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"),
)


def find() -> str:
    """The program; the test is passed over where there is none."""
    need("a browser")
    for name in NAMES:
        if path := shutil.which(name):
            return path
    pytest.skip(f"there is no browser here: none of {', '.join(NAMES)}")


class Browser:
    """One process of it."""

    def __init__(self, process: subprocess.Popen[bytes], read: int, write: int) -> None:
        self._process = process
        self._answers = os.fdopen(read, "rb")
        self._write = write
        self._buffer = b""
        self._number = 0
        self.events: deque[dict[str, Any]] = deque()

    def call(self, method: str, session: str | None = None, **params: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result
            self.events.append(answer)

    def wait_for(self, method: str) -> None:
        """Wait for an event, which may have come."""
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            piece = self._answers.read1(1 << 16)
            assert piece, "the browser has ended"
            self._buffer += piece
        message, self._buffer = self._buffer.split(b"\0", 1)
        answer: dict[str, Any] = json.loads(message)
        return answer

    def open(self, path: Path, *, script: bool = True, dark: bool = False, width: int = 1200) -> Page:
        """A file in a new tab, once it is loaded."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.events.clear()
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable", session)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", session, features=[scheme])
        self.call("Emulation.setScriptExecutionDisabled", session, value=not script)
        self.call(
            "Emulation.setDeviceMetricsOverride", session, width=width, height=900, deviceScaleFactor=1, mobile=False
        )
        self.call("Page.navigate", session, url=path.as_uri())
        self.wait_for("Page.loadEventFired")
        page = Page(self, session)
        # The event may have been that of the empty page before it.
        until(lambda: page.evaluate("[location.href, document.readyState]") == [path.as_uri(), "complete"], "its load")
        return page


class Page:
    """A loaded page."""

    def __init__(self, browser: Browser, session: str) -> None:
        self._browser = browser
        self._session = session

    def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page; a promise is awaited."""
        done = self._browser.call(
            "Runtime.evaluate", self._session, expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Errors and warnings of its console, exceptions, and dialogs."""
        self.evaluate("0")
        return [
            event
            for event in self._browser.events
            if event["method"] in COMPLAINTS
            or (event["method"] == "Log.entryAdded" and event["params"]["entry"]["level"] != "info")
        ]

    @property
    def requests(self) -> list[str]:
        """What it asked for."""
        self.evaluate("0")
        sent = [event for event in self._browser.events if event["method"] == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start it with this directory as its profile; it ends with the block."""
    program = find()
    to_read, to_write = os.pipe()
    read, write = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", START, str(to_read), str(write), program, *OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=(to_read, write),
        env={"PATH": os.environ["PATH"], "HOME": str(profile), "LC_ALL": "C.UTF-8", "TZ": "UTC"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_read)
    os.close(write)
    # Whoever waits for an answer of one that hangs is told by its end.
    watchdog = threading.Timer(patience(120.0), process.kill)
    watchdog.start()
    made = Browser(process, read, to_write)
    try:
        yield made
        made.call("Browser.close")
        process.wait(patience(30.0))
    finally:
        watchdog.cancel()
        process.kill()
        process.wait()
        made._answers.close()
        os.close(to_write)
