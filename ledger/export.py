r"""Exports: a whole chain as a file of JSON lines that anybody can read, whatever software there is by then.

Every line is one document of canonical JSON (RFC 8785; `ledger.encoding` has the profile) and ends with a line feed.
So each document has exactly one form, and the exact bytes that were signed or hashed stand in the line as they are.

    the first line    {"chain": hex, "genesis": {...}, "kind": "quorum-ledger/export", "version": 1}
    then each block, from height 1 on
      one line        {"block_hash": hex, "record": {"certificate": {...}, "header": {...}, "justifications": [...]}}
      and for each of its transactions, in order
        one line      {"envelope": {...}, "leaf": {...}}
    the last line     {"blocks": n, "chain": hex, "head": {...}, "kind": "quorum-ledger/export-manifest",
                       "parts": [...], "transactions": n, "version": 1}

* `genesis` is the genesis document; its hash, SHA-256 over "quorum-ledger/v1/genesis", a zero byte and the document,
  is `chain`.
* `record` is the commit record: the header, whose hash (SHA-256 over "quorum-ledger/v1/block", a zero byte and the
  header) is `block_hash`, and the signatures of the quorum that committed it. See `ledger.consensus.record`.
* `envelope` is the transaction as it was signed (`ledger.transaction`), `leaf` what became of it: height, index in the
  block, transaction id, envelope hash, and the result: "applied", or the code of what refused it. The leaves of all
  transactions, in order, are the log: RFC 6962 over them gives the `log_root` of each header.
* `head` says of the newest block: height, block hash, log size, log root, state root and time (ms).
* `parts` cover every byte before the last line, in order: {"bytes": n, "from_height": n, "sha256": hex}. The first is
  the first line (height 0); a further one begins with a block and ends with one, as soon as it has 16 MiB.

In a shell, `head -n -1 FILE | jq -c 'select(.leaf.result == "applied").envelope.body'` gives what was done. A file
without its last line was torn off and is no export. That all of it is true follows from the genesis that the reader
brings along, by an audit (`ledger.audit`, `ledger.export_reading`), not from the manifest.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from ledger.block import Header, Leaf, encode_leaf
from ledger.encoding import Json, encode_trusted
from ledger.errors import MalformedError
from ledger.genesis import Genesis
from ledger.limits import EXPORT_MANIFEST_BYTES_MAX, EXPORT_PART_BYTES
from ledger.primitives import Digest

EXPORT_KIND: Final = "quorum-ledger/export"
MANIFEST_KIND: Final = "quorum-ledger/export-manifest"
VERSION: Final = 1

BLOCK_OPENING: Final = b'{"block_hash":"'
RECORD_OPENING: Final = b'","record":'
TRANSACTION_OPENING: Final = b'{"envelope":'
LEAF_OPENING: Final = b',"leaf":'
CLOSING: Final = b"}\n"
"""What stands around block hash, record, envelope and leaf, whose own canonical bytes fill the rest of a line."""


def first_line(genesis: Genesis) -> bytes:
    """The first line of an export."""
    opening = b'{"chain":"%b","genesis":' % genesis.chain.hex().encode()
    return opening + genesis.document + b',"kind":"%b","version":%d}\n' % (EXPORT_KIND.encode(), VERSION)


def block_lines(block_hash: Digest, record: bytes, entries: Iterable[tuple[bytes, Leaf]]) -> bytes:
    """The lines of one block: its encoded commit record, and each transaction's envelope and leaf."""
    lines = [BLOCK_OPENING + block_hash.hex().encode() + RECORD_OPENING + record + CLOSING]
    lines += [TRANSACTION_OPENING + envelope + LEAF_OPENING + encode_leaf(leaf) + CLOSING for envelope, leaf in entries]
    return b"".join(lines)


@dataclass(frozen=True, slots=True)
class Part:
    """A run of whole lines: how many bytes, the height of its first block (0: the first line), and its SHA-256."""

    bytes: int
    from_height: int
    sha256: Digest

    def to_json(self) -> dict[str, Json]:
        """The part as it stands in the manifest."""
        return {"bytes": self.bytes, "from_height": self.from_height, "sha256": self.sha256.hex()}


class ManifestBuilder:
    """Makes the manifest of what it is shown: the first line, then the lines of each block, in order."""

    def __init__(self, genesis: Genesis) -> None:
        line = first_line(genesis)
        self._parts = [Part(len(line), 0, Digest(sha256(line).digest()))]
        self._height = 0
        self._from_height = 1
        self._bytes = 0
        self._hash = sha256()

    def add(self, lines: bytes) -> None:
        """Take in the lines of the next block."""
        self._hash.update(lines)
        self._bytes += len(lines)
        self._height += 1
        if self._bytes >= EXPORT_PART_BYTES:
            self._parts.append(self._last_part())
            self._from_height, self._bytes, self._hash = self._height + 1, 0, sha256()

    @property
    def fingerprint(self) -> Digest:
        """A digest of every byte that was taken in."""
        parts = b"".join(part.sha256 for part in self._parts)
        return Digest(sha256(parts + self._hash.digest()).digest())

    def build(self, head: Header, hash_of_head: Digest) -> bytes:
        """The last line. Raises `MalformedError` when the chain is longer than a manifest may say."""
        assert head.height == self._height, "the head is the newest block"
        parts = [*self._parts, self._last_part()] if self._bytes else self._parts
        value: dict[str, Json] = {
            "blocks": head.height,
            "chain": head.chain.hex(),
            "head": {
                "height": head.height,
                "block_hash": hash_of_head.hex(),
                "log_size": head.log_size,
                "log_root": head.log_root.hex(),
                "state_root": head.state_root.hex(),
                "time_ms": head.time_ms,
            },
            "kind": MANIFEST_KIND,
            "parts": [part.to_json() for part in parts],
            "transactions": head.log_size,
            "version": VERSION,
        }
        line = encode_trusted(value) + b"\n"
        if len(line) > EXPORT_MANIFEST_BYTES_MAX:
            raise MalformedError(f"an export has at most {EXPORT_MANIFEST_BYTES_MAX} bytes of manifest")
        return line

    def _last_part(self) -> Part:
        return Part(self._bytes, self._from_height, Digest(self._hash.digest()))
