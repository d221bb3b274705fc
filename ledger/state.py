"""The state of the ledger as rules see it: typed rows of one height, and how a block changes them.

State lives in storage; rules see it through a `StateView` of one height. What rows there are stands in `ledger.rows`.

`State` reads typed rows of one height and remembers what it decoded. `Overlay` reads through a `State`, collects
the changes of one block decoded, encodes each changed row once at the end, and takes back what a failed transaction
did (savepoints). Key changes act from the next height because admission reads the `State` of the parent block while
operations read and write the overlay (design section 5, "Who may be in a block").
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol, TypeVar

from ledger.encoding import Json, encode_kept, encode_trusted
from ledger.errors import MalformedError
from ledger.governance.electorate import Electorate, electorate_of
from ledger.limits import ADMINISTRATORS_MAX, STATE_ROWS_CACHED_MAX
from ledger.names import parent_account, parse_account_name
from ledger.parameters import Parameters, parse_parameters
from ledger.primitives import PublicKey
from ledger.roles import Permission, Role
from ledger.rows.accounts import (
    ADMINISTRATORS_KEY,
    Account,
    Administrators,
    account_key,
    check_keys,
    parse_account_row,
    parse_administrators_row,
)
from ledger.rows.assets import ASSET_PREFIX, Asset, Balance, balance_key, parse_asset_row, parse_balance_row
from ledger.rows.evidence import RecordedEvidence, evidence_key, parse_evidence_row
from ledger.rows.governance import (
    GOVERNANCE_KEY,
    Candidate,
    Governance,
    Proposal,
    candidate_key,
    parse_candidate_row,
    parse_governance_row,
    parse_proposal_row,
    proposal_key,
)
from ledger.rows.settings import (
    LEADERS_KEY,
    PARAMETERS_KEY,
    VALIDATORS_KEY,
    Leaders,
    parse_leaders_row,
    parse_parameters_row,
    parse_validators_row,
)
from ledger.rows.streams import LatestRecord, Stream, latest_key, parse_latest_row, parse_stream_row, stream_key
from ledger.rows.validator_keys import ValidatorKey, parse_validator_key_row, validator_key_key
from ledger.validators import ValidatorSet

_ABSENT: Final[Any] = object()

T = TypeVar("T")


class StateView(Protocol):
    """Read access to the rows of one height, which do not change while the view is in use."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        ...

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, in ascending order of key."""
        ...


class Row(Protocol):
    """What a state key holds, decoded."""

    def to_json(self) -> dict[str, Json]:
        """The row's value."""
        ...


class State:
    """Typed rows of one height. Made anew for each height; remembers at most STATE_ROWS_CACHED_MAX decoded rows.

    Every method raises what the view raises, and `MalformedError` for a row that is not what the table says.
    """

    __slots__ = ("_accounts", "_decoded", "_electorate", "_view")

    def __init__(self, view: StateView) -> None:
        self._view = view
        self._electorate: Electorate | None = None
        self._decoded: dict[bytes, Any] = {}
        self._accounts: dict[str, Account] = {}  # those that were asked for, by name: of each transaction one is

    def account(self, name: str) -> Account | None:
        """The account called `name`, or None."""
        account = self._accounts.get(name)
        if account is None:
            account = self._row(account_key(name), parse_account_row)
            if account is not None:
                self._accounts[name] = account
        return account

    def has_account(self, name: str) -> bool:
        """Whether there is an account called `name`; cheaper than reading it, where many names are asked for."""
        return self._present(account_key(name))

    def administrators(self) -> Administrators:
        """The accounts with the role administrator, suspended or not."""
        row = self._row(ADMINISTRATORS_KEY, parse_administrators_row)
        assert row is not None, "genesis writes the administrators"
        return row

    def stream(self, name: str) -> Stream | None:
        """The stream called `name`, or None."""
        return self._row(stream_key(name), parse_stream_row)

    def latest(self, stream: str, key: str) -> LatestRecord | None:
        """The newest record of entity key `key` in `stream`, or None when it has none."""
        return self._row(latest_key(stream, key), parse_latest_row)

    def asset(self, name: str) -> Asset | None:
        """The asset called `name`, or None."""
        return self._row(ASSET_PREFIX + name.encode(), parse_asset_row)

    def balance(self, account: str, asset: str) -> Balance | None:
        """What `account` holds of `asset`; None when it holds nothing and is not frozen."""
        return self._row(balance_key(account, asset), parse_balance_row)

    def validators(self) -> ValidatorSet:
        """The validator set and quorum in force after this height."""
        row = self._row(VALIDATORS_KEY, parse_validators_row)
        assert row is not None, "genesis writes the validators"
        return row

    def validator_key(self, key: PublicKey) -> ValidatorKey | None:
        """Whose validator key `key` is or was, and when; None if it never was one."""
        return self._row(validator_key_key(key), parse_validator_key_row)

    def evidence(self, validator: str, height: int) -> RecordedEvidence | None:
        """The evidence on the ledger that `validator` (its name) contradicted itself at `height`, or None."""
        return self._row(evidence_key(validator, height), parse_evidence_row)

    def parameters(self) -> Parameters:
        """The parameters in force after this height."""
        row = self._row(PARAMETERS_KEY, parse_parameters_row)
        assert row is not None, "genesis writes the parameters"
        return row

    def leaders(self) -> Leaders:
        """Who led failed rounds, and when (amendment A6)."""
        return self._row(LEADERS_KEY, parse_leaders_row) or Leaders()

    def governance(self) -> Governance:
        """How many proposals there were, and which are open or pending."""
        row = self._row(GOVERNANCE_KEY, parse_governance_row)
        assert row is not None, "genesis writes it"
        return row

    def proposal(self, number: int) -> Proposal | None:
        """Proposal `number` (from 1), or None."""
        return self._row(proposal_key(number), parse_proposal_row)

    def electorate(self) -> Electorate:
        """Who may vote on proposals in the next block."""
        if self._electorate is None:
            self._electorate = electorate_of(self.validators(), self.account)
        return self._electorate

    def candidate(self, name: str) -> Candidate | None:
        """Who is ready to be the validator called `name`, or None."""
        return self._row(candidate_key(name), parse_candidate_row)

    def _present(self, key: bytes) -> bool:
        row = self._decoded.get(key, _ABSENT)
        return self._view.get(key) is not None if row is _ABSENT else row is not None

    def _row(self, key: bytes, parse: Callable[[bytes], T]) -> T | None:
        row: T | None = self._decoded.get(key, _ABSENT)  # a key's prefix decides the type of its row
        if row is _ABSENT:
            if len(self._decoded) >= STATE_ROWS_CACHED_MAX:
                self._decoded.clear()
                self._accounts.clear()
            data = self._view.get(key)
            row = self._decoded[key] = None if data is None else parse(data)
        return row


