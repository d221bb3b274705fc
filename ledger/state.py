"""The state of the ledger: rows by key, what each holds, and how a block changes them.

State lives in storage; rules see it through a `StateView` of one height. A row's value is canonical JSON:

    key                                row               value
    account/<name>                     Account           {name, keys, threshold, roles, suspended}
    stream/<name>                      Stream            {name, owner, writers, count, frozen}
    latest/<stream>/<entity key hash>  LatestRecord      {stream, key, revision, height, transaction, operation}
    leaders                            Leaders           {<validator name>: height of its last failed lead}
    parameters                         Parameters        {<parameter>: value}
    validators                         ValidatorSet      {quorum, validators}

Records have no row of their own: they stand in the log, a stream's `count` numbers them, and `latest/…` binds the
newest record of an entity key, so that a state proof proves it. Names have no slash, so prefixes do not collide.

`State` reads typed rows of one height and remembers what it decoded. `Overlay` reads through a `State`, collects
the changes of one block decoded, encodes each changed row once at the end, and takes back what a failed transaction
did (savepoints). Key changes act from the next height because admission reads the `State` of the parent block while
operations read and write the overlay (design section 5, "Who may be in a block").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final, Protocol, TypeAlias, TypeVar, cast

from ledger.crypto import check_public_key, digest, tag
from ledger.encoding import Json, decode, encode_trusted, expect_fields, expect_integer, expect_list, expect_string
from ledger.errors import MalformedError
from ledger.limits import (
    KEYS_PER_ACCOUNT_MAX,
    MIB,
    NAME_BYTES_MAX,
    PUBLIC_KEYS_REMEMBERED_MAX,
    RECORD_KEY_BYTES_MAX,
    ROLES_PER_ACCOUNT_MAX,
    STATE_ROWS_CACHED_MAX,
    STATE_ROWS_REMEMBERED_MAX,
    WRITERS_PER_STREAM_MAX,
)
from ledger.names import parent_account, parse_account_name, parse_stream_name
from ledger.parameters import Parameters, parse_parameters
from ledger.primitives import Digest, PublicKey, parse_digest, parse_public_key
from ledger.refusals import Code, Refusal
from ledger.roles import ROLES, Permission, Role
from ledger.validators import ValidatorSet, parse_validator_set

VALIDATORS_KEY: Final = b"validators"
PARAMETERS_KEY: Final = b"parameters"
LEADERS_KEY: Final = b"leaders"
ACCOUNT_PREFIX: Final = b"account/"
STREAM_PREFIX: Final = b"stream/"
LATEST_PREFIX: Final = b"latest/"

_ENTITY_KEY_TAG = tag("entity-key")
_ROW_BYTES_MAX = MIB
_ABSENT: Final = object()

T = TypeVar("T")


class StateView(Protocol):
    """Read access to the rows of one height, which do not change while the view is in use."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        ...

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, in ascending order of key."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """A member: its keys (ascending), how many of them must sign, its roles (ascending)."""

    name: str
    keys: tuple[PublicKey, ...]
    threshold: int
    roles: tuple[str, ...]
    suspended: bool = False

    def may(self, permission: Permission) -> bool:
        """Whether one of the account's roles has `permission`."""
        return any(permission in ROLES[role].permissions for role in self.roles)

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "name": self.name,
            "keys": [key.hex() for key in self.keys],
            "threshold": self.threshold,
            "roles": [str(role) for role in self.roles],
            "suspended": self.suspended,
        }


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream of records: who owns it, who may append (ascending), how many records it has, whether it is frozen."""

    name: str
    owner: str
    writers: tuple[str, ...]
    count: int = 0
    frozen: bool = False

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "name": self.name,
            "owner": self.owner,
            "writers": list(self.writers),
            "count": self.count,
            "frozen": self.frozen,
        }


@dataclass(frozen=True, slots=True)
class LatestRecord:
    """The newest record of an entity key: its revision (number in the stream), and where in the log it stands."""

    stream: str
    key: str
    revision: int
    height: int
    transaction_id: Digest
    operation_index: int

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return {
            "stream": self.stream,
            "key": self.key,
            "revision": self.revision,
            "height": self.height,
            "transaction": self.transaction_id.hex(),
            "operation": self.operation_index,
        }


@dataclass(frozen=True, slots=True)
class Leaders:
    """By validator name, the last height at which it led a failed round (amendment A6). Without the others."""

    failed_heights: tuple[tuple[str, int], ...] = ()

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        return dict(self.failed_heights)


Row: TypeAlias = Account | Stream | LatestRecord | Leaders | Parameters | ValidatorSet
"""What a state key holds, decoded. Each has `to_json`."""


def account_key(name: str) -> bytes:
    """The state key of an account."""
    return ACCOUNT_PREFIX + name.encode()


def stream_key(name: str) -> bytes:
    """The state key of a stream."""
    return STREAM_PREFIX + name.encode()


def latest_key(stream: str, key: str) -> bytes:
    """The state key of the newest record of entity key `key` in `stream`; hashed, so that keys have one length."""
    return b"%b%b/%b" % (LATEST_PREFIX, stream.encode(), digest(_ENTITY_KEY_TAG, key.encode()).hex().encode())


# The same accounts send in block after block, and several readers of one height decode the same rows.
@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def parse_account_row(data: bytes) -> Account:
    """An account from the value of its row. Raises `MalformedError`."""
    return parse_account(decode(data, bytes_max=_ROW_BYTES_MAX, what="account row"))


def parse_account(value: Json) -> Account:
    """An account from its JSON form, as in state; keys and names are checked for form only. Raises `MalformedError`."""
    fields = expect_fields(
        value, what="account", required=frozenset({"name", "keys", "threshold", "roles", "suspended"})
    )
    keys = expect_list(fields["keys"], what="keys", items_max=KEYS_PER_ACCOUNT_MAX, items_min=1)
    roles = expect_list(fields["roles"], what="roles", items_max=ROLES_PER_ACCOUNT_MAX)
    return Account(
        name=parse_account_name(fields["name"], "account"),
        keys=tuple(parse_public_key(key, "key") for key in keys),
        threshold=expect_integer(fields["threshold"], what="threshold", minimum=1),
        roles=tuple(parse_role(role) for role in roles),
        suspended=_parse_boolean(fields["suspended"], "suspended"),
    )


def parse_role(value: Json) -> str:
    """A role from its name. Raises `MalformedError`."""
    if isinstance(value, str) and value in ROLES:
        return value
    raise MalformedError(f"a role must be one of: {', '.join(ROLES)}")


@lru_cache(maxsize=STATE_ROWS_REMEMBERED_MAX)
def parse_stream_row(data: bytes) -> Stream:
    """A stream from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=_ROW_BYTES_MAX, what="stream row"),
        what="stream",
        required=frozenset({"name", "owner", "writers", "count", "frozen"}),
    )
    writers = expect_list(fields["writers"], what="writers", items_max=WRITERS_PER_STREAM_MAX)
    return Stream(
        name=parse_stream_name(fields["name"], "stream"),
        owner=parse_account_name(fields["owner"], "owner"),
        writers=tuple(parse_account_name(writer, "writer") for writer in writers),
        count=expect_integer(fields["count"], what="count"),
        frozen=_parse_boolean(fields["frozen"], "frozen"),
    )


