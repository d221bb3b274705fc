"""Being ready: what the keys of a validator to be sign, before anybody may propose to add it.

A dead validator in the set counts against the quorum like any other, so a joiner first shows, on the ledger, that its
new consensus, node and cosigning keys exist, are held by one who follows this chain, and agree to this very entry: each
of the three signs

    tag("ready") || canonical JSON {"chain": hash of genesis, "entry": the whole entry, "height": one of late}

and the account that will operate it records the three signatures (`validator.ready`). The same goes for new keys of a
validator that is in the set.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from ledger.crypto import SigningKey, tag, verify
from ledger.encoding import Json, encode_trusted, expect_fields
from ledger.limits import READY_PROOFS_REMEMBERED_MAX
from ledger.primitives import Digest, PublicKey, Signature, parse_signature
from ledger.validators import KeyPurpose, Validator

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