class Overlay(State):
    """The rows of a block that is being executed: a `State` with the block's own changes over it."""

    __slots__ = ("_base", "_changed", "_undo")

    def __init__(self, base: State) -> None:
        super().__init__(base._view)
        self._base = base
        self._changed: dict[bytes, Any] = {}
        self._undo: list[tuple[bytes, object]] = []

    def account(self, name: str) -> Account | None:
        """The account called `name`, or None."""
        return self._row(account_key(name), parse_account_row)

    def electorate(self) -> Electorate:
        """Who may vote on proposals in this block: nothing in it changes that."""
        return self._base.electorate()

    def put(self, key: bytes, row: Row | None) -> None:
        """Set the row of `key`; None removes it."""
        self._undo.append((key, self._changed.get(key, _ABSENT)))
        self._changed[key] = row

    def changes(self, prefix: bytes, parse: Callable[[bytes], T]) -> Iterator[tuple[bytes, T | None, T | None]]:
        """(key, row before the block, row now) of every changed row whose key starts with `prefix`; None for no row."""
        for key, row in self._changed.items():
            if key.startswith(prefix):
                yield key, self._base._row(key, parse), row  # a prefix decides the type of its rows

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
                self._changed[key] = row  # what `put` found under the same key

    def writes(self) -> dict[bytes, bytes | None]:
        """The changed rows, encoded; None for a removed one."""
        return {key: None if row is None else encode_kept(row.to_json()) for key, row in self._changed.items()}

    def _present(self, key: bytes) -> bool:
        row = self._changed.get(key, _ABSENT)
        return self._base._present(key) if row is _ABSENT else row is not None

    def _row(self, key: bytes, parse: Callable[[bytes], T]) -> T | None:
        row: T | None = self._changed.get(key, _ABSENT)
        return self._base._row(key, parse) if row is _ABSENT else row


def initial_state(
    *, validators: ValidatorSet, accounts: Iterable[Account], parameters: Parameters
) -> dict[bytes, bytes]:
    """The rows of height 0.

    Raises `MalformedError` when an account's keys or name are not acceptable, the account that a name stands under
    is not among `accounts`, a validator's operator is not among those with the role, or nobody or too many are
    administrators.
    """
    rows = {
        VALIDATORS_KEY: encode_trusted(validators.to_json()),
        PARAMETERS_KEY: encode_trusted(parse_parameters(parameters.to_json()).to_json()),
        LEADERS_KEY: encode_trusted(Leaders().to_json()),
        GOVERNANCE_KEY: encode_trusted(Governance().to_json()),
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
        for purpose, key in validator.keys:
            rows[validator_key_key(key)] = encode_trusted(ValidatorKey(validator.name, purpose, since=1).to_json())
    administrators = tuple(sorted(name for name, account in by_name.items() if Role.ADMINISTRATOR in account.roles))
    if not 1 <= len(administrators) <= ADMINISTRATORS_MAX:
        raise MalformedError(
            f"{len(administrators) or 'no'} accounts are administrators; a network has 1 to {ADMINISTRATORS_MAX}"
        )
    rows[ADMINISTRATORS_KEY] = encode_trusted(Administrators(administrators).to_json())
    return rows
