"""A run: a network under the faults of a plan while clients use it; then no faults, and what holds in the end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import assert_never

from tests.integration.faults.clients import Clients
from tests.integration.faults.disks import small_disks
from tests.integration.faults.history import Block, Chain, violations
from tests.integration.faults.links import Links
from tests.integration.faults.machines import Machines, linked_through_proxies
from tests.integration.faults.plan import (
    Break,
    Cut,
    Fault,
    FillDisk,
    Kill,
    Pause,
    Plan,
    Roll,
    Scheduled,
    SetClock,
    Silence,
    Slow,
    Spoil,
)
from tests.integration.processes.commands import quorum_audit
from tests.integration.processes.network import ProcessNetwork

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Report:
    """What a run came to. Times are seconds of this machine."""

    seed: int
    validators: int
    quorum: int
    disks: str
    seconds: float
    faults: Mapping[str, int]
    ended_by_itself: int
    """Times that a node gave up on its disk, and was started again."""
    heights: int
    submitted: int
    acknowledged: int
    failed: int
    """Of those acknowledged: on the ledger without effect, because their condition was not met."""
    unresolved: int
    """Without an outcome when the faults were over; all have one in the end."""
    expired: int
    answers_checked: int
    longest_silence_s: float
    """Between two blocks, as clients saw them."""
    first_block_after_s: float
    """From the end of all faults to the next block."""

    def document(self) -> dict[str, object]:
        """As JSON."""
        return {**asdict(self), "faults": dict(self.faults)}


class ViolationError(AssertionError):
    """Something that must hold did not. The message says what, and how to have it again."""


async def run(plan: Plan, home: Path, say: Say) -> Report:
    """Carry the plan out with a network whose files are made in `home`. Raises `ViolationError`."""
    say(str(plan))
    async with ProcessNetwork(home, plan.machines, plan.quorum) as network:
        data = [network.layout.validator_home(index) / "data" for index in range(plan.machines)]
        with small_disks(data) as disks:
            async with linked_through_proxies(network) as links:
                machines = Machines(network, disks)
                say(f"disks: {machines.kind}")
                machines.start(*range(plan.machines))
                await network.until_ready()
                await network.register()
                height = await network.height(0)
                for index in range(plan.machines):
                    await network.until_height(index, height)
                return await _Run(plan, network, machines, links, say).all()


class _Run:
    """The parts of one run, and what it counts."""

    def __init__(self, plan: Plan, network: ProcessNetwork, machines: Machines, links: Links, say: Say) -> None:
        self._plan = plan
        self._network = network
        self._machines = machines
        self._links = links
        self._say = say
        self._clients = Clients(network, plan.seed)

    async def all(self) -> Report:
        """Faults, then none, then the questions."""
        before = await self._chain(0)
        network, seen, everybody = self._network, self._clients.seen, range(self._plan.machines)
        async with self._supervised():
            begun = time.monotonic()
            async with self._clients:
                async with asyncio.TaskGroup() as faults:
                    for item in self._plan.faults:
                        faults.create_task(self._happen(item, begun))
                    await asyncio.sleep(self._plan.seconds)
                healed, heard = time.monotonic(), max(item.height for item in seen.blocks)
                self._say("no faults any more")

                async def goes_on() -> bool:
                    return await network.height(0) > heard

                await network.until("a block is appended after the faults", goes_on)
                first_block = time.monotonic() - healed
            unresolved = [write for write in seen.writes.values() if write.committed is None and not write.expired]
            self._say(f"a block after {first_block:.1f} s; {len(unresolved)} transactions have no outcome yet")
            await network.until_ready()
            for write in unresolved:
                await self._clients.settle(write)
            height = max([await network.height(index) for index in everybody])
            for index in everybody:
                await network.until_height(index, height)
        self._say(f"all have block {height}; every answer is compared with the chain")
        chains = [(await self._chain(index))[: height + 1] for index in everybody]
        names = frozenset(name for block in before for name, _ in block.transactions)
        found = [*self._machines.unexplained, *violations(seen, chains, names)]
        if found:
            raise ViolationError("\n".join([f"seed {self._plan.seed}, {self._plan.seconds} s:", *found[:20]]))
        await network.no_evidence()
        genesis = ("--genesis", str(network.layout.genesis))
        await quorum_audit("ledger", network.url(self._plan.seed % self._plan.machines), *genesis)
        return self._report(begun, healed, first_block, height, len(unresolved))

    @contextlib.asynccontextmanager
    async def _supervised(self) -> AsyncIterator[None]:
        supervisor = asyncio.create_task(self._machines.supervise())
        try:
            yield
        finally:
            supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await supervisor

    async def _happen(self, item: Scheduled, begun: float) -> None:
        """Begin a fault when it is due, and end it."""
        await asyncio.sleep(max(0.0, begun + item.begin_s - time.monotonic()))
        self._say(str(item))
        await self._begin(item.fault, begun + item.end_s)
        await asyncio.sleep(max(0.0, begun + item.end_s - time.monotonic()))
        await self._end(item.fault)

    async def _begin(self, fault: Fault, until: float) -> None:
        machines, ways = self._machines, self._links.ways
        match fault:
            case Kill(indices):
                machines.kill(*indices)
            case Roll(indices):
                for index in indices:
                    if (left := until - time.monotonic()) <= 0:
                        return  # a slow machine gets through fewer of them
                    await machines.stop(index)
                    machines.start(index)
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(left):
                            await self._network.until_ready(index, peers=0)
            case Pause(indices):
                for index in indices:
                    machines.pause(index, paused=True)
            case FillDisk(indices, nearly):
                for index in indices:
                    machines.fill_disk(index, nearly=nearly)
            case SetClock(indices, ahead_ms, rate):
                for index in indices:
                    machines.set_clock(index, ahead_ms=ahead_ms, rate=rate)
            case Cut(pairs, refused):
                for pair in pairs:
                    ways[pair].refuses = refused
                self._links.cut(pairs)
            case Silence(pairs):
                for pair in pairs:
                    ways[pair].silence()
            case Slow(pairs, delay_ms, bytes_per_second):
                for pair in pairs:
                    ways[pair].delay_ms, ways[pair].bytes_per_second = delay_ms, bytes_per_second
            case Break(pairs, after_bytes):
                for pair in pairs:
                    ways[pair].breaks_after = after_bytes
            case Spoil(pairs):
                for pair in pairs:
                    ways[pair].spoils_next = True
            case _:
                assert_never(fault)

    async def _end(self, fault: Fault) -> None:
        machines = self._machines
        match fault:
            case Kill(indices, again_after_s):
                machines.start(*indices)
                if again_after_s is not None:
                    await asyncio.sleep(again_after_s)
                    machines.kill(*indices)
                    machines.start(*indices)
            case Roll():
                return
            case Pause(indices):
                for index in indices:
                    machines.pause(index, paused=False)
            case FillDisk(indices):
                for index in indices:
                    machines.free_disk(index)
            case SetClock(indices):
                for index in indices:
                    machines.set_clock(index, ahead_ms=0)
            case Cut() | Silence() | Slow() | Break() | Spoil():
                self._links.restore()
            case _:
                assert_never(fault)

    async def _chain(self, index: int) -> Chain:
        """All blocks of a node."""
        blocks: list[Block] = []
        for height in range(await self._network.height(index) + 1):
            block = await self._network.get(index, f"/v1/blocks/{height}")
            transactions = tuple((item["id"], item["result"]) for item in block["transactions"])  # type: ignore[attr-defined]
            blocks.append(Block(str(block["block_hash"]), transactions))
        return blocks

    def _report(self, begun: float, healed: float, first_block: float, height: int, unresolved: int) -> Report:
        seen = self._clients.seen
        committed = [write.committed for write in seen.writes.values() if write.committed is not None]
        newest, since, longest = 0, begun, 0.0
        for item in sorted(seen.blocks, key=lambda item: item.answered_s):
            if item.height > newest:
                newest, since, longest = item.height, item.answered_s, max(longest, item.answered_s - since)
        longest = max(longest, healed + first_block - since)
        return Report(
            seed=self._plan.seed,
            validators=self._plan.machines,
            quorum=self._plan.quorum.size(self._plan.machines),
            disks=self._machines.kind,
            seconds=round(healed - begun, 1),
            faults=dict(sorted(Counter(type(item.fault).__name__ for item in self._plan.faults).items())),
            ended_by_itself=self._machines.restarts,
            heights=height,
            submitted=len(seen.writes),
            acknowledged=len(committed),
            failed=sum(result != "applied" for _, result in committed),
            unresolved=unresolved,
            expired=sum(write.expired for write in seen.writes.values()),
            answers_checked=len(seen.blocks) + len(seen.keys),
            longest_silence_s=round(longest, 1),
            first_block_after_s=round(first_block, 1),
        )
