"""A throwaway fleet on this machine, and a tour of the main job on it: no root, no sshd, no inventory.

The hosts are local ones (`ansible_connection: local`), each with a state directory of its own. The helper, the
supervisor, the jobs and the job cache are those of any host; only the connection is a process instead of SSH.
"""

from agentless.demo.throwaway import DemoFleet
from agentless.demo.tour import Step, demo, story

__all__ = ["DemoFleet", "Step", "demo", "story"]
