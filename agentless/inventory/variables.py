"""The variables of one host as its connection needs them: by alias, with vaults opened and templates rendered."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from agentless.errors import InventoryError
from agentless.inventory.cfg_values import FALSE, TRUE
from agentless.inventory.group_tree import Layer, Sealed
from agentless.inventory.hostvars import HostVars
from agentless.inventory.quoting import TemplateValue
from agentless.inventory.secrets import MASK, is_secret, masked
from agentless.inventory.vault import Vault, VaultClosed
from agentless.model.endpoint import connect_seconds
from agentless.model.secret import Secret
from agentless.regex import regex
from agentless.values import dataclass

# Jinja takes a tenth of a second to import, which inventories without templates need not spend.
if TYPE_CHECKING:
    from agentless.inventory.templates import Renderer

__all__ = ["TemplateScope", "Variables"]

_NO_SUCH_NAME = regex(r"'[A-Za-z_][A-Za-z0-9_]*' is undefined")
_TEMPLATE_MARKS = ("{{", "{%", "{#")


@dataclass(frozen=True, slots=True)
class TemplateScope:
    """What templates may name beside the variables of their own host.

    Args:
        extra: variables of the command line, above all others.
        environ: for `lookup('env', …)`.
        directory: Ansible's `playbook_dir`.
        groups: the names of all groups, each with those of its hosts.
        variables: the variables of a host by its name; KeyError where there is no such host.
        group_names: the groups of a host, without `all`.
    """

    vault: Vault
    extra: Layer
    environ: Mapping[str, str]
    directory: str
    groups: Callable[[], Mapping[str, list[str]]]
    variables: Callable[[str], HostVars]
    group_names: Callable[[str], list[str]]


class _Omit:
    """The value of Ansible's `omit`: a variable that comes to it is as if it were not set."""


OMIT = _Omit()


