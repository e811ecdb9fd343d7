"""ansible-core in a process of its own: reads inventories that it is told of, and says what it made of them.

Run by `oracle.py`, not imported: ansible takes a second to start, and changes signal handlers and warnings.
A request and an answer are one line of JSON each.
"""

# mypy: ignore-errors
# Ansible's internals, which this replaces in part, promise no types.

import json
import os
import sys
from itertools import chain

answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # what ansible prints must not mix with the answers

from ansible import constants as C  # noqa: E402
from ansible._internal._json._profiles import _inventory_legacy  # noqa: E402
from ansible.config.manager import ConfigManager, find_ini_config_file  # noqa: E402
from ansible.inventory.group import Group  # noqa: E402
from ansible.inventory.manager import InventoryManager, split_host_pattern  # noqa: E402
from ansible.parsing.dataloader import DataLoader  # noqa: E402
from ansible.parsing.utils.addresses import parse_address  # noqa: E402
from ansible.plugins.loader import connection_loader, init_plugin_loader  # noqa: E402
from ansible.vars.manager import VariableManager  # noqa: E402


def walk(self, rel, include_self=False, preserve_ordering=False):
    """Ansible's own walk, but with ordered sets.

    Ansible's keeps groups in a set of objects, so that the order of hosts two levels down changes from run to run.
    """
    seen = {}
    unprocessed = dict.fromkeys(getattr(self, rel))
    if include_self:
        unprocessed = {self: None, **unprocessed}
    ordered = ([self] if include_self else []) + list(getattr(self, rel))
    while unprocessed:
        seen.update(unprocessed)
        new = dict.fromkeys(chain.from_iterable(getattr(group, rel) for group in unprocessed))
        ordered.extend(group for group in new if group not in seen)
        unprocessed = {group: None for group in new if group not in seen}
    return ordered if preserve_ordering else set(seen)


Group._walk_relationship = walk
init_plugin_loader([])


def forget():
    """Ansible remembers directories and variable files by path for as long as it runs."""
    for name, module in list(sys.modules.items()):
        if name.endswith("vars.host_group_vars"):
            for cache in (module.CANONICAL_PATHS, module.FOUND, module.NAK):
                cache.clear()


def describe(request):
    forget()
    os.chdir(request["directory"])
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=request["sources"])
    variables = VariableManager(loader=loader, inventory=inventory)
    hostvars = {}
    for host in inventory.get_hosts("all"):
        values = variables.get_vars(host=host, include_hostvars=False, stage="all")
        hostvars[host.name] = {key: value for key, value in values.items() if key not in C.INTERNAL_STATIC_VARS}
    selected = []
    for pattern, limit in request["patterns"]:
        try:
            inventory.subset(limit)
            selected.append([host.name for host in inventory.get_hosts(pattern)])
        except Exception as error:  # noqa: BLE001 - as above
            selected.append({"error": str(error)})
    inventory.subset(None)
    return {
        "hosts": [host.name for host in inventory.get_hosts("all")],
        "groups": {
            group.name: {
                "hosts": [host.name for host in group.hosts],
                "children": [child.name for child in group.child_groups],
                "members": [host.name for host in group.get_hosts()],
            }
            for group in inventory.groups.values()
        },
        "memberships": {
            host.name: sorted(group.name for group in host.get_groups() if group.name != "all")
            for host in inventory.get_hosts("all")
        },
        # The encoder treats `!unsafe` by where it stands: this is where ansible-inventory --list has it.
        "hostvars": json.loads(json.dumps({"_meta": {"hostvars": hostvars}}, cls=_inventory_legacy.Encoder))["_meta"][
            "hostvars"
        ],
        "selected": selected,
    }


def addresses(request):
    found = []
    for text in request["addresses"]:
        try:
            found.append(parse_address(text, allow_ranges=True))
        except Exception:  # noqa: BLE001 - as above
            found.append(None)
    return {"parsed": found, "split": [split_host_pattern(text) for text in request["addresses"]]}


# Of what agentless reads, what has another name in Ansible, and what only the ssh plugin has or has more names for.
NAMES = {
    "inventory": "DEFAULT_HOST_LIST",
    "forks": "DEFAULT_FORKS",
    "transport": "DEFAULT_TRANSPORT",
    "become": "DEFAULT_BECOME",
    "become_method": "DEFAULT_BECOME_METHOD",
    "become_user": "DEFAULT_BECOME_USER",
    "interpreter_python": "INTERPRETER_PYTHON",
    "playbook_dir": "PLAYBOOK_DIR",
    "hash_behaviour": "DEFAULT_HASH_BEHAVIOUR",
    "ignored_extensions": "INVENTORY_IGNORE_EXTS",
    "ignored_patterns": "INVENTORY_IGNORE_PATTERNS",
    "enable_plugins": "INVENTORY_ENABLED",
    "vault_password_file": "DEFAULT_VAULT_PASSWORD_FILE",
    "vault_identity_list": "DEFAULT_VAULT_IDENTITY_LIST",
    "vault_id_match": "DEFAULT_VAULT_ID_MATCH",
    "ask_vault_pass": "DEFAULT_ASK_VAULT_PASS",
    "ask_pass": "DEFAULT_ASK_PASS",
    "become_ask_pass": "DEFAULT_BECOME_ASK_PASS",
    "private_key_file": "DEFAULT_PRIVATE_KEY_FILE",
}
PLUGIN = {"remote_user": "remote_user", "remote_port": "port", "host_key_checking": "host_key_checking",
          "timeout": "timeout", "ssh_args": "ssh_args", "ssh_common_args": "ssh_common_args",
          "ssh_extra_args": "ssh_extra_args"}  # fmt: skip


def settings(request):
    """What Ansible's settings are, and which of them somebody has set."""
    directory, environ = request["settings"]
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    manager = ConfigManager()
    connection_loader.get("ssh", class_only=True)
    manager.initialize_plugin_configuration_definitions(
        "connection", "ssh", C.config.get_configuration_definitions("connection", "ssh")
    )
    found = {}
    for name, theirs in NAMES.items():
        found[name] = manager.get_config_value_and_origin(theirs)
    for name, theirs in PLUGIN.items():
        found[name] = manager.get_config_value_and_origin(theirs, plugin_type="connection", plugin_name="ssh")
    return {
        "file": find_ini_config_file(),
        "set": {name: value for name, (value, origin) in found.items() if origin != "default"},
    }


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = (
            settings(request)
            if "settings" in request
            else addresses(request)
            if "addresses" in request
            else describe(request)
        )
    except Exception as error:  # noqa: BLE001 - whatever went wrong in Ansible is the answer
        answer = {"error": f"{type(error).__name__}: {error}"}
    answers.write(json.dumps(answer) + "\n")
    answers.flush()
