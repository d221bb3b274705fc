"""The clients of the benchmark read what a node answers, however it arrives, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from benchmark.submitting import Submitter, Submitters

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


def _answer(status: str, body: bytes) -> bytes:
    return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)


TAKEN = b'{"results":[{"state":"pending"},{"state":"pending"}]}'
HALF_TAKEN = b'{"results":[{"state":"pending"},{"code":"mempool_full"}]}'
NOTHING_TAKEN = b'{"code":"too_many_bodies"}'


@pytest.mark.parametrize(("wait", "status"), [(False, "202 Accepted"), (False, "200 OK"), (True, "200 OK")])
async def test_a_batch_is_sent_in_lines_and_waited_for_only_when_asked(*, wait: bool, status: str) -> None:
    async with answering(_answer(status, TAKEN)) as (submitter, requests):
        await submitter.submit([b"first", b"second"], wait=wait)
    (request,) = requests
    assert request.endswith(b"\r\nContent-Length: 12\r\n\r\nfirst\nsecond")
    assert (b"\r\nPrefer: wait=" in request) is wait


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        pytest.param(_answer("200 OK", HALF_TAKEN), False, id="one was refused"),
        pytest.param(_answer("503 Service Unavailable", NOTHING_TAKEN), False, id="all were refused"),
        pytest.param(_answer("202 Accepted", TAKEN), True, id="not all are committed in time"),
        pytest.param(_answer("500 Internal Server Error", TAKEN), False, id="a status that nobody expects"),
    ],
)
async def test_a_batch_that_is_not_accepted_is_an_error(answer: bytes, *, wait: bool) -> None:
    async with answering(answer) as (submitter, _):
        with pytest.raises(RuntimeError, match="a batch was not accepted by http://127"):
            await submitter.submit([b"first", b"second"], wait=wait)


@pytest.mark.parametrize(
    ("answer", "left"),
    [(TAKEN, []), (HALF_TAKEN, [b"second"]), (NOTHING_TAKEN, [b"first", b"second"])],
    ids=["none", "one", "all"],
)
async def test_who_offers_a_batch_is_left_with_what_there_was_no_room_for(answer: bytes, left: list[bytes]) -> None:
    async with answering(_answer("200 OK", answer)) as (submitter, _):
        assert await submitter.offer([b"first", b"second"]) == left


async def test_who_is_done_is_asked_again_and_nobody_while_busy() -> None:
    async with answering(ANSWER) as (other, _), Submitters() as submitters:
        async with submitters.one(other.url) as first:
            async with submitters.one(other.url) as second:
                assert first is not second
            async with submitters.one(other.url) as third:
                assert third is second
        async with submitters.one(other.url) as fourth, submitters.one(other.url) as fifth:
            assert (fourth, fifth) in ((first, second), (second, first))
            assert (await fourth.commit(b"first")).height == 7
