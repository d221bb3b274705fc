"""Lies about what is in a block: another body under its hash, bodies that nobody has, transactions nobody signed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from ledger.consensus.messages import ProposedBlock
from ledger.primitives import Digest
from node.wire import Block, Transactions
from tests.simulation import workload

if TYPE_CHECKING:
    from tests.simulation.byzantine.liar import Liar

_NOBODYS = Digest(b"\x09" * 32)


def another_body(liar: Liar) -> bool:
    """Somebody's proposal, whose signature does not cover the body, with another body or none."""
    proposals, rng = liar.proposals(), liar.world.rng
    if not proposals:
        return False
    proposal = rng.choice(proposals)
    block = proposal.block
    if block is not None:
        hashes = list(block.envelope_hashes)
        rng.shuffle(hashes)
        block = ProposedBlock(block.header, tuple(hashes[: rng.randint(0, len(hashes))]))
        if rng.random() < 0.5:
            liar.tell_some(Block(liar.deciding.height, block.header, block.envelope_hashes))
            return True
    liar.say(replace(proposal, block=block if rng.random() < 0.7 else None))
    return True


def bodies_of_nobody(liar: Liar) -> bool:
    """Somebody's proposal with a body that names transactions which do not exist."""
    proposals = [proposal for proposal in liar.proposals() if proposal.block is not None]
    if not proposals:
        return False
    proposal = liar.world.rng.choice(proposals)
    assert proposal.block is not None
    hashes = (*proposal.block.envelope_hashes, _NOBODYS)
    liar.say(replace(proposal, block=ProposedBlock(proposal.block.header, hashes)))
    return True


def transaction_with_a_wrong_signature(liar: Liar) -> bool:
    """A client's transaction, signed by nobody, or not written as it must be."""
    rng = liar.world.rng
    made = workload.transaction(liar.world.genesis, rng.randrange(max(1, liar.world.submitted)))
    if rng.random() < 0.3:
        envelope = made.envelope.replace(b":", b": ", 1)
    else:
        signature = made.signatures[0].signature
        flipped = bytes((signature[0] ^ 1, *signature[1:]))
        envelope = made.envelope.replace(signature.hex().encode(), flipped.hex().encode())
    liar.tell_some(Transactions((envelope,)))
    return True
