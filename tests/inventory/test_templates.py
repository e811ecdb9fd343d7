"""Templates in variables come to what Ansible makes of them, and can do no harm."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from agentless.inventory.templates import Renderer, TemplateProblem
from tests.inventory.oracle import need_current_ansible

VARIABLES: dict[str, Any] = {
    "port": 2222,
    "text_port": "2222",
    "env": "prod",
    "nothing": None,
    "no": False,
    "names": ["web1", "web2", "web1"],
    "nested": {"a": {"b": "deep"}, "list": [1, 2, 3]},
    "encoded": "aGVsbG8=",
    "inventory_hostname": "web1.example.com",
    "group_names": ["prod", "web"],
}
# Each of them is rendered by Ansible, too.
TEMPLATES = [
    "{{ port }}",
    "{{ port + 1 }}",
    "{{ text_port }}",
    "{{ text_port | int }}",
    "{{ port }}x",
    "{{ port }}{{ port }}",
    "{{ missing | default('root') }}",
    "{{ missing.deeply.so | default('root') }}",
    "{{ '' | default('root', true) }}",
    "{{ env == 'prod' }}",
    "{{ 'bastion' if env == 'prod' else 'none' }}",
    "{% if 'web' in group_names %}deploy{% else %}root{% endif %}",
    "{{ no | bool }}",
    "{{ 'yes' | bool }}",
    "{{ names | first }}-{{ names | last }}",
    "{{ names | unique | join(',') }}",
    "{{ names | map('upper') | list }}",
    "{{ names | select('match', 'web2') | list }}",
    "{{ names | reject('search', '2$') | list | length }}",
    "{{ nested.a.b }}",
    "{{ nested['list'][1] }}",
    "{{ nested | dict2items | length }}",
    "{{ nested.list | union([3, 4]) }}",
    "{{ nested.list | difference([3]) }}",
    "{{ encoded | b64decode }}",
    "{{ 'hello' | b64encode }}",
    "{{ inventory_hostname | regex_replace('\\\\.example\\\\.com$', '') }}",
    "{{ inventory_hostname | regex_search('^[a-z]+') }}",
    "{{ inventory_hostname.split('.')[0] }}",
    "{{ inventory_hostname | split('.') | first }}",
    "{{ (env == 'prod') | ternary('a', 'b') }}",
    "{{ {'a': 1} | combine({'b': 2}) }}",
    "{{ [[1, [2]], 3] | flatten }}",
    "{{ '/a/b.c' | basename }}",
    "{{ missing is defined }}",
    "{{ env is defined and env is not none }}",
    "{{ env is match('pr') }}",
    "{{ lookup('env', 'HOME') }}",
    "{{ query('env', 'HOME') }}",
    "{{ 'a b' | quote }}",
    "{{ 5 / 2 }}",
    "{{ '%05d' | format(port) }}",
    "{{ [1, 2] | to_json }}",
    "{{ nested.list | zip(names) | list }}",
    "{{ 'true' }}",
    "{{ true }}",
    "plain {{ 'text' }} here",
    "{# nothing #}shown",
    "{{ nested }}",
    "{{ ['env', 'port'] | map('extract', {'env': 1, 'port': 2}) | list }}",
]


def renderer(directory: Path = Path("/")) -> Renderer:
    return Renderer(VARIABLES, {"HOME": "/home/ada"}, str(directory))


@pytest.fixture(scope="module")
def ansibles(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What ansible-core makes of TEMPLATES, in one process."""
    need_current_ansible()
    directory = tmp_path_factory.mktemp("oracle")
    program = directory / "oracle.py"
    program.write_text(
        "import json, sys\n"
        "from ansible.parsing.dataloader import DataLoader\n"
        "from ansible.template import Templar\n"
        "try:\n"
        "    from ansible.template import trust_as_template as trust\n"
        "except ImportError:\n"
        "    trust = str\n"
        "given = json.load(sys.stdin)\n"
        "templar = Templar(DataLoader(), variables=given['variables'])\n"
        "print(json.dumps([templar.template(trust(each)) for each in given['templates']]))\n"
    )
    import json

    done = subprocess.run(
        [sys.executable, str(program)],
        input=json.dumps({"variables": VARIABLES, "templates": TEMPLATES}),
        capture_output=True,
        text=True,
        env={"HOME": "/home/ada", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "ANSIBLE_LOCAL_TEMP": str(directory)},
    )
    assert done.returncode == 0, done.stderr
    values: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return values


@pytest.mark.parametrize("index", range(len(TEMPLATES)), ids=TEMPLATES)
def test_a_template_comes_to_what_ansible_makes_of_it(ansibles: list[Any], index: int) -> None:
    value = renderer().render(TEMPLATES[index])
    theirs = ansibles[index]
    assert yaml.safe_load(yaml.safe_dump(value)) == theirs
    assert type(value) is type(theirs)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ missing }}", "'missing' is undefined"),
        ("{{ missing.deep }}", "missing"),
        ("{{ 'a' ~ missing }}", "missing"),
        ("{{ missing | mandatory }}", "mandatory"),
        ("{{ ", "unexpected"),
        ("{{ port | nofilter }}", "nofilter"),
        ("{{ lookup('pipe', 'id') }}", "lookup\\('pipe'\\) is not done here"),
        ("{{ query('url', 'x') }}", "lookup\\('url'\\) is not done here"),
        ("{{ lookup('file', 'nowhere') }}", "No such file"),
        ("{{ ''.__class__.__mro__ }}", "unsafe|undefined"),
        ("{{ names.append('x') }}", "unsafe|not safely"),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ 'maybe' | bool }}", "neither true nor false"),
        ("{{ range(100000000) | list }}", "Range too big"),
    ],
)
def test_what_cannot_be_rendered_is_told(template: str, message: str) -> None:
    with pytest.raises(TemplateProblem, match=message):
        renderer().render(template)


def test_a_file_is_looked_up_beside_the_inventory(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("deploy\n")
    assert renderer(tmp_path).render("{{ lookup('file', 'user') }}") == "deploy"
