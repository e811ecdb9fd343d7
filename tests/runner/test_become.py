"""The command line of sudo, su and doas, and what is answered to their prompts; tests/become/ has the real ones."""

from __future__ import annotations

import shlex
import subprocess

import pytest

from agentless.errors import HostError, Refused, Unreachable
from agentless.model.endpoint import Become
from agentless.model.secret import Secret
from agentless.runner.become import Dialogue, wants_tty, wrap

MARK = "0123456789abcdef"
LINE = "exec /bin/sh -c 'echo \"$1\"' agentless 'it is'"
PASSWORD = Secret("hunter2")
BEGIN = f"become-{MARK}\n".encode()
PROMPT = f"[{MARK}:ada] ".encode()


def begun(method: str = "sudo", password: Secret | None = PASSWORD, *, tty: bool = False) -> Dialogue:
    dialogue = Dialogue(Become(method, "root", password), MARK, tty=tty)
    assert dialogue.feed(b"Password: \nmotd\n" + BEGIN) is None
    assert dialogue.begun
    return dialogue


# --- the command line ---
@pytest.mark.parametrize("method", ["sudo", "su", "doas"])
@pytest.mark.parametrize("shell", ["/bin/sh", "/bin/bash"])
def test_any_shell_reads_back_the_line_that_was_wrapped(method: str, shell: str) -> None:
    line = wrap(LINE, Become(method, "a user", None), MARK, tty=False)
    words = shlex.split(line)
    assert (words[:3], words[4]) == (["exec", "/bin/sh", "-c"], MARK)
    assert "a user" in words
    checked = subprocess.run([shell, "-n", "-c", line], capture_output=True, text=True)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_a_password_is_asked_for_with_a_mark_and_never_stands_in_the_line() -> None:
    line = wrap(LINE, Become("sudo", "root", PASSWORD), MARK, tty=False)
    assert f"[{MARK}:%p] " in line
    assert "hunter2" not in line
    assert "sudo -H -n " in wrap(LINE, Become("sudo", "root", None), MARK, tty=False)


@pytest.mark.parametrize(
    ("method", "password", "tty"), [("sudo", PASSWORD, False), ("su", PASSWORD, True), ("su", None, False)]
)
def test_only_methods_that_read_a_password_from_a_terminal_want_one(
    method: str, password: Secret | None, tty: bool
) -> None:
    assert wants_tty(Become(method, "root", password)) is tty


@pytest.mark.parametrize("become", [Become("runas", "root"), Become("sudo", "root", Secret("two\nlines"))])
def test_what_no_prompt_can_take_is_refused_before_anything_is_sent(become: Become) -> None:
    with pytest.raises(Unreachable) as caught:
        wrap(LINE, become, MARK, tty=False)
    assert caught.value.kind == "become"
    assert "two" not in str(caught.value)


# --- the dialogue ---
def test_a_prompt_of_the_login_shell_gets_no_password() -> None:
    dialogue = Dialogue(Become("su", "root", PASSWORD), MARK, tty=True)
    assert dialogue.feed(b"Password: ") is None
    assert dialogue.quiet() is None


def test_the_prompt_with_our_mark_is_answered_once_and_then_the_password_was_wrong() -> None:
    dialogue = begun()
    assert dialogue.feed(PROMPT[:7]) is None
    assert dialogue.feed(PROMPT[7:]) == PASSWORD
    with pytest.raises(Unreachable, match="refused the password for becoming root: it wants that of ada"):
        dialogue.feed(b"Sorry, try again.\n" + PROMPT)


@pytest.mark.parametrize("prompt", ["Password: ", "Passwort für root:", "パスワード："])
def test_su_asks_in_any_words(prompt: str) -> None:
    dialogue = begun("su", tty=True)
    answer = dialogue.feed(prompt.encode())
    assert PASSWORD in (answer, None if answer else dialogue.quiet())


def test_without_a_password_a_prompt_is_an_error_that_says_how_to_give_one() -> None:
    with pytest.raises(HostError) as caught:
        begun("su", None, tty=True).feed(b"Password: ")
    assert "`become_password`" in caught.value.hint


def test_what_the_helper_says_is_no_prompt() -> None:
    dialogue = begun("su", tty=True)
    assert dialogue.feed(b"\x1e" + MARK.encode() + b" 12 0\npassword: ") is None
    assert dialogue.quiet() is None


@pytest.mark.parametrize(
    ("printed", "status", "kind", "part"),
    [
        (b"/bin/sh: 1: exec: sudo: not found\n", 127, "become", "not installed"),
        (b"sudo: unknown user nobodyy\n", 1, "no-such-user", "no user root"),
        (b"sudo: a password is required\n", 1, "become", "asks for a password"),
        (b"ada is not in the sudoers file.\n", 1, "become", "does not allow it"),
        (b"This account is currently not available.\n", 1, "become", "no login shell"),
        (b"", 1, "become", "exit status 1"),
    ],
)
def test_a_method_that_ended_is_told_by_what_it_printed(printed: bytes, status: int, kind: str, part: str) -> None:
    dialogue = begun(password=None)
    dialogue.feed(printed)
    error = dialogue.ended(status)
    assert (error.kind, part in error.message) == (kind, True)
    assert isinstance(error, Refused) is (kind == "no-such-user")


def test_what_was_sent_is_not_repeated_by_an_error() -> None:
    dialogue = begun()
    dialogue.feed(b"sudo: argv[5] mismatch, expected " + b"QUJD" * 100)
    assert "QUJDQUJD" not in dialogue.ended(1).message
    assert "said nothing within 5 s" in dialogue.silent(5).message


@pytest.mark.parametrize(
    ("printed", "needs"), [(b"sudo: sorry, you must have a tty to run sudo\n", True), (b"no\n", False)]
)
def test_a_method_that_wants_a_terminal_is_known_by_its_words(printed: bytes, needs: bool) -> None:
    dialogue = begun()
    dialogue.feed(printed)
    assert dialogue.needs_tty is needs
