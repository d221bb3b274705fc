"""A peer that does not read costs a bounded amount of memory, and a node that is busy does not read."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientSession

from ledger.limits import MIB
from node import inbox as inbox_module
from node import wire
from node.net import outbox, tls
from node.net.handshake import PATH, CloseCode, Hello, Role, encode_hello
from node.net.links import Channel
from tests.integration.network.nodes import CHAIN, key_of, linked, running, seed_of, until

# What event loops do when buffers are full, and when connections break, is their own.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])

Events = list[tuple[str, dict[str, object]]]
GOSSIP = wire.Transactions((bytes(50_000),) * 20)


async def test_gossip_is_dropped_first_and_then_the_link_is_closed(
    events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "PEER_OUTBOX_BYTES_MAX", 8 * MIB)
    async with running("target") as target, ClientSession() as session:
        target.know("sleeper")
        context = tls.build_contexts(seed_of("sleeper"), [key_of("target")]).client
        websocket = await session.ws_connect(f"https://127.0.0.1:{target.port}{PATH}", ssl=context)
        channel = Channel(websocket)
        await channel.send(encode_hello(Hello(Role.DIALER, CHAIN, key_of("sleeper"))))
        await channel.receive()
        await until(target.peers.status)

        # The sleeper reads nothing any more. Gossip fills all buffers on the way, then the outbox, then is dropped.
        sent = 0
        while not target.peers.status()[0].gossip_dropped:
            target.peers.send_to_all(GOSSIP, validators_only=False)
            sent += 1
            assert sent < 200
            await asyncio.sleep(0)
        (status,) = target.peers.status()
        assert 7 * MIB < status.outbox_bytes <= 8 * MIB

        # What consensus needs takes the place of gossip, and the link lives as long as there is some.
        vote = wire.Consensus(1, bytes(100_000))
        for _ in range(40):
            target.peers.send_to_all(vote, validators_only=False)
            (status,) = target.peers.status()
            assert status.outbox_bytes <= 8 * MIB
        assert status.gossip_dropped >= 4
        assert not [event for event, _ in events if event == "peer_unlinked"]
        for _ in range(100):
            target.peers.send_to_all(vote, validators_only=False)
        await until(lambda: not target.peers.status())
        assert [fields["code"] for event, fields in events if event == "peer_unlinked"] == [CloseCode.OUTBOX_FULL]
        await channel.close(1000, "the test is over")


async def test_a_busy_node_stops_reading_and_catches_up_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sender's frames wait at the sender: the receiver's memory is bounded, and nothing is lost or reordered."""
    monkeypatch.setattr(inbox_module, "INBOX_BYTES_MAX", 2 * MIB)
    async with running("a") as a, running("b") as b:
        a.know(b)
        b.know(a, dial=False)
        await until(lambda: linked(a, b) and linked(b, a))
        frames = [wire.Records((wire.CertifiedBlock(bytes([number]) * MIB, ()),)) for number in range(60)]
        for frame in frames:
            a.peers.send_to(b.peer, frame)
        # b takes nothing in: it stops reading once its share of the inbox is full, however long that lasts.
        await until(lambda: b.peers.status()[0].frames_received >= 2)
        stuck = 0
        while stuck < 20:
            before = a.peers.status()[0].frames_sent
            await asyncio.sleep(0.01)
            stuck = stuck + 1 if a.peers.status()[0].frames_sent == before else 0
        assert b.peers.status()[0].frames_received <= 3
        assert a.peers.status()[0].frames_sent < 40
        await until(lambda: len(b.messages()) == 60)
        assert b.messages() == frames


async def test_a_vote_overtakes_the_gossip_that_waits() -> None:
    async with running("a") as a, running("b") as b:
        a.know(b)
        b.know(a, dial=False)
        await until(lambda: linked(a, b) and linked(b, a))
        for _ in range(50):
            a.peers.send_to_all(GOSSIP, validators_only=False)
        a.peers.send_to_all(wire.Consensus(1, b"vote"), validators_only=False)
        await until(lambda: wire.Consensus(1, b"vote") in b.messages())
        before_the_vote = b.messages().index(wire.Consensus(1, b"vote"))
        assert before_the_vote < 25, "all but what was in the kernel's buffers already waited behind the vote"
