"""Listening at all addresses of a name, and accepting on through failures."""

from __future__ import annotations

import asyncio
import socket

import pytest

from ledger.limits import ACCEPTED_IN_A_ROW_MAX
from node.net import accepting
from node.net.accepting import accept, socket_addresses_of


async def test_a_name_may_have_several_addresses_and_none_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    there = [
        (socket.AF_INET, ("127.0.1.1", 7)),
        (socket.AF_INET6, ("fe80::1", 7, 0, 3)),
        (socket.AF_INET, ("127.0.1.2", 7)),
    ]
    found = [(family, socket.SOCK_STREAM, protocol, "", where) for protocol in (6, 0) for family, where in there]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert await socket_addresses_of("a-name", 7) == there


async def test_what_cannot_be_accepted_is_told_and_the_next_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accepting, "ACCEPT_PAUSE_MS", 1)
    told: list[str] = []
    with socket.socket() as connection, socket.socket() as listener:
        outcomes: list[socket.socket | OSError] = [OSError("too many open files"), OSError("aborted"), connection]

        async def sock_accept(_: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
            outcome = outcomes.pop(0)
            if isinstance(outcome, OSError):
                raise outcome
            return outcome, ("127.0.0.1", 7)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", sock_accept)
        async for handshake in accept(listener, lambda error: told.append(str(error))):
            assert (handshake.connection, handshake.host, handshake.port) == (connection, "127.0.0.1", 7)
            break
    assert told == ["too many open files", "aborted"]


async def test_others_have_their_turn_while_there_is_always_somebody_to_accept(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as connection, socket.socket() as listener:

        async def sock_accept(_: socket.socket) -> tuple[socket.socket, tuple[str, int]]:
            return connection, ("127.0.0.1", 7)

        monkeypatch.setattr(asyncio.get_running_loop(), "sock_accept", sock_accept)
        turns = accepted = 0

        async def take_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        others = asyncio.create_task(take_turns())
        async for _ in accept(listener, lambda _: None):
            accepted += 1
            if accepted == 10 * ACCEPTED_IN_A_ROW_MAX:
                break
        others.cancel()
    assert turns >= 9
