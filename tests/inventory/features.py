"""Inventories with each feature of Ansible's, and the patterns that are tried on them."""

from __future__ import annotations

import sys

from tests.inventory.oracle import Choice

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
