"""The load: transactions signed in advance, sent through the HTTP API, and counted when a quorum has appended them."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import aiohttp
import orjson

from ledger.crypto import SigningKey
from ledger.operations.accounts import AccountAdd
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.primitives import Digest
from ledger.transaction import assemble, build_body, sign_body

CLIENTS = 64
BATCH = 100
STREAMS = 2  # to share the clients between: a stream has at most 32 writers
_VALID_MS = 3_600_000


@dataclass(slots=True)
class Load:
    """A chain's clients and a source of fresh signed transactions."""

    chain: Digest
    council: SigningKey
    urls: Sequence[str]
    _serial: int = field(default=0)

    def client_key(self, index: int) -> SigningKey:
        """The key of client `index`."""
        return SigningKey(hashlib.sha256(b"benchmark client %d" % index).digest())

    def sign(self, sender: str, key: SigningKey, operations: Sequence[Operation]) -> bytes:
        """An envelope with a nonce of its own."""
        self._serial += 1
        body = build_body(
            chain=self.chain,
            sender=sender,
            nonce=self._serial.to_bytes(16, "big"),
            valid_until_ms=time.time_ns() // 1_000_000 + _VALID_MS,
            operations=operations,
        )
        return assemble(body, [sign_body(body, key)])

    def records(self, count: int) -> list[bytes]:
        """`count` envelopes of one record each, by the clients in turn."""
        keys = [self.client_key(index) for index in range(CLIENTS)]
        made = []
        for number in range(count):
            client = number % CLIENTS
            content = {"number": number, "text": "one line of an ordinary delivery note"}
            operation = RecordAppend(by=f"client{client}", stream=f"bench{client % STREAMS}", content=Content(content))
            made.append(self.sign(f"client{client}", keys[client], [operation]))
        return made

    async def prepare(self, session: aiohttp.ClientSession) -> None:
        """Register the clients and the streams that they write to."""
        for envelope in self.preparation():
            await self.commit_one(session, self.urls[0], envelope)

    def preparation(self) -> list[bytes]:
        """The transactions that register the clients and the streams, to be committed one after the other."""
        accounts = [
            AccountAdd(by="council", name=f"client{index}", keys=(self.client_key(index).public_key,), threshold=1)
            for index in range(CLIENTS)
        ]
        streams = [
            StreamCreate(
                by="council",
                name=f"bench{first}",
                writers=tuple(sorted(f"client{index}" for index in range(first, CLIENTS, STREAMS))),
            )
            for first in range(STREAMS)
        ]
        return [self.sign("council", self.council, operations) for operations in (accounts, streams)]

    async def commit_one(self, session: aiohttp.ClientSession, url: str, envelope: bytes) -> float:
        """Submit one transaction, wait until it is committed, and return the seconds that took."""
        started = time.perf_counter()
        async with session.post(
            f"{url}/v1/transactions",
            data=envelope,
            headers={"Content-Type": "application/json", "Prefer": "wait=30"},
        ) as answer:
            document = orjson.loads(await answer.read())
        seconds = time.perf_counter() - started
        if document.get("state") != "committed" or document.get("result") != "applied":
            raise RuntimeError(f"a transaction of the benchmark was not applied: {document}")
        return seconds


@dataclass(slots=True)
class Counter:
    """How many transactions the chain has, as blocks are appended."""

    committed: int = 0
    blocks: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def follow(self, session: aiohttp.ClientSession, url: str) -> None:
        """Read the event stream of one validator until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        async with session.get(f"{url}/v1/events", timeout=timeout) as stream:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    header = orjson.loads(line[5:])["header"]
                    self.committed = header["log_size"]
                    self.blocks += 1
                    self.changed.set()


async def saturate(
    session: aiohttp.ClientSession,
    urls: Sequence[str],
    envelopes: Sequence[bytes],
    counter: Counter,
    *,
    in_flight_max: int,
) -> None:
    """Send all envelopes in batches, spread over all validators, with at most `in_flight_max` not yet committed."""
    first = counter.committed
    sent = 0
    batches = [envelopes[start : start + BATCH] for start in range(0, len(envelopes), BATCH)]
    queue = list(reversed(batches))

    async def sender(url: str) -> None:
        nonlocal sent
        while queue:
            while sent - (counter.committed - first) > in_flight_max - BATCH:
                counter.changed.clear()
                await counter.changed.wait()
            if not queue:
                return
            batch = queue.pop()
            sent += len(batch)
            await _post(session, url, batch)

    await asyncio.gather(*(sender(url) for url in urls))
    while counter.committed - first < len(envelopes):
        counter.changed.clear()
        await asyncio.wait_for(counter.changed.wait(), 60)


async def _post(session: aiohttp.ClientSession, url: str, batch: Sequence[bytes]) -> None:
    async with session.post(
        f"{url}/v1/transactions", data=b"\n".join(batch), headers={"Content-Type": "application/x-ndjson"}
    ) as answer:
        document = orjson.loads(await answer.read())
    refused = [item for item in document.get("results", [document]) if "code" in item]
    if answer.status not in (200, 202) or refused:
        raise RuntimeError(f"a batch was not accepted by {url}: {answer.status} {refused[:1]}")
