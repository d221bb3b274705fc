"""Pinned checkpoints: a certified block in a file that its holder trusts as others trust genesis.

It is one canonical JSON document:

    kind, version    "quorum-ledger/checkpoint", 1
    network          the name that genesis gives the network, for people
    header           the header of a certified block, at height 1 or above
    validators       the set that signs from the next height on, which has the header's `next_validators_hash`

Whoever holds one trusts it because of where it came from: made at home from a trail that was verified from genesis, or
compared with somebody else's over another channel, by its **digest**. Everybody's file of one height is the same, for
it has no signatures, and those may differ from node to node. What is verified against it needs no signature of its time
or of any time before: keys that were stolen or sold since can forge nothing below it (design section 5).

This is not the C2SP checkpoint of the transparency log, which is a signed note that nobody need trust.
"""

from __future__ import annotations

from dataclasses import dataclass

from ledger.block import Header, block_hash, encode_header, header_from_json
from ledger.crypto import digest, tag
from ledger.documents import expect_kind
from ledger.encoding import Json, decode_object, encode_trusted, expect_fields, expect_string
from ledger.errors import MalformedError
from ledger.limits import NAME_BYTES_MAX, PINNED_CHECKPOINT_BYTES_MAX
from ledger.primitives import Digest
from ledger.trail import Anchor
from ledger.validators import ValidatorSet, parse_validator_set

CHECKPOINT_KIND = "quorum-ledger/checkpoint"
VERSION = 1

_TAG = tag("checkpoint")
_FIELDS = frozenset({"kind", "version", "network", "header", "validators"})


@dataclass(frozen=True, slots=True)
class PinnedCheckpoint:
    """A well-formed checkpoint file; whether to trust it is its holder's to know.

    `document` is the file, `digest` what people compare, `validators` the set that signs from the next height on.
    """

    document: bytes
    digest: Digest
    network: str
    header: Header
    block_hash: Digest
    validators: ValidatorSet


def build_pinned_checkpoint(*, network: str, header: Header, validators: ValidatorSet) -> PinnedCheckpoint:
    """The checkpoint of a block whose header was verified, and of the set that its header puts in force.

    Raises `MalformedError` for what is none.
    """
    document: dict[str, Json] = {
        "kind": CHECKPOINT_KIND,
        "version": VERSION,
        "network": network,
        "header": header.to_json(),
        "validators": validators.to_json(),
    }
    return parse_pinned_checkpoint(encode_trusted(document))


def parse_pinned_checkpoint(document: bytes) -> PinnedCheckpoint:
    """The checkpoint in a file. Raises `MalformedError`."""
    value = decode_object(document, bytes_max=PINNED_CHECKPOINT_BYTES_MAX, what="checkpoint")
    fields = expect_fields(expect_kind(value, CHECKPOINT_KIND, VERSION), what="checkpoint", required=_FIELDS)
    network = expect_string(fields["network"], what="network", bytes_max=NAME_BYTES_MAX)
    if not network or not (network.isascii() and network.isprintable()):
        raise MalformedError("network must be a printable ASCII name")
    header = header_from_json(fields["header"])
    if header.height == 0:
        raise MalformedError("a checkpoint is of a certified block; height 0 is genesis, which is pinned by itself")
    validators = parse_validator_set(fields["validators"])
    if validators.hash != header.next_validators_hash:
        raise MalformedError("the checkpoint's validators are not the set that its header puts in force")
    return PinnedCheckpoint(
        document=document,
        digest=digest(_TAG, document),
        network=network,
        header=header,
        block_hash=block_hash(encode_header(header)),
        validators=validators,
    )


def anchor_of_checkpoint(checkpoint: PinnedCheckpoint) -> Anchor:
    """The anchor that a pinned checkpoint gives: trust starts after its block, and in what its header commits to."""
    header = checkpoint.header
    return Anchor(header.chain, header.epoch, header.height, checkpoint.validators, header)
