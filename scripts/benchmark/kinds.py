"""What other kinds of transactions take: the saturation run with each kind, one after the other, on one network.

All other loads of this run are records without a key. They touch two state rows in a block, however many there are, so
that what they cost is bytes, indexes and the log. A record with a key of its own writes a state row, an index row, and
the rows of the state trie on the way to it; a transfer changes two balances, which later transfers change again. What a
quorum commits may have failed all the same, and cost less for it: one of each kind is seen to be applied before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from benchmark.network import Network, running
from benchmark.saturation import repeated
from benchmark.submitting import Submitter

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "records": "a record",
        "keyed_records": "a record with an entity key that no other has",
        "transfers": "a transfer between two of 64 accounts",
    }
)
"""Words for people, by the name of a method of `Load` that makes such transactions."""

FIGURES: Final = ("efficiency", "transactions_per_second", "microseconds", "foreign_load")
"""What is measured of each kind, behind its name; microseconds of CPU time are for a transaction and validator."""


def run(base_port: int, count: int, say: Callable[[str], None]) -> dict[str, object]:
    """Send `count` transactions of each kind; the figures by name."""
    figures: dict[str, object] = {}
    with running(base_port) as network:
        asyncio.run(network.load.prepare())
        asyncio.run(network.load.prepare_transfers())
        for name, words in NAMES.items():
            say(f"each transaction is {words}")
            make: Callable[[int], Sequence[bytes]] = getattr(network.load, name)
            asyncio.run(_apply(network, make(1)[0]))
            found = repeated(network, make, count, 1, say)
            microseconds = found.cpu_seconds_per_transaction / network.layout.validators * 1e6
            values = (
                round(found.efficiency, 3),
                round(found.transactions_per_second),
                round(microseconds, 1),
                round(found.foreign_load, 3),
            )
            figures |= {f"{name}_{figure}": value for figure, value in zip(FIGURES, values, strict=True)}
    return figures


async def _apply(network: Network, envelope: bytes) -> None:
    """Have this transaction committed. Raises `RuntimeError` when it is refused, or fails."""
    async with Submitter(network.url(0)) as submitter:
        await submitter.commit(envelope)
