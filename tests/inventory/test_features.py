"""Each feature of Ansible's inventories, read side by side with Ansible."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from agentless.errors import InventoryError
from agentless.inventory import load
from tests.inventory.oracle import Choice, Oracle

Write = Callable[[dict[str, str]], Path]

YAML = """\
---
all:
  vars:
    everywhere: 1
    overridden: by all
  hosts:
    lonely:
    gateway.example.com:2222:
      role_of_it: jump
    "[2001:db8::1]:22": {note: an address with a port}
    2001:db8::2:
    ec2-user@203.0.113.7:
  children:
    web:
      hosts:
        web[01:05]:
        web-[a:c].example.com: {letters: true}
        web[10:20:5]x[1:2]: {steps: [1, 2]}
      vars: {overridden: by web, ansible_group_priority: 10}
    db-servers:
      hosts: {db1: {x: 1}, web01: {second: entry}}
      vars: &shared {overridden: by db, ansible_user: dba}
    europe:
      children: {web: , paris: {hosts: paris1, vars: {<<: *shared, city: Paris}}}
      vars: {overridden: by europe}
    empty:
    odd:
      hosts: {}
      strange: {skipped: true}
types:
  vars:
    date: 2024-02-03
    time: 2001-12-14t21:59:43.10-05:00
    none: ~
    octal: 014
    sexagesimal: 1:30
    float: 1.5e3
    words: yes
    set: !!set {a}
    secret: !vault |
      $ANSIBLE_VAULT;1.1;AES256
      3133
    raw: !unsafe "{{ not a template }}"
    raw_list: !unsafe [1, "a"]
    jinja: "{{ lookup('env', 'HOME') }}"
    nested: {1: one, true: two, list: [{a: b}]}
  hosts:
    typed:
"""

INI = """\
# hosts before any section are ungrouped
lonely ansible_host=10.0.0.1   # a comment
[2001:db8::1]:2200
badwolf:4711 x=1

[web]
web[01:03].example.com ansible_port=2201 flag=True none=None
web-[a:b] list="['a', 'b']" text="two words" quoted="'042'" dict='{"a": 1}'
web[1:9:4] number=042 float=1.50 complex=2j bytes="b'x'" set="{'one'}" big=0x1f path=/usr/bin/python3
w#not a comment
esc a=b\\ c d="q\\"q"

[web:vars]
greeting = hello world # kept
port=8080 # an int, to Python
equals=a=b
empty=
; another comment
[db:children]
postgres
mysql

[postgres]
pg1
web01.example.com   second=group
[mysql]

[all:vars]
everywhere=yes
ansible_ssh_common_args='-o ProxyCommand="ssh -W %h:%p -q user@bastion"'

[db:vars]
ansible_group_priority=7
who=db
[postgres:vars]
who=postgres
"""

SCRIPT = f"""\
#!{sys.executable}
import json, sys
meta = {{"_meta": {{"hostvars": {{"a": {{"x": 1, "j": "{{{{ y }}}}"}}, "unlisted": {{"x": 2}}}}}}}}
groups = {{
    "web": {{"hosts": ["b", "a"], "vars": {{"v": [1, {{"k": None}}]}}, "children": ["below"]}},
    "below": {{"hosts": ["c"]}},
    "plain": ["a", "d"],
    "ungrouped": {{"hosts": ["e"]}},
}}
if sys.argv[1] == "--list":
    print(json.dumps(groups if "old" in sys.argv[0] else {{**groups, **meta}}))
else:
    print(json.dumps({{"asked": sys.argv[2]}}) if sys.argv[2] != "d" else "")
