"""All campaigns, by name."""

from __future__ import annotations

from tests.bit_rot.sweep import SLICES, run_slices
from tests.campaigns.campaign import Campaign
from tests.crash_points.counting import UNITS, run_units
from tests.simulation.beyond import run_attacks
from tests.simulation.seeds import run_seeds
from tests.twins.exhaustive import run_four_phases, run_three_phases
from tests.twins.sampling import run_samples

CAMPAIGNS = {
    campaign.name: campaign
    for campaign in (
        Campaign(
            "seeds",
            "whole networks in the simulator, every sixteenth with changes of the validator set",
            units=100_000,
            unit="runs",
            chunk=250,
            run=run_seeds,
        ),
        Campaign(
            "bit-rot",
            "every byte of a small data directory flipped, all bits and one of them",
            units=SLICES,
            unit="slices of 52 flips",
            chunk=50,
            run=run_slices,
        ),
        Campaign(
            "forks",
            "networks in which more validators lie than the quorum bears: whoever forks the chain is named",
            units=20_000,
            unit="runs",
            chunk=250,
            run=run_attacks,
        ),
        Campaign(
            "twins-without-brake",
            "all 262,144 scenarios of four validators with one twin, whose double proposals nobody gives up for",
            units=4**3,
            unit="choices of leaders",
            chunk=16,
            run=run_three_phases,
        ),
        Campaign(
            "twins-four-phases",
            "all 16,777,216 scenarios of four phases, four validators with one twin",
            units=4**4,
            unit="choices of leaders",
            chunk=4,
            run=run_four_phases,
        ),
        Campaign(
            "twins-samples",
            "drawn scenarios with twins in which messages are lost by receiver and kind",
            units=200_000,
            unit="scenarios",
            chunk=5_000,
            run=run_samples,
        ),
        Campaign(
            "crash-points",
            "the power goes at every instant of a height with a round change, with both ways to come back",
            units=len(UNITS),
            unit="parts of histories",
            chunk=1,
            run=run_units,
        ),
    )
}
