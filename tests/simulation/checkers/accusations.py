"""Evidence on the ledger is against liars only, once for each height, and what honest validators found gets there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.chain import CandidateBlock
from ledger.events import EvidenceRecorded
from ledger.primitives import successor
from ledger.rows.evidence import EVIDENCE_PREFIX, evidence_key
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from node.storage.chain_store import ChainStore
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "accusations"


class Accusations:
    """Everything that the audited chain records."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.recorded: dict[tuple[str, int], int] = {}
        """By validator and height, the height of the block that records it."""

    def audited(self, height: int, block: CandidateBlock) -> None:
        """The next block of the longest honest chain."""
        reports = [item for item in block.transactions if item.body.sender.startswith("validator:")]
        events = [event for event in block.events if isinstance(event, EvidenceRecorded)]
        demand(len(reports) == len(events), _NAME, f"height {height} has {len(reports)} reports, {len(events)} applied")
        for event in events:
            place = event.validator, event.height
            honest = self._world.honest_names_at(event.height)
            demand(event.validator not in honest, _NAME, f"height {height} accuses the honest {event.validator}")
            demand(place not in self.recorded, _NAME, f"height {height} records {place} again")
            self.recorded[place] = height

    def compare(self, machine: Machine, chain: ChainStore) -> None:
        """The state on an honest disk has what its blocks record, and nothing else."""
        found = {key for key, _ in chain.state.range(EVIDENCE_PREFIX, successor(EVIDENCE_PREFIX))}
        newest = chain.tip.header.height
        expected = {evidence_key(*place) for place, height in self.recorded.items() if height <= newest}
        demand(found == expected, _NAME, f"{machine.identity.name} has {len(found)} rows, and not {len(expected)}")


def unreported(machines: list[Machine]) -> set[tuple[str, int]]:
    """What running validators among these found and their ledgers do not have."""
    return {
        (evidence.validator, evidence.height)
        for machine in machines
        if machine.replica is not None and machine.replica._parts.deciding.me is not None
        for evidence in machine.replica._parts.reports.waiting()
    }
