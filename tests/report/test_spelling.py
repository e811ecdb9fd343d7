"""Errors name parameters of the API; who types options reads options."""

from __future__ import annotations

import pytest

from agentless.report.spelling import as_typed


@pytest.mark.parametrize(
    ("named", "typed"),
    [
        ("type `ulimit -n`, or lower `forks`", "type `ulimit -n`, or lower --forks"),
        ("Name one: `inventory=FILE`.", "Name one: -i FILE."),
        ("again: `limit=@failed:2026`", "again: --limit @failed:2026"),
        ("with `vault_ids`.", "with --ask-vault-pass, --vault-password-file FILE or --vault-id LABEL@SOURCE."),
        ("Give it with `vault_ids=dev@FILE`.", "Give it with --vault-id dev@FILE."),
        ("no parameter at all", "no parameter at all"),
    ],
)  # fmt: skip
def test_a_parameter_in_backquotes_becomes_the_option_and_all_else_stays(named: str, typed: str) -> None:
    assert as_typed(named) == typed
