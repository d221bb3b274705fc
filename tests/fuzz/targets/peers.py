"""From peers: the first frame of a link, frames, and all that a replica makes of one."""

from __future__ import annotations

from functools import cache

from ledger import framing
from ledger.consensus.inputs import Now, PeerId
from ledger.crypto import verify
from ledger.errors import MalformedError
from ledger.limits import ENVELOPE_BYTES_MAX
from ledger.primitives import Digest
from node.net.handshake import Hello, HelloRefusedError, Role, decode_hello, encode_hello
from node.replica import Elapsed, PeerConnected, PeerMessageReceived, Replica, Submitted
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.wire import decode
from tests.fuzz import samples
from tests.fuzz.target import Form, Target
from tests.unit.ledger.founders import founder

_NOW = Now(10_000, 1_800_000_000_000)
_PEER = PeerId(founder(1).node_key.public_key.hex())


def running() -> Replica:
    """A validator that has just started, in the middle of a height, with one link."""
    network = samples.network()
    keys = founder(0)
    replica = Replica(
        chain=open_chain(MemoryStore(network.rows)),
        guard=MemoryGuard(network.slots),
        consensus_key=keys.consensus_key,
        node_key=keys.node_key,
        cosigning_key=keys.cosigning_key,
        verify=_verify,
        now=_NOW,
    )
    replica.step([PeerConnected(_PEER), Elapsed()], _NOW)
    return replica


@cache
def _verify(key, message, signature):  # type: ignore[no-untyped-def]
    return verify(key, message, signature)


def _hear(data: bytes) -> None:
    message = decode(data)
    running().step([PeerMessageReceived(_PEER, message)], _NOW)


def _unpack(data: bytes) -> None:
    framing.unpack(data, items_max=300, item_bytes_max=ENVELOPE_BYTES_MAX)


def _submit(data: bytes) -> None:
    running().step([Submitted(1, (data,))], _NOW)


def _hellos() -> tuple[bytes, ...]:
    key = founder(0).node_key.public_key
    return tuple(encode_hello(Hello(role, Digest(bytes(32)), key)) for role in Role)


TARGETS = (
    Target("hello", decode_hello, _hellos, raises=(MalformedError, HelloRefusedError)),
    Target("frame", decode, lambda: samples.network().frames),
    Target("packed sequence", _unpack, lambda: samples.unhex([item["packed"] for item in samples.vectors("framing")])),
    Target("frame heard by a validator", _hear, lambda: samples.network().frames, calls=200_000, memory=8 << 20),
    Target(
        "transaction submitted to a validator",
        _submit,
        lambda: samples.lines([item["envelope"] for item in samples.vectors("transactions")]),
        Form.JSON,
        raises=(),
        calls=200_000,
        memory=8 << 20,
    ),
)
