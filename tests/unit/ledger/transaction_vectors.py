"""Golden vectors of transactions in all their forms, of what is no transaction, and of state rows."""

from __future__ import annotations

from dataclasses import replace

from ledger.amounts import Amount
from ledger.consensus.evidence import EvidenceKind
from ledger.encoding import Json
from ledger.governance.changes import (
    GrantRole,
    ParameterSet,
    QuorumSet,
    RecoverAccount,
    ReinstateAccount,
    RevokeRole,
    SuspendAccount,
    ValidatorAdd,
    ValidatorRekey,
    ValidatorRemove,
)
from ledger.governance.readiness import ready_bytes
from ledger.limits import AMOUNT_MAX
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.assets import (
    AssetBurn,
    AssetDefine,
    AssetFreezeHolder,
    AssetIssue,
    AssetTransfer,
    AssetUnfreezeHolder,
)
from ledger.operations.evidence import EvidenceRecord
from ledger.operations.fields import Content
from ledger.operations.governance import ProposalCreate, ProposalVote, ProposalWithdraw
from ledger.operations.kinds import Operation
from ledger.operations.members import AccountReinstate, AccountSuspend, RoleGrant, RoleRevoke
from ledger.operations.streams import RecordAppend, StreamCreate, StreamFreeze, StreamWriters
from ledger.operations.table import operation_to_json
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.rows.accounts import ADMINISTRATORS_KEY, Administrators, account_key
from ledger.rows.assets import Asset, Balance, asset_key, balance_key
from ledger.rows.evidence import RecordedEvidence, evidence_key
from ledger.rows.governance import (
    GOVERNANCE_KEY,
    Candidate,
    Governance,
    OpenProposal,
    PendingProposal,
    Proposal,
    ProposalState,
    candidate_key,
    proposal_key,
)
from ledger.rows.settings import LEADERS_KEY, PARAMETERS_KEY, VALIDATORS_KEY, Leaders
from ledger.rows.streams import LatestRecord, Stream, latest_key, stream_key
from ledger.rows.validator_keys import ValidatorKey, validator_key_key
from ledger.state import Overlay, Row, State
from ledger.transaction import assemble, parse_transaction, sign_body, transaction_id
from ledger.validators import KeyPurpose, parse_quorum
from tests.unit.ledger.accusing import accuse
from tests.unit.ledger.council import digest_of, ready, validator
from tests.unit.ledger.members import CHAIN, MEMBERS, body, key_of, note, rows, signed, validator_set

DIGEST = Digest(bytes(range(32)))

OPERATIONS: tuple[Operation, ...] = (
    AccountAdd("acme", "bob.acme", (key_of("b").public_key, key_of("a").public_key), 2, ("administrator", "operator")),
    AccountSuspend("acme", "globex"),
    AccountReinstate("acme", "globex"),
    RoleGrant("acme", "globex", "treasurer"),
    RoleRevoke("acme", "globex", "treasurer"),
    ProposalCreate(
        "acme",
        (
            ValidatorAdd("v2", validator(2).digest),
            ValidatorRekey("v1", DIGEST),
            ValidatorRemove("v3"),
            QuorumSet(parse_quorum(3)),
            QuorumSet(parse_quorum("bft")),
            ParameterSet("sender_quota", 200),
        ),
        1_800_000_000_000,
        100,
        (DIGEST,),
        "why: é",
    ),
    ProposalCreate(
        "acme",
        (
            GrantRole("globex", "operator"),
            RevokeRole("globex", "operator"),
            SuspendAccount("org"),
            ReinstateAccount("org"),
            RecoverAccount("org", (key_of("new").public_key,), 1),
        ),
        1_800_000_000_000,
        1,
    ),
    ProposalVote("acme", 7, DIGEST, True),
    ProposalVote("acme", 7, DIGEST, False),
    ProposalWithdraw("acme", 7),
    ready(2, height=8, by="acme"),
    AccountKeys("acme", (key_of("new").public_key,), 1),
    StreamCreate("acme", "news"),
    StreamCreate("acme", "letters", ("acme", "bob.acme")),
    RecordAppend("acme", "news", Content(None)),
    RecordAppend("acme", "news", Content([{"e": [True, -1, 'é \u2028 \x7f \n " \\ /']}])),
    RecordAppend("acme", "news", content_digest=DIGEST, key="INV-1 ü", expected_revision=0),
)

STREAM_OPERATIONS: tuple[Operation, ...] = (
    StreamWriters("acme", "letters", ("alice.acme", "globex")),
    StreamFreeze("acme", "letters"),
)
ASSET_OPERATIONS: tuple[Operation, ...] = (
    AssetDefine("acme", "point", 0),
    AssetDefine("acme", "euro", 2, Amount(AMOUNT_MAX), ("acme", "board")),
    AssetIssue("acme", "euro", "acme", Amount(2**53)),
    AssetTransfer("acme", "euro", "alice.acme", Amount(1)),
    AssetBurn("acme", "euro", Amount(10**38)),
    AssetFreezeHolder("acme", "euro", "alice.acme"),
    AssetUnfreezeHolder("acme", "euro", "alice.acme"),
)


PROPOSAL = Proposal(
    number=8,
    proposer="acme",
    changes=(SuspendAccount("org"), QuorumSet(parse_quorum("majority"))),
    evidence=(),
    memo=None,
    expires_ms=5_000,
    delay=3,
    digest=DIGEST,
    created_height=4,
)


