"""What counts where neither variables nor the command line say anything: Ansible's settings, and below them our own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from agentless.config import Config
from agentless.inventory.ansible_cfg import AnsibleSettings
from agentless.inventory.connection import Defaults
from agentless.inventory.vault import Identity, Vault, identity
from agentless.model.secret import Secret

__all__ = ["defaults", "vault"]


def defaults(ansible: AnsibleSettings, config: Config) -> Defaults:
    """The settings of every host's connection."""
    return Defaults(
        user=ansible.remote_user or config.user,
        port=ansible.remote_port,
        key_file=ansible.private_key_file or config.private_key,
        become=config.become if ansible.become is None else ansible.become,
        become_user=ansible.become_user or config.become_user,
        become_method=ansible.become_method or config.become_method,
        connect_timeout=float(ansible.timeout) if ansible.timeout else config.connect_timeout,
        check_host_keys=ansible.host_key_checking,
        ssh_args=ansible.ssh_args,
        ssh_common_args=ansible.ssh_common_args,
        ssh_extra_args=ansible.ssh_extra_args,
        transport=ansible.transport,
        python=ansible.interpreter_python,
    )


def vault(ansible: AnsibleSettings, given: Sequence[str], ask: Callable[[str], Secret | None]) -> Vault:
    """What opens Ansible Vault, in Ansible's order: the settings' identities, those given, the settings' password file,
    and the person who is asked."""
    identities = [identity(word) for word in (*(ansible.vault_identity_list or ()), *given) if word]
    if ansible.vault_password_file:
        identities.append(Identity("default", ansible.vault_password_file))
    if ansible.ask_vault_pass and not any(each.asks for each in identities):
        identities.append(identity("prompt"))
    return Vault(identities, ask, only_same_label=bool(ansible.vault_id_match))
