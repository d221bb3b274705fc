"""One receipt, two judges: `ledger.receipt` and the single file. They must agree."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from ledger import crypto
from ledger.errors import LedgerError
from ledger.genesis import parse_genesis
from ledger.pinned_checkpoint import anchor_of_checkpoint, parse_pinned_checkpoint
from ledger.primitives import PublicKey, Signature
from ledger.receipt import verify_receipt
from ledger.trail import Anchor, anchor_of
from tests.verifier import verify_receipt as second
from tests.verifier.eras import HEIGHT, EraChain


@dataclass(frozen=True)
class Pin:
    """What both are given to trust: the same file, read by each."""

    name: str
    first: Anchor
    second: Any


def pin(name: str, document: bytes) -> Pin:
    genesis = b'"kind":"quorum-ledger/genesis"' in document
    first = anchor_of(parse_genesis(document)) if genesis else anchor_of_checkpoint(parse_pinned_checkpoint(document))
    return Pin(name, first, second.anchor_of(document))


@cache
def eras() -> EraChain:
    return EraChain()


@cache
def pins() -> tuple[Pin, ...]:
    """Genesis, and every block of the chain."""
    chain = eras()
    later = (pin(f"block {height}", chain.checkpoint(height).document) for height in range(1, HEIGHT + 1))
    return (pin("genesis", chain.store.genesis.document), *later)


def agree(data: bytes, trusted: Pin) -> bool:
    """Whether both say that it proves what it states."""
    return judge(data, trusted) == ""


def judge(data: bytes, trusted: Pin) -> str:
    """Why it does not prove what it states, in the ledger's words; nothing if it does. Both must say so."""
    said = second_said = ""
    verified = words = None
    try:
        verified = verify_receipt(data, trusted.first, remembering)
    except LedgerError as error:
        said = str(error) or "refused"
    try:
        words = second.verify(data, trusted.second)
    except (ValueError, RecursionError) as error:
        second_said = str(error) or "refused"
    assert (verified is None) == (words is None), (trusted.name, said, second_said, data)
    if verified is not None and words is not None:
        assert words["transaction"] == verified.transaction.id.hex()
        assert (words["result"], words["block"].split(",")[0]) == (verified.leaf.result, str(verified.leaf.height))
        assert all(repr(name) in words["because"] for name in verified.signers)
    return said


@cache
def remembering(key: PublicKey, message: bytes, signature: Signature) -> bool:
    return crypto.verify(key, message, signature)
