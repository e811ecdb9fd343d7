"""How long a large inventory takes: `python benchmarks/inventory.py [HOSTS]`.

Loads 20,000 hosts with three variables each, in 40 groups, from YAML and from INI, in a fresh process each time, then
selects from them. Asked for: 3 s for the whole process, 50 ms for the pattern after that.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PATTERNS = ("all", "web1", "web*", "web*:&prod:!web3", "~web[0-9]+7$", "rack7[10:20]")


def address(number: int) -> str:
    return f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"


def yaml_lines(count: int) -> Iterator[str]:
    yield "all:\n  children:\n    prod:\n      vars: {tier: prod}\n      children:\n"
    for rack in range(40):
        yield f"        rack{rack}:\n          hosts:\n"
        for number in range(rack, count, 40):
            indent = "\n              "
            yield f"            web{number}:{indent}ansible_host: {address(number)}"
            yield f"{indent}ansible_port: 22{indent}place: rack {rack}\n"


def ini_lines(count: int) -> Iterator[str]:
    for rack in range(40):
        yield f"[rack{rack}]\n"
        for number in range(rack, count, 40):
            yield f"web{number} ansible_host={address(number)} ansible_port=22 place='rack {rack}'\n"
    yield "[prod:children]\n" + "".join(f"rack{rack}\n" for rack in range(40))


def measure(source: str) -> None:
    """What the fresh process does."""
    from agentless.inventory import load

    started = time.perf_counter()
    inventory = load([source])
    print(f"  load {time.perf_counter() - started:6.2f} s  {len(inventory.hosts)} hosts")
    for pattern in PATTERNS:
        started = time.perf_counter()
        hosts = inventory.select(pattern)
        print(f"  {(time.perf_counter() - started) * 1000:9.1f} ms  {pattern}  {len(hosts)} hosts")
    print(f"  CPU  {time.process_time():6.2f} s for the whole process")


def main(count: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        for name, lines in (("hosts.yml", yaml_lines(count)), ("hosts.ini", ini_lines(count))):
            source = Path(directory, name)
            source.write_text("".join(lines))
            started = time.perf_counter()
            print(f"{name}, {source.stat().st_size / 1e6:.1f} MB")
            sys.stdout.flush()
            subprocess.run([sys.executable, __file__, "--measure", str(source)], check=True)
            print(f"  wall {time.perf_counter() - started:6.2f} s for the whole process")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).absolute().parents[1]))
    if sys.argv[1:2] == ["--measure"]:
        measure(sys.argv[2])
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000)