def _parse_boolean(value: Json, what: str) -> bool:
    if not isinstance(value, bool):
        raise MalformedError(f"{what} must be true or false")
    return value


def parse_latest_row(data: bytes) -> LatestRecord:
    """The newest record of an entity key from the value of its row. Raises `MalformedError`."""
    fields = expect_fields(
        decode(data, bytes_max=_ROW_BYTES_MAX, what="latest row"),
        what="latest record",
        required=frozenset({"stream", "key", "revision", "height", "transaction", "operation"}),
    )
    return LatestRecord(
        stream=parse_stream_name(fields["stream"], "stream"),
        key=expect_string(fields["key"], what="key", bytes_max=RECORD_KEY_BYTES_MAX),
        revision=expect_integer(fields["revision"], what="revision", minimum=1),
        height=expect_integer(fields["height"], what="height"),
        transaction_id=parse_digest(fields["transaction"], "transaction"),
        operation_index=expect_integer(fields["operation"], what="operation"),
    )


def parse_leaders_row(data: bytes) -> Leaders:
    """The leaders row from its value. Raises `MalformedError`."""
    value = decode(data, bytes_max=_ROW_BYTES_MAX, what="leaders row")
    if not isinstance(value, dict):
        raise MalformedError("leaders must be a JSON object")
    return Leaders(
        tuple(
            (expect_string(name, what="validator", bytes_max=NAME_BYTES_MAX), expect_integer(height, what="height"))
            for name, height in value.items()
        )
    )


