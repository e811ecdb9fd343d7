"""What a node's users find in /usr/bin: the machine's programs without some, with links to others."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from tests.hosts import Node

VIEW = """
set -e
mkdir -p /run/real /run/view
mount --bind /usr/bin /run/real
mount -t tmpfs -o mode=755 tmpfs /run/view
ln -s /run/real/* /run/view
cd /run/view
rm -f $1
mount --bind /run/view /usr/bin
"""
BACK = "umount -l /usr/bin /run/view /run/real"


@contextlib.contextmanager
def programs(node: Node, *, without: Sequence[str] = (), scripts: Mapping[str, str] | None = None) -> Iterator[None]:
    """Take programs (shell patterns, as `python3*`) out of the node's /usr/bin, and put shell scripts in.

    The machine's own programs stay in the node's /run/real.
    """
    node.run(VIEW.replace("$1", " ".join(without)))
    try:
        for name, text in (scripts or {}).items():
            node.write(f"/usr/bin/{name}", text, 0o755)
        yield
    finally:
        node.run(BACK)
