"""Honest nodes find each other, stay on one link per pair, and find each other again."""

from __future__ import annotations

import asyncio

from ledger.consensus.inputs import PeerId
from node import wire
from node.replica.inputs import PeerConnected, PeerDisconnected, PeerMessageReceived
from tests.integration.network.nodes import Node, by_key, captured_events, free_port, linked, peer_of, running, until


async def test_frames_pass_in_both_directions_in_order() -> None:
    async with running("a") as a, running("b") as b:
        a.know(b)
        b.know(a, dial=False)
        await until(lambda: linked(a, b) and linked(b, a))
        for height in range(200):
            a.peers.send_to(b.peer, wire.Status(height, 0))
            b.peers.send_to_all(wire.Status(height, 1), validators_only=True)
        await until(lambda: len(a.messages()) == len(b.messages()) == 200)
        assert a.messages() == [wire.Status(height, 1) for height in range(200)]
        assert b.messages() == [wire.Status(height, 0) for height in range(200)]


async def test_large_frames_pass() -> None:
    record = wire.Records((wire.CertifiedBlock(b"r" * 500_000, (bytes(3_000),) * 1_000),))
    gossip = wire.Transactions((bytes(1_000),) * 1_000)
    async with running("a") as a, running("b") as b:
        a.know(b)
        b.know(a, dial=False)
        await until(lambda: linked(a, b) and linked(b, a))
        for sender, receiver in ((a, b), (b, a)):
            sender.peers.send_to(receiver.peer, record)
            await until(lambda: receiver.messages()[-1:] == [record])  # noqa: B023
            sender.peers.send_to_all(gossip, validators_only=False)
            await until(lambda: len(envelopes(receiver)) == 1_000)  # noqa: B023
            assert envelopes(receiver) == list(gossip.envelopes)


def envelopes(node: Node) -> list[bytes]:
    return [
        envelope
        for message in node.messages()
        if isinstance(message, wire.Transactions)
        for envelope in message.envelopes
    ]


async def test_only_validators_get_what_is_for_validators() -> None:
    async with running("a") as a, running("follower") as follower:
        a.know("follower")
        follower.know(a)
        await until(lambda: linked(a, follower) and linked(follower, a))
        a.peers.send_to_all(wire.Status(1, 0), validators_only=True)
        a.peers.send_to_all(wire.Status(2, 0), validators_only=False)
        await until(follower.messages)
        assert follower.messages() == [wire.Status(2, 0)]


async def test_two_nodes_that_dial_at_once_keep_exactly_one_link() -> None:
    lower, higher = by_key("a", "b")
    for _ in range(10):
        async with running(lower) as low, running(higher) as high:
            low.know(high)
            high.know(low)
            await until(lambda: linked(low, high) and linked(high, low))
            await settled(low, high)
            # One link on each side, and both sides mean the same one.
            (of_low,), (of_high,) = low.peers.status(), high.peers.status()
            assert of_low.dialed != of_high.dialed
            low.peers.send_to(high.peer, wire.Status(1, 1))
            high.peers.send_to(low.peer, wire.Status(2, 2))
            await until(lambda: low.messages() and high.messages())
            assert of_low.dialed or len(low.links()) == 1, "the higher key's link stays only where it was the only one"


async def settled(low: Node, high: Node) -> None:
    """Wait until a frame has gone each way over the links that are there now: later ones would replace them."""
    while True:
        before = (low.peers.status()[0].dialed, high.peers.status()[0].dialed, len(low.links()), len(high.links()))
        await asyncio.sleep(0.1)
        if linked(low, high) and linked(high, low):
            after = (low.peers.status()[0].dialed, high.peers.status()[0].dialed, len(low.links()), len(high.links()))
            if before == after:
                return


async def test_the_dial_of_the_lower_key_wins() -> None:
    """The higher key has linked first; the link that the lower key dials replaces that, and not the other way round."""
    lower, higher = by_key("a", "b")
    async with running(lower) as low, running(higher) as high:
        low.know(high, dial=False)
        high.know(low)
        await until(lambda: linked(low, high) and linked(high, low))
        assert high.peers.status()[0].dialed
        link = await low.peers._dial(high.key, endpoint_of(high))
        assert link is not None
        carried = asyncio.create_task(low.peers._carry(link))
        await until(lambda: low.peers.status() and low.peers.status()[0].dialed)
        await until(lambda: high.peers.status() and not high.peers.status()[0].dialed)
        # To the replicas the second link replaces the first: nobody was ever gone.
        assert low.links() == [PeerConnected(high.peer)] * 2
        assert high.links() == [PeerConnected(low.peer)] * 2
        assert await high.peers._dial(low.key, endpoint_of(low)) is None
        await low.stop()
        await carried


