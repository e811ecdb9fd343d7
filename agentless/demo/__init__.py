"""A throwaway fleet on loopback, and the main job told on it: no root, no sshd, nothing of the user's touched.

The hosts are an SSH server inside this process (paramiko's server side), one port each. What they run are real
processes of this user, and the helper that agentless brings is the real one, so what is shown is what any host does.
"""

from agentless.demo.fleet import DemoFleet
from agentless.demo.tour import Step, demo, story

__all__ = ["DemoFleet", "Step", "demo", "story"]
