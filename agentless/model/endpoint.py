"""How to reach a host and as whom to act there: what the inventory, the command line and the prompts add up to."""

from __future__ import annotations

from dataclasses import dataclass, field

from agentless.model.problem import Problem
from agentless.model.secret import Secret

__all__ = ["Become", "Endpoint", "connect_seconds"]

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
    """The resolved connection settings of one inventory host.

    Args:
        name: the inventory name; the only name that results carry.
        address: what to connect to, before `~/.ssh/config` is asked (`ansible_host`, else the name).
        local: run on this machine without SSH (`ansible_connection: local`).
        port, user, key_files: None or empty where `~/.ssh/config` decides.
        options: OpenSSH options (`-o`) of `ssh_common_args` and `ssh_extra_args`, keyed by lower-case name.
        python: `ansible_python_interpreter`, tried first; None finds one.
        state_dir: `agentless_state_dir`; None takes the user's own.
        connect_timeout: seconds for every phase of connecting together.
        host_key_checking: `strict` or `accept-new`.
        problem: why there is no way to this host: its `ansible_connection` is none of ours. The rest is unknown then.
    """

    name: str
    address: str
    local: bool = False
    port: int | None = None
    user: str | None = None
    password: Secret | None = None
    key_files: tuple[str, ...] = ()
    options: tuple[tuple[str, str], ...] = ()
    python: str | None = None
    state_dir: str | None = None
    become: Become | None = None
    connect_timeout: float = 10.0
    host_key_checking: str = field(default="strict")
    problem: Problem | None = None
