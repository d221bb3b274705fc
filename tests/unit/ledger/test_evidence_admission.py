"""A validator as sender: it records evidence, once, and can do nothing else. Every rule with what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from ledger.admission import BlockAdmission, check_authority, check_signatures
from ledger.chain import build_block, check_block
from ledger.consensus.statements import CommitStatement
from ledger.crypto import SigningKey, verify
from ledger.encoding import Json, encode_trusted
from ledger.errors import MalformedError
from ledger.events import EvidenceRecorded
from ledger.evidence import Evidence
from ledger.execution import APPLIED, execute
from ledger.operations.evidence import EvidenceRecord
from ledger.operations.table import OPERATIONS
from ledger.primitives import Digest, PublicKey, Signature
from ledger.refusals import TABLE, Code, Kind, Refusal
from ledger.rows.evidence import RecordedEvidence, evidence_key, parse_evidence_row
from ledger.rows.validator_keys import ValidatorKey, validator_key_key
from ledger.senders import validator_sender
from ledger.state import State
from ledger.transaction import KeySignature, Transaction, assemble, build_body, parse_transaction, sign_body
from ledger.validators import KeyPurpose
from tests.unit.ledger import accusing
from tests.unit.ledger.accusing import X, accuse, crafted, two_commits
from tests.unit.ledger.founders import founders, genesis_of
from tests.unit.ledger.members import CHAIN, HEIGHT, VALID_UNTIL_MS, Rows, body, context, key_of, note, rows
from tests.unit.ledger.sample_chain import MemoryChain

SENDER = "validator:v1"
CONSENSUS, NODE, COSIGNING = key_of("consensus"), key_of("node"), key_of("cosigning")
GOOD = accuse("v1", CONSENSUS, CHAIN)


def report(evidence: Evidence, *, reporter: str = "v1", key: SigningKey = NODE) -> Transaction:
    return accusing.report(evidence, reporter, key, chain=CHAIN, valid_until_ms=VALID_UNTIL_MS)


def judged(transaction: Transaction | Refusal, view: Rows | None = None) -> Code | None:
    """What a node answers: the form, authority, and then the signatures."""
    if isinstance(transaction, Refusal):
        return transaction.code
    refusal = check_authority(transaction, State(view or rows()), context()) or check_signatures(transaction, verify)
    return None if refusal is None else refusal.code


def test_evidence_is_admitted_and_recorded() -> None:
    transaction = report(GOOD)
    assert judged(transaction) is None
    done = execute(State(rows()), chain=CHAIN, height=HEIGHT, time_ms=1, transactions=[transaction])
    assert done.results == (APPLIED,)
    assert done.events == (EvidenceRecorded("v1", 7, GOOD.digest, 0, 0),)
    row = done.writes[b"evidence/v1/00000000000000000007"]
    assert row is not None
    assert parse_evidence_row(row) == RecordedEvidence("v1", 7, GOOD.kind, GOOD.digest, HEIGHT, transaction.id)
    assert done.writes.keys() == {evidence_key("v1", 7)}, "and nothing else"


@pytest.mark.parametrize("statements", accusing.CONTRADICTIONS)
def test_every_contradiction_is_evidence(statements: tuple[CommitStatement, CommitStatement]) -> None:
    assert judged(report(accuse("v1", CONSENSUS, CHAIN, statements))) is None


# ---- the form: one evidence.record and nothing else

EVIDENCE_BODY: dict[str, Json] = {
    "version": 1,
    "chain": CHAIN.hex(),
    "sender": SENDER,
    "nonce": GOOD.nonce.hex(),
    "valid_until": VALID_UNTIL_MS,
    "operations": [{"type": "evidence.record", "by": SENDER, "evidence": GOOD.to_json()}],
}
OPERATION: Json = EVIDENCE_BODY["operations"][0]  # type: ignore[index]
RECORD: Json = {"type": "record.append", "by": SENDER, "stream": "invoices", "content": 1}
LIMITED, MALFORMED = Code.VALIDATOR_SENDER_LIMITED, Code.TRANSACTION_MALFORMED

FORMS: list[tuple[str, dict[str, Json], Code | None]] = [
    ("the form itself", {}, None),
    ("a second operation", {"operations": [OPERATION, RECORD]}, LIMITED),
    ("the evidence second", {"operations": [RECORD, OPERATION]}, LIMITED),
    ("the evidence twice", {"operations": [OPERATION, OPERATION]}, LIMITED),
    ("no evidence", {"operations": [RECORD]}, LIMITED),
    ("a cosigner", {"cosigners": ["acme"]}, LIMITED),
    ("a cosigner that acts", {"cosigners": ["acme"], "operations": [{**RECORD, "by": "acme"}]}, LIMITED),  # type: ignore[dict-item]
    ("a validator as cosigner", {"cosigners": [SENDER]}, MALFORMED),
    ("a memo", {"memo": "he did it"}, LIMITED),
    ("another nonce", {"nonce": "00" * 16}, LIMITED),
    ("by another validator", {"operations": [{**OPERATION, "by": "validator:v2"}]}, MALFORMED),  # type: ignore[dict-item]
    ("by an account", {"operations": [{**OPERATION, "by": "acme"}]}, MALFORMED),  # type: ignore[dict-item]
    ("no name", {"sender": "validator:"}, MALFORMED),
    ("two colons", {"sender": "validator:v1:v1"}, MALFORMED),
    ("another prefix", {"sender": "account:acme"}, MALFORMED),
    ("upper case", {"sender": "Validator:v1"}, MALFORMED),
    ("a name with a dot", {"sender": "validator:v1.acme"}, MALFORMED),
    ("a name that is too long", {"sender": "validator:" + "a" * 65}, MALFORMED),
]


@pytest.mark.parametrize(("changes", "code"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS])
def test_the_form_of_a_validators_transaction(changes: dict[str, Json], code: Code | None) -> None:
    transaction = crafted({**EVIDENCE_BODY, **changes}, NODE)
    assert judged(transaction) == code
    if isinstance(transaction, Refusal):
        assert TABLE[transaction.code].kind is Kind.MALFORMED


@pytest.mark.parametrize("type_name", OPERATIONS)
def test_no_other_operation_of_the_table_is_open_to_a_validator(type_name: str) -> None:
    operation = {**OPERATIONS[type_name].example, "by": SENDER}
    assert judged(crafted({**EVIDENCE_BODY, "operations": [operation]}, NODE)) is LIMITED  # evidence: by its nonce


@pytest.mark.parametrize("by", ["acme", SENDER])
@pytest.mark.parametrize("cosigners", [{}, {"cosigners": ["globex"]}])
def test_no_account_records_evidence(by: str, cosigners: dict[str, Json]) -> None:
    operation = {**OPERATION, "by": by}  # type: ignore[dict-item]
    refusal = crafted({**EVIDENCE_BODY, "sender": "acme", "operations": [operation], **cosigners}, key_of("acme"))
    assert judged(refusal) is MALFORMED


def test_an_operation_of_an_account_is_not_even_made() -> None:
    with pytest.raises(MalformedError, match="no account may record evidence"):
        EvidenceRecord("acme", GOOD)
    with pytest.raises(MalformedError, match="takes its nonce"):
        build_body(
            chain=CHAIN,
            sender=SENDER,
            nonce=bytes(16),
            valid_until_ms=VALID_UNTIL_MS,
            operations=[EvidenceRecord(SENDER, GOOD)],
        )


# ---- who sends it


def signed_by(*keys: SigningKey) -> Transaction | Refusal:
    return crafted(EVIDENCE_BODY, *keys)


SIGNERS: list[tuple[str, Transaction | Refusal, Code | None]] = [
    ("the node key", signed_by(NODE), None),
    ("the consensus key", signed_by(CONSENSUS), Code.SIGNATURE_SURPLUS),
    ("the cosigning key", signed_by(COSIGNING), Code.SIGNATURE_SURPLUS),
    ("its operator's key", signed_by(key_of("org")), Code.SIGNATURE_SURPLUS),
    ("an administrator's key", signed_by(key_of("acme")), Code.SIGNATURE_SURPLUS),
    ("the node key and another", signed_by(NODE, CONSENSUS), Code.SIGNATURE_SURPLUS),
    ("nobody", signed_by(), MALFORMED),
    ("a validator that is none", report(GOOD, reporter="v2"), Code.SENDER_UNKNOWN),
    ("an account called like the validator", report(GOOD, reporter="acme", key=key_of("acme")), Code.SENDER_UNKNOWN),
]


@pytest.mark.parametrize(("transaction", "code"), [row[1:] for row in SIGNERS], ids=[row[0] for row in SIGNERS])
def test_who_may_send_it(transaction: Transaction | Refusal, code: Code | None) -> None:
    assert judged(transaction) is code


def test_a_node_key_signs_for_no_account() -> None:
    data = body("org", (note("org"),))
    assert judged(parse_transaction(assemble(data, [sign_body(data, NODE)]))) is Code.SIGNATURE_SURPLUS


def test_a_broken_signature_of_the_reporter() -> None:
    good = report(GOOD)
    broken = KeySignature(NODE.public_key, Signature(bytes(64)))
    assert judged(parse_transaction(good.envelope)) is None
    data = build_body(
        chain=CHAIN,
        sender=SENDER,
        nonce=GOOD.nonce,
        valid_until_ms=VALID_UNTIL_MS,
        operations=[EvidenceRecord(SENDER, GOOD)],
    )
    assert judged(parse_transaction(assemble(data, [broken]))) is Code.SIGNATURE_INVALID


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"chain": "00" * 32}, Code.CHAIN_WRONG), ({"valid_until": 1}, Code.EXPIRED)],
)
def test_what_holds_for_every_transaction_holds_for_it(changes: dict[str, Json], code: Code) -> None:
    assert judged(crafted({**EVIDENCE_BODY, **changes}, NODE)) is code


# ---- what it accuses of


def with_key(key: PublicKey, owner: ValidatorKey) -> Rows:
    view = rows()
    view.rows[validator_key_key(key)] = encode_trusted(owner.to_json())
    return view


def retired(until: int) -> Rows:
    return with_key(CONSENSUS.public_key, ValidatorKey("v1", KeyPurpose.CONSENSUS, 1, until))


def joined(since: int) -> Rows:
    return with_key(CONSENSUS.public_key, ValidatorKey("v1", KeyPurpose.CONSENSUS, since))


def removed(name: str) -> Rows:
    """A validator that is not in the set any more, whose key was in force up to the height after that of the votes."""
    return with_key(CONSENSUS.public_key, ValidatorKey(name, KeyPurpose.CONSENSUS, 1, 8))


WRONG = Code.EVIDENCE_KEY_WRONG

ACCUSATIONS: list[tuple[str, Evidence, Rows | None, Code | None]] = [
    ("about the height being decided", accuse("v1", CONSENSUS, CHAIN, two_commits(HEIGHT)), None, None),
    ("about the next", accuse("v1", CONSENSUS, CHAIN, two_commits(HEIGHT + 1)), None, Code.EVIDENCE_HEIGHT_AHEAD),
    ("about the first", accuse("v1", CONSENSUS, CHAIN, two_commits(1)), None, None),
    ("another validator's name", accuse("v2", CONSENSUS, CHAIN), None, WRONG),
    ("a stranger's key", accuse("v1", key_of("stranger"), CHAIN), None, WRONG),
    ("an account's key", accuse("v1", key_of("acme"), CHAIN), None, WRONG),
    ("the node key", accuse("v1", NODE, CHAIN), None, WRONG),
    ("the cosigning key", accuse("v1", COSIGNING, CHAIN), None, WRONG),
    ("a key retired before", GOOD, retired(6), WRONG),
    ("a key retired with that height", GOOD, retired(7), None),
    ("a key that came after", GOOD, joined(8), WRONG),
    ("a key that came with that height", GOOD, joined(7), None),
    ("a key of one who left", GOOD, with_key(CONSENSUS.public_key, ValidatorKey("v9", KeyPurpose.CONSENSUS, 1)), WRONG),
    ("one who was removed since", accuse("v9", CONSENSUS, CHAIN), removed("v9"), None),
    ("of another chain", accuse("v1", CONSENSUS, Digest(bytes(32))), None, Code.EVIDENCE_UNPROVEN),
    ("of another epoch", accuse("v1", CONSENSUS, CHAIN, epoch=1), None, Code.EVIDENCE_UNPROVEN),
    ("signed by another", replace(accuse("v1", NODE, CHAIN), key=CONSENSUS.public_key), None, Code.EVIDENCE_UNPROVEN),
    (
        "one signature broken",
        replace(GOOD, second=replace(GOOD.second, signature=Signature(bytes(64)))),
        None,
        Code.EVIDENCE_UNPROVEN,
    ),
]


@pytest.mark.parametrize(
    ("evidence", "view", "code"), [row[1:] for row in ACCUSATIONS], ids=[row[0] for row in ACCUSATIONS]
)
def test_what_may_be_accused(evidence: Evidence, view: Rows | None, code: Code | None) -> None:
    transaction = report(evidence)
    assert judged(transaction, view) is code
    if code is not None:
        assert TABLE[code].kind is Kind.INADMISSIBLE


def test_no_unregistered_key_reaches_the_verifier() -> None:
    """The verifier relies on the check of a key's point, which is made when a key is registered. [safety]"""
    transaction = report(accuse("v1", key_of("stranger"), CHAIN))
    asked: list[PublicKey] = []

    def note_key(key: PublicKey, message: bytes, signature: Signature) -> bool:
        asked.append(key)
        return verify(key, message, signature)

    assert check_authority(transaction, State(rows()), context()) is not None
    assert check_signatures(report(GOOD), note_key) is None
    assert asked == [NODE.public_key, CONSENSUS.public_key, CONSENSUS.public_key]


