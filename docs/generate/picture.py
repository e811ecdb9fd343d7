"""The picture at the top of the README: a real run on the demo's fleet, as a terminal shows it.

python docs/generate/picture.py        renews docs/assets/run.svg
"""

from __future__ import annotations

import fcntl
import io
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from agentless.demo import DemoFleet

PICTURE = Path(__file__).resolve().parents[1] / "assets" / "run.svg"
COLUMNS = 104
STORY = (
    "agentless run web --detach -- 'echo started; sleep 3600'",
    "agentless jobs active",
    "agentless kill-job last",
    "agentless jobs lookup last",
)
# Rich's frame asks a server for its font; the reader's monospace does.
FRAME = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
FRAME = re.sub(r"<!-- Generated.*?-->", "", FRAME).replace("Fira Code, monospace", "ui-monospace, Menlo, monospace")


def typed(command: str, fleet: DemoFleet) -> str:
    """What a terminal shows when a person types this command on the fleet's controller."""
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    environ = {
        "HOME": str(fleet.directory / "home"),
        "AGENTLESS_INVENTORY": str(fleet.inventory),
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(PICTURE.parents[2]),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "TZ": "UTC",
    }
    words = [sys.executable, "-m", *shlex.split(command), "--no-progress"]
    if "--" in words:
        words.insert(words.index("--"), words.pop())
    process = subprocess.Popen(
        words,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environ,
        cwd=fleet.directory,
        start_new_session=True,
    )
    os.close(terminal)
    shown = b""
    while True:
        try:
            data = os.read(controller, 65536)
        except OSError:
            break
        if not data:
            break
        shown += data
    process.wait()
    os.close(controller)
    return shown.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n")


def story() -> Text:
    """The commands, each with what it showed."""
    told = Text()
    with DemoFleet(4) as fleet:
        for command in STORY:
            told.append("$ ", "bold green").append(command + "\n", "bold")
            told.append_text(Text.from_ansi(typed(command, fleet))).append("\n")
            time.sleep(1.5)
    return told


def main() -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(story(), soft_wrap=True, highlight=False)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    PICTURE.write_text(
        "\n".join(
            line.rstrip()
            for line in console.export_svg(title="agentless", code_format=FRAME, unique_id="run").splitlines()
        )
        + "\n"
    )


if __name__ == "__main__":
    main()
