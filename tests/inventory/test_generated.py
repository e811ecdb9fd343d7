"""Inventories that nobody wrote: what hypothesis can think of within Ansible's grammar, read side by side with it."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from agentless.errors import InventoryError
from agentless.inventory import load
from agentless.inventory.address import split_port
from agentless.inventory.patterns import split
from tests.hosts.needs import examples, need
from tests.inventory.oracle import Oracle, chosen, same

DIFFERENTIAL = settings(
    max_examples=examples(120),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
NAMES = ["h1", "h2", "h3", "web1", "web2", "db-1", "10.0.0.7", "u@h9"]
GROUPS = ["web", "db", "prod", "eu-west", "g1", "all", "ungrouped"]

hosts = st.one_of(
    st.sampled_from(NAMES),
    st.sampled_from(
        [
            "web[1:3]",
            "web[01:05:2]",
            "n[a:c]",
            "n-[1:2][x:z]",
            "r[3:1]",
            "h1:22",
            "web[1:2]:2200",
            "[::1]:9",
            "10.0.0.[1:3]",
        ]
    ),
)
names = st.sampled_from(["v", "w", "x", "ansible_port", "ansible_group_priority", "ansible_host"])
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 3000),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.sampled_from(
        ["", "text", "two words", "{{ jinja }}", "yes", "007", "1:30", "2024-01-01", "~", "a: b", "#no", "ünï"]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("kl"), inner, max_size=2),
    max_leaves=4,
)


def variables(content: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(names, content, max_size=3).map(
        lambda found: {name: 3 if name == "ansible_group_priority" else value for name, value in found.items()}
    )


def group(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "hosts": st.dictionaries(hosts, st.none() | variables(values), max_size=4),
            "vars": variables(values),
            "children": st.dictionaries(st.sampled_from(GROUPS[:5]), children, max_size=3),
        },
    )


# Not empty: of `{}` Ansible makes a host that is called `{}`, agentless an inventory without hosts.
trees = st.dictionaries(
    st.sampled_from(GROUPS), st.recursive(st.none() | group(st.none()), group, max_leaves=6), min_size=1, max_size=4
)

simple = st.sampled_from(
    [
        *NAMES,
        *GROUPS,
        "web*",
        "*",
        "h?",
        "h[12]",
        "~h[1-3]",
        "~web|db",
        "w*",
        "nosuch",
        "*-*",
        "[gh]*",
        "n*",
        "10.0.0.*",
        "localhost",
    ]
)
subscripts = st.sampled_from(["", "", "", "[0]", "[-1]", "[1:2]", "[0:0]", "[1:]", "[7]"])
parts = st.builds("{}{}{}".format, st.sampled_from(["", "", "&", "!"]), simple, subscripts)
patterns = st.builds(
    lambda glue, found: glue.join(found), st.sampled_from([":", ","]), st.lists(parts, min_size=1, max_size=4)
)
choices = st.lists(st.tuples(patterns, st.none() | patterns), max_size=6)
files = st.dictionaries(
    st.sampled_from(
        ["group_vars/all.yml", "group_vars/web", "group_vars/g1.yaml", "host_vars/h1.json", "group_vars/ungrouped.yml"]
    ),
    st.dictionaries(st.sampled_from("vwx"), scalars, max_size=2),
    max_size=3,
)


def agree(oracle: Oracle, name: str, text: str, beside: dict[str, Any], asked: list[tuple[str, str | None]]) -> None:
    """Both read the same, or both refuse."""
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory, name)
        source.write_text(text)
        for path, data in beside.items():
            Path(directory, path).parent.mkdir(exist_ok=True)
            Path(directory, path).write_text(yaml.safe_dump(data))
        theirs = oracle.describe([str(source)], Path(directory), asked)
        if "error" in theirs:
            with pytest.raises(InventoryError):
                load([str(source)], directory=directory)
            return
        ours = load([str(source)], directory=directory)
        same(ours, theirs)
        for (pattern, limit), selected in zip(asked, theirs["selected"], strict=True):
            assert chosen(ours, pattern, limit) == (selected if isinstance(selected, list) else []), (pattern, limit)


@DIFFERENTIAL
@given(tree=trees, beside=files, asked=choices)
def test_yaml_inventories(
    oracle: Oracle, tree: dict[str, Any], beside: dict[str, Any], asked: list[tuple[str, str | None]]
) -> None:
    need("many seconds")
    agree(oracle, "hosts.yml", yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), beside, asked)


texts = st.one_of(
    st.sampled_from(
        [
            "1",
            "042",
            "1.5",
            "True",
            "None",
            "'quoted'",
            '"two words"',
            "\"'007'\"",
            "[1,2]",
            "\"{'a': (1,)}\"",
            "a=b",
            "0x1f",
            "1_000",
        ]
    ),
    st.text("ab1'\"#[]{}(),:=.- \\/", max_size=8),
)
assignments = st.builds("{}={}".format, names.filter(lambda name: "priority" not in name), texts)
host_lines = st.builds(lambda host, rest: " ".join([host, *rest]), hosts, st.lists(assignments, max_size=2))
sections = st.one_of(
    st.builds(lambda name, lines: [f"[{name}]", *lines], st.sampled_from(GROUPS), st.lists(host_lines, max_size=3)),
    st.builds(
        lambda name, lines: [f"[{name}:vars]", *lines], st.sampled_from(GROUPS), st.lists(assignments, max_size=2)
    ),
    st.builds(
        lambda name, lines: [f"[{name}:children] # below", *lines],
        st.sampled_from(GROUPS[:5]),
        st.lists(st.sampled_from(GROUPS[:5]), max_size=2),
    ),
    st.just(["; a comment", "", "# another"]),
)
inis = st.builds(
    lambda head, body: "\n".join([*head, *itertools.chain.from_iterable(body)]),
    st.lists(host_lines, max_size=2),
    st.lists(sections, max_size=6),
)


@DIFFERENTIAL
@given(text=inis, beside=files, asked=choices)
def test_ini_inventories(
    oracle: Oracle, text: str, beside: dict[str, Any], asked: list[tuple[str, str | None]]
) -> None:
    agree(oracle, "hosts.ini", text, beside, asked)


@DIFFERENTIAL
@given(
    texts=st.lists(
        st.text("afz019:.[]-_@*", max_size=16) | st.sampled_from(["::", "1::", "[::1]:22"]), min_size=20, max_size=40
    )
)
@example(
    texts=[
        "1:2:3:4:5:6:7:8",
        "1:2:3:4:5:6:7::",
        "::2:3:4:5:6:7:8",
        "1::3:4:5:6:7:8",
        "::ffff:1.2.3.4",
        "a::[1:f]",
        "[[1:2]::]:9",
    ]
)
@example(
    texts=[
        "host[1:3]:22",
        "[host:1]:2",
        "a-",
        "-a",
        "_a",
        "a_",
        "ä.b",
        "a..b",
        "a.",
        "a[1:2:3]b",
        "a[b:c:1]",
        "a[1:b]",
        "A[A:Z]",
    ]
)
def test_what_is_an_address_and_what_a_list_of_patterns(oracle: Oracle, texts: list[str]) -> None:
    theirs = oracle.addresses(texts)
    parsed = [split_port(text) for text in texts]
    assert [list(found) if found else None for found in parsed] == theirs["parsed"]
    assert [split(text, lambda part: split_port(part) is not None) for text in texts] == theirs["split"]