# ---- once


def test_recorded_evidence_is_inadmissible_again_in_every_form() -> None:
    first = report(GOOD)
    view = rows().after(execute(State(rows()), chain=CHAIN, height=HEIGHT, time_ms=1, transactions=[first]).writes)
    others = [
        first,
        accusing.report(GOOD, "v1", NODE, chain=CHAIN, valid_until_ms=VALID_UNTIL_MS - 1),
        report(accuse("v1", CONSENSUS, CHAIN, two_commits(7, round=3))),  # another contradiction at that height
        report(accuse("v1", CONSENSUS, CHAIN, (CommitStatement(7, 0, X), CommitStatement(7, 0, Digest(bytes(32)))))),
    ]
    assert [judged(item, view) for item in others] == [Code.EVIDENCE_RECORDED] * len(others)
    assert judged(report(accuse("v1", CONSENSUS, CHAIN, two_commits(8))), view) is None


def test_a_block_has_one_accusation_of_a_validator_at_a_height() -> None:
    block = BlockAdmission(State(rows()), context(), lambda _: False)
    again = accusing.report(GOOD, "v1", NODE, chain=CHAIN, valid_until_ms=VALID_UNTIL_MS - 1)
    elsewhere = report(accuse("v1", CONSENSUS, CHAIN, two_commits(8)))
    codes = [refusal and refusal.code for refusal in map(block.admit, [report(GOOD), again, elsewhere])]
    assert codes == [None, Code.EVIDENCE_RECORDED, None]


