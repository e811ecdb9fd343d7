"""Configuration: the user's file, and the environment, which nothing else reads.

AGENTLESS_CONFIG      the configuration file
AGENTLESS_INVENTORY   what `-i` is where it is not given
AGENTLESS_KEEP_CONNECTIONS
                      what `--keep` is where it is not given
ANSIBLE_*             as Ansible has them (`inventory/ansible_cfg.py`)
XDG_CONFIG_HOME       the configuration lies in its `agentless/`, else in ~/.config/agentless/, on every system
XDG_CACHE_HOME        the job cache lies in its `agentless/`, else in ~/.cache/agentless/, on every system
XDG_RUNTIME_DIR       the keeper of connections listens in its `agentless/`, else in the cache's `connections/`
"""

from __future__ import annotations

import os
import pwd
import re
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from agentless import durations
from agentless.config_returners import PathBase, read_returners
from agentless.errors import ConfigError, UsageError
from agentless.files import read_file
from agentless.model.endpoint import connect_seconds
from agentless.model.returner import AnyReturner
from agentless.regex import regex
from agentless.suggest import one_of
from agentless.values import dataclass

if TYPE_CHECKING:
    from agentless.yamlfile import YamlItem

__all__ = [
    "MOST_FORKS",
    "Config",
    "account",
    "cache_dir",
    "check_spread",
    "config_dir",
    "environment",
    "keep_seconds",
    "keeper_dir",
    "load",
]

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Config:
    """What the configuration file says; the command line is stronger than it, variables of the inventory are too.

    Args:
        forks: how many hosts are contacted at once.
        spread: where hosts are contacted from: `auto`, `threads`, `cores`, or the address of a Dask scheduler.
        connect_timeout: seconds for all steps of connecting together; None leaves it to the inventory, then to
            `~/.ssh/config`, then it is 10.
        host_key_checking: `strict` or `accept-new`; None leaves it to the inventory, then to `~/.ssh/config`,
            then it is `strict`.
        user: the login user; None leaves it to the inventory and `~/.ssh/config`.
        private_key: a key file, with `~` expanded and relative to the configuration file.
        become, become_user, become_method: as `--become`; the method is `sudo`, `su` or `doas`.
        inventory: files, directories or `host1,host2`, used where nothing else names one.
        schedule_file: the schedule; None looks beside the inventory.
        keep_connections: seconds for which connections are kept after their last use; 0 keeps none, and None leaves it
            to whether a person at a terminal is at work.
        keep_jobs: hours for which the job cache keeps a job after its last event.
        keep_sent: keep environment, stdin and script of a job beside its record until it has ended well on all hosts,
            so that `jobs retry` can send it again.
        max_cache_size: bytes of disk for the job cache.
        keep_returns: hours for which hosts keep what a job returned.
        keep_bytes: bytes of disk for that on each host.
        output_cap: bytes of stdout, and of stderr, that are kept of each host's output.
        returners: by name, what gets returns besides the job cache.
        returner: the names of those that get the returns of every job.
        source: the file that was read, or None.
    """

    forks: int = 100
    spread: str = "auto"
    connect_timeout: float | None = None
    host_key_checking: str | None = None
    user: str | None = None
    private_key: str | None = None
    become: bool = False
    become_user: str | None = None
    become_method: str | None = None
    inventory: tuple[str, ...] = ()
    schedule_file: str | None = None
    keep_connections: float | None = None
    keep_jobs: float = 24.0
    keep_sent: bool = True
    max_cache_size: int = 2048 * MIB
    keep_returns: float = 168.0
    keep_bytes: int = 1024 * MIB
    output_cap: int = 10 * MIB
    returners: Mapping[str, AnyReturner] = field(default_factory=dict)
    returner: tuple[str, ...] = ()
    source: str | None = None

    def __post_init__(self) -> None:
        """Refuse by hand what the file's reader refuses; raises UsageError."""
        for each in fields(Config):
            key, value, read = each.name, getattr(self, each.name), _READERS.get(each.name)
            if read is None or value is each.default:
                continue
            try:
                if key == "inventory":
                    if not isinstance(value, tuple):
                        raise ValueError("a tuple of sources is needed")
                    # As the file has it.
                    value = list(value)
                checked = read(value)
                if isinstance(value, str) and not isinstance(checked, str):
                    raise ValueError("a number is needed")
            except ValueError as error:
                raise UsageError(f"Config: {key}: {error}, not {value!r:.80}") from error

    def check_returners(self, names: Iterable[str]) -> tuple[str, ...]:
        """These names of returners, none of them unknown or given twice; raises UsageError."""
        checked: list[str] = []
        for name in names:
            if name not in self.returners:
                file = self.source or "the configuration"
                hint = one_of(name, self.returners) or "They stand under `returners:` in the configuration file."
                raise UsageError(f"{file} has no returner {name!r}", hint)
            if name in checked:
                raise UsageError(f"the returner {name!r} is given a second time")
            checked.append(name)
        return tuple(checked)


