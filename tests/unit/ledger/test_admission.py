"""Who may be in a block: a table of every refusal, thresholds, cosigners, and the rules of one block together."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.admission import BlockAdmission, check_authority, check_signatures
from ledger.crypto import verify
from ledger.limits import ENVELOPE_BYTES_MAX
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.primitives import Digest, PublicKey, Signature
from ledger.refusals import TABLE, Code, Kind, Refusal
from ledger.state import State
from ledger.transaction import KeySignature, Transaction, assemble, parse_transaction, sign_body
from tests.unit.ledger.members import (
    PARENT_TIME_MS,
    VALID_UNTIL_MS,
    Rows,
    body,
    context,
    key_of,
    note,
    rows,
    signed,
    state,
)

WINDOW_MS = 600_000


def code_of(refusal: Refusal | None) -> Code | None:
    return None if refusal is None else refusal.code


def by(sender: str, *signers: str, cosigners: tuple[str, ...] = ()) -> Transaction:
    return signed(body(sender, (note(sender),), cosigners=cosigners), *signers)


CASES: list[tuple[str, Transaction, Code | None]] = [
    ("one key of one", by("acme", "acme"), None),
    ("no account", by("nobody", "acme"), Code.SENDER_UNKNOWN),
    ("a cosigner that is no account", by("acme", "acme", cosigners=("nobody",)), Code.COSIGNER_UNKNOWN),
    ("a suspended sender", by("closed", "closed"), Code.ACCOUNT_SUSPENDED),
    ("a suspended cosigner", by("acme", "acme", "closed", cosigners=("closed",)), Code.ACCOUNT_SUSPENDED),
    ("another's key", by("acme", "globex"), Code.SIGNATURE_SURPLUS),
    ("another's key besides", by("acme", "acme", "globex"), Code.SIGNATURE_SURPLUS),
    ("a key of nobody", by("acme", "acme", "stranger"), Code.SIGNATURE_SURPLUS),
    ("the account above does not sign for the one below", by("alice.acme", "acme"), Code.SIGNATURE_SURPLUS),
    ("two of three", by("board", "b1", "b3"), None),
    ("three of three, two needed", by("board", "b1", "b2", "b3"), None),
    ("one of three, two needed", by("board", "b2"), Code.SIGNATURE_MISSING),
    ("two of two", by("pair", "p1", "p2"), None),
    ("one of two, two needed", by("pair", "p2"), Code.SIGNATURE_MISSING),
    ("a cosigner that signed", by("acme", "acme", "globex", cosigners=("globex",)), None),
    ("a cosigner that did not", by("acme", "acme", cosigners=("globex",)), Code.SIGNATURE_MISSING),
    ("a cosigner instead of the sender", by("acme", "globex", cosigners=("globex",)), Code.SIGNATURE_MISSING),
    ("a cosigner with half its threshold", by("acme", "acme", "p1", cosigners=("pair",)), Code.SIGNATURE_MISSING),
    (
        "a key of nobody beside a cosigner's",
        by("acme", "acme", "globex", "stranger", cosigners=("globex",)),
        Code.SIGNATURE_SURPLUS,
    ),
    (
        "cosigners with their thresholds",
        by("acme", "acme", "b1", "b2", "p1", "p2", cosigners=("board", "pair")),
        None,
    ),
    ("another chain", signed(body(chain=Digest(bytes(32))), "acme"), Code.CHAIN_WRONG),
]


@pytest.mark.parametrize(("transaction", "code"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_authority(transaction: Transaction, code: Code | None) -> None:
    refusal = check_authority(transaction, state(), context())
    assert code_of(refusal) is code
    if refusal is not None:
        assert TABLE[refusal.code].kind is Kind.INADMISSIBLE


@pytest.mark.parametrize(
    ("valid_until_ms", "code"),
    [
        (0, Code.EXPIRED),
        (PARENT_TIME_MS - 1, Code.EXPIRED),
        (PARENT_TIME_MS, Code.EXPIRED),
        (PARENT_TIME_MS + 1, None),
        (PARENT_TIME_MS + WINDOW_MS, None),
        (PARENT_TIME_MS + WINDOW_MS + 1, Code.VALID_UNTIL_TOO_FAR),
    ],
)
def test_a_transaction_is_includable_within_its_window(valid_until_ms: int, code: Code | None) -> None:
    transaction = signed(body(valid_until_ms=valid_until_ms), "acme")
    refusal = check_authority(transaction, state(), context(valid_window_ms=WINDOW_MS))
    assert code_of(refusal) is code


def test_a_key_of_two_accounts_counts_for_each() -> None:
    view = rows()
    view.rows[b"account/globex"] = view.rows[b"account/globex"].replace(
        key_of("globex").public_key.hex().encode(), key_of("acme").public_key.hex().encode()
    )
    transaction = by("acme", "acme", cosigners=("globex",))
    assert check_authority(transaction, State(view), context()) is None
    assert code_of(check_authority(transaction, state(), context())) is Code.SIGNATURE_MISSING


def test_only_the_accounts_named_are_read() -> None:
    view = rows()
    check_authority(by("acme", "acme", "globex", cosigners=("globex",)), State(view), context())
    assert view.reads == [b"account/acme", b"account/globex"]


def test_signatures_are_verified_over_the_signed_bytes() -> None:
    good = signed(body("board", (note("board"),)), "b1", "b2")
    assert check_signatures(good, verify) is None
    for index in range(2):
        items = list(good.signatures)
        items[index] = KeySignature(items[index].key, Signature(bytes(64)))
        forged = parse_transaction(assemble(body("board", (note("board"),)), items))
        assert isinstance(forged, Transaction)
        refusal = check_signatures(forged, verify)
        assert code_of(refusal) is Code.SIGNATURE_INVALID
        assert refusal is not None
        assert items[index].key.hex() in refusal.detail


def test_a_signature_over_another_body_does_not_verify() -> None:
    other = sign_body(body(nonce=2), key_of("acme"))
    transaction = parse_transaction(assemble(body(nonce=1), [other]))
    assert isinstance(transaction, Transaction)
    assert code_of(check_signatures(transaction, verify)) is Code.SIGNATURE_INVALID


def test_the_first_signature_that_fails_ends_the_work() -> None:
    asked: list[PublicKey] = []

    def refuse(key: PublicKey, _message: bytes, _signature: Signature) -> bool:
        asked.append(key)
        return False

    assert check_signatures(signed(body("board", (note("board"),)), "b1", "b2", "b3"), refuse) is not None
    assert len(asked) == 1


# ---- the transactions of one block together


def admission(view: Rows | None = None, *committed: Digest, **parameters: int) -> BlockAdmission:
    used = frozenset(committed)
    return BlockAdmission(State(view or rows()), context(**parameters), lambda id: id in used)


def numbered(count: int, sender: str = "acme") -> list[Transaction]:
    return [signed(body(sender, (note(sender),), nonce=nonce), sender) for nonce in range(count)]


def test_a_block_takes_what_is_admissible() -> None:
    block = admission()
    assert [block.admit(item) for item in [*numbered(3), *numbered(3, "globex")]] == [None] * 6


def test_an_id_is_used_once() -> None:
    first, second = numbered(2)
    block = admission(None, first.id)
    assert code_of(block.admit(first)) is Code.ALREADY_COMMITTED
    assert block.admit(second) is None
    assert code_of(block.admit(second)) is Code.ALREADY_COMMITTED


def test_other_signatures_do_not_make_another_transaction() -> None:
    one = signed(body("board", (note("board"),)), "b1", "b2")
    other = signed(body("board", (note("board"),)), "b2", "b3")
    block = admission()
    assert block.admit(one) is None
    assert code_of(block.admit(other)) is Code.ALREADY_COMMITTED


def test_a_sender_has_a_quota() -> None:
    block = admission(sender_quota=2)
    codes = [code_of(block.admit(item)) for item in numbered(3)]
    assert codes == [None, None, Code.QUOTA_EXCEEDED]
    assert block.admit(numbered(1, "globex")[0]) is None


def test_a_block_has_a_number_of_transactions() -> None:
    block = admission(block_transactions_max=2)
    codes = [code_of(block.admit(item)) for item in numbered(3)]
    assert codes == [None, None, Code.BLOCK_FULL]


def test_a_block_has_a_number_of_bytes() -> None:
    def large(nonce: int) -> Transaction:
        return signed(body(operations=[RecordAppend("acme", "invoices", Content("x" * 30_000))], nonce=nonce), "acme")

    block = admission(block_bytes_max=ENVELOPE_BYTES_MAX)
    assert [code_of(block.admit(large(nonce))) for nonce in range(3)] == [None, None, Code.BLOCK_FULL]
    assert block.admit(numbered(1)[0]) is None, "a smaller one still fits"


def test_what_is_refused_takes_no_room() -> None:
    block = admission(sender_quota=1, block_transactions_max=1)
    for item in (by("acme", "globex"), by("nobody", "acme"), signed(body(valid_until_ms=1), "acme")):
        assert block.admit(item) is not None
    assert block.admit(numbered(1)[0]) is None


def test_expiry_moves_with_ledger_time() -> None:
    transaction = signed(body(), "acme")
    later = replace(context(), parent_time_ms=VALID_UNTIL_MS)
    assert check_authority(transaction, state(), context()) is None
    assert code_of(check_authority(transaction, state(), later)) is Code.EXPIRED
    assert code_of(check_authority(transaction, state(), replace(later, parent_time_ms=VALID_UNTIL_MS - 1))) is None
