"""Files and documents that somebody hands over: transactions, genesis, receipts, proofs, evidence, exports."""

from __future__ import annotations

from functools import cache

from ledger.audit import FlawError
from ledger.block import parse_header, parse_leaf
from ledger.block_proof import check_block_proof, parse_block_proof
from ledger.claims import Claims, answer
from ledger.consensus.statements import SigningContext
from ledger.crypto import verify
from ledger.encoding import decode, decode_object
from ledger.errors import MalformedError
from ledger.evidence_file import build_evidence_file, verify_evidence_file
from ledger.export_reading import LinkedBlocks, open_exported_block, parse_manifest
from ledger.genesis import encode_card, parse_card, parse_genesis
from ledger.governance.readiness import ReadyStatement, encode_ready_statement, parse_ready_statement
from ledger.light_client import LightClient, parse_light_update
from ledger.limits import MIB
from ledger.pinned_checkpoint import anchor_of_checkpoint, parse_pinned_checkpoint
from ledger.primitives import Digest
from ledger.receipt import verify_receipt
from ledger.split_view import verify_split_view
from ledger.state_proof import parse_state_proof, verify_state_proof
from ledger.trail import Anchor, anchor_of
from ledger.transaction import Transaction, claimed_sender, claimed_signatures, parse_body, parse_transaction
from tests.fuzz import samples
from tests.fuzz.target import PROVES, Form, Target
from tests.unit.ledger import accusing, council
from tests.unit.ledger.exporting import audit_export, export_of, reader_of
from tests.unit.ledger.founders import founder, genesis_of
from tests.unit.ledger.members import CHAIN


def anchor() -> Anchor:
    """What pins the chain of the vectors."""
    return anchor_of(samples.chain().genesis)


@cache
def _checkpoint_anchor() -> Anchor:
    """What pins the same chain at its last block."""
    return anchor_of_checkpoint(samples.chain().checkpoint(3))


@cache
def _anchor_of_one() -> Anchor:
    return anchor_of(genesis_of(1))


def _envelopes() -> tuple[bytes, ...]:
    made = [item["envelope"] for item in samples.vectors("transactions")]
    return samples.lines([*made, *(item["envelope"] for item in samples.vectors("envelopes"))])


def _jobs() -> tuple[bytes, ...]:
    """One of each envelope's signatures, and one of all."""
    jobs, together = [], Claims()
    for envelope in _envelopes():
        parsed, alone = parse_transaction(envelope), Claims()
        if isinstance(parsed, Transaction):
            for item in parsed.signatures:
                alone.claim(item.key, parsed.signed_bytes, item.signature)
                together.claim(item.key, parsed.signed_bytes, item.signature)
            jobs.append(alone.job())
    return (*jobs, together.job())


def _bodies() -> tuple[bytes, ...]:
    return samples.lines([item["body"] for item in samples.vectors("envelopes")])


def _checkpoints() -> tuple[bytes, ...]:
    chain = samples.chain()
    return (samples.vectors("pinned_checkpoint")["document"].encode(), chain.checkpoint(1).document)


def _receipts() -> tuple[bytes, ...]:
    return (*samples.lines(samples.vectors("receipts")), samples.chain().pinned_receipt(2, 0, 3))


def _verify_pinned_receipt(data: bytes) -> None:
    verify_receipt(data, _checkpoint_anchor())


def _evidence_files() -> tuple[bytes, ...]:
    chain = samples.chain().genesis.chain
    accused = [
        accusing.accuse("v1", founder(1).consensus_key, chain, statements) for statements in accusing.CONTRADICTIONS
    ]
    return tuple(build_evidence_file(evidence=item, chain=chain, trail=(), record=None) for item in accused)


def _verify_evidence(data: bytes) -> None:
    known, height = anchor(), accusing.CONTRADICTIONS[0][0].height
    verify_evidence_file(data, Anchor(known.chain, 0, height - 1, known.validators))


def _ready() -> list[bytes]:
    said = council.ready(5)
    return [encode_ready_statement(ReadyStatement(CHAIN, said.entry, said.height, said.proofs))]


def _advance(data: bytes) -> None:
    LightClient(anchor()).advance(parse_light_update(data))


