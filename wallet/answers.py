"""What nodes answer, as values: each shape of the HTTP API that the wallet reads, checked field by field.

An answer comes from a party that nobody trusts. Here it only becomes well formed; whether it is true is shown by a
receipt and a pinned genesis. An answer of another shape raises `MalformedError`, which the client reports as an
unusable node.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum, unique
from typing import TYPE_CHECKING

from ledger.errors import MalformedError

if TYPE_CHECKING:
    from ledger.encoding import Json

TEXT_MAX = 4096


@unique
class State(StrEnum):
    """Where a transaction stands. Committed and expired are final."""

    UNKNOWN = "unknown"
    PENDING = "pending"
    COMMITTED = "committed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Head:
    """The newest block of the node that answered: its height, hash (hex) and ledger time (ms)."""

    height: int
    block_hash: str
    time_ms: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one node says about one transaction. `result` is "applied" or a code, once committed."""

    id: str
    state: State
    result: str | None = None
    height: int | None = None
    index: int | None = None
    block_hash: str | None = None
    time: str | None = None
    head: Head | None = None

    @property
    def final(self) -> bool:
        """Whether nothing can change any more."""
        return self.state in (State.COMMITTED, State.EXPIRED)

    @property
    def applied(self) -> bool:
        """Whether the transaction did what it says."""
        return self.state is State.COMMITTED and self.result == "applied"


@dataclass(frozen=True, slots=True)
class Problem:
    """A refusal in the form of RFC 9457: the stable code, what it is about, and the remedy."""

    status: int
    code: str
    detail: str
    remedy: str
    body: Mapping[str, Json]


def parse_problem(status: int, value: Json) -> Problem:
    """The problem in the body of an answer; a body of another form is a problem without a code of ours."""
    body = value if isinstance(value, dict) else {}
    code = _text(body, "code") or f"http_{status}"
    detail = _text(body, "detail") or _text(body, "title") or f"the node answered with HTTP status {status}"
    return Problem(status, code, detail, _text(body, "remedy") or "", body)


def parse_outcome(value: Json, transaction_id: str) -> Outcome:
    """The outcome of `transaction_id` (hex). Raises `MalformedError`, also when the answer is about another one."""
    fields = as_object(value, "the status of a transaction")
    if fields.get("id") != transaction_id:
        raise MalformedError("the node answered about another transaction")
    state = fields.get("state")
    if state not in tuple(State):
        raise MalformedError("the node answered with an unknown state")
    head = fields.get("head")
    outcome = Outcome(
        id=transaction_id,
        state=State(state),
        result=_text(fields, "result"),
        height=_number(fields, "height"),
        index=_number(fields, "index"),
        block_hash=_text(fields, "block_hash"),
        time=_text(fields, "time"),
        head=parse_head(head) if head is not None else None,
    )
    if outcome.state is State.COMMITTED and (outcome.result is None or outcome.height is None):
        raise MalformedError("the node calls a transaction committed without its height and result")
    return outcome


def parse_head(value: Json) -> Head:
    """The head in an answer. Raises `MalformedError`."""
    fields = as_object(value, "head")
    height, time_ms, block_hash = _number(fields, "height"), _number(fields, "time_ms"), _text(fields, "block_hash")
    if height is None or time_ms is None or block_hash is None:
        raise MalformedError("head lacks its height, block_hash or time_ms")
    return Head(height, block_hash, time_ms)


def parse_signers(value: Json) -> tuple[str, ...]:
    """Who signed the block that an answer describes. Raises `MalformedError`."""
    return _texts(as_object(value, "a block").get("signers"), "signers")


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account, as a node states it: its keys (hex) and how many of them must sign."""

    name: str
    keys: tuple[str, ...]
    threshold: int


def parse_account(value: Json) -> AccountView:
    """An account from an answer. Raises `MalformedError`."""
    fields = as_object(value, "an account")
    name, threshold = _text(fields, "name"), _number(fields, "threshold")
    if name is None or threshold is None:
        raise MalformedError("an account lacks its name or threshold")
    return AccountView(name, _texts(fields.get("keys"), "keys"), threshold)


def parse_page(value: Json) -> tuple[list[dict[str, Json]], str | None]:
    """The items of a list and the cursor of the next page. Raises `MalformedError`."""
    fields = as_object(value, "a list")
    items = fields.get("items")
    if not isinstance(items, list):
        raise MalformedError("a list lacks its items")
    return [as_object(item, "an item of a list") for item in items], _text(fields, "next_cursor")


def as_object(value: Json, what: str) -> dict[str, Json]:
    """`value` as an object. Raises `MalformedError`, naming `what`."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} is not a JSON object")
    return value


def _texts(value: Json, what: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise MalformedError(f"{what} is not a list")
    texts = tuple(item for item in value if isinstance(item, str))
    if len(texts) != len(value):
        raise MalformedError(f"{what} is not a list of strings")
    return texts


def _text(fields: Mapping[str, Json], name: str) -> str | None:
    value = fields.get(name)
    if value is not None and (not isinstance(value, str) or len(value) > TEXT_MAX):
        raise MalformedError(f"{name} is not a string of at most {TEXT_MAX} characters")
    return value


def _number(fields: Mapping[str, Json], name: str) -> int | None:
    value = fields.get(name)
    if value is not None and type(value) is not int:
        raise MalformedError(f"{name} is not an integer")
    return value
