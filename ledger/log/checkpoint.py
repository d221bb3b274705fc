"""Checkpoints: the size and root of one chain's log, and what validators sign of it.

    quorum-ledger/<network>/<genesis hash>        the origin: which log this is
    <size>                                        how many transactions
    <base64 of the root>                          RFC 6962 over their leaves

(https://c2sp.org/tlog-checkpoint; extension lines are neither written nor accepted: nobody could audit them.)

A validator signs with its cosigning key, and in two ways. The note's own signature (type 0x01, named by the origin) is
that of the log: one by the validator that serves the note. The cosignature (type 0x04, named `<origin>/<validator>`)
is over text and time, and is what a quorum is counted of (https://c2sp.org/tlog-cosignature). So a key has one name as
a cosigner for ever, which matters because an Ed25519 cosignature does not commit to it. What is signed in one way
cannot be taken for the other, nor for anything else that a key of this ledger signs: those begin with a domain tag,
which has a zero byte, and no note has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from ledger.crypto import SigningKey
from ledger.errors import MalformedError
from ledger.genesis import Genesis
from ledger.limits import INTEGER_MAX
from ledger.log.signed_note import (
    TIMESTAMP_BYTES,
    TIMESTAMP_MAX,
    SignatureLine,
    SignatureType,
    VerifierKey,
    cosigned_bytes,
    decode_base64,
    encode_base64,
)
from ledger.primitives import DIGEST_BYTES, Digest, PublicKey
from ledger.validators import Validator

_SIZE = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log of `origin` has `size` leaves and this root."""

    origin: str
    size: int
    root: Digest

    @property
    def text(self) -> str:
        """The note text, which is what is signed."""
        return f"{self.origin}\n{self.size}\n{encode_base64(self.root)}\n"


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint of a note text. Raises `MalformedError`."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3] or not lines[0]:
        raise MalformedError("a checkpoint is three lines: origin, size and root")
    origin, size, root = lines[:3]
    if not _SIZE.fullmatch(size) or int(size) > INTEGER_MAX:
        raise MalformedError(f"the size of a checkpoint is a number up to {INTEGER_MAX}")
    digest = decode_base64(root, what="the root of a checkpoint")
    if len(digest) != DIGEST_BYTES:
        raise MalformedError(f"the root of a checkpoint has {DIGEST_BYTES} bytes")
    return Checkpoint(origin, int(size), Digest(digest))


def log_origin(genesis: Genesis) -> str:
    """The origin of the log of the chain that starts from `genesis`."""
    return origin_of(genesis.network, genesis.chain)


def origin_of(network: str, chain: Digest) -> str:
    """The origin of a log: its network's name, as in a URL, and the hash of its genesis."""
    return f"quorum-ledger/{quote(network, safe='')}/{chain.hex()}"


def log_key(origin: str, public_key: PublicKey) -> VerifierKey:
    """The key of the note's own signature, when the validator with this cosigning key serves it."""
    return VerifierKey(origin, SignatureType.ED25519, public_key)


def cosigner_key(origin: str, validator: Validator) -> VerifierKey:
    """The key of a validator's cosignatures."""
    return VerifierKey(f"{origin}/{validator.name}", SignatureType.COSIGNATURE, validator.cosigning_key)


def sign(key: SigningKey, checkpoint: Checkpoint) -> SignatureLine:
    """The note's own signature."""
    verifier = log_key(checkpoint.origin, key.public_key)
    return SignatureLine(verifier.name, verifier.key_id, key.sign(checkpoint.text.encode()))


def cosign(key: SigningKey, cosigner: VerifierKey, checkpoint: Checkpoint, time_s: int) -> SignatureLine:
    """The cosignature of `cosigner`, whose private half is `key`, at `time_s`."""
    assert cosigner.public_key == key.public_key
    assert 0 <= time_s <= TIMESTAMP_MAX
    signature = time_s.to_bytes(TIMESTAMP_BYTES, "big") + key.sign(cosigned_bytes(checkpoint.text, time_s))
    return SignatureLine(cosigner.name, cosigner.key_id, signature)