"""

CHOICES: list[Choice] = [
    (pattern, None)
    for pattern in (
        "all",
        "*",
        "web",
        "web*",
        "web*[0]",
        "web*[-1]",
        "web*[1:3]",
        "web[0:1]",
        "web[2:]",
        "web[1:0]",
        "web[99]",
        "web:db-servers",
        "web,db-servers,&europe",
        "web:&db-servers",
        "all:!web",
        "!web",
        "&web",
        "~web0[12].*",
        "~(db|paris)\\d",
        "!~web.*",
        "all:!web*:!~paris.*",
        "db-servers:europe:!paris1",
        "2001:db8::2",
        "2001:db8::1",
        "localhost",
        "127.0.0.1",
        "ec2-user@203.0.113.7",
        "ec2*",
        "ungrouped",
        "ungr*",
        "gateway.example.com",
        "*.example.com",
        "nosuch",
        "web01:nosuch",
        "web[1:3]",
        "web?1",
        "[wd]*",
        "web01.example.com,pg1",
        "a:b",
        "a:b:&plain",
        "plain[0]",
    )
] + [
    ("all", "web"),
    ("web", "!web01"),
    ("web", "europe:&db-servers"),
    ("all", "web*[0:2]"),
    ("localhost", "web"),
    ("all", "nosuch"),
    ("all", "@limit"),
]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            if text.startswith("#!"):
                path.chmod(0o755)
        return tmp_path

    return write


@pytest.mark.parametrize("name", ["hosts", "hosts.yml", "hosts.yaml"])
def test_yaml(name: str, write: Write, oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({name: YAML, "limit": "web01\n\nparis1\ngone\n"})
    monkeypatch.chdir(root)
    inventory = oracle.agree([root / name], root, CHOICES)
    assert "web10x1" in inventory.hosts
    assert inventory.hosts["2001:db8::1"].vars["ansible_port"] == 22


@pytest.mark.parametrize("name", ["hosts", "hosts.ini", "production", "site.prod"])
def test_ini(name: str, write: Write, oracle: Oracle, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write({name: INI, "limit": "web01.example.com\npg1"})
    monkeypatch.chdir(root)
    inventory = oracle.agree([root / name], root, CHOICES)
    assert inventory.hosts["web-a"].vars["list"] == ["a", "b"]


@pytest.mark.parametrize("name", ["inventory.py", "old-inventory.py"])
def test_scripts_with_and_without_meta(name: str, write: Write, oracle: Oracle) -> None:
    root = write({name: SCRIPT})
    oracle.agree([root / name], root, [("all", None), ("web", None), ("plain[0]", None)])


def test_the_oldest_form_of_a_scripts_answer(write: Write, oracle: Oracle) -> None:
    """A group without hosts, vars or children is a host of its own name, and trusts no template."""
    root = write({"i.sh": '#!/bin/sh\necho \'{"bare": {"x": 1, "y": ["{{ a }}"]}, "_meta": {"hostvars": {}}}\'\n'})
    oracle.agree([root / "i.sh"], root)


def test_an_executable_that_is_no_script_is_read_as_the_file_it_is(write: Write, oracle: Oracle) -> None:
    """Shared folders of virtual machines give every file an x bit."""
    root = write({"hosts": INI, "hosts.yml": YAML})
    for name in ("hosts", "hosts.yml"):
        (root / name).chmod(0o777)
        oracle.agree([root / name], root, [("all", None)])


def test_json_in_the_shape_of_a_yaml_inventory(write: Write, oracle: Oracle) -> None:
    data = {"all": {"hosts": {"a[1:3]": {"x": 1e3, "y": None}}, "children": {"g": {"hosts": {"b": None}}}}}
    root = write({"hosts.json": json.dumps(data), "hosts": json.dumps(data)})
    oracle.agree([root / "hosts.json"], root)
    oracle.agree([root / "hosts"], root)


@pytest.mark.parametrize("hosts", ["a,", "a,b", " a , b:22 ,,a", "[2001:db8::1]:22,2001:db8::2,", "u@h,w[1:3],x"])
def test_comma_lists(hosts: str, oracle: Oracle, tmp_path: Path) -> None:
    oracle.agree([hosts], tmp_path, [("all", None), ("a", None), ("localhost", None)])


def test_variables_beside_the_inventory_and_in_the_working_directory(write: Write, oracle: Oracle) -> None:
    """Files and directories, each suffix, nested, hidden and backup files, precedence by depth and name."""
    root = write(
        {
            "inv/hosts": "[a]\nh1 v=inline\nh2\n[b]\nh1\nh2\n[c:children]\na\nb\n"
            "[c:vars]\nw=ini c\n[a:vars]\nw=ini a\n",
            "inv/group_vars/all/1.yml": "everywhere: all\nv: all\nw: all file\n",
            "inv/group_vars/all/2.json": '{"everywhere": "all 2", "n": 1e2}',
            "inv/group_vars/all/.hidden.yml": "hidden: 1",
            "inv/group_vars/all/backup.yml~": "backup: 1",
            "inv/group_vars/all/readme.txt": "no: 1",
            "inv/group_vars/all/deep/x": "deep: 1",
            "inv/group_vars/all/deep.d/x": "not_deep: 1",
            "inv/group_vars/a": "v: a\nw: a file",
            "inv/group_vars/a.yml": "shadowed: 1",
            "inv/group_vars/b.yaml": "v: b\nansible_group_priority: 5\n",
            "inv/group_vars/b.json": '{"shadowed": 1}',
            "inv/group_vars/c.yml": "v: c\n",
            "inv/group_vars/empty.yml": "",
            "inv/host_vars/h2.yml": "v: host file\nrole_name: internal\ngroups: internal\n",
            "inv/host_vars/h1/main.yml": "v: host dir\n",
            "group_vars/all.yml": "from_play: all\nv: play\n",
            "group_vars/a.yml": "from_play: a\n",
            "host_vars/h1.yml": "play_host: 1\n",
            "host_vars/localhost.yml": "play_host: 1\n",
        }
    )
    inventory = oracle.agree([root / "inv/hosts"], root)
    assert inventory.hosts["h1"].vars["play_host"] == 1
    oracle.agree([root / "inv"], root)
    oracle.agree(["h1,h3"], root)
    oracle.agree([root / "inv/hosts"], root / "inv")


def test_directories_are_read_in_order_without_what_ansible_leaves_out(write: Write, oracle: Oracle) -> None:
    root = write(
        {
            "inv/10-hosts": "[web]\nw1 v=1\n[db]\nd1\n",
            "inv/20.yml": "web: {hosts: {w1: {v: 2}, w2: }}\n",
            "inv/05-script.py": SCRIPT,
            "inv/30/more.ini": "[web]\nw9\n",
            "inv/.hidden": "[hidden]\nh\n",
            "inv/notes.md": "# notes\n",
            "inv/x.retry": "w1\n",
            "inv/ansible.cfg": "[defaults]\n",
            "inv/old.bak": "[old]\no\n",
            "inv/hosts~": "[old]\no\n",
            "inv/group_vars/web.yml": "from_file: 1\n",
            "inv/30/group_vars/web.yml": "not_read: 1\n",
        }
    )
    oracle.agree([root / "inv"], root, [("web", None), ("all", None)])


def test_sources_add_up(write: Write, oracle: Oracle) -> None:
    root = write(
        {
            "one/hosts": "[web]\nw1:22 v=1\nw2\nonly\n[web:vars]\ng=1\n",
            "two/hosts.yml": "web: {hosts: {w1:2200: {v: 2}, w3: }, vars: {g: 2}}\n"
            "all: {children: {only2: {hosts: only}}}\n",
            "one/group_vars/web.yml": "f: 1\ng: f1\n",
            "two/group_vars/web.yml": "f: 2\n",
        }
    )
    sources = [root / "one/hosts", root / "two/hosts.yml"]
    oracle.agree([*sources, "w1,extra"], root, [("all", None), ("web", None), ("ungrouped", None)])
    oracle.agree([*reversed(sources)], root, [("all", None), ("web", None), ("ungrouped", None)])


def test_an_explicit_localhost_takes_the_place_of_the_implicit_one(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "[here]\nlocalhost\n", "other": "127.0.0.1\nlocalhost\n", "none": "[x]\na\n"})
    for name in ("hosts", "other", "none"):
        oracle.agree([root / name], root, [("localhost", None), ("127.0.0.1", None), ("::1", None), ("all", None)])


def test_names_that_look_like_patterns(write: Write, oracle: Oracle) -> None:
    root = write({"hosts.yml": "all:\n  hosts:\n    a b: {x: 1}\n    ~x:\n    '&y':\n    '!z':\n"})
    names = ("~x", "&y", "!z", "all:&y", "a b", "a b,~x", "all:!z")
    oracle.agree([root / "hosts.yml"], root, [(name, None) for name in names])


def test_line_endings_and_byte_order_marks(write: Write, oracle: Oracle) -> None:
    root = write(
        {
            "crlf.ini": "[web]\r\nweb1 a=1\tb='2  3'\r\n[web:vars]\r\nx=y\r\n",
            "crlf.yml": "all:\r\n  hosts:\r\n    a: {x: 1}\r\n",
            "bom.yml": "\ufeffall:\n  hosts:\n    a: {x: 1}\n",
            "comment.yml": "# nothing yet\n",
            "empty": "",
        }
    )
    for name in ("crlf.ini", "crlf.yml", "bom.yml", "comment.yml", "empty"):
        oracle.agree([root / name], root)


def test_other_encodings_in_ini_are_read_as_bytes(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "", "hosts.ini": ""})
    text = "# é\nweb1 a=1 # é\nweb2 a=é b='ü x'\n[web:vars]\nx=é # ü\n[web]\nweb1\n"
    for name in ("hosts", "hosts.ini"):
        (root / name).write_bytes(text.encode("latin-1"))
        oracle.agree([root / name], root)


def test_a_group_and_a_host_of_one_name(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "[web]\nweb x=1\nw2\n[up:children]\nweb\n"})
    oracle.agree([root / "hosts"], root, [("web", None), ("web*", None), ("web[0]", None), ("!web", None)])


# ruff: noqa: SIM905 - one scalar a line would make a page of them.
PLAIN_SCALARS = (
    "0b101 0x1F 1_000 .5 -.5e3 .inf -.INF 12e03 1.2e+3 1e3 +1 -0 0o17 017 08 09.5 12:30 12:30:45 190:20:30.15 y Y n on "
    "Off NULL Null ~ = 2001-12-14 2001-12-14T21:59:43Z 1.0.0 - -a ?b a:b a#b true TRUE tRUE 1. 0. 0.0.0.0 :: 0x 1__0 _1"
).split()


def test_plain_scalars_of_yaml(write: Write, oracle: Oracle) -> None:
    for scalar in PLAIN_SCALARS:
        root = write({"hosts.yml": f"all:\n  hosts:\n    h: {{v: {scalar}, w: ['{scalar}']}}\n"})
        if "error" in oracle.describe([str(root / "hosts.yml")], root):
            with pytest.raises(InventoryError):
                load([str(root / "hosts.yml")])
        else:
            oracle.agree([root / "hosts.yml"], root)


def test_merge_keys_and_anchors(write: Write, oracle: Oracle) -> None:
    text = """\
    x: &x {a: 1, b: {c: 1}}
    y: &y {<<: *x, b: 2, d: &list [1, *x]}
    all:
      hosts:
        h1: {<<: [*x, *y], e: *list}
        h2: {f: 1, <<: *y, a: 3}
        h3: &h3 {twice: 1, twice: 2}
        h4: *h3
    """
    root = write({"hosts.yml": textwrap.dedent(text).replace("x: &x", ".x: &x").replace("y: &y", ".y: &y")})
    oracle.agree([root / "hosts.yml"], root)


def test_what_is_declared_later_joins_where_it_was_named(write: Write, oracle: Oracle) -> None:
    root = write({"hosts": "[a:children]\nb\nc\n[c:children]\nd\n[e]\nx\n[d]\ny\n[b]\nz\n[b:vars]\nv=1\n"})
    oracle.agree([root / "hosts"], root, [("a", None)])
