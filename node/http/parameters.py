"""Parameters of paths and queries: each declared once, with its parser, its JSON Schema and its sentence.

The declaration is what the OpenAPI document shows and what a handler reads with, so the two cannot differ. A value
that a parser does not accept is `parameter_invalid`; a name that the route does not declare is `parameter_unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum, unique
from typing import Generic, TypeAlias, TypeVar

from multidict import MultiMapping

from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.limits import (
    HTTP_PAGE_ITEMS_DEFAULT,
    HTTP_PAGE_ITEMS_MAX,
    INTEGER_MAX,
    NAME_BYTES_MAX,
    RECORD_KEY_BYTES_MAX,
    STATE_KEY_BYTES_MAX,
)
from ledger.log.tiles import TILE_LEVEL_MAX, TILE_PATH_PATTERN, parse_tile_name
from ledger.names import NAME_PATTERN, parse_account_name, parse_asset_name, parse_stream_name
from ledger.operations.table import OPERATIONS
from ledger.primitives import Digest, PublicKey, parse_digest, parse_public_key
from ledger.rows.governance import ProposalState
from ledger.state_proof import STATE_KEY_PATTERN, parse_state_key
from ledger.validators import VALIDATOR_NAME_PATTERN, parse_validator_name
from node.http.problems import HttpCode, Problem, ProblemError

T_co = TypeVar("T_co", covariant=True)

_INTEGER = re.compile(r"0|[1-9][0-9]{0,15}")
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_EPOCH = datetime.fromtimestamp(0, UTC)
_DIGEST_SCHEMA: Json = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
_NAME_SCHEMA: Json = {"type": "string", "pattern": f"^{NAME_PATTERN}$", "maxLength": NAME_BYTES_MAX}


@unique
class Order(StrEnum):
    """The order of a list."""

    ASCENDING = "asc"
    DESCENDING = "desc"


@dataclass(frozen=True, slots=True)
class Parameter(Generic[T_co]):
    """One parameter. `parse` raises `MalformedError` for text that the parameter cannot have. One in a path that
    `has_slashes` takes all that is left of it."""

    name: str
    description: str
    schema: Json
    parse: Callable[[str], T_co]
    required: bool = False
    """Whether a query must have it; what stands in a path is always there."""
    has_slashes: bool = False
    """Whether what stands in a path is all that is left of it."""

    def read(self, text: str) -> T_co:
        """The value that `text` stands for. Raises `ProblemError` naming the parameter."""
        try:
            return self.parse(text)
        except MalformedError as error:
            raise ProblemError(Problem(HttpCode.PARAMETER_INVALID, f"{self.name}: {error}")) from None


AnyParameter: TypeAlias = "Parameter[object]"


def check_query(query: MultiMapping[str], declared: Collection[str]) -> None:
    """Raise `ProblemError` for a name in `query` that is not among `declared`, or that is given twice."""
    for name in query:
        if name not in declared:
            known = ", ".join(sorted(declared)) or "none"
            detail = f"{name[:NAME_BYTES_MAX]!r} is not a parameter of this path (it has: {known})"
            raise ProblemError(Problem(HttpCode.PARAMETER_UNKNOWN, detail))
    if len(set(query)) != len(query):
        twice = next(name for name in query if len(query.getall(name)) > 1)
        raise ProblemError(Problem(HttpCode.PARAMETER_INVALID, f"{twice}: is given more than once"))


def parse_integer(text: str, *, minimum: int = 0, maximum: int = INTEGER_MAX) -> int:
    """A plain decimal number from minimum to maximum: no sign, no leading zero, no white space."""
    if not _INTEGER.fullmatch(text) or not minimum <= int(text) <= maximum:
        raise MalformedError(f"must be a whole number from {minimum} to {maximum}")
    return int(text)


def _integer(name: str, description: str, *, minimum: int = 0, maximum: int = INTEGER_MAX) -> Parameter[int]:
    schema: Json = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Parameter(name, description, schema, lambda text: parse_integer(text, minimum=minimum, maximum=maximum))


def parse_time(text: str) -> int:
    """A moment in milliseconds since 1970 (UTC), from that number or from RFC 3339, cut to the millisecond.

    Raises `MalformedError`.
    """
    if _INTEGER.fullmatch(text):
        return parse_integer(text)
    if _RFC3339.fullmatch(text):
        with suppress(ValueError):  # a thirteenth month, say
            return (datetime.fromisoformat(text.upper()) - _EPOCH) // timedelta(milliseconds=1)
    raise MalformedError("must be RFC 3339, like 2026-11-26T14:30:00Z, or milliseconds since 1970")


def _digest(text: str) -> Digest:
    return parse_digest(text, "it")


def _block(text: str) -> int | Digest | None:
    if text == "latest":
        return None
    if len(text) == 64:
        return parse_digest(text, "a block hash")
    try:
        return parse_integer(text)
    except MalformedError:
        raise MalformedError('must be a height, a block hash (64 lower-case hexadecimal digits) or "latest"') from None


def _order(text: str) -> Order:
    try:
        return Order(text)
    except ValueError:
        raise MalformedError("must be asc or desc") from None


def _operation_type(text: str) -> str:
    if text not in OPERATIONS:
        raise MalformedError(f"must be one of: {', '.join(OPERATIONS)}")
    return text


def _proposal_state(text: str) -> ProposalState:
    try:
        return ProposalState(text)
    except ValueError:
        raise MalformedError(f"must be one of: {', '.join(ProposalState)}") from None


def _validator_key(text: str) -> PublicKey:
    return parse_public_key(text, "it")


def _truth(text: str) -> bool:
    if text not in ("0", "1"):
        raise MalformedError("must be 1 or 0")
    return text == "1"


def _record_key(text: str) -> str:
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise MalformedError("must be UTF-8") from None
    if not 1 <= size <= RECORD_KEY_BYTES_MAX:
        raise MalformedError(f"must have 1 to {RECORD_KEY_BYTES_MAX} bytes")
    return text


def _cursor(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,512}", text):
        raise MalformedError("is not a cursor that this node has given out")
    return text


# ---- in paths
TRANSACTION_ID = Parameter("id", "The transaction's id: 64 lower-case hexadecimal digits.", _DIGEST_SCHEMA, _digest)
BLOCK = Parameter(
    "block",
    "A height, a block hash, or `latest`.",
    {"type": "string", "pattern": "^(latest|0|[1-9][0-9]{0,15}|[0-9a-f]{64})$"},
    _block,
)
ACCOUNT = Parameter("account", "An account's name.", _NAME_SCHEMA, lambda text: parse_account_name(text, "it"))
STREAM = Parameter("stream", "A stream's name.", _NAME_SCHEMA, lambda text: parse_stream_name(text, "it"))
ASSET = Parameter("asset", "An asset's name.", _NAME_SCHEMA, lambda text: parse_asset_name(text, "it"))
PROPOSAL = Parameter(
    "number",
    "A proposal's number, from 1.",
    {"type": "integer", "minimum": 1, "maximum": INTEGER_MAX},
    lambda text: parse_integer(text, minimum=1),
)
VALIDATOR = Parameter(
    "validator",
    "A validator's name.",
    {"type": "string", "pattern": f"^{VALIDATOR_NAME_PATTERN}$", "maxLength": NAME_BYTES_MAX},
    parse_validator_name,
)
EVIDENCE_DIGEST = Parameter(
    "digest", "The digest of evidence: 64 lower-case hexadecimal digits.", _DIGEST_SCHEMA, _digest
)
REVISION = Parameter(
    "revision",
    "A record's number in its stream, from 1.",
    {"type": "integer", "minimum": 1, "maximum": INTEGER_MAX},
    lambda text: parse_integer(text, minimum=1),
)
ACCUSED_HEIGHT = _integer("accused_height", "The height at which the validator contradicted itself.")
VALIDATOR_KEY = Parameter(
    "key",
    "A validator's consensus, node or cosigning key: 64 lower-case hexadecimal digits.",
    _DIGEST_SCHEMA,
    _validator_key,
)
TILE_LEVEL = _integer("level", "The level of the tile; 0 has the leaf hashes.", maximum=TILE_LEVEL_MAX)
TILE = Parameter(
    "tile",
    "The tile's number in groups of three digits, all but the last behind an x, and its width when it is partial: "
    "`x001/x234/067`, `000.p/17`.",
    {"type": "string", "pattern": f"^{TILE_PATH_PATTERN}$"},
    parse_tile_name,
    has_slashes=True,
)

# ---- in queries
HEIGHT = _integer("height", "Answer as of after the block of this height; without it, the newest.")
FROM_HEIGHT = _integer("from_height", "Only what is in blocks of this height or above.")
TO_HEIGHT = _integer("to_height", "Only what is in blocks of this height or below.")
_TIME_SCHEMA: Json = {
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": INTEGER_MAX}, {"type": "string", "format": "date-time"}]
}
FROM_TIME = Parameter(
    "from_time",
    "Only what is in blocks of this ledger time or later: RFC 3339, or milliseconds since 1970 (UTC).",
    _TIME_SCHEMA,
    parse_time,
)
TO_TIME = Parameter(
    "to_time",
    "Only what is in blocks of this ledger time or earlier: RFC 3339, or milliseconds since 1970 (UTC).",
    _TIME_SCHEMA,
    parse_time,
)
PROOF = Parameter(
    "proof",
    "`1`: with the proof of what the state has, or has not, under the key in question (schema StateProof); also a 404 "
    "then proves in `proof` that nothing is there. Only the newest heights can be proved.",
    {"type": "string", "enum": ["0", "1"]},
    _truth,
)
PINNED_HEIGHT = _integer(
    "from_height",
    "The height that your trust starts from: 0, which is genesis, without it; that of the checkpoint that you pinned. "
    "What leads from there is in the file, and nothing from before.",
)
KNOWN_HEIGHT = _integer(
    "from_height", "The height above which changes of the validator set are wanted: that of the newest that is known."
)
KNOWN_LOG_SIZE = _integer("log_size", "The size of the log that is known: what the consistency path starts from.")
BLOCK_PROOF = Parameter(
    "proof",
    "`1`: with what proves each block and which transactions it has (schema BlockProof).",
    {"type": "string", "enum": ["0", "1"]},
    _truth,
)
LIMIT = _integer(
    "limit",
    f"How many items at most; {HTTP_PAGE_ITEMS_DEFAULT} without it.",
    minimum=1,
    maximum=HTTP_PAGE_ITEMS_MAX,
)
CURSOR = Parameter(
    "cursor",
    "`next_cursor` of the page before, unchanged; every other parameter as it was.",
    {"type": "string", "pattern": "^[A-Za-z0-9_-]{1,512}$"},
    _cursor,
)
ORDER = Parameter(
    "order",
    "`asc`: oldest first, or names in alphabetical order (which is what names are in without it). `desc`: the reverse "
    "(which is what everything else is in without it).",
    {"type": "string", "enum": [order.value for order in Order]},
    _order,
)
OPERATION_TYPE = Parameter(
    "type",
    "Only transactions with an operation of this type.",
    {"type": "string", "enum": list[Json](OPERATIONS)},
    _operation_type,
)
PROPOSAL_STATE = Parameter(
    "state",
    "Only proposals in this state; `expired` are also those of which no block says so yet.",
    {"type": "string", "enum": [state.value for state in ProposalState]},
    _proposal_state,
)
PROPOSAL_NUMBER = replace(PROPOSAL, name="proposal", description="Only transactions that created or changed this one.")
RECORD_KEY = Parameter(
    "key",
    f"Only records of this entity key, of at most {RECORD_KEY_BYTES_MAX} bytes in UTF-8.",
    {"type": "string", "minLength": 1, "maxLength": RECORD_KEY_BYTES_MAX},
    _record_key,
)
ENTITY_KEY = replace(RECORD_KEY, description="The entity key of which the newest record is wanted.", required=True)
STATE_KEY = Parameter(
    "key",
    f"A state key, as `account/acme`: at most {STATE_KEY_BYTES_MAX} printable ASCII characters.",
    {"type": "string", "pattern": f"^{STATE_KEY_PATTERN}$"},
    parse_state_key,
    required=True,
)
LOG_INDEX = _integer("index", "The transaction's index in the log, from 0.")
LOG_SIZE = _integer("size", "The size of the log that the proof is for; without it, the newest.", minimum=1)
FROM_SIZE = replace(_integer("from", "The earlier size of the log."), required=True)
TO_SIZE = _integer("to", "The later size of the log; without it, the newest.")
PEERS_MIN = _integer("minPeers", "Ready only with at least this many connected peers.", maximum=1_000_000)
BLOCKS_BEHIND_MAX = _integer(
    "maxBlocksBehind", "Ready only when at most this many blocks behind what n - q + 1 validators say."
)

PATH_PARAMETERS: dict[str, AnyParameter] = {
    parameter.name: parameter
    for parameter in (
        TRANSACTION_ID,
        BLOCK,
        ACCOUNT,
        STREAM,
        ASSET,
        PROPOSAL,
        VALIDATOR,
        EVIDENCE_DIGEST,
        REVISION,
        ACCUSED_HEIGHT,
        VALIDATOR_KEY,
        TILE_LEVEL,
        TILE,
    )
}
"""Every name that may stand in braces in a path."""
