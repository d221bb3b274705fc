"""What the client gives back: each value says what it rests on.

Proved[T]    verified: follows from a block header that a quorum has signed
Stated[T]    the word of one node: well formed, not proved
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from ledger.block import Header, Leaf
    from ledger.operations.streams import RecordAppend
    from ledger.primitives import Digest
    from ledger.receipt import VerifiedReceipt
    from ledger.rows.streams import LatestRecord
    from wallet.exit_codes import WalletError

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Proved(Generic[T_co]):
    """`value` was so after the block of `header`, which a quorum has signed. `node` showed it."""

    value: T_co
    header: Header
    block_hash: Digest
    node: str


@dataclass(frozen=True, slots=True)
class Stated(Generic[T_co]):
    """`node` says so, and nobody has proved it."""

    value: T_co
    node: str


@dataclass(frozen=True, slots=True)
class Freshness:
    """How new the newest certified block is that anybody showed: its height, ledger time, and age by the own clock.

    `behind` are nodes that showed an older block, `failed` those that gave no usable answer, and why.
    """

    height: int
    time_ms: int
    age_ms: int
    behind: tuple[str, ...]
    failed: Mapping[str, WalletError]


@dataclass(frozen=True, slots=True)
class Record:
    """The newest record of an entity key: its place, the operation that appended it, and the proof of that."""

    row: LatestRecord
    operation: RecordAppend
    receipt: VerifiedReceipt


@dataclass(frozen=True, slots=True)
class Block:
    """A verified block: `transactions` are all of its transactions, in order, with their results.

    `matching` are those that the node says match the filter that was asked for, None without one. Each is truly in the
    block; that there is no other that matches is the node's word.
    """

    header: Header
    block_hash: Digest
    transactions: tuple[Leaf, ...]
    matching: tuple[Leaf, ...] | None = None

    @property
    def height(self) -> int:
        """Its height: what a consumer of events keeps, to go on behind it."""
        return self.header.height


@dataclass(frozen=True, slots=True)
class ListedTransaction:
    """A transaction as a search lists it."""

    id: str
    height: int
    index: int
    result: str
    sender: str
    operations: tuple[str, ...]
