"""Bearer tokens: each node is shown its own and nobody else's, and a file that others may read is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from yarl import URL

from ledger.errors import MalformedError
from node.http import HttpServer, create_application
from node.http.access import Access, parse_token
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.wallet.conftest import Run
from wallet.client import Tokens, UnreachableError, connect, parse_tokens
from wallet.exit_codes import ExitCode, WalletError
from wallet.session import Session

ONE, TWO = "a" * 40, "b" * 40


@pytest.fixture
async def shut() -> AsyncIterator[str]:
    """A node that answers who shows ONE."""
    server = HttpServer(create_application(FakeNode(), Access((parse_token(ONE),))))
    host, port = await server.listen("127.0.0.1", 0)
    yield f"http://{host}:{port}"
    await server.close()


@pytest.fixture
async def seen() -> list[str | None]:
    return []


@pytest.fixture
async def listening(seen: list[str | None]) -> AsyncIterator[str]:
    """Somebody who notes what he is shown."""

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response(status=500)

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", note)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def height(nodes: tuple[str, ...], tokens: Tokens) -> int:
    async with connect(nodes, timeout_s=5, notice=lambda sentence: None, tokens=tokens) as client:
        return (await client.head()).height


async def test_a_node_is_shown_its_token(shut: str) -> None:
    assert await height((shut,), parse_tokens(ONE)) == 0
    assert await height((shut,), parse_tokens(f"{shut}/ {ONE}\n{TWO}")) == 0
    for tokens in (Tokens(), parse_tokens(TWO), parse_tokens(f"http://127.0.0.1:1 {ONE}")):
        with pytest.raises(UnreachableError, match="token") as caught:
            await height((shut,), tokens)
        assert "--token-file" in str(caught.value.remedy)


async def test_nobody_else_is_shown_it(shut: str, listening: str, seen: list[str | None]) -> None:
    assert await height((listening, shut), parse_tokens(f"{shut} {ONE}")) == 0
    assert seen == [None]
    assert await height((listening, shut), parse_tokens(ONE).limited_to((shut,))) == 0
    assert seen == [None, None]
    assert await height((listening, shut), parse_tokens(ONE)) == 0
    assert seen[-1] == f"Bearer {ONE}", "a token without a URL is for every node"


async def test_a_node_that_is_shut_is_passed_by(shut: str) -> None:
    server = HttpServer(create_application(FakeNode()))
    host, port = await server.listen("127.0.0.1", 0)
    assert await height((shut, f"http://{host}:{port}"), Tokens()) == 0
    await server.close()


def test_tokens_of_a_file() -> None:
    tokens = parse_tokens(f"# ours\nhttps://ledger.acme.example:443/ {ONE} # of May\n\n{TWO}\r\n")
    assert tokens.of(URL("https://ledger.acme.example/v1/status")) == ONE
    assert tokens.of(URL("http://ledger.acme.example/v1/status")) == TWO
    limited = tokens.limited_to(("https://ledger.acme.example", "https://bolt.example"))
    assert limited.of(URL("https://ledger.acme.example/v1/status")) == ONE
    assert limited.of(URL("https://bolt.example/x")) == TWO
    assert limited.of(URL("https://elsewhere.example/x")) is None


@pytest.mark.parametrize("text", ["", "# none", f"a b {ONE}", f"nowhere {ONE}", "tökèn", "x" * 513, f"{ONE}\n\x00"])
def test_what_holds_no_tokens_is_refused_without_telling_any(text: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse_tokens(text)
    assert ONE not in str(caught.value)


def test_where_the_file_is_named(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home / "tokens"
    path.write_text(ONE)
    path.chmod(0o600)
    run("config", "set", "nodes", "https://ours.example")
    run("config", "set", "token_file", str(path))
    ours, elsewhere = URL("https://ours.example/v1"), URL("https://elsewhere.example/v1")
    assert (Session().tokens.of(ours), Session().tokens.of(elsewhere)) == (ONE, None), "a profile's is for its nodes"
    asked = Session(flags={"token_file": str(path)})
    assert asked.tokens.of(elsewhere) == ONE
    run("config", "set", "token_file")
    assert Session().tokens == Tokens()
    monkeypatch.setenv("QUORUM_TOKEN_FILE", str(path))
    assert Session().tokens.of(elsewhere) == ONE


@pytest.mark.parametrize(
    ("content", "mode", "code"),
    [
        (ONE, 0o640, ExitCode.KEY),
        ("", 0o600, ExitCode.USAGE),
        ("ä", 0o600, ExitCode.USAGE),
        (f"{ONE}\n" * 9_000, 0o600, ExitCode.USAGE),
    ],
)
def test_a_file_that_cannot_be_used_is_an_error(home: Path, content: str, mode: int, code: ExitCode) -> None:
    path = home / "tokens"
    path.write_text(content)
    path.chmod(mode)
    with pytest.raises(WalletError) as caught:
        _ = Session(flags={"token_file": str(path)}).tokens
    assert caught.value.exit_code is code
    assert ONE not in str(caught.value)
    with pytest.raises(WalletError):
        _ = Session(flags={"token_file": str(home / "nowhere")}).tokens
