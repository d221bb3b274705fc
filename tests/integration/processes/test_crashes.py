"""Validators are killed, stopped and robbed of their vote state; what was reported committed stays, and nobody lies."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from tests.integration.processes.network import ProcessNetwork, id_of


async def same_chain(network: ProcessNetwork, height: int) -> None:
    """All validators have the same block at `height`."""
    blocks = [await network.get(index, f"/v1/blocks/{height}") for index in range(network.layout.validators)]
    assert len({block["block_hash"] for block in blocks}) == 1


async def test_one_of_four_is_killed_under_load_and_comes_back(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        stop = asyncio.Event()
        sent: list[bytes] = []

        async def load() -> None:
            number = 0
            while not stop.is_set():
                batch = [network.record(f"record {number + offset}") for offset in range(20)]
                number += 20
                await network.submit_many(number // 20 % 2, batch)
                sent.extend(batch)
                await asyncio.sleep(0.05)

        loading = asyncio.create_task(load())
        await network.until_height(0, 8)
        network.kill(3)
        killed_at = await network.height(0)
        await network.until_height(0, killed_at + 5)  # the others go on
        network.start(3)
        await network.until_ready(3)
        came_back_at = await network.height(0)
        await network.until_height(3, came_back_at)
        network.kill(2)  # from here on nothing is appended without the vote of v3
        await network.until_height(0, await network.height(0) + 5)
        stop.set()
        await loading
        network.start(2)
        await network.until_ready()
        await network.until_committed(3, sent)
        assert (await network.status(3))["role"] == "voting"
        await network.no_evidence()
        await same_chain(network, came_back_at)


async def test_all_four_are_killed_at_once_and_nothing_reported_committed_is_lost(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        committed: list[bytes] = []
        for round_of_kills in range(2):
            envelopes = [network.record(f"round {round_of_kills}, record {number}") for number in range(30)]

            async def submit(number: int, envelope: bytes) -> None:
                answer = await network.submit(number % 4, envelope)
                if answer.get("state") == "committed":
                    committed.append(envelope)

            waiting = [asyncio.create_task(submit(number, item)) for number, item in enumerate(envelopes)]
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)  # in the middle of it
            network.kill(0, 1, 2, 3)
            await asyncio.gather(*waiting, return_exceptions=True)
            network.start()
            await network.until_ready()
            for index in range(4):
                await network.until_committed(index, committed)
        answer = await network.submit(2, network.record("the chain goes on"))
        assert answer["result"] == "applied"
        await network.no_evidence()


async def test_two_of_four_stopped_append_nothing_and_say_why(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        network.kill(2, 3)
        height = await network.height(0)
        envelope = network.record("waits for a quorum")
        answer = await network.submit(0, envelope, wait=3)
        assert (answer["http_status"], answer["state"]) == (202, "pending")
        assert await network.height(0) == await network.height(1) == height
        status = await network.status(0)
        deciding = status["deciding"]
        assert set(deciding["missing"]) >= {"v2", "v3"}  # type: ignore[index, call-overload]
        assert "v2" in str(status["explanation"])
        assert "v3" in str(status["explanation"])
        assert (status["n"], status["q"]) == (4, 3)
        network.start(2)
        await network.until_committed(0, [envelope])
        await network.until_committed(2, [envelope])
        assert (await network.status(2))["role"] == "voting"
        network.start(3)
        await network.until_ready()
        await network.no_evidence()


async def test_a_validator_whose_vote_state_was_deleted_observes_and_says_so(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        network.kill(1)
        shutil.rmtree(network.layout.validator_home(1) / "data")
        network.start(1)
        await network.until_ready(1)
        for number in range(3):
            await network.submit(0, network.record(f"while v1 observes {number}"))
        height = await network.height(0)
        await network.until_height(1, height)
        status = await network.status(1)
        assert status["role"] == "observing"
        assert "guard file is missing" in str(status["reason"])
        validators = (await network.get(0, "/v1/validators"))["validators"]
        signed = {item["name"]: item["last_signed_height"] or 0 for item in validators}  # type: ignore[attr-defined]
        assert signed["v1"] <= height - 3


async def test_a_validator_with_an_older_database_than_its_guard_observes_and_says_so(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        database = network.layout.validator_home(1) / "data" / "database"
        assert network.stop(1) == 0
        shutil.copytree(database, tmp_path / "backup")
        network.start(1)
        await network.until_ready(1)
        height = await network.height(0)
        network.kill(2)  # what is appended now has the vote of v1
        await network.submit(0, network.record("after the backup"))
        await network.until_height(0, height + 1)
        network.start(2)
        assert network.stop(1) == 0
        shutil.rmtree(database)
        shutil.copytree(tmp_path / "backup", database)
        network.start(1)
        await network.until_ready(1)
        status = await network.status(1)
        assert status["role"] == "observing"
        assert "behind the guard file" in str(status["reason"])


async def test_a_thousand_transactions_of_one_key_twice_each_are_committed_once_each(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        envelopes = [network.record(f"number {number}") for number in range(1_000)]
        shuffled = envelopes[::2] + envelopes[1::2][::-1]
        batches = [(start // 50 % 4, shuffled[start : start + 50]) for start in range(0, 1_000, 50)]
        again = [((index + 1) % 4, batch[::-1]) for index, batch in batches]
        results = await asyncio.gather(*(network.submit_many(index, batch) for index, batch in batches + again))
        assert {item["state"] for result in results for item in result} <= {"pending", "committed"}
        await network.until_committed(3, envelopes)
        stream = await network.get(3, "/v1/streams/notes")
        assert stream["count"] == 1_000
        seen: list[object] = []
        height = await network.height(3)
        for number in range(1, height + 1):
            block = await network.get(3, f"/v1/blocks/{number}")
            seen.extend(item["id"] for item in block["transactions"])  # type: ignore[attr-defined]
        assert len(seen) == len(set(seen)) == 1_002
        assert {id_of(envelope) for envelope in envelopes} <= set(seen)
