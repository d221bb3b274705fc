"""Being ready: what the keys of a validator to be sign, before anybody may propose to add it.

A dead validator in the set counts against the quorum like any other, so a joiner first shows, on the ledger, that its
new consensus, node and cosigning keys exist, are held by one who follows this chain, and agree to this very entry: each
of the three signs

    tag("ready") || canonical JSON {"chain": hash of genesis, "entry": the whole entry, "height": one of late}

and the account that will operate it records the three signatures (`validator.ready`). The same goes for new keys of a
validator that is in the set.

Between the node, which has the keys, and the wallet of the operator's account the statement is a file: canonical JSON
{kind, version, chain, entry, height, proofs}.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ledger.crypto import SigningKey, tag, verify
from ledger.documents import expect_kind
from ledger.encoding import Json, decode_object, encode_trusted, expect_fields, expect_integer
from ledger.errors import VerificationError
from ledger.limits import ENVELOPE_BYTES_MAX, READY_PROOFS_REMEMBERED_MAX
from ledger.primitives import Digest, PublicKey, Signature, parse_digest, parse_signature
from ledger.validators import KeyPurpose, Validator, parse_validator

READY_KIND = "quorum-ledger/ready"
VERSION = 1
_READY_TAG = tag("ready")


@dataclass(frozen=True, slots=True)
class ReadyProofs:
    """The signatures of the three new keys over the ready statement."""

    consensus: Signature
    node: Signature
    cosigning: Signature

    def to_json(self) -> dict[str, Json]:
        """The proofs as they stand in an operation."""
        return {"consensus": self.consensus.hex(), "node": self.node.hex(), "cosigning": self.cosigning.hex()}


def parse_ready_proofs(value: Json, what: str) -> ReadyProofs:
    """The proofs from their JSON form. Raises `MalformedError`, naming `what`."""
    fields = expect_fields(value, what=what, required=frozenset(KeyPurpose))
    return ReadyProofs(**{purpose: parse_signature(fields[purpose], f"the {purpose} proof") for purpose in KeyPurpose})


def ready_bytes(chain: Digest, entry: Validator, height: int) -> bytes:
    """What each of the entry's keys signs. `height` is that of a block of `chain` which the node has, and of late."""
    return _READY_TAG + encode_trusted({"chain": chain.hex(), "entry": entry.to_json(), "height": height})


def sign_ready(
    chain: Digest,
    entry: Validator,
    height: int,
    *,
    consensus_key: SigningKey,
    node_key: SigningKey,
    cosigning_key: SigningKey,
) -> ReadyProofs:
    """The proofs of an entry with these keys."""
    signed = ready_bytes(chain, entry, height)
    return ReadyProofs(consensus_key.sign(signed), node_key.sign(signed), cosigning_key.sign(signed))


def check_ready(proofs: ReadyProofs, chain: Digest, entry: Validator, height: int) -> KeyPurpose | None:
    """The first of the three keys whose proof does not verify, or None. The keys passed `check_public_key`."""
    signed = ready_bytes(chain, entry, height)
    signatures = (proofs.consensus, proofs.node, proofs.cosigning)
    for (purpose, key), signature in zip(entry.keys, signatures, strict=True):
        if not _verifies(key, signed, signature):
            return purpose
    return None


# A block is executed several times, and may have thousands of these: see `ledger.rows.accounts.check_keys`.
@lru_cache(maxsize=READY_PROOFS_REMEMBERED_MAX)
def _verifies(key: PublicKey, signed: bytes, signature: Signature) -> bool:
    return verify(key, signed, signature)


@dataclass(frozen=True, slots=True)
class ReadyStatement:
    """What a node hands to the wallet of its operator: `entry`, ready at `height` of `chain`, with the proofs."""

    chain: Digest
    entry: Validator
    height: int
    proofs: ReadyProofs


def encode_ready_statement(statement: ReadyStatement) -> bytes:
    """The statement as a file."""
    return encode_trusted(
        {
            "kind": READY_KIND,
            "version": VERSION,
            "chain": statement.chain.hex(),
            "entry": statement.entry.to_json(),
            "height": statement.height,
            "proofs": statement.proofs.to_json(),
        }
    )


def parse_ready_statement(data: bytes) -> ReadyStatement:
    """The statement in a file. Raises `MalformedError`, or `VerificationError` for a proof that does not verify."""
    fields = expect_fields(
        expect_kind(decode_object(data, bytes_max=ENVELOPE_BYTES_MAX, what="ready statement"), READY_KIND, VERSION),
        what="ready statement",
        required=frozenset({"kind", "version", "chain", "entry", "height", "proofs"}),
    )
    statement = ReadyStatement(
        chain=parse_digest(fields["chain"], "chain"),
        entry=parse_validator(fields["entry"]),
        height=expect_integer(fields["height"], what="height"),
        proofs=parse_ready_proofs(fields["proofs"], "proofs"),
    )
    failing = check_ready(statement.proofs, statement.chain, statement.entry, statement.height)
    if failing is not None:
        raise VerificationError(f"the proof of the {failing} key of {statement.entry.name} does not verify")
    return statement
