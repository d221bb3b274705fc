"""Consensus messages, certificates and records: decoded, and held against the keys of a height."""

from __future__ import annotations

from ledger.consensus.codec import (
    decode_commit_record,
    decode_message,
    decode_prepare_certificate,
    decode_timeout_certificate,
    encode_timeout_certificate,
)
from ledger.consensus.messages import TimeoutCertificate
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import SigningContext
from ledger.consensus.verification import HeightKeys, verify_message
from ledger.crypto import verify
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from tests.crash_points.histories import HEIGHT
from tests.fuzz import samples
from tests.fuzz.target import PROVES, Form, Target


def _keys() -> HeightKeys:
    genesis = samples.network().genesis
    return HeightKeys(SigningContext(genesis.chain, 0), HEIGHT, genesis.validators, verify)


def _messages() -> tuple[bytes, ...]:
    return (*samples.lines(samples.vectors("consensus_messages")["messages"]), *samples.network().payloads)


def _records() -> tuple[bytes, ...]:
    chain = open_chain(MemoryStore(samples.network().rows))
    return (samples.vectors("consensus_messages")["commit_record"].encode(), chain.record(1), chain.record(HEIGHT))


def _timeout_certificates() -> tuple[bytes, ...]:
    found = map(decode_message, _messages())
    return tuple(encode_timeout_certificate(item) for item in found if isinstance(item, TimeoutCertificate))


def _verify_record(data: bytes) -> None:
    verify_commit_record(decode_commit_record(data), keys=_keys(), parent_hash=None)


TARGETS = (
    Target("consensus message", decode_message, _messages, Form.JSON),
    Target(
        "consensus message, verified",
        lambda data: verify_message(decode_message(data), _keys()),
        _messages,
        Form.JSON,
        PROVES,
    ),
    Target(
        "prepare certificate",
        decode_prepare_certificate,
        lambda: [samples.vectors("consensus_messages")["prepare_certificate"].encode()],
        Form.JSON,
    ),
    Target("timeout certificate", decode_timeout_certificate, _timeout_certificates, Form.JSON),
    Target("commit record", decode_commit_record, _records, Form.JSON),
    Target("commit record, verified", _verify_record, _records, Form.JSON, PROVES),
)
