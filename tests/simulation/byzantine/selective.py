"""Gives the contents of its blocks to q - b others and to nobody else: just enough for a quorum with those who lie.

The others learn the proposal and the votes, and have to find the contents where they are.
"""

from __future__ import annotations

from ledger.consensus.messages import Proposal
from node.wire import Block, Consensus, PeerMessage, Transactions
from tests.simulation.byzantine.shameless import Shameless
from tests.simulation.machine import Machine


class Selective(Shameless):
    """Chooses anew at every height."""

    def receivers(self, message: PeerMessage, receivers: list[Machine]) -> list[Machine]:
        """All, or those who are chosen, where there are contents in it."""
        if isinstance(message, Consensus):
            said = self.world.memory.decode(message.payload)
            if not isinstance(said, Proposal) or said.block is None:
                return receivers
        elif not isinstance(message, Block | Transactions):
            return receivers
        return [receiver for receiver in receivers if receiver.identity.number in self._chosen()]

    def _chosen(self) -> list[int]:
        """The honest validators of this height that it favours."""
        deciding = self.running._parts.deciding
        liars = dict(self.world.plan.byzantine)
        honest = [
            machine.identity.number
            for machine in self.world.machines
            if machine.identity.number not in liars and self._has_seat(machine)
        ]
        first = deciding.height % max(len(honest), 1)
        wanted = max(0, deciding.validators.quorum - len(liars))
        return [*honest[first:], *honest[:first]][:wanted]

    def _has_seat(self, machine: Machine) -> bool:
        key = machine.identity.founder.consensus_key.public_key
        return self.running._parts.deciding.validators.index_of_consensus_key(key) is not None
