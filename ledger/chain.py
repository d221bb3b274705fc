"""Building and checking blocks: everything that makes one block of transactions valid on its parent.

Both directions are one computation. `build_block` picks transactions and computes the header; `check_block` takes the
round, proposer and time from the header it was given, computes the header that these transactions must have, and
compares the bytes. Validity is objective: a function of the parent's state and the block alone. No clock is read here;
whether a time is too far ahead is asked when a vote is cast (amendment A7). Signatures were verified at the door.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.block import Header
from ledger.execution import Event
from ledger.merkle import Frontier, PerfectSubtree
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.state import Leaders, StateView
from ledger.transaction import Transaction
from ledger.trie import TrieChange, TrieRoot


@dataclass(frozen=True, slots=True)
class Tip:
    """The newest block of a chain, and what the next one is built on."""

    header: Header
    header_bytes: bytes
    block_hash: Digest
    log: Frontier
    trie_root: TrieRoot


class ChainReader(Protocol):
    """What the chain asks of storage: everything as it is after the tip."""

    @property
    def state(self) -> StateView:
        """The state after the tip."""
        ...

    def transaction_committed(self, transaction_id: Digest) -> bool:
        """Whether a transaction with this id is in a block up to the tip."""
        ...

    def trie_node(self, version: int, path: bytes) -> bytes | None:
        """The row of the state trie written at (version, path), or None (a `ledger.trie.NodeReader`)."""
        ...


@dataclass(frozen=True, slots=True)
class CandidateBlock:
    """A valid block on top of its parent, with everything that appending it writes.

    `results` and `leaf_hashes` are one per transaction. `writes` are state rows (None deletes). `subtrees` are the
    perfect subtrees of the log that it fills, leaves included. `refused` are transactions that were offered to
    `build_block` and can never be in a child of this parent's chain as it is (empty for a checked block).
    """

    header: Header
    header_bytes: bytes
    block_hash: Digest
    transactions: tuple[Transaction, ...]
    results: tuple[str, ...]
    leaf_hashes: tuple[Digest, ...]
    writes: Mapping[bytes, bytes | None]
    events: tuple[Event, ...]
    trie: TrieChange
    log: Frontier
    subtrees: tuple[PerfectSubtree, ...]
    refused: tuple[tuple[Transaction, Refusal], ...] = ()

    def tip(self) -> Tip:
        """The tip of the chain once this block is appended."""
        return Tip(self.header, self.header_bytes, self.block_hash, self.log, self.trie.root)


def build_block(
    tip: Tip, reader: ChainReader, *, round: int, proposer: str, time_ms: int, transactions: Sequence[Transaction]
) -> CandidateBlock:
    """A fresh block for `round` by `proposer` (a validator's name) with as many of `transactions` as it may have.

    `time_ms` is the proposer's clock; it is moved to what the time rule demands (`block_time_ms`).
    """
    ...


def check_block(
    tip: Tip, reader: ChainReader, header_bytes: bytes, transactions: Sequence[Transaction]
) -> CandidateBlock | str:
    """The block with this header and body, if it is valid on `tip`; otherwise the reason why it is not, as a sentence.

    `transactions` came through the door (their signatures verify under the keys they name).
    """
    ...


def block_time_ms(parent_time_ms: int, round: int, clock_ms: int) -> int:
    """The time of a fresh block of `round` whose proposer's clock shows `clock_ms` (amendment A7)."""
    ...


def leader_order(validators: Sequence[str], leaders: Leaders, height: int, demotion_heights: int) -> tuple[int, ...]:
    """The order in which validators (names, in set order) lead the rounds of `height`, as indices (amendment A6).

    leader(height, round) = order[round % n]. Rotated by the height; those that led a failed round within the last
    `demotion_heights` heights stand behind the others.
    """
    ...


def leader_order_at(state: StateView, height: int) -> tuple[int, ...]:
    """`leader_order` for `height`, from the state after its parent."""
    ...
