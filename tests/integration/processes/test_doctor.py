"""The doctor of a real node names exactly those that are away, and what to do; and nobody once they are back."""

from __future__ import annotations

from pathlib import Path

import orjson

from tests.integration.processes.commands import quorum_node
from tests.integration.processes.network import ProcessNetwork

STOPPED, KILLED = 2, 3
AWAY = ["v2", "v3"]


async def test_of_four_one_is_stopped_and_one_killed(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        home = str(network.layout.validator_home(0))

        async def faults(index: int) -> dict[str, dict[str, object]]:
            """What the doctor of a validator finds that is no mere notice, by code."""
            items: list[dict[str, object]] = (await network.get(index, "/v1/doctor"))["findings"]  # type: ignore[assignment]
            return {str(item["code"]): item for item in items if item["severity"] != "notice"}

        async def are_missed() -> bool:
            found = await faults(0)
            return all(
                code in found and found[code]["validators"] == AWAY for code in ("quorum_unreachable", "stalled")
            )

        async def are_back() -> bool:
            codes = [[*(await faults(index))] for index in range(4)]
            return codes == [[], [], ["stood_still"], []]

        network.start()
        await network.until_ready()
        await network.register()
        network.pause(STOPPED, paused=True)
        network.kill(KILLED)
        envelope = network.record("waits for a quorum")
        assert (await network.submit(0, envelope, wait=0))["state"] == "pending"
        await network.until("v0 misses both", are_missed)

        printed = orjson.loads(await quorum_node("doctor", "--home", home, "--output", "json", exit_code=1))
        assert printed["healthy"] is False
        found = {item["code"]: item for item in printed["findings"] if item["severity"] != "notice"}
        # The link to the one that is stopped stays up until its heartbeats are missed.
        assert found.keys() - {"validators_silent"} == {"quorum_unreachable", "stalled"}
        assert found["quorum_unreachable"]["validators"] == found["stalled"]["validators"] == AWAY
        assert found.get("validators_silent", {"validators": ["v2"]})["validators"] == ["v2"]
        assert "v3: not linked for" in found["quorum_unreachable"]["sentence"]
        assert "last dial: " in found["quorum_unreachable"]["sentence"], "and why it cannot be reached"
        lines = (await quorum_node("doctor", "--home", home, exit_code=1)).splitlines()
        for code in ("quorum_unreachable", "stalled"):
            assert f"{'':<8} -> {found[code]['remedy']}" in lines
        assert any("2 of 4 validators can be reached, all but v2, v3" in line for line in lines)

        network.pause(STOPPED, paused=False)
        network.start(KILLED)
        await network.until_committed(0, [envelope])
        await network.until("nobody misses anybody, and the one that was stopped says so itself", are_back)
        assert orjson.loads(await quorum_node("doctor", "--home", home, "--output", "json"))["healthy"] is True
        assert (await quorum_node("doctor", "--home", home)).splitlines()[-1] == "nothing is wrong"
        await network.no_evidence()
