"""A watch across changes of the validator set, from every place where it may begin."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from ledger.pinned_checkpoint import anchor_of_checkpoint
from ledger.split_view import verify_split_view
from ledger.trail import Anchor, anchor_of
from ledger.validators import ValidatorSet, default_quorum
from node.http import light
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from tests.unit.ledger.founders import rekeyed, set_of
from tests.unit.node.storage.chains import change_set, genesis, grow, new_chain
from tests.unit.wallet.test_checkpoint import OneNode, expected
from wallet.answers import Head
from wallet.auditing.watch_state import load_memory, save_memory
from wallet.auditing.watching import Kind, Look, Watch
from wallet.pinning import Pin

SETS = {
    3: ValidatorSet((*set_of(0, 1, 2).validators, rekeyed(3, 5)), default_quorum(4)),  # v3 has a new key
    5: set_of(0, 1, 2, 4),  # v3 goes, v4 comes
    6: set_of(4, 0, 1),  # a set of one block later
}
HEIGHTS = 9
NOW_MS = genesis().time_ms


def chain_of(size: int) -> ChainStore:
    """Nine blocks, those without a change with so many transactions: another size is a fork from the first one on."""
    chain = new_chain(MemoryStore())
    for height in range(1, HEIGHTS + 1):
        if height in SETS:
            change_set(chain, SETS[height])
        else:
            grow(chain, [size])
    return chain


@pytest.fixture(scope="module")
def one() -> ChainStore:
    return chain_of(1)


@pytest.fixture(scope="module")
def other() -> ChainStore:
    return chain_of(2)


class Node(OneNode):
    """A node that shows a chain up to some height."""

    height = 1

    async def head(self) -> Head:
        header = self.chain.header(self.height)
        return Head(self.height, self.chain.block_hash(self.height).hex(), header.time_ms)


def look(path: Path, anchor: Anchor, **nodes: Node) -> Look:
    """What a watch that begins with what it remembers sees, and remembers."""
    watch = Watch(Pin(anchor, "test", ""), load_memory(path), stalled_after_ms=60_000, now_ms=lambda: NOW_MS)
    clients: dict[str, Any] = dict(nodes)
    seen = asyncio.run(watch.look(clients))
    save_memory(path, watch.memory)
    return seen


@pytest.mark.parametrize("steps_max", [1, 64])
@pytest.mark.parametrize("pinned", [0, 2, 3, 5, 6])
def test_nodes_are_followed_from_wherever_one_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: ChainStore, pinned: int, steps_max: int
) -> None:
    """Each look begins anew with the file that the one before left; one node is always two blocks behind."""
    monkeypatch.setattr(light, "LIGHT_UPDATE_STEPS_MAX", steps_max)
    anchor = anchor_of(one.genesis) if pinned == 0 else anchor_of_checkpoint(expected(one, pinned))
    first, second = Node(one), Node(one)
    path = tmp_path / "memory.json"
    for height in range(1, HEIGHTS + 1):
        first.height, second.height = height, max(1, height - 2)
        seen = look(path, anchor, first=first, second=second)
        assert seen.findings == ()
        kept = load_memory(path).checkpoint
        if height > pinned:
            assert kept == expected(one, height)
            assert seen.views[0].head is not None
        else:
            assert kept is None


@pytest.mark.parametrize("steps_max", [1, 64])
@pytest.mark.parametrize("height", [1, 3, 4, 5, 6, 7, 9])
def test_a_split_is_proved_at_every_height(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, one: ChainStore, other: ChainStore, *, height: int, steps_max: int
) -> None:
    monkeypatch.setattr(light, "LIGHT_UPDATE_STEPS_MAX", steps_max)
    first, second = Node(one), Node(other)
    first.height = second.height = height
    (finding,) = look(tmp_path / "memory.json", anchor_of(one.genesis), first=first, second=second).findings
    assert (finding.kind, finding.node, finding.height) == (Kind.SPLIT_VIEW, "second", height)
    assert finding.evidence is not None
    proved = verify_split_view(finding.evidence, anchor_of(one.genesis))
    assert {proved.first.block_hash, proved.second.block_hash} == {one.block_hash(height), other.block_hash(height)}
    assert len(proved.accused) == one.validators_of(height).quorum
    assert load_memory(tmp_path / "memory.json").checkpoint is None


@pytest.mark.parametrize("height", [2, 3, 5, 6, 8])
def test_what_was_seen_is_held_against_another_branch_after_a_change(
    tmp_path: Path, one: ChainStore, other: ChainStore, height: int
) -> None:
    path, anchor = tmp_path / "memory.json", anchor_of(one.genesis)
    node = Node(one)
    node.height = height
    assert look(path, anchor, node=node).findings == ()
    node.chain, node.height = other, HEIGHTS
    (finding,) = look(path, anchor, node=node).findings
    assert (finding.kind, finding.height) == (Kind.SPLIT_VIEW, height)
    assert finding.evidence is not None
    assert verify_split_view(finding.evidence, anchor).first.block_hash == one.block_hash(height)
    assert load_memory(path).checkpoint == expected(one, height)
