"""I2: heights are contiguous, and each block names the one before it by its hash: on every honest disk, at the instant
at which a block is announced. Read with the second verifier's code, which is not the ledger's.

That the state is the same at the same height is asked row by row (`rejoining`), and by the audit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from node.replica import BlockAppended
from node.storage import keys
from tests.simulation.violation import demand
from tests.verifier.verify_receipt import HEADER, check_form, decode, digest

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "links"
_BYTES_MAX = 2**16


class Links:
    """The headers that were read."""

    def __init__(self) -> None:
        self._read: dict[bytes, tuple[dict[str, Any], str]] = {}

    def appended(self, machine: Machine, block: BlockAppended) -> None:
        """A block is announced."""
        who = f"block {block.height} of {machine.identity.name}"
        header, block_hash = self._header(machine, block.height)
        parent, parent_hash = self._header(machine, block.height - 1)
        demand(block_hash == block.block_hash.hex(), _NAME, f"{who} has another hash than was announced")
        demand(header["height"] == block.height == parent["height"] + 1, _NAME, f"{who} says it is {header['height']}")
        demand(header["parent_hash"] == parent_hash, _NAME, f"{who} does not build on the block before it")
        demand(header["chain"] == machine.world.genesis.chain.hex(), _NAME, f"{who} is of another chain")
        demand(header["time_ms"] > parent["time_ms"], _NAME, f"{who} is not later than the block before it")
        demand(
            header["log_size"] == parent["log_size"] + header["transaction_count"],
            _NAME,
            f"{who} makes the log {header['log_size']} long, after {parent['log_size']}",
        )
        demand(header["validators_hash"] == parent["next_validators_hash"], _NAME, f"{who} is of another validator set")

    def _header(self, machine: Machine, height: int) -> tuple[dict[str, Any], str]:
        row = machine.disk.durable(keys.header(height))
        assert row is not None
        known = self._read.get(row)
        if known is None:
            try:
                header = decode(row, _BYTES_MAX)
                check_form(header, HEADER if height else dict, "the header")
            except ValueError as error:
                raise AssertionError(f"header {height} of {machine.identity.name}: {error}") from error
            known = self._read[row] = header, digest("block", header)
        return known
