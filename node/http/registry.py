"""What the state says: accounts, streams and their records, assets and who holds them, parameters, and genesis."""

from __future__ import annotations

from ledger.refusals import Code, Refusal
from ledger.rows.accounts import Account, account_key
from ledger.rows.assets import Asset, Balance, asset_key, balance_key
from ledger.rows.settings import PARAMETERS_KEY
from ledger.rows.streams import Stream, latest_key, stream_key
from ledger.state import State
from node.http import render, transactions
from node.http.call import Answer, Caching, Call
from node.http.lists import answer_page, requested_heights, requested_page, stored_page
from node.http.parameters import ACCOUNT, ASSET, ENTITY_KEY, HEIGHT, RECORD_KEY, REVISION, STREAM, Order
from node.http.problems import HttpCode, Problem, ProblemError, refused
from node.http.state_proofs import proof_of
from node.storage.errors import DamagedError


def accounts(call: Call) -> Answer:
    """GET /v1/accounts, by name."""
    request, height = requested_page(call, order=Order.ASCENDING), call.height(HEIGHT)
    page = stored_page(lambda: call.queries.account_names(request, height=height))
    state, answered = state_of(call, height)
    found = (state.account(name) for name in page.items)
    return answer_page(call, (render.account(item, answered) for item in found if item is not None), page.next)


def account(call: Call) -> Answer:
    """GET /v1/accounts/{account}."""
    state, height = state_of(call, call.height(HEIGHT))
    found = _known_account(call, state, height)
    return Answer(render.to_bytes({**render.account(found, height), **proof_of(call, account_key(found.name), height)}))


def account_history(call: Call) -> Answer:
    """GET /v1/accounts/{account}/history: the transactions that the account sent or cosigned, or that changed it."""
    return transactions.listed(call, account=_known_account(call, *state_of(call, None)).name)


def balances(call: Call) -> Answer:
    """GET /v1/accounts/{account}/balances, by asset name."""
    request, height = requested_page(call, order=Order.ASCENDING), call.height(HEIGHT)
    state, answered = state_of(call, height)
    name = _known_account(call, state, answered).name
    page = stored_page(lambda: call.queries.balances(name, request, height=height))
    return answer_page(call, (_rendered(item, state, answered) for item in page.items), page.next)


def balance(call: Call) -> Answer:
    """GET /v1/accounts/{account}/balances/{asset}: also of an account that holds nothing."""
    state, height = state_of(call, call.height(HEIGHT))
    holder, held = _known_account(call, state, height).name, _known_asset(call, state, height).name
    found = state.balance(holder, held) or Balance(holder, held)
    document = _rendered(found, state, height)
    return Answer(render.to_bytes({**document, **proof_of(call, balance_key(holder, held), height)}))


def streams(call: Call) -> Answer:
    """GET /v1/streams, by name."""
    request, height = requested_page(call, order=Order.ASCENDING), call.height(HEIGHT)
    page = stored_page(lambda: call.queries.stream_names(request, height=height))
    state, answered = state_of(call, height)
    found = (state.stream(name) for name in page.items)
    return answer_page(call, (render.stream(item, answered) for item in found if item is not None), page.next)


def stream(call: Call) -> Answer:
    """GET /v1/streams/{stream}."""
    state, height = state_of(call, call.height(HEIGHT))
    found = _known_stream(call, state, height)
    return Answer(render.to_bytes({**render.stream(found, height), **proof_of(call, stream_key(found.name), height)}))


def stream_history(call: Call) -> Answer:
    """GET /v1/streams/{stream}/history: the transactions that changed it or appended to it."""
    return transactions.listed(call, stream=_known_stream(call, *state_of(call, None)).name)


def records(call: Call) -> Answer:
    """GET /v1/streams/{stream}/records."""
    name, key = _known_stream(call, *state_of(call, None)).name, call.query(RECORD_KEY)
    request, (from_height, to_height) = requested_page(call), requested_heights(call)
    page = stored_page(
        lambda: call.queries.records(name, request, key=key, from_height=from_height, to_height=to_height)
    )
    return answer_page(call, map(render.record, page.items), page.next)


def record(call: Call) -> Answer:
    """GET /v1/streams/{stream}/records/{revision}."""
    name, revision = _known_stream(call, *state_of(call, None)).name, call.path(REVISION)
    found = call.queries.record(name, revision)
    if found is None:
        raise ProblemError(Problem(HttpCode.RECORD_UNKNOWN, f"no record {revision} in {name}"))
    return Answer(render.to_bytes(render.record(found)), caching=Caching.IMMUTABLE)


