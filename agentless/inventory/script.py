"""Executable inventories: `SCRIPT --list` and, for old ones, `SCRIPT --host NAME`."""

from __future__ import annotations

import selectors
import subprocess
import time
from collections.abc import Callable
from typing import IO, Any

from agentless.errors import InventoryError
from agentless.inventory.document import load_json
from agentless.inventory.groupfile import parse_listing
from agentless.inventory.tree import Tree

__all__ = ["parse"]

# Seconds. Cloud APIs with many accounts take minutes.
_DEADLINE = 300.0
_PATIENCE = 10.0
_MOST_BYTES = 256 * 1024 * 1024
_STDERR_TAIL = 64 * 1024


def parse(tree: Tree, path: str) -> bool:
    """Run the script and read its answer; False where the system cannot execute the file at all.

    Raises:
        InventoryError: the script failed, took five minutes, or printed too much or something else than JSON.
    """
    try:
        text = _output(path, ("--list",), tree.warn)
    except OSError:
        return False
    parse_listing(tree, _json(text, path, "--list", tree.warn), path, lambda name: _host(path, name, tree.warn))
    return True


def _host(path: str, name: str, warn: Callable[[str], None]) -> Any:
    text = _output(path, ("--host", name), warn)
    return _json(text, path, f"--host {name}", warn) if text.strip() else {}


def _json(text: str, path: str, arguments: str, warn: Callable[[str], None]) -> Any:
    try:
        return load_json(text, path, warn)
    except ValueError as error:
        raise InventoryError(
            f"the inventory script's answer to {arguments} is no JSON: {error}",
            "It is run because the file is executable; chmod -x it if it is no script.",
            file=path,
        ) from None


def _output(path: str, arguments: tuple[str, ...], warn: Callable[[str], None]) -> str:
    by_hand = f"Run it by hand: {path} {' '.join(arguments)}"
    with subprocess.Popen(
        [path, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            stdout, stderr = _read(
                process, lambda: warn(f"{path} has not answered yet; {_DEADLINE:.0f} s are given it")
            )
            code = process.wait(_DEADLINE)
        except (TimeoutError, subprocess.TimeoutExpired):
            raise InventoryError(
                f"the inventory script took longer than {_DEADLINE:.0f} s", by_hand, file=path
            ) from None
        except OverflowError:
            raise InventoryError(
                f"the inventory script printed more than {_MOST_BYTES // 1024**2} MiB", by_hand, file=path
            ) from None
        finally:
            # What it has left behind may hold the pipes open for ever.
            process.kill()
    if code:
        lines = stderr.decode("utf-8", "replace").strip().splitlines()
        raise InventoryError(
            f"the inventory script ended with exit code {code}" + (f": {lines[-1]}" if lines else ""),
            by_hand,
            file=path,
        )
    return stdout.decode("utf-8", "surrogateescape")


def _read(process: subprocess.Popen[bytes], still_waiting: Callable[[], None]) -> tuple[bytes, bytes]:
    """Stdout, and the end of stderr, until both are closed, or the script has ended and nothing more comes.

    Raises:
        TimeoutError, OverflowError: it took too long, or printed too much.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = bytearray(), bytearray()
    started = time.monotonic()
    told = False
    with selectors.DefaultSelector() as selector:
        for pipe, kept in ((process.stdout, stdout), (process.stderr, stderr)):
            selector.register(pipe, selectors.EVENT_READ, kept)
        while selector.get_map():
            ended = process.poll() is not None
            ready = selector.select(0.2)
            for key, _ in ready:
                _take(selector, key)
            if ended and not ready:
                break
            if len(stdout) > _MOST_BYTES:
                raise OverflowError
            del stderr[:-_STDERR_TAIL]
            waited = time.monotonic() - started
            if waited > _DEADLINE:
                raise TimeoutError
            if waited > _PATIENCE and not told:
                told = True
                still_waiting()
    return bytes(stdout), bytes(stderr)


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> None:
    pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
    if data := pipe.read1(65536):  # type: ignore[attr-defined]
        key.data.extend(data)
    else:
        selector.unregister(pipe)
