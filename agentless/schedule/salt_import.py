"""Salt's schedules as entries of ours: `_schedule.conf`, a pillar, or what `schedule.list` prints of a minion.

Times are the same words in both. What differs is what an entry runs: the keywords of Salt's `cmd` module become ours,
those that change nothing here are left out, and whatever else is said of what it runs cannot be taken.
"""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from agentless.errors import ScheduleError
from agentless.regex import regex
from agentless.schedule import timing, work
from agentless.schedule.schedule_file import ALIASES, parse
from agentless.values import dataclass
from agentless.yamlfile import YamlItem, root, yaml

__all__ = ["Taken", "translated"]

# cmd.run is all of these, and what they leave out of the return is never left out here.
_LIKE_CMD_RUN = ("cmd.run", "cmd.shell", "cmd.run_all", "cmd.run_stdout", "cmd.run_stderr", "cmd.retcode")
# The order of their positional arguments: salt.modules.cmdmod.
_POSITIONAL = {
    **dict.fromkeys(_LIKE_CMD_RUN, ("cmd", "cwd", "stdin", "runas")),
    "cmd.shell": ("cmd", "cwd", "stdin", "runas"),
    "cmd.script": ("source", "args", "cwd", "stdin", "runas"),
}
# How Salt logs, renders nothing, or runs what its schedule runs anyway: without them the same command runs.
_HARMLESS = frozenset(
    (
        *("output_loglevel", "log_callback", "hide_output", "quiet", "ignore_retcode", "rstrip", "raise_err", "use_vt"),
        *("reset_system_locale", "saltenv", "pillarenv", "pillar_override", "pillar", "concurrent", "bg"),
        *("redirect_stderr", "stateful", "windows_codepage", "redirect_stdin", "with_grains", "with_pillar"),
    )
)
_KEPT = ("target", "metadata", "runs_on", "timeout", "jid_include", "return_job", "returner", *timing.KEYS)
# What says how Salt itself keeps or loads an entry.
_HARMLESS_KEYS = frozenset({"persist", "hidden"})
_GLOBAL = ("enabled", "splay", "skip_during_range")
_FALSE = ("false", "no", "off")
_CONTROLLER = ", ".join(work.CONTROLLER_FUNCTIONS)
# Keywords with the value that is the only one here.
_AS_HERE = {("python_shell", "true"), ("clean_env", "false"), ("use_vt", "false"), ("encoded_cmd", "false")}
_PYTHON_TEXT = regex(r"!!python/(?:unicode|str) ")


Keys = dict[str, object]
"""The keys of an entry as our schedule file has them, values as nodes of YAML or plain; or arguments by name."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What a file of Salt's comes to.

    Args:
        entries: by name, the keys of each.
        words: what is worth to know of them, a line each: what was left out, and what was put in another way.
    """

    entries: Mapping[str, Keys]
    words: Sequence[str]


