"""What a node refuses, over its real API: each thing with its own code and status, nothing lost, nothing appended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from msgspec.structs import replace

from ledger.crypto import SigningKey
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.transaction import KeySignature, assemble, build_body, sign_body
from tests.integration.processes.network import ProcessNetwork

MALLORY = SigningKey(bytes(31) + b"\2")
BOB, CAROL = SigningKey(bytes(31) + b"\3"), SigningKey(bytes(31) + b"\4")


def body_of(network: ProcessNetwork, *operations: Operation, sender: str = "alice", **changes: object) -> bytes:
    """A body with a fresh nonce; `changes` replace what it is built with."""
    network.sign(sender, network.alice, *operations)  # counts the nonce on
    settings: dict[str, object] = {
        "chain": network.genesis.chain,
        "nonce": network._nonce.to_bytes(16, "little"),
        "valid_until_ms": time.time_ns() // 1_000_000 + 60_000,
    }
    return build_body(sender=sender, operations=operations, **{**settings, **changes})  # type: ignore[arg-type]


NOTE = RecordAppend(by="alice", stream="notes", content=Content("note"))


def wrong_signature(network: ProcessNetwork) -> bytes:
    body = body_of(network, NOTE)
    good = sign_body(body, network.alice)
    bent = KeySignature(good.key, bytes([*good.signature[:40], good.signature[40] ^ 1, *good.signature[41:]]))  # type: ignore[arg-type]
    return assemble(body, [bent])


def signature_over_another_body(network: ProcessNetwork) -> bytes:
    return assemble(body_of(network, NOTE), [sign_body(body_of(network, NOTE), network.alice)])


def surplus_signature(network: ProcessNetwork) -> bytes:
    body = body_of(network, NOTE)
    return assemble(body, [sign_body(body, network.alice), sign_body(body, MALLORY)])


def no_signature(network: ProcessNetwork) -> bytes:
    return assemble(body_of(network, NOTE), [])


def one_of_two_signatures(network: ProcessNetwork) -> bytes:
    body = body_of(network, RecordAppend(by="pair", stream="notes", content=Content(1)), sender="pair")
    return assemble(body, [sign_body(body, BOB)])


def resigned_by_a_stranger(network: ProcessNetwork) -> bytes:
    body = body_of(network, NOTE)
    return assemble(body, [sign_body(body, MALLORY)])


def wrong_chain(network: ProcessNetwork) -> bytes:
    body = body_of(network, NOTE, chain=bytes(32))
    return assemble(body, [sign_body(body, network.alice)])


def expired(network: ProcessNetwork) -> bytes:
    return network.sign("alice", network.alice, NOTE, valid_for_ms=-3_600_000)


def too_far_ahead(network: ProcessNetwork) -> bytes:
    return network.sign("alice", network.alice, NOTE, valid_for_ms=40 * 24 * 3_600_000)


def unknown_sender(network: ProcessNetwork) -> bytes:
    body = body_of(network, replace(NOTE, by="nobody"), sender="nobody")
    return assemble(body, [sign_body(body, MALLORY)])


def unknown_cosigner(network: ProcessNetwork) -> bytes:
    body = body_of(network, NOTE, cosigners=("nobody",))
    return assemble(body, [sign_body(body, network.alice)])


def too_large(network: ProcessNetwork) -> bytes:
    return b'{"body":"' + b"x" * 70_000 + b'"}'


def not_json(network: ProcessNetwork) -> bytes:
    return b"\xff\xfe{"


def not_canonical(network: ProcessNetwork) -> bytes:
    return orjson.dumps(orjson.loads(network.record("pretty")), option=orjson.OPT_INDENT_2)


def unknown_operation(network: ProcessNetwork) -> bytes:
    return network.record("x").replace(b'"type":"record.append"', b'"type":"record.remove"')


def another_version(network: ProcessNetwork) -> bytes:
    return network.record("x").replace(b'"version":1', b'"version":2')


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("refusals")


Make = Callable[[ProcessNetwork], bytes]

INADMISSIBLE: tuple[tuple[Make, int, str], ...] = (
    (wrong_signature, 403, "signature_invalid"),
    (signature_over_another_body, 403, "signature_invalid"),
    (surplus_signature, 403, "signature_surplus"),
    (no_signature, 400, "transaction_malformed"),
    (one_of_two_signatures, 403, "signature_missing"),
    (resigned_by_a_stranger, 403, "signature_surplus"),
    (wrong_chain, 422, "chain_wrong"),
    (expired, 409, "expired"),
    (too_far_ahead, 422, "valid_until_too_far"),
    (unknown_sender, 403, "sender_unknown"),
    (unknown_cosigner, 403, "cosigner_unknown"),
    (too_large, 413, "transaction_too_large"),
    (not_json, 400, "transaction_malformed"),
    (not_canonical, 400, "transaction_malformed"),
    (unknown_operation, 400, "operation_unknown"),
    (another_version, 400, "version_unsupported"),
)

FAILED: tuple[tuple[Operation, str], ...] = (
    (AccountAdd(by="alice", name="friend", keys=(MALLORY.public_key,), threshold=1), "permission_denied"),
    (AccountKeys(by="alice", keys=(bytes(31) + b"\x80",), threshold=1), "key_unacceptable"),  # type: ignore[arg-type]
    (AccountKeys(by="alice", keys=(MALLORY.public_key,), threshold=2), "threshold_impossible"),
    (StreamCreate(by="alice", name="notes"), "stream_exists"),
    (RecordAppend(by="alice", stream="absent", content=Content(1)), "stream_unknown"),
    (RecordAppend(by="alice", stream="notes", content=Content(1), key="k", expected_revision=7), "revision_conflict"),
)


async def test_every_refusal_has_its_code_and_nothing_is_appended(directory: Path) -> None:
    async with ProcessNetwork(directory, validators=1) as network:
        network.start()
        await network.until_ready(peers=0)
        await network.register()
        pair = tuple(sorted((BOB.public_key, CAROL.public_key)))
        added = AccountAdd(by="council", name="pair", keys=pair, threshold=2)
        assert (await network.submit(0, network.sign("council", network.council, added)))["result"] == "applied"
        height = await network.height(0)

        for make, status, code in INADMISSIBLE:
            answer = await network.submit(0, make(network), wait=0)
            assert (make.__name__, answer["http_status"], answer["code"]) == (make.__name__, status, code)
            assert answer["remedy"], code
        async with network.session.post(
            f"{network.url(0)}/v1/transactions",
            data=b"x" * 9 * 1024 * 1024,
            headers={"Content-Type": "application/json"},
        ) as answer_to_flood:
            assert answer_to_flood.status == 413
        assert await network.height(0) == height

        good = network.record("once")
        first = await network.submit(0, good)
        again = await network.submit(0, good)
        assert (first["http_status"], first["result"]) == (200, "applied")
        assert (again["http_status"], again["height"]) == (200, first["height"])
        assert (await network.get(0, "/v1/streams/notes"))["count"] == 1

        for operation, code in FAILED:
            answer = await network.submit(0, network.sign("alice", network.alice, operation))
            assert (answer["http_status"], answer["state"], answer["result"]) == (200, "committed", code)
        assert (await network.get(0, "/v1/streams/notes"))["count"] == 1
        assert (await network.get(0, "/v1/accounts/alice"))["keys"] == [network.alice.public_key.hex()]
        missing = await network.get(0, "/v1/accounts/friend")
        assert missing["status"] == 404
