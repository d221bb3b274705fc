"""I7: at the instant a message leaves, its record is durable: its exact bytes in the database, and noted in the guard.
And a block that is announced is on the disk, with its record, its place in the index, and all its transactions; and so
is evidence, before its finder says that it has found it.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Any

from ledger.consensus.statements import StatementType
from node.ports import GuardRecord
from node.replica import BlockAppended
from node.storage import keys
from tests.simulation.checkers.stranger import KINDS
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "durability"


def check_spoken(machine: Machine, message: dict[str, Any], payload: bytes, *, has_prepared: bool) -> None:
    """A signed message, as plain values and as bytes, is about to leave; `has_prepared` is whether the prepare vote of
    its round left before it."""
    place = message["height"], message["round"], KINDS[message["type"]]
    who = f"{machine.identity.name} sends {message['type']} of height {place[0]}, round {place[1]}"
    own = machine.disk.durable(keys.own_message(place[0], place[1], StatementType(place[2])))
    demand(own == payload, _NAME, f"{who}, which is not on its disk")
    record, noted = machine.guard.read(), GuardRecord(*place, sha256(payload).digest())
    if record == noted:
        return
    # It may hold a later one. The prepare vote of a round may be cast with its commit vote or after it, and is what the
    # guard notes last then. With it: the commit vote leaves first. After it: the guard has held the commit vote.
    at = (0, 0, 0) if record is None else (record.height, record.round, int(record.step))
    prepared_after = message["type"] == "commit" and at == (*place[:2], KINDS["prepare"])
    cast_before = not has_prepared or noted in machine.power.noted
    demand(at > place or (prepared_after and cast_before), _NAME, f"{who}, and its guard is at {record}")


def check_found(machine: Machine, height: int, validator: str) -> None:
    """A machine says that it has evidence against this validator: not even a loss of power makes it forget."""
    names = [item.name for item in machine.world.sets.at(height).validators]
    row = machine.disk.durable(b"e\x01" + keys.pack_height(height) + names.index(validator).to_bytes(2, "big"))
    who = f"{machine.identity.name} says that it has evidence of height {height} against {validator}"
    demand(row is not None, _NAME, f"{who}, which is not on its disk")


def check_appended(machine: Machine, block: BlockAppended) -> None:
    """A block is announced: it is the tip or below it, with its record and all its transactions."""
    disk, who = machine.disk, machine.identity.name
    tip = machine.durable_height
    demand(tip >= block.height, _NAME, f"{who} announces height {block.height}, and its disk is at {tip}")
    for what, key in (
        ("header", keys.header(block.height)),
        ("record", keys.record(block.height)),
        ("block hash", keys.block_hash(block.block_hash)),
    ):
        demand(disk.durable(key) is not None, _NAME, f"{who} announces height {block.height} without its {what}")
    for transaction_id in block.transaction_ids:
        found = disk.durable(keys.transaction(transaction_id))
        demand(found is not None, _NAME, f"{who} announces height {block.height} without a transaction of it")
