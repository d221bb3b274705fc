"""What quorums said (I3, I9, I10), as far as honest machines show it.

Every appended block has a record that proves it. A round has at most one prepared block. Once a block was committed
in a round, every valid timeout certificate of that round or a later one binds the proposals after it to that block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.codec import decode_commit_record
from ledger.consensus.messages import ConsensusMessage, PrepareCertificate, Proposal, TimeoutCertificate, TimeoutVote
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import SigningContext
from ledger.consensus.verification import HeightKeys, verify_timeout_certificate
from ledger.errors import LedgerError
from ledger.primitives import Digest
from node.replica import BlockAppended
from node.storage import keys
from tests.simulation.violation import Violation, demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "certificates"


class Certificates:
    """All certificates that honest machines sent or stored."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._context = SigningContext(world.genesis.chain, 0)
        self._proved: dict[tuple[int, bytes], None] = {}
        self._prepared: dict[tuple[int, int], Digest] = {}
        self._committed: dict[int, dict[int, Digest]] = {}
        self._given_up: dict[int, list[TimeoutCertificate]] = {}

    def appended(self, machine: Machine, block: BlockAppended) -> None:
        """A block is announced: its record proves it, on the parent that everybody has."""
        encoded = machine.disk.durable(keys.record(block.height))
        assert encoded is not None
        if (block.height, encoded) in self._proved:
            return
        chain = self._world.checkers.agreement.chain
        parent = self._parent(block.height, chain)
        try:
            record = decode_commit_record(encoded)
            certified = verify_commit_record(record, keys=self._keys(block.height), parent_hash=parent)
        except LedgerError as error:
            raise Violation(_NAME, f"the record of height {block.height} proves nothing: {error}") from error
        demand(certified.block_hash == block.block_hash, _NAME, f"the record of {block.height} is another block's")
        self._proved[block.height, encoded] = None
        rounds = self._committed.setdefault(block.height, {})
        rounds[record.certificate.round] = block.block_hash
        for certificate in self._given_up.get(block.height, []):
            self._check_lock(certificate, record.certificate.round, block.block_hash)

    def seen(self, message: ConsensusMessage) -> None:
        """An honest machine sends this, its own or another's: it passed its door."""
        match message:
            case TimeoutCertificate():
                self._seen_timeout(message)
            case TimeoutVote(prepare_certificate=PrepareCertificate() as prepared):
                self._seen_prepare(prepared)
            case Proposal(justification=TimeoutCertificate() as certificate):
                self._seen_timeout(certificate)
            case _:
                pass

    def _seen_timeout(self, certificate: TimeoutCertificate) -> None:
        try:
            verify_timeout_certificate(certificate, self._keys(certificate.height))
        except LedgerError as error:
            raise Violation(_NAME, f"an honest machine passes on a certificate that does not hold: {error}") from error
        prepared = certificate.prepare_certificate
        named = -1 if prepared is None else prepared.round
        demand(  # not left to the function above, which might be what is wrong (amendment A3)
            named == certificate.high_round <= certificate.round,
            _NAME,
            f"a certificate of round {certificate.round} names round {certificate.high_round} and proves {named}",
        )
        if prepared is not None:
            self._seen_prepare(prepared)
        self._given_up.setdefault(certificate.height, []).append(certificate)
        for round, block_hash in self._committed.get(certificate.height, {}).items():
            self._check_lock(certificate, round, block_hash)

    def _seen_prepare(self, certificate: PrepareCertificate) -> None:
        place = (certificate.height, certificate.round)
        first = self._prepared.setdefault(place, certificate.block_hash)
        demand(first == certificate.block_hash, _NAME, f"two blocks are prepared at (height, round) {place}")

    def _check_lock(self, certificate: TimeoutCertificate, round: int, block_hash: Digest) -> None:
        if certificate.round < round:
            return
        prepared = certificate.prepare_certificate
        demand(
            prepared is not None and prepared.round >= round and prepared.block_hash == block_hash,
            _NAME,
            f"height {certificate.height} was committed in round {round}, and round {certificate.round} was given up "
            "without being bound to it",
        )

    def _keys(self, height: int) -> HeightKeys:
        return HeightKeys(self._context, height, self._world.sets.at(height), self._world.memory.verify)

    def _parent(self, height: int, chain: dict[int, Digest]) -> Digest | None:
        return self._world.genesis_hash if height == 1 else chain.get(height - 1)
