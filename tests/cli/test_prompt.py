"""A passphrase that is asked for by one thread: what is typed is not shown, and an interruption ends the question."""

from __future__ import annotations

import os
from pathlib import Path

from tests.cli.terminal import Terminal

PROGRAM = """
import signal, sys, termios, threading
from agentless.cli.prompt import Prompts
prompts = Prompts()
signal.signal(signal.SIGINT, lambda number, frame: prompts.end())
answers = []
for prompt in sys.argv[1:]:
    thread = threading.Thread(target=lambda: answers.append(prompts.ask(prompt)))
    thread.start()
    while thread.is_alive():
        thread.join(0.05)
with open("/dev/tty") as terminal:
    print(answers, prompts.refused, bool(termios.tcgetattr(terminal)[3] & termios.ECHO), "end")
"""

# The interruption comes when the question is about to be asked.
INTERRUPTED = """
import os
from agentless.cli.prompt import Prompts
prompts, pipe = Prompts(), os.pipe
def interrupted():
    prompts.end()
    return pipe()
os.pipe = interrupted
print(prompts.ask("first: "), prompts.refused, "end")
"""


def asks(*prompts: str, program: str = PROGRAM) -> Terminal:
    environ = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return Terminal(*prompts, environ=environ, program=("-c", program))


def test_what_is_typed_comes_back_and_is_not_shown() -> None:
    with asks("first: ", "second: ") as terminal:
        terminal.until("first: ")
        terminal.type("zwölf\n")
        terminal.until("second: ")
        terminal.type("\n")
        terminal.until("end")
    assert "['zwölf', ''] False True end" in terminal.text
    assert terminal.text.count("zwölf") == 1


def test_the_end_of_the_file_is_no_answer() -> None:
    with asks("first: ") as terminal:
        terminal.until("first: ")
        terminal.type("\x04")
        terminal.until("end")
    assert "[None] False True end" in terminal.text


def test_an_interruption_ends_the_question_and_nothing_is_asked_any_more() -> None:
    with asks("first: ", "second: ") as terminal:
        terminal.until("first: ")
        terminal.type("\x03")
        terminal.until("end")
    assert "[None, None] True True end" in terminal.text
    assert "second: " not in terminal.text


def test_an_interruption_in_the_moment_in_which_the_question_begins_ends_it() -> None:
    with asks(program=INTERRUPTED) as terminal:
        terminal.until("end")
    assert "None True end" in terminal.text
