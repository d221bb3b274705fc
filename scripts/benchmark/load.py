"""The load: transactions signed in advance, sent through the HTTP API, and counted when a quorum has appended them.

`saturate` sends as much as the network takes; `paced` so much a second, however long the answers take, and measures
from when a batch was to be sent: a network that falls behind cannot hide it by slowing down who measures it.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import aiohttp
import orjson

from benchmark.samples import Arrival
from benchmark.submitting import Submitter, Submitters
from ledger.amounts import Amount
from ledger.crypto import SigningKey
from ledger.operations.accounts import AccountAdd
from ledger.operations.assets import AssetDefine, AssetIssue, AssetTransfer
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.primitives import Digest
from ledger.transaction import assemble, build_body, sign_body

CLIENTS = 64
BATCH = 100
STREAMS = 2  # to share the clients between: a stream has at most 32 writers
ASSET = "bench"
SENDERS_MIN = 4  # batches on their way at once, that a validator has not answered
UNANSWERED_MAX = 400  # batches that are sent at a set pace and not answered
_VALID_MS = 3_600_000


@dataclass(slots=True)
class Load:
    """A chain's clients and a source of fresh signed transactions."""

    chain: Digest
    council: SigningKey
    urls: Sequence[str]
    _serial: int = field(default=0)

    @property
    def signed(self) -> int:
        """How many transactions were made."""
        return self._serial

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

    def records(self, count: int, operations: int = 1) -> list[bytes]:
        """`count` envelopes of `operations` records each, by the clients in turn."""
        return self._by_clients(
            count,
            lambda client, number: [self.record(client, operations * number + item) for item in range(operations)],
        )

    def record(self, client: int, number: int, key: str | None = None) -> RecordAppend:
        """The operation with which a client appends a record, `number`, to its stream."""
        content = Content({"number": number, "text": "one line of an ordinary delivery note"})
        return RecordAppend(by=f"client{client}", stream=f"bench{client % STREAMS}", content=content, key=key)

    def keyed_records(self, count: int) -> list[bytes]:
        """The same as `records`, but each record has an entity key that no other has."""
        first = self._serial
        return self._by_clients(count, lambda client, number: [self.record(client, number, f"note-{first + number}")])

    def transfers(self, count: int) -> list[bytes]:
        """`count` envelopes of a transfer each, from one client to the next; see `prepare_transfers`."""
        return self._by_clients(
            count,
            lambda client, _: [
                AssetTransfer(by=f"client{client}", asset=ASSET, to=f"client{(client + 1) % CLIENTS}", amount=Amount(1))
            ],
        )

    def _by_clients(self, count: int, operations: Callable[[int, int], Sequence[Operation]]) -> list[bytes]:
        """`count` envelopes by the clients in turn, of the operations that there are for (client, number)."""
        keys = [self.client_key(index) for index in range(CLIENTS)]
        return [
            self.sign(f"client{number % CLIENTS}", keys[number % CLIENTS], operations(number % CLIENTS, number))
            for number in range(count)
        ]

    async def prepare(self) -> None:
        """Register the clients and the streams that they write to, and see that every validator knows of them."""
        await self._commit_everywhere(self.preparation())

    async def prepare_transfers(self) -> None:
        """Give every client something to transfer."""
        define = AssetDefine(by="council", name=ASSET, decimals=0)
        issues = [
            AssetIssue(by="council", asset=ASSET, to=f"client{index}", amount=Amount(10**9)) for index in range(CLIENTS)
        ]
        await self._commit_everywhere([self.sign("council", self.council, each) for each in ([define], issues)])

    async def _commit_everywhere(self, envelopes: Sequence[bytes]) -> None:
        """Have these committed, one after the other, and see that every validator knows of them."""
        for url in self.urls:
            async with Submitter(url) as submitter:
                for envelope in envelopes:  # what was committed elsewhere has the same answer
                    await submitter.commit(envelope)

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


@dataclass(slots=True)
class Counter:
    """How many transactions the chain has, as blocks are appended, and each block as it came."""

    committed: int = 0
    arrivals: list[Arrival] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def next_block(self, seconds_max: float = 60) -> None:
        """Return when another block came. Raises `TimeoutError` when none does for long."""
        self.changed.clear()
        await asyncio.wait_for(self.changed.wait(), seconds_max)

    async def reached(self, committed: int, seconds_max: float = 60) -> None:
        """Return when the chain has so many transactions. Raises `TimeoutError` when nothing is appended for long."""
        while self.committed < committed:
            await self.next_block(seconds_max)

    @property
    def blocks(self) -> int:
        """How many blocks came."""
        return len(self.arrivals)

    async def follow(self, session: aiohttp.ClientSession, url: str) -> None:
        """Read the event stream of one validator until cancelled."""
        timeout = aiohttp.ClientTimeout(total=None, sock_read=None)
        async with session.get(f"{url}/v1/events", timeout=timeout) as stream:
            async for line in stream.content:
                if line.startswith(b"data:"):
                    at, block = time.perf_counter(), orjson.loads(line[5:])
                    header, self.committed = block["header"], block["header"]["log_size"]
                    self.arrivals.append(
                        Arrival(at, header["height"], block["round"], header["proposer"], self.committed)
                    )
                    self.changed.set()


async def saturate(urls: Sequence[str], envelopes: Sequence[bytes], counter: Counter, *, in_flight_max: int) -> None:
    """Send all envelopes in batches, spread over all validators, with at most `in_flight_max` not yet committed."""
    first = counter.committed
    sent = 0
    batches = [envelopes[start : start + BATCH] for start in range(0, len(envelopes), BATCH)]
    queue = list(reversed(batches))

    async def sender(url: str) -> None:
        nonlocal sent
        async with Submitter(url) as submitter:
            while queue:
                while sent - (counter.committed - first) > in_flight_max - BATCH:
                    await counter.next_block()
                if not queue:
                    return
                batch = queue.pop()
                sent += len(batch)
                await submitter.submit(batch)

    # A sender waits until its batch has been looked at; with one alone, a validator would wait for the next.
    await asyncio.gather(*(sender(urls[number % len(urls)]) for number in range(max(SENDERS_MIN, len(urls)))))
    await counter.reached(first + len(envelopes))


async def paced(urls: Sequence[str], envelopes: Sequence[bytes], *, per_second: float) -> list[float]:
    """Send all envelopes in batches, `per_second` transactions a second, to one URL after the other.

    The seconds, for each batch, from when it was to be sent until a validator said that all of it was committed. Raises
    `RuntimeError` when something was not, or when so much is unanswered that the network has no hope of keeping up.
    """
    batches = [envelopes[start : start + BATCH] for start in range(0, len(envelopes), BATCH)]
    started, unanswered = time.perf_counter(), 0

    async def send(number: int, due: float) -> float:
        nonlocal unanswered
        unanswered += 1
        async with submitters.one(urls[number % len(urls)]) as submitter:
            await submitter.submit(batches[number], wait=True)
        unanswered -= 1
        return time.perf_counter() - due

    async with Submitters() as submitters, asyncio.TaskGroup() as group:
        tasks = []
        for number in range(len(batches)):
            due = started + number * BATCH / per_second
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if unanswered > UNANSWERED_MAX:
                raise RuntimeError(f"the network does not keep up with {per_second:.0f} transactions a second")
            tasks.append(group.create_task(send(number, due)))
    return [task.result() for task in tasks]
