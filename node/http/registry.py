"""What the state says: accounts, streams and their records, assets and who holds them, validators, and genesis."""

from __future__ import annotations

from ledger.refusals import Code, Refusal
from ledger.rows.accounts import Account
from ledger.rows.assets import Asset, Balance
from ledger.rows.streams import Stream
from ledger.state import State
from node.http import governance_documents, render, transactions
from node.http.call import Answer, Caching, Call
from node.http.lists import answer_page, requested_page, stored_page
from node.http.parameters import ACCOUNT, ASSET, HEIGHT, RECORD_KEY, STREAM, Order
from node.http.problems import ProblemError, refused


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
    return Answer(render.to_bytes(render.account(_known_account(call, state, height), height)))


def account_history(call: Call) -> Answer:
    """GET /v1/accounts/{account}/history: the transactions that the account sent or cosigned."""
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
    return Answer(render.to_bytes(_rendered(found, state, height)))


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
    return Answer(render.to_bytes(render.stream(_known_stream(call, state, height), height)))


def records(call: Call) -> Answer:
    """GET /v1/streams/{stream}/records."""
    name, key = _known_stream(call, *state_of(call, None)).name, call.query(RECORD_KEY)
    request = requested_page(call)
    page = stored_page(lambda: call.queries.records(name, request, key=key))
    return answer_page(call, map(render.record, page.items), page.next)


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
    return Answer(render.to_bytes(render.asset(_known_asset(call, state, height), height)))


def holders(call: Call) -> Answer:
    """GET /v1/assets/{asset}/holders, by account name."""
    request, height = requested_page(call, order=Order.ASCENDING), call.height(HEIGHT)
    state, answered = state_of(call, height)
    name = _known_asset(call, state, answered).name
    page = stored_page(lambda: call.queries.holders(name, request, height=height))
    return answer_page(call, (_rendered(item, state, answered) for item in page.items), page.next)


def validators(call: Call) -> Answer:
    """GET /v1/validators: the set in force after the block of the height, which signs the next one."""
    state, height = state_of(call, call.height(HEIGHT))
    found = state.validators()
    last_signed = {item.name: call.queries.chain.last_signed_height(item.name) for item in found.validators}
    pending = governance_documents.pending_set_change(state)
    return Answer(render.to_bytes({**render.validators(found, height, last_signed), "pending_set_change": pending}))


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
        raise ProblemError(refused(Refusal(Code.ACCOUNT_UNKNOWN, f"no account {name} at height {height}")))
    return found


def _known_stream(call: Call, state: State, height: int) -> Stream:
    name = call.path(STREAM)
    found = state.stream(name)
    if found is None:
        raise ProblemError(refused(Refusal(Code.STREAM_UNKNOWN, f"no stream {name} at height {height}")))
    return found


def _known_asset(call: Call, state: State, height: int) -> Asset:
    name = call.path(ASSET)
    found = state.asset(name)
    if found is None:
        raise ProblemError(refused(Refusal(Code.ASSET_UNKNOWN, f"no asset {name} at height {height}")))
    return found


def _rendered(held: Balance, state: State, height: int) -> render.Document:
    """A balance, with the decimals of its asset."""
    of = state.asset(held.asset)
    assert of is not None, "only an asset that is defined can be held, and it stays"
    return render.balance(held, of.decimals, height)
