"""Consensus messages, certificates and commit records as canonical JSON, and back.

What is *signed* is fixed binary (`ledger.consensus.statements`); this is how signed things travel, are kept and
are served. Decoding gives well-formed but **unverified** values; `ledger.consensus.verification` is the next door.

    message              {"type": "proposal" | "prepare" | "commit" | "timeout", "height", "round", ...the statement's
                         body, "validator", "signature"} with what travels with it: a proposal's "justification" and
                         "block", a timeout's "prepare_certificate"; or {"type": "timeout_certificate", ...}
    prepare certificate  {"height", "round", "block_hash", "justification_digest", "signatures"}
    commit certificate   {"height", "round", "block_hash", "signatures"}
    timeout certificate  {"height", "round", "entries", "prepare_certificate"}
    commit record        {"header", "certificate", "justifications"}

Digests and signatures are lower-case hex, validators are indexes, and a header stands as the object it is: inside
canonical JSON, canonical JSON keeps its bytes.
"""

from __future__ import annotations

from typing import assert_never

from ledger.consensus.messages import (
    CommitCertificate,
    CommitRecord,
    CommitVote,
    ConsensusMessage,
    PrepareCertificate,
    PrepareVote,
    Proposal,
    ProposedBlock,
    SignedMessage,
    SignedStatement,
    TimeoutCertificate,
    TimeoutEntry,
    TimeoutVote,
    VoteSignature,
)
from ledger.consensus.statements import (
    NO_ROUND,
    CommitStatement,
    PrepareStatement,
    ProposalStatement,
    Statement,
    TimeoutStatement,
)
from ledger.crypto import digest, tag
from ledger.encoding import (
    Json,
    check_profile,
    decode_form,
    decode_object,
    encode_trusted,
    expect_fields,
    expect_integer,
    expect_list,
)
from ledger.errors import MalformedError
from ledger.limits import (
    BLOCK_TRANSACTIONS_MAX,
    FRAME_BYTES_MAX,
    HEADER_BYTES_MAX,
    INTEGER_MAX,
    JSON_DEPTH_MAX,
    JUSTIFICATION_CHAIN_MAX,
    RECORD_BYTES_MAX,
    ROUND_MAX,
    VALIDATORS_MAX,
)
from ledger.primitives import ZERO_DIGEST, Digest, Signature, parse_digest, parse_digests, parse_signature

_JUSTIFICATION_TAG = tag("justification")

_STATEMENT_FIELDS: dict[str, frozenset[str]] = {
    "proposal": frozenset({"type", "height", "round", "block_hash", "justification_digest"}),
    "prepare": frozenset({"type", "height", "round", "block_hash", "justification_digest"}),
    "commit": frozenset({"type", "height", "round", "block_hash"}),
    "timeout": frozenset({"type", "height", "round", "high_round", "high_hash"}),
}
_SIGNED_FIELDS = frozenset({"validator", "signature"})
_ATTACHED_FIELDS: dict[str, frozenset[str]] = {
    "proposal": frozenset({"justification", "block"}),
    "prepare": frozenset(),
    "commit": frozenset(),
    "timeout": frozenset({"prepare_certificate"}),
}
_MESSAGE_FIELDS = {kind: fields | _SIGNED_FIELDS | _ATTACHED_FIELDS[kind] for kind, fields in _STATEMENT_FIELDS.items()}


def justification_digest(justification: TimeoutCertificate | None) -> Digest:
    """What a proposal and its prepare votes bind of their justification; zeros for none, which is round 0."""
    if justification is None:
        return ZERO_DIGEST
    return digest(_JUSTIFICATION_TAG, encode_timeout_certificate(justification))


# ---- bytes: each field is read by a reader that accepts one type only, but a header, which `_parse_header` looks into


def encode_message(message: ConsensusMessage) -> bytes:
    """The bytes of a message: the same for the same message, whoever encodes it and however often."""
    return encode_trusted(message_to_json(message))


def decode_message(data: bytes, *, bytes_max: int = FRAME_BYTES_MAX) -> ConsensusMessage:
    """A message, unverified. Raises `MalformedError`."""
    return parse_message(decode_form(data, bytes_max=bytes_max, what="consensus message"))


