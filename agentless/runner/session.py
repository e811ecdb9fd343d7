"""One operation on one host: bring the helper, send the request, and read its answers as values."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from agentless.cache.scratch import Scratch
from agentless.errors import HostError, Unreachable
from agentless.model.endpoint import Endpoint
from agentless.model.secret import Secret
from agentless.regex import regex
from agentless.remote import wire
from agentless.runner import become as becoming
from agentless.runner import payload
from agentless.runner.bounds import Bounds, records_max
from agentless.runner.frames import Decoder
from agentless.runner.reading import Answer, Reading
from agentless.runner.writing import Message
from agentless.transport.channel import Channel, Link

__all__ = ["Session"]

# sudo's own prompt is answered at once; one that PAM put there is known by silence after it.
QUIET = 1.0
NO_PYTHON = regex(r"no Python .* looked for: .*")
# Operations that a host cannot tell from their repetition: a signal would be sent twice, a schedule be told unchanged.
NOT_TWICE = ("signal", "schedule")
# Operations that are as long as files are large.
COPYING = ("put", "get")
# How long the other side may take no bytes.
SENDING = 90.0


class Session:
    """One request on one open connection.

    Args:
        link: the open connection.
        endpoint: whom to become, which Python, which state directory.
        message: the request as it travels.
        scratch: where long output waits for its return.
        follows: the call waits for a job.
        cap: bytes of each output stream that records keep.
        seconds: the job is left so long after the host said that it runs, and the answers end; None waits for its end.
        step: told whether the helper is there or is brought.
    """

    def __init__(
        self,
        link: Link,
        endpoint: Endpoint,
        message: Message,
        scratch: Scratch,
        *,
        follows: bool = False,
        cap: int = wire.CAP,
        seconds: float | None = None,
        step: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._link = link
        self._endpoint = endpoint
        self._step = step
        self._scratch = scratch
        self._pieces_to_send = message.pieces
        self._once = message.fields["op"] in NOT_TWICE
        self._records_max = records_max(len(message.fields.get("jobs", ())) or 1, cap)
        self._bounds = Bounds(follows=follows, copies=message.fields["op"] in COPYING, cap=cap, seconds=seconds)
        self._command = payload.command(
            message.fields,
            sections_len=message.sections_len,
            python=endpoint.python,
            state_dir=endpoint.state_dir,
        )
        self._channel: Channel | None = None
        self._stderr_tail = b""  # the end of what came on stderr: for messages about a helper that never spoke

    def close(self) -> None:
        """End the call; a thread that reads answers gets no more. The job, if there is one, goes on."""
        if self._channel is not None:
            self._channel.close()

    def answers(self) -> Iterator[Answer]:
        """Send the request and yield what comes back, until the helper says that it is done, or the job is left.

        Raises:
            Unreachable: the connection broke, nothing answered, no Python fits, or become failed.
            Refused: the host answered and will not do it.
        """
        reading = Reading(self._endpoint.name, self._scratch, self._records_max)
        decoder = Decoder(self._command.nonce)
        for data in self._pieces(decoder):
            with _only_this_host():
                frames = decoder.feed(data)
            for frame in frames:
                if not self._bounds.spoke and frame.kind != "need":
                    self._step(f"{self._endpoint.name}: this version's helper is there, and answers")
                self._bounds.frame(frame)
                if frame.kind == "end":
                    return
                if frame.kind in ("need", "ready"):
                    self._supply(frame.kind)
                    continue
                with _only_this_host():
                    answer = reading.read(frame)
                if answer is not None:
                    yield answer

    def _pieces(self, decoder: Decoder) -> Iterator[bytes]:
        """What comes on stdout, after the dialogue with sudo and the like; its end is an error."""
        bounds = self._bounds
        dialogue = self._start()
        while not bounds.leaves:
            assert self._channel is not None
            if bounds.spoke:
                dialogue = None
            left = bounds.left()
            piece = self._channel.recv(left if dialogue is None else min(left, QUIET))
            if piece is None and dialogue is not None:
                self._type(dialogue.quiet())
            if bounds.silent:
                raise self._silent(decoder, dialogue)
            bounds.check()
            if piece is None:
                bounds.nothing_came()
                continue
            stream, data = piece
            bounds.received(len(data))
            if stream == 0:
                if dialogue is not None and dialogue.needs_tty:
                    self._channel.close()
                    decoder.forget()
                    self._stderr_tail = b""
                    dialogue = self._start(tty=True)
                    continue
                raise self._ended(bounds.spoke, decoder, dialogue)
            if stream == 2:
                self._stderr_tail = (self._stderr_tail + data)[-4096:]
            else:
                yield data
            if dialogue is not None and not bounds.spoke and (stream == 2 or dialogue.tty):
                self._type(dialogue.feed(data))

    def _start(self, *, tty: bool = False) -> becoming.Dialogue | None:
        become = self._endpoint.become
        if become is None:
            self._channel = self._link.exec(self._command.line, once=self._once)
            return None
        tty = tty or becoming.wants_tty(become)
        line = becoming.wrap(self._command.line, become, self._command.nonce, tty=tty)
        self._channel = self._link.exec(line, pty=tty, once=self._once)
        return becoming.Dialogue(become, self._command.nonce, tty=tty)

    def _type(self, password: Secret | None) -> None:
        if password is not None:
            self._send(password.reveal().encode("utf-8") + b"\n")

    def _supply(self, kind: str) -> None:
        if kind == "need":
            size = f"{len(self._command.payload):,} bytes"
            self._step(f"{self._endpoint.name}: this version's helper is not there yet: bringing it, {size}")
            self._send(self._command.payload)
        if self._command.stdin:
            self._send(self._command.stdin)
        for piece in self._pieces_to_send():
            if not self._send(piece):
                return

    def _send(self, data: bytes) -> bool:
        """Whether it was taken; else the other side reads no more."""
        assert self._channel is not None
        began = time.monotonic()
        try:
            self._channel.send(data, SENDING)
        except BrokenPipeError:
            # It ended, or reads no more: what it still says tells why.
            return False
        finally:
            self._bounds.sent(time.monotonic() - began)
        return True

    # --- errors of a helper that did not speak, or not to the end ---
    def _silent(self, decoder: Decoder, dialogue: becoming.Dialogue | None) -> HostError:
        if dialogue is not None and dialogue.begun:
            return dialogue.silent(self._bounds.first_answer)
        return Unreachable(
            "no-answer",
            f"logged in, but nothing answered within {self._bounds.first_answer:g} s{self._heard(decoder)}",
            "Look at the login shell's start-up files and at forced commands (ForceCommand, command= in "
            "authorized_keys, accounts for SFTP only): one of them waits, or runs something else.",
        )

    def _ended(self, spoke: bool, decoder: Decoder, dialogue: becoming.Dialogue | None) -> HostError:
        assert self._channel is not None
        status = self._channel.exit_status()
        if spoke:
            return Unreachable("connection-lost", "the connection ended before the reply was complete")
        if status == wire.EXIT_NO_PYTHON:
            # On a terminal, stderr comes as noise of stdout; start-up files may have printed before.
            printed = self._printed(decoder)
            complaint = NO_PYTHON.search(printed)
            before = printed[: complaint.start()].strip()[-300:] if complaint else printed
            return Unreachable(
                "no-python",
                (complaint[0].strip() if complaint else "no fit Python was found")
                + (f"; before: {before}" if before else ""),
                "Install Python 3.6 or newer on the host, or name it with ansible_python_interpreter.",
            )
        if dialogue is not None and dialogue.begun:
            return dialogue.ended(status)
        if status is None:
            return Unreachable("connection-lost", "the connection ended before the helper answered")
        return Unreachable(
            "no-answer",
            f"the login shell ended with status {status} before it started the helper{self._heard(decoder)}",
            "Look at the account's shell and its start-up files, and at forced commands (ForceCommand, command= in "
            "authorized_keys, accounts for SFTP only). An account without a shell runs no jobs: log in as another "
            "user (ansible_user).",
        )

    def _heard(self, decoder: Decoder) -> str:
        heard = self._printed(decoder)
        return f"; it printed: {heard[-300:]}" if heard else ""

    def _printed(self, decoder: Decoder) -> str:
        printed = (decoder.noise + self._stderr_tail).decode("utf-8", "replace")
        lines = printed.replace(f"become-{self._command.nonce}", "").splitlines()
        return " / ".join(line.strip() for line in lines if line.strip())


@contextmanager
def _only_this_host() -> Iterator[None]:
    """Whatever a host has found to send, it is this host's answer that breaks."""
    try:
        yield
    except HostError:
        raise
    except Exception as error:
        raise Unreachable("protocol", f"the reply cannot be read: {type(error).__name__}: {error}"[:500]) from error