def test_the_quota_holds_for_a_validator_too() -> None:
    block = BlockAdmission(State(rows()), context(sender_quota=2), lambda _: False)
    items = [report(accuse("v1", CONSENSUS, CHAIN, two_commits(height))) for height in (3, 4, 5)]
    assert [refusal and refusal.code for refusal in map(block.admit, items)] == [None, None, Code.QUOTA_EXCEEDED]


# ---- on a chain of four: two that report at once, and blocks that would break the rules


def network() -> tuple[MemoryChain, Evidence, Callable[[int], Transaction]]:
    """A chain with two blocks, evidence that v3 signed twice at height 2, and how each validator reports it."""
    chain = MemoryChain(genesis_of(4))
    chain.append()
    chain.append()
    evidence = accuse("v3", founders(4)[3].consensus_key, chain.genesis.chain, two_commits(2))

    def by(index: int) -> Transaction:
        return accusing.report(
            evidence,
            f"v{index}",
            founders(4)[index].node_key,
            chain=chain.genesis.chain,
            valid_until_ms=chain.tip.header.time_ms + 60_000,
        )

    return chain, evidence, by


def test_two_validators_report_at_once_and_it_is_recorded_once() -> None:
    chain, evidence, by = network()
    built = build_block(chain.tip, chain, round=0, proposer="v3", time_ms=2**41, transactions=[by(0), by(1), by(2)])
    assert [item.body.sender for item in built.block.transactions] == ["validator:v0"]
    assert [refusal.code for _, refusal in built.refused] == [Code.EVIDENCE_RECORDED] * 2
    block = chain.append(by(0))
    assert block.results == (APPLIED,)
    recorded = State(chain).evidence("v3", 2)
    assert recorded is not None
    assert (recorded.digest, recorded.recorded_height) == (evidence.digest, 3)
    assert judged_on(chain, by(1)) is Code.EVIDENCE_RECORDED


