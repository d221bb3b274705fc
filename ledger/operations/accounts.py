"""Operations on accounts: adding one, and changing the keys of one's own.

An account's keys change only by its own threshold (or by a proposal, `ledger.governance`), so that no administrator can
take an account over; and governed roles come by proposal only (design section 6). A change of keys authorises from the
next height: within its own block the old keys still do.
"""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct

from ledger.events import AccountTouched, Event
from ledger.names import parent_account
from ledger.operations import fields
from ledger.operations.fields import Field
from ledger.operations.kinds import OperationKind, Place
from ledger.primitives import PublicKey
from ledger.refusals import Code, Refusal
from ledger.roles import ROLES, Permission
from ledger.rows.accounts import Account, account_key, check_keys
from ledger.state import Overlay

_EXAMPLE_KEY: Final = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"
_KEY_CODES: Final = frozenset({Code.KEY_UNACCEPTABLE, Code.KEY_IN_USE, Code.THRESHOLD_IMPOSSIBLE})


class AccountAdd(Struct, frozen=True, gc=False):
    """Add the account `name`."""

    kind: ClassVar[OperationKind]

    by: str
    name: str
    keys: tuple[PublicKey, ...]
    threshold: int
    roles: tuple[str, ...] | None = None

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        actor = state.account(self.by)
        assert actor is not None, "admission requires it"
        parent = parent_account(self.name)
        if self.by != parent and not actor.may(Permission.ADD_ANY_ACCOUNT):
            who = "an administrator or a registrar" if parent is None else f"{parent}, an administrator or a registrar"
            return Refusal(Code.PERMISSION_DENIED, f"only {who} adds the account {self.name}")
        if self.roles is not None and not actor.may(Permission.ASSIGN_ROLES):
            return Refusal(Code.PERMISSION_DENIED, "only an administrator adds an account with roles")
        if governed := [role for role in self.roles or () if ROLES[role].governed]:
            return Refusal(Code.ROLE_GOVERNED, f"{governed[0]} is a governed role: propose it once {self.name} exists")
        if state.account(self.name) is not None:
            return Refusal(Code.ACCOUNT_EXISTS, f"account {self.name} exists")
        if parent is not None and state.account(parent) is None:
            return Refusal(Code.ACCOUNT_UNKNOWN, f"{self.name} stands under {parent}, which is no account")
        if refusal := check_keys(self.keys, self.threshold):
            return refusal
        account = Account(self.name, tuple(sorted(self.keys)), self.threshold, self.roles or ())
        state.put(account_key(self.name), account)
        return (AccountTouched(self.name, place.transaction_index, place.operation_index),)


class AccountKeys(Struct, frozen=True, gc=False):
    """Replace the keys and the threshold of `by` itself."""

    kind: ClassVar[OperationKind]

    by: str
    keys: tuple[PublicKey, ...]
    threshold: int

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        account = state.account(self.by)
        assert account is not None, "admission requires it"
        if refusal := check_keys(self.keys, self.threshold):
            return refusal
        changed = Account(
            account.name, tuple(sorted(self.keys)), self.threshold, account.roles, suspended=account.suspended
        )
        state.put(account_key(self.by), changed)
        return (AccountTouched(self.by, place.transaction_index, place.operation_index),)


_KEYS_FIELDS: Final = (
    Field("keys", fields.PUBLIC_KEYS, "The Ed25519 public keys (hex) that may sign for the account, each once."),
    Field("threshold", fields.THRESHOLD, "How many of the keys must sign: from 1 to their number."),
)

AccountAdd.kind = OperationKind(
    type="account.add",
    operation=AccountAdd,
    summary="Adds an account with its keys, its threshold and, at wish, roles.",
    fields=(
        Field("name", fields.ACCOUNT_NAME, "The new account's name; never used twice."),
        *_KEYS_FIELDS,
        Field(
            "roles",
            fields.ROLE_NAMES,
            "Roles of the new account, in ascending order; no governed ones.",
            required=False,
        ),
    ),
    permission="The account that the name stands under (`acme` for `alice.acme`), or an administrator or a registrar; "
    "roles only by an administrator.",
    codes=frozenset({Code.PERMISSION_DENIED, Code.ROLE_GOVERNED, Code.ACCOUNT_EXISTS, Code.ACCOUNT_UNKNOWN})
    | _KEY_CODES,
    example={"type": "account.add", "by": "acme", "name": "alice.acme", "keys": [_EXAMPLE_KEY], "threshold": 1},
)

AccountKeys.kind = OperationKind(
    type="account.keys",
    operation=AccountKeys,
    summary="Replaces the keys and the threshold of the account that it is by; they authorise from the next height.",
    fields=_KEYS_FIELDS,
    permission="Any account, for itself.",
    codes=_KEY_CODES,
    example={"type": "account.keys", "by": "acme", "keys": [_EXAMPLE_KEY], "threshold": 1},
)

KINDS: Final = (AccountAdd.kind, AccountKeys.kind)
