"""State proofs: what the state holds for a key after a block, or that it holds nothing, proved without the state.

A state proof is one canonical JSON document, and stands for itself:

    kind, version    "quorum-ledger/state-proof", 1
    key              the state key (`ledger.rows` has the table), as text
    value            the row that the state holds for it, or null: it holds none
    path             the preimages of the trie's nodes on the key's path, root first, hex (`ledger.trie`)
    record           the commit record of the block after which this was so: its header has the state root
    trail            the changes of the validator set since the verifier's anchor (`ledger.trail`)

Nothing in it is believed: trail and record make the header final as in a receipt, and the path leads from the header's
state root to the hash of exactly this value, or to where the key would have to be and is not. Who holds a verified
header already (a light client) needs `check_state_proof` alone.

Of genesis there is no certificate: its state follows from the genesis document. What a state proof cannot know is what
a receipt cannot know: whether q keys of an old set were stolen or sold later. (design section 5)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from ledger.block import Header, parse_header
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.crypto import Verify, verify
from ledger.documents import expect_kind
from ledger.encoding import Json, decode, encode_trusted, expect_fields
from ledger.errors import MalformedError, VerificationError
from ledger.limits import JSON_DEPTH_MAX, STATE_KEY_BYTES_MAX, STATE_PROOF_BYTES_MAX
from ledger.primitives import Digest
from ledger.trail import Anchor, SetChange, follow_trail, parse_trail, verify_at_height
from ledger.trie import StateProof, check_proof, parse_proof
from ledger.validators import ValidatorSet

STATE_PROOF_KIND = "quorum-ledger/state-proof"
VERSION = 1

STATE_KEY_PATTERN = rf"[!-~]{{1,{STATE_KEY_BYTES_MAX}}}"
"""What a state key looks like, as a regular expression to be matched in full."""

_KEY = re.compile(STATE_KEY_PATTERN)
_FIELDS = frozenset({"kind", "version", "key", "value", "path", "record", "trail"})
_DEPTH_MAX = JSON_DEPTH_MAX + 1  # the row stands one level down


@dataclass(frozen=True, slots=True)
class ProvedRow:
    """A claim about one state key, and the path that shows it: `value` has the row's bytes, None where there is none.

    Nothing of it is believed before `check_state_proof`.
    """

    key: bytes
    value: bytes | None
    path: StateProof


@dataclass(frozen=True, slots=True)
class StateProofFile:
    """A state proof as it was read, unverified."""

    row: ProvedRow
    record: CommitRecord
    trail: tuple[SetChange, ...]


@dataclass(frozen=True, slots=True)
class VerifiedState:
    """What a state proof proves: after this final block, signed by these validators, the state held `value` for `key`.

    `value` is None where the state held nothing for it.
    """

    key: bytes
    value: bytes | None
    header: Header
    block_hash: Digest
    signers: tuple[str, ...]
    validators: ValidatorSet


def build_state_proof(row: ProvedRow, *, record: CommitRecord, trail: Sequence[SetChange]) -> bytes:
    """The document. `row.value` and `record` are as stored; nothing is verified here."""
    value = None if row.value is None else decode(row.value, bytes_max=len(row.value), what="state row")
    return encode_trusted(
        {
            "kind": STATE_PROOF_KIND,
            "version": VERSION,
            "key": row.key.decode("ascii"),
            "value": value,
            "path": row.path.to_json()["nodes"],
            "record": commit_record_to_json(record),
            "trail": [step.to_json() for step in trail],
        }
    )


def parse_state_proof(data: bytes) -> StateProofFile:
    """The document `data`, unverified. Raises `MalformedError`."""
    value = decode(data, bytes_max=STATE_PROOF_BYTES_MAX, what="state proof", depth_max=_DEPTH_MAX)
    fields = expect_fields(expect_kind(value, STATE_PROOF_KIND, VERSION), what="state proof", required=_FIELDS)
    row = fields["value"]
    if row is not None and not isinstance(row, dict):
        raise MalformedError("the value of a state proof must be a JSON object, or null")
    return StateProofFile(
        row=ProvedRow(
            key=parse_state_key(fields["key"]),
            value=None if row is None else encode_trusted(row),
            path=parse_proof({"nodes": fields["path"]}),
        ),
        record=parse_commit_record(fields["record"]),
        trail=parse_trail(fields["trail"]),
    )


def parse_state_key(value: Json) -> bytes:
    """A state key from its text. Raises `MalformedError`."""
    if not isinstance(value, str) or not _KEY.fullmatch(value):
        raise MalformedError(f"a state key has 1 to {STATE_KEY_BYTES_MAX} printable ASCII characters, and no space")
    return value.encode("ascii")


def check_state_proof(row: ProvedRow, header: Header) -> None:
    """Raise `VerificationError` unless the state after the block of `header`, which is verified, is as `row` claims."""
    if not check_proof(header.state_root, row.key, row.value, row.path):
        claim = f"has {'nothing' if row.value is None else 'this value'} for {row.key.decode('ascii')}"
        raise VerificationError(f"the path does not prove that the state of height {header.height} {claim}")


def verify_state_proof(data: bytes, anchor: Anchor, verify_signature: Verify = verify) -> VerifiedState:
    """What the state proof `data` proves to a holder of `anchor`.

    Raises `MalformedError` for what is no state proof, and `VerificationError` for one that does not prove what it
    states.
    """
    file = parse_state_proof(data)
    height = parse_header(file.record.header).height
    validators = follow_trail(file.trail, anchor, height, verify_signature).validators
    certified = verify_at_height(file.record, anchor, height, validators, verify_signature)
    check_state_proof(file.row, certified.header)
    signers = validators.names_of(file.record.certificate.signers)
    return VerifiedState(file.row.key, file.row.value, certified.header, certified.block_hash, signers, validators)
