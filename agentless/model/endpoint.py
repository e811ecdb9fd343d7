"""How to reach a host and as whom to act there, as far as the inventory, the command line and the prompts say it."""

from __future__ import annotations

from dataclasses import replace

from agentless.model.problem import Problem
from agentless.model.secret import Secret
from agentless.regex import regex
from agentless.values import dataclass

__all__ = ["INTERPRETER", "Become", "Endpoint", "Option", "connect_seconds"]

# Plain to every login shell between single quotes: no quote, backslash, `!` or newline.
INTERPRETER = regex(r"[A-Za-z0-9_./+:@%~ =,-]+")

# A keyword of ssh_config(5) in lower case, and the words of its value.
Option = tuple[str, tuple[str, ...]]

# A day: more than anybody waits for a login, and less than any clock or selector overflows at.
_LONGEST = 86400.0


def connect_seconds(value: object) -> float:
    """A connect timeout as the command line, the configuration or the inventory gives it.

    Raises:
        ValueError: it is no number of seconds above 0, or more than a day.
    """
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"seconds above 0 are needed, {_LONGEST:.0f} at most")
    return seconds


@dataclass(frozen=True, slots=True)
class Become:
    """Act as another user.

    Args:
        method: `sudo`, `su` or `doas`.
        user: whom to become.
        password: what the method's prompt is answered with; None where none is expected.
    """

    method: str = "sudo"
    user: str = "root"
    password: Secret | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What the inventory and the command line say about one host; None or empty is what neither of them says.

    `openssh.resolver` adds ~/.ssh/config and the defaults when the host is connected to.

    Args:
        name: the inventory name; the only name that results carry.
        address: what to connect to, before `~/.ssh/config` is asked (`ansible_host`, else the name).
        local: run on this machine without SSH (`ansible_connection: local`).
        port, user, password: to log in with.
        key_files: private keys, the first one first.
        options: OpenSSH options (`-o`) of `ansible_ssh_common_args` and the like; of a keyword the first value holds.
        config_file: what stands in for ~/.ssh/config and the system's file (`-F`).
        python: `ansible_python_interpreter`, tried first; None finds one.
        state_dir: `agentless_state_dir`; None takes the user's own.
        become: as whom to act; None stays who logged in.
        connect_timeout: seconds for every phase of connecting together.
        host_key_checking: `strict` or `accept-new`.
        spread_worker: which workers of a cluster ask this host (`agentless_spread_worker`); None is any.
        problem: why there is no way to this host, such as a variable that cannot be used. The rest is unknown then.
    """

    name: str
    address: str
    local: bool = False
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    key_files: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    config_file: str | None = None
    python: str | None = None
    state_dir: str | None = None
    become: Become | None = None
    connect_timeout: float | None = None
    host_key_checking: str | None = None
    problem: Problem | None = None
    spread_worker: str | None = None

    @property
    def place(self) -> str:
        """Where records of jobs lie, as far as that is said: machine, login, who acts there, and directory."""
        words = [f"{self.user}@{self.address}" if self.user else self.address]
        if self.local:
            words = ["this machine"]
        elif self.port is not None:
            words.append(f"port {self.port}")
        if self.become:
            words.append(f"as {self.become.user}")
        if self.state_dir:
            words.append(f"in {self.state_dir}")
        return " ".join(words)

    @property
    def places(self) -> tuple[str, ...]:
        """As `place`, where the login user is asked beside the one who acts."""
        return (self.place, replace(self, become=None).place)
