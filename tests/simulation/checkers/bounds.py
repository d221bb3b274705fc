"""Everything that peers can make grow has its bound (I17), and nothing waits that is committed: looked at every few
steps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.statements import StatementType
from ledger.limits import (
    BLOCKS_WANTED_MAX,
    CERTIFIED_BLOCKS_PER_REPLY_MAX,
    COSIGNATURES_HELD_MAX,
    EVIDENCE_PER_VALIDATOR_MAX,
    HEIGHT_MESSAGES_BUFFERED_MAX,
    MEMPOOL_TRANSACTIONS_MAX,
    PEER_LINKS_MAX,
    PROPOSALS_PER_ROUND_MAX,
    RECORD_REQUESTS_MAX,
    ROUNDS_AHEAD_MAX,
    ROUNDS_BEHIND_MAX,
    VALIDATORS_MAX,
    VOTES_PER_VALIDATOR_MAX,
)
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_STEPS = 32
_ROUNDS = ROUNDS_AHEAD_MAX + ROUNDS_BEHIND_MAX + 1


class Bounds:
    """Sizes against limits."""

    def __init__(self) -> None:
        self._steps = 0

    def stepped(self, machine: Machine) -> None:
        """After a step."""
        self._steps += 1
        if self._steps % _STEPS:
            return
        parts = machine.running._parts
        state = parts.deciding.engine.state
        seen = state.book._seen
        most_reports = EVIDENCE_PER_VALIDATOR_MAX * len(parts.deciding.validators)
        sizes = (
            ("blocks wanted", len(state.wanted_blocks), BLOCKS_WANTED_MAX),
            ("validators in the vote book", len(seen), len(parts.deciding.validators)),
            ("places of a validator", max(map(len, seen.values()), default=0), _ROUNDS * len(StatementType)),
            (
                "statements at one place",
                max((len(items) for places in seen.values() for items in places.values()), default=0),
                VOTES_PER_VALIDATOR_MAX,
            ),
            ("rounds with proposals", len(state.proposals), _ROUNDS),
            ("proposals of a round", max(map(len, state.proposals.values()), default=0), PROPOSALS_PER_ROUND_MAX),
            ("contradictions to report", len(parts.reports.waiting()), most_reports),
            ("transactions in the mempool", len(parts.door.mempool), MEMPOOL_TRANSACTIONS_MAX),
            (
                "early messages of a peer",
                max(map(len, parts.postbox._payloads.values()), default=0),
                HEIGHT_MESSAGES_BUFFERED_MAX,
            ),
            ("peers", len(list(parts.peers)), PEER_LINKS_MAX),
            ("checkpoints that wait for a block", len(parts.cosigned.postponed), PEER_LINKS_MAX),
            (
                "cosignatures of a key",
                max(map(len, parts.cosigned.heard.values()), default=0),
                COSIGNATURES_HELD_MAX,
            ),
            ("keys with cosignatures", len(parts.cosigned.heard), 2 * VALIDATORS_MAX),
            ("records to judge", len(parts.syncing._queue), RECORD_REQUESTS_MAX * CERTIFIED_BLOCKS_PER_REPLY_MAX),
            ("statements of its own", len(parts.deciding.statements), (state.round + 1) * len(StatementType)),
        )
        committed = [name for name in parts.door.mempool._by_id if parts.chain.transaction_committed(name)]
        demand(
            not committed, "bounds", f"{machine.identity.name} holds {len(committed)} committed transactions pending"
        )
        for what, size, bound in sizes:
            demand(size <= bound, "bounds", f"{machine.identity.name} has {size} {what}, and the bound is {bound}")
