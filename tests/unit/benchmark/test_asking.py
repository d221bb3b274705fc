"""Those who ask while blocks are committed are a process of their own, and what it used is counted."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from benchmark import asking

SECONDS = 0.5
ANSWERS = {
    "/v1/status": b'{"head":{"height":3}}',
    "/v1/blocks/3": b'{"header":{"log_size":300}}',
    "/v1/proofs/inclusion": b'{"leaf":{"transaction_id":"ab"}}',
}


class _Api(BaseHTTPRequestHandler):
    """An API that knows just what is asked before anything is measured, and has the same for all other questions."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer is written at once

    def do_GET(self) -> None:
        body = ANSWERS.get(self.path.partition("?")[0], b"{}")
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


class _Server(ThreadingHTTPServer):
    request_queue_size = asking.CONNECTIONS


@dataclass
class _Network:
    """What the measurement needs of a network."""

    urls: tuple[str, ...]
    pids: list[int] = field(default_factory=lambda: [os.getpid()])

    @property
    def load(self) -> _Network:
        return self

    def records(self, count: int) -> list[bytes]:
        return [b"{}"] * count


@pytest.fixture
def network() -> Iterator[_Network]:
    with _Server(("127.0.0.1", 0), _Api) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        yield _Network((f"http://127.0.0.1:{server.server_port}",))
        server.shutdown()
        serving.join()


@pytest.mark.parametrize("method", ["fork", "forkserver"])
def test_what_the_process_that_asks_has_used_is_counted_however_it_was_started(
    network: Any, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child of this process can be looked at once it has ended; that of another one is gone by then."""

    async def longer_load(_urls: Sequence[str], _envelopes: Sequence[bytes], *, per_second: float) -> None:
        assert per_second == 500
        await asyncio.sleep(2 * SECONDS)

    monkeypatch.setattr(asking, "paced", longer_load)
    monkeypatch.setattr(multiprocessing, "Process", multiprocessing.get_context(method).Process)
    figures = asking.under_load(network, 1_000, SECONDS)
    assert figures["asked"] == asking.CONNECTIONS * asking.EACH_PER_SECOND * SECONDS
    assert 0 <= figures["foreign_load"] <= 1
    assert 0 < figures["ms_p50"] <= figures["ms_p99"]