def latest(call: Call) -> Answer:
    """GET /v1/streams/{stream}/latest: the newest record of an entity key."""
    state, height = state_of(call, call.height(HEIGHT))
    name, key = _known_stream(call, state, height).name, call.required(ENTITY_KEY)
    row, proof = state.latest(name, key), proof_of(call, latest_key(name, key), height)
    if row is None:
        detail = f"no record of this key in {name} at height {height}"
        raise ProblemError(Problem(HttpCode.RECORD_UNKNOWN, detail, proof))
    found = call.queries.record(name, row.revision)
    if found is None:
        raise DamagedError(f"record {row.revision} of {name} is the newest of its key, and is nowhere")
    return Answer(render.to_bytes({**render.latest(row, found, height), **proof}))


def assets(call: Call) -> Answer:
    """GET /v1/assets, by name."""
    request, height = requested_page(call, order=Order.ASCENDING), call.height(HEIGHT)
    page = stored_page(lambda: call.queries.asset_names(request, height=height))
    state, answered = state_of(call, height)
    found = (state.asset(name) for name in page.items)
    return answer_page(call, (render.asset(item, answered) for item in found if item is not None), page.next)


def asset(call: Call) -> Answer:
    """GET /v1/assets/{asset}."""
    state, height = state_of(call, call.height(HEIGHT))
    found = _known_asset(call, state, height)
    return Answer(render.to_bytes({**render.asset(found, height), **proof_of(call, asset_key(found.name), height)}))


def asset_history(call: Call) -> Answer:
    """GET /v1/assets/{asset}/history: the transactions that changed it or a balance of it."""
    return transactions.listed(call, asset=_known_asset(call, *state_of(call, None)).name)


def holders(call: Call) -> Answer:
    """GET /v1/assets/{asset}/holders, by account name."""
    request, height = requested_page(call, order=Order.ASCENDING), call.height(HEIGHT)
    state, answered = state_of(call, height)
    name = _known_asset(call, state, answered).name
    page = stored_page(lambda: call.queries.holders(name, request, height=height))
    return answer_page(call, (_rendered(item, state, answered) for item in page.items), page.next)


def parameters(call: Call) -> Answer:
    """GET /v1/parameters: those in force after the block of the height."""
    state, height = state_of(call, call.height(HEIGHT))
    document = render.parameters(state.parameters(), height)
    return Answer(render.to_bytes({**document, **proof_of(call, PARAMETERS_KEY, height)}))


def genesis(call: Call) -> Answer:
    """GET /v1/genesis: the document in its exact bytes, whose hash is the chain's identity."""
    return Answer(call.queries.chain.genesis.document, caching=Caching.IMMUTABLE)


def state_of(call: Call, height: int | None) -> tuple[State, int]:
    """The state after the block at `height` (the newest for None), and that height."""
    chain = call.queries.chain
    newest = chain.tip.header.height
    if height is None or height == newest:
        return State(chain.state), newest
    return State(chain.state_at(height)), height


def _known_account(call: Call, state: State, height: int) -> Account:
    name = call.path(ACCOUNT)
    found = state.account(name)
    if found is None:
        refusal = Refusal(Code.ACCOUNT_UNKNOWN, f"no account {name} at height {height}")
        raise ProblemError(refused(refusal, proof_of(call, account_key(name), height)))
    return found


def _known_stream(call: Call, state: State, height: int) -> Stream:
    name = call.path(STREAM)
    found = state.stream(name)
    if found is None:
        refusal = Refusal(Code.STREAM_UNKNOWN, f"no stream {name} at height {height}")
        raise ProblemError(refused(refusal, proof_of(call, stream_key(name), height)))
    return found


def _known_asset(call: Call, state: State, height: int) -> Asset:
    name = call.path(ASSET)
    found = state.asset(name)
    if found is None:
        refusal = Refusal(Code.ASSET_UNKNOWN, f"no asset {name} at height {height}")
        raise ProblemError(refused(refusal, proof_of(call, asset_key(name), height)))
    return found


def _rendered(held: Balance, state: State, height: int) -> render.Document:
    """A balance, with the decimals of its asset."""
    of = state.asset(held.asset)
    assert of is not None, "only an asset that is defined can be held, and it stays"
    return render.balance(held, of.decimals, height)
