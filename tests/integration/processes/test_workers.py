"""Real processes whose workers are killed and stopped under load: every answer stays true, and none stays behind."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from node.config import FILE_NAME, load
from node.home import adopt, make_follower_home
from tests.integration.processes.network import ProcessNetwork

BATCH = 200
TAMPERED = 100


def use_workers(network: ProcessNetwork, index: int) -> None:
    """Have a node verify in two processes."""
    path = network.layout.validator_home(index) / FILE_NAME
    text = path.read_text()
    assert "\n# verify_workers = 0 " in text
    path.write_text(text.replace("\n# verify_workers = 0 ", "\nverify_workers = 2 "))


def make_follower(network: ProcessNetwork, index: int) -> None:
    """A home for a node that follows, which the validator pins."""
    layout = network.layout
    home = layout.validator_home(index)
    key = make_follower_home(home, peer_listen=layout.peers(index), api_listen=layout.api(index))
    adopt(load(home / FILE_NAME), network.genesis.document, expected=network.genesis.chain)
    with (layout.validator_home(0) / FILE_NAME).open("a") as file:
        file.write(f'\n[[peers.pinned]]\naddress = "{layout.peers(index)}"\nnode_key = "{key.hex()}"\n')


def workers_of(network: ProcessNetwork, index: int) -> list[int]:
    """The processes that a node has started."""
    process = network.process_id(index)
    return [int(word) for word in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def submit_batch(network: ProcessNetwork) -> list[bytes]:
    """Submit a batch with a tampered signature in its middle, which alone is refused; the others."""
    envelopes = [network.record(f"record {number}") for number in range(BATCH)]
    bad = envelopes[TAMPERED]
    digit = bad.index(b'"signature":"') + len(b'"signature":"') + 5
    envelopes[TAMPERED] = bad[:digit] + (b"1" if bad[digit : digit + 1] == b"0" else b"0") + bad[digit + 1 :]
    results = await network.submit_many(0, envelopes)
    assert [number for number, result in enumerate(results) if result.get("code") is not None] == [TAMPERED]
    assert results[TAMPERED]["code"] == "signature_invalid"
    return envelopes[:TAMPERED] + envelopes[TAMPERED + 1 :]


async def test_workers_that_are_killed_or_hang_change_no_answer_and_end_with_their_node(tmp_path: Path) -> None:
    async with ProcessNetwork(tmp_path, validators=1, homes=2) as network:
        make_follower(network, 1)
        for index in (0, 1):
            use_workers(network, index)
        network.start(0)
        await network.until_ready(0)
        await network.register()
        committed = await submit_batch(network)
        killed, hanging = workers_of(network, 0)
        os.kill(killed, signal.SIGKILL)
        for _ in range(2):
            committed += await submit_batch(network)
        assert "verify_worker_lost" in network.log(0)
        os.kill(hanging, signal.SIGSTOP)
        committed += await submit_batch(network)
        await network.until_committed(0, committed[-1:])
        assert network.log(0).count("verify_worker_lost") == 2
        assert not alive(hanging)

        network.start(1)
        await network.until_height(1, await network.height(0))
        await network.until_committed(1, [committed[0], committed[-1]])
        await network.no_evidence()
        left = workers_of(network, 1)
        assert len(left) == 2
        network.kill(1)  # and nobody tells its workers

        async def nobody_is_left() -> bool:
            return not any(map(alive, left))

        await network.until("the workers have ended", nobody_is_left)
        assert network.stop(0) == 0
