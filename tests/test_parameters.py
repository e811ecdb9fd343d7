"""A Fleet is given anything by programs, and takes what makes sense."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from agentless.errors import UsageError
from agentless.fleet import Fleet
from agentless.model.job_spec import JobSpec

NAN = float("nan")


@pytest.mark.parametrize(
    "options",
    [
        {"config": {}},
        {"user": 5},
        {"limit": 5},
        {"ssh_common_args": ["-o"]},
        {"become": "yes"},
        {"become_method": "runas"},
        {"host_key_checking": "no"},
        {"host_key_checking": False},
        {"password": 5},
        {"become_password": b"x"},
        {"keep": -1},
        {"keep": NAN},
        {"keep": "5m"},
        {"keep": True},
        {"executor": 5},
        {"vault_ids": 5},
        {"extra_vars": 5},
        {"inventory": 5},
        {"inventory": b"a,"},
        {"inventory": {"all": {}}},
    ],
)
def test_a_fleet_refuses_what_is_none_of_what_is_asked_for(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Fleet(**{"inventory": "l1,", **options})


def test_a_command_is_no_job_and_a_number_no_pattern() -> None:
    fleet: Any = Fleet("l1,")
    with pytest.raises(UsageError, match="a job is a JobSpec, not 'uptime'"):
        fleet.start("all", "uptime")
    with pytest.raises(UsageError, match="is a Delivery, not 5"):
        fleet.prepare("all", JobSpec("uptime"), 5)
    for option in ("function", "target", "by", "schedule", "host"):
        with pytest.raises(UsageError, match=f"{option} is a text, not 5"):
            fleet.list_jobs(**{option: 5})


def test_a_key_file_may_be_a_path() -> None:
    assert Fleet("l1,", private_key=Path("/keys/id")).endpoints()["l1"].key_files == ("/keys/id",)


@pytest.mark.parametrize("option", ["user", "private_key", "become_user", "become_method"])
@pytest.mark.parametrize("text", ["", "  "])
def test_a_name_that_comes_to_nothing_is_nobody_else(option: str, text: str) -> None:
    """`-b --become-user "$APP"` with APP empty is not root."""
    with pytest.raises(UsageError, match="is empty"):
        Fleet("l1,", **{option: text})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "options",
    [
        {"forks": 0},
        {"forks": NAN},
        {"forks": True},
        {"forks": 10**5000},
        {"connect_timeout": NAN},
        {"connect_timeout": 0},
    ],
)
def test_a_fleet_refuses_numbers_by_which_it_would_wait_for_ever(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Fleet("l1,", **options)


def test_variables_are_taken_by_name_or_as_one_text() -> None:
    for given in ({"ansible_port": 2200, "ansible_user": "ada"}, '{"ansible_port": 2200, "ansible_user": "ada"}'):
        end = Fleet("l1,", extra_vars=given).endpoints()["l1"]
        assert (end.port, end.user) == (2200, "ada")
    with pytest.raises(UsageError, match=r"extra_vars: .*not JSON serializable"):
        Fleet("l1,", extra_vars={"ansible_port": b"22"})
