"""Who uses the network all along, and writes down what was asked, when, and what was answered.

Writers append records, some of them only if a key is still at the revision that they have read. Most offer the same
bytes to one node after the other until there is an outcome, some to two at once; some ask once, wait a little, and
never learn what became of it. Readers look at the newest block and at keys. Nobody is told of the faults.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
import orjson

from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.refusals import Code
from node.http.problems import HttpCode
from tests.integration.processes.network import ProcessNetwork, id_of

STREAM = "notes"
KEYS = ("berth-1", "berth-2", "berth-3")
_WRITERS = 5
_ANSWER_SECONDS_MAX = 4
_PATIENT_MS, _IMPATIENT_MS = 120_000, 6_000
_TRANSIENT = frozenset({429, 503})
_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class Write:
    """One transaction: what it asks for, and what its client was told. Times are of the monotonic clock."""

    name: str
    envelope: bytes
    key: str | None
    expected_revision: int | None
    invoked_s: float
    impatient: bool
    committed: tuple[int, str] | None = None
    """The height and result, as a node has said."""
    answered_s: float | None = None
    expired: bool = False
    """A node has said so."""


@dataclass(frozen=True, slots=True)
class BlockSeen:
    """A node said that this was its newest block."""

    machine: int
    asked_s: float
    answered_s: float
    height: int
    block_hash: str


@dataclass(frozen=True, slots=True)
class KeySeen:
    """A node said that a key was at this revision after the block of this height; 0: that it has no record."""

    machine: int
    key: str
    height: int
    revision: int


@dataclass(slots=True)
class Observations:
    """All that clients did and were told."""

    writes: dict[str, Write] = field(default_factory=dict)
    blocks: list[BlockSeen] = field(default_factory=list)
    keys: list[KeySeen] = field(default_factory=list)
    refusals: dict[str, int] = field(default_factory=dict)
    """How often a node refused with each code; another was asked then."""
    unexpected: list[str] = field(default_factory=list)
    """Answers that no node may give, whatever happens to it."""


class Clients:
    """Use as a context manager: they work until it is left."""

    def __init__(self, network: ProcessNetwork, seed: int) -> None:
        self._network = network
        self._seed = seed
        self._tasks: list[asyncio.Task[None]] = []
        self._numbers = 0
        self.seen = Observations()

    async def __aenter__(self) -> Clients:
        count = self._network.layout.validators
        workers = [self._write(random.Random(f"{self._seed} writer {number}")) for number in range(_WRITERS)]
        workers += [self._watch(machine, random.Random(f"{self._seed} reader {machine}")) for machine in range(count)]
        self._tasks = [asyncio.create_task(worker) for worker in workers]
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        ended = await asyncio.gather(*self._tasks, return_exceptions=True)
        for outcome in ended:
            if isinstance(outcome, Exception):
                raise outcome

    async def settle(self, write: Write) -> None:
        """Offer a transaction to all nodes in turn until it is committed, or can't be any more."""

        async def settled() -> bool:
            for machine in range(self._network.layout.validators):
                await self._offer(write, machine)
                if write.committed is not None or write.expired:
                    return True
            return False

        await self._network.until(f"{write.name} has an outcome", settled)

    async def _write(self, dice: random.Random) -> None:
        count = self._network.layout.validators
        while True:
            write = await self._make(dice)
            self.seen.writes[write.name] = write
            doors = dice.sample(range(count), count)
            if write.impatient:
                await self._offer(write, doors[0])
            elif dice.random() < 0.1:
                await asyncio.gather(self._offer(write, doors[0]), self._offer(write, doors[1]))
            tries = 0
            while not write.impatient and write.committed is None and not write.expired:
                await self._offer(write, doors[tries % count])
                tries += 1
                await asyncio.sleep(min(0.05 * tries, 0.5))
            await asyncio.sleep(dice.uniform(0.02, 0.2))

    async def _make(self, dice: random.Random) -> Write:
        """The next transaction of a writer: a note, or a record of a key that is at the revision just read."""
        key = dice.choice(KEYS) if dice.random() < 0.4 else None
        expected = None
        if key is not None:
            seen = await self._read_key(dice.randrange(self._network.layout.validators), key)
            expected = 0 if seen is None else seen.revision
        self._numbers += 1
        impatient = dice.random() < 0.15
        content = Content(f"record {self._numbers} {'x' * dice.choice((0, 100, 3_000))}")
        operation = RecordAppend("alice", STREAM, content=content, key=key, expected_revision=expected)
        valid_for_ms = _IMPATIENT_MS if impatient else _PATIENT_MS
        envelope = self._network.sign("alice", self._network.alice, operation, valid_for_ms=valid_for_ms)
        return Write(id_of(envelope), envelope, key, expected, time.monotonic(), impatient)

    async def _offer(self, write: Write, machine: int) -> None:
        """Submit once to one node, and note what it says if it does."""
        wait = 1 if write.impatient else 3
        try:
            async with asyncio.timeout(_ANSWER_SECONDS_MAX):
                answer = await self._network.submit(machine, write.envelope, wait=wait)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return
        match answer:
            case {"state": "committed", "height": int(height), "result": str(result)}:
                now = time.monotonic()
                if write.committed is None:
                    write.committed, write.answered_s = (height, result), now
                elif write.committed != (height, result):
                    self.seen.unexpected.append(f"{write.name} was {write.committed}, then {(height, result)}")
            case {"state": "pending"}:
                return
            case {"state": "expired"}:
                write.expired = True
            case {"http_status": int(status), "code": str(code)}:
                self.seen.refusals[code] = self.seen.refusals.get(code, 0) + 1
                if code == Code.EXPIRED:
                    write.expired = True
                elif status not in _TRANSIENT:
                    self.seen.unexpected.append(f"{write.name} at v{machine}: {answer}")
            case _:
                self.seen.unexpected.append(f"{write.name} at v{machine}: {answer}")

    async def _watch(self, machine: int, dice: random.Random) -> None:
        """Ask one node, one question after the other, what it has."""
        while True:
            asked = time.monotonic()
            page = await self._ask(self._network.get(machine, "/v1/blocks?limit=1"))
            match page:
                case {"head": {"height": int(height), "block_hash": str(block_hash)}}:
                    self.seen.blocks.append(BlockSeen(machine, asked, time.monotonic(), height, block_hash))
                    await self._read_key(machine, dice.choice(KEYS))
                case {"status": 503} | None:
                    pass  # it is stopping, or down
                case _:
                    self.seen.unexpected.append(f"v{machine} lists its blocks as {page}")
            await asyncio.sleep(0.25)

    async def _read_key(self, machine: int, key: str) -> KeySeen | None:
        """What a node says about a key, noted; None when it says nothing."""
        answer = await self._ask(self._latest(machine, key))
        if answer is None:
            return None
        seen = KeySeen(machine, key, *answer)
        self.seen.keys.append(seen)
        return seen

    async def _latest(self, machine: int, key: str) -> tuple[int, int]:
        """The height of an answer, and the revision of a key in it."""
        url = f"{self._network.url(machine)}/v1/streams/{STREAM}/latest?key={key}"
        async with self._network.session.get(url) as answer:
            document = orjson.loads(await answer.read())
            if answer.status == 200:
                return document["height"], document["revision"]
            if answer.status == 404 and document["code"] == HttpCode.RECORD_UNKNOWN:
                return int(answer.headers["Ledger-Height"]), 0
            if answer.status != 503:
                self.seen.unexpected.append(f"v{machine} said of {key}: {document}")
            raise aiohttp.ClientError("it is stopping")

    async def _ask(self, question: Awaitable[_Answer]) -> _Answer | None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS_MAX):
                return await question
        except (aiohttp.ClientError, OSError, TimeoutError):
            return None