def endpoint_of(node: Node) -> object:
    from node.config import Endpoint

    return Endpoint("127.0.0.1", node.port)


async def test_a_node_that_was_killed_is_found_again() -> None:
    async with running("a") as a:
        async with running("b") as b:
            a.know(b)
            b.know(a, dial=False)
            await until(lambda: linked(a, b) and linked(b, a))
        await until(lambda: linked(a))
        assert a.links() == [PeerConnected(b.peer), PeerDisconnected(b.peer)]
        async with running("b", port=b.port) as again:
            again.know(a, dial=False)
            await until(lambda: linked(a, again) and linked(again, a))
            again.peers.send_to(a.peer, wire.Status(7, 0))
            await until(a.messages)


async def test_a_key_that_is_listed_later_is_linked_and_one_no_longer_listed_is_closed() -> None:
    async with running("a") as a, running("b") as b, running("c") as c:
        a.know(b)
        b.know(a)
        c.know(a)
        await until(lambda: linked(a, b) and linked(b, a))
        a.know(b, c, dial=False)
        await until(lambda: linked(a, b, c) and linked(c, a))
        assert PeerDisconnected(b.peer) not in a.links()
        a.know(c, dial=False)
        await until(lambda: linked(a, c) and linked(b))
        assert PeerDisconnected(b.peer) in a.links()


async def test_a_closed_link_says_why_whoever_dialed_it() -> None:
    for dialer in ("a", "b"):
        with captured_events() as events:
            async with running("a") as a, running("b") as b:
                a.know(b, dial=dialer == "a")
                b.know(a, dial=dialer == "b")
                await until(lambda: linked(a, b) and linked(b, a))
                a.know()
                await until(lambda: linked(a) and linked(b))
                reasons = [fields["reason"] for event, fields in events if event == "peer_unlinked"]
        assert reasons == ["the node key is no longer listed"] * 2


async def test_a_validator_that_moves_is_dialed_at_its_new_address() -> None:
    async with running("a") as a, running("b") as b:
        a.know(b)
        b.know(a, dial=False)
        await until(lambda: linked(a, b) and linked(b, a))
        async with running("b", port=free_port()) as moved:  # the same key somewhere else; the old one still answers
            moved.know(a, dial=False)
            a.know(moved)
            await until(lambda: linked(a, moved) and linked(moved, a))
            await until(lambda: linked(b))


async def test_a_validator_with_a_new_node_key_is_dialed_and_the_old_one_stays_as_long_as_it_is_listed() -> None:
    async with running("a") as a, running("old") as old, running("new") as new:
        a.know(old)
        old.know(a, dial=False)
        await until(lambda: linked(a, old))
        new.know(a, dial=False)
        a.know(old, new)
        await until(lambda: linked(a, old, new) and linked(new, a))
        assert a.links() == [PeerConnected(old.peer), PeerConnected(new.peer)], "the other link was not touched"
        a.know(new)
        await until(lambda: linked(a, new) and linked(old))


async def test_a_change_of_role_does_not_touch_the_link() -> None:
    async with running("a") as a, running("b") as b:
        a.know(b)
        b.know(a, dial=False)
        await until(lambda: linked(a, b) and linked(b, a))
        b.know("a")  # still listed, no validator any more
        b.peers.send_to_all(wire.Status(1, 0), validators_only=True)
        b.peers.send_to_all(wire.Status(2, 0), validators_only=False)
        await until(a.messages)
        assert a.messages() == [wire.Status(2, 0)]
        assert a.links() == [PeerConnected(PeerId(peer_of("b")))]


def heard_from(node: Node) -> set[PeerId]:
    node.listen()
    return {item.peer for item in node.heard if isinstance(item, PeerMessageReceived)}


async def test_seven_nodes_become_a_full_mesh() -> None:
    names = [f"node-{number}" for number in range(7)]
    async with asyncio.timeout(60):
        nodes: list[Node] = []
        stack = [running(name) for name in names]
        try:
            nodes = [await manager.__aenter__() for manager in stack]
            for node in nodes:
                node.know(*(other for other in nodes if other is not node))
            await until(lambda: all(linked(node, *(o for o in nodes if o is not node)) for node in nodes))

            def heard_by_all() -> bool:
                # Said again each time: what was on a link that lost the tie-break is gone, as for the real resend tick.
                for node in nodes:
                    node.peers.send_to_all(wire.Status(1, 0), validators_only=True)
                return all(heard_from(node) == {other.peer for other in nodes if other is not node} for node in nodes)

            await until(heard_by_all)
            assert all(len(node.peers.status()) == 6 for node in nodes)
        finally:
            for manager in stack:
                await manager.__aexit__(None, None, None)
