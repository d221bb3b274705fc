"""GET /v1/events: one server-sent event for each block (HTML Living Standard, section 9.2).

A stream has no queue. It has a height, sends what the store holds above it, and waits for the next block; so nothing is
dropped when a reader is slow, and a reader that stays away resumes where it was: `id` is the height, and a client
sends the last one back in Last-Event-ID. A reader that does not take a write for
`HTTP_STREAM_WRITE_SECONDS_MAX` is disconnected; its share of memory is one socket buffer and one write.

Every block has its event, also where a filter (account, stream, asset, type) leaves none of its transactions: so ids
have no gaps, and a reader that misses one knows that it does. With a filter an event lists the matching transactions;
with `proof=1` it carries what proves the block and the list of all its transactions (`ledger.block_proof`).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson
from aiohttp import web

from ledger.errors import MalformedError
from ledger.limits import (
    BLOCK_TRANSACTIONS_MAX,
    HTTP_SLICE_BYTES,
    HTTP_STREAM_BLOCKS_PER_WRITE_MAX,
    HTTP_STREAM_BYTES_PER_WRITE_MAX,
    HTTP_STREAM_KEEP_ALIVE_SECONDS,
    HTTP_STREAM_WRITE_SECONDS_MAX,
)
from node.http import render
from node.http.blocks import block_proof_of, listed_block
from node.http.call import EVENT_STREAM, SECURITY_HEADERS, Caching, Call
from node.http.log import log_failure
from node.http.parameters import ACCOUNT, ASSET, BLOCK_PROOF, FROM_HEIGHT, OPERATION_TYPE, STREAM, parse_integer
from node.http.problems import HttpCode, Problem, ProblemError
from node.storage.errors import DamagedError
from node.storage.paging import PageRequest

_RECONNECT = b"retry: 1000\n\n"  # milliseconds; EventSource clients wait that long before they resume
_KEEP_ALIVE = b": still here\n\n"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What the events of a stream are to say of each block."""

    proof: bool
    account: str | None
    stream: str | None
    asset: str | None
    type: str | None

    @property
    def filtered(self) -> bool:
        """Whether the events are to list the transactions that match."""
        return (self.account, self.stream, self.asset, self.type) != (None, None, None, None)


async def events(call: Call) -> web.StreamResponse:
    """Stream blocks: after Last-Event-ID, else from `from_height`, else from the newest on."""
    height = _first_height(call)
    wanted = _wanted(call)
    streams, address = call.context.streams, call.address
    if call.context.closing:
        raise ProblemError(Problem(HttpCode.CLOSING, "no stream is opened any more"))
    if not streams.take(address):
        raise ProblemError(Problem(HttpCode.STREAMS_EXHAUSTED, f"{streams.total} event streams are open"))
    try:
        response = web.StreamResponse(
            headers={
                **SECURITY_HEADERS,
                "Content-Type": EVENT_STREAM,
                "Cache-Control": Caching.NEVER.value,
                "Ledger-Height": str(call.queries.chain.tip.header.height),
                "X-Accel-Buffering": "no",  # a proxy that collects events first would make the stream useless
            }
        )
        await response.prepare(call.request)
        if call.request.method != "HEAD":
            await _stream(call, response, height, wanted)
    except ConnectionError:
        return response  # the client went away, or was made to: it resumes when it likes
    except DamagedError as error:
        # The answer has begun, so there is no way to say it but to break off; a client that resumes gets a problem.
        log_failure("http_stream_failed", error)
        _abort(call)
        return response
    else:
        return response
    finally:
        streams.give_back(address)


async def _stream(call: Call, response: web.StreamResponse, height: int, wanted: _Wanted) -> None:
    """Send the blocks from `height` on until the client or the node goes away."""
    await _write(call, response, _RECONNECT)
    while not call.context.closing:
        newest = call.queries.chain.tip.header.height
        if height <= newest:
            stop = min(newest + 1, height + HTTP_STREAM_BLOCKS_PER_WRITE_MAX)
            data = bytearray()
            while height < stop and len(data) < HTTP_STREAM_BYTES_PER_WRITE_MAX:
                data += _event(call, height, wanted)
                height += 1
            await _write(call, response, bytes(data))
            await asyncio.sleep(0)  # a reader that is far behind must not keep the node to itself
            continue
        try:
            async with call.context.patience(HTTP_STREAM_KEEP_ALIVE_SECONDS):
                await call.node.block_after(height - 1)
        except TimeoutError:
            if not call.context.closing:
                await _write(call, response, _KEEP_ALIVE)


def _event(call: Call, height: int, wanted: _Wanted) -> bytes:
    """The event of a block; the newest one without filters is remembered, for every open stream sends it."""
    newest = call.context.newest_events.get(wanted.proof)
    if newest is not None and newest[0] == height and not wanted.filtered:
        return newest[1]
    chain = call.queries.chain
    document = dict(listed_block(chain, height))
    if wanted.filtered:
        request = PageRequest(limit=BLOCK_TRANSACTIONS_MAX, reverse=False)
        found = call.queries.transactions(
            request,
            account=wanted.account,
            stream=wanted.stream,
            asset=wanted.asset,
            type=wanted.type,
            from_height=height,
            to_height=height,
        )
        document["transactions"] = [render.listed_transaction(item) for item in found.items]
    if wanted.proof:
        document["proof"] = orjson.Fragment(block_proof_of(chain, height)) if height else None
    data = render.event(height, "block", document)
    if height == chain.tip.header.height and not wanted.filtered:
        call.context.newest_events[wanted.proof] = height, data
    return data


async def _write(call: Call, response: web.StreamResponse, data: bytes) -> None:
    """Write, and give up the connection when the client does not read. Raises `ConnectionResetError`."""
    try:
        async with asyncio.timeout(HTTP_STREAM_WRITE_SECONDS_MAX):
            for start in range(0, len(data), HTTP_SLICE_BYTES):
                await response.write(data[start : start + HTTP_SLICE_BYTES])
    except TimeoutError:
        _abort(call)
        raise ConnectionResetError("the client reads too slowly") from None


def _abort(call: Call) -> None:
    """Close the connection without a word: the client sees that the stream did not end."""
    transport = call.request.transport
    if transport is not None:
        transport.abort()


def _wanted(call: Call) -> _Wanted:
    """What the query asks for. Raises `ProblemError`."""
    return _Wanted(
        proof=call.query(BLOCK_PROOF) or False,
        account=call.query(ACCOUNT),
        stream=call.query(STREAM),
        asset=call.query(ASSET),
        type=call.query(OPERATION_TYPE),
    )


def _first_height(call: Call) -> int:
    """Where the stream starts. Raises `ProblemError`."""
    from_height = call.query(FROM_HEIGHT)
    last = call.request.headers.get("Last-Event-ID")
    if last:
        try:
            return parse_integer(last) + 1
        except MalformedError as error:
            raise ProblemError(Problem(HttpCode.PARAMETER_INVALID, f"Last-Event-ID: {error}")) from None
    return call.queries.chain.tip.header.height if from_height is None else from_height
