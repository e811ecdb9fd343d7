"""Of three hundred hosts forty fail in four ways: one screen says how many, which, why, and what to type next."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal, agentless

ROWS = 24
# What is drawn over itself, and colours.
WIPED = re.compile(r"[^\r\n]*\r\x1b\[K|\x1b\[[0-9;?]*[A-Za-z]")
COMMAND = """case $AGENTLESS_HOST in
web[1-9]|web10) echo "cat: /srv/$AGENTLESS_HOST/release: No such file or directory" >&2; exit 3;;
web1[1-9]|web20) kill -9 $$;;
web2[1-9]|web30) exec sleep 300;;
*) echo released;;
esac"""


@pytest.fixture
def nobody() -> Iterator[int]:
    """A port at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def environ(tmp_path: Path, nobody: int) -> dict[str, str]:
    """A person with 290 hosts on this machine, each with a state directory of its own, and ten out of reach."""
    hosts = {
        f"web{number}": {"ansible_connection": "local", "agentless_state_dir": f"{tmp_path}/state/{number}"}
        if not 31 <= number <= 40
        else {"ansible_host": "127.0.0.1", "ansible_port": nobody, "ansible_user": "nobody"}
        for number in range(1, 301)
    }
    inventory = tmp_path / "inventory.json"
    inventory.write_text(json.dumps({"all": {"hosts": list(hosts)}, "_meta": {"hostvars": hosts}}))
    return {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "AGENTLESS_INVENTORY": str(inventory)}


def screen(terminal: Terminal) -> list[str]:
    """What stands on the last screen of a terminal."""
    return WIPED.sub("", terminal.text.replace("\r\n", "\n")).splitlines()[-ROWS:]


def test_one_screen_says_how_many_which_why_and_what_next(environ: dict[str, str]) -> None:
    words = ("run", "all", "--timeout", "15", "-f", "8", "--", COMMAND)
    with Terminal(*words, environ=environ, columns=80) as terminal:
        assert terminal.end() == 3
    shown = screen(terminal)
    assert max(map(len, shown)) <= 80
    [first] = [at for at, line in enumerate(shown) if line.startswith("job ")]
    jid = shown[first].split()[1].rstrip(":")
    assert shown[first] == f"job {jid}: 300 hosts: 260 ok, 10 unreachable, 30 failed"
    text = "\n".join(shown[first + 1 :])
    assert "web[31-40] (10) | unreachable | connect: 127.0.0.1 port " in text
    assert text.count("Is the host up") == 1
    assert "  web[11-20] (10) | killed (KILL)\n" in text
    assert "  web[21-30] (10) | timed out\n" in text
    assert "  web[1-10] (10) | failed (3) | cat: /srv/web…/release: No such file or\n    directory" in text
    assert shown[-2:] == [
        f"  agentless jobs lookup {jid} --failed  what they printed",
        f"  agentless jobs retry {jid}            repeats it on 40 hosts",
    ]
    assert "260 ok, 10 unreachable, 30 failed" in agentless("jobs", "list", environ=environ).stdout

    with Terminal("jobs", "lookup", jid, "--failed", environ=environ, columns=140) as terminal:
        assert terminal.end() == 1
    shown = screen(terminal)
    wide = "  web[1-10] (10) | failed (3) | cat: /srv/web…/release: No such file or directory"
    assert wide in shown
    assert f"job {jid}: 30 hosts: 30 failed" in shown
    assert "web1 | failed (3) | " in terminal.text.replace("\x1b[31m", "").replace("\x1b[0m", "")

    # What is shown folded can be given back.
    listed = agentless("hosts", "web[21-30,35],web300", "--out", "json", environ=environ)
    assert list(json.loads(listed.stdout)) == [*(f"web{number}" for number in range(21, 31)), "web35", "web300"]
