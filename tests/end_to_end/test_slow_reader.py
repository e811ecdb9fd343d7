"""Who reads slowly slows the host's output down: this command keeps none of it, and the job ends by itself."""

from __future__ import annotations

import subprocess

from agentless.remote import wire
from agentless.runner.events import UNREAD_MAX
from tests.hosts import Sshd, over_every_link, patience, until

# Slow enough for every piece to be sent while it is the newest, which the host's cap takes nothing of.
PRINTS = "i=0; while [ $i -lt 100 ]; do yes 1234567 | head -c 1000000; i=$((i+1)); sleep 0.02; done"


@over_every_link
def test_output_waits_at_the_host_until_it_is_read(sshd: Sshd) -> None:
    client = sshd.client
    command = client.command("run", "host1", "--", PRINTS)
    with subprocess.Popen(command, env=client.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        until(lambda: [*sshd.state_dir("host1").glob("*/jobs/*/return.json")], "it has ended")
        assert process.poll() is None
        output, _ = process.communicate(timeout=patience(60))
    # What was shown while it grew, and of the record the rest.
    assert wire.CAP <= len(output) <= wire.CAP + 3 * UNREAD_MAX
    assert process.returncode == 0
