"""No honest validator ever cosigns less than before, or another tree, or what is not committed; across restarts.

Its cosignature is on its disk, with its block, and in its guard, before it leaves. What honest nodes pass on as a
checkpoint has a quorum of the set in force after its block.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.errors import LedgerError
from ledger.log.checkpoint import log_origin
from ledger.log.policy import validators_policy, verify_checkpoint
from ledger.log.signed_note import parse_note
from node import wire
from node.storage import keys
from node.wire import Cosignature
from tests.simulation.violation import Violation, demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "cosigning"


class Cosigning:
    """The newest cosignature of each honest machine, and the checkpoints that were looked at."""

    def __init__(self) -> None:
        self._newest: dict[int, Cosignature] = {}
        self._seen: set[bytes] = set()

    def sent(self, machine: Machine, message: Cosignature | wire.Checkpoint) -> None:
        """An honest machine sends a cosignature, its own or the receiver's, or a checkpoint."""
        if isinstance(message, wire.Checkpoint):
            self._check_checkpoint(machine, message)
        elif message.key == machine.identity.founder.cosigning_key.public_key:
            self._check_own(machine, message)

    def _check_own(self, machine: Machine, message: Cosignature) -> None:
        who, newest = machine.identity.name, self._newest.get(machine.identity.index)
        row, noted = machine.disk.durable(keys.OWN_COSIGNATURE), machine.guard.read()
        demand(row == wire.encode(message), _NAME, f"{who} sends a cosignature that is not on its disk")
        demand(machine.durable_height >= message.height, _NAME, f"{who} cosigns block {message.height}, and lacks it")
        demand(
            noted is not None and noted.height >= message.height,
            _NAME,
            f"{who} cosigns block {message.height}, and its guard is at {noted}",
        )
        if newest == message:
            return
        header = machine.running._parts.chain.header(message.height)
        is_ours = (header.log_size, header.log_root) == (message.size, message.root)
        demand(is_ours, _NAME, f"{who} cosigns another tree than that of its block {message.height}")
        seat = machine.world.sets.seat(machine, message.height + 1)
        demand(seat is not None, _NAME, f"{who} cosigns block {message.height}, and has no seat after it")
        if newest is not None:
            demand(newest.time_s < message.time_s, _NAME, f"{who} cosigns twice at {message.time_s}, or goes back")
            demand(newest.size <= message.size, _NAME, f"{who} cosigns {message.size} after {newest.size}")
            demand(newest.height <= message.height, _NAME, f"{who} cosigns {message.height} after {newest.height}")
        self._newest[machine.identity.index] = message

    def _check_checkpoint(self, machine: Machine, message: wire.Checkpoint) -> None:
        if message.note in self._seen:
            return
        self._seen.add(message.note)
        world = machine.world
        policy = validators_policy(log_origin(world.genesis), world.sets.at(message.height + 1))
        try:
            verified = verify_checkpoint(parse_note(message.note), policy)
        except LedgerError as error:
            raise Violation(
                _NAME, f"{machine.identity.name} passes on a checkpoint without a quorum: {error}"
            ) from None
        header = machine.running._parts.chain.header(message.height)
        is_ours = (header.log_size, header.log_root) == (verified.checkpoint.size, verified.checkpoint.root)
        demand(is_ours, _NAME, f"{machine.identity.name} passes on a checkpoint of another tree")