class Variables:
    """A host's variables by name, with Ansible's aliases: of several that are set, the last one counts."""

    def __init__(self, variables: HostVars, surroundings: TemplateScope, *, hides: bool = False) -> None:
        self.host = variables.host
        # Whether secrets come as `********`; whether a template has named a variable that may hold one.
        self._hides = hides
        self._names_secret = False
        self._variables = variables
        self._surroundings = surroundings
        # The variables whose templates are being rendered, the connection's own first; whether a vault was needed.
        self._path: list[str] = []
        self._secret = False
        self._option = ""

    def names(self) -> frozenset[str]:
        """The names that are set."""
        return frozenset(self._variables) | self._surroundings.extra.values.keys()

    def check_vaults(self) -> None:
        """Raise InventoryError where a file about this host stays closed: what it says of the connection is unknown."""
        for file, why in self._variables.closed.items():
            raise InventoryError(f"{self.host} needs this file, which {why.reason}", why.hint, file=file)

    def written_as(self, *names: str) -> str:
        """Which of a variable's names counts: the last one that is set, else the first."""
        return next((name for name in reversed(names) if self._raw(name) is not None), names[0])

    def error(self, name: str, message: str, hint: str = "") -> InventoryError:
        place = self._surroundings.extra.places.get(name) or self._variables.place(name)
        if place is None:
            return InventoryError(message, hint)
        return InventoryError(message, hint, file=place.file, line=place.line)

    def text(self, *names: str, instead: str | None = None, option: str = "") -> str | None:
        name, value = self._get(names, instead is not None, option)
        if value is None:
            return instead
        text = self._text(name, value)
        if "\0" in text:
            raise self.error(name, f"{name} of {self.host} holds a NUL byte", "Write it without one.")
        return text or instead

    def directory(self, name: str) -> str | None:
        """A directory on the host: an absolute path, or one below a home (`~/`, `~user/`)."""
        name, value = self._get((name,))
        if value is None:
            return None
        path = self._text(name, value)
        hint = "Write an absolute path such as /srv/agentless, or one that begins with ~/."
        if not path.startswith(("/", "~")):
            raise self._wrong(name, " is no absolute path", value, hint)
        if any(letter < " " or letter == "\x7f" for letter in path) or ".." in path.split("/"):
            raise self._wrong(name, " holds '..', or a control character", value, hint)
        return path

    def secret(self, *names: str, instead: Secret | None, option: str) -> Secret | None:
        name, value = self._get(names, instead is not None, option)
        return instead if value is None else Secret(self._text(name, value))

    def _text(self, name: str, value: Any) -> str:
        """The value is not shown where it is none: it may be a password."""
        text = str(value)
        try:
            # INI files may hold other encodings, as with Ansible, and nothing here could say which.
            text.encode()
        except UnicodeEncodeError:
            raise self.error(name, f"{name} of {self.host} is no UTF-8", "Convert the file with iconv.") from None
        if isinstance(value, (dict, list)):
            raise self.error(name, f"{name} of {self.host} is no text, but a {type(value).__name__}", "Write one text.")
        if isinstance(value, bool):
            # Ansible would take the word `True` for it: nobody's user, host or password.
            hint = "Put it in quotes, should it be meant: yes, no, on, off, true and false are no text."
            raise self.error(name, f"{name} of {self.host} is no text, but true or false", hint)
        return text

    def number(self, *names: str) -> int | None:
        name, value = self._get(names)
        if value is None or value == "":
            return None
        if isinstance(value, bool) or not re.fullmatch(r"\s*[0-9]{1,5}\s*", str(value)) or not 0 < int(value) < 65536:
            raise self._wrong(name, " is no port", value, "Write a number from 1 to 65535.")
        return int(value)

    def seconds(self, *names: str) -> float | None:
        name, value = self._get(names)
        if value is None or value == "":
            return None
        if value in (0, "0") and value is not False:
            # ssh's word for no timeout of its own
            return None
        try:
            return connect_seconds(value)
        except ValueError as error:
            raise self._wrong(name, f": {error}", value, "Write such a number.") from None

    def boolean(self, *names: str) -> bool | None:
        name, value = self._get(names)
        if value is None:
            return None
        word = str(value).strip().lower()
        if word not in TRUE and word not in FALSE:
            raise self._wrong(name, " is neither true nor false", value, "Write one of them.")
        return word in TRUE

    def _wrong(self, name: str, what: str, value: Any, hint: str) -> InventoryError:
        """The error of a value, which it shows unless a vault kept it."""
        shown = "" if self._secret else f": {value!r}"
        return self.error(name, f"{name} of {self.host}{what}{shown}", hint)

    def _get(self, names: tuple[str, ...], optional: bool = False, option: str = "") -> tuple[str, Any]:
        """The last of `names` that is set, Jinja and vault dealt with; where that fails and `optional`, as if unset."""
        for name in reversed(names):
            value = self._raw(name)
            if value is None:
                continue
            self._secret, self._option = False, option
            try:
                value = self._resolved(name, value)
            except InventoryError:
                if optional:
                    return name, None
                raise
            if value is not OMIT:
                return name, value
        return names[0], None

    def _raw(self, name: str) -> Any:
        extra = self._surroundings.extra.values
        return extra[name] if name in extra else self._variables.raw(name)

    def named(self, name: str) -> Any:
        """The value of a variable that a template names, also one of Ansible's own; KeyError where it is not set."""
        if name in self._magic:
            # Other hosts may have secrets.
            self._names_secret = self._names_secret or name == "hostvars"
            return self._magic[name]()
        value = self._raw(name)
        if value is None and name not in self.names():
            raise KeyError(name)
        self._names_secret = self._names_secret or is_secret(name)
        value = self._resolved(name, value)
        return masked({name: value})[name] if self._hides else value

    @cached_property
    def _magic(self) -> Mapping[str, Callable[[], Any]]:
        around, source = self._surroundings, self._variables.source
        magic: dict[str, Callable[[], Any]] = {
            "ansible_playbook_python": lambda: sys.executable,
            "group_names": lambda: around.group_names(self.host),
            "groups": around.groups,
            "hostvars": lambda: _Lookup(self._of_another, lambda: around.groups()["all"]),
            "inventory_hostname": lambda: self.host,
            "inventory_hostname_short": lambda: self.host.partition(".")[0],
            "omit": lambda: OMIT,
            "playbook_dir": lambda: around.directory,
        }
        if source is not None:
            magic["inventory_file"] = lambda: source
            magic["inventory_dir"] = lambda: os.path.dirname(source)
        return magic

    def _of_another(self, host: str) -> Mapping[str, Any]:
        around = self._surroundings
        return _as_templates_see(Variables(around.variables(host), around, hides=self._hides))

    def _resolved(self, name: str, value: Any) -> Any:
        if name in self._path:
            raise self._unresolved("refers to itself", "Write the value itself")
        self._path.append(name)
        try:
            return self._clear(value)
        finally:
            self._path.pop()

    def _clear(self, value: Any) -> Any:
        """A value with its vaults opened and its templates rendered."""
        sealed = isinstance(value, Sealed) or (isinstance(value, dict) and "__ansible_vault" in value)
        if sealed and self._hides:
            return MASK
        if isinstance(value, Sealed):
            self._secret = True
            return self._clear(value.value)
        if isinstance(value, dict):
            if "__ansible_vault" in value:
                return self._clear(self._opened(value["__ansible_vault"]))
            if "__ansible_unsafe" in value:
                return value["__ansible_unsafe"]
            return {key: self._clear(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self._clear(item) for item in value]
        if isinstance(value, str) and any(mark in value for mark in _TEMPLATE_MARKS):
            return self._rendered(value)
        return value

    def _opened(self, text: str) -> str:
        self._secret = True
        try:
            return self._surroundings.vault.open(text)
        except VaultClosed as closed:
            raise self._unresolved(closed.reason, closed.hint.removesuffix(".")) from None

    def _rendered(self, template: str) -> Any:
        from agentless.inventory.templates import TemplateProblem

        try:
            return self._renderer.render(template)
        except TemplateProblem as problem:
            # Neither it nor what it says may be shown where it is about a password.
            secret = self._secret or "pass" in self._path[0]
            why = "cannot be rendered" if secret else f"cannot be rendered: {problem}: {template}"
            raise self._unresolved(why, "Mend it, or write the value itself") from None

    @cached_property
    def _renderer(self) -> Renderer:
        from agentless.inventory.templates import Renderer

        around, source = self._surroundings, self._variables.source
        directory = os.path.dirname(source) if source else around.directory
        return Renderer(_as_templates_see(self), around.environ, directory, hides=self._hides)

    def parts(self, template: str) -> list[str | TemplateValue]:
        """What a template of a command line comes to for this host: literal text and values, in order.

        Raises:
            TemplateProblem: it cannot be rendered; where a secret had part in it, nothing is told but that.
            InventoryError: a variable that it names cannot be resolved.
        """
        from agentless.inventory.templates import TemplateProblem

        try:
            return self._renderer.parts(template)
        except TemplateProblem as problem:
            if (self._names_secret or self._secret) and not _NO_SUCH_NAME.fullmatch(str(problem)):
                raise TemplateProblem("why is not shown, for a secret is among its variables") from None
            raise

    def _unresolved(self, why: str, way: str) -> InventoryError:
        name, *through = self._path
        by_way_of = f" (through {' and '.join(through)})" if through else ""
        instead = f", or give it with {self._option}" if self._option else ""
        return self.error(name, f"{name} of {self.host}{by_way_of} {why}", f"{way}{instead}.")


class _Lookup(Mapping[str, Any]):
    """What templates look things up in: `get` gives what a name stands for, or raises KeyError."""

    def __init__(self, get: Callable[[str], Any], names: Callable[[], Collection[str]]) -> None:
        self._get = get
        self._names = names

    def __getitem__(self, name: str) -> Any:
        return self._get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())


def _as_templates_see(variables: Variables) -> Mapping[str, Any]:
    return _Lookup(variables.named, variables.names)
