"""A chain decides on a protocol version that its software does not know: it is said, nothing is voted for, nothing is
lost, and updated nodes go on."""

from __future__ import annotations

from pathlib import Path

from ledger.governance.changes import ParameterSet
from ledger.limits import PROTOCOL_DELAY_HEIGHTS_MIN
from ledger.parameters import PROTOCOL_VERSION
from tests.integration.processes.commands import quorum_audit, quorum_node
from tests.integration.processes.council import Council
from tests.integration.processes.network import ProcessNetwork, id_of

NEWER = ("-P", str(Path(__file__).with_name("newer_software.py")))


async def update(network: ProcessNetwork, *indices: int) -> None:
    """These nodes are killed, and started with software that knows the next protocol version."""
    network.kill(*indices)
    network.start(*indices, program=NEWER)
    await network.until_ready(*indices, peers=1)


async def serves(network: ProcessNetwork, index: int, envelope: bytes) -> None:
    """A node that stands still answers what it is asked of the chain up to there, and takes nothing."""
    assert (await network.get(index, f"/v1/transactions/{id_of(envelope)}"))["state"] == "committed"
    assert (await network.get(index, f"/v1/transactions/{id_of(envelope)}/receipt"))["kind"] == "quorum-ledger/receipt"
    assert (await network.get(index, "/v1/streams/notes"))["name"] == "notes"
    assert (await network.get(index, "/livez"))["alive"] is True
    assert "the node is outdated" in str((await network.get(index, "/readyz"))["reasons"])
    refused = await network.submit(index, network.record("too late"), wait=0)
    assert (refused["http_status"], refused["code"]) == (503, "not_ready")


async def test_outdated_nodes_say_so_stop_in_time_and_go_on_when_they_are_updated(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path) as network:
        network.start()
        await network.until_ready()
        await network.register()
        change = ParameterSet("protocol_version", PROTOCOL_VERSION + 1)
        height = await Council(network).decide(change, delay=PROTOCOL_DELAY_HEIGHTS_MIN)
        said = f"protocol version 2 is in force from height {height} on, and this software knows 1"
        for index in range(4):
            await network.until_height(index, height - PROTOCOL_DELAY_HEIGHTS_MIN)
            status = await network.status(index)
            assert status["role"] == "voting"
            assert said in str(status["reason"])
            assert "software_outdated" in network.log(index)
        await update(network, 3)  # in good time, and votes beside the others
        assert "protocol version" not in str((await network.status(3))["reason"])

        envelope = b""
        while await network.height(0) < height - 1:
            envelope = network.record("of version 1")
            assert (await network.commit(envelope, 0))["result"] == "applied"
        for index in range(4):
            await network.until_height(index, height - 1)
        network.kill(1)
        network.start(1)  # by somebody who hopes that it helps
        await network.until("v1 answers", lambda: answers(network, 1))
        for index in range(3):
            status = await network.status(index)
            assert (status["role"], said in str(status["reason"])) == ("outdated", True)
            await serves(network, index, envelope)
        printed = await quorum_node("status", "--home", str(network.layout.validator_home(1)))
        assert f"update its software: {said}" in printed
        waiting = network.record("of version 2")
        pending = await network.submit(3, waiting, wait=2)
        assert (pending["http_status"], pending["state"]) == (202, "pending")
        assert [await network.height(index) for index in range(4)] == [height - 1] * 4

        await update(network, 0, 1)
        answer = await network.commit(waiting, 0, 1)
        assert (answer["result"], answer["height"]) == ("applied", height)
        assert (await network.commit(network.record("of version 2, too"), 1))["result"] == "applied"
        assert (await network.status(2))["role"] == "outdated"
        assert await network.height(2) == height - 1
        await serves(network, 2, envelope)
        await update(network, 2)
        await network.until_committed(2, [waiting])
        assert {(await network.status(index))["role"] for index in range(4)} == {"voting"}
        await network.no_evidence()
        genesis = ("--genesis", str(network.layout.genesis))
        printed = await quorum_audit("ledger", network.url(2), *genesis, "--to-height", str(height - 1))
        assert "Every block up to this height follows from genesis by the rules" in printed


async def answers(network: ProcessNetwork, index: int) -> bool:
    return (await network.get(index, "/livez"))["alive"] is True
