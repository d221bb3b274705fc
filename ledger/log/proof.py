"""A transaction's place in the log, proved in one file that other people's tools verify (https://c2sp.org/tlog-proof).

    c2sp.org/tlog-proof@v1
    extra <base64 of the entry>          the exact bytes of the leaf: what became of the transaction
    index <index>
    <base64 of a hash>                   the inclusion path, one hash on each line, the leaf's sibling first
    <empty line>
    <the checkpoint, a signed note>

Who has the transaction can make the entry; for everybody else it stands in `extra`, which the path proves like any
other entry. What is proved is less than by a receipt: that a quorum of cosigners says that the log has this entry, not
by whom and with which bytes its transaction was signed, nor that the cosigners are the validators of a chain: that is
what the policy says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.block import Leaf, parse_leaf
from ledger.errors import MalformedError, VerificationError
from ledger.limits import INTEGER_MAX, LOG_PATH_MAX, LOG_PROOF_BYTES_MAX
from ledger.log.policy import CosignedCheckpoint, Policy, verify_checkpoint
from ledger.log.signed_note import Note, decode_base64, decode_text, encode_base64, parse_note
from ledger.merkle import check_inclusion, leaf_hash
from ledger.primitives import DIGEST_BYTES, Digest

_HEADER = "c2sp.org/tlog-proof@v1"
_EXTRA, _INDEX = "extra ", "index "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class LogProof:
    """The content of a file, nothing verified. `extra` is None when the file has none."""

    index: int
    path: tuple[Digest, ...]
    note: Note
    extra: bytes | None

    def encode(self) -> bytes:
        """The file."""
        extra = "" if self.extra is None else f"{_EXTRA}{encode_base64(self.extra)}\n"
        path = "".join(f"{encode_base64(item)}\n" for item in self.path)
        return f"{_HEADER}\n{extra}{_INDEX}{self.index}\n{path}\n".encode() + self.note.encode()


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """What a file proves under a policy: that the log has `leaf` at `index`, and who says so."""

    index: int
    leaf: Leaf
    cosigned: CosignedCheckpoint


def build_log_proof(*, entry: bytes, index: int, path: Sequence[Digest], note: Note) -> bytes:
    """The file that proves `entry` to be number `index` of the log of the checkpoint `note`."""
    return LogProof(index, tuple(path), note, entry).encode()


def parse_log_proof(data: bytes) -> LogProof:
    """The content of a file. Raises `MalformedError`."""
    if len(data) > LOG_PROOF_BYTES_MAX:
        raise MalformedError(f"a proof file has at most {LOG_PROOF_BYTES_MAX} bytes, not {len(data)}")
    head, separator, note = decode_text(data, what="a proof file").partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != _HEADER:
        raise MalformedError(f"a proof file begins with {_HEADER!r} and ends with a checkpoint after an empty line")
    lines, extra = lines[1:], None
    if lines and lines[0].startswith(_EXTRA):
        extra, lines = decode_base64(lines[0].removeprefix(_EXTRA), what="the extra data"), lines[1:]
    if not lines or not _NUMBER.fullmatch(number := lines[0].removeprefix(_INDEX)) or number == lines[0]:
        raise MalformedError("a proof file has a line with the index")
    index, path = int(number), tuple(_parse_hash(line) for line in lines[1:])
    if index > INTEGER_MAX or len(path) > LOG_PATH_MAX:
        raise MalformedError(f"an index is at most {INTEGER_MAX}, and a path has at most {LOG_PATH_MAX} hashes")
    return LogProof(index, path, parse_note(note.encode()), extra)


def verify_log_proof(data: bytes, *, policy: Policy, entry: bytes | None = None) -> ProvedEntry:
    """Verify a `.tlog-proof` file of this ledger: the log has this entry, and `policy` accepts who says so.

    `entry` is the exact bytes of the leaf, for who has them from elsewhere; without it, those in the file count. The
    policy must have been pinned by the verifier. Raises `MalformedError` for a file or an entry that is none, and
    `VerificationError` for what does not hold: checkpoint, cosignatures, path, or another entry than expected.
    """
    proof = parse_log_proof(data)
    cosigned = verify_checkpoint(proof.note, policy)
    proved = proof.extra if entry is None else entry
    if proved is None:
        raise VerificationError("the file does not carry the entry that it proves: it must be given")
    checkpoint = cosigned.checkpoint
    if not check_inclusion(leaf_hash(proved), proof.index, checkpoint.size, proof.path, checkpoint.root):
        raise VerificationError(
            f"the path does not lead from the entry at index {proof.index} to the checkpoint's root"
        )
    return ProvedEntry(proof.index, parse_leaf(proved), cosigned)


def _parse_hash(line: str) -> Digest:
    item = decode_base64(line, what="a hash of the path")
    if len(item) != DIGEST_BYTES:
        raise MalformedError(f"a hash of the path has {DIGEST_BYTES} bytes")
    return Digest(item)
