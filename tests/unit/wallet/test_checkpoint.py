"""quorum-audit checkpoint: a file that pins a block, from a node that may lie, or from one pinned block to the next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, urlsplit

import orjson
import pytest
from aiohttp import web

from ledger.errors import MalformedError
from ledger.pinned_checkpoint import PinnedCheckpoint, anchor_of_checkpoint, build_pinned_checkpoint
from ledger.trail import Anchor, anchor_of
from node.http import light, render
from node.http.light import light_update_of
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from tests.unit.node.storage.test_set_changes import SETS, changed_chain
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode, always
from tests.unit.wallet.network import Network
from wallet.auditing.commands.checkpoint import _make
from wallet.exit_codes import ExitCode
from wallet.pinning import Pin

T = TypeVar("T")


@pytest.fixture
def node(profile: Path, network: Network, node: FakeNode) -> FakeNode:
    for _ in range(6):
        network.commit([])
    return node


def test_a_checkpoint_is_made_shown_and_goes_on_from_an_older_one(audit: Run, node: FakeNode, network: Network) -> None:
    made = audit("checkpoint", node.url, "--height", "4", "--out", "c4.json", "--output", "json")
    assert made.exit_code == ExitCode.OK, made.stderr
    printed = json.loads(made.stdout)
    assert Path("c4.json").read_bytes() == network.checkpoint(4).document
    assert (printed["verified"], printed["height"], printed["network"]) == (True, 4, "testnet")
    assert printed["block_hash"] == network.checkpoint(4).block_hash.hex()
    assert printed["digest"] == network.checkpoint(4).digest.hex()

    newest = audit("checkpoint", node.url, "--checkpoint", "c4.json")
    assert newest.exit_code == ExitCode.OK, newest.stderr
    assert Path("checkpoint-6.json").read_bytes() == network.checkpoint(6).document
    assert "yes, against the checkpoint of 'testnet' at height 4" in newest.stdout

    shown = " ".join(audit("checkpoint", "checkpoint-6.json").stdout.split())
    digest = network.checkpoint(6).digest.hex()
    assert "trust it only if its digest is one that you compared" in shown
    assert " ".join(digest[at : at + 8] for at in range(0, 64, 8)) in shown
    assert json.loads(audit("checkpoint", "checkpoint-6.json", "--output", "json").stdout)["verified"] is False


def test_what_cannot_be_made_is_said(audit: Run, run: Run, node: FakeNode) -> None:
    assert audit("checkpoint", node.url, "--out", "c6.json").exit_code == ExitCode.OK
    for arguments, code, says in (
        ((node.url, "--out", "c6.json"), ExitCode.USAGE, "exists already"),
        ((node.url, "--height", "7"), ExitCode.NOT_FOUND, "above the newest block"),
        ((node.url, "--height", "6", "--checkpoint", "c6.json"), ExitCode.USAGE, "is not above what is pinned"),
        ((node.url, "--checkpoint", "c6.json"), ExitCode.USAGE, "no block above height 6"),
        (("http://127.0.0.1:1",), ExitCode.NODE_UNREACHABLE, "127.0.0.1:1"),
        (("c6.json", "--height", "1"), ExitCode.USAGE, "made from a node"),
        (("missing.json",), ExitCode.USAGE, "No such file"),
    ):
        result = audit("checkpoint", *arguments)
        assert (result.exit_code, says in result.stderr) == (code, True), result.stderr
    run("config", "set", "genesis")
    assert audit("checkpoint", node.url, "--out", "unpinned.json").exit_code == ExitCode.USAGE
    assert not Path("unpinned.json").exists()


def test_a_node_that_lies_makes_no_checkpoint(audit: Run, node: FakeNode, network: Network) -> None:
    def lie(body: bytes) -> None:
        node.next("GET", "/v1/light/update", always(lambda: web.Response(body=body)))

    honest = network.light_update(0, 5)
    for body in (
        honest.replace(b'"proposer":"v', b'"proposer":"w'),
        honest[:-1],
        b"{}",
        network.light_update(0, 6),  # true, and not what was asked for
    ):
        lie(body)
        result = audit("checkpoint", node.url, "--height", "5", "--out", "lie.json")
        assert result.exit_code == ExitCode.VERIFICATION_FAILED, result.stderr
        assert not Path("lie.json").exists()


# ---- across changes of the validator set


class OneNode:
    """What the command asks a client for, answered from a chain as a node answers it."""

    nodes = ("http://one.example",)

    def __init__(self, chain: ChainStore) -> None:
        self.chain = chain
        self.updates = 0

    async def get_bytes(self, path: str, **_: int) -> bytes:
        query = {name: int(value) for name, value in parse_qsl(urlsplit(path).query)}
        self.updates += 1
        return light_update_of(self.chain, query["from_height"], query["log_size"], query["to_height"])

    async def get(self, path: str, parse: Callable[[Any], T], query: Mapping[str, int]) -> T:
        assert path == "/v1/validators"
        height = query["height"]
        validators = self.chain.validators_of(height + 1)
        return parse(orjson.loads(render.to_bytes(render.validators(validators, height, {}))))


def expected(chain: ChainStore, height: int) -> PinnedCheckpoint:
    header, validators = chain.header(height), chain.validators_of(height + 1)
    return build_pinned_checkpoint(network="test", header=header, validators=validators)


def pins(chain: ChainStore) -> list[Anchor]:
    later = (anchor_of_checkpoint(expected(chain, height)) for height in range(1, 9))
    return [anchor_of(chain.genesis), *later]


@pytest.mark.parametrize("steps_max", [1, 64])
def test_every_block_can_be_pinned_from_every_earlier_one(monkeypatch: pytest.MonkeyPatch, steps_max: int) -> None:
    """Also the blocks that decide a set, and where one update has room for one change only."""
    monkeypatch.setattr(light, "LIGHT_UPDATE_STEPS_MAX", steps_max)
    chain = changed_chain(MemoryStore())
    for start, anchor in enumerate(pins(chain)):
        for height in range(start + 1, 9):
            node: Any = OneNode(chain)
            made = asyncio.run(_make(node, Pin(anchor, "test", ""), height))
            assert made == expected(chain, height)
            if steps_max == 64:
                assert node.updates == 1


def test_the_set_that_a_block_decided_is_not_believed_either() -> None:
    chain = changed_chain(MemoryStore())

    class Liar(OneNode):
        async def get(self, path: str, parse: Callable[[Any], T], query: Mapping[str, int]) -> T:
            return await super().get(path, parse, {"height": query["height"] - 1})

    node: Any = Liar(chain)
    for height in SETS:
        with pytest.raises(MalformedError, match="another validator set than the block decided"):
            asyncio.run(_make(node, Pin(anchor_of(chain.genesis), "test", ""), height))