def _block_proof(data: bytes) -> None:
    value = decode(data, bytes_max=MIB, what="proof")
    proof = parse_block_proof(value)
    check_block_proof(proof, parse_header(proof.record.header))


def _light_updates() -> list[bytes]:
    return [samples.vectors("light_updates")["light_update"].encode()]


def _exports() -> list[bytes]:
    return [
        export_of(samples.chain()),
        b"".join(item.encode() + b"\n" for item in samples.vectors("exports")["export"]),
    ]


def _audit(data: bytes) -> None:
    audit_export(samples.chain().genesis, data)


def _link(data: bytes) -> None:
    genesis = samples.chain().genesis
    linked = LinkedBlocks(genesis)
    context = SigningContext(genesis.chain, 0)
    for item in reader_of(genesis, data).blocks():
        linked.take(item)
        open_exported_block(item, context=context, validators=genesis.validators, verify_signature=verify)


def _manifests() -> list[bytes]:
    return [data.splitlines(keepends=True)[-1] for data in _exports()]


def _verify_split_view(data: bytes) -> None:
    verify_split_view(data, _anchor_of_one())


TARGETS = (
    Target("canonical JSON", lambda data: decode(data, bytes_max=MIB), _bodies, Form.JSON),
    Target("canonical JSON object", lambda data: decode_object(data, bytes_max=MIB), _bodies, Form.JSON),
    Target("transaction", parse_transaction, _envelopes, Form.JSON, raises=()),
    Target(
        "transaction under another name",
        lambda data: parse_transaction(data, Digest(bytes(32))),
        _envelopes,
        Form.JSON,
        raises=(),
    ),
    Target("sender of a transaction", claimed_sender, _envelopes, Form.JSON, raises=()),
    Target("signatures of a transaction", claimed_signatures, _envelopes, Form.JSON, raises=()),
    Target("signatures that others verify", answer, _jobs),
    Target("transaction body", parse_body, _bodies, Form.JSON, raises=()),
    Target(
        "header", parse_header, lambda: samples.unhex([item["bytes"] for item in samples.vectors("headers")]), Form.JSON
    ),
    Target("leaf", parse_leaf, lambda: samples.unhex([item["bytes"] for item in samples.vectors("leaves")]), Form.JSON),
    Target(
        "genesis",
        parse_genesis,
        lambda: [samples.vectors("genesis")["document"].encode(), genesis_of(1).document],
        Form.JSON,
        PROVES,
    ),
    Target("card", parse_card, lambda: [encode_card(founder(0).card)], Form.JSON, PROVES),
    Target("ready statement", parse_ready_statement, _ready, Form.JSON, PROVES),
    Target("pinned checkpoint", parse_pinned_checkpoint, _checkpoints, Form.JSON),
    Target("receipt", lambda data: verify_receipt(data, anchor()), _receipts, Form.JSON, PROVES),
    Target("receipt against a checkpoint", _verify_pinned_receipt, _receipts, Form.JSON, PROVES),
    Target("state proof", parse_state_proof, lambda: samples.lines(samples.vectors("state_proofs")), Form.JSON),
    Target(
        "state proof, verified",
        lambda data: verify_state_proof(data, anchor()),
        lambda: samples.lines(samples.vectors("state_proofs")),
        Form.JSON,
        PROVES,
    ),
    Target("evidence file", _verify_evidence, _evidence_files, Form.JSON, PROVES),
    Target(
        "split view", _verify_split_view, lambda: [samples.vectors("exports")["split_view"].encode()], Form.JSON, PROVES
    ),
    Target("light update", parse_light_update, _light_updates, Form.JSON),
    Target("light update, followed", _advance, _light_updates, Form.JSON, PROVES),
    Target(
        "block proof",
        _block_proof,
        lambda: [samples.vectors("light_updates")["block_proof"].encode()],
        Form.JSON,
        PROVES,
    ),
    Target("manifest of an export", parse_manifest, _manifests, Form.JSON),
    Target("export, linked", _link, _exports, Form.LINES, (MalformedError, FlawError), calls=200_000),
    Target("export, audited", _audit, _exports, Form.LINES, (MalformedError, FlawError), calls=400_000, memory=8 << 20),
)
