"""Programs that print an inventory: `SCRIPT --list`, for old ones `SCRIPT --host NAME`, and `ansible-inventory`."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import IO, Any

from agentless.errors import InventoryError
from agentless.inventory.group_tree import Tree
from agentless.inventory.groupfile import parse_listing
from agentless.inventory.yaml_document import load_json
from agentless.regex import regex

__all__ = ["parse", "parse_by_ansible"]

# Seconds. Cloud APIs with many accounts take minutes.
_DEADLINE = 300.0
_PATIENCE = 10.0
_MOST_BYTES = 256 * 1024 * 1024
_STDERR_TAIL = 64 * 1024
# Ansible wraps its warnings over several lines.
_WARNING = regex(r"^\[(?:WARNING|ERROR)\]:? (.*(?:\n(?!\[|\n).+)*)", re.MULTILINE)


def parse(tree: Tree, path: str) -> bool:
    """Run the script and read its answer; False where the system cannot execute the file at all.

    Raises:
        InventoryError: the script failed, took five minutes, or printed too much or something else than JSON.
    """
    try:
        text, _ = _output(path, ("--list",), tree.warn)
    except OSError:
        return False
    parse_listing(tree, _json(text, path, "--list", tree.warn), path, lambda name: _host(path, name, tree.warn))
    return True


def parse_by_ansible(
    tree: Tree, program: str, sources: Sequence[str], directory: str, vault_ids: Sequence[str]
) -> None:
    """Have `ansible-inventory` read sources, all of them together, since plugins may build on what others say.

    Raises:
        InventoryError: it failed, took five minutes, or printed too much or something else than JSON.
    """
    words = [word for source in sources for word in ("-i", source)]
    words += [word for vault_id in vault_ids for word in ("--vault-id", vault_id)]
    arguments = (*words, "--playbook-dir", directory, "--list")
    try:
        text, stderr = _output(program, arguments, tree.warn)
    except OSError as error:
        raise InventoryError(f"cannot be run: {error.strerror}", file=program) from None
    for warning in _WARNING.findall(stderr):
        tree.warn(f"ansible-inventory: {' '.join(warning.split())}")
    tree.source = sources[0]
    parse_listing(tree, _json(text, program, " ".join(arguments), tree.warn), program, None)


def _host(path: str, name: str, warn: Callable[[str], None]) -> Any:
    text, _ = _output(path, ("--host", name), warn)
    return _json(text, path, f"--host {name}", warn) if text.strip() else {}


def _json(text: str, path: str, arguments: str, warn: Callable[[str], None]) -> Any:
    try:
        return load_json(text, path, warn)
    except ValueError as error:
        raise InventoryError(
            f"the answer of {_called(path)} to {arguments} is no JSON: {error}",
            "It is run because the file is executable; chmod -x it if it is no script.",
            file=path,
        ) from None


def _called(path: str) -> str:
    return "ansible-inventory" if os.path.basename(path) == "ansible-inventory" else "the inventory script"


def _output(path: str, arguments: tuple[str, ...], warn: Callable[[str], None]) -> tuple[str, str]:
    """What it printed to stdout, and the end of what it printed to stderr."""
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
            raise InventoryError(f"{_called(path)} took longer than {_DEADLINE:.0f} s", by_hand, file=path) from None
        except OverflowError:
            raise InventoryError(
                f"{_called(path)} printed more than {_MOST_BYTES // 1024**2} MiB", by_hand, file=path
            ) from None
        finally:
            # What it has left behind may hold the pipes open for ever.
            process.kill()
    stderr_tail = stderr.decode("utf-8", "replace")
    if code:
        lines = stderr_tail.strip().splitlines()
        raise InventoryError(
            f"{_called(path)} ended with exit code {code}" + (f": {lines[-1]}" if lines else ""),
            by_hand,
            file=path,
        )
    return stdout.decode("utf-8", "surrogateescape"), stderr_tail


def _read(process: subprocess.Popen[bytes], still_waiting: Callable[[], None]) -> tuple[bytes, bytes]:
    """Stdout, and the end of stderr, until both are closed, or the script has ended and nothing more comes.

    Raises TimeoutError or OverflowError where that is too late, or too much.
    """
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = bytearray(), bytearray()
    started = time.monotonic()
    announced, received = False, 0
    with selectors.DefaultSelector() as selector:
        for pipe, kept in ((process.stdout, stdout), (process.stderr, stderr)):
            selector.register(pipe, selectors.EVENT_READ, kept)
        while selector.get_map():
            ended = process.poll() is not None
            ready = selector.select(0.2)
            for key, _ in ready:
                received += _take(selector, key)
            if ended and not ready:
                break
            if received > _MOST_BYTES:
                raise OverflowError
            del stderr[:-_STDERR_TAIL]
            waited = time.monotonic() - started
            if waited > _DEADLINE:
                raise TimeoutError
            if waited > _PATIENCE and not announced:
                announced = True
                still_waiting()
    return bytes(stdout), bytes(stderr)


def _take(selector: selectors.BaseSelector, key: selectors.SelectorKey) -> int:
    """How many bytes were read."""
    pipe: IO[bytes] = key.fileobj  # type: ignore[assignment]
    data: bytes = pipe.read1(65536)  # type: ignore[attr-defined]
    if data:
        key.data.extend(data)
    else:
        selector.unregister(pipe)
    return len(data)