def encode_prepare_certificate(certificate: PrepareCertificate) -> bytes:
    """The bytes of a prepare certificate."""
    return encode_trusted(prepare_certificate_to_json(certificate))


def decode_prepare_certificate(data: bytes, *, bytes_max: int = FRAME_BYTES_MAX) -> PrepareCertificate:
    """A prepare certificate, unverified. Raises `MalformedError`."""
    return parse_prepare_certificate(decode_form(data, bytes_max=bytes_max, what="prepare certificate"))


def encode_timeout_certificate(certificate: TimeoutCertificate) -> bytes:
    """The bytes of a timeout certificate: what a justification digest is taken over."""
    return encode_trusted(timeout_certificate_to_json(certificate))


def decode_timeout_certificate(data: bytes, *, bytes_max: int = FRAME_BYTES_MAX) -> TimeoutCertificate:
    """A timeout certificate, unverified. Raises `MalformedError`."""
    return parse_timeout_certificate(decode_form(data, bytes_max=bytes_max, what="timeout certificate"))


def encode_commit_record(record: CommitRecord) -> bytes:
    """The bytes of a commit record, as stored and served. Its header is canonical JSON, and keeps its bytes."""
    certificate = encode_trusted(commit_certificate_to_json(record.certificate))
    justifications = encode_trusted([timeout_certificate_to_json(item) for item in record.justifications])
    return b'{"certificate":%b,"header":%b,"justifications":%b}' % (certificate, record.header, justifications)


def decode_commit_record(data: bytes, *, bytes_max: int = RECORD_BYTES_MAX) -> CommitRecord:
    """A commit record, unverified. Raises `MalformedError`."""
    return parse_commit_record(decode_form(data, bytes_max=bytes_max, what="commit record"))


# ---- values to JSON


def statement_to_json(statement: Statement) -> dict[str, Json]:
    """A statement as an object, its type by name."""
    common: dict[str, Json] = {"height": statement.height, "round": statement.round}
    match statement:
        case ProposalStatement() | PrepareStatement():
            return common | {
                "type": "proposal" if isinstance(statement, ProposalStatement) else "prepare",
                "block_hash": statement.block_hash.hex(),
                "justification_digest": statement.justification_digest.hex(),
            }
        case CommitStatement():
            return common | {"type": "commit", "block_hash": statement.block_hash.hex()}
        case TimeoutStatement():
            return common | {
                "type": "timeout",
                "high_round": statement.high_round,
                "high_hash": statement.high_hash.hex(),
            }
        case _:
            assert_never(statement)


def signed_statement_to_json(signed: SignedStatement | SignedMessage) -> dict[str, Json]:
    """A signed statement without what it travels with."""
    return statement_to_json(signed.statement) | {"validator": signed.validator, "signature": signed.signature.hex()}


def message_to_json(message: ConsensusMessage) -> dict[str, Json]:
    """A message as an object."""
    if isinstance(message, TimeoutCertificate):
        return timeout_certificate_to_json(message) | {"type": "timeout_certificate"}
    signed = signed_statement_to_json(message)
    match message:
        case Proposal():
            justification, block = message.justification, message.block
            return signed | {
                "justification": None if justification is None else timeout_certificate_to_json(justification),
                "block": None if block is None else _block_to_json(block),
            }
        case PrepareVote() | CommitVote():
            return signed
        case TimeoutVote():
            certificate = message.prepare_certificate
            return signed | {
                "prepare_certificate": None if certificate is None else prepare_certificate_to_json(certificate)
            }
        case _:
            assert_never(message)


def prepare_certificate_to_json(certificate: PrepareCertificate) -> dict[str, Json]:
    """A prepare certificate as an object."""
    return {
        "height": certificate.height,
        "round": certificate.round,
        "block_hash": certificate.block_hash.hex(),
        "justification_digest": certificate.justification_digest.hex(),
        "signatures": _signatures_to_json(certificate.signatures),
    }


def commit_certificate_to_json(certificate: CommitCertificate) -> dict[str, Json]:
    """A commit certificate as an object, for records and receipts."""
    return {
        "height": certificate.height,
        "round": certificate.round,
        "block_hash": certificate.block_hash.hex(),
        "signatures": _signatures_to_json(certificate.signatures),
    }


