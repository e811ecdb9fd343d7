"""Who types another tool's words is told the line to type here."""

from __future__ import annotations

import shlex

import pytest

from agentless.cli.app import cli, main
from agentless.cli.commands import VerbGroup
from agentless.cli.jobs import jobs
from agentless.cli.synonyms import _VERBS, retyped

LINES = [
    ("ps", "agentless jobs active"),
    ("ps web1", "agentless jobs active web1"),
    ("version", "agentless --version"),
    ("logs", "agentless jobs tail last"),
    ("logs -f", "agentless jobs tail last -f"),
    ("logs 20261122095039579207 web1", "agentless jobs tail 20261122095039579207 web1"),
    ("lookup last", "agentless jobs lookup last"),
    ("jobs logs last", "agentless jobs tail last"),
    ("jobs kill last", "agentless kill-job last"),
    ("stop last", "agentless term-job last"),
    ("stop", "agentless term-job JID"),
    ("cancel 20261122095039579207", "agentless term-job 20261122095039579207"),
    ("exec web1 uptime -p", "agentless run web1 -- uptime -p"),
    ("exec web1 -- uptime", "agentless run web1 -- uptime"),
    ("exec -b web1 id", "agentless run -b web1 -- id"),
    ("exec", "agentless run TARGET -- COMMAND"),
    ("logs web1", "agentless jobs tail last web1"),
    ("stop web1", "agentless term-job JID web1"),
    ("retry web1 --failed", "agentless jobs retry last web1 --failed"),
    ("list web1", "agentless jobs list --host web1"),
    ("ls", "agentless jobs list"),
    ("ssh web1 uptime", "agentless run web1 -- uptime"),
    ("'web*' cmd.run uptime", "agentless run 'web*' -- uptime"),
    ("'web*' cmd.run", "agentless run 'web*' -- COMMAND"),
    ("'web*' test.ping", "agentless ping 'web*'"),
    ("-b 'web*' saltutil.find_job 20261122095039579207", "agentless -b find-job 20261122095039579207 'web*'"),
    ("'web*' saltutil.kill_job", "agentless kill-job JID 'web*'"),
    ("'web*' saltutil.signal_job 20261122095039579207 15", "agentless signal-job 20261122095039579207 15 'web*'"),
    ("web1 -- uptime -p", "agentless run web1 -- uptime -p"),
    ("-w 'web[1-3]' uptime -p", "agentless run 'web[1-3]' -- uptime -p"),
    ("retry last --failed", "agentless jobs retry last --failed"),
    ("-i hosts.ini ps", "agentless -i hosts.ini jobs active"),
    ("jobs list -o json", "agentless jobs list --out json"),
    ("-o json jobs list", "agentless --out json jobs list"),
    ("-ojson jobs list", "agentless --out json jobs list"),
    ("jobs list --json", "agentless jobs list --out json"),
    ("jobs list --output=yaml", "agentless jobs list --out yaml"),
    ("ps -o json", "agentless jobs active --out json"),
    ("--vault-id dev@file --progress ps", "agentless --vault-id dev@file --progress jobs active"),
    ("run web1 --json -- ls --json", "agentless run web1 --out json -- ls --json"),
    ("saltutil.running", "agentless running"),
    ("jobs.lookup_jid 20261122095039579207", "agentless jobs lookup 20261122095039579207"),
]
KNOWN = (cli.list_commands(None), jobs.list_commands(None), cli.params)  # type: ignore[arg-type]


@pytest.mark.parametrize(("typed", "here"), LINES, ids=[typed for typed, _ in LINES])
def test_a_line_of_another_tool_s_is_told_in_our_words(typed: str, here: str) -> None:
    assert retyped(shlex.split(typed), *KNOWN) == here


@pytest.mark.parametrize("typed", ["run web1 -- ps", "jobs list", "web -m ping", "jbos list", "web -o -a id", "", "--"])
def test_what_is_no_such_line_stays_what_it_is(typed: str) -> None:
    assert retyped(shlex.split(typed), *KNOWN) is None


@pytest.mark.parametrize(
    ("typed", "here"), [*LINES, ("-m ping", "agentless ping"), ("all -m ping", "agentless ping all")]
)
def test_the_error_names_the_line_to_type(typed: str, here: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(typed), environ={}) == 2
    assert f"In agentless's words: {here}\n" in capsys.readouterr().err


def test_what_is_named_is_a_verb() -> None:
    for line in set(_VERBS.values()) - {"--version"}:
        first, *further = line.split()
        command = cli.get_command(None, first)  # type: ignore[arg-type]
        assert command is not None, line
        for word in further:
            assert isinstance(command, VerbGroup)
            assert word in command.verbs, line


@pytest.mark.parametrize("typed", ["get web:/x got --junit f", "ping --html f", "hosts --junit=f"])
def test_an_option_that_other_verbs_have_is_not_spelled_as_another(typed: str) -> None:
    """`--out junit f` is no more right there than `--junit f`."""
    assert retyped(shlex.split(typed), _VERBS, jobs.verbs, cli.params) is None
