"""The test of a module is found by its name: of agentless/ROOM/MODULE.py it is tests/ROOM/test_MODULE.py.

Some modules are seen only through others; their tests stand here, with the reason.
"""

from __future__ import annotations

import pytest

from tests.hosts.client import ROOT

# A verb is its command line, its exit code and what it prints: real processes show that, together.
COMMANDS = "tests/cli/test_command_line.py"
VERBS = "tests/cli/test_end_to_end.py"
# A source of hosts, or the variables that it gives, is right when Ansible reads the same.
BESIDE_ANSIBLE = "tests/inventory/test_features.py"
# What a person sees of results is rendered from the same random reports.
RENDERED = "tests/cli/test_rendering.py"
# A connection is made, or fails at one of its steps, with a real server.
STEPS = "tests/transport/test_phases.py"

SEEN_THROUGH = {
    "cache/head": "tests/cache/test_lines.py",
    "cache/journal": "tests/cache/test_damaged.py",
    "cache/json_line": "tests/cache/test_lines.py",
    "cache/names": "tests/cache/test_folder.py",
    "cli/app": COMMANDS,
    "cli/attached": VERBS,
    "cli/commands": COMMANDS,
    "cli/connections": "tests/end_to_end/test_kept.py",
    "cli/demo": "tests/demo/test_tour.py",
    "cli/hosts": COMMANDS,
    "cli/interrupts": VERBS,
    "cli/invocation": COMMANDS,
    "cli/jobs": VERBS,
    "cli/options": COMMANDS,
    "cli/printers": VERBS,
    "cli/proc": VERBS,
    "cli/reports": "tests/cli/test_contract.py",
    "cli/rows": "tests/cli/test_contract.py",
    "cli/run": VERBS,
    "cli/schedule": "tests/schedule_hosts/test_cron.py",
    "cli/schedule_edit": "tests/schedule/test_editing.py",
    "cli/scheduler": "tests/schedule_hosts/test_controller.py",
    "cli/words": COMMANDS,
    "demo/fleet": "tests/demo/test_tour.py",
    # It composes and has no rules: every scenario goes through it.
    "fleet": "tests/end_to_end/test_run.py",
    # What `ansible-config dump` says of the same file.
    "inventory/cfg_values": "tests/inventory/test_ansible_cfg.py",
    "inventory/document": "tests/inventory/test_errors.py",
    "inventory/groupfile": BESIDE_ANSIBLE,
    "inventory/hostvars": BESIDE_ANSIBLE,
    "inventory/ini": BESIDE_ANSIBLE,
    "inventory/inventory": BESIDE_ANSIBLE,
    "inventory/layers": "tests/inventory/test_repositories.py",
    "inventory/script": BESIDE_ANSIBLE,
    "inventory/sources": BESIDE_ANSIBLE,
    "inventory/tree": BESIDE_ANSIBLE,
    "inventory/variables": "tests/inventory/test_templates.py",
    "inventory/varsfiles": BESIDE_ANSIBLE,
    # Values without behaviour, made and read in the other rooms.
    "model/answers": "tests/runner/test_reading.py",
    "model/problem": "tests/model/test_results.py",
    "model/process": "tests/model/test_results.py",
    # What is right is what ssh makes of the same file.
    "openssh/canonical": "tests/openssh/test_against_openssh.py",
    # A process that is interrupted while it starts.
    "report/interruption": "tests/cli/test_interruption.py",
    "report/junit": RENDERED,
    "report/printable": RENDERED,
    "report/schedule_tables": RENDERED,
    "report/tables": RENDERED,
    "report/text": RENDERED,
    "report/tree": RENDERED,
    "runner/attach": "tests/end_to_end/test_states.py",
    "runner/become": "tests/become/test_sudo.py",
    "runner/connections": "tests/end_to_end/test_kept.py",
    "runner/controller_functions": "tests/schedule_hosts/test_controller.py",
    "runner/dispatcher": "tests/runner/test_start_and_tail.py",
    "runner/fields": "tests/runner/test_reading.py",
    # The helper's side decides whether it can be started.
    "runner/payload": "tests/remote/test_payload.py",
    # Made when it is first needed, by every scenario.
    "runner/parts": "tests/end_to_end/test_run.py",
    "runner/push": "tests/schedule_hosts/test_crontab.py",
    "runner/run": "tests/runner/test_start_and_tail.py",
    "runner/scheduler": "tests/schedule_hosts/test_controller.py",
    "schedule/coming": "tests/schedule/test_document.py",
    "schedule/hosts": "tests/schedule_hosts/test_crontab.py",
    "schedule/marks": "tests/schedule/test_source.py",
    "schedule/meaning": "tests/schedule/test_editing.py",
    "schedule/overview": "tests/schedule/test_document.py",
    "schedule/work": "tests/schedule/test_document.py",
    "transport/connector": "tests/transport/test_connection.py",
    "transport/keeper/packets": "tests/transport/keeper/test_client.py",
    "transport/keeper/pool": "tests/transport/keeper/test_client.py",
    "transport/keeper/words": "tests/transport/keeper/test_client.py",
    "transport/ssh/agent": "tests/transport/test_keys.py",
    "transport/ssh/connector": "tests/transport/test_connection.py",
    "transport/ssh/dial": STEPS,
    "transport/ssh/key_files": "tests/transport/test_keys.py",
    "transport/ssh/kept": "tests/transport/keeper/test_client.py",
    "transport/ssh/link": "tests/transport/test_channel.py",
    "transport/ssh/packets": STEPS,
    "transport/ssh/relay": "tests/transport/test_channel.py",
    "transport/ssh/throttle": STEPS,
    "transport/ssh/transport": STEPS,
    "transport/ssh/userauth": "tests/transport/test_login.py",
}

MODULES = {
    str(path.relative_to(ROOT / "agentless").with_suffix(""))
    for path in (ROOT / "agentless").rglob("*.py")
    if path.stem not in ("__init__", "__main__") and path.parent.name != "remote"
}


def of_its_name(module: str) -> bool:
    """Whether there is a test of this name; a package within a room (`transport/ssh`) may share the room's tests."""
    *rooms, name = module.split("/")
    folders = [ROOT / "tests" / "/".join(rooms), ROOT / "tests" / "/".join(rooms[:1])]
    return any((folder / f"test_{name}.py").exists() for folder in folders)


@pytest.mark.parametrize("module", sorted(MODULES))
def test_a_module_has_a_test_of_its_name_or_says_through_which_it_is_seen(module: str) -> None:
    if not of_its_name(module):
        assert module in SEEN_THROUGH, f"write tests/{module.replace('/', '/test_', 1)}.py, or name what tests {module}"
        assert (ROOT / SEEN_THROUGH[module]).exists(), f"{SEEN_THROUGH[module]} is not there"


def test_no_module_that_is_gone_stands_on_the_list() -> None:
    assert not SEEN_THROUGH.keys() - MODULES
