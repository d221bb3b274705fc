"""The API over a real validator: replica, runtime and store, one organisation, everything in one process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import aiohttp
import pytest

from ledger import crypto
from ledger.consensus.inputs import PeerId
from ledger.operations.kinds import Operation
from ledger.parameters import Parameters
from ledger.receipt import verify_receipt
from ledger.trail import anchor_of
from ledger.transaction import assemble, build_body, sign_body
from node.http import HttpServer, create_application
from node.inbox import Inbox
from node.log import EventLog
from node.replica import Replica
from node.runtime import Runtime, read_clocks
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain
from node.storage.queries import Queries
from node.wire import PeerMessage
from tests.unit.ledger.audited import audit_in_memory
from tests.unit.ledger.founders import founder, genesis_of
from tests.unit.node.http.conftest import Api
from tests.unit.node.storage.chains import append, create_stream

GENESIS = genesis_of(1, parameters=Parameters(base_timeout_ms=200))


@dataclass(frozen=True, slots=True)
class NoPeers:
    """Links to nobody."""

    def send_to(self, peer: PeerId, message: PeerMessage) -> None:
        raise AssertionError("there is no peer")

    def send_to_all(self, message: PeerMessage, *, validators_only: bool) -> None:
        return

    def misbehaved(self, peer: PeerId, reason: str) -> None:
        raise AssertionError(reason)

    def dial_faults(self) -> dict[PeerId, str]:
        return {}


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    chain = create_chain(MemoryStore(), GENESIS)
    runtime = Runtime(
        replica=Replica(
            chain=chain,
            guard=MemoryGuard(),
            consensus_key=founder(0).consensus_key,
            node_key=founder(0).node_key,
            cosigning_key=founder(0).cosigning_key,
            verify=crypto.verify,
            now=read_clocks(),
        ),
        inbox=Inbox(),
        sender=NoPeers(),
        queries=Queries(chain),
        appended=lambda block: None,
        watched=lambda: None,
        disk_is_low=lambda: False,
        log=EventLog("replica"),
    )
    running = asyncio.create_task(runtime.run())
    yield runtime
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture
async def real(runtime: Runtime) -> AsyncIterator[Api]:
    server = HttpServer(create_application(runtime))
    address = await server.listen("127.0.0.1", 0)
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30)) as session:
        yield Api(session, address)
    await server.close()


def envelope(nonce: int, *operations: Operation, valid_until_ms: int = GENESIS.time_ms + 1_000_000) -> bytes:
    body = build_body(
        chain=GENESIS.chain,
        sender="org0",
        nonce=nonce.to_bytes(16, "big"),
        valid_until_ms=valid_until_ms,
        operations=operations,
    )
    return assemble(body, [sign_body(body, founder(0).operator_key)])


def batch(first: int, count: int) -> Sequence[bytes]:
    return [envelope(nonce, append(str(nonce), key=f"k{nonce % 5}")) for nonce in range(first, first + count)]


async def test_from_submission_to_an_audit(real: Api) -> None:
    created = await real.post(envelope(0, create_stream()), Prefer="wait=20")
    assert (created.status, created.json["state"], created.json["result"]) == (200, "committed", "applied")
    reply = await real.post_lines(*batch(1, 100), b"not json", Prefer="wait=20")
    assert reply.status == 200
    states = [item["state"] for item in reply.json["results"]]
    assert states == ["committed"] * 100 + ["refused"]
    assert (await real.ok("/v1/streams/invoices"))["count"] == 100
    assert len((await real.ok("/v1/streams/invoices/records", key="k3", limit=200))["items"]) == 20

    head = (await real.ok("/v1/status"))["head"]
    audit = audit_in_memory(GENESIS)
    for height in range(1, head["height"] + 1):
        record = (await real.get(f"/v1/blocks/{height}/certificate")).body
        audit.append(record, (await real.get(f"/v1/blocks/{height}/body")).body.splitlines())
    assert audit.tip.block_hash.hex() == head["block_hash"]

    for item in (reply.json["results"][0], reply.json["results"][99], created.json):
        receipt = (await real.get(f"/v1/transactions/{item['id']}/receipt")).body
        verified = verify_receipt(receipt, anchor_of(GENESIS))
        assert (verified.leaf.height, verified.leaf.index) == (item["height"], item["index"])
        assert verified.signers == ("v0",)


async def test_the_same_transaction_in_every_way_acts_once(real: Api) -> None:
    await real.post(envelope(0, create_stream()), Prefer="wait=20")
    sent = envelope(1, append("once"))
    replies = await asyncio.gather(
        *(real.post(sent, Prefer="wait=20") for _ in range(5)), *(real.post_lines(sent, sent) for _ in range(5))
    )
    assert {reply.status for reply in replies} <= {200, 202}
    assert (await real.ok("/v1/streams/invoices"))["count"] == 1
    assert (await real.post(sent)).json["state"] == "committed"


async def test_what_cannot_be_in_a_block_is_refused_with_its_reason(real: Api) -> None:
    window = Parameters().valid_window_ms
    for sent, code, status in (
        (envelope(1, create_stream(), valid_until_ms=GENESIS.time_ms), "expired", 409),
        (envelope(1, create_stream(), valid_until_ms=GENESIS.time_ms + 2 * window), "valid_until_too_far", 422),
        (envelope(1, create_stream()).replace(b'"chain":"', b'"chain":"f')[:-1], "transaction_malformed", 400),
        (envelope(1, create_stream("other")).replace(b'"other"', b'"invoices"'), "signature_invalid", 403),
    ):
        reply = await real.post(sent)
        assert (reply.json["code"], reply.status) == (code, status), reply


async def test_events_follow_the_chain(real: Api) -> None:
    await real.post(envelope(0, create_stream()), Prefer="wait=20")
    heights: list[int] = []
    async with real.session.get(f"{real.url}/v1/events?from_height=0") as stream:
        for nonce in range(1, 6):
            assert (await real.post(envelope(nonce, append("x")), Prefer="wait=20")).status == 200
        newest = (await real.ok("/v1/status"))["head"]["height"]
        async for line in stream.content:
            if line.startswith(b"id: "):
                heights.append(int(line[4:]))
                if heights[-1] == newest:
                    break
    assert heights == list(range(newest + 1))


async def test_a_single_validator_is_ready(real: Api) -> None:
    assert await real.ok("/readyz") == {"ready": True}
    assert (await real.ok("/v1/status"))["role"] == "voting"
    assert (await real.ok("/v1/evidence"))["items"] == []
    assert (await real.get("/metrics")).status == 200
