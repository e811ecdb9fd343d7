"""Which hosts a word selects: the limit over every target, retry lists, and a job's hosts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentless import Fleet
from agentless.errors import AgentlessError, InventoryError, TargetError
from agentless.model.job import Report
from agentless.model.returns import Return
from agentless.model.secret import Secret
from agentless.model.states import Dispatched, HostResult, State
from tests.hosts.needs import need

HOSTS = ("web1", "web2", "db1", "gone")
INVENTORY = "[web]\nweb[1:3]\n[db]\ndb1\n"


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Fleet]]:
    """A Fleet over four hosts that nobody contacts, and a home of its own."""
    for variable in ("XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hosts").write_text(INVENTORY)
    fleets: list[Fleet] = []

    def make(limit: str | None = None, inventory: str | list[str] | None = f"{tmp_path}/hosts") -> Fleet:
        fleets.append(Fleet(inventory, limit=limit))
        return fleets[-1]

    yield make
    for fleet in fleets:
        fleet.close()


@pytest.fixture
def jid(make: Callable[..., Fleet]) -> str:
    """A job that has ended: with 1 on web1, with 0 on the others."""
    cache = make().cache
    job = cache.create(function="cmd.run", arguments=("true",), target="all", hosts=HOSTS, user="ada")
    for name in HOSTS:
        ended = Return(int(name == "web1"), None, "exit")
        cache.record(job.jid, name, HostResult(State.RETURNED, Dispatched.YES, ret=ended))
    cache.release(job.jid)
    return job.jid


VERBS: dict[str, Callable[[Fleet, str, str | None], Report]] = {
    "lookup": lambda fleet, jid, target: fleet.lookup(jid, target),
    "show": lambda fleet, jid, target: fleet.show(jid, target),
    "wait": lambda fleet, jid, target: fleet.wait(jid, target).report(),
    "tail": lambda fleet, jid, target: fleet.tail(jid, target).report(),
    "exit_success": lambda fleet, jid, target: fleet.exit_success(jid, target).report,
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("limit", "target", "left"),
    [
        (None, None, HOSTS),
        (None, "web1", ("web1",)),
        (None, "db1,web1", ("web1", "db1")),
        (None, "web", ("web1", "web2")),
        (None, "all:!web", ("db1", "gone")),
        (None, "gone", ("gone",)),
        (None, "g*", ("gone",)),
        ("web", None, ("web1", "web2")),
        ("web", "*1", ("web1",)),
        ("@failed:last", None, ("web1",)),
        (None, "@failed:last", ("web1",)),
        ("@list", None, ("db1",)),
    ],
)
def test_limit_and_target_narrow_every_verb_on_a_jid(
    make: Callable[..., Fleet],
    jid: str,
    verb: str,
    limit: str | None,
    target: str | None,
    left: tuple[str, ...],
) -> None:
    Path("list").write_text("db1\n")
    report = VERBS[verb](make(limit), jid, target)
    assert (report.job.hosts, tuple(report.results)) == (left, left)
    assert report.exit_code == int("web1" in left)


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("limit", "target", "message"),
    [
        ("nonsense", None, "no host or group is called nonsense"),
        (None, "nonsense", "no host or group is called nonsense"),
        ("", None, "names no host and no group"),
        (None, "", "names no host and no group"),
        (",", None, "names no host and no group"),
        (None, "!", "no pattern behind it"),
        ("@missing", None, "cannot be read"),
        ("@unreachable:last", None, "no host is left of"),
        (None, "web3", "was not sent to 'web3'"),
        ("web3", "all", "was not sent to 'all' limited to 'web3'"),
    ],
)
def test_a_limit_or_target_that_leaves_nothing_of_a_job_is_an_error_in_every_verb(
    make: Callable[..., Fleet], jid: str, verb: str, limit: str | None, target: str | None, message: str
) -> None:
    with pytest.raises(TargetError, match=message):
        VERBS[verb](make(limit), jid, target)


def test_names_of_a_job_s_hosts_need_no_inventory(make: Callable[..., Fleet], jid: str) -> None:
    assert tuple(make(inventory=None).lookup(jid, "web1,gone").results) == ("web1", "gone")
    with pytest.raises(InventoryError, match="there is no inventory"):
        make(inventory=None).lookup(jid, "web*")


FLEET_VERBS: dict[str, Callable[[Fleet, str], object]] = {
    "run": lambda fleet, target: fleet.run(target, "true"),
    "hosts": lambda fleet, target: fleet.hosts(target),
    "endpoints": lambda fleet, target: fleet.endpoints(target),
    "ping": lambda fleet, target: fleet.ping(target),
    "running": lambda fleet, target: fleet.running(target),
    "active": lambda fleet, target: fleet.active(target),
    "collect": lambda fleet, target: fleet.collect(target),
    "find_job": lambda fleet, target: fleet.find_job("20260101000000000000", target),
    "kill_job": lambda fleet, target: fleet.kill_job("20260101000000000000", target),
}


@pytest.mark.parametrize("verb", FLEET_VERBS)
@pytest.mark.parametrize("word", ["", " ", ",", ":", "!", "&", "@failed:"])
def test_nothing_selects_nobody_in_every_verb(make: Callable[..., Fleet], verb: str, word: str) -> None:
    for fleet, target in ((make(), word), (make(limit=word), "all")):
        with pytest.raises(AgentlessError) as caught:
            FLEET_VERBS[verb](fleet, target)
        assert not isinstance(caught.value, AssertionError)


@pytest.mark.parametrize("inventory", ["", [], ["", "web1,"], ","])
def test_an_inventory_that_comes_to_nothing_is_not_the_default_one(
    make: Callable[..., Fleet], inventory: str | list[str]
) -> None:
    Path("inventory.yaml").write_text("all: {hosts: {here: }}\n")
    assert list(make(inventory=None).inventory.hosts) == ["here"]
    with pytest.raises(InventoryError, match=r"is empty|is named|names no host"):
        make(inventory=inventory).hosts(None)


BROKEN = """\
all:
  hosts:
    good: {ansible_connection: local}
    jinja: {ansible_host: "{{ lookup('file', 'x') }}"}
    port: {ansible_port: ssh}
    become: {ansible_become: true, ansible_become_method: runas}
    file: {}
    group: {}
    group2: {}
    loop: {ansible_user: "{{ a }}", a: "{{ ansible_user }}"}
    list: {ansible_host: [1]}
    boolean: {ansible_become: perhaps}
    timeout: {ansible_timeout: soon}
    vaulted: {ansible_user: !vault "$ANSIBLE_VAULT;1.1;AES256"}
    args: {ansible_ssh_common_args: "-o 'open"}
    winrm: {ansible_connection: winrm}
  children:
    bad: {hosts: {group: , group2: }}
