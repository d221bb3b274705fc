"""Listening at all addresses of a name, and accepting on through failures."""

from __future__ import annotations

import asyncio
import socket

import pytest

from ledger.limits import ACCEPTED_IN_A_ROW_MAX
from node.net import accepting
from node.net.accepting import accept, bind


async def test_every_address_of_a_name_is_listened_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def two_addresses(_host: str, port: int, *_: object, **__: object) -> list[tuple[object, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in ("127.0.1.1", "127.0.1.2")] * 2

    monkeypatch.setattr(socket, "getaddrinfo", two_addresses)
    listeners = await bind("a-name", 0, 5)
    assert [listener.getsockname()[0] for listener in listeners] == ["127.0.1.1", "127.0.1.2"]
    taken = listeners[1].getsockname()[1]
    listeners[0].close()
    with pytest.raises(OSError, match="in use"):
        await bind("a-name", taken, 5)
    with socket.create_server(("127.0.1.1", taken)):
        listeners[1].close()  # the first of the failed attempt was closed, too


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
        async for accepted, address in accept(listener, lambda error: told.append(str(error))):
            assert (accepted, address) == (connection, ("127.0.0.1", 7))
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
