"""The layout of the database: every row that there is. This table is the specification; the functions follow it.

Format version 4. Integers are big endian and unsigned, so keys sort by number; `height` is a u64, digests and keys of
validators have 32 bytes, `name` is ASCII without zero bytes, `|` joins and is not stored. Each value carries a
checksum besides (`node.storage.rows`). A chunk is CHUNK_TRANSACTIONS consecutive transactions of one block.

    key                                          value
    ---- the chain as a whole
    m | "format"                                 canonical JSON {"chain": genesis hash, "format": 4}
    m | "genesis"                                the genesis document, exact bytes
    m | "tip"                                    height of the newest block
    ---- one block
    h | height                                   header, exact bytes
    c | height                                   commit record, encoded (not for genesis)
    b | height | block hash | chunk (u16)        envelopes, exact bytes, framed and compressed (node.storage.bodies);
                                                 also of candidates
    o | height | chunk (u16)                     outcomes: transaction ids | envelope hashes | results,
                                                 joined by a space
    n | block hash                               height
    x | transaction id                           height | index in the block (u32)
    ---- the log (RFC 6962), as tiles of 256 hashes: what C2SP tlog-tiles serves; level is that of the tile
    l | level (u8) | index (u64)                 1..256 hashes; hash i is that of the full subtree of 256^level leaves
                                                 number 256 * index + i
    f | index of a block's first leaf (u64)      height (only of blocks with transactions)
    ---- state: the value of a state key at any height is in v, or one seek away in w
    v | state key                                height that wrote it | 1 | value, or | 0 where it deleted the key
    w | length (u16) | state key | ~height       1 | value, or 0: what `height` wrote and a later one replaced
    t | version (u64) | path                     a row of the state trie (ledger.trie_nodes)
    g | height                                   version (u64) of the trie's root after this height
    u | height                                   (version, path) of the trie rows that this height made stale, framed
    ---- indexes
    i | subject (u8) | name | 0 | height         indices (u32 each) of the transactions of that block about the subject
    r | stream | 0 | first revision (u64)        height | (transaction index (u32), operation index (u16)) each of the
                                                 consecutive records that this block appended to the stream
    a | asset | 0 | account                      empty: the account has held some of the asset, or was frozen in it
    k | stream | 0 | entity key hash | first     revisions (u64 each) of the records with this entity key that one
          revision (u64)                         block appended
    d | evidence digest                          id of the transaction that recorded the evidence
    s | validator name                           newest height whose commit certificate, as stored here, it signed
    q | height                                   hash of the validator set that this block decided for the next height
                                                 (only of blocks that changed it)
    ---- promises: what this node signed at the height that is not decided yet, and must hold for it
    p | height | 1 | round (u32) | type (u8)     own signed message, encoded (ledger.consensus.codec)
    p | height | 2 | round (u32)                 timeout certificate, encoded
    p | height | 3 | round (u32)                 prepare certificate, encoded (amendment A5: one of each round)
    p | height | 4 | block hash                  header of a candidate, exact bytes; its body stands under b
    e | ...                                      what the replica found out (node.replica.findings has the layout)
    y | 1                                        what this node cosigned last, as a peer frame (node.wire)
    y | 2                                        the newest checkpoint with a quorum of cosignatures, likewise
    y | 3                                        height of the newest block when the database was made anew because
                                                 it was damaged (node.storage.archive): nothing is voted for up to it

`~height` is 2^64 - 1 - height: a seek to ~h finds the newest value that is not newer than h. The entity key hash is
SHA-256 of the key's bytes. A commit writes one batch: it adds the block's rows, replaces v (moving the old to w),
the last tiles, s and the tip, and deletes all of p up to its height with the bodies of the losing candidates, and the
trie rows (g, t, u) that no proof of the newest `proof_heights` heights needs.
"""

from __future__ import annotations

import struct
from enum import IntEnum, unique
from hashlib import sha256

from ledger.consensus.statements import StatementType
from ledger.primitives import Digest
from node.storage.errors import DamagedError

FORMAT_VERSION = 4
"""What this software writes: it changes with any row."""

FORMATS_UPGRADED = frozenset({2, 3, FORMAT_VERSION})
"""What `node.storage.upgrading` makes this format of. All rows can be read in each of them but those of the state trie,
which are others in format 2; bodies were not compressed before format 4."""

CHUNK_TRANSACTIONS = 64
"""Transactions in one row of a body: one transaction is found without reading its whole block."""

TILE_HASHES = 256
"""Hashes in a full tile."""

HEIGHT_MAX = 2**64 - 1

FORMAT = b"mformat"
GENESIS = b"mgenesis"
TIP = b"mtip"

OWN_COSIGNATURE = b"y\x01"
CHECKPOINT = b"y\x02"
HEIGHT_BEFORE_REBUILD = b"y\x03"

STATE_PREFIX = b"v"
OUTCOMES_PREFIX = b"o"
PROMISES_PREFIX = b"p"

_HEIGHT = struct.Struct(">Q")
_HEIGHT_CHUNK = struct.Struct(">cQH")
_TILE = struct.Struct(">cBQ")
_PROMISE = struct.Struct(">cQB")
_MESSAGE = struct.Struct(">cQBIB")
_CERTIFICATE = struct.Struct(">cQBI")


