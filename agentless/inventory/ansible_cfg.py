"""Ansible's own settings: ansible.cfg and `ANSIBLE_*`, found and read as Ansible finds and reads them.

The rules are those of its "Ansible Configuration Settings" page, the oracle is `ansible-config dump`: an environment
variable is stronger than the file, and of several names of one setting the last one that is set counts.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentless.config import MOST_FORKS
from agentless.errors import ConfigError
from agentless.inventory.cfg_values import CfgText, Convert, absolute, flag, items, number, path, paths, text, word
from agentless.values import dataclass

if TYPE_CHECKING:
    import configparser

__all__ = ["AnsibleSettings", "load"]

_SYSTEM = "/etc/ansible/ansible.cfg"


@dataclass(frozen=True, slots=True)
class AnsibleSettings:
    """What ansible.cfg and the environment say; None is what neither of them says.

    Args:
        file: the ansible.cfg that counts, or None.
        passed_over: the ansible.cfg of a working directory that everybody can write, which therefore does not count.
        inventory: paths; `inventory_variable` tells whether `$ANSIBLE_INVENTORY` names them rather than the file.
        timeout: seconds for connecting.
        hash_behaviour: `replace` or `merge`.
        ignored_extensions, ignored_patterns: endings, and regular expressions, of files that a directory's inventory
            leaves out.
        unhonoured: what they ask for and agentless does not do, one line each.
    """

    file: str | None = None
    passed_over: str | None = None
    inventory: tuple[str, ...] | None = None
    inventory_variable: bool = False
    remote_user: str | None = None
    remote_port: int | None = None
    private_key_file: str | None = None
    host_key_checking: bool | None = None
    timeout: int | None = None
    forks: int | None = None
    transport: str | None = None
    ssh_args: str | None = None
    ssh_common_args: str | None = None
    ssh_extra_args: str | None = None
    become: bool | None = None
    become_method: str | None = None
    become_user: str | None = None
    interpreter_python: str | None = None
    playbook_dir: str | None = None
    hash_behaviour: str | None = None
    ignored_extensions: tuple[str, ...] | None = None
    ignored_patterns: tuple[str, ...] | None = None
    enable_plugins: tuple[str, ...] | None = None
    vault_password_file: str | None = None
    vault_identity_list: tuple[str, ...] | None = None
    vault_id_match: bool | None = None
    ask_vault_pass: bool | None = None
    ask_pass: bool | None = None
    become_ask_pass: bool | None = None
    connection_password_file: str | None = None
    become_password_file: str | None = None
    unhonoured: tuple[str, ...] = ()


def load(environ: Mapping[str, str], directory: Path) -> AnsibleSettings:
    """Read them.

    Raises:
        ConfigError: the file is no ansible.cfg, or a setting in it or in the environment has an impossible value; or
            the working directory is gone.
    """
    try:
        directory = directory.absolute()
    except FileNotFoundError:
        raise ConfigError("the working directory is gone: somebody removed it", "Change to another one: cd ~") from None
    file, passed_over = _find(environ, directory)
    parser = _parse(file) if file else None
    reader = _CfgReader(environ, directory, file, parser)
    values = {name: reader.read(setting) for name, setting in _SETTINGS.items()}
    settings = AnsibleSettings(
        file,
        passed_over,
        inventory_variable="ANSIBLE_INVENTORY" in environ,
        **values,
    )
    return replace(settings, unhonoured=tuple(_unhonoured(reader)))


# --- the file ---
def _find(environ: Mapping[str, str], directory: Path) -> tuple[str | None, str | None]:
    """The ansible.cfg that counts, and the one that does not since everybody can write its directory."""
    places = []
    if (given := environ.get("ANSIBLE_CONFIG")) is not None:
        path = absolute(given, directory, environ)
        places.append(os.path.join(path, "ansible.cfg") if os.path.isdir(path) else path)
    here = os.path.join(os.path.abspath(directory), "ansible.cfg")
    passed_over = None
    with contextlib.suppress(OSError):
        if not os.stat(directory).st_mode & stat.S_IWOTH:
            places.append(here)
        elif os.path.exists(here):
            passed_over = here
    places += [absolute("~/.ansible.cfg", directory, environ), _SYSTEM]
    file = next((place for place in places if os.path.exists(place) and os.access(place, os.R_OK)), None)
    return file, passed_over if given is None or file != places[0] else None


def _parse(file: str) -> configparser.ConfigParser:
    import configparser

    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), interpolation=None)
    try:
        parser.read_string(Path(file).read_text(encoding="utf-8"), file)
    except UnicodeDecodeError:
        raise ConfigError("this is no UTF-8", "Convert the file with iconv.", file=file) from None
    except configparser.Error as error:
        line = getattr(error, "lineno", None)
        message = error.message.partition("\n")[0].replace(repr(file), "it").replace("<string>", file)
        raise ConfigError(f"Ansible cannot read this either: {message}", file=file, line=line) from None
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", file=file) from None
    return parser


class _Setting(NamedTuple):
    """How a setting is written: its environment variables, and its sections and keys in the file."""

    env: tuple[str, ...]
    ini: tuple[tuple[str, str], ...]
    convert: Convert


class _CfgReader:
    def __init__(
        self, environ: Mapping[str, str], directory: Path, file: str | None, parser: configparser.ConfigParser | None
    ) -> None:
        self._environ = environ
        self._directory = directory
        self._file = file
        self._parser = parser

    def read(self, setting: _Setting) -> Any:
        """The setting's value; None where nobody sets it."""
        value = None
        for name in setting.env:
            if (text := self._environ.get(name)) is not None:
                value, origin = (
                    CfgText(text, self._directory, self._directory, self._environ, in_file=False),
                    f"${name}",
                )
        if value is None and self._parser is not None and self._file is not None:
            for section, key in setting.ini:
                if (text := self._parser.get(section, key, fallback=None)) is not None:
                    value = CfgText(text, Path(self._file).parent, self._directory, self._environ, in_file=True)
                    origin = f"[{section}] {key}"
        if value is None:
            return None
        try:
            return setting.convert(value)
        except ValueError as error:
            if not value.in_file and value.text == "":
                # As with Ansible: an empty variable is none, unless text is asked for.
                return None
            raise ConfigError(f"{origin}: {error}", file=(self._file or "") if value.in_file else "") from None

    def keys(self, name: str) -> list[str]:
        """The keys of a section."""
        return list(self._parser[name]) if self._parser is not None and self._parser.has_section(name) else []


