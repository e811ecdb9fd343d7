"""A few rounds of the fault laboratory, drawn from fixed seeds; `make fire` plays as many as one likes."""

from __future__ import annotations

import pytest

from tests.fire.lab import Lab
from tests.fire.rounds import play

SEEDS = range(1, 9)
BATCHES = 2


@pytest.mark.parametrize("batch", range(BATCHES))
def test_faults_start_nothing_twice_and_lose_nothing(batch: int) -> None:
    """Whatever fails when: at most one start, complete output in order, one final state that agrees with the host."""
    with Lab() as lab:
        for seed in SEEDS[batch::BATCHES]:
            play(lab, seed)
            # A job that one round may lose is none of the next.
            lab.forget()
