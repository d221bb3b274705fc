"""All campaigns, by name."""

from __future__ import annotations

from tests.campaigns.campaign import Campaign
from tests.simulation.seeds import run_seeds

CAMPAIGNS = {
    campaign.name: campaign
    for campaign in (
        Campaign(
            "seeds",
            "whole networks in the simulator, every sixteenth with changes of the validator set",
            units=100_000,
            chunk=250,
            run=run_seeds,
        ),
    )
}