def timeout_certificate_to_json(certificate: TimeoutCertificate) -> dict[str, Json]:
    """A timeout certificate as an object."""
    prepared = certificate.prepare_certificate
    return {
        "height": certificate.height,
        "round": certificate.round,
        "entries": [
            {
                "validator": entry.validator,
                "high_round": entry.high_round,
                "high_hash": entry.high_hash.hex(),
                "signature": entry.signature.hex(),
            }
            for entry in certificate.entries
        ],
        "prepare_certificate": None if prepared is None else prepare_certificate_to_json(prepared),
    }


def commit_record_to_json(record: CommitRecord) -> dict[str, Json]:
    """A commit record as an object. Raises `MalformedError` if its header is not canonical JSON."""
    return {
        "header": decode_object(record.header, bytes_max=RECORD_BYTES_MAX, what="block header"),
        "certificate": commit_certificate_to_json(record.certificate),
        "justifications": [timeout_certificate_to_json(item) for item in record.justifications],
    }


def _block_to_json(block: ProposedBlock) -> dict[str, Json]:
    return {
        "header": decode_object(block.header, bytes_max=RECORD_BYTES_MAX, what="block header"),
        "envelope_hashes": [item.hex() for item in block.envelope_hashes],
    }


def _signatures_to_json(signatures: tuple[VoteSignature, ...]) -> list[Json]:
    return [{"validator": item.validator, "signature": item.signature.hex()} for item in signatures]


# ---- JSON to values


def parse_statement(fields: dict[str, Json]) -> Statement:
    """The statement among `fields`; others are not looked at. Raises `MalformedError`."""
    kind = fields.get("type")
    if not isinstance(kind, str) or kind not in _STATEMENT_FIELDS:
        raise MalformedError("a statement is one of proposal, prepare, commit and timeout")
    if missing := _STATEMENT_FIELDS[kind] - fields.keys():
        raise MalformedError(f"{kind} lacks the field {sorted(missing)[0]!r}")
    height, round = _parse_position(fields)
    match kind:
        case "proposal":
            return ProposalStatement(height, round, *_parse_prepared(fields))
        case "prepare":
            return PrepareStatement(height, round, *_parse_prepared(fields))
        case "commit":
            return CommitStatement(height, round, parse_digest(fields["block_hash"], "block hash"))
        case _:
            return TimeoutStatement(height, round, *_parse_high(fields))


def parse_message(fields: Json) -> ConsensusMessage:
    """A message from its object, unverified. Raises `MalformedError`."""
    if not isinstance(fields, dict):
        raise MalformedError("consensus message must be a JSON object")
    kind = fields.get("type")
    if kind == "timeout_certificate":
        return parse_timeout_certificate({name: value for name, value in fields.items() if name != "type"})
    statement = parse_statement(fields)
    assert isinstance(kind, str)
    expect_fields(fields, what=kind, required=_MESSAGE_FIELDS[kind])
    validator, signature = _parse_validator(fields), _parse_signature(fields)
    match statement:
        case ProposalStatement():
            justification, block = fields["justification"], fields["block"]
            return Proposal(
                statement,
                validator,
                signature,
                None if justification is None else parse_timeout_certificate(justification),
                None if block is None else _parse_block(block),
            )
        case PrepareStatement():
            return PrepareVote(statement, validator, signature)
        case CommitStatement():
            return CommitVote(statement, validator, signature)
        case TimeoutStatement():
            prepared = fields["prepare_certificate"]
            certificate = None if prepared is None else parse_prepare_certificate(prepared)
            return TimeoutVote(statement, validator, signature, certificate)
        case _:
            assert_never(statement)


def parse_prepare_certificate(value: Json) -> PrepareCertificate:
    """A prepare certificate from its object, unverified. Raises `MalformedError`."""
    required = frozenset({"height", "round", "block_hash", "justification_digest", "signatures"})
    fields = expect_fields(value, what="prepare certificate", required=required)
    height, round = _parse_position(fields)
    return PrepareCertificate(height, round, *_parse_prepared(fields), _parse_signatures(fields))


def parse_commit_certificate(value: Json) -> CommitCertificate:
    """A commit certificate from its object, unverified. Raises `MalformedError`."""
    required = frozenset({"height", "round", "block_hash", "signatures"})
    fields = expect_fields(value, what="commit certificate", required=required)
    height, round = _parse_position(fields)
    block_hash = parse_digest(fields["block_hash"], "block hash")
    return CommitCertificate(height, round, block_hash, _parse_signatures(fields))


