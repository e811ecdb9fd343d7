"""Results for programs: JSON, JSON lines and YAML of the documents that the JSON contract freezes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any

from agentless.model.job import Report
from agentless.model.states import HostResult

__all__ = ["as_json", "as_yaml", "host_line", "lines", "report_json", "report_yaml"]


def as_json(document: Mapping[str, Any], *, indent: bool = False) -> str:
    """One JSON document with a newline at its end.

    Pure ASCII: whatever a host sent, no control character reaches a terminal and no encoding of stdout fails.
    A float that JSON has no number for, which inventories may hold, is the text `NaN`, `Infinity` or `-Infinity`.
    """
    try:
        text = json.dumps(document, indent=2 if indent else None, default=str, allow_nan=False)
    except ValueError:
        # Python would write names that no other reader of JSON takes. The second pass is for those few documents.
        text = json.dumps(_finite(document), indent=2 if indent else None, default=str, allow_nan=False)
    return text + "\n"


def _finite(value: Any) -> Any:
    """The same value without floats that are no numbers of JSON, as keys or as values."""
    if isinstance(value, float) and not math.isfinite(value):
        # As Protocol Buffers' JSON mapping writes them, and as Python's and other readers' `float` takes them back.
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, Mapping):
        return {_finite(key): _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def as_yaml(document: Mapping[str, Any]) -> str:
    """The same document in YAML, keys in the same order; pure ASCII for the same reason."""
    from agentless.yamlfile import yaml

    plain = json.loads(json.dumps(document, default=str))

    def dump(dumper: Any) -> str:
        text: str = yaml.dump(plain, Dumper=dumper, sort_keys=False, default_flow_style=False, width=10_000)
        return text

    try:
        return dump(getattr(yaml, "CSafeDumper", yaml.SafeDumper))
    except UnicodeEncodeError:
        # libyaml has no lone surrogates (which argv and file names can hold); the slow dumper escapes them.
        return dump(yaml.SafeDumper)


class _HostObjects(dict[str, Any]):
    """The hosts of a report's document, each made when it is written, so that one output at a time is in memory."""

    def __init__(self, results: Mapping[str, HostResult]) -> None:
        super().__init__(dict.fromkeys(results))
        self._results = results

    def items(self) -> Any:
        return ((name, result.to_json()) for name, result in self._results.items())


def report_json(report: Report, *, indent: bool = False) -> Iterator[str]:
    """`as_json` of the report's document, in pieces.

    Raises:
        CacheError: the output of a host cannot be read from the job cache.
    """
    document = report.document(_HostObjects(report.results))
    yield from json.JSONEncoder(indent=2 if indent else None, default=str, allow_nan=False).iterencode(document)
    yield "\n"


def report_yaml(report: Report) -> Iterator[str]:
    """`as_yaml` of the report's document, in pieces; raises as `report_json`."""
    hosts = _HostObjects(report.results)
    for key, value in report.document(hosts).items():
        if value is not hosts or not hosts:
            yield as_yaml({key: value})
            continue
        opening = f"{key}:\n"
        yield opening
        for name, entry in hosts.items():
            yield as_yaml({key: {name: entry}}).removeprefix(opening)


def host_line(jid: str, host: str, result: Mapping[str, Any]) -> str:
    """One JSON line for one host of a job: `jid`, `host`, and the keys of the host object."""
    return as_json({"jid": jid, "host": host, **result})


def lines(document: Mapping[str, Any], *, key: str, value: str) -> Iterator[str]:
    """One JSON line for each entry of a document `{name: entry}`: its name under `key`, then the entry's keys.

    An entry that is a list or a plain value stands under `value`.
    """
    for name, entry in document.items():
        yield as_json({key: name, **entry} if isinstance(entry, Mapping) else {key: name, value: entry})