def _of_section(section: str) -> Callable[..., _Setting]:
    def setting(key: str, convert: Convert = text, *env: str) -> _Setting:
        return _Setting(env or (f"ANSIBLE_{key.upper()}",), ((section, key),), convert)

    return setting


_default, _ssh, _become = map(_of_section, ("defaults", "ssh_connection", "privilege_escalation"))


_SETTINGS: dict[str, _Setting] = {
    "inventory": _default("inventory", paths),
    "remote_user": _default("remote_user"),
    "remote_port": _default("remote_port", number(0, 65535)),
    "private_key_file": _default("private_key_file", path),
    "host_key_checking": _Setting(
        ("ANSIBLE_HOST_KEY_CHECKING", "ANSIBLE_SSH_HOST_KEY_CHECKING"),
        (("defaults", "host_key_checking"), ("ssh_connection", "host_key_checking")),
        flag,
    ),
    "timeout": _Setting(
        ("ANSIBLE_TIMEOUT", "ANSIBLE_SSH_TIMEOUT"),
        (("defaults", "timeout"), ("ssh_connection", "timeout")),
        number(0, 86400),
    ),
    "forks": _default("forks", number(0, MOST_FORKS)),
    "transport": _default("transport"),
    "ssh_args": _ssh("ssh_args"),
    "ssh_common_args": _ssh("ssh_common_args"),
    "ssh_extra_args": _ssh("ssh_extra_args"),
    "become": _become("become", flag),
    "become_method": _become("become_method"),
    "become_user": _become("become_user"),
    "interpreter_python": _default("interpreter_python", text, "ANSIBLE_PYTHON_INTERPRETER"),
    "playbook_dir": _default("playbook_dir", path),
    "hash_behaviour": _default("hash_behaviour", word("replace", "merge")),
    "ignored_extensions": _Setting(
        ("ANSIBLE_INVENTORY_IGNORE",),
        (("defaults", "inventory_ignore_extensions"), ("inventory", "ignore_extensions")),
        items,
    ),
    "ignored_patterns": _Setting(
        ("ANSIBLE_INVENTORY_IGNORE_REGEX",),
        (("defaults", "inventory_ignore_patterns"), ("inventory", "ignore_patterns")),
        items,
    ),
    "enable_plugins": _Setting(("ANSIBLE_INVENTORY_ENABLED",), (("inventory", "enable_plugins"),), items),
    "vault_password_file": _default("vault_password_file", path),
    "vault_identity_list": _default("vault_identity_list", items),
    "vault_id_match": _default("vault_id_match", flag),
    "ask_vault_pass": _default("ask_vault_pass", flag),
    "ask_pass": _default("ask_pass", flag),
    "become_ask_pass": _become("become_ask_pass", flag),
    "connection_password_file": _default("connection_password_file", path),
    "become_password_file": _default("become_password_file", path),
}
assert _SETTINGS.keys() < {field.name for field in fields(AnsibleSettings)}

# What agentless does not do, with what it does in place of it, and the value that asks for nothing.
_UNHONOURED: dict[str, tuple[_Setting, tuple[Any, ...], str]] = {
    "ssh_executable": (_ssh("ssh_executable"), ("ssh", "/usr/bin/ssh"), "no ssh is run"),
    "become_exe": (_become("become_exe"), ("sudo", "su", "doas"), "sudo, su and doas are run by these names"),
    "become_flags": (_become("become_flags"), ("", "-H -S -n", "-H -S", "-n"), "sudo is run with options of its own"),
    "executable": (_default("executable"), ("/bin/sh",), "jobs run by /bin/sh, or what `shell` says"),
    "precedence": (_default("precedence", items), (), "variables have Ansible's usual precedence"),
    "vars_plugins_enabled": (
        _default("vars_plugins_enabled", items, "ANSIBLE_VARS_ENABLED"),
        (("host_group_vars",), ("ansible.builtin.host_group_vars",)),
        "group_vars and host_vars are all that is read",
    ),
    "force_valid_group_names": (
        _default("force_valid_group_names", text, "ANSIBLE_TRANSFORM_INVALID_GROUP_CHARS"),
        ("never", "ignore", "silently"),
        "groups keep their names",
    ),
    "pkcs11_provider": (_ssh("pkcs11_provider"), ("",), "keys come from files and the agent"),
    "private_key": (_Setting(("ANSIBLE_PRIVATE_KEY",), (), text), ("",), "keys come from files and the agent"),
}


def _unhonoured(reader: _CfgReader) -> Iterator[str]:
    for name, (setting, harmless, instead) in _UNHONOURED.items():
        value = reader.read(setting)
        if value is not None and value not in harmless:
            yield f"{name} is not honoured: {instead}"
    for method in ("sudo", "su", "doas"):
        for key in reader.keys(f"{method}_become_plugin"):
            yield f"[{method}_become_plugin] {key} is not honoured: [privilege_escalation] is"
