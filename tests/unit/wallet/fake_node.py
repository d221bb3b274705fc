"""A node for tests: answers the HTTP API from a `Network`, and misbehaves on demand.

It listens on a real port in a thread of its own, because the commands under test run their own event loop.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from aiohttp import web

from ledger.encoding import Json
from ledger.primitives import successor
from ledger.refusals import Refusal
from ledger.rows.assets import (
    ASSET_PREFIX,
    BALANCE_PREFIX,
    Asset,
    Balance,
    parse_asset_row,
    parse_balance_row,
)
from ledger.rows.governance import CANDIDATE_PREFIX, PROPOSAL_PREFIX, parse_candidate_row, parse_proposal_row
from ledger.rows.streams import STREAM_PREFIX, parse_stream_row
from node.http import governance_documents as documents
from node.http import render
from tests.unit.wallet.network import Network

T = TypeVar("T")
Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem(
    status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Json
) -> web.Response:
    """A refusal as nodes make it."""
    body = {"type": "x", "title": "t", "status": status, "code": code, "detail": detail, "remedy": "do better", **extra}
    return web.Response(
        status=status, body=json.dumps(body).encode(), content_type="application/problem+json", headers=headers
    )


def always(response: Callable[[], web.Response]) -> Reply:
    """A reply that looks at nothing."""

    async def reply(_request: web.Request) -> web.StreamResponse:
        return response()

    return reply


class FakeNode:
    """One node. `script[method, path]` holds replies that are used up before honest ones; `hold` commits nothing."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.script: dict[tuple[str, str], deque[Reply]] = defaultdict(deque)
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.hold = False
        self.forget = False
        self.lies: dict[int, bytes] = {}
        """What is given out as the exported lines of a block."""
        self.pending: dict[str, bytes] = {}
        self.peers: list[dict[str, Json]] = [self.peer(f"v{number}") for number in (1, 2, 3)]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    @staticmethod
    def peer(validator: str | None, node_key: str = "00" * 32) -> dict[str, Json]:
        """A link, as a status states it."""
        return {"node_key": node_key, "validator": validator, "deciding": 1, "round": 0}

    def __enter__(self) -> FakeNode:
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def next(self, method: str, path: str, *replies: Reply) -> None:
        """Answer the next requests for `path` with `replies`."""
        self.script[method, path].extend(replies)

    def count(self, method: str, path: str) -> int:
        """How many requests there were."""
        return sum(1 for entry in self.requests if entry[:2] == (method, path))

    async def _start(self) -> str:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(application, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.method, request.path, dict(request.headers)))
        scripted = self.script[request.method, request.path]
        if scripted:
            return await scripted.popleft()(request)
        parts = request.path.removeprefix("/v1/").split("/")
        match (request.method, *parts):
            case ("POST", "transactions"):
                return self._submit(await request.read())
            case ("GET", "transactions", identifier):
                return self._status(identifier)
            case ("GET", "transactions", identifier, "receipt"):
                if self.network.find(identifier) is None:
                    return problem(404, "transaction_not_committed", "it is in no block")
                return web.Response(body=self.network.receipt(identifier, int(request.query.get("from_height", "0"))))
            case ("GET", "blocks", "latest"):
                return web.json_response(self._block(len(self.network.blocks)))
            case ("GET", "blocks", height):
                return web.json_response(self._block(int(height)))
            case ("GET", "blocks", height, "certificate"):
                return web.Response(body=self.network.records[int(height) - 1])
            case ("GET", "blocks", height, "body"):
                transactions = self.network.blocks[int(height) - 1].transactions
                return web.Response(body=b"".join(item.envelope + b"\n" for item in transactions))
            case ("GET", "export"):
                return self._export(int(request.query["from_height"]), int(request.query["to_height"]))
            case ("GET", "light", "update"):
                asked = {name: int(value) for name, value in request.query.items()}
                newest = len(self.network.blocks)
                height = asked.get("to_height", newest)
                if height == 0:
                    return problem(404, "certificate_unknown", "block 0 is genesis")
                if height > newest:
                    return problem(404, "height_unknown", f"to_height {height} is above the newest block")
                return web.Response(body=self.network.light_update(asked["log_size"], height))
            case ("GET", "genesis"):
                return web.Response(body=self.network.genesis.document)
            case ("GET", "transactions"):
                return self._page(self._search(request.query["asset"], request.query["type"]))
            case ("GET", *_):
                return self._answer_from_state(request, parts)
            case _:
                return problem(404, "path_unknown", request.path)

    def _answer_from_state(self, request: web.Request, parts: list[str]) -> web.Response:
        match parts:
            case ("accounts", name):
                account = self.network.state.account(name)
                if account is None:
                    return problem(404, "account_unknown", f"no account {name}")
                return web.json_response({**account.to_json(), "height": len(self.network.blocks)})
            case ("accounts", account, "balances", asset):
                found = self.network.state.balance(account, asset) or Balance(account, asset)
                return web.json_response(self._balance(found))
            case ("accounts", account, "balances"):
                return self._page(map(self._balance, self._balances(account, lambda item: item.account)))
            case ("assets", asset, "holders"):
                return self._page(map(self._balance, self._balances(asset, lambda item: item.asset)))
            case ("assets",):
                return self._page(self._asset(item) for item in self._rows(ASSET_PREFIX, parse_asset_row))
            case ("assets", name):
                asset = self.network.state.asset(name)
                if asset is None:
                    return problem(404, "asset_unknown", f"no asset {name}")
                return web.json_response(self._asset(asset))
            case ("streams",):
                return self._page(item.to_json() for item in self._rows(STREAM_PREFIX, parse_stream_row))
            case ("validators",):
                found, pending = self.network.state.validators(), documents.pending_set_change(self.network.state)
                shown = render.validators(found, len(self.network.blocks), {})
                return web.json_response({**shown, "pending_set_change": pending})
            case ("status",):
                return web.json_response({"role": "voting", "validator": "v0", "peers": self.peers})
            case ("candidates",):
                rows = self._rows(CANDIDATE_PREFIX, parse_candidate_row)
                return self._page(dict(documents.candidate(item, len(self.network.blocks))) for item in rows)
            case ("candidates", name):
                candidate = self.network.state.candidate(name)
                if candidate is None:
                    return problem(404, "candidate_unknown", f"no candidate {name}")
                return web.json_response(documents.candidate(candidate, len(self.network.blocks)))
            case ("proposals",):
                proposals = self._rows(PROPOSAL_PREFIX, parse_proposal_row)[::-1]
                wanted = request.query.get("state")
                return self._page(
                    dict(documents.proposal(item, 0)) for item in proposals if wanted in (None, item.state)
                )
            case ("proposals", number):
                proposal = self.network.state.proposal(int(number))
                if proposal is None:
                    return problem(404, "proposal_unknown", f"no proposal {number}")
                state, height = self.network.state, len(self.network.blocks)
                return web.json_response(
                    documents.proposal_details(proposal, height, voted=state, voted_height=height, state=state)
                )
            case _:
                return problem(404, "path_unknown", request.path)

    def _export(self, first: int, last: int) -> web.Response:
        """Three blocks at a time."""
        honest, lies = self.network.lines, self.lies
        heights = range(first, min(first + 2, last, len(self.network.blocks)) + 1)
        return web.Response(body=b"".join(lies[at] if at in lies else honest(at) for at in heights))

    def _page(self, items: Iterable[dict[str, Json]]) -> web.Response:
        return web.json_response({"items": list(items), "next_cursor": None, "head": self._head()})

    def _rows(self, prefix: bytes, parse: Callable[[bytes], T]) -> list[T]:
        return [parse(value) for _, value in self.network.state._view.range(prefix, successor(prefix))]

    def _balances(self, name: str, of: Callable[[Balance], str]) -> list[Balance]:
        return [item for item in self._rows(BALANCE_PREFIX, parse_balance_row) if of(item) == name]

    def _asset(self, asset: Asset) -> dict[str, Json]:
        return {**asset.to_json(), "height": len(self.network.blocks)}

    def _balance(self, balance: Balance) -> dict[str, Json]:
        asset = self.network.state.asset(balance.asset)
        assert asset is not None
        return {**balance.to_json(), "decimals": asset.decimals, "height": len(self.network.blocks)}

    def _search(self, asset: str, type: str) -> list[dict[str, Json]]:
        """Applied transactions about an asset with an operation of a type, oldest first."""
        return [
            {"id": item.id.hex(), "height": block.header.height}
            for block in self.network.blocks
            for index, item in enumerate(block.transactions)
            if block.results[index] == "applied"
            and any(operation.kind.type == type for operation in item.body.operations)
            and any(
                event.transaction_index == index and getattr(event, "asset", None) == asset for event in block.events
            )
        ]

    def _submit(self, envelope: bytes) -> web.Response:
        from ledger.transaction import Transaction, parse_transaction

        transaction = parse_transaction(envelope)
        assert isinstance(transaction, Transaction)
        identifier = transaction.id.hex()
        if self.hold:
            self.pending[identifier] = envelope
            return web.json_response({"id": identifier, "state": "pending", "head": self._head()}, status=202)
        if self.network.find(identifier) is None:
            result = self.network.submit(envelope)
            if isinstance(result, Refusal):
                return problem(422, str(result.code), result.detail)
        return self._status(identifier)

    def _status(self, identifier: str) -> web.Response:
        found = self.network.find(identifier)
        if found is not None:
            block, index = found
            return web.json_response(
                {
                    "id": identifier,
                    "state": "committed",
                    "result": block.results[index],
                    "height": block.header.height,
                    "index": index,
                    "block_hash": block.block_hash.hex(),
                    "time": "2026-01-01T00:00:00.000Z",
                }
            )
        if identifier in self.pending and not self.forget:
            return web.json_response({"id": identifier, "state": "pending", "head": self._head()})
        return problem(404, "transaction_unknown", "never seen", id=identifier, state="unknown", head=self._head())

    def _head(self) -> dict[str, Json]:
        height, block_hash = self.network.head
        return {"height": height, "block_hash": block_hash, "time_ms": self.network.head_time_ms, "time": "t"}

    def _block(self, height: int) -> dict[str, Json]:
        if height == 0:
            number, block_hash = self.network.head
            return {"height": number, "block_hash": block_hash, "header": self.network.tip.header.to_json()}
        block = self.network.blocks[height - 1]
        return {
            "height": height,
            "block_hash": block.block_hash.hex(),
            "header": block.header.to_json(),
            "signers": ["v0", "v1", "v2"],
        }
