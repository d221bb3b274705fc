"""The client of single submissions reads what a node answers, however it arrives, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from benchmark.submitting import Submitter

BODY = b'{"state":"committed","result":"applied","height":7}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX: y\r\n\r\n%b" % (len(BODY), BODY)
PENDING = b'HTTP/1.1 202 Accepted\r\nContent-Length: 19\r\n\r\n{"state":"pending"}'
UNSIZED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"


@asynccontextmanager
async def answering(*pieces: bytes) -> AsyncIterator[tuple[Submitter, list[bytes]]]:
    """One who submits to a server that gives these pieces to each request, and the requests that came."""
    requests: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.read(10_000):
            requests.append(head)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            if not pieces:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with server, Submitter(f"http://{host}:{port}") as submitter:
        yield submitter, requests


@pytest.mark.parametrize("size", [1, 20, len(ANSWER)])
async def test_an_answer_may_come_in_pieces_and_the_next_follows_it(size: int) -> None:
    pieces = [ANSWER[start : start + size] for start in range(0, len(ANSWER), size)]
    async with answering(*pieces) as (submitter, requests):
        for envelope in (b"first", b"second"):
            committed = await submitter.commit(envelope)
            assert committed.height == 7
            assert committed.seconds > 0
            assert requests[-1].startswith(b"POST /v1/transactions HTTP/1.1\r\n")
            assert requests[-1].endswith(b"\r\nContent-Length: %d\r\n\r\n%b" % (len(envelope), envelope))


@pytest.mark.parametrize(
    ("pieces", "found"),
    [
        pytest.param((PENDING,), "was not applied", id="not committed"),
        pytest.param((UNSIZED,), "does not read", id="an answer without a length"),
        pytest.param((), "closed the connection", id="no answer"),
    ],
)
async def test_any_other_answer_is_an_error(pieces: tuple[bytes, ...], found: str) -> None:
    async with answering(*pieces) as (submitter, _):
        with pytest.raises(RuntimeError, match=found):
            await submitter.commit(b"first")


async def test_an_answer_to_nothing_is_not_taken_for_that_of_the_next() -> None:
    async with answering(ANSWER + ANSWER) as (submitter, _):
        await submitter.commit(b"first")
        with pytest.raises(RuntimeError, match="is closed"):
            await submitter.commit(b"second")
