"""What this node promised at the height that is not decided yet: its signed messages, and what they say it holds.

A signed message is durable, with everything that it promises to hold, before it leaves the process. One batch takes
the messages of one step together with the certificates and bodies behind them; reading a height back gives all that
the engine restarts from. Which certificates go with which message is the engine's rule (consensus research, section 1.3
"Persist before send", amendments A2, A5 and A9). Bytes are kept as `ledger.consensus.codec` encoded them.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from msgspec import Struct

from ledger.block import block_hash as hash_of_header
from ledger.block import parse_header
from ledger.consensus.statements import StatementType
from ledger.errors import MalformedError
from ledger.primitives import Digest, successor
from node.ports import Reader
from node.storage import keys
from node.storage.batch import Batch
from node.storage.bodies import body_keys, read_candidate_body, write_body
from node.storage.errors import DamagedError
from node.storage.keys import PromiseKind


class OwnMessage(Struct, frozen=True):
    """A message that this node signed: round, type, and its exact encoded bytes."""

    round: int
    type: StatementType
    payload: bytes


class StoredCertificate(Struct, frozen=True):
    """A timeout or prepare certificate of a round, encoded."""

    round: int
    payload: bytes


class StoredCandidate(Struct, frozen=True):
    """The header and the exact envelopes of a block that was checked here and is not committed."""

    block_hash: Digest
    header_bytes: bytes
    envelopes: tuple[bytes, ...]


class Promises(Struct, frozen=True):
    """Part or all of what one height's signed messages promise. Read back, each part ascends (by round, type, hash)."""

    height: int
    messages: tuple[OwnMessage, ...] = ()
    timeout_certificates: tuple[StoredCertificate, ...] = ()
    prepare_certificates: tuple[StoredCertificate, ...] = ()
    candidates: tuple[StoredCandidate, ...] = ()


class PromisedKeys:
    """The keys of the promises that are on disk: found there once, and noted as they are written. So neither a promise
    nor the commit that ends its height asks the database for what is not there, or was just written."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._newest: int | None = None  # no height above has promises; None until somebody asks
        self._height = 0
        self._keys: set[bytes] = set()

    def of(self, height: int) -> AbstractSet[bytes]:
        """Those of this height. Raises `DamagedError`."""
        if height != self._height:
            if self._newest is None:
                self._newest = self._find_newest()
            found = (
                self._reader.range(keys.promises(height), keys.promises(height + 1)) if height <= self._newest else ()
            )
            self._height, self._keys = height, {key for key, _ in found}
        return self._keys

    def _find_newest(self) -> int:
        try:
            return newest_promised_height(self._reader) or 0
        except DamagedError:
            return keys.HEIGHT_MAX  # it cannot be read: every height is looked at

    def written(self, batch: Batch, height: int) -> None:
        """Note what `batch`, which is durable now, promises at this height, after `of` was asked about it."""
        assert height == self._height
        assert self._newest is not None
        self._newest = max(self._newest, height)
        self._keys.update(key for key in batch.puts if key.startswith(keys.PROMISES_PREFIX))


def promise_rows(reader: Reader, promised: AbstractSet[bytes], promises: Promises) -> Batch:
    """What makes `promises` durable, where the promises with the keys `promised` are. A body that is stored already is
    not written again.

    A signed message and the prepare certificate of a round, once stored, are never replaced (amendment A5). A timeout
    certificate is: of several for a round, the newest is the one that a statement of ours binds by digest.
    """
    batch, height = Batch(), promises.height
    for message in promises.messages:
        key = keys.own_message(height, message.round, message.type)
        signed = reader.get(key) if key in promised else None
        assert signed is None or signed == message.payload, "a message is signed once and repeated byte for byte"
        batch.puts[key] = message.payload
    for certificate in promises.timeout_certificates:
        key = keys.certificate(height, PromiseKind.TIMEOUT_CERTIFICATE, certificate.round)
        batch.puts[key] = certificate.payload
    for certificate in promises.prepare_certificates:
        key = keys.certificate(height, PromiseKind.PREPARE_CERTIFICATE, certificate.round)
        if key not in promised:
            batch.puts[key] = certificate.payload
    for candidate in promises.candidates:
        key = keys.candidate(height, candidate.block_hash)
        if key not in promised:
            batch.puts[key] = candidate.header_bytes
            write_body(batch, height, candidate.block_hash, candidate.envelopes)
    return batch


def read_promises(reader: Reader, height: int) -> Promises:
    """Everything promised at `height`. Raises `DamagedError`."""
    messages: list[OwnMessage] = []
    certificates: dict[PromiseKind, list[StoredCertificate]] = {
        PromiseKind.TIMEOUT_CERTIFICATE: [],
        PromiseKind.PREPARE_CERTIFICATE: [],
    }
    candidates: list[StoredCandidate] = []
    for key, value in reader.range(keys.promises(height), keys.promises(height + 1)):
        _, kind, rest = keys.parse_promise(key)
        if kind is PromiseKind.CANDIDATE:
            block_hash = Digest(rest)
            if hash_of_header(value) != block_hash:
                raise DamagedError(f"the header of a candidate at height {height} does not hash to its block hash")
            envelopes = read_candidate_body(reader, height, block_hash, _transaction_count(value, height))
            candidates.append(StoredCandidate(block_hash, value, envelopes))
            continue
        round_of_row = int.from_bytes(rest[:4], "big")
        if kind is PromiseKind.MESSAGE:
            messages.append(OwnMessage(round_of_row, StatementType(rest[4]), value))
        else:
            certificates[kind].append(StoredCertificate(round_of_row, value))
    return Promises(
        height,
        tuple(messages),
        tuple(certificates[PromiseKind.TIMEOUT_CERTIFICATE]),
        tuple(certificates[PromiseKind.PREPARE_CERTIFICATE]),
        tuple(candidates),
    )


def _transaction_count(header_bytes: bytes, height: int) -> int:
    try:
        return parse_header(header_bytes).transaction_count
    except MalformedError as error:
        raise DamagedError(f"the header of a candidate at height {height} is malformed: {error}") from error


def newest_promised_height(reader: Reader) -> int | None:
    """The highest height with any promise, or None. Above tip + 1 the node must sync before it votes (amendment A4)."""
    for key, _ in reader.range(keys.promises(0), successor(b"p"), reverse=True):
        height, _, _ = keys.parse_promise(key)
        return height
    return None


def release_promises(
    batch: Batch, reader: Reader, promised: AbstractSet[bytes], height: int, committed: Digest
) -> bool:
    """Add to `batch` the deletion of all promises of `height`, whose keys are `promised`, with the bodies of all
    candidates but `committed`.

    Returns whether the body of `committed` is stored.
    """
    is_stored = False
    for key in promised:
        batch.deletes.add(key)
        _, kind, rest = keys.parse_promise(key)
        if kind is not PromiseKind.CANDIDATE:
            continue
        if rest == committed:
            is_stored = True
        else:
            batch.deletes.update(body_keys(reader, height, Digest(rest)))
    return is_stored
