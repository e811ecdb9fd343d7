"""What the nodes of a schedule file mean, and values as nodes and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agentless.regex import regex
from agentless.yamlfile import yaml

__all__ = ["BREAKS", "Fields", "Pair", "braced", "fields_of", "inline", "meaning", "null", "own", "pairs", "plain"]

BREAKS = "\r\n\x85\u2028\u2029"
_BREAK = regex(f"[{BREAKS}]")
_MAP, _SEQUENCE = "tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"
_MERGE, _NULL = "tag:yaml.org,2002:merge", "tag:yaml.org,2002:null"

Fields = dict[str, yaml.Node]
Pair = tuple[yaml.Node, yaml.Node]


def pairs(node: yaml.Node | None) -> list[Pair]:
    return list(node.value) if isinstance(node, yaml.MappingNode) else []


def own(mapping: yaml.Node | None, key: str) -> Pair | None:
    return next((pair for pair in pairs(mapping) if pair[0].value == key), None)


def braced(node: yaml.Node) -> bool:
    return isinstance(node, yaml.CollectionNode) and bool(node.flow_style)


def null(node: yaml.Node | None) -> bool:
    """Nothing stands there, or nothing that counts."""
    return node is None or (isinstance(node, yaml.ScalarNode) and node.tag == _NULL)


def fields_of(node: yaml.Node | None) -> Fields:
    """The values of a mapping by key, `<<` resolved: what is its own counts, then the first that is merged."""
    its: Fields = {}
    merged: Fields = {}
    for key, value in pairs(node):
        if key.tag == _MERGE:
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                merged = {**fields_of(each), **merged}
        else:
            its[str(key.value)] = value
    return {**merged, **its}


def meaning(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key: meaning(value) for key, value in fields_of(node).items()}
    if isinstance(node, yaml.SequenceNode):
        return [meaning(each) for each in node.value]
    return node.tag, node.value


def plain(value: Any) -> yaml.Node:
    """A value as YAML; nodes of a file without their anchors, what was merged written out."""
    if isinstance(value, yaml.MappingNode):
        return plain(fields_of(value))
    if isinstance(value, Mapping):
        return yaml.MappingNode(_MAP, [(plain(key), plain(each)) for key, each in value.items()], flow_style=False)
    if isinstance(value, yaml.SequenceNode):
        return plain(value.value)
    if isinstance(value, list):
        return yaml.SequenceNode(_SEQUENCE, [plain(each) for each in value], flow_style=True)
    if isinstance(value, yaml.ScalarNode):
        return yaml.ScalarNode(value.tag, value.value, style=value.style)
    made: yaml.Node = yaml.representer.SafeRepresenter().represent_data(value)
    return made


def inline(node: yaml.Node, flow: bool | None = False) -> str:
    """A value on one line; `flow`: within brackets, where more has to be quoted."""
    whole = yaml.SequenceNode(_SEQUENCE, [_flowing(node)], flow_style=bool(flow))
    text: str = yaml.serialize(whole, Dumper=yaml.SafeDumper, width=1 << 24, allow_unicode=True).rstrip("\n")
    return text[1:-1] if flow else text[2:]


def _flowing(node: yaml.Node) -> yaml.Node:
    if isinstance(node, yaml.ScalarNode):
        # What has line breaks needs escapes to stand on one line.
        style = '"' if _BREAK.search(node.value) or node.style in ("|", ">") else node.style
        return yaml.ScalarNode(node.tag, node.value, style=style)
    if isinstance(node, yaml.MappingNode):
        made = [(_flowing(key), _flowing(value)) for key, value in node.value]
        return yaml.MappingNode(node.tag, made, flow_style=True)
    return yaml.SequenceNode(node.tag, [_flowing(each) for each in node.value], flow_style=True)
