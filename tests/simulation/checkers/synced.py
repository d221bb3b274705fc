"""The chain as a node has it that took part in nothing: it was given every block with its record, verified it, executed
it, and appended it. Checkers compare with it what machines have that took part (I11, I12); the audit goes on from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.audit import AuditedBlock, ChainAudit
from ledger.errors import LedgerError
from node.storage import keys
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

Rows = dict[bytes, bytes]

_OWN = frozenset(b"peycs")
"""Rows that nodes may have otherwise (`node.storage.keys`): promises, findings, cosignatures; and of several valid
commit certificates each node keeps the one that it saw."""


class Synced:
    """Blocks are given to it when somebody asks for a height; the first chain that shows a height decides."""

    def __init__(self, world: World, founding: Rows) -> None:
        self.chain = open_chain(MemoryStore(founding))
        self.blocks: list[AuditedBlock] = []
        self._store = self.chain.store
        self._audit = ChainAudit(self.chain, world.memory.verify)
        self._rows = {0: shared(founding, 0)}

    @property
    def height(self) -> int:
        """Its newest height."""
        return self.chain.tip.header.height

    def follow(self, chain: ChainStore, height: int) -> bool:
        """Take in the blocks of `chain` up to `height`. Returns whether it is one chain with this: not after a fork."""
        common = min(height, self.height)
        if chain.block_hash(common) != self.chain.block_hash(common):
            return False
        for next_height in range(self.height + 1, height + 1):
            try:
                block = self._audit.append(record_of(chain, next_height), chain.envelopes(next_height))
            except LedgerError as error:
                raise Violation("audit", f"height {next_height} does not pass: {error}") from error
            self.blocks.append(block)
            assert isinstance(self._store, MemoryStore)
            self._rows[next_height] = shared(self._store.image(), next_height)
        return True

    def rows(self, height: int) -> Rows:
        """The rows that every node has whose tip is `height`, as they stand on a disk."""
        return self._rows[height]


def record_of(chain: ChainStore, height: int) -> bytes:
    """The record of a height as it stands in a database, to be verified by whoever asked for it."""
    record = chain.store.get(keys.record(height))
    assert record is not None
    return record


def shared_rows(machine: Machine) -> Rows:
    """The rows on a machine's disk that every node must have whose tip is the same."""
    return shared(machine.disk.image(), machine.durable_height)


def own_rows(machine: Machine) -> Rows:
    """All others: what only this machine knows and promised."""
    image = machine.disk.image()
    everybodys = shared(image, machine.durable_height)
    return {key: row for key, row in image.items() if key not in everybodys}


def shared(image: Rows, tip: int) -> Rows:
    """The rows of an image of a disk that every node must have whose tip is `tip`."""
    above = keys.pack_height(tip + 1)
    return {
        key: row
        for key, row in image.items()
        if key[0] not in _OWN and not (key.startswith(b"b") and key[1:9] >= above)  # the bodies of candidates
    }
