"""What is asked in the end of all that clients did and were told, given the chain that the nodes then have.

The chain says in which order transactions took effect. What clients observed must fit that order as if each had been
carried out at one instant between its invocation and its answer (strict serializability), and every answer of any
node, at any time, must be of that one chain, whatever was done to the node afterwards. What each transaction should
have come to is computed here from the order alone.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from tests.integration.faults.clients import BlockSeen, Observations, Write


@dataclass(frozen=True, slots=True)
class Block:
    """A block as a node has it in the end: its hash, and its transactions' ids and results in order."""

    block_hash: str
    transactions: tuple[tuple[str, str], ...]


Chain = Sequence[Block]
"""By height, from genesis on."""


def violations(seen: Observations, chains: Sequence[Chain], before: frozenset[str]) -> list[str]:
    """What does not hold, in words; `before` are the transactions that were committed before the clients began."""
    agreed = chains[0]
    places = {
        name: (height, index)
        for height, block in enumerate(agreed)
        for index, (name, _) in enumerate(block.transactions)
    }
    return [
        *seen.unexpected,
        *_one_chain(chains),
        *_nothing_twice_or_foreign(agreed, {*seen.writes, *before}),
        *_nothing_acknowledged_is_lost(seen.writes.values(), agreed, places),
        *_real_time(seen, places),
        *_blocks_stay(seen.blocks, agreed),
        *_results_follow_from_the_order(seen, agreed),
    ]


def _one_chain(chains: Sequence[Chain]) -> Iterator[str]:
    for machine, chain in enumerate(chains):
        if chain != chains[0]:
            yield f"v{machine} has another chain than v0 in the end"


def _nothing_twice_or_foreign(chain: Chain, known: set[str]) -> Iterator[str]:
    found: dict[str, int] = {}
    for height, block in enumerate(chain):
        for name, _ in block.transactions:
            if name in found:
                yield f"{name} is in block {found[name]} and in block {height}"
            if name not in known:
                yield f"{name} in block {height} was sent by nobody"
            found[name] = height


def _nothing_acknowledged_is_lost(
    writes: Iterable[Write], chain: Chain, places: dict[str, tuple[int, int]]
) -> Iterator[str]:
    for write in writes:
        place = places.get(write.name)
        if write.committed is not None:
            height, result = write.committed
            if place is None or place[0] != height:
                yield f"{write.name} was committed at height {height}, and is at {place}"
            elif chain[height].transactions[place[1]][1] != result:
                yield f"{write.name} was {result}, and is {chain[height].transactions[place[1]][1]}"
        elif write.expired:
            if place is not None:
                yield f"{write.name} had expired, and is at {place}"
        else:
            yield f"{write.name} never had an outcome"


def _real_time(seen: Observations, places: dict[str, tuple[int, int]]) -> Iterator[str]:
    """What began after a block was known takes effect in a later block."""
    known = [(item.answered_s, item.height) for item in seen.blocks]
    known += [(item.answered_s or 0.0, item.committed[0]) for item in seen.writes.values() if item.committed]
    known.sort()
    newest, heights = 0, list[int]()
    for _, height in known:
        newest = max(newest, height)
        heights.append(newest)
    times = [answered_s for answered_s, _ in known]
    for write in seen.writes.values():
        place, before = places.get(write.name), bisect_right(times, write.invoked_s)
        if place is not None and before and place[0] <= heights[before - 1]:
            yield f"{write.name} is in block {place[0]}, and was made when block {heights[before - 1]} was known"


def _blocks_stay(blocks: Iterable[BlockSeen], chain: Chain) -> Iterator[str]:
    """What a node has shown stays, and no node goes back, not over kill -9 either."""
    newest: dict[int, int] = {}
    for item in blocks:
        if item.height >= len(chain) or chain[item.height].block_hash != item.block_hash:
            yield f"v{item.machine} showed block {item.height} {item.block_hash}, which is not in the chain"
        if item.height < newest.get(item.machine, 0):
            yield f"v{item.machine} showed block {newest[item.machine]}, then that its newest is {item.height}"
        newest[item.machine] = item.height


def _results_follow_from_the_order(seen: Observations, chain: Chain) -> Iterator[str]:
    """Records are numbered as they stand in the chain, and a condition on a key holds where it was met, only there."""
    count = 0
    revisions: dict[str, list[tuple[int, int]]] = {}  # of each key: heights, and the revision from then on
    for height, block in enumerate(chain):
        for name, result in block.transactions:
            write = seen.writes.get(name)
            if write is None:
                continue
            found = revisions.setdefault(write.key, [(0, 0)]) if write.key is not None else [(0, 0)]
            expected = "applied"
            if write.key is not None and found[-1][1] != write.expected_revision:
                expected = "revision_conflict"
            if result != expected:
                yield f"{name} in block {height} is {result}, and should be {expected}"
            if result == "applied":
                count += 1
                found.append((height, count))
    for item in seen.keys:
        found = revisions.get(item.key, [(0, 0)])
        revision = found[bisect_right(found, (item.height, count)) - 1][1]
        if item.revision != revision:
            yield f"v{item.machine} said {item.key} was at {item.revision} at {item.height}; it was at {revision}"