def translated(
    data: bytes,
    file: str,
    *,
    target: str | None,
    beside: str,
    now: float,
    skip: Collection[str] = (),
    returners: Collection[str] | None = None,
) -> Taken:
    """The entries of a file of Salt's, all that are not skipped.

    Args:
        data: the file.
        file: its name in errors.
        target: the hosts that run them; None takes the minions' ids, where the file names them.
        beside: our schedule file; scripts lie beside it.
        now: Unix seconds.
        skip: shell patterns of entries that are left out.
        returners: those that the configuration has; None where that is not known.

    Raises:
        ScheduleError: it is no schedule, or something in it cannot be taken; each such thing is named.
    """
    text = data.decode("utf-8", "surrogateescape")
    try:
        whole = root(_PYTHON_TEXT.sub("", text).encode("utf-8", "surrogateescape"), file, ScheduleError)
    except ScheduleError as error:
        if "{%" in text or "{{" in text:
            hint = "It is a template. Let Salt render it: `salt-call pillar.get schedule --out yaml > FILE`"
        else:
            hint = "What Salt prints is YAML with: `salt-call schedule.list --out yaml > FILE`"
        raise ScheduleError(error.message, hint) from error
    unused = set(skip)
    entries: dict[str, Keys] = {}
    minions: dict[str, list[str]] = {}
    words: list[str] = []
    faults: list[str] = []
    for minion, fields, whens in _schedules(whole, file):
        shared = {key: fields[key] for key in _GLOBAL if key in fields}
        for name, item in fields.items():
            skipped = {pattern for pattern in skip if fnmatchcase(name, pattern)}
            unused -= skipped
            if name in _GLOBAL or skipped:
                continue
            if name.startswith("__"):
                words.append(f"{name} is left out: it keeps Salt itself going")
                continue
            one = _SaltEntry(name, item, shared, whens, beside)
            made = one.made(target or minion)
            if not one.faults and (fault := _wrong(name, made, beside, now, returners)):
                one.faults.append(fault)
            if name in entries and _plain(entries[name]) != _plain(made):
                one.faults.append(f"it is another one on {minions[name][0]}: import the minions one by one")
            faults += [f"line {item.line}: {name}: {fault}" for fault in one.faults]
            words += [f"{name}: {word}" for word in one.words if f"{name}: {word}" not in words]
            entries[name] = made
            minions.setdefault(name, []).extend([minion] if minion else [])
    if unused:
        raise ScheduleError(f"there is no entry {min(unused)!r} in it that could be left out", file=file)
    if faults:
        what = "1 thing" if len(faults) == 1 else f"{len(faults)} things"
        hint = "Nothing was imported. Change them there, or leave such entries out: `skip=NAME`"
        lines = "\n".join([f"{what} of it cannot be taken:", *faults])
        raise ScheduleError(lines, hint, file=file)
    if not entries:
        raise ScheduleError("there is no entry in it that could be imported", file=file)
    for name, made in entries.items():
        if target is None and minions[name] and "target" in made:
            made["target"] = ",".join(dict.fromkeys(minions[name]))
    return Taken(entries, words)


def _plain(made: Keys) -> str:
    """An entry without its target, to be compared."""
    kept = {key: _value(value) if isinstance(value, yaml.Node) else value for key, value in made.items()}
    return json.dumps({key: value for key, value in kept.items() if key != "target"}, sort_keys=True, default=str)


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): _value(value) for key, value in node.value}
    return [_value(each) for each in node.value] if isinstance(node, yaml.SequenceNode) else node.value


def _wrong(name: str, made: Keys, beside: str, now: float, returners: Collection[str] | None) -> str:
    """Why our schedule would refuse an entry; empty where it would not."""
    document = yaml.safe_dump({"schedule": {name: {key: _native(value) for key, value in made.items()}}})
    try:
        entry = parse(document, beside, now=now).entries[name]
    except ScheduleError as error:
        reason = error.message.partition(f"{name}: ")[2] or error.message
        return f"{reason} {error.hint}".rstrip()
    for returner in entry.returners:
        if returners is not None and returner not in returners:
            return f"returner: agentless's configuration has no returner {returner!r} under `returners:`"
    return ""


def _native(value: Any) -> Any:
    """A value whose scalars mean the same when they are dumped: text as text, the rest as YAML reads it."""
    if not isinstance(value, yaml.Node):
        return value
    if isinstance(value, yaml.MappingNode):
        return {str(key.value): _native(each) for key, each in value.value}
    if isinstance(value, yaml.SequenceNode):
        return [_native(each) for each in value.value]
    if value.tag in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null"):
        return yaml.safe_load(value.value)
    if value.tag == "tag:yaml.org,2002:int" and re.fullmatch(r"[+-]?[0-9]+", value.value):
        return int(value.value)
    return value.value


def _schedules(
    whole: YamlItem | None, file: str
) -> Iterator[tuple[str | None, dict[str, YamlItem], dict[str, YamlItem]]]:
    """Each schedule of the file: the minion's id where it is named, the entries and switches, and `whens`."""
    if whole is None or not isinstance(whole.node, yaml.MappingNode):
        raise ScheduleError("it is no schedule of Salt: a mapping with `schedule` in it is needed", file=file)
    top = whole.fields()
    if "schedule" in top or all(map(_is_entry, top.values())):
        yield from _one(None, top, whole)
        return
    for minion, item in top.items():
        inner: YamlItem | None = item
        if isinstance(item.node, yaml.ScalarNode) and not item.empty:
            # `salt MINION schedule.list` prints the minion's YAML as text.
            inner = root(str(item.node.value), file, ScheduleError)
        if inner is None or inner.empty:
            continue
        if not isinstance(inner.node, yaml.MappingNode):
            raise item.error("it is no schedule of Salt: a mapping with `schedule` in it is needed")
        yield from _one(None if minion == "local" else minion, inner.fields(), inner)


