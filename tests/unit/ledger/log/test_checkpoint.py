"""Checkpoints: their text, what a validator signs of it, and that no signature can be taken for another."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.crypto import verify
from ledger.errors import MalformedError, VerificationError
from ledger.log.checkpoint import Checkpoint, cosign, cosigner_key, log_key, log_origin, parse_checkpoint, sign
from ledger.log.signed_note import SignatureLine, check_line, cosigned_bytes, decode_base64
from ledger.primitives import Digest, Signature
from tests.unit.ledger.founders import founder, genesis_of, rekeyed
from tests.unit.ledger.log.sample_log import TIME_S, sample_log

LOG = sample_log(7)
KEY = founder(1).cosigning_key
COSIGNER = cosigner_key(LOG.origin, founder(1).card.validator)


def test_the_origin_names_network_and_genesis() -> None:
    genesis = genesis_of(4)
    assert log_origin(genesis) == f"quorum-ledger/{genesis.network}/{genesis.chain.hex()}"
    assert log_origin(replace(genesis, network="Acme + Sons/1")).startswith("quorum-ledger/Acme%20%2B%20Sons%2F1/")


def test_a_checkpoint_is_three_lines() -> None:
    checkpoint = LOG.checkpoint()
    origin, size, root, rest = checkpoint.text.split("\n")
    assert (origin, size, rest) == (LOG.origin, "7", "")
    assert decode_base64(root, what="root") == checkpoint.root
    assert parse_checkpoint(checkpoint.text) == checkpoint
    assert parse_checkpoint(LOG.checkpoint(0).text) == LOG.checkpoint(0)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace("\n7\n", "\n07\n"),
        lambda text: text.replace("\n7\n", "\n-7\n"),
        lambda text: text.replace("\n7\n", "\n7 \n"),
        lambda text: text.replace("\n7\n", f"\n{2**53}\n"),
        lambda text: text.replace("\n7\n", "\n٧\n"),
        lambda text: text + "an extension line\n",
        lambda text: text.removesuffix("\n"),
        lambda text: "\n" + text.partition("\n")[2],
        lambda text: text.replace("=\n", "\n"),
        lambda text: text[:-10] + "\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(damage: object) -> None:
    assert callable(damage)
    with pytest.raises(MalformedError):
        parse_checkpoint(damage(LOG.checkpoint().text))


def test_a_cosignature_states_its_time() -> None:
    line = cosign(KEY, COSIGNER, LOG.checkpoint(), TIME_S)
    assert check_line(COSIGNER, LOG.checkpoint().text, line) == TIME_S
    assert line.name == f"{LOG.origin}/v1"
    message = f"cosignature/v1\ntime {TIME_S}\n{LOG.checkpoint().text}".encode()
    assert verify(KEY.public_key, message, Signature(line.signature[8:]))


@pytest.mark.parametrize(
    "other",
    [
        replace(LOG.checkpoint(), size=8),
        replace(LOG.checkpoint(), root=Digest(bytes(32))),
        replace(LOG.checkpoint(), origin=LOG.origin.replace("quorum", "quotum")),
    ],
)
def test_a_cosignature_is_for_one_checkpoint(other: Checkpoint) -> None:
    line = cosign(KEY, COSIGNER, LOG.checkpoint(), TIME_S)
    with pytest.raises(VerificationError):
        check_line(COSIGNER, other.text, line)


def test_every_bit_of_a_cosignature_counts() -> None:
    checkpoint = LOG.checkpoint()
    line = cosign(KEY, COSIGNER, checkpoint, TIME_S)
    for position in range(len(line.signature)):
        changed = bytearray(line.signature)
        changed[position] ^= 1
        with pytest.raises(VerificationError):
            check_line(COSIGNER, checkpoint.text, replace(line, signature=bytes(changed)))
    for wrong in (b"", line.signature[:-1], line.signature + b"\0", (2**63).to_bytes(8, "big") + line.signature[8:]):
        with pytest.raises(VerificationError):
            check_line(COSIGNER, checkpoint.text, replace(line, signature=wrong))


def test_the_two_signatures_of_a_key_cannot_stand_in_for_each_other() -> None:
    checkpoint = LOG.checkpoint()
    own, key = sign(KEY, checkpoint), log_key(LOG.origin, KEY.public_key)
    assert check_line(key, checkpoint.text, own) is None
    assert key.key_id != COSIGNER.key_id
    cosignature = cosign(KEY, COSIGNER, checkpoint, TIME_S)
    as_plain = SignatureLine(key.name, key.key_id, cosignature.signature[8:])
    with pytest.raises(VerificationError):
        check_line(key, checkpoint.text, as_plain)
    with pytest.raises(VerificationError):
        check_line(COSIGNER, checkpoint.text, replace(cosignature, signature=bytes(8) + own.signature))
    assert not cosigned_bytes(checkpoint.text, TIME_S).startswith(checkpoint.text.encode())


def test_a_new_key_of_a_validator_is_another_cosigner_with_its_name() -> None:
    new = cosigner_key(LOG.origin, rekeyed(1, 5))
    assert (new.name, new.key_id == COSIGNER.key_id) == (COSIGNER.name, False)
