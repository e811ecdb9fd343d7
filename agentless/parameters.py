"""What a program gives a Fleet, checked: it may be anything. Each raises UsageError, and names the parameter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from agentless.config import MOST_FORKS
from agentless.errors import UsageError
from agentless.inventory.connection import Overrides
from agentless.inventory.search import Sources
from agentless.model.endpoint import connect_seconds
from agentless.model.job_spec import LONGEST, Delivery, JobSpec, shown
from agentless.model.secret import Secret

__all__ = [
    "check_become",
    "check_executor",
    "check_forks",
    "check_job",
    "check_text",
    "check_word",
    "config_path",
    "each",
    "keep",
    "moment",
    "overrides",
    "secret",
    "sources",
    "timeout",
    "variables",
]


def check_forks(forks: object) -> None:
    """Refuse what is no number of hosts."""
    if forks is not None and (not isinstance(forks, int) or isinstance(forks, bool) or not 1 <= forks <= MOST_FORKS):
        raise UsageError(f"forks is a number of hosts from 1 to {MOST_FORKS}, not {shown(forks)}")


def check_become(become: object) -> None:
    """Refuse a name: who acts as root is not who was to act as that."""
    if not isinstance(become, bool):
        raise UsageError(f"become is True or False, not {shown(become)}", "Whom is said by `become_user`.")


def check_job(spec: object, how: object) -> None:
    """Refuse a command that stands where a job is to be."""
    if not isinstance(spec, JobSpec):
        raise UsageError(
            f"a job is a JobSpec, not {shown(spec)}", "JobSpec(COMMAND) makes one; Fleet.run takes the command itself."
        )
    if not isinstance(how, Delivery):
        raise UsageError(f"how a job is sent is a Delivery, not {shown(how)}")


def check_executor(executor: object) -> None:
    """Refuse what takes no tasks."""
    if executor is not None and not hasattr(executor, "submit"):
        raise UsageError(f"an executor has submit(), as concurrent.futures have it: not {shown(executor)}")


def config_path(config: object) -> str | Path | None:
    """The configuration file that is given; None takes the user's."""
    if config is not None and not isinstance(config, (str, Path)):
        raise UsageError(f"config is a Config or the path of a configuration file, not {shown(config)}")
    return config


def keep(seconds: object) -> float:
    """For how long connections are kept, in seconds."""
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 <= seconds <= LONGEST:
        raise UsageError(f"keep is seconds from 0 on, and {LONGEST} at most, not {shown(seconds)}")
    return float(seconds)


def timeout(connect_timeout: float) -> float:
    """A `connect_timeout`, in seconds."""
    try:
        return connect_seconds(connect_timeout)
    except ValueError as error:
        raise UsageError(f"connect_timeout: {error}") from error


def each(name: str, words: object) -> list[Any]:
    """One word or several; of a string, its letters would be meant else."""
    if isinstance(words, str):
        return [words]
    if isinstance(words, bytes) or not isinstance(words, Iterable):
        raise UsageError(f"{name} is a text or several, not {shown(words)}")
    return list(words)


def check_text(option: str, text: object, *, may_be_empty: bool = False) -> None:
    """Refuse what is neither a text nor None.

    Args:
        may_be_empty: it is read by who has more to say about it.
    """
    if text is None:
        return
    if not isinstance(text, str):
        raise UsageError(f"{option} is a text, not {shown(text)}")
    if not text.strip() and not may_be_empty:
        # Else the job would run as another user than the empty variable was to name, by default as root.
        raise UsageError(f"{option} is empty", "Is a variable empty there?")


def check_word(option: str, word: object, *words: str) -> None:
    """Refuse what is neither one of these words nor None."""
    check_text(option, word)
    if word is not None and word not in words:
        raise UsageError(f"{option} is {' or '.join(words)}, not {shown(word)}")


def variables(given: Mapping[str, object] | Sequence[str]) -> Sequence[str]:
    """`extra_vars`, as the inventory reads them."""
    if not isinstance(given, Mapping):
        return each("extra_vars", given)
    try:
        return [json.dumps(dict(given))] if given else []
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"extra_vars: {error}", "Values are what JSON has: texts, numbers, lists, mappings."
        ) from error


def overrides(
    *,
    user: str | None,
    private_key: str | Path | None,
    become: bool,
    become_user: str | None,
    become_method: str | None,
    ssh_common_args: str | None,
    password: Secret | str | None,
    become_password: Secret | str | None,
    connect_timeout: float | None,
    host_key_checking: str | None,
) -> Overrides:
    """How to log in to hosts and as whom to act there, where the inventory does not say it."""
    key_file = str(private_key) if isinstance(private_key, Path) else private_key
    for option, text in {"user": user, "private_key": key_file, "become_user": become_user}.items():
        check_text(option, text)
    check_word("become_method", become_method, "sudo", "su", "doas")
    check_word("host_key_checking", host_key_checking, "strict", "accept-new")
    check_text("ssh_common_args", ssh_common_args, may_be_empty=True)
    check_become(become)
    return Overrides(
        user=user,
        key_file=key_file,
        become=become or None,
        become_user=become_user,
        become_method=become_method,
        ssh_common_args=ssh_common_args,
        password=secret(password),
        become_password=secret(become_password),
        connect_timeout=None if connect_timeout is None else timeout(connect_timeout),
        host_key_checking=host_key_checking,
    )


def moment(given: float | datetime | None) -> float | None:
    """Unix seconds."""
    if given is not None and not isinstance(given, (int, float, datetime)):
        raise UsageError(f"a moment is Unix seconds or a datetime, not {shown(given)}")
    if not isinstance(given, datetime):
        return given
    if given.utcoffset() is None:
        zone = "Give it a zone: datetime.now(timezone.utc), or moment.astimezone() for the local one."
        raise UsageError(f"{given.isoformat()} could be a time of any zone", zone)
    return given.timestamp()


def secret(password: Secret | str | None) -> Secret | None:
    """A password, hidden from here on."""
    if password is not None and not isinstance(password, (str, Secret)):
        # It is not shown: it may be one.
        raise UsageError(f"a password is a text, not a {type(password).__name__}")
    return Secret(password) if isinstance(password, str) else password


def sources(inventory: str | Path | Sequence[str | Path] | None) -> Sources | None:
    """The inventories that are named; None where nobody names one."""
    given = [inventory] if isinstance(inventory, (str, Path)) else inventory
    if given is not None and (isinstance(given, (bytes, Mapping)) or not isinstance(given, Iterable)):
        raise UsageError(f"an inventory is a path, or hosts with commas, or several, not {shown(given)}")
    return None if given is None else Sources(tuple(map(str, given)), "`inventory`")
