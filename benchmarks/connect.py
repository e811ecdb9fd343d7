"""100 connections with `id -un` on each: ours against bare paramiko threads, side by side on one sshd.

    python benchmarks/connect.py [HOSTS]

Prints wall and CPU seconds of both, several rounds in turns, and the ratio of their best rounds. The machine is
shared and noisy: read the ratios.
"""

from __future__ import annotations

import getpass
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from agentless.model.endpoint import Endpoint
from agentless.transport.host_connector import HostConnector

ROUNDS = 4
PORT = 42022


def start(directory: Path) -> subprocess.Popen[bytes]:
    """An sshd that takes our key on every loopback address."""
    for name in ("host", "home/.ssh/id_ed25519"):
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    (directory / "conf").write_text(
        f"Port {PORT}\nListenAddress 0.0.0.0\nHostKey {directory}/host\nPidFile none\nStrictModes no\nUsePAM no\n"
        f"AuthorizedKeysFile {directory}/home/.ssh/id_ed25519.pub\nMaxStartups 1000\nSetEnv HOME={directory}\n"
    )
    key = " ".join((directory / "host.pub").read_text().split()[:2])
    (directory / "home/.ssh/known_hosts").write_text(f"[127.0.0.*]:{PORT} {key}\n")
    sshd = shutil.which("sshd") or "/usr/sbin/sshd"
    process = subprocess.Popen([sshd, "-D", "-e", "-f", str(directory / "conf")], stderr=subprocess.DEVNULL)
    time.sleep(1)
    return process


def ours(home: Path, hosts: list[str]) -> None:
    connector = HostConnector(home=home, system_config=Path("/none"))

    def one(host: str) -> None:
        with connector.connect(Endpoint(host, host, port=PORT, connect_timeout=60)) as link:
            channel = link.exec("id -un")
            while (piece := channel.recv(60)) and piece[0]:
                pass
            assert channel.exit_status() == 0

    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(one, hosts))
    connector.close()


def bare(home: Path, hosts: list[str]) -> None:
    key = paramiko.Ed25519Key.from_private_key_file(str(home / ".ssh/id_ed25519"))
    expected = (home.parent / "host.pub").read_text().split()[1]

    def one(host: str) -> None:
        transport = paramiko.Transport((host, PORT))
        transport.banner_timeout = transport.auth_timeout = 60
        transport.start_client(timeout=60)
        assert transport.get_remote_server_key().get_base64() == expected
        transport.auth_publickey(getpass.getuser(), key)
        channel = transport.open_session()
        channel.exec_command("id -un")
        while channel.recv(65536):
            pass
        assert channel.recv_exit_status() == 0
        transport.close()

    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(one, hosts))


def measure(run: Callable[[Path, list[str]], None], home: Path, hosts: list[str]) -> tuple[float, float]:
    """Wall and own CPU seconds."""
    before, started = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
    run(home, hosts)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.monotonic() - started, cpu


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    hosts = [f"127.0.0.{number}" for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        process = start(directory)
        try:
            best: dict[str, tuple[float, float]] = {}
            for _ in range(ROUNDS):
                for run in (bare, ours):
                    wall, cpu = measure(run, directory / "home", hosts)
                    print(f"{run.__name__:5} {count} hosts: {wall:5.2f} s wall, {cpu:5.2f} s CPU")
                    old = best.get(run.__name__, (wall, cpu))
                    best[run.__name__] = (min(old[0], wall), min(old[1], cpu))
        finally:
            process.terminate()
            process.wait(10)
    for at, what in enumerate(("wall", "CPU")):
        print(f"{what}: ours / bare = {best['ours'][at] / best['bare'][at]:.2f}")


if __name__ == "__main__":
    main()
