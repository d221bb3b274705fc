"""Proof files: every one that is built verifies, and no byte of one can be changed unnoticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger.block import parse_leaf
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.limits import LOG_PROOF_BYTES_MAX
from ledger.log.proof import parse_log_proof, verify_log_proof
from ledger.log.signed_note import encode_base64
from ledger.merkle import check_consistency
from ledger.primitives import Digest
from tests.unit.ledger.log.sample_log import numbered_leaf, sample_log

LOG = sample_log(70)


@pytest.mark.parametrize(("index", "size"), [(0, 1), (0, 2), (1, 2), (6, 7), (0, 70), (31, 70), (69, 70), (5, 64)])
def test_an_entry_is_proved(index: int, size: int) -> None:
    data = LOG.proof(index, size=size)
    proved = verify_log_proof(data, policy=LOG.policy)
    assert (proved.index, proved.leaf) == (index, parse_leaf(numbered_leaf(index)))
    assert proved.cosigned.checkpoint.size == size
    assert len(proved.cosigned.witnesses) == 3
    assert verify_log_proof(data, policy=LOG.policy, entry=numbered_leaf(index)) == proved
    assert parse_log_proof(data).encode() == data


def test_the_entry_may_come_from_elsewhere() -> None:
    bare = replace(parse_log_proof(LOG.proof(7)), extra=None).encode()
    assert b"\nextra" not in bare
    assert verify_log_proof(bare, policy=LOG.policy, entry=numbered_leaf(7)).index == 7
    with pytest.raises(VerificationError, match="must be given"):
        verify_log_proof(bare, policy=LOG.policy)
    with pytest.raises(VerificationError, match="path"):
        verify_log_proof(LOG.proof(7), policy=LOG.policy, entry=numbered_leaf(8))


def test_no_byte_can_be_changed_unnoticed() -> None:
    """Of a proof with four cosignatures, one more than needed: a line that is spoilt so that it names no known key
    any more may be lost, like any surplus."""
    data = LOG.proof(11, LOG.note(range(4)))
    proved = verify_log_proof(data, policy=LOG.policy)
    surplus = data.index(f"— {LOG.origin}/v0 ".encode())
    for position in range(len(data)):
        for bit in (0x01, 0x20, 0x80):
            changed = bytearray(data)
            changed[position] ^= bit
            try:
                outcome = verify_log_proof(bytes(changed), policy=LOG.policy)
            except LedgerError:
                continue
            assert position >= surplus, f"byte {position} does not matter"
            assert (outcome.index, outcome.leaf) == (proved.index, proved.leaf)
            assert outcome.cosigned.checkpoint == proved.cosigned.checkpoint
            assert len(outcome.cosigned.witnesses) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: replace(proof, index=proof.index + 1),
        lambda proof: replace(proof, index=proof.index + 70),
        lambda proof: replace(proof, path=proof.path[:-1]),
        lambda proof: replace(proof, path=proof.path[1:]),
        lambda proof: replace(proof, path=(*proof.path, Digest(bytes(32)))),
        lambda proof: replace(proof, path=proof.path[::-1]),
        lambda proof: replace(proof, extra=numbered_leaf(12)),
        lambda proof: replace(proof, note=LOG.note(size=69)),
    ],
)
def test_a_proof_of_something_else_is_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(VerificationError, match="path does not lead"):
        verify_log_proof(change(parse_log_proof(LOG.proof(11))).encode(), policy=LOG.policy)


HASH = encode_base64(bytes(32))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda text: text.replace("@v1", "@v2"), "begins with"),
        (lambda text: "\n" + text, "begins with"),
        (lambda text: text.partition("\n\n")[0], "begins with"),
        (lambda text: text.replace("index 3\n", ""), "index"),
        (lambda text: text.replace("index 3\n", "index 03\n"), "index"),
        (lambda text: text.replace("index 3\n", "index  3\n"), "index"),
        (lambda text: text.replace("index 3\n", f"index {2**53}\n"), "index"),
        (lambda text: text.replace("index 3\n", "3\n"), "index"),
        (lambda text: text.replace("index 3\n", "index 3\nindex 3\n"), "base 64"),
        (lambda text: text.replace("extra ", "extra  "), "base 64"),
        (lambda text: text.replace("index 3\n", f"index 3\n{HASH}\n" + f"{HASH}\n" * 64), "path"),
        (lambda text: text.replace("index 3\n", "index 3\nAAAA\n"), "32 bytes"),
        (lambda text: text + "\x00", "control"),
        (lambda text: text + " " * LOG_PROOF_BYTES_MAX, "bytes"),
    ],
)
def test_what_is_no_proof_file_is_refused_with_its_reason(damage: object, why: str) -> None:
    assert callable(damage)
    with pytest.raises(MalformedError, match=why):
        parse_log_proof(damage(LOG.proof(3).decode()).encode())


def test_a_truncated_log_is_not_consistent() -> None:
    """Who cut the log and went on differently cannot show that the new one begins with the old."""
    other = sample_log(70)
    old, new = LOG.checkpoint(40), LOG.checkpoint()
    path = list(LOG.consistency(40))
    assert check_consistency(40, 70, old.root, new.root, path)
    cut = other.checkpoint(39)
    assert not check_consistency(40, 70, cut.root, new.root, path)
    assert not check_consistency(70, 40, new.root, old.root, path)
    assert not check_consistency(40, 70, new.root, new.root, path)
