"""Valid bytes of every kind: the golden vectors, and what a small simulated network sent and stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from ledger.encoding import encode
from ledger.genesis import Genesis, parse_genesis
from ledger.primitives import Digest
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from node.wire import (
    Block,
    CertifiedBlock,
    FetchBlock,
    FetchJustification,
    FetchRecords,
    FetchTransactions,
    Justification,
    PeerMessage,
    Records,
)
from node.wire import encode as encode_frame
from tests.crash_points.histories import HISTORIES
from tests.crash_points.running import CrashWorld
from tests.model.recording import recorded
from tests.simulation.machine import Machine
from tests.simulation.remembering import shared
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain

_VECTORS = Path(__file__).resolve().parents[1] / "vectors"


@cache
def vectors(name: str) -> Any:
    """A file of golden vectors."""
    return json.loads((_VECTORS / f"{name}.json").read_bytes())


def lines(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Texts as bytes."""
    return tuple(text.encode() for text in texts)


def unhex(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Hex as bytes."""
    return tuple(map(bytes.fromhex, texts))


@cache
def chain() -> MemoryChain:
    """The chain of the vectors. Nothing is appended to it; made once, because making it costs more than what is fed."""
    return sample_chain()


@cache
def genesis() -> Genesis:
    """The genesis of the vectors."""
    return parse_genesis(vectors("genesis")["document"].encode())


def documents(*values: Any) -> tuple[bytes, ...]:
    """JSON values in canonical form."""
    return tuple(encode(value) for value in values)


@dataclass
class Network:
    """What a network of four did, with a round change: frames, and the disk of one validator in the end, which has a
    block that it has voted for and that is not committed."""

    genesis: Genesis
    frames: list[bytes] = field(default_factory=list)
    payloads: list[bytes] = field(default_factory=list)
    rows: Mapping[bytes, bytes] = field(default_factory=dict)
    slots: bytes = b""


@cache
def network() -> Network:
    """Tell a history of `tests.crash_points`, and listen."""
    world = _Listening(4, 3, HISTORIES[1])
    with shared(world.memory), recorded(world.checkers.recorder):
        world.tell()
        world.submit(world.machines[0], world.submitted)
        while world.machines[0].running._parts.chain.newest_promised_height() is None:
            world.run_until(world.now_ms + 1)
    heard = Network(world.genesis)
    chosen: dict[tuple[int, bytes], bytes] = {}
    for frame in world.frames_sent:
        chosen.setdefault((frame[0], frame[9:60] if frame[0] == 1 else b""), frame)
    heard.frames = [*chosen.values(), *map(encode_frame, _others(world.machines[0]))]
    heard.payloads = [frame[9:] for frame in chosen.values() if frame[0] == 1]
    heard.rows, heard.slots = world.machines[0].disk.image(), world.machines[0].guard.image()
    return heard


class _Listening(CrashWorld):
    def __init__(self, *arguments: Any) -> None:
        self.frames_sent: list[bytes] = []
        super().__init__(*arguments)

    def send(self, sender: Machine, receivers: list[Machine], message: PeerMessage) -> None:
        self.frames_sent.append(encode_frame(message))
        super().send(sender, receivers, message)


def _others(machine: Machine) -> list[PeerMessage]:
    """What is said only when something is missing."""
    chain = open_chain(MemoryStore(machine.disk.image()))
    stored = chain.stored_header(2)
    hashes = (stored.block_hash, Digest(bytes(32)))
    return [
        FetchTransactions(hashes),
        FetchBlock(3, stored.block_hash),
        Block(2, stored.header_bytes, hashes),
        FetchJustification(3, stored.block_hash),
        Justification(3, chain.record(2)),
        FetchRecords(1, 2),
        Records(tuple(CertifiedBlock(chain.record(height), chain.envelopes(height)) for height in (1, 2))),
    ]
