"""How a command greets the keeper, which may hang, and asks what it keeps."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence

from agentless.errors import AgentlessError
from agentless.transport.keeper import messages
from agentless.transport.keeper.place import Place, Unusable
from agentless.transport.keeper.signs import SILENCE, Silence
from agentless.transport.mux.control import listener_pid
from agentless.transport.mux.line import Line
from agentless.transport.mux.protocol import VERSION, Hello

__all__ = ["TAKE_WITHIN", "Hangs", "greeted", "held", "kept_open", "let_go"]

TAKE_WITHIN = 5.0
"""Seconds within which it takes what it is told, unless it hangs: a buffer is full."""
# It is looked at so often while its hello is waited for.
_LOOK = 0.2


class Hangs(Unusable):
    """It says nothing."""

    def __init__(self, silence: Silence) -> None:
        known = f" (PID {silence.pid})" if silence.known else ""
        super().__init__(f"it does not answer{known}")
        self._silence = silence

    def passed_over(self, place: Place) -> str:
        """Have the next command start another; what to say about that."""
        if self._silence.pid is None:
            return ""
        place.pass_over(self._silence.pid)
        end = f"`kill -9 {self._silence.pid}` ends it and closes what it keeps; " if self._silence.known else ""
        return f"{end}the next command starts another."


def greeted(place: Place, *, start: bool = True, silent_for: float = 0.0) -> Line:
    """A connection to the keeper, which has said hello.

    Args:
        silent_for: seconds for which it has been silent elsewhere.

    Raises:
        Unusable: it does not say so, or not in time.
    """
    line = messages.line(place.connect(start=start))
    with kept_open(line, "it does not say hello"):
        asked_at = time.monotonic()
        silence: Silence | None = None
        line.send(Hello(), until=asked_at + SILENCE)
        while True:
            try:
                hello = line.receive(time.monotonic() + _LOOK)
                break
            except TimeoutError:
                # Nearly always it answers at once, and nobody needs to know how its process fares.
                silence = silence or Silence(listener_pid(line.sock), silent_for + time.monotonic() - asked_at)
                if silence.hopeless:
                    raise Hangs(silence) from None
        if not isinstance(hello, Hello) or hello.version != VERSION:
            raise Unusable("it does not say hello")
    return line


@contextlib.contextmanager
def kept_open(line: Line, fault: str) -> Iterator[None]:
    """The line stays open where all goes well within, and is closed else.

    Raises:
        Unusable: the line broke, which is told as this fault.
    """
    try:
        yield
    except (OSError, ValueError) as problem:
        line.close()
        raise Unusable(f"{fault}: {problem}") from None
    except BaseException:
        line.close()
        raise


def held(place: Place | None = None) -> messages.HeldAll | None:
    """What this user's keeper keeps; None where no keeper runs. Raises AgentlessError where it does not answer."""
    return _answer(place, messages.LIST, None)


def let_go(ways: Sequence[tuple[str, str, int]] | None, place: Place | None = None) -> messages.HeldAll | None:
    """Have the keeper let go of the connections to these users, hosts and ports, or of all.

    A connection that is in use carries what is under way to its end.

    Returns:
        What was let go of; None where no keeper runs.

    Raises:
        AgentlessError: it does not answer.
    """
    return _answer(place, messages.CLOSE, messages.Close(None if ways is None else tuple(ways)))


def _answer(place: Place | None, kind: int, value: object) -> messages.HeldAll | None:
    """What the keeper answers; None where none runs. Raises AgentlessError: it hangs."""
    place = place or Place()
    try:
        with contextlib.closing(greeted(place, start=False)) as line:
            line.send(messages.message(kind, 1, value), until=time.monotonic() + SILENCE)
            # One that says hello and nothing else is still being loaded.
            message = line.receive(time.monotonic() + TAKE_WITHIN)
            return None if message is None else messages.value(message, messages.HeldAll)
    except Hangs as problem:
        raise AgentlessError(f"the keeper of connections: {problem}", problem.passed_over(place)) from None
    except TimeoutError:
        raise AgentlessError("the keeper of connections does not answer", "Try again.") from None
    except (Unusable, OSError, ValueError):
        return None