"""


def test_a_host_that_cannot_be_resolved_is_its_own_problem_in_every_verb(make: Callable[..., Fleet]) -> None:
    need("many seconds")
    Path("hosts.yml").write_text(BROKEN)
    for name in ("host_vars/file.yml", "group_vars/bad.yml"):
        Path(name).parent.mkdir()
        Path(name).write_text("a: 1\nb: [\n")
    fleet = make(inventory="hosts.yml")
    endpoints = fleet.endpoints()
    assert endpoints["good"].problem is None
    for name, endpoint in endpoints.items():
        if name != "good":
            assert endpoint.problem is not None, name
            assert endpoint.problem.kind == "inventory"
            assert ".yml:" in endpoint.problem.message, endpoint.problem.message
    document = fleet.hosts().to_json()
    assert list(document) == list(endpoints)
    assert document["good"]["vars"] == {"ansible_connection": "local"}
    assert (document["port"]["address"], document["port"]["error"]["kind"]) == (None, "inventory")
    assert fleet.hosts("good").exit_code == 0
    assert fleet.hosts().exit_code == 3
    assert fleet.target_names() == ["all", "ungrouped", "bad", *endpoints]
    report = fleet.run("all", "true")
    assert report.results["good"].state is State.RETURNED
    assert {result.state for name, result in report.results.items() if name != "good"} == {State.NOT_STARTED}
    assert set(fleet.ping().problems) == set(fleet.running().problems) == set(endpoints) - {"good"}


def test_what_a_target_may_name_is_known_without_running_anything(make: Callable[..., Fleet]) -> None:
    for name in ("inventory.yaml", "named.sh"):
        Path(name).write_text("#!/bin/sh\ntouch ran; echo '{}'\n")
        Path(name).chmod(0o755)
    assert make(inventory=None).target_names() == ["all"]
    assert make(inventory=["named.sh", "hosts"]).target_names() == ["all", "web", "db", "web1", "web2", "web3", "db1"]
    assert not Path("ran").exists()
    assert make(inventory=None).inventory.hosts == {}
    assert Path("ran").exists()


def test_passwords_that_the_cfg_wants_asked_for_are_asked_once_and_only_to_contact(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ansible.cfg").write_text(
        "[defaults]\ninventory = hosts\nask_pass = true\n"
        "[privilege_escalation]\nbecome = true\nbecome_ask_pass = true\n"
    )
    (tmp_path / "hosts").write_text("web1\nweb2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("ANSIBLE_CONFIG", "AGENTLESS_INVENTORY", "XDG_CONFIG_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    prompts: list[str] = []

    def ask(prompt: str) -> Secret:
        prompts.append(prompt)
        return Secret("s3cret" if prompt == "SSH password: " else "")

    with Fleet(ask=ask) as fleet:
        assert len(fleet.hosts().hosts) == 2
        assert prompts == []
        for _ in range(2):
            for endpoint in fleet.endpoints("all").values():
                assert endpoint.password == Secret("s3cret")
                assert endpoint.become is not None
                assert endpoint.become.password == Secret("s3cret")
    assert len(prompts) == 2
    warnings: list[str] = []
    with Fleet(warn=warnings.append) as fleet:
        assert fleet.endpoints("all")["web1"].password is None
    assert any("become_ask_pass" in line and "`become_password`" in line for line in warnings)