def _one(
    minion: str | None, top: Mapping[str, YamlItem], whole: YamlItem
) -> Iterator[tuple[str | None, dict[str, YamlItem], dict[str, YamlItem]]]:
    whens = top["whens"].fields() if "whens" in top and not top["whens"].empty else {}
    if "schedule" not in top:
        if not all(_is_entry(item) or name in _GLOBAL for name, item in top.items()):
            raise whole.error("it is no schedule of Salt: there is no `schedule` in it")
        yield minion, dict(top), whens
    elif not top["schedule"].empty:
        yield minion, top["schedule"].fields(), whens


def _is_entry(item: YamlItem) -> bool:
    if not isinstance(item.node, yaml.MappingNode):
        return False
    return any(ALIASES.get(str(key.value), str(key.value)) == "function" for key, _ in item.node.value)


class _SaltEntry:
    """One entry of Salt's, as it is put into our words.

    Attributes:
        words: what is left out of it, or put in another way.
        faults: what of it cannot be taken.
    """

    def __init__(
        self, name: str, item: YamlItem, shared: Mapping[str, YamlItem], whens: Mapping[str, YamlItem], beside: str
    ) -> None:
        self.words: list[str] = []
        self.faults: list[str] = []
        self._name = name
        self._item = item
        self._shared = shared
        self._whens = whens
        self._beside = os.path.dirname(os.path.abspath(beside))

    def made(self, target: str | None) -> Keys:
        """Its keys, as our schedule file has them."""
        if not isinstance(self._item.node, yaml.MappingNode):
            self.faults.append("it is no entry: a mapping of keys to values is needed")
            return {}
        fields = {ALIASES.get(key, key): value for key, value in self._item.fields().items() if not value.empty}
        made = self._work(fields, target)
        for key, value in fields.items():
            if key in ("function", "args", "kwargs") or (key == "name" and value.node.value == self._name):
                continue
            if key in _HARMLESS_KEYS or key.startswith("_") or (key == "dry_run" and value.node.value in _FALSE):
                # What a minion's memory has besides: _next_fire_time and the like.
                continue
            if key in _KEPT or key == "name":
                made[key] = self._timed(key, value)
            else:
                self.faults.append(f"{key} means nothing here")
        for key, value in self._shared.items():
            # There they hold for all entries of that schedule, and here for those of this one.
            if key == "enabled" and str(value.node.value).lower() in _FALSE:
                made["enabled"] = False
            elif key != "enabled" and key not in made and not value.empty:
                made[key] = value.node
        return made

    def _timed(self, key: str, item: YamlItem) -> Any:
        node = item.node
        if key == "when":
            texts = [str(each.node.value) for each in item.each()]
            if any(text in self._whens for text in texts):
                # Our file has `whens` of its own.
                texts = [str(self._whens[text].node.value) if text in self._whens else text for text in texts]
                return texts[0] if len(texts) == 1 else texts
        if node.tag == "tag:yaml.org,2002:float" and re.fullmatch(r"[0-9]+\.0*", str(node.value)):
            return int(float(node.value))
        return node

    def _work(self, fields: Mapping[str, YamlItem], target: str | None) -> Keys:
        if "function" not in fields:
            self.faults.append("it has no function")
            return {}
        function = str(fields["function"].node.value)
        if function in work.CONTROLLER_FUNCTIONS:
            for key in ("args", "kwargs"):
                if key in fields and fields[key].node.value:
                    self.faults.append(f"{key} of {function} mean nothing here")
            return {"function": function}
        if function not in _POSITIONAL:
            self.faults.append(f"{function} is Salt's own: cmd.run and cmd.script can be taken, and {_CONTROLLER}")
            return {}
        given = self._given(fields, function)
        made: Keys = {"function": "cmd.script" if function == "cmd.script" else "cmd.run"}
        if function not in ("cmd.run", "cmd.script"):
            self.words.append(f"{function} is cmd.run, whose return has it all")
        made["args"] = self._script(given) if function == "cmd.script" else self._command(given)
        kwargs = self._kwargs(given)
        if "timeout" in given and "timeout" not in fields:
            made["timeout"] = given.pop("timeout")
        if kwargs:
            made["kwargs"] = kwargs
        for key in given:
            self.faults.append(f"{key}: {function} has no such keyword here")
        if target is None and "target" not in fields:
            self.faults.append("whom it is for stands in Salt's top file, or on the minion: give `target=PATTERN`")
        else:
            made["target"] = target if target is not None else fields["target"].node
        return made

    def _given(self, fields: Mapping[str, YamlItem], function: str) -> Keys:
        """The function's arguments by name, without those that change nothing."""
        given: Keys = {}
        positions = _POSITIONAL[function]
        words = list(fields["args"].each()) if "args" in fields else []
        if len(words) > len(positions):
            self.faults.append(f"args: {function} is given more than can be taken: {', '.join(positions)}")
        for key, item in zip(positions, words, strict=False):
            given[key] = self._word(item)
        keywords = fields.get("kwargs")
        if keywords is not None and isinstance(keywords.node, yaml.SequenceNode):
            pairs = [pair for each in keywords.each() for pair in each.fields().items()]
        else:
            pairs = list(keywords.fields().items()) if keywords is not None else []
        left_out = []
        for key, item in pairs:
            if item.empty or key.startswith("__"):
                continue
            plain = str(item.node.value).lower()
            if key in _HARMLESS or (key, plain) in _AS_HERE:
                left_out.append(key)
            else:
                given[key] = _value(item.node)
        if left_out:
            self.words.append(f"left out, since it changes nothing here: {', '.join(left_out)}")
        return given

    def _word(self, item: YamlItem) -> str:
        if not isinstance(item.node, yaml.ScalarNode):
            self.faults.append("args: text is needed")
        return str(item.node.value)

    def _command(self, given: Keys) -> list[str]:
        command = str(given.pop("cmd", ""))
        if not command:
            self.faults.append("it has no command")
        words = [command]
        if str(given.pop("python_shell", "true")).lower() in _FALSE:
            try:
                words = shlex.split(command)
            except ValueError as error:
                self.faults.append(f"python_shell: the command is no list of words: {error}")
        user = given.pop("runas", None) or given.pop("user", None)
        if user == "root":
            self.words.append("runas root: push it with `become`, so that it is root's schedule")
        elif user is not None:
            shell = shlex.quote(str(given.pop("shell", "/bin/sh")))
            text = words[0] if len(words) == 1 else shlex.join(words)
            # sudo resets the environment; what the entry sets is to arrive.
            names = ",".join(_environment(given.get("env")) or ())
            keep = f" --preserve-env={shlex.quote(names)}" if names else ""
            words = [f"sudo -n -H{keep} -u {shlex.quote(str(user))} -- {shell} -c {shlex.quote(text)}"]
            self.words.append(f"runas {user}: by sudo, which root may: push it with `become`")
        return words

    def _script(self, given: Keys) -> list[str]:
        source, arguments = str(given.pop("source", "")), str(given.pop("args", "") or "")
        if given.get("runas") or given.get("user"):
            self.faults.append("runas: a script runs as the user who has the schedule: let it call sudo")
            given.pop("runas", None), given.pop("user", None)
        if not source.startswith("salt://"):
            self.faults.append(f"{source or 'no source'}: a script lies beside the schedule file; cmd.run can name one")
            return [source]
        path = source.removeprefix("salt://").partition("?")[0]
        for name in (path, os.path.basename(path)):
            if name and not os.path.isabs(name) and os.path.isfile(os.path.join(self._beside, name)):
                break
        else:
            self.faults.append(f"{source}: copy it to {os.path.join(self._beside, os.path.basename(path))} first")
        self.words.append(f"{source} is {name} beside the schedule file")
        try:
            return [name, *shlex.split(arguments)]
        except ValueError as error:
            self.faults.append(f"args of the script: {error}")
            return [name]

    def _kwargs(self, given: Keys) -> Keys:
        kwargs: Keys = {key: str(given.pop(key)) for key in ("cwd", "shell", "stdin") if key in given}
        if "env" in given:
            environment = _environment(given.pop("env"))
            if environment is None:
                self.faults.append("env: names with their values are needed")
            else:
                kwargs["env"] = environment
        return kwargs


def _environment(value: object) -> dict[str, str] | None:
    """`env`, which Salt takes as a mapping or as a list of them; None where it is neither."""
    every = value if isinstance(value, list) else [value]
    maps = [each for each in every if isinstance(each, Mapping)]
    if len(maps) < len(every):
        return None
    return {str(name): str(text) for each in maps for name, text in each.items()}
