"""`python -m tests.fire ROUNDS [SEED]`: play so many rounds, say what fell, and end with 1 if anything did."""

from __future__ import annotations

import sys
import time
from collections import Counter

from tests.fire.lab import Lab
from tests.fire.rounds import play


def main(rounds: int, first: int) -> int:
    failed: list[int] = []
    faults: Counter[str] = Counter()
    began = time.monotonic()
    with Lab() as lab:
        for seed in range(first, first + rounds):
            try:
                faults[play(lab, seed).log[0].rpartition("; ")[2].partition(" at ")[0]] += 1
            except AssertionError as error:
                failed.append(seed)
                print(f"{error}\n", flush=True)
                lab.heal()
            lab.forget()
    drawn = ", ".join(f"{count} {name}" for name, count in faults.most_common())
    print(f"{rounds} rounds in {time.monotonic() - began:.0f} s ({drawn}); failed seeds: {failed or 'none'}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1))