def envelopes() -> Json:
    """Bodies of every form, signed, with both names."""
    forms = [
        (body(), ("acme",)),
        (body(operations=OPERATIONS), ("acme",)),
        (body("board", (note("board"),)), ("b3", "b1")),
        (
            body("acme", (note(), note("pair")), cosigners=("globex", "pair"), memo="between ourselves: é"),
            ("acme", "globex", "p1", "p2"),
        ),
        (body(valid_until_ms=2**53 - 1, nonce=2**128 - 1), ("acme",)),
        (body(operations=STREAM_OPERATIONS), ("acme",)),
        (body(operations=ASSET_OPERATIONS), ("acme",)),
    ]
    evidence = accuse("v1", key_of("consensus"), CHAIN)
    accusation = body("validator:v1", (EvidenceRecord("validator:v1", evidence),), nonce=int.from_bytes(evidence.nonce))
    forms.append((accusation, ("node",)))
    documents: list[Json] = []
    for body_bytes, signers in forms:
        transaction = signed(body_bytes, *signers)
        documents.append(
            {
                "body": body_bytes.decode(),
                "public_keys": {label: key_of(label).public_key.hex() for label in signers},
                "envelope": transaction.envelope.decode(),
                "id": transaction_id(body_bytes).hex(),
                "envelope_hash": transaction.envelope_hash.hex(),
            }
        )
    return documents


def no_envelopes() -> Json:
    """Bytes that are no transaction, with the code of the refusal."""
    good = assemble(body(), [sign_body(body(), key_of("acme"))])
    cases = {
        "surplus field": good.replace(b'"chain"', b'"a":1,"chain"', 1),
        "duplicate field": good.replace(b'"sender":', b'"sender":"globex","sender":', 1),
        "unsorted fields": good.replace(b'{"body"', b'{"z":0,"body"', 1),
        "white space": good.replace(b'{"body":', b'{"body": ', 1),
        "minus zero": good.replace(b'"hello"', b"-0", 1),
        "a float": good.replace(b'"hello"', b"0.5", 1),
        "an integer beyond 2^53 - 1": good.replace(b'"hello"', b"9007199254740992", 1),
        "an escape that need not be": good.replace(b'"hello"', b'"\\u0068ello"', 1),
        "upper-case hex": good.replace(b'"nonce":"0000', b'"nonce":"000A', 1),
        "version 2": good.replace(b'"version":1', b'"version":2', 1),
        "a validator that records": good.replace(b'"acme","version"', b'"validator:v1","version"', 1).replace(
            b'"by":"acme"', b'"by":"validator:v1"', 1
        ),
        "unknown operation": good.replace(b"record.append", b"record.delete", 1),
        "no signature": assemble(body(), []),
    }
    documents: list[Json] = []
    for name, data in cases.items():
        refusal = parse_transaction(data)
        assert isinstance(refusal, Refusal), name
        documents.append({"name": name, "bytes": data.decode(), "code": str(refusal.code)})
    return documents


def governance() -> Json:
    """What a vote names, and what the keys of a joiner sign."""
    proposed = [operation for operation in OPERATIONS if isinstance(operation, ProposalCreate)]
    joining = ready(2, height=8, by="acme")
    signed_bytes = ready_bytes(CHAIN, joining.entry, joining.height)
    return {
        "proposals": [
            {"chain": CHAIN.hex(), "operation": operation_to_json(item), "digest": digest_of(item).hex()}
            for item in proposed
        ],
        "ready": {
            "chain": CHAIN.hex(),
            "operation": operation_to_json(joining),
            "entry_digest": joining.entry.digest.hex(),
            "signed_bytes": signed_bytes.hex(),
        },
    }


def state_rows() -> Json:
    """State keys and values of every kind of row."""
    samples: list[tuple[bytes, Row]] = [
        (account_key("acme"), MEMBERS[0]),
        (account_key("board"), MEMBERS[3]),
        (ADMINISTRATORS_KEY, Administrators(("acme", "board"))),
        (GOVERNANCE_KEY, Governance(9, (OpenProposal(8, "acme", 5_000),), (PendingProposal(7, 12),))),
        (proposal_key(8), PROPOSAL),
        (
            proposal_key(7),
            replace(
                PROPOSAL,
                number=7,
                evidence=(DIGEST,),
                memo="why",
                approvals=("acme", "org"),
                rejections=("globex",),
                state=ProposalState.FAILED,
                decided_height=9,
                activation_height=12,
                code=Code.OPERATORS_TOO_FEW,
            ),
        ),
        (candidate_key("v2"), Candidate(validator(2), 8, 9)),
        (stream_key("news"), Stream("news", "acme", frozenset({"acme", "globex"}), 7, True)),
        (latest_key("news", "INV-1 ü"), LatestRecord("news", "INV-1 ü", 7, 3, DIGEST, 2)),
        (asset_key("euro"), Asset("euro", "acme", 2, AMOUNT_MAX, ("acme", "board"), supply=2**53)),
        (asset_key("point"), Asset("point", "acme", 0, None, ("acme",))),
        (balance_key("alice.acme", "euro"), Balance("alice.acme", "euro", 2**53)),
        (balance_key("globex", "euro"), Balance("globex", "euro", frozen=True)),
        (
            evidence_key("v1", 7),
            RecordedEvidence("v1", 7, EvidenceKind.COMMIT_FORGOTTEN, DIGEST, 9, DIGEST),
        ),
        (LEADERS_KEY, Leaders((("v2", 4), ("v1", 3)))),
        (PARAMETERS_KEY, Parameters()),
        (VALIDATORS_KEY, validator_set()),
        (validator_key_key(key_of("consensus").public_key), ValidatorKey("v1", KeyPurpose.CONSENSUS, since=1)),
        (validator_key_key(key_of("old").public_key), ValidatorKey("v1", KeyPurpose.NODE, since=1, until=6)),
    ]
    overlay = Overlay(State(rows()))
    for key, row in samples:
        overlay.put(key, row)
    return [
        {"key": key.decode(), "value": value.decode()} for key, value in overlay.writes().items() if value is not None
    ]
