"""The headers of ssh_config's blocks: `Host` and `Match`, and what they ask about."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field

from agentless.openssh import tokens
from agentless.openssh.jumps import way
from agentless.openssh.names import check_host, check_user
from agentless.openssh.syntax import patterns, port_number
from agentless.values import dataclass

__all__ = ["Condition", "Facts", "asks_for_final", "host", "match", "passes"]

_EXEC_WAIT = 30.0
_FLAGS = ("all", "canonical", "final")
# What newer ones can ask and is not evaluated here: such a block is for no host, rather than for every one.
_NEVER = ("command", "localnetwork", "version")


@dataclass(slots=True)
class Facts:
    """What is known about a host while its configuration is being read.

    Args:
        name: as the inventory or a jump names it.
        local_user, home: of the user who runs this.
        host: what `Host` is compared with: the name, on the final pass as HostName and canonicalization have it.
        given_user, given_port: of the inventory or the command line, which no file changes.
        final: whether this is the pass after these.
        unevaluated: `Match` criteria that decided about a block for this host and are not evaluated here.
    """

    name: str
    local_user: str
    home: str
    host: str
    given_user: str | None = None
    given_port: int | None = None
    final: bool = False
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    unevaluated: list[str] = field(default_factory=list)

    def first(self, keyword: str, default: str = "") -> str:
        """The value of a keyword that takes one."""
        return self.options.get(keyword, (default,))[0]

    @property
    def hostname(self) -> str:
        """HostName with its token expanded, or the name."""
        if self.final or "hostname" not in self.options:
            return self.host
        return tokens.expand(self.first("hostname"), {"%h": self.host})

    @property
    def user(self) -> str:
        """Whom to log in as, as far as it is known."""
        return self.given_user or self.first("user", self.local_user)

    def tokens(self) -> dict[str, str]:
        """What the tokens of `Match exec` stand for.

        Raises:
            ValueError: a shell would read more than a name out of one of them.
        """
        return tokens.table(
            home=self.home,
            local_user=self.local_user,
            name=self.name,
            host=check_host(self.hostname),
            port=self.given_port or port_number(self.first("port", "22")),
            user=check_user(self.user),
            alias=check_host(self.first("hostkeyalias", self.hostname)),
            jump=way(self.options).bastion,
        )


Condition = Callable[[Facts], bool]


def passes(command: str) -> bool:
    """Whether a command of `Match exec` ends with 0. Nobody's input is read for it.

    Raises:
        ValueError: it does not end.
    """
    import subprocess

    null = subprocess.DEVNULL
    try:
        return subprocess.run(["/bin/sh", "-c", command], stdin=null, stdout=null, timeout=_EXEC_WAIT).returncode == 0
    except subprocess.TimeoutExpired:
        raise ValueError(f"Match exec {command!r} took longer than {_EXEC_WAIT:.0f} s") from None


def host(names: Sequence[str]) -> Condition:
    """The condition of a `Host` line."""
    matches = patterns(names)
    return lambda facts: matches(facts.host)


def asks_for_final(words: Sequence[str]) -> bool:
    """Whether a `Match` line asks for another pass over what HostName and canonicalization made of the host."""
    return "final" in (word.lower() for word in words)


def match(words: Sequence[str], passes: Callable[[str], bool], place: str = "") -> Condition:
    """The condition of a `Match` line.

    Args:
        passes: runs the command of `exec`, and returns whether it ends with 0.
        place: its file and line, for a warning about what is not evaluated here; empty wants none.

    Raises:
        ValueError: a criterion that is none, or lacks its value.
    """
    left = list(words)
    criteria: list[tuple[bool, Condition]] = []
    unevaluated: list[str] = []
    while left:
        word, equals, value = left.pop(0).partition("=")
        name = word.lower().removeprefix("!")
        if name == "all" and (left or len(criteria) > 1):
            raise ValueError("Match all cannot be combined with other criteria")
        if name not in _FLAGS:
            if not equals:
                value = left.pop(0) if left else ""
                # `host = name`, as some write it
                value = left.pop(0) if value == "=" and left else value
            if not value and name != "tagged":
                raise ValueError(f"Match {word} needs a value")
        if name in _NEVER:
            unevaluated.append(f"Match {word} ({place})")
        else:
            criteria.append((word.startswith("!"), _criterion(name, value, passes)))
    if not criteria and not unevaluated:
        raise ValueError("Match needs a criterion")

    def condition(facts: Facts) -> bool:
        holds = all(criterion(facts) is not negated for negated, criterion in criteria)
        if holds and unevaluated and place:
            facts.unevaluated += unevaluated
        return holds and not unevaluated

    return condition


def _criterion(name: str, value: str, passes: Callable[[str], bool]) -> Condition:
    if name == "all":
        return lambda facts: True
    if name in ("final", "canonical"):
        return lambda facts: facts.final
    if name == "exec":
        return lambda facts: passes(tokens.expand(value, facts.tokens()))
    matches = patterns((value.lower() if name in ("host", "originalhost") else value).split(","))
    if name == "originalhost":
        return lambda facts: matches(facts.name.lower())
    if name == "host":
        return lambda facts: matches(facts.hostname.lower())
    if name == "user":
        return lambda facts: matches(facts.user)
    if name == "localuser":
        return lambda facts: matches(facts.local_user)
    if name == "sessiontype":
        return lambda facts: matches("exec")
    if name == "tagged":
        return lambda facts: facts.first("tag") == value or (bool(facts.first("tag")) and matches(facts.first("tag")))
    raise ValueError(f"Match {name!r} is no criterion")
