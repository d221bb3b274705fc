"""What the disk gives back: sealed rows, slots of the guard, and a database of which one row is something else.

A row's checksum is against accidents, so every row may be any bytes (`_start`). Rows with a fitting checksum are those
that the node wrote; what of them is votes, blocks and names of the database says `DamagedError` all the same when it
cannot be read, because their readers promise it. Rows of state and indexes are held against the hashes of the chain by
`quorum-node verify-store`, and are otherwise what they were when they were written.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

from ledger.consensus.inputs import Now
from ledger.crypto import verify
from ledger.primitives import PublicKey
from node.replica import Elapsed, Replica
from node.storage.block_rows import read_heights_with_transactions
from node.storage.bodies import read_stored_body
from node.storage.check import check_blocks, check_rows, check_state
from node.storage.errors import DamagedError, StorageError
from node.storage.guard import FileGuard, MemoryGuard
from node.storage.log_entries import read_entries
from node.storage.log_tiles import read_tile
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.storage.paging import unpack_number, unpack_place
from node.storage.rows import seal, unseal
from tests.fuzz import samples
from tests.fuzz.target import Target
from tests.fuzz.targets.files import in_file
from tests.unit.ledger.founders import founder

_NO_KEY = PublicKey(bytes(32))
_PROMISED = (b"h", b"c", b"b", b"o", b"p", b"m", b"y")
"""How the keys begin of headers, records, bodies, outcomes, promises, what the database is, and cosignatures."""

_NOW = Now(10_000, 1_800_000_000_000)


@cache
def _values() -> dict[bytes, bytes]:
    """The rows of a validator's database, by key, without their checksums."""
    return {key: unseal(key, row) for key, row in samples.network().rows.items()}


def _with_any_row(data: bytes) -> dict[bytes, bytes]:
    """The rows of a database of which one, by the first two bytes, is replaced with the rest."""
    rows = samples.network().rows
    names = sorted(rows)
    return {**rows, names[int.from_bytes(data[:2], "big") % len(names)]: data[2:]}


def _with_sealed_row(data: bytes) -> dict[bytes, bytes]:
    """The same with a fitting checksum, among the rows whose readers promise `DamagedError`."""
    names = sorted(key for key in _values() if key[:1] in _PROMISED)
    key = names[int.from_bytes(data[:2], "big") % len(names)]
    return {**samples.network().rows, key: seal(key, data[2:])}


def _rows() -> list[bytes]:
    return [number.to_bytes(2, "big") + row for number, (_, row) in enumerate(sorted(samples.network().rows.items()))]


def _sealed_rows() -> list[bytes]:
    found = sorted((key, value) for key, value in _values().items() if key[:1] in _PROMISED)
    return [number.to_bytes(2, "big") + value for number, (_, value) in enumerate(found)]


def _start(data: bytes) -> None:
    """As at every start of a validator, and a step of it."""
    replica = Replica(
        chain=open_chain(MemoryStore(_with_any_row(data))),
        guard=MemoryGuard(samples.network().slots),
        consensus_key=founder(0).consensus_key,
        node_key=founder(0).node_key,
        cosigning_key=founder(0).cosigning_key,
        verify=_verify,
        now=_NOW,
    )
    replica.step([Elapsed()], _NOW)


@cache
def _verify(key, message, signature):  # type: ignore[no-untyped-def]
    return verify(key, message, signature)


def _check(data: bytes) -> None:
    """As `quorum-node verify-store` does."""
    chain = open_chain(MemoryStore(_with_sealed_row(data)))
    check_rows(chain)
    for _ in check_blocks(chain):
        pass
    check_state(chain)


def _read(data: bytes) -> None:
    """Every single read of what is committed."""
    chain = open_chain(MemoryStore(_with_sealed_row(data)))
    size = chain.tip.header.log_size
    for height in range(1, chain.tip.header.height + 1):
        reads: list[Callable[[], object]] = [
            lambda h=height: chain.record(h),
            lambda h=height: chain.envelopes(h),
            lambda h=height: list(chain.block(h).transactions()),
            lambda h=height: chain.leaves(h),
            lambda h=height: chain.promises(h + 1),
            lambda h=height: chain.trail(h),
            lambda h=height: read_stored_body(chain.store, h, chain.block_hash(h), 1),
            lambda: read_entries(chain.store, 0, size, log_size=size),
            lambda: read_tile(chain.store, 0, 0, width=size),
            lambda: list(read_heights_with_transactions(chain.store, 0, size, reverse=True)),
        ]
        for read in reads:
            with suppress(DamagedError):
                read()


def _read_guard(path: Path) -> None:
    guard = FileGuard(path, _NO_KEY)
    guard.read()
    guard.close()


def _slots(data: bytes) -> None:
    in_file(_read_guard)(data)


TARGETS = (
    Target(
        "sealed row",
        lambda data: unseal(b"key", data),
        lambda: [seal(b"key", b"value"), seal(b"key", b"")],
        raises=(DamagedError,),
    ),
    Target("slots of the guard", _slots, lambda: [samples.network().slots], raises=()),
    Target("start on a database", _start, _rows, raises=(StorageError,), calls=400_000, memory=8 << 20),
    Target("check of a database", _check, _sealed_rows, raises=(StorageError,), calls=400_000, memory=8 << 20),
    Target("reads of a database", _read, _sealed_rows, raises=(StorageError,), calls=400_000, memory=8 << 20),
    Target("place in a list", unpack_place, lambda: [bytes(12), bytes(16)]),
    Target("number in a list", unpack_number, lambda: [bytes(8)]),
)