# Both rows are the same for many heights, and checking a validator's keys costs 0.1 ms: remember the newest few.
@lru_cache(maxsize=8)
def parse_validators_row(data: bytes) -> ValidatorSet:
    """The validator set from the value of its row. Raises `MalformedError`."""
    return parse_validator_set(decode(data, bytes_max=_ROW_BYTES_MAX, what="validators row"))


@lru_cache(maxsize=8)
def parse_parameters_row(data: bytes) -> Parameters:
    """The parameters from the value of their row. Raises `MalformedError`."""
    return parse_parameters(decode(data, bytes_max=_ROW_BYTES_MAX, what="parameters row"))


class State:
    """Typed rows of one height. Made anew for each height; remembers at most STATE_ROWS_CACHED_MAX decoded rows.

    Every method raises what the view raises, and `MalformedError` for a row that is not what the table says.
    """

    __slots__ = ("_decoded", "_view")

    def __init__(self, view: StateView) -> None:
        self._view = view
        self._decoded: dict[bytes, object] = {}

    def account(self, name: str) -> Account | None:
        """The account called `name`, or None."""
        return self._row(ACCOUNT_PREFIX + name.encode(), parse_account_row)

    def stream(self, name: str) -> Stream | None:
        """The stream called `name`, or None."""
        return self._row(STREAM_PREFIX + name.encode(), parse_stream_row)

    def latest(self, stream: str, key: str) -> LatestRecord | None:
        """The newest record of entity key `key` in `stream`, or None when it has none."""
        return self._row(latest_key(stream, key), parse_latest_row)

    def validators(self) -> ValidatorSet:
        """The validator set and quorum in force after this height."""
        row = self._row(VALIDATORS_KEY, parse_validators_row)
        assert row is not None, "genesis writes the validators"
        return row

    def parameters(self) -> Parameters:
        """The parameters in force after this height."""
        row = self._row(PARAMETERS_KEY, parse_parameters_row)
        assert row is not None, "genesis writes the parameters"
        return row

    def leaders(self) -> Leaders:
        """Who led failed rounds, and when (amendment A6)."""
        return self._row(LEADERS_KEY, parse_leaders_row) or Leaders()

    def _row(self, key: bytes, parse: Callable[[bytes], T]) -> T | None:
        row = self._decoded.get(key, _ABSENT)
        if row is _ABSENT:
            if len(self._decoded) >= STATE_ROWS_CACHED_MAX:
                self._decoded.clear()
            data = self._view.get(key)
            row = self._decoded[key] = None if data is None else parse(data)
        return cast("T | None", row)  # a key's prefix decides the type of its row


