"""Real processes: a chain goes out of one node as a file, into a new node, which then follows the others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from node.config import FILE_NAME, load
from node.home import adopt, make_follower_home
from tests.integration.processes.commands import quorum_audit, quorum_node
from tests.integration.processes.network import ProcessNetwork

MIRROR = 2
"""The home of a node that follows: one more than the network was founded with."""


async def printed_by(*words: str) -> dict[str, Any]:
    """What `quorum-audit` prints for programs."""
    document: dict[str, Any] = json.loads(await quorum_audit(*words, "--quiet", "--output", "json"))
    return document


async def test_a_node_that_imported_the_chain_joins_and_follows(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path, validators=2, homes=3) as network:
        layout = network.layout
        mirror = layout.validator_home(MIRROR)
        key = make_follower_home(mirror, peer_listen=layout.peers(MIRROR), api_listen=layout.api(MIRROR))
        adopt(load(mirror / FILE_NAME), network.genesis.document, expected=network.genesis.chain)
        for index in range(2):
            with (layout.validator_home(index) / FILE_NAME).open("a") as file:
                file.write(f'\n[[peers.pinned]]\nnode_key = "{key.hex()}"\n')
        network.start(0, 1)
        await network.until_ready(0, 1, peers=1)
        await network.register()
        for text in ("one", "two", "three"):
            await network.submit(0, network.record(text))

        genesis = ("--genesis", str(layout.genesis))
        file = tmp_path / "chain.jsonl"
        exported = await printed_by("export", network.url(0), str(file), *genesis)
        audited = await printed_by("ledger", str(file), *genesis)
        assert (audited["block_hash"], audited["height"]) == (exported["block_hash"], exported["height"])
        await network.submit(1, network.record("after the export"))

        printed = await quorum_node("import", str(file), "--home", str(mirror))
        assert f"imported blocks 1 to {exported['height']}" in printed
        network.start(MIRROR)
        await network.until_height(MIRROR, exported["height"] + 1)
        late = network.record("while it follows")
        await network.submit(0, late)
        await network.until_committed(MIRROR, [late])
        height = await network.height(MIRROR)
        blocks = [await network.get(index, f"/v1/blocks/{height}") for index in (0, MIRROR)]
        assert blocks[0]["block_hash"] == blocks[1]["block_hash"]
        state = ("--state", str(tmp_path / "watch.json"))
        watched = await printed_by("watch", *map(network.url, range(3)), *genesis, "--once", *state)
        assert (watched["verified"], len(watched["nodes"])) == (True, 3)
        assert watched["height"] >= height
        await network.no_evidence()

        # Stopped, it exports what it imported and fetched; every validator would export the same blocks.
        assert network.stop(MIRROR) == 0
        again = tmp_path / "again.jsonl"
        await quorum_node("export", str(again), "--home", str(mirror))
        common = file.read_bytes().rpartition(b'{"blocks":')[0]
        assert again.read_bytes().startswith(common)
