"""Noise: what says nothing, or not the truth about where it is, and what only costs others their time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.limits import BLOCK_TRANSACTIONS_MAX, FRAME_BYTES_MAX, INTEGER_MAX
from ledger.primitives import Digest
from node.wire import FetchBlock, FetchJustification, FetchRecords, FetchTransactions, Status

if TYPE_CHECKING:
    from tests.simulation.byzantine.liar import Liar

_NOBODYS = Digest(b"\x08" * 32)
_OVERSIZED = bytes((1, *[0] * FRAME_BYTES_MAX))
_MANY = 8


def height_of_nobody(liar: Liar) -> bool:
    """Where it is: nowhere."""
    rng, height = liar.world.rng, liar.deciding.height
    claims = (INTEGER_MAX, height + 1, height + 2, max(1, height - 1), 1)
    liar.tell_some(Status(rng.choice(claims), rng.choice((0, liar.state.round, 1_000_000))))
    return True


def many_requests(liar: Liar) -> bool:
    """Questions that cost their answer, or have none."""
    height = liar.deciding.height
    liar.tell_some(FetchRecords(1, 64))
    for _ in range(_MANY):
        liar.tell_some(FetchBlock(height, _NOBODYS))
        liar.tell_some(FetchJustification(height, _NOBODYS))
    hashes = [transaction.to_bytes(32, "big") for transaction in range(BLOCK_TRANSACTIONS_MAX)]
    liar.tell_some(FetchTransactions(tuple(map(Digest, hashes))))
    return True


def garbage(liar: Liar) -> bool:
    """Bytes, some of which begin like a frame."""
    rng = liar.world.rng
    frame = bytes((rng.randrange(20), *rng.randbytes(rng.randrange(200))))
    liar.world.send_bytes(liar, liar.some(), frame, "frame of garbage")
    return True


def oversized_frame(liar: Liar) -> bool:
    """A frame with one byte more than there may be."""
    liar.world.send_bytes(liar, liar.some(), _OVERSIZED, "frame too large")
    return True