class Overlay(State):
    """The rows of a block that is being executed: a `State` with the block's own changes over it."""

    __slots__ = ("_base", "_changed", "_undo")

    def __init__(self, base: State) -> None:
        super().__init__(base._view)
        self._base = base
        self._changed: dict[bytes, Row | None] = {}
        self._undo: list[tuple[bytes, object]] = []

    def put(self, key: bytes, row: Row | None) -> None:
        """Set the row of `key`; None removes it."""
        self._undo.append((key, self._changed.get(key, _ABSENT)))
        self._changed[key] = row

    def savepoint(self) -> int:
        """A mark to which `roll_back` returns. Marks nest."""
        return len(self._undo)

    def roll_back(self, savepoint: int) -> None:
        """Take back, newest first, every change made since `savepoint`."""
        while len(self._undo) > savepoint:
            key, row = self._undo.pop()
            if row is _ABSENT:
                del self._changed[key]
            else:
                self._changed[key] = cast("Row | None", row)  # what `put` found under the same key

    def writes(self) -> dict[bytes, bytes | None]:
        """The changed rows, encoded; None for a removed one."""
        return {key: None if row is None else encode_trusted(row.to_json()) for key, row in self._changed.items()}

    def _row(self, key: bytes, parse: Callable[[bytes], T]) -> T | None:
        row = self._changed.get(key, _ABSENT)
        if row is _ABSENT:
            return self._base._row(key, parse)
        return cast("T | None", row)  # a key's prefix decides the type of its row


# A key takes 30 us to check, a block of two megabytes can name 30,000, and a block is executed several times: built or
# checked in each round, and by its proposer twice. With a memory, such blocks hold up one round and not many.
@lru_cache(maxsize=PUBLIC_KEYS_REMEMBERED_MAX)
def _is_acceptable(key: PublicKey) -> bool:
    return check_public_key(key)


def check_keys(keys: tuple[PublicKey, ...], threshold: int) -> Refusal | None:
    """Why an account may not have these keys and this threshold, or None. The rule of genesis and of operations."""
    for key in keys:
        if not _is_acceptable(key):
            return Refusal(Code.KEY_UNACCEPTABLE, f"key {key.hex()} is not an acceptable Ed25519 public key")
    if len(set(keys)) != len(keys):
        return Refusal(Code.KEY_IN_USE, "a key is listed twice")
    if not 1 <= threshold <= len(keys):
        return Refusal(Code.THRESHOLD_IMPOSSIBLE, f"a threshold of {threshold} cannot be met by {len(keys)} keys")
    return None


def initial_state(
    *, validators: ValidatorSet, accounts: Iterable[Account], parameters: Parameters
) -> dict[bytes, bytes]:
    """The rows of height 0.

    Raises `MalformedError` when an account's keys or name are not acceptable, the account that a name stands under
    is not among `accounts`, a validator's operator is not among those with the role, or nobody is an administrator.
    """
    rows = {
        VALIDATORS_KEY: encode_trusted(validators.to_json()),
        PARAMETERS_KEY: encode_trusted(parse_parameters(parameters.to_json()).to_json()),
        LEADERS_KEY: encode_trusted(Leaders().to_json()),
    }
    by_name: dict[str, Account] = {}
    for account in accounts:
        if parse_account_name(account.name, "account") in by_name:
            raise MalformedError(f"account {account.name} is listed twice")
        if refusal := check_keys(account.keys, account.threshold):
            raise MalformedError(f"account {account.name}: {refusal.detail}")
        by_name[account.name] = account
    for account in by_name.values():
        parent = parent_account(account.name)
        if parent is not None and parent not in by_name:
            raise MalformedError(f"account {account.name} stands under {parent}, which is not an account")
        ordered = replace(account, keys=tuple(sorted(account.keys)), roles=tuple(sorted(set(account.roles))))
        rows[account_key(account.name)] = encode_trusted(ordered.to_json())
    for validator in validators.validators:
        operator = by_name.get(validator.operator)
        if operator is None or not operator.may(Permission.OPERATE_VALIDATOR):
            raise MalformedError(f"{validator.operator}, operator of {validator.name}, is no account with that role")
    if not any(Role.ADMINISTRATOR in account.roles for account in by_name.values()):
        raise MalformedError("no account is an administrator: nobody could add accounts")
    return rows
