"""A channel that is closed is gone, also when the other end neither reads nor answers."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from node.config import Endpoint
from node.log import EventLog
from node.net import links, tls
from node.net.dialer import Dialer
from node.net.links import Channel, LinkClosedError
from node.net.listener import Arrival, Listener
from tests.integration.network.nodes import descriptors, key_of, seed_of, until

# What event loops do when buffers are full, and when connections break, is their own.
pytestmark = pytest.mark.asyncio(loop_factories=["asyncio", "uvloop"])


@pytest.mark.parametrize("closer", ["dialer", "listener"])
async def test_who_reads_nothing_is_not_waited_for(closer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "PEER_CLOSE_TIMEOUT_MS", 100)
    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[Channel] = loop.create_future()
    bound: asyncio.Future[int] = loop.create_future()
    over = asyncio.Event()

    async def serve(arrival: Arrival) -> None:
        arrival.admitted()
        arrived.set_result(arrival.channel)
        await over.wait()

    context = tls.build_contexts(seed_of("listener"), [key_of("dialer")]).server
    listener = Listener(host="127.0.0.1", port=0, tls=lambda: context, serve=serve, log=EventLog("test"))
    listening = asyncio.create_task(listener.run(bound.set_result))
    async with Dialer() as dialer:
        contexts = tls.build_contexts(seed_of("dialer"), [key_of("listener")])
        dialed = await dialer.open(Endpoint("127.0.0.1", await bound), contexts.client)
        ours, theirs = (dialed, await arrived) if closer == "dialer" else (await arrived, dialed)

        # What they do not read fills the buffers of both ends, until nothing moves any more.
        sent = 0
        with contextlib.suppress(TimeoutError):
            while True:
                async with asyncio.timeout(0.5):
                    await ours.send(bytes(200_000))
                    sent += 1
        before = descriptors()
        async with asyncio.timeout(5):
            await ours.close(1000, "enough")
        await until(lambda: descriptors() == before - 1, seconds=1.0)

        # They see that it has ended, without what had waited in our buffers.
        received = 0
        with contextlib.suppress(LinkClosedError):
            while True:
                await theirs.receive()
                received += 1
        assert received <= sent
        await theirs.close(1000, "over")
        over.set()
    listening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await listening
