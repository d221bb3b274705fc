"""Evidence files across changes of the validator set: what they prove, and every way to accuse with one that fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ledger.consensus.codec import commit_record_to_json, decode_commit_record, statement_to_json
from ledger.consensus.statements import Statement
from ledger.encoding import Json, decode_object, encode
from ledger.errors import BelowAnchorError, LedgerError, MalformedError, VerificationError
from ledger.evidence import Evidence
from ledger.evidence_file import build_evidence_file, verify_evidence_file
from ledger.limits import EVIDENCE_FILE_BYTES_MAX
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.trail import Anchor, anchor_of
from ledger.validators import ValidatorSet, default_quorum
from node.http.receipts import evidence_file_of
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from tests.unit.ledger import accusing
from tests.unit.ledger.accusing import two_commits
from tests.unit.ledger.founders import founder, genesis_of, rekeyed, set_of
from tests.unit.ledger.test_evidence import HARMLESS
from tests.unit.node.storage.chains import change_set, commit, genesis, new_chain

KEY_OF_NEW_V3 = 5
SETS = {
    2: ValidatorSet((*set_of(0, 1, 2).validators, rekeyed(3, KEY_OF_NEW_V3)), default_quorum(4)),  # v3 has a new key
    4: set_of(0, 1, 2),  # and goes
}
ANCHOR = anchor_of(genesis())


@pytest.fixture(scope="module")
def chain() -> ChainStore:
    """Six blocks; `SETS` are decided by those of heights 2 and 4."""
    chain = new_chain(MemoryStore())
    for height in range(1, 7):
        if height in SETS:
            change_set(chain, SETS[height])
        else:
            commit(chain)
    return chain


def accuse(height: int, *, key: int, name: str = "v3") -> Evidence:
    return accusing.accuse(name, founder(key).consensus_key, genesis().chain, two_commits(height))


def changed(data: bytes, **fields: Any) -> bytes:
    return encode({**decode_object(data, bytes_max=EVIDENCE_FILE_BYTES_MAX), **fields})


def record(chain: ChainStore, height: int) -> Json:
    return commit_record_to_json(decode_commit_record(chain.record(height)))


IN_FORCE = [(1, 3), (2, 3), (3, KEY_OF_NEW_V3), (4, KEY_OF_NEW_V3)]
"""At which height v3 had the key of which founder."""


@pytest.mark.parametrize(("height", "key"), IN_FORCE)
def test_a_file_proves_with_the_key_in_force(chain: ChainStore, height: int, key: int) -> None:
    verified = verify_evidence_file(evidence_file_of(chain, accuse(height, key=key)), ANCHOR)
    assert verified.evidence == accuse(height, key=key)
    assert "v3" in [item.name for item in verified.validators.validators]


@pytest.mark.parametrize(
    ("height", "key"),
    [(height, key) for height in range(1, 8) for key in (3, KEY_OF_NEW_V3) if (height, key) not in IN_FORCE],
)
def test_nobody_is_accused_with_a_key_that_is_not_theirs_at_that_height(
    chain: ChainStore, height: int, key: int
) -> None:
    with pytest.raises(VerificationError, match="nobody is accused"):
        verify_evidence_file(evidence_file_of(chain, accuse(height, key=key)), ANCHOR)


def test_others_keep_their_keys_across_the_changes(chain: ChainStore) -> None:
    for height in range(1, 8):
        evidence = accuse(height, key=1, name="v1")
        assert verify_evidence_file(evidence_file_of(chain, evidence), ANCHOR).evidence.height == height


def test_a_checkpoint_is_an_anchor_as_well(chain: ChainStore) -> None:
    """From the block that decided the newest set, and from one after it: the trail is empty."""
    evidence = accuse(7, key=1, name="v1")
    for height in (4, 5, 6):
        checkpoint = Anchor(genesis().chain, 0, height, SETS[4])
        before = None if height == 6 else decode_commit_record(chain.record(6))
        data = build_evidence_file(evidence=evidence, chain=genesis().chain, trail=(), record=before)
        assert verify_evidence_file(data, checkpoint).validators == SETS[4]
    with pytest.raises(VerificationError, match="not above the anchor"):
        verify_evidence_file(data, Anchor(genesis().chain, 0, 7, SETS[4]))


def test_a_file_from_any_height_serves_every_later_checkpoint_below_the_evidence(chain: ChainStore) -> None:
    """Across the changes of the set; and none at the height of the evidence or above."""
    newest = chain.tip.header.height
    for height, key in [*IN_FORCE, (7, 1)]:
        evidence = accuse(height, key=key, name="v1" if key == 1 else "v3")
        for at in range(1, newest + 1):
            header, validators = chain.header(at), chain.validators_of(at + 1)
            anchor = anchor_of_checkpoint(build_pinned_checkpoint(network="test", header=header, validators=validators))
            for start in range(min(at, height - 1) + 1):
                data = evidence_file_of(chain, evidence, start)
                if at < height:
                    assert verify_evidence_file(data, anchor).evidence == evidence
                    continue
                with pytest.raises(BelowAnchorError):
                    verify_evidence_file(data, anchor)


def test_a_record_of_the_pinned_block_must_be_of_that_block(chain: ChainStore) -> None:
    """It says what the holder knows, and its signatures are not needed; another block in its place is noticed."""
    header, validators = chain.header(6), chain.validators_of(7)
    anchor = anchor_of_checkpoint(build_pinned_checkpoint(network="test", header=header, validators=validators))
    evidence = accuse(7, key=1, name="v1")
    data = evidence_file_of(chain, evidence)
    assert verify_evidence_file(data, anchor).evidence == evidence
    other: Any = record(chain, 6)
    other["header"]["state_root"] = "00" * 32
    for bent in (other, record(chain, 5)):
        with pytest.raises(VerificationError, match="there twice"):
            verify_evidence_file(changed(data, record=bent), anchor)


# ---- forgeries

Forge = Callable[[ChainStore, bytes], bytes]

FORGERIES: list[tuple[str, int, int, Forge, str]] = [
    (
        "the trail cut short, so that an old key seems good",
        4,
        3,
        lambda c, d: changed(d, trail=[]),
        "names another",
    ),
    (
        "the trail cut short, with a record of before the change",
        4,
        3,
        lambda c, d: changed(d, trail=[], record=record(c, 2)),
        "height 2 where height 3 is proved",
    ),
    (
        "the trail lacks the change of the block before",
        3,
        3,
        lambda c, d: changed(d, trail=[], record=record(c, 2)),
        "lacks the change of the validator set at height 2",
    ),
    ("no record", 4, KEY_OF_NEW_V3, lambda c, d: changed(d, record=None), "record of the block before is missing"),
    ("no record at all", 2, 3, lambda c, d: changed(d, record=None), "record of the block before is missing"),
    ("a record where none is needed", 1, 3, lambda c, d: changed(d, record=record(c, 1)), "there twice"),
    ("a record besides the trail", 3, KEY_OF_NEW_V3, lambda c, d: changed(d, record=record(c, 2)), "there twice"),
    ("the record of another height", 4, KEY_OF_NEW_V3, lambda c, d: changed(d, record=record(c, 1)), "height|another"),
    ("another chain", 4, KEY_OF_NEW_V3, lambda c, d: changed(d, chain="00" * 32), "another chain"),
    ("another validator", 4, KEY_OF_NEW_V3, lambda c, d: changed(d, validator="v1"), "nobody is accused"),
    (
        "another key",
        4,
        KEY_OF_NEW_V3,
        lambda c, d: changed(d, key=founder(1).consensus_key.public_key.hex()),
        "nobody is accused",
    ),
]


@pytest.mark.parametrize(
    ("height", "key", "forge", "says"), [row[1:] for row in FORGERIES], ids=[row[0] for row in FORGERIES]
)
def test_a_forged_file_proves_nothing(chain: ChainStore, height: int, key: int, forge: Forge, says: str) -> None:
    with pytest.raises(VerificationError, match=says):
        verify_evidence_file(forge(chain, evidence_file_of(chain, accuse(height, key=key))), ANCHOR)


def test_signatures_are_verified(chain: ChainStore) -> None:
    good = accuse(2, key=3)
    for forged in (
        accusing.accuse("v3", founder(3).consensus_key, genesis_of(3).chain, two_commits(2)),
        accusing.accuse("v3", founder(3).consensus_key, genesis().chain, two_commits(2), epoch=1),
    ):
        with pytest.raises(VerificationError, match="did not sign both statements"):
            verify_evidence_file(evidence_file_of(chain, forged), ANCHOR)
    data = evidence_file_of(chain, good)
    for part in ("first", "second"):
        value = {**good.to_json()[part], "signature": "00" * 64}  # type: ignore[dict-item]
        with pytest.raises(VerificationError, match="did not sign both statements"):
            verify_evidence_file(changed(data, **{part: value}), ANCHOR)
    exchanged = [
        {**good.first.to_json(), "signature": good.second.signature.hex()},
        {**good.second.to_json(), "signature": good.first.signature.hex()},
    ]
    with pytest.raises(VerificationError, match="did not sign both statements"):
        verify_evidence_file(changed(data, first=exchanged[0], second=exchanged[1]), ANCHOR)


@pytest.mark.parametrize(("one", "other"), [row[1:] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_what_an_honest_validator_signs_fills_no_file(chain: ChainStore, one: Statement, other: Statement) -> None:
    data = evidence_file_of(chain, accuse(7, key=1, name="v1"))
    first, second = (
        accusing.signed_statement(founder(1).consensus_key, statement, genesis().chain) for statement in (one, other)
    )
    parts: list[Any] = [
        {**statement_to_json(item.statement), "signature": item.signature.hex()} for item in (first, second)
    ]
    for pair in (parts, parts[::-1]):
        with pytest.raises(MalformedError, match="no evidence"):
            verify_evidence_file(changed(data, first=pair[0], second=pair[1]), ANCHOR)


def test_there_is_no_second_form_of_a_file(chain: ChainStore) -> None:
    data = evidence_file_of(chain, accuse(2, key=3))
    value = decode_object(data, bytes_max=EVIDENCE_FILE_BYTES_MAX)
    for fields, says in (
        ({"first": value["second"], "second": value["first"]}, "ascending order"),
        ({"version": True}, "this software reads version 1"),
        ({"version": 2}, "this software reads version 1"),
        ({"kind": "quorum-ledger/receipt"}, "not a quorum-ledger/evidence document"),
        ({"note": ""}, "unknown field 'note'"),
    ):
        with pytest.raises(MalformedError, match=says):
            verify_evidence_file(changed(data, **fields), ANCHOR)
    for name in value:
        without = encode({field: item for field, item in value.items() if field != name})
        with pytest.raises(MalformedError):
            verify_evidence_file(without, ANCHOR)


@pytest.mark.parametrize(("height", "key"), [(1, 3), (3, KEY_OF_NEW_V3), (4, KEY_OF_NEW_V3)])
@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_every_single_byte_is_bound(chain: ChainStore, height: int, key: int, flip: int) -> None:
    """A file without trail and record, one with a trail, one with both."""
    data = evidence_file_of(chain, accuse(height, key=key))
    verify_evidence_file(data, ANCHOR)
    for position in range(len(data)):
        bent = data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :]
        with pytest.raises(LedgerError):
            verify_evidence_file(bent, ANCHOR)
    for length in range(0, len(data), 7):
        with pytest.raises(LedgerError):
            verify_evidence_file(data[:length], ANCHOR)
    for extension in (b" ", b"\n", b"{}", b"\0"):
        with pytest.raises(MalformedError):
            verify_evidence_file(data + extension, ANCHOR)
