"""One member sends as fast as it can; another's transaction is hardly later for it (design section 6, spam control)."""

from __future__ import annotations

import asyncio
from itertools import cycle
from pathlib import Path

from ledger.limits import BLOCK_TRANSACTIONS_MAX
from ledger.operations.accounts import AccountAdd
from tests.integration.processes.network import ProcessNetwork

FLOOD = 16_000
BATCH = 500
CLIENTS = 12
DELAY_BLOCKS_MAX = 2


async def test_one_sender_at_full_speed_delays_another_by_two_blocks_at_most(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        flood = [network.record(f"flood {number}") for number in range(FLOOD)]
        batches = [flood[start : start + BATCH] for start in range(0, FLOOD, BATCH)]

        async def send(index: int, batches: list[list[bytes]]) -> None:
            """One batch after the other; what there is no room for is offered again, as a stubborn client does."""
            for batch in batches:

                async def taken(batch: list[bytes] = batch) -> bool:
                    return not any("code" in item for item in await network.submit_many(index, batch))

                await network.until("a batch is taken", taken)

        clients = [(number % 4, batches[number::CLIENTS]) for number in range(CLIENTS)]
        flooding = [asyncio.create_task(send(index, mine)) for index, mine in clients]

        async def backlog() -> bool:
            return int((await network.status(0))["mempool"]["transactions"]) > BLOCK_TRANSACTIONS_MAX  # type: ignore[index, call-overload]

        await network.until("a backlog of more than a block waits", backlog)
        delays: list[int] = []
        for index in cycle(range(4)):
            name = f"late{len(delays)}"
            account = AccountAdd(by="council", name=name, keys=(network.alice.public_key,), threshold=1)
            envelope = network.sign("council", network.council, account)
            before = max(await asyncio.gather(*map(network.height, range(4))))
            answer = await network.submit(index, envelope)
            assert answer["result"] == "applied", answer
            if all(client.done() for client in flooding):
                break
            delays.append(int(answer["height"]) - before - 1)  # type: ignore[call-overload]
        assert len(delays) >= 3, "the flood lasted for several of the other's transactions"
        # One more: the block that was being decided when the transaction was sent could not have it.
        assert max(delays) <= DELAY_BLOCKS_MAX + 1, delays
        await asyncio.gather(*flooding)
        await network.until_committed(0, [flood[-1]])
