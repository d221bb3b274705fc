"""Links with a delay, as between places far apart: the proxies of the tests, in a process of their own.

In the process that sends the load they would wait for it, and it for them: the delay would not be what is said.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

from node.config import Endpoint
from node.devnet import Layout
from tests.integration.faults.links import Links, Pair, dial_through

_START_SECONDS_MAX = 30
_STOP_SECONDS_MAX = 10


class Proxies:
    """One for each pair and direction of dialling. Leaving the context ends them, and every link through them."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._here, there = multiprocessing.Pipe()
        listeners = [layout.peers(index) for index in range(layout.validators)]
        self._process = multiprocessing.Process(target=_serve, args=(listeners, there), daemon=True)

    def __enter__(self) -> Proxies:
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._here.send(None)
        self._process.join(_STOP_SECONDS_MAX)
        self._process.kill()
        self._process.join()

    @property
    def pid(self) -> int:
        """Their process."""
        assert self._process.pid is not None
        return self._process.pid

    def dial_through(self) -> None:
        """Have the validators' configurations name the proxies; before any is started."""
        assert self._here.poll(_START_SECONDS_MAX), "the proxies did not start"
        addresses: Mapping[Pair, Endpoint] = self._here.recv()
        dial_through(self._layout, lambda dialer, listener: addresses[dialer, listener])

    def delay(self, milliseconds: int) -> None:
        """Whatever is sent from now on arrives so much later, in either direction of every link."""
        self._here.send(milliseconds)
        assert self._here.recv() == milliseconds


def _serve(listeners: Sequence[Endpoint], commands: Connection) -> None:
    asyncio.run(_served(listeners, commands))


async def _served(listeners: Sequence[Endpoint], commands: Connection) -> None:
    """Listen, say where, and do as told until told None."""
    links, told = Links(listeners), asyncio.Queue[int | None]()
    await links.open()
    commands.send({pair: links.address(*pair) for pair in links.ways})
    asyncio.get_running_loop().add_reader(commands.fileno(), lambda: told.put_nowait(commands.recv()))
    while (delay_ms := await told.get()) is not None:
        for way in links.ways.values():
            way.delay_ms = delay_ms
        commands.send(delay_ms)
    await links.close()
