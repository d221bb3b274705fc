"""One of four validators has a flipped byte on its disk: it repairs itself while the others go on."""

from __future__ import annotations

from pathlib import Path

from node.storage.leveldb import open_database
from tests.integration.processes.network import ProcessNetwork


def flip_in_table(home: Path) -> None:
    """Flip a byte in the first block of rows of the largest table of a database: of bodies, which no start reads."""
    table = max((home / "data" / "database").glob("*.ldb"), key=lambda path: path.stat().st_size)
    data = bytearray(table.read_bytes())
    data[100] ^= 0xFF
    table.write_bytes(data)


async def test_a_flipped_byte_in_a_table_is_found_and_repaired_while_the_validators_run(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        sent = [network.record(f"record {number}") for number in range(60)]
        for start in range(0, len(sent), 10):
            await network.submit_many(start // 10 % 4, sent[start : start + 10])
            await network.until_committed(3, sent[: start + 10])
        network.stop(3)
        home = network.layout.validator_home(3)
        for _ in range(2):  # what was in its log becomes a table, and LevelDB has no reason to merge tables
            open_database(home / "data" / "database").close()
        flip_in_table(home)
        network.start(3)
        await network.until_ready(3)

        async def set_aside() -> bool:
            return all(event in network.log(3) for event in ("block_replaced", "database_set_aside"))

        await network.until("the damage is found", set_aside)
        later = [network.record(f"after the damage {number}") for number in range(5)]
        await network.submit_many(0, later)

        async def rebuilt() -> bool:
            return "database_rebuilt" in network.log(3) and not (home / "data" / "database.damaged").exists()

        await network.until("the database is whole", rebuilt)
        await network.until_committed(3, [*sent, *later])
        network.kill(2)  # from here on nothing is appended without the vote of v3
        answer = await network.submit(0, network.record("the chain goes on"))
        assert answer["result"] == "applied"
        assert (await network.status(3))["role"] == "voting"
        for height in range(1, await network.height(3)):
            blocks = [await network.get(index, f"/v1/blocks/{height}") for index in (0, 3)]
            assert blocks[0]["block_hash"] == blocks[1]["block_hash"]
        findings = {item["code"] for item in (await network.get(3, "/v1/doctor"))["findings"]}  # type: ignore[attr-defined]
        assert not findings & {"blocks_damaged", "database_damaged", "database_rebuilding"}
        await network.no_evidence()
