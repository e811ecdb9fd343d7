"""One entry of a schedule of Salt's, put into the words of our schedule file.

Times are the same words in both. What differs is what an entry runs: the keywords of Salt's `cmd` module become ours,
those that change nothing here are left out, and whatever else is said of what it runs cannot be taken.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from typing import Any

from agentless.schedule import timing, work
from agentless.schedule.schedule_file import ALIASES
from agentless.yamlfile import YamlItem, yaml

__all__ = ["Keys", "SaltEntry", "value_of"]

# cmd.run is all of these, and what they leave out of the return is never left out here.
_LIKE_CMD_RUN = ("cmd.run", "cmd.shell", "cmd.run_all", "cmd.run_stdout", "cmd.run_stderr", "cmd.retcode")
# The order of their positional arguments: salt.modules.cmdmod.
_POSITIONAL = {
    **dict.fromkeys(_LIKE_CMD_RUN, ("cmd", "cwd", "stdin", "runas")),
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
_FALSE = ("false", "no", "off")
_CONTROLLER = ", ".join(work.CONTROLLER_FUNCTIONS)
# Keywords with the value that is the only one here.
_AS_HERE = {("python_shell", "true"), ("clean_env", "false"), ("use_vt", "false"), ("encoded_cmd", "false")}

Keys = dict[str, object]
"""The keys of an entry as our schedule file has them, values as nodes of YAML or plain; or arguments by name."""


def value_of(node: yaml.Node) -> Any:
    """What a node of YAML holds, its scalars as the text that stands there."""
    if isinstance(node, yaml.MappingNode):
        return {str(key.value): value_of(value) for key, value in node.value}
    return [value_of(each) for each in node.value] if isinstance(node, yaml.SequenceNode) else node.value


class SaltEntry:
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
                given[key] = value_of(item.node)
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