def check_spread(word: str) -> str:
    """A place to contact hosts from, as `Config.spread` has it; raises UsageError."""
    if word in ("auto", "threads", "cores") or (word.startswith(_CLUSTERS) and word.partition("://")[2]):
        return word
    hint = "auto, threads, cores, or a Dask scheduler such as tcp://scheduler:8786"
    raise UsageError(f"{word!r} is no place to contact hosts from", hint)


_CLUSTERS = ("tcp://", "tls://", "ucx://", "ws://", "wss://")


# --- directories -----------------------------------------------------------------------------------------------------
def cache_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the job cache lies: `${XDG_CACHE_HOME:-~/.cache}/agentless`, on every system."""
    return _base("XDG_CACHE_HOME", ".cache", environ)


def config_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the user's configuration lies: `${XDG_CONFIG_HOME:-~/.config}/agentless`, on every system."""
    return _base("XDG_CONFIG_HOME", ".config", environ)


def keeper_dir(environ: Mapping[str, str] | None = None) -> Path:
    """Where the keeper of connections listens.

    That is `$XDG_RUNTIME_DIR/agentless` where the former is this user's alone (after `su` it may be another's), else
    `connections` in the cache directory.
    """
    environ = os.environ if environ is None else environ
    runtime_dir = environ.get("XDG_RUNTIME_DIR", "")
    if runtime_dir.startswith("/"):
        try:
            status = os.stat(runtime_dir)
        except OSError:
            status = None
        if status and status.st_uid == os.geteuid() and stat.S_ISDIR(status.st_mode) and not status.st_mode & 0o077:
            return Path(runtime_dir) / "agentless"
    return cache_dir(environ) / "connections"


def keep_seconds(config: Config, default: float, environ: Mapping[str, str] | None = None) -> float:
    """For how long connections are kept, where the command line does not say: `$AGENTLESS_KEEP_CONNECTIONS`, else the
    configuration file, else `default`.

    Raises:
        ConfigError: the variable is no duration.
    """
    text = (os.environ if environ is None else environ).get("AGENTLESS_KEEP_CONNECTIONS", "")
    if not text:
        return default if config.keep_connections is None else config.keep_connections
    try:
        return durations.parse(text)
    except ValueError as error:
        raise ConfigError(f"AGENTLESS_KEEP_CONNECTIONS: {error}", "0 keeps none.") from error


def environment() -> Mapping[str, str]:
    """The environment of this process, for what looks names up in one that it is given."""
    return os.environ


def account() -> tuple[str, str]:
    """Name and home of the user who runs this process; the number and `/` where a container runs as any user."""
    try:
        entry = pwd.getpwuid(os.getuid())
    except KeyError:
        return str(os.getuid()), "/"
    return entry.pw_name, entry.pw_dir


def _base(variable: str, default: str, environ: Mapping[str, str] | None) -> Path:
    environ = os.environ if environ is None else environ
    # the XDG base directory specification: relative paths are invalid, and are to be ignored
    folder = environ.get(variable, "")
    return Path(folder if folder.startswith("/") else f"{_home(environ)}/{default}") / "agentless"


def _home(environ: Mapping[str, str]) -> str:
    if home := environ.get("HOME"):
        return home
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError as error:
        raise ConfigError(f"there is no home directory: uid {os.getuid()} is unknown here", "Set HOME.") from error


# --- the file --------------------------------------------------------------------------------------------------------
def load(path: str | os.PathLike[str] | None = None, environ: Mapping[str, str] | None = None) -> Config:
    """Read the configuration: `path`, else `$AGENTLESS_CONFIG`, else `config.yaml` in the user's directory, if there.

    Raises:
        ConfigError: a named file is missing, or a key or value is wrong; with file and line, and the key that was
            perhaps meant.
    """
    environ = os.environ if environ is None else environ
    named = os.fspath(path) if path is not None else environ.get("AGENTLESS_CONFIG") or None
    file = named or str(config_dir(environ) / "config.yaml")
    try:
        data = read_file(file, 64)
    except (OSError, ValueError) as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)) and named is None:
            return Config()
        # A ValueError: the name has a NUL byte, or a character that no file name has.
        raise ConfigError(f"cannot be read: {getattr(error, 'strerror', None) or error}", file=file) from error
    return _parse(data, file, _home(environ))


