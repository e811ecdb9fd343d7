"""What a process wrote last: whole when that has ended, and nobody is held up meanwhile."""

from __future__ import annotations

import subprocess
import threading

from agentless.last_words import LastWords
from tests.hosts import patience


def started(script: str) -> tuple[subprocess.Popen[bytes], LastWords]:
    process = subprocess.Popen(["/bin/sh", "-c", script], stderr=subprocess.PIPE)
    assert process.stderr is not None
    return process, LastWords(process.stderr)


def test_all_that_has_ended_wrote_is_there_though_nobody_has_come_to_read_it() -> None:
    process, words = started("printf ' one\\n\\ntwo' >&2")
    process.wait(patience(20))
    assert words.lines() == ["one", "two"]
    words.follow()
    assert words.lines() == ["one", "two"]
    assert process.stderr is not None
    assert process.stderr.closed


def test_a_process_that_writes_much_is_not_held_up_and_its_end_is_kept() -> None:
    process, words = started("seq 100000 >&2")
    thread = threading.Thread(target=words.follow)
    thread.start()
    assert process.wait(patience(60)) == 0
    lines = words.lines()
    assert lines[-2:] == ["99999", "100000"]
    assert sum(map(len, lines)) <= 2048
    thread.join(patience(20))


def test_what_a_process_left_behind_holds_open_is_not_waited_for() -> None:
    process, words = started("echo why >&2; sleep 600 & echo $! >&2")
    process.wait(patience(20))
    why, child = words.lines()
    assert why == "why"
    subprocess.run(["kill", child], check=True)
    words.follow()