def judged_on(chain: MemoryChain, transaction: Transaction) -> Code | None:
    refused = build_block(chain.tip, chain, round=0, proposer="v0", time_ms=2**41, transactions=[transaction]).refused
    return refused[0][1].code if refused else None


def test_a_block_with_evidence_twice_is_invalid_for_everybody() -> None:
    chain, _, by = network()
    proposer = "v3"
    honest = build_block(chain.tip, chain, round=0, proposer=proposer, time_ms=2**41, transactions=[by(0)]).block
    assert not isinstance(check_block(chain.tip, chain, honest.header_bytes, [by(0)]), str)
    reason = check_block(chain.tip, chain, honest.header_bytes, [by(0), by(1)])
    assert isinstance(reason, str)
    assert "transaction 1 may not be in it: evidence_recorded" in reason
    chain.append(by(0))
    later = build_block(chain.tip, chain, round=0, proposer="v0", time_ms=2**41, transactions=[]).block
    reason = check_block(chain.tip, chain, later.header_bytes, [by(2)])
    assert isinstance(reason, str)
    assert "transaction 0 may not be in it: evidence_recorded" in reason


def test_the_accused_may_report_itself_and_senders_are_told_apart() -> None:
    chain, _, by = network()
    assert judged_on(chain, by(3)) is None
    assert validator_sender("v3") == by(3).body.sender


def test_another_validators_node_key_does_not_report_for_it() -> None:
    chain, evidence, _ = network()
    other = founders(4)[1].node_key
    transaction = accusing.report(
        evidence, "v0", other, chain=chain.genesis.chain, valid_until_ms=chain.tip.header.time_ms + 60_000
    )
    assert judged_on(chain, transaction) is Code.SIGNATURE_SURPLUS
