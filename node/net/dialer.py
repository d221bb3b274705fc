"""Opens channels to addresses: the client's half of what `node.net.listener` accepts.

An address stands in the validator set, where another validator wrote it, and whatever answers there is not trusted
before its key is known. So nothing follows a redirect, keeps a cookie, or waits without a deadline (the caller's).
"""

from __future__ import annotations

import socket
import ssl
from types import TracebackType

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ClientWSTimeout,
    DummyCookieJar,
    TCPConnector,
    TraceConfig,
)
from yarl import URL

from ledger.limits import FRAME_BYTES_MAX, PEER_CLOSE_TIMEOUT_MS, PEER_HEARTBEAT_MS
from node.config import Endpoint
from node.net.handshake import PATH
from node.net.links import Channel, shape


class Dialer:
    """Dials any number of addresses. An asynchronous context manager: leaving it closes what is still open."""

    def __init__(self) -> None:
        """Made within a running event loop."""
        trace = TraceConfig()
        trace.on_request_redirect.append(_refuse_redirect)
        self._session = ClientSession(
            connector=TCPConnector(limit=0, force_close=True, use_dns_cache=False, socket_factory=_make_socket),
            cookie_jar=DummyCookieJar(),
            timeout=ClientTimeout(total=None),
            trace_configs=[trace],
        )

    async def __aenter__(self) -> Dialer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def open(self, endpoint: Endpoint, context: ssl.SSLContext) -> Channel:
        """A channel to whoever answers at `endpoint` with a key that `context` trusts.

        Raises what aiohttp, yarl and the system may raise about an address and an answer: any `Exception`.
        """
        websocket = await self._session.ws_connect(
            URL.build(scheme="https", host=endpoint.host, port=endpoint.port, path=PATH),
            ssl=context,
            compress=0,
            heartbeat=PEER_HEARTBEAT_MS / 1000,
            max_msg_size=FRAME_BYTES_MAX + 1,  # aiohttp refuses messages that reach it
            timeout=ClientWSTimeout(ws_close=PEER_CLOSE_TIMEOUT_MS / 1000),
        )
        return Channel(websocket)


def explain(error: Exception) -> str:
    """Why an address could not be reached, in words, without what aiohttp says of its own objects."""
    match error:
        case TimeoutError():
            return "handshake timed out"
        case ClientConnectorCertificateError():
            return str(error.certificate_error)
        case ClientConnectorError():
            # Of a connection that ends within the TLS handshake asyncio says nothing at all.
            return error.os_error.strerror or str(error.os_error) or "the connection ended in the TLS handshake"
        case _:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


async def _refuse_redirect(*_: object) -> None:
    """A peer must not send us to other services."""
    raise ClientError("the peer answered with a redirect")


def _make_socket(
    address: tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, object],
) -> socket.socket:
    """A socket for dialling, shaped like the accepted ones."""
    family, kind, protocol, _, _ = address
    connection = socket.socket(family, kind, protocol)
    connection.setblocking(False)
    shape(connection)
    return connection
