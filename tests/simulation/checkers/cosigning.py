"""No honest validator ever cosigns less than before, or another tree, or what is not committed; across restarts.

Its cosignature is on its disk, with its block, and in its guard, before it leaves. What honest nodes pass on as a
checkpoint has a quorum of the set in force after its block; whose cosignatures it has is counted by code that the nodes
do not use. What a node serves is on its disk, and it never serves an older one, across restarts.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import quote

from ledger.errors import LedgerError
from ledger.log.checkpoint import log_origin
from ledger.log.policy import validators_policy, verify_checkpoint
from ledger.log.signed_note import parse_note
from ledger.primitives import Signature
from node import wire
from node.replica.cosigned import Published
from node.storage import keys
from node.wire import Cosignature
from tests.simulation.violation import Violation, demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "cosigning"


class Cosigning:
    """The newest cosignature of each honest machine, and the checkpoints that were looked at."""

    def __init__(self) -> None:
        self._newest: dict[int, Cosignature] = {}
        self._earlier: set[Cosignature] = set()
        """Those that a newer one of the same machine followed. One whose disk was damaged may show them again."""
        self._seen: set[bytes] = set()
        self._served: dict[int, Published] = {}
        """By machine, the newest checkpoint that it serves."""

    def sent(self, machine: Machine, message: Cosignature | wire.Checkpoint) -> None:
        """An honest machine sends a cosignature, its own or the receiver's, or a checkpoint."""
        if isinstance(message, wire.Checkpoint):
            self._check_checkpoint(machine, message)
        elif message.key == machine.identity.founder.cosigning_key.public_key:
            self._check_own(machine, message)

    def stepped(self, machine: Machine) -> None:
        """An honest machine with a sound disk is done with a step: what it serves from here on."""
        index, who, now = machine.identity.index, machine.identity.name, machine.running._parts.cosigned.published
        before = self._served.get(index)
        if now is before or machine.disk.is_broken:
            return
        demand(now is not None, _NAME, f"{who} serves no checkpoint any more")
        assert now is not None
        row = machine.disk.durable(keys.CHECKPOINT)
        stored = None if row is None else wire.decode(row)
        durable = isinstance(stored, wire.Checkpoint) and stored.height == now.height
        demand(durable, _NAME, f"{who} serves the checkpoint of block {now.height}, which is not on its disk")
        if before is not None:
            demand(before.height <= now.height, _NAME, f"{who} serves block {now.height} after {before.height}")
        self._served[index] = now

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
        if newest == message or (machine.damaged and message in self._earlier):
            return
        header = machine.running._parts.chain.header(message.height)
        is_ours = (header.log_size, header.log_root) == (message.size, message.root)
        demand(is_ours, _NAME, f"{who} cosigns another tree than that of its block {message.height}")
        seat = machine.world.sets.seat(machine, message.height + 1)
        demand(seat is not None, _NAME, f"{who} cosigns block {message.height}, and has no seat after it")
        if newest is not None:
            # A disk that has lost a cosignature, and a clock that was set back: then nothing knows the time of it.
            in_order = newest.time_s < message.time_s or (machine.damaged and machine.world.plan.clocks == "jumping")
            demand(in_order, _NAME, f"{who} cosigns twice at {message.time_s}, or goes back")
            demand(newest.size <= message.size, _NAME, f"{who} cosigns {message.size} after {newest.size}")
            demand(newest.height <= message.height, _NAME, f"{who} cosigns {message.height} after {newest.height}")
            self._earlier.add(newest)
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
        self._count(machine, message)
        header = machine.running._parts.chain.header(message.height)
        is_ours = (header.log_size, header.log_root) == (verified.checkpoint.size, verified.checkpoint.root)
        demand(is_ours, _NAME, f"{machine.identity.name} passes on a checkpoint of another tree")

    def _count(self, machine: Machine, message: wire.Checkpoint) -> None:
        """Count those who cosigned, as C2SP's tlog-cosignature says it, and nothing else."""
        world, validators = machine.world, machine.world.sets.at(message.height + 1)
        keys_by_name = {f"{_origin(world)}/{item.name}": item.cosigning_key for item in validators.validators}
        text, _, lines = message.note.decode().partition("\n\n")
        cosigned = set()
        for line in lines.splitlines():
            _, name, encoded = line.split(" ")
            data = base64.b64decode(encoded)
            if name in keys_by_name and len(data) == 4 + 8 + 64:
                signed = f"cosignature/v1\ntime {int.from_bytes(data[4:12], 'big')}\n{text}\n".encode()
                if world.memory.verify(keys_by_name[name], signed, Signature(data[12:])):
                    cosigned.add(name)
        demand(
            len(cosigned) >= validators.quorum,
            _NAME,
            f"{machine.identity.name} passes on a checkpoint of block {message.height} that {len(cosigned)} cosigned, "
            f"and {validators.quorum} must",
        )


def _origin(world: World) -> str:
    return f"quorum-ledger/{quote(world.genesis.network, safe='')}/{world.genesis.chain.hex()}"