@unique
class Subject(IntEnum):
    """What transactions are indexed by."""

    ACCOUNT = 1  # the sender, a cosigner, or an account whose row or whose balances the transaction changed
    STREAM = 2  # a stream that it changed or appended to
    OPERATION = 3  # the type of one of its operations
    ASSET = 4  # an asset that it changed, or whose balances it changed
    VALIDATOR = 5  # a validator that sent it, or that it accuses, readies, or proposes or decides to change
    PROPOSAL = 6  # a proposal, by its number, that it created or changed


@unique
class PromiseKind(IntEnum):
    """The third part of a key of `p`."""

    MESSAGE = 1
    TIMEOUT_CERTIFICATE = 2
    PREPARE_CERTIFICATE = 3
    CANDIDATE = 4


def pack_height(height: int) -> bytes:
    """A height (or other u64) as it stands in keys and values."""
    return _HEIGHT.pack(height)


def unpack_height(data: bytes, offset: int = 0) -> int:
    """The u64 at `offset`. Raises `DamagedError` when there is none."""
    try:
        (height,) = _HEIGHT.unpack_from(data, offset)
    except struct.error:
        raise DamagedError(f"a row that has a height in it has {len(data)} bytes") from None
    return int(height)


# ---- one block


def header(height: int) -> bytes:
    """Key of the header row."""
    return b"h" + _HEIGHT.pack(height)


def record(height: int) -> bytes:
    """Key of the commit record."""
    return b"c" + _HEIGHT.pack(height)


def body(height: int, block_hash: Digest) -> bytes:
    """What the keys of all chunks of a body start with."""
    return b"b" + _HEIGHT.pack(height) + block_hash


def body_chunk(height: int, block_hash: Digest, chunk: int) -> bytes:
    """Key of one chunk of a body."""
    return body(height, block_hash) + chunk.to_bytes(2, "big")


def outcomes(height: int, chunk: int) -> bytes:
    """Key of the ids and results of one chunk."""
    return _HEIGHT_CHUNK.pack(b"o", height, chunk)


def block_hash(block_hash: Digest) -> bytes:
    """Key of a block's height."""
    return b"n" + block_hash


def transaction(transaction_id: Digest) -> bytes:
    """Key of a transaction's place."""
    return b"x" + transaction_id


# ---- the log


def tile(level: int, index: int) -> bytes:
    """Key of a tile of the log."""
    return _TILE.pack(b"l", level, index)


def first_leaf(index: int) -> bytes:
    """Key of the height of the block whose first leaf is `index`."""
    return b"f" + _HEIGHT.pack(index)


# ---- state


def state(key: bytes) -> bytes:
    """Key of the current row of a state key."""
    return STATE_PREFIX + key


def replaced_state(key: bytes, height: int) -> bytes:
    """Key of what `height` wrote under a state key and a later height replaced."""
    return b"w%b%b%b" % (len(key).to_bytes(2, "big"), key, _HEIGHT.pack(HEIGHT_MAX - height))


def trie_node(version: int, path: bytes) -> bytes:
    """Key of a row of the state trie."""
    return b"t" + _HEIGHT.pack(version) + path


def trie_version(height: int) -> bytes:
    """Key of the version of the trie's root after `height`."""
    return b"g" + _HEIGHT.pack(height)


def stale_nodes(height: int) -> bytes:
    """Key of the list of trie rows that `height` made stale."""
    return b"u" + _HEIGHT.pack(height)


# ---- indexes


def subject(subject: Subject, name: str) -> bytes:
    """What the keys of all rows about a subject start with."""
    return b"i%c%b\0" % (subject, name.encode())


def records(stream: str) -> bytes:
    """What the keys of all record rows of a stream start with."""
    return b"r%b\0" % stream.encode()


def holders(asset: str) -> bytes:
    """What the keys of all rows of an asset's holders start with; the account's name follows."""
    return b"a%b\0" % asset.encode()


def entity(stream: str, key: str) -> bytes:
    """What the keys of all rows of an entity key of a stream start with."""
    return b"k%b\0%b" % (stream.encode(), sha256(key.encode()).digest())


def evidence(evidence_digest: Digest) -> bytes:
    """Key of the id of the transaction that recorded this evidence."""
    return b"d" + evidence_digest


def signer(name: str) -> bytes:
    """Key of the newest height that a validator signed."""
    return b"s" + name.encode()


def set_change(height: int) -> bytes:
    """Key of the change of the validator set that a block decided."""
    return b"q" + _HEIGHT.pack(height)


# ---- promises


def promises(height: int) -> bytes:
    """What the keys of all promises of a height start with; `promises(h)` .. `promises(h + 1)` is their range."""
    return PROMISES_PREFIX + _HEIGHT.pack(height)


def own_message(height: int, round: int, type: StatementType) -> bytes:
    """Key of a signed message of our own."""
    return _MESSAGE.pack(b"p", height, PromiseKind.MESSAGE, round, type)


def certificate(height: int, kind: PromiseKind, round: int) -> bytes:
    """Key of a timeout or prepare certificate."""
    assert kind in (PromiseKind.TIMEOUT_CERTIFICATE, PromiseKind.PREPARE_CERTIFICATE)
    return _CERTIFICATE.pack(b"p", height, kind, round)


def candidate(height: int, block_hash: Digest) -> bytes:
    """Key of a candidate's header."""
    return _PROMISE.pack(b"p", height, PromiseKind.CANDIDATE) + block_hash


def parse_promise(key: bytes) -> tuple[int, PromiseKind, bytes]:
    """Height, kind and the rest of a key of `p`."""
    _, height, kind = _PROMISE.unpack_from(key)
    return height, PromiseKind(kind), key[_PROMISE.size :]