def parse_timeout_certificate(value: Json) -> TimeoutCertificate:
    """A timeout certificate from its object, unverified. Raises `MalformedError`."""
    required = frozenset({"height", "round", "entries", "prepare_certificate"})
    fields = expect_fields(value, what="timeout certificate", required=required)
    height, round = _parse_position(fields)
    entries = expect_list(fields["entries"], what="timeout entries", items_max=VALIDATORS_MAX, items_min=1)
    prepared = fields["prepare_certificate"]
    return TimeoutCertificate(
        height,
        round,
        tuple(_parse_entry(entry) for entry in entries),
        None if prepared is None else parse_prepare_certificate(prepared),
    )


def parse_commit_record(value: Json) -> CommitRecord:
    """A commit record from its object, unverified. Raises `MalformedError`."""
    fields = expect_fields(value, what="commit record", required=frozenset({"header", "certificate", "justifications"}))
    items = expect_list(fields["justifications"], what="justifications", items_max=JUSTIFICATION_CHAIN_MAX)
    return CommitRecord(
        _parse_header(fields["header"]),
        parse_commit_certificate(fields["certificate"]),
        tuple(parse_timeout_certificate(item) for item in items),
    )


def _parse_entry(value: Json) -> TimeoutEntry:
    required = frozenset({"validator", "high_round", "high_hash", "signature"})
    fields = expect_fields(value, what="timeout entry", required=required)
    return TimeoutEntry(_parse_validator(fields), *_parse_high(fields), _parse_signature(fields))


def _parse_block(value: Json) -> ProposedBlock:
    fields = expect_fields(value, what="proposed block", required=frozenset({"header", "envelope_hashes"}))
    hashes = expect_list(fields["envelope_hashes"], what="envelope hashes", items_max=BLOCK_TRANSACTIONS_MAX)
    return ProposedBlock(_parse_header(fields["header"]), parse_digests(hashes, "envelope hash"))


def _parse_header(value: Json) -> bytes:
    """The header's bytes. Their bound is that of a header, not of a message: who signs a proposal of megabytes could
    otherwise send it again and again, and everybody would have to read it each time, with nobody to blame."""
    if not isinstance(value, dict):
        raise MalformedError("a block header must be a JSON object")
    check_profile(value, JSON_DEPTH_MAX - 2)  # it stands in the block of a message
    header = encode_trusted(value)
    if len(header) > HEADER_BYTES_MAX:
        raise MalformedError(f"a block header has {len(header)} bytes, more than {HEADER_BYTES_MAX}")
    return header


def _parse_signatures(fields: dict[str, Json]) -> tuple[VoteSignature, ...]:
    items = expect_list(fields["signatures"], what="signatures", items_max=VALIDATORS_MAX, items_min=1)
    parsed = [expect_fields(item, what="vote signature", required=_SIGNED_FIELDS) for item in items]
    return tuple(VoteSignature(_parse_validator(item), _parse_signature(item)) for item in parsed)


def _parse_position(fields: dict[str, Json]) -> tuple[int, int]:
    """Height and round."""
    height = expect_integer(fields["height"], what="height", minimum=1, maximum=INTEGER_MAX)
    return height, expect_integer(fields["round"], what="round", maximum=ROUND_MAX)


def _parse_prepared(fields: dict[str, Json]) -> tuple[Digest, Digest]:
    """Block hash and justification digest."""
    block_hash = parse_digest(fields["block_hash"], "block hash")
    return block_hash, parse_digest(fields["justification_digest"], "justification digest")


def _parse_high(fields: dict[str, Json]) -> tuple[int, Digest]:
    """High round and high hash."""
    high_round = expect_integer(fields["high_round"], what="high round", minimum=NO_ROUND, maximum=ROUND_MAX)
    return high_round, parse_digest(fields["high_hash"], "high hash")


def _parse_validator(fields: dict[str, Json]) -> int:
    return expect_integer(fields["validator"], what="validator", maximum=VALIDATORS_MAX - 1)


def _parse_signature(fields: dict[str, Json]) -> Signature:
    return parse_signature(fields["signature"], "signature")
