"""The state with a proposal's changes over it, judged as a whole. [safety]

Changes are applied in their order; validators, quorum rule and parameters are collected and looked at only when all are
applied, so that a proposal may pass through what would be impossible on its own (add one, then raise the quorum). The
same function checks a proposal when it is created and when it is decided (the caller rolls back), and puts it into
force.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

from ledger import membership
from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.governance.changes import (
    Change,
    GrantRole,
    ParameterSet,
    QuorumSet,
    RecoverAccount,
    ReinstateAccount,
    RevokeRole,
    SuspendAccount,
    ValidatorAdd,
    ValidatorRekey,
    ValidatorRemove,
)
from ledger.governance.electorate import electorate_of
from ledger.limits import PROTOCOL_DELAY_HEIGHTS_MIN, VALIDATORS_MAX
from ledger.parameters import PARAMETERS, parse_parameters
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.roles import Permission
from ledger.rows.accounts import account_key, check_keys
from ledger.rows.governance import candidate_key
from ledger.rows.settings import PARAMETERS_KEY, VALIDATORS_KEY
from ledger.rows.validator_keys import ValidatorKey, validator_key_key
from ledger.state import Overlay
from ledger.validators import Validator, ValidatorSet


def check_changes(
    state: Overlay, changes: tuple[Change, ...], *, created_height: int, delay: int, activation_height: int
) -> Refusal | None:
    """Why `changes` could not come into force on `state` as it is now, or None. Leaves `state` as it was."""
    savepoint = state.savepoint()
    refusal = apply_changes(
        state, changes, created_height=created_height, delay=delay, activation_height=activation_height
    )
    state.roll_back(savepoint)
    return refusal


def apply_changes(
    state: Overlay, changes: tuple[Change, ...], *, created_height: int, delay: int, activation_height: int
) -> Refusal | None:
    """Put `changes`, in force from `activation_height` on, on `state`; or say why not (the caller rolls back).

    `created_height` and `delay` are those of their proposal.
    """
    draft = _Draft(state, created_height, delay)
    for change in changes:
        if refusal := draft.apply(change):
            return refusal
    return draft.finish(activation_height)


class _Draft:
    """A proposal's changes under way: accounts on the state itself, the set and the parameters beside it."""

    def __init__(self, state: Overlay, created_height: int, delay: int) -> None:
        self._state = state
        self._created_height = created_height
        self._delay = delay
        self._before = state.validators()
        self._validators = list(self._before.validators)
        self._quorum = self._before.quorum_rule
        self._parameters: dict[str, Json] = {}
        self._candidates: list[str] = []

    def apply(self, change: Change) -> Refusal | None:
        """Apply one change, or refuse it for what it is by itself."""
        state = self._state
        match change:
            case ValidatorAdd(name, entry):
                return self._add(name, entry)
            case ValidatorRemove(name):
                return self._remove(name)
            case ValidatorRekey(name, entry):
                return self._rekey(name, entry)
            case QuorumSet(quorum):
                self._quorum = quorum
                return None
            case ParameterSet(name, value):
                return self._set_parameter(name, value)
            case GrantRole(account, role):
                return membership.grant_role(state, account, role)
            case RevokeRole(account, role):
                return membership.revoke_role(state, account, role)
            case SuspendAccount(account):
                return membership.suspend(state, account)
            case ReinstateAccount(account):
                return membership.reinstate(state, account)
            case RecoverAccount():
                return self._recover(change)
            case _:
                assert_never(change)

    def finish(self, activation_height: int) -> Refusal | None:
        """Judge the result as a whole, and write what was collected."""
        validators = self._changed_set()
        if isinstance(validators, Refusal):
            return validators
        if refusal := self._check_accounts(validators):
            return refusal
        if self._parameters:
            try:
                parameters = parse_parameters({**self._state.parameters().to_json(), **self._parameters})
            except MalformedError as error:
                return Refusal(Code.PARAMETER_IMPOSSIBLE, str(error))
            self._state.put(PARAMETERS_KEY, parameters)
        if validators is not self._before:
            self._state.put(VALIDATORS_KEY, validators)
            self._keep_keys(validators, activation_height)
        for name in self._candidates:
            self._state.put(candidate_key(name), None)
        return None

    def _changed_set(self) -> ValidatorSet | Refusal:
        """The set that comes of the changes; the very one that there was, if none is about it."""
        entries = tuple(self._validators)
        if entries == self._before.validators and self._quorum == self._before.quorum_rule:
            return self._before
        try:
            self._quorum.size(len(entries))
        except MalformedError as error:
            return Refusal(Code.QUORUM_IMPOSSIBLE, str(error))
        if len(entries) > VALIDATORS_MAX:
            return Refusal(Code.VALIDATORS_FULL, f"{len(entries)} validators are more than {VALIDATORS_MAX}")
        return ValidatorSet(entries, self._quorum)

    def _add(self, name: str, entry_digest: Digest) -> Refusal | None:
        if self._index(name) is not None:
            return Refusal(Code.VALIDATOR_EXISTS, f"there is a validator {name}")
        entry = self._ready(name, entry_digest)
        if isinstance(entry, Refusal):
            return entry
        self._validators.append(entry)
        return None

    def _remove(self, name: str) -> Refusal | None:
        index = self._index(name)
        if index is None:
            return Refusal(Code.VALIDATOR_UNKNOWN, f"there is no validator {name}")
        # A name may have come back with another operator and other keys: what was voted on has left already.
        row = self._state.validator_key(self._validators[index].consensus_key)
        if row is not None and row.since > self._created_height:
            return Refusal(
                Code.VALIDATOR_UNKNOWN,
                f"the validator {name} of height {self._created_height}, in which this was proposed, has left or has "
                f"got other keys; this one came at height {row.since}",
            )
        del self._validators[index]
        return None

    def _rekey(self, name: str, entry_digest: Digest) -> Refusal | None:
        index = self._index(name)
        if index is None:
            return Refusal(Code.VALIDATOR_UNKNOWN, f"there is no validator {name}")
        entry = self._ready(name, entry_digest)
        if isinstance(entry, Refusal):
            return entry
        operator = self._validators[index].operator
        if entry.operator != operator:
            return Refusal(Code.OPERATOR_UNFIT, f"{name} is operated by {operator}, not {entry.operator}")
        self._validators[index] = entry
        return None

    def _ready(self, name: str, entry_digest: Digest) -> Validator | Refusal:
        """The entry of the candidate called `name`, if it is the one meant and may join."""
        candidate = self._state.candidate(name)
        if candidate is None or candidate.entry.digest != entry_digest:
            found = "there is none" if candidate is None else f"its digest is {candidate.entry.digest.hex()}"
            return Refusal(
                Code.VALIDATOR_NOT_READY, f"no candidate {name} with the entry {entry_digest.hex()}: {found}"
            )
        entry = candidate.entry
        operator = self._state.account(entry.operator)
        if operator is None or not operator.may(Permission.OPERATE_VALIDATOR):
            return Refusal(
                Code.OPERATOR_UNFIT, f"{entry.operator}, to operate {name}, lacks the role operator or is suspended"
            )
        drafted = {key for validator in self._validators for _, key in validator.keys}
        for purpose, key in entry.keys:
            if key in drafted or self._state.validator_key(key) is not None:
                return Refusal(Code.KEY_RETIRED, f"the {purpose} key of {name} is or was a validator's already")
        self._candidates.append(name)
        return entry

    def _set_parameter(self, name: str, value: int) -> Refusal | None:
        if value < (minimum := PARAMETERS[name].proposed_minimum):
            return Refusal(
                Code.PARAMETER_IMPOSSIBLE,
                f"{name} may not be set below {minimum}: the chain could stop for good, or nobody change it back",
            )
        if name == "protocol_version":
            version = self._state.parameters().protocol_version
            if value != version + 1:
                return Refusal(
                    Code.PROTOCOL_VERSION_WRONG,
                    f"protocol_version goes from {version} to {version + 1}, not to {value}",
                )
            if self._delay < PROTOCOL_DELAY_HEIGHTS_MIN:
                return Refusal(
                    Code.PROTOCOL_VERSION_WRONG,
                    f"a delay of {self._delay} heights, less than {PROTOCOL_DELAY_HEIGHTS_MIN}, is too short",
                )
        self._parameters[name] = value
        return None

    def _recover(self, change: RecoverAccount) -> Refusal | None:
        account = membership.find(self._state, change.account)
        if isinstance(account, Refusal):
            return account
        if refusal := check_keys(change.keys, change.threshold):
            return refusal
        recovered = replace(account, keys=tuple(sorted(change.keys)), threshold=change.threshold)
        self._state.put(account_key(change.account), recovered)
        return None

    def _check_accounts(self, validators: ValidatorSet) -> Refusal | None:
        """Whether somebody could still administer, and enough could still vote."""
        state = self._state
        names = state.administrators().names
        if all((account := state.account(name)) is None or account.suspended for name in names):
            return Refusal(Code.ADMINISTRATOR_LAST, "no administrator would be left that is not suspended")
        electorate = electorate_of(validators, state.account)
        for name in sorted(electorate.operators - electorate.weights.keys()):
            account = state.account(name)
            if account is None or not account.has(Permission.OPERATE_VALIDATOR):
                return Refusal(Code.OPERATOR_UNFIT, f"{name} would operate a validator without the role operator")
        if electorate.votes < electorate.quorum:
            return Refusal(
                Code.OPERATORS_TOO_FEW,
                f"{electorate.votes} of {len(validators)} validators would have an operator that is not suspended, "
                f"fewer than the quorum of {electorate.quorum}: nothing could be decided any more",
            )
        return None

    def _keep_keys(self, validators: ValidatorSet, activation_height: int) -> None:
        """Write when the keys that leave were in force last, and those that come first."""
        before = {key for validator in self._before.validators for _, key in validator.keys}
        after = {key for validator in validators.validators for _, key in validator.keys}
        for key in sorted(before - after):
            row = self._state.validator_key(key)
            assert row is not None, "it has one since its first height"
            self._state.put(validator_key_key(key), replace(row, until=activation_height - 1))
        for validator in validators.validators:
            for purpose, key in validator.keys:
                if key not in before:
                    row = ValidatorKey(validator.name, purpose, since=activation_height)
                    self._state.put(validator_key_key(key), row)

    def _index(self, name: str) -> int | None:
        names = [validator.name for validator in self._validators]
        return names.index(name) if name in names else None
