"""Incidents on the network of one machine."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from msgspec.structs import replace

from ledger.consensus.codec import encode_message
from ledger.consensus.messages import TimeoutCertificate
from ledger.consensus.statements import SigningContext, signed_bytes
from ledger.primitives import Digest
from node.wire import Consensus, PeerMessage, Transactions, decode, encode
from tests.simulation import workload

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_ANOTHER_CHAIN = Digest(b"\x0c" * 32)
_FRAMES = 6


def replay(world: World, machine: Machine, for_ms: int) -> None:
    """Frames that this machine sent long ago arrive again, at anybody's, over some time."""
    frames = [frame for sender, frame in world.sent if sender is machine]
    for frame in world.rng.sample(frames, min(_FRAMES, len(frames))):
        at_ms = world.now_ms + world.rng.randrange(for_ms)
        world.at(at_ms, world.deliver_to_all, machine, frame, "frame replayed")


def another_chain(world: World, machine: Machine, for_ms: int) -> None:
    """The same operator's node on another chain, with the same keys, is connected by mistake: votes and transactions
    of the other chain arrive."""
    for sender, frame in [item for item in world.sent if item[0] is machine][-_FRAMES:]:
        message = decode(frame)
        if isinstance(message, Consensus):
            said = world.memory.decode(message.payload)
            if isinstance(said, TimeoutCertificate):
                continue
            context = SigningContext(_ANOTHER_CHAIN, 0)
            signature = machine.identity.founder.consensus_key.sign(signed_bytes(context, said.statement))
            foreign: PeerMessage = Consensus(message.height, encode_message(replace(said, signature=signature)))
        else:
            foreign = Transactions((_foreign_envelope(world.genesis.time_ms, world.rng.randrange(4)),))
        world.deliver_to_all(sender, encode(foreign), "frame of another chain")


@cache
def _foreign_envelope(time_ms: int, number: int) -> bytes:
    return workload.transaction_of(_ANOTHER_CHAIN, time_ms, 1, number).envelope


def swizzle(world: World, machine: Machine, for_ms: int) -> None:
    """All links, whoever's, stop one after the other, and are freed one after the other in another order."""
    everyone = range(len(world.machines))
    links = [(one, other) for one in everyone for other in everyone if one != other]
    freed = world.rng.sample(range(len(links)), len(links))
    for number, link in enumerate(world.rng.sample(links, len(links))):
        from_ms = world.now_ms + for_ms * number // (2 * len(links))
        until_ms = world.now_ms + for_ms // 2 + for_ms * freed[number] // (2 * len(links))
        world.at(from_ms, world.network.clog, link, until_ms)