def _parse(data: bytes, file: str, home: str) -> Config:
    from agentless import yamlfile  # PyYAML's 25 ms, which those without a configuration file need not spend

    document = yamlfile.root(data, file, ConfigError)
    if document is None or document.empty:
        return Config(source=file)
    place = PathBase(os.path.dirname(os.path.abspath(file)), home)
    config = Config(**{key: _read(key, item, place) for key, item in document.fields().items()}, source=file)
    try:
        config.check_returners(config.returner)
    except UsageError as error:
        raise document.fields()["returner"].error(error.message, error.hint) from error
    return config


def _read(key: str, item: YamlItem, place: PathBase) -> Any:
    if key in _NESTED:
        return _NESTED[key](item, place)
    if key not in _READERS:
        raise item.error("unknown key", one_of(key, [*_READERS, *_NESTED]))
    try:
        value = _READERS[key](item.value)
    except ValueError as error:
        raise item.error(f"{error}, not {item.shown}") from error
    if key == "inventory":
        return tuple(source if "," in source else place.path(source) for source in value)
    return place.path(value) if key in ("private_key", "schedule_file") else value


_Parser = Callable[[Any], Any]
_UNITS = {"": 1, "K": 1024, "M": MIB, "G": 1024 * MIB, "T": 1024 * 1024 * MIB}
_CENTURY = 876_000  # hours
MOST_FORKS = 1_000_000
_LARGEST = 1024 * 1024 * 1024 * MIB  # what every file system and struct can say
_SIZE = regex(r"(\d{1,15}(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.ASCII | re.IGNORECASE)


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_FORKS:
        raise ValueError(f"a whole number from 1 to {MOST_FORKS} is needed")
    return value


def _hours(value: Any) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= _CENTURY:
        raise ValueError(f"hours from 0 on are needed, {_CENTURY} at most")
    return float(value)


def _duration(value: Any) -> float:
    if not isinstance(value, (int, float, str)) or isinstance(value, bool):
        raise ValueError("seconds, or a duration such as 5m, is needed")
    return durations.parse(str(value))


def _size(value: Any) -> int:
    wrong = (
        isinstance(value, bool) or not isinstance(value, (int, str)) or (isinstance(value, int) and value > _LARGEST)
    )
    match = None if wrong else _SIZE.fullmatch(str(value))
    size = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if not 1 <= size <= _LARGEST:
        raise ValueError("bytes, or a size such as 500MiB, are needed, 1024TiB at most")
    return size


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text is needed")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false is needed")
    return value


def _spread(value: Any) -> str:
    try:
        return check_spread(_text(value))
    except UsageError as error:
        raise ValueError(f"{error.hint} is needed") from error


def _inventory(value: Any) -> tuple[str, ...]:
    sources = value if isinstance(value, list) else [value]
    if not sources or not all(isinstance(source, str) and source for source in sources):
        raise ValueError("a path, host1,host2, or a list of them is needed")
    return tuple(sources)


def _one_of(*words: str) -> _Parser:
    def read(value: Any) -> str:
        if value not in words:
            raise ValueError(f"{' or '.join(words)} is needed")
        return str(value)

    return read


_READERS: dict[str, _Parser] = {
    "forks": _count,
    "spread": _spread,
    "connect_timeout": connect_seconds,
    "host_key_checking": _one_of("strict", "accept-new"),
    "user": _text,
    "private_key": _text,
    "become": _flag,
    "become_user": _text,
    "become_method": _one_of("sudo", "su", "doas"),
    "inventory": _inventory,
    "schedule_file": _text,
    "keep_connections": _duration,
    "keep_jobs": _hours,
    "keep_sent": _flag,
    "max_cache_size": _size,
    "keep_returns": _hours,
    "keep_bytes": _size,
    "output_cap": _size,
}


def _names(item: YamlItem, place: PathBase) -> tuple[str, ...]:
    return tuple(each.text for each in item.each())


_NESTED: dict[str, Callable[[YamlItem, PathBase], Any]] = {"returners": read_returners, "returner": _names}
