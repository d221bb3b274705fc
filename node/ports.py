"""What a replica needs from the outside, as contracts. Each has a real implementation and one for the simulator.

The comments are the contract: what holds when a method returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from msgspec import Struct


class Reader(Protocol):
    """Read access to an ordered map of bytes to bytes. Values are checked against their own checksum and key.

    Every method raises `node.storage.errors.DamagedError` when what is on disk is not what was written.
    """

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        ...

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, in order (or in reverse order)."""
        ...


class Store(Reader, Protocol):
    """The database of one node: an ordered map, written in atomic batches."""

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """Apply all of `puts` and `deletes`, or nothing.

        With `sync`, the batch and all earlier ones survive a power cut when this returns. Raises
        `node.storage.errors.StorageFailedError`, after which nothing may be written or voted any more.
        """
        ...

    def close(self) -> None:
        """Release the database. Nothing may be called afterwards."""
        ...


class GuardRecord(Struct, frozen=True):
    """The last promise of this node, kept outside the database: (height, round, step) and a digest of the vote."""

    height: int
    round: int
    step: int
    digest: bytes


class Guard(Protocol):
    """A tiny record that must never be ahead of the database: it notices a lost or restored one."""

    def read(self) -> GuardRecord | None:
        """The newest record, or None when there is none that is whole."""
        ...

    def write(self, record: GuardRecord) -> None:
        """When this returns, `record` survives a power cut. Raises `StorageFailedError` like `Store.write`."""
        ...
