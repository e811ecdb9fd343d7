"""What is refused, with the file, the line and the way out; and what is only told."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agentless.errors import InventoryError, TargetError
from agentless.inventory import Inventory, load
from agentless.inventory.sources import Scripts
from tests.hosts.needs import need


def refusal(source: Path | str, directory: Path) -> InventoryError:
    with pytest.raises(InventoryError) as caught:
        load([str(source)], directory=str(directory))
    return caught.value


@pytest.mark.parametrize(
    ("name", "text", "line", "message"),
    [
        ("hosts.yml", "all:\n  hosts:\n    a:\n   b:\n", 4, "no YAML"),
        ("hosts.yml", "all:\n  hosts:\n    - a\n", 2, "needs a mapping"),
        ("hosts.yml", "all:\n  hosts:\n    1:\n", 3, "quotes"),
        ("hosts.yml", "all:\n  hosts:\n    a[1:x]:\n", 3, "range"),
        ("hosts.yml", "all:\n  hosts:\n    a[01:100]:\n", 3, "same length"),
        ("hosts.yml", "all:\n  hosts:\n    a: b\n", 3, "mapping"),
        ("hosts.yml", "a:\n  children:\n    b:\n      children:\n        a:\n", 3, "closes a loop"),
        ("hosts.yml", "g:\n  children:\n    all:\n", 3, "closes a loop"),
        ("hosts.yml", "2024:\n  hosts: x\n", 1, "no group name"),
        ("hosts.yml", "a:\n  vars:\n    ansible_group_priority: high\n", 3, "no number"),
        ("hosts.yml", "a:\n  vars:\n    x: !secret y\n", 3, "!secret"),
        ("hosts.yml", "a:\n  vars:\n    ansible_user: {{ who }}\n", 3, "cannot be a key"),
        pytest.param("hosts.yml", f"a: {'[' * 3000}{']' * 3000}\n", None, "nest", id="deep.yml"),
        pytest.param("hosts.json", f"{'[' * 200_000}{']' * 200_000}\n", None, "nested too deeply", id="deep.json"),
        ("hosts.json", '{"a": {"hosts": {"h\\udce9": {}}}}', None, "no UTF-8"),
        ("hosts.yml", "a: &a\n  vars:\n    x: *a\n", 1, "contains itself"),
        ("hosts.yml", "- a\n- b\n", None, "mapping of groups"),
        ("hosts", "[web\nweb1\n", 1, "no section"),
        ("hosts.ini", "web1\n[web:kids]\nx\n", 2, "hosts, children or vars"),
        ("hosts.ini", "[web]\nweb1 user\n", 2, "name=value"),
        ("hosts.ini", "[web]\nweb1 x='open\n", 2, "quotation"),
        ("hosts.ini", "[web:vars]\nx=1\n[db]\n", 1, "no section declares"),
        ("hosts.ini", "[web:children]\nnowhere\n", 2, "no section declares"),
        ("hosts.ini", "[a b]\n", 1, "no section"),
        ("hosts.ini", "[all:vars]\nnovalue\n", 2, "name=value"),
        ("hosts.toml", "[all]\n", None, "TOML"),
        ("inventory_aws_ec2.yml", "plugin: amazon.aws.aws_ec2\n", 1, "inventory plugin 'amazon.aws.aws_ec2'"),
        ("hosts.yml", "$ANSIBLE_VAULT;1.1;AES256\n31\n", None, "Ansible Vault"),
    ],
)
def test_a_wrong_file_names_its_line(name: str, text: str, line: int | None, message: str, tmp_path: Path) -> None:
    source = tmp_path / name
    source.write_text(text)
    error = refusal(source, tmp_path)
    assert message in error.message, error.message
    # Where no line is asked for, a library may know one or not.
    assert error.message.startswith(f"{source}:{line}: " if line else f"{source}:"), error.message


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [("hosts.yml", "a:\n  vars: {x: é}\n", 2), ("hosts", "web1\nwebé x=1\n", 2), ("hosts.ini", "[é]\n", 1)],
)
def test_other_encodings_are_refused_with_the_line_where_they_matter(
    name: str, text: str, line: int, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(text.encode("latin-1"))
    error = refusal(tmp_path / name, tmp_path)
    assert error.message.startswith(f"{tmp_path}/{name}:{line}: ")
    assert "no UTF-8" in error.message


def test_unquoted_jinja_is_told_to_be_quoted(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("a:\n  vars:\n    ansible_user: {{ who }}\n")
    assert refusal(tmp_path / "hosts.yml", tmp_path).hint == 'If it is Jinja, quote it: "{{ … }}".'


def test_what_only_ansible_reads_is_sent_through_ansible(tmp_path: Path) -> None:
    source = tmp_path / "aws.yml"
    source.write_text("plugin: x\n")
    assert f"ansible-inventory -i {source} --list" in refusal(source, tmp_path).hint


def test_what_ansible_inventory_exported_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("[web]\nweb[1:2] x=1\n[up:children]\nweb\n")
    exported = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-inventory")), "-i", str(tmp_path / "hosts"), "--list"],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    ).stdout
    (tmp_path / "inventory.json").write_text(exported)
    inventory = load([str(tmp_path / "inventory.json")], directory=str(tmp_path))
    assert {name: (host.groups, dict(host.vars)) for name, host in inventory.hosts.items()} == {
        "web1": (("up", "web"), {"x": 1}),
        "web2": (("up", "web"), {"x": 1}),
    }


def test_a_missing_source_says_how_to_name_one_host(tmp_path: Path) -> None:
    assert "web1," in refusal("web1", tmp_path).hint


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 3", "exit code 3"),
        ("echo oops >&2; exit 1", "oops"),
        ("echo no json", "no JSON"),
        ("echo '[]'", "JSON object"),
        ("head -c 200000 /dev/zero | tr '\\0' '['", "nested too deeply"),
    ],
)
def test_a_failing_script_is_named(body: str, message: str, tmp_path: Path) -> None:
    source = tmp_path / "inventory.sh"
    source.write_text(f"#!/bin/sh\n{body}\n")
    source.chmod(0o755)
    error = refusal(source, tmp_path)
    assert message in error.message
    assert str(source) in error.message


def test_a_broken_variable_file_stops_only_the_hosts_that_it_is_about(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("web1\nweb2\n")
    (tmp_path / "host_vars").mkdir()
    (tmp_path / "host_vars/web1.yml").write_text("a: 1\nb: [\n")
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path))
    assert dict(inventory.hosts["web2"].vars) == {}
    with pytest.raises(InventoryError, match=r"host_vars/web1\.yml:3: this is no YAML"):
        dict(inventory.hosts["web1"].vars)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"a: " + b"[" * 3000 + b"]" * 3000, "nest"), (b"a: 1\nb: \xe9\n", r"web\.yml:2: this is no UTF-8")],
    ids=["deep", "latin-1"],
)
def test_variable_files_that_cannot_be_read_are_named(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("[web]\nweb1\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/web.yml").write_bytes(content)
    with pytest.raises(InventoryError, match=message):
        dict(load([str(tmp_path / "hosts")], directory=str(tmp_path)).hosts["web1"].vars)


def test_files_of_a_directory_that_are_no_inventories_are_told_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("web1\n")
    (tmp_path / "list.yml").write_text("- a\n- b\n")
    (tmp_path / "notes.tex").write_text("Some words here, that are no hosts\n")
    told: list[str] = []
    inventory = load([str(tmp_path)], directory="/", warn=told.append)
    assert list(inventory.hosts) == ["web1"]
    assert [warning.rpartition("/")[2].split(":")[0] for warning in told] == ["list.yml", "notes.tex"]


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    (tmp_path / "hosts").write_text("[web]\nweb[1:3]\n[db]\ndb1\n[empty]\n")
    return load([str(tmp_path / "hosts")], directory=str(tmp_path))


def test_a_name_that_nobody_has_suggests_those_that_are_near(inventory: Inventory) -> None:
    for wrong, near in (("wbe1", "web1"), ("wbe", "web")):
        with pytest.raises(TargetError, match=f"no host or group is called {wrong}") as caught:
            inventory.select(wrong)
        assert near in caught.value.hint.removesuffix("?").split()


@pytest.mark.parametrize("pattern", ["web:&db", "empty", "web:!web", "all:!*"])
def test_a_pattern_that_matches_nothing_is_an_error(inventory: Inventory, pattern: str) -> None:
    with pytest.raises(TargetError, match="matches no host"):
        inventory.select(pattern)


def test_a_limit_that_leaves_nothing_is_an_error(inventory: Inventory) -> None:
    with pytest.raises(TargetError, match="'web' limited to 'db' matches no host"):
        inventory.select("web", "db")


def test_one_unknown_name_among_others_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    inventory = load(["web1,web2"], directory=str(tmp_path), warn=told.append)
    assert [host.name for host in inventory.select("web1,wbe2")] == ["web1"]
    (warning,) = told
    assert warning.startswith("'wbe2' matches no host and no group. Did you mean web2")


def test_an_unknown_name_that_is_left_out_leaves_in_whom_it_should_not(tmp_path: Path) -> None:
    told: list[str] = []
    inventory = load(["web1,web2"], directory=str(tmp_path), warn=told.append)
    assert len(inventory.select("all", "!wbe2")) == 2
    (warning,) = told
    assert warning.startswith("'wbe2' matches no host and no group, so !wbe2 leaves nobody out. Did you mean web2")


def test_many_unknown_names_are_one_folded_warning(tmp_path: Path) -> None:
    told: list[str] = []
    inventory = load(["web1,web2"], directory=str(tmp_path), warn=told.append)
    assert [host.name for host in inventory.select("web[1-99]")] == ["web1", "web2"]
    assert told == ["97 names match no host and no group: web[3-99]"]
    with pytest.raises(TargetError, match=r"^no host or group is called db\[1-50\]$"):
        inventory.select("db[1-50]")
    letters = ",".join(f"gone-{letter}" for letter in "abcdefghijkl")
    with pytest.raises(TargetError, match=r"gone-h and 4 more\Z"):
        inventory.select(letters)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("~web(", "no regular expression"),
        ("web[9]", "has 3 hosts"),
        *((f"web[{'9' * 5000}{end}", "a number of that size") for end in ("]", ":]", ":1]")),
        (f"web[0-{'9' * 5000}]", "a number of that size"),
    ],
    ids=lambda text: text[:20],
)
def test_patterns_that_cannot_be_used(inventory: Inventory, pattern: str, message: str) -> None:
    with pytest.raises(TargetError, match=message):
        inventory.select(pattern)


def test_a_limit_file_is_read_a_name_a_line(inventory: Inventory, tmp_path: Path) -> None:
    (tmp_path / "retry").write_bytes(b"web3\n\n web1 \nw\xe9b\n")
    assert [host.name for host in inventory.select("web", f"@{tmp_path}/retry")] == ["web1", "web3"]


@pytest.mark.parametrize(("text", "message"), [(None, "cannot be read"), ("\n\n", "names no host")])
def test_an_empty_limit_file_never_means_all_hosts(
    inventory: Inventory, tmp_path: Path, text: str | None, message: str
) -> None:
    if text is not None:
        (tmp_path / "retry").write_text(text)
    with pytest.raises(TargetError, match=message):
        inventory.select("all", f"@{tmp_path}/retry")


@pytest.mark.parametrize(
    "pattern", ["", " ", "\t\n", ",", " , ,", ":", ": :", "!", "&", "~", "!~", "&~", "all:!", "web:&", "web,!,"]
)
def test_a_pattern_or_limit_that_comes_to_nothing_never_means_all_hosts(inventory: Inventory, pattern: str) -> None:
    """It is what an empty variable leaves of `run all -l "$HOSTS"`, `all:!$DOWN` or `web:&$REGION`."""
    for words in ((pattern,), ("all", pattern), ("web1", pattern)):
        with pytest.raises(TargetError, match=r"names no host and no group|no pattern behind it"):
            inventory.select(*words)


@pytest.mark.parametrize("pattern", ["all:!@down", "all:&@up", "!@failed:20260101000000000000"])
def test_a_file_that_is_to_be_excluded_is_refused_rather_than_ignored(inventory: Inventory, pattern: str) -> None:
    for words in ((pattern,), ("all", pattern)):
        with pytest.raises(TargetError, match="can only be added"):
            inventory.select(*words)


@pytest.mark.parametrize("line", ["!", "&", "~"])
def test_a_line_of_a_limit_file_that_comes_to_nothing_is_refused(
    inventory: Inventory, tmp_path: Path, line: str
) -> None:
    (tmp_path / "retry").write_text(f"{line}\n")
    with pytest.raises(TargetError, match="no pattern behind it"):
        inventory.select("all", f"@{tmp_path}/retry")


def test_a_byte_order_mark_takes_no_host_from_a_limit_file(inventory: Inventory, tmp_path: Path) -> None:
    (tmp_path / "retry").write_bytes(b"\xef\xbb\xbfweb1\r\nweb2\r\n")
    assert [host.name for host in inventory.select("all", f"@{tmp_path}/retry")] == ["web1", "web2"]
    (tmp_path / "retry").write_bytes("web1\n".encode("utf-16"))
    with pytest.raises(TargetError, match="UTF-16"):
        inventory.select("all", f"@{tmp_path}/retry")


@pytest.mark.parametrize("sources", [[], [""], [" "], ["web1,", ""], [","], [" , "]])
def test_a_source_that_comes_to_nothing_is_refused(sources: list[str], tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"is named|is empty|names no host"):
        load(sources, directory=str(tmp_path))


def test_an_inventory_without_hosts_says_so(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("")
    with pytest.raises(TargetError, match=r"the inventory has no hosts \(/.*\)"):
        load([str(tmp_path / "hosts")], directory=str(tmp_path)).select("all")


def test_a_list_of_hosts_needs_neither_yaml_nor_a_process(tmp_path: Path) -> None:
    code = (
        "import sys; from agentless.inventory import load, Overrides; before = set(sys.modules); "
        "i = load(['web1,web2']); i.endpoint(i.select('web*')[0], Overrides()); "
        "print(sorted(({*sys.modules} - before) & {'yaml', 'subprocess', 'json', 'paramiko', 'ansible'}))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
        env={"PYTHONPATH": str(root)},
    )
    assert done.stdout.strip() == "[]"


# --- what is told, and what is too much ---
def warnings_of(source: Path) -> list[str]:
    told: list[str] = []
    load([str(source)], directory=str(source.parent), warn=told.append)
    return told


def test_keys_that_stand_twice_are_told_with_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / "hosts.yml"
    source.write_text(
        "web:\n  hosts:\n    web1:\n    web2:\n  hosts:\n    web3:\n      a: 1\n      a: 2\nweb:\n  hosts:\n    x:\n"
    )
    told = warnings_of(source)
    assert [warning.partition(" stands")[0] for warning in told] == [
        f"{source}:9: 'web'",
        f"{source}:5: 'hosts'",
        f"{source}:8: 'a'",
    ]
    assert "after line 2" in told[1]


def test_keys_that_are_one_in_several_spellings_are_told(tmp_path: Path) -> None:
    source = tmp_path / "hosts.yml"
    source.write_text(
        "web:\n  vars:\n    1:\n    0x1:\n    2026-01-01:\n    '2026-01-01':\n    'b':\n    b:\n  hosts:\n    a:\n"
    )
    told = warnings_of(source)
    assert [warning.partition(" stands")[0] for warning in told] == [
        f"{source}:4: '0x1'",
        f"{source}:6: '2026-01-01'",
        f"{source}:8: 'b'",
    ]


def test_keys_that_stand_twice_are_told_of_variable_files_and_json_too(tmp_path: Path) -> None:
    source = tmp_path / "hosts.json"
    source.write_text('{"web": {"hosts": ["a"]}, "web": {"hosts": ["b"]}}')
    assert warnings_of(source) == [f"{source}: 'web' stands twice in one object: only the last one counts"]
    (tmp_path / "hosts").write_text("a\n")
    (tmp_path / "group_vars").mkdir()
    (tmp_path / "group_vars/all.yml").write_text("x: 1\nx: 2\n")
    told: list[str] = []
    inventory = load([str(tmp_path / "hosts")], directory=str(tmp_path), warn=told.append)
    assert dict(inventory.hosts["a"].vars) == {"x": 2}
    assert [warning.partition(" stands")[0] for warning in told] == [f"{tmp_path}/group_vars/all.yml:2: 'x'"]


def test_a_key_that_a_merge_overrides_stands_there_once(tmp_path: Path) -> None:
    source = tmp_path / "hosts.yml"
    source.write_text("all:\n  hosts:\n    a: &a {x: 1}\n    b:\n      <<: *a\n      x: 2\n")
    assert warnings_of(source) == []


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("hosts.yml", "all:\n  hosts:\n    web1\n    web2\n", 2),
        ("hosts.yml", "all:\n  hosts: web1, web2\n", 2),
        ("hosts.yml", "all:\n  hosts: web1,web2\n", 2),
        ("hosts.yml", "all:\n  children:\n    web\n    db\n", 2),
        ("hosts.yml", "all:\n  vars:\n    a\n    b\n", 2),
        ("hosts.ini", "[web]\nweb1,web2\n", 2),
    ],
)
def test_several_hosts_never_become_one(name: str, text: str, line: int, tmp_path: Path) -> None:
    source = tmp_path / name
    source.write_text(text)
    assert refusal(source, tmp_path).message.startswith(f"{source}:{line}: ")


@pytest.mark.parametrize(
    "name",
    [
        "n[1:99999999]",
        "web[1:400][1:400]",
        "n[1:99999999999999999999999999]",
        "n[0:9][0:9][0:9][0:9][0:9][0:9]",
        "a[1:2][1:99999]",
    ],
)
@pytest.mark.parametrize("suffix", ["ini", "yml"])
def test_a_range_of_too_many_hosts_is_refused_with_its_line(name: str, suffix: str, tmp_path: Path) -> None:
    source = tmp_path / f"hosts.{suffix}"
    source.write_text(f"[web]\n{name}\n" if suffix == "ini" else f"all:\n  hosts:\n    '{name}':\n")
    error = refusal(source, tmp_path)
    assert error.message.startswith(f"{source}:{2 if suffix == 'ini' else 3}: ")
    assert "more than 100,000 hosts" in error.message


def test_a_password_with_a_blank_is_not_shown_by_the_error_about_it(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("web1 ansible_password=correct horse\n")
    error = refusal(tmp_path / "hosts", tmp_path)
    assert "needs quotes" in error.message
    assert "horse" not in error.message


# --- scripts ---
def script(tmp_path: Path, body: str, name: str = "inventory.sh") -> Path:
    path = tmp_path / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return path


def test_a_script_that_prints_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("agentless.inventory.script._MOST_BYTES", 1024 * 1024)
    for body in ("exec yes", "yes", "yes >&2 & exec yes", "exec yes >&2"):
        assert "printed more than 1 MiB" in refusal(script(tmp_path, body), tmp_path).message


def test_a_script_that_hangs_is_ended_also_where_a_child_holds_its_pipes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("many seconds")
    monkeypatch.setattr("agentless.inventory.script._DEADLINE", 0.5)
    monkeypatch.setattr("agentless.inventory.script._PATIENCE", 0.1)
    told: list[str] = []
    for body in ("exec sleep 60", "sleep 60", "exec >&- 2>&-; exec sleep 60"):
        source = script(tmp_path, body)
        with pytest.raises(InventoryError, match="took longer than") as caught:
            load([str(source)], directory=str(tmp_path), warn=told.append)
        assert caught.value.hint == f"Run it by hand: {source} --list"
    assert any("has not answered yet" in warning for warning in told)


def test_a_script_whose_child_lives_on_has_answered(tmp_path: Path) -> None:
    source = script(tmp_path, """sleep 60 & echo '{"web": {"hosts": ["a"]}, "_meta": {"hostvars": {}}}'""")
    assert list(load([str(source)], directory=str(tmp_path)).hosts) == ["a"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"web": {"hosts": [{"a": 1}]}}',
        '{"web": {"hosts": [["a"]]}}',
        '{"web": {"hosts": [1]}}',
        '{"web": {"hosts": "a"}}',
        '{"web": {"hosts": null}}',
        '{"web": {"children": [{}]}}',
        '{"web": {"children": "db"}}',
        '{"web": {"children": 5, "hosts": []}}',
        '{"web": {"vars": [1], "hosts": []}}',
        '{"_meta": 5}',
        '{"_meta": {"hostvars": []}}',
        '{"web": ["a"], "_meta": {"hostvars": {"a": 5}}}',
        '{"": []}',
        "[]",
        "5",
        "null",
        '{"web": {"vars": {"ansible_group_priority": Infinity}, "hosts": []}}',
        f'{{"a": {"[" * 100_000}',
        f'{{"a": {"9" * 5000}}}',
    ],
)
def test_an_answer_of_another_shape_is_refused_whether_a_script_or_a_file_gives_it(answer: str, tmp_path: Path) -> None:
    (tmp_path / "answer").write_text(answer)
    assert refusal(script(tmp_path, f"cat {tmp_path}/answer"), tmp_path).message.startswith(f"{tmp_path}/inventory.sh")


def test_a_number_as_a_variable_s_name_is_its_text(tmp_path: Path) -> None:
    (tmp_path / "listing.json").write_text("{web: {hosts: [a], vars: {1: x}}}\n")
    (tmp_path / "groups.yml").write_text("all: {hosts: {b: {2: y, z: {3: a, c: d}}}}\n")
    names = [str(tmp_path / name) for name in ("listing.json", "groups.yml")]
    inventory = load(names, directory=str(tmp_path))
    assert dict(inventory.hosts["a"].vars) == {"1": "x"}
    assert dict(inventory.hosts["b"].vars) == {"2": "y", "z": {3: "a", "c": "d"}}


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757, 0o1777])
def test_a_script_that_nobody_named_is_not_run_where_others_can_write(tmp_path: Path, mode: int) -> None:
    here = tmp_path / "here"
    here.mkdir()
    source = script(here, f"touch {tmp_path}/ran; echo '{{}}'", "inventory.yaml")
    assert load([str(source)], scripts=Scripts.IF_ONLY_OURS).hosts == {}
    (tmp_path / "ran").unlink()
    here.chmod(mode)
    with pytest.raises(InventoryError, match=f"since others can write {here} and nobody named it") as caught:
        load([str(source)], scripts=Scripts.IF_ONLY_OURS)
    assert f"`inventory={source}`" in caught.value.hint
    here.chmod(0o755)
    source.chmod(0o777)
    with pytest.raises(InventoryError, match=f"since others can write {source} "):
        load([str(source)], scripts=Scripts.IF_ONLY_OURS)
    assert not (tmp_path / "ran").exists()
    assert load([str(source)]).hosts == {}
    assert (tmp_path / "ran").exists()


def test_where_no_script_is_run_the_other_files_of_a_directory_count(tmp_path: Path) -> None:
    script(tmp_path, "touch ran; echo '{}'", "dynamic.sh")
    (tmp_path / "static").write_text("web1\n")
    (tmp_path / "static").chmod(0o777)
    assert list(load([str(tmp_path)], scripts=Scripts.NEVER).hosts) == ["web1"]
    assert not (tmp_path / "ran").exists()
