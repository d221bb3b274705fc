"""Incidents of disks: those that pass, and damage that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.encoding import encode
from node.storage import keys
from node.storage.rows import seal
from tests.simulation.disk import UNREADABLE, GuardFile

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_SYNC_MS = (100, 500, 5_000)


def fill(world: World, machine: Machine, for_ms: int) -> None:
    """The disk is full, and after a while it is not."""
    machine.power.is_full = True
    world.at(world.now_ms + for_ms, machine.make_room)


def slow_syncs(world: World, machine: Machine, for_ms: int) -> None:
    """Every sync takes its time, and what was said with it leaves so much later."""
    machine.sync_ms = world.rng.choice(_SYNC_MS)
    world.at(world.now_ms + for_ms, machine.recover_speed)


def fail_reads(world: World, machine: Machine, for_ms: int) -> None:
    """The disk does not answer any more, until the machine starts anew."""
    machine.disk.break_down(UNREADABLE)


# ---- damage, noticed at the next start, or when it is read


def flip_bit_of_row(world: World, machine: Machine, for_ms: int) -> None:
    """One bit of any row, in a running machine."""
    machine.damaged = True
    _flip_bit(machine, machine.disk.row_keys())


def flip_bit_of_block(world: World, machine: Machine, for_ms: int) -> None:
    """One bit of a row that a committed block alone has, if there is one, in a running machine."""
    machine.damaged = True
    newest = machine.durable_height
    rows = [key for key in machine.disk.row_keys() if key[:1] in b"hcbo" and 1 <= keys.unpack_height(key, 1) <= newest]
    if rows:
        _flip_bit(machine, rows)


def flip_bit_of_promise(world: World, machine: Machine, for_ms: int) -> None:
    """One bit of a row of the vote state, or of any if there is none; and a restart."""
    _restart(world, machine)
    rows = machine.disk.row_keys()
    _flip_bit(machine, [key for key in rows if key[:1] == b"p"] or rows)


def _flip_bit(machine: Machine, rows: list[bytes]) -> None:
    key = rows[machine.power.draw(len(rows))]
    machine.disk.damage(key, bit=machine.power.draw(32))


def flip_bits_of_guard(world: World, machine: Machine, for_ms: int) -> None:
    """A bit of one slot of the guard, or of both; and a restart."""
    _restart(world, machine)
    image = bytearray(machine.guard.image())
    for slot in range(1 + machine.power.toss()):
        image[512 * slot + machine.power.draw(64)] ^= 1 << machine.power.draw(8)
    machine.guard = GuardFile(machine.power, bytes(image))


def lose_guard(world: World, machine: Machine, for_ms: int) -> None:
    """The guard file is gone; what stands for it has no whole slot."""
    _restart(world, machine)
    machine.guard = GuardFile(machine.power, bytes(len(machine.guard.image())))


def lose_database(world: World, machine: Machine, for_ms: int) -> None:
    """The files of the database are gone: it opens as empty."""
    _restart(world, machine)
    machine.replace_disk({})


def older_format(world: World, machine: Machine, for_ms: int) -> None:
    """The database is one of a version of the software so old that it is not upgraded: its rows are others."""
    _restart(world, machine)
    identity = encode({"chain": world.genesis.chain.hex(), "format": min(keys.FORMATS_UPGRADED) - 1})
    machine.replace_disk({**machine.disk.image(), keys.FORMAT: seal(keys.FORMAT, identity)})


def lose_end_of_log(world: World, machine: Machine, for_ms: int) -> None:
    """What is written from now on is gone after a while, and the guard is not: a log without its end."""
    world.at(world.now_ms + for_ms, _restore, world, machine, machine.disk.image())


def _restore(world: World, machine: Machine, image: dict[bytes, bytes]) -> None:
    if world.faulty:
        _restart(world, machine)
        machine.replace_disk(image)


def _restart(world: World, machine: Machine) -> None:
    """The machine goes down; from here on its disk is not what it wrote."""
    machine.damaged = True
    if machine.replica is not None:
        world.cut(machine)
