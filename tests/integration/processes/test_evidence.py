"""Two copies of one validator contradict each other: it is on the ledger once, proved to strangers, and removed for it.

Home 3 is that of v3, home 4 a copy of it with addresses of its own: the same keys, and the same vote state at first.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from ledger.governance.changes import ValidatorRemove
from ledger.parameters import Parameters
from ledger.primitives import Digest
from node.config import FILE_NAME
from tests.integration.processes.commands import quorum_audit
from tests.integration.processes.council import Council
from tests.integration.processes.network import ProcessNetwork

COPY = 4


async def until_v3_leads(network: ProcessNetwork) -> int:
    """Let heights pass until v3 is to propose the next one, which all four have begun; that height."""
    while True:
        answer = await network.commit(network.record("one height more"), 0)
        status = await network.status(0)
        if status["deciding"]["leader"] == "v3":  # type: ignore[index, call-overload]
            break
    for index in range(4):
        await network.until_height(index, int(str(answer["height"])))
    return int(str(answer["height"])) + 1


def copy_home(network: ProcessNetwork) -> None:
    """A copy of the home of v3, which does not run; what a careless operator does for a standby."""
    layout = network.layout
    shutil.copytree(layout.validator_home(3), layout.validator_home(COPY))
    path = layout.validator_home(COPY) / FILE_NAME
    text = path.read_text()
    for old, new in ((layout.peers(3), layout.peers(COPY)), (layout.api(3), layout.api(COPY))):
        text = text.replace(str(old), str(new))
    path.write_text(text)


async def evidence_of(network: ProcessNetwork, index: int, path: str = "/v1/evidence") -> list[tuple[str, int]]:
    """Against whom a node has evidence, and of which heights."""
    return [(item["validator"], item["height"]) for item in (await network.get(index, path))["items"]]  # type: ignore[attr-defined]


async def propose_twice(network: ProcessNetwork, height: int) -> None:
    """Each copy proposes a block of `height` to v0, one after the other: nothing can be decided while they do."""
    assert network.stop(3) == 0
    copy_home(network)
    network.kill(1, 2)
    network.start(COPY)

    async def hears_v3() -> bool:
        return bool((await network.status(0))["deciding"]["proposal_seen"])  # type: ignore[index, call-overload]

    waiting = await network.submit(0, network.record("proposed twice"), wait=0)
    assert waiting["state"] == "pending"
    await network.until("v0 has the proposal of the copy", hears_v3)
    network.kill(COPY)
    network.start(3)

    async def found() -> bool:
        return await evidence_of(network, 0, "/v1/evidence/unrecorded") == [("v3", height)]

    await network.until("v0 has found the contradiction", found)
    assert await network.height(0) == height - 1


async def test_copies_of_a_validator_contradict_each_other_and_it_is_removed_for_it(tmp_path: Path) -> None:
    # The second copy must propose before it gives the round up, however slow the machine is.
    parameters = Parameters(base_timeout_ms=4_000, timeout_ms_max=16_000)
    async with ProcessNetwork(tmp_path, homes=5, parameters=parameters) as network:
        network.start()
        await network.until_ready()
        await network.register()
        council = Council(network)
        height = await until_v3_leads(network)
        await propose_twice(network, height)
        (item,) = (await network.get(0, "/v1/evidence/unrecorded"))["items"]  # type: ignore[misc]
        early = await network.get_bytes(0, item["file"])

        network.kill(0)  # what it found is durable, and reported after a restart
        network.start(0, 1, 2, COPY)

        async def recorded() -> bool:
            heights = [await evidence_of(network, index) for index in (0, 1, 2)]
            return all(("v3", height) in found for found in heights)

        await network.until("the ledger of all has the evidence", recorded)
        assert (await network.commit(network.record("goes on"), 0, 1, 2))["result"] == "applied"
        for index in (0, 1, 2):
            found = await evidence_of(network, index)
            assert len(found) == len(set(found)), "of each height once"
            assert {name for name, _ in found} == {"v3"}, "and against nobody else"
            assert await evidence_of(network, index, "/v1/evidence/unrecorded") == []
            search = await network.get(index, "/v1/transactions?type=evidence.record")
            assert len(search["items"]) == len(found)  # type: ignore[arg-type]

        cited = (Digest(bytes.fromhex(item["digest"])),)
        removed_at = await council.decide(ValidatorRemove("v3"), delay=2, evidence=cited)
        while await network.height(1) < removed_at:
            await network.commit(network.record("until it is removed"), 0, 1, 2)
        for index in (0, 1, 2):
            await network.until_height(index, removed_at)
            status = await network.status(index)
            assert (status["n"], status["q"], status["role"]) == (3, 3, "voting")
        late = await network.get_bytes(2, item["file"])
        for number, file in enumerate((early, late)):  # nodes have different certificates for the same block
            await says_who_did_it(network, write(tmp_path / f"{number}.json", file), height)
        audited = await quorum_audit("ledger", network.url(1), "--genesis", str(network.layout.genesis))
        assert "Every block up to this height follows from genesis by the rules" in audited


async def says_who_did_it(network: ProcessNetwork, file: Path, height: int) -> None:
    """A stranger who has nothing but the file and genesis is told who did what; and is not told lies."""
    genesis = ("--genesis", str(network.layout.genesis))
    printed = await quorum_audit("verify", str(file), *genesis)
    said = [line.split(maxsplit=1) for line in printed.splitlines()]
    assert ["accused", "v3, operated by org3"] in said
    assert ["height", str(height)] in said
    assert printed.count("proposed the block") == 2
    forged = write(file.with_name("forged.json"), read(file).replace(b'"validator":"v3"', b'"validator":"v2"'))
    await quorum_audit("verify", str(forged), *genesis, exit_code=10)


def read(path: Path) -> bytes:
    return path.read_bytes()


def write(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path
