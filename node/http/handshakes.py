"""The API over TLS: handshakes are bounded in number, for each address, and in time.

Every one is an open file and a quarter of a megabyte, and a database that cannot open its files ends the node. So who
connects has a place (`node.places`) until its connection is let in, or has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import TypeAlias

from ledger.limits import (
    HTTP_CLOSE_SECONDS_MAX,
    HTTP_HANDSHAKE_SECONDS_MAX,
    HTTP_HANDSHAKES_MAX,
    HTTP_HANDSHAKES_PER_ADDRESS_MAX,
)
from node.http.allowance import client_address
from node.http.log import log_failure
from node.net.accepting import Handshake, accept
from node.places import Places

LetIn: TypeAlias = Callable[[asyncio.Transport], bool]
"""Gives a connection another protocol, or says that it may not be open."""


class _Gate(asyncio.Protocol):
    """The first protocol of a connection whose hands are shaken, and the last of one that is turned away."""

    def __init__(self, let_in: LetIn) -> None:
        self._let_in = let_in
        self.transport: asyncio.Transport | None = None
        """Of a connection that is not let in, as long as it lasts."""
        self.settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when it is let in, or when it has ended."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # a stream's
        """Let it in if it may be open. If not, nothing is done here: it must be closed only once before it can be
        aborted, and by us, not by what makes connections and may be cancelled now."""
        if self._let_in(transport):
            self._settle()
        else:
            self.transport = transport

    def connection_lost(self, exc: BaseException | None) -> None:
        """It was turned away, and has ended."""
        self.transport = None
        self._settle()

    def _settle(self) -> None:
        if not self.settled.done():  # or nobody waits any more
            self.settled.set_result(None)


class Handshakes:
    """Those of one server. A connection whose hands are shaken is let in, or else turned away: told so, and closed."""

    def __init__(self, let_in: LetIn, turn_away: Callable[[asyncio.Transport], None]) -> None:
        self._let_in = let_in
        self._turn_away = turn_away
        self._places = Places(
            total_max=HTTP_HANDSHAKES_MAX,
            per_address_max=HTTP_HANDSHAKES_PER_ADDRESS_MAX,
            oust=Handshake.give_way,
        )

    @property
    def total(self) -> int:
        """How many connections are not let in yet, or are being turned away."""
        return self._places.total

    async def accept(self, listener: socket.socket, context: ssl.SSLContext) -> None:
        """Accept until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for handshake in accept(listener, _accept_failed):
                if self._places.take(client_address(handshake.host), handshake):
                    group.create_task(self._shake_hands(handshake, context))
                else:
                    handshake.connection.close()

    async def _shake_hands(self, handshake: Handshake, context: ssl.SSLContext) -> None:
        """See one connection through to where it is let in, or close it."""
        try:
            with contextlib.suppress(OSError):  # out of time, no TLS, or gone: whoever it was is no client of ours
                async with asyncio.timeout(HTTP_HANDSHAKE_SECONDS_MAX) as handshake.deadline:
                    await handshake.begin()
                    await self._secure(handshake.connection, context)
        except Exception as error:
            log_failure("http_handshake_failed", error)
        finally:
            self._places.give_back(client_address(handshake.host), handshake)

    async def _secure(self, connection: socket.socket, context: ssl.SSLContext) -> None:
        gate = _Gate(self._let_in)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: gate,
                connection,
                ssl=context,
                ssl_handshake_timeout=HTTP_HANDSHAKE_SECONDS_MAX,
                ssl_shutdown_timeout=HTTP_CLOSE_SECONDS_MAX,
            )
            if gate.transport is not None:
                self._turn_away(gate.transport)
            await gate.settled
        except BaseException:
            # Also where the handshake has ended just when the time was over: then all that was done is to close it,
            # and whoever does not say goodbye would stay.
            if gate.transport is not None:
                gate.transport.abort()
            raise


def _accept_failed(error: OSError) -> None:
    log_failure("http_accept_failed", error)
