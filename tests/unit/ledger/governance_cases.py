"""Every way in which changes become impossible: asked when they are proposed, when decided, and when due.

Each case has changes that are possible on the network of `council`, and what then spoils them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

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
from ledger.parameters import Parameters
from ledger.primitives import PublicKey
from ledger.refusals import Code
from ledger.rows.accounts import ADMINISTRATORS_KEY, Administrators, account_key
from ledger.rows.governance import Candidate, candidate_key
from ledger.rows.settings import PARAMETERS_KEY, VALIDATORS_KEY
from ledger.rows.validator_keys import ValidatorKey, validator_key_key
from ledger.state import Overlay
from ledger.validators import KeyPurpose, ValidatorSet, parse_quorum
from tests.unit.ledger.council import Spoil, validator, validators
from tests.unit.ledger.members import account, key_of

V5 = validator(5)
ADD = ValidatorAdd("v5", V5.digest)
TWO, FOUR, FIVE = (parse_quorum(number) for number in (2, 4, 5))
A, B = (key_of(label).public_key for label in "ab")


@dataclass(frozen=True, slots=True)
class Case:
    """Changes, the delay with which they are proposed, what spoils them, and the code of the refusal then."""

    name: str
    changes: tuple[Change, ...]
    spoil: Spoil
    code: Code
    delay: int = 1


def suspended(name: str, *, suspended: bool = True) -> Spoil:
    def spoil(state: Overlay) -> None:
        row = state.account(name)
        assert row is not None
        state.put(account_key(name), replace(row, suspended=suspended))

    return spoil


def roles(name: str, *held: str) -> Spoil:
    return lambda state: state.put(account_key(name), account(name, roles=held))


def network(changed: ValidatorSet) -> Spoil:
    return lambda state: state.put(VALIDATORS_KEY, changed)


def parameters(**changed: int) -> Spoil:
    return lambda state: state.put(PARAMETERS_KEY, Parameters(**changed))


def retired(key: PublicKey) -> Spoil:
    row = ValidatorKey("old", KeyPurpose.CONSENSUS, since=1, until=2)
    return lambda state: state.put(validator_key_key(key), row)


def gone(name: str) -> Spoil:
    return lambda state: state.put(account_key(name), None)


def many_administrators(state: Overlay) -> None:
    names = {"chief", "deputy", *(f"a{number}" for number in range(62))}
    state.put(ADMINISTRATORS_KEY, Administrators(tuple(sorted(names))))


def another_candidate(state: Overlay) -> None:
    state.put(candidate_key("v5"), Candidate(validator(5, generation=" again"), 8, 9))


def crowd() -> ValidatorSet:
    """A hundred validators, none of them v5."""
    numbers = (1, 2, 3, 4, *range(6, 102))
    return ValidatorSet(tuple(validator(number, f"op{number % 4 + 1}") for number in numbers), parse_quorum("bft"))


CASES: Final[tuple[Case, ...]] = (
    # validators
    Case("the candidate is gone", (ADD,), lambda state: state.put(candidate_key("v5"), None), Code.VALIDATOR_NOT_READY),
    Case("the candidate has other keys by now", (ADD,), another_candidate, Code.VALIDATOR_NOT_READY),
    Case("its operator was suspended", (ADD,), suspended("op5"), Code.OPERATOR_UNFIT),
    Case("its operator lost the role", (ADD,), roles("op5"), Code.OPERATOR_UNFIT),
    Case("its consensus key was a validator's", (ADD,), retired(V5.consensus_key), Code.KEY_RETIRED),
    Case("its node key was a validator's", (ADD,), retired(V5.node_key), Code.KEY_RETIRED),
    Case("its cosigning key was a validator's", (ADD,), retired(V5.cosigning_key), Code.KEY_RETIRED),
    Case(
        "the name is in the set by now",
        (ADD,),
        network(ValidatorSet((*validators().validators, validator(5, "op1", " other")), parse_quorum("bft"))),
        Code.VALIDATOR_EXISTS,
    ),
    Case("the set is full by now", (ADD,), network(crowd()), Code.VALIDATORS_FULL),
    Case(
        "another operates it by now",
        (ValidatorRekey("v1", validator(1, generation=" new").digest),),
        network(
            ValidatorSet((validator(1, "op4"), *validators(3).validators[1:], validator(4, "op1")), parse_quorum("bft"))
        ),
        Code.OPERATOR_UNFIT,
    ),
    Case("who is to leave has left", (ValidatorRemove("v4"),), network(validators(3)), Code.VALIDATOR_UNKNOWN),
    # the quorum
    Case("a number that was a majority is none", (QuorumSet(FOUR),), network(validators(8)), Code.QUORUM_IMPOSSIBLE),
    Case(
        "a number that they were enough for",
        (ValidatorRemove("v4"), ValidatorRemove("v3")),
        network(validators(4, 3)),
        Code.QUORUM_IMPOSSIBLE,
    ),
    # who governs
    Case("the other one may not vote", (SuspendAccount("op1"),), suspended("op4"), Code.OPERATORS_TOO_FEW),
    Case(
        "the other one may not administer",
        (RevokeRole("chief", "administrator"),),
        suspended("deputy"),
        Code.ADMINISTRATOR_LAST,
    ),
    Case("suspending the last one", (SuspendAccount("chief"),), suspended("deputy"), Code.ADMINISTRATOR_LAST),
    Case(
        "one administrator too many",
        (GrantRole("member", "administrator"),),
        many_administrators,
        Code.ADMINISTRATORS_FULL,
    ),
    Case(
        "it operates a validator by now",
        (RevokeRole("op5", "operator"),),
        network(validators(5, 3, operators=5)),
        Code.OPERATOR_UNFIT,
    ),
    # members
    Case("suspended already", (SuspendAccount("member"),), suspended("member"), Code.ALREADY_SUSPENDED),
    Case("reinstated already", (ReinstateAccount("closed"),), suspended("closed", suspended=False), Code.NOT_SUSPENDED),
    Case("granted already", (GrantRole("member", "treasurer"),), roles("member", "treasurer"), Code.ROLE_HELD),
    Case("revoked already", (RevokeRole("desk", "registrar"),), roles("desk"), Code.ROLE_NOT_HELD),
    Case("nobody to recover", (RecoverAccount("member", (A,), 1),), gone("member"), Code.ACCOUNT_UNKNOWN),
    Case("nobody to suspend", (SuspendAccount("member"),), gone("member"), Code.ACCOUNT_UNKNOWN),
    Case("nobody to reinstate", (ReinstateAccount("closed"),), gone("closed"), Code.ACCOUNT_UNKNOWN),
    Case("nobody to grant to", (GrantRole("member", "operator"),), gone("member"), Code.ACCOUNT_UNKNOWN),
    Case("nobody to revoke from", (RevokeRole("desk", "registrar"),), gone("desk"), Code.ACCOUNT_UNKNOWN),
    # parameters
    Case(
        "a parameter that went together with another",
        (ParameterSet("base_timeout_ms", 50_000),),
        parameters(timeout_ms_max=40_000),
        Code.PARAMETER_IMPOSSIBLE,
    ),
    Case(
        "the version is in force already",
        (ParameterSet("protocol_version", 2),),
        parameters(protocol_version=2),
        Code.PROTOCOL_VERSION_WRONG,
        delay=100,
    ),
    # in the middle of others
    Case(
        "the last of several",
        (ADD, GrantRole("member", "operator"), ParameterSet("sender_quota", 5), SuspendAccount("chief")),
        suspended("deputy"),
        Code.ADMINISTRATOR_LAST,
    ),
)

SMALL_ORDER = PublicKey((1).to_bytes(32, "little"))

NEVER: Final[tuple[tuple[str, tuple[Change, ...], int, Code], ...]] = (
    ("an entry that nobody is ready with", (ValidatorAdd("v5", validator(6).digest),), 1, Code.VALIDATOR_NOT_READY),
    ("somebody else's name for it", (ValidatorAdd("v6", V5.digest),), 1, Code.VALIDATOR_NOT_READY),
    ("adding it twice", (ADD, ADD), 1, Code.VALIDATOR_EXISTS),
    ("its keys twice", (ADD, ValidatorRekey("v5", V5.digest)), 1, Code.KEY_RETIRED),
    ("re-keying who is not there", (ValidatorRekey("v5", V5.digest),), 1, Code.VALIDATOR_UNKNOWN),
    ("re-keying without new keys", (ValidatorRekey("v1", validator(1).digest),), 1, Code.VALIDATOR_NOT_READY),
    ("removing who is not there", (ValidatorRemove("v5"),), 1, Code.VALIDATOR_UNKNOWN),
    ("removing twice", (ValidatorRemove("v1"), ValidatorRemove("v1")), 1, Code.VALIDATOR_UNKNOWN),
    ("removing all", tuple(ValidatorRemove(f"v{n}") for n in range(1, 5)), 1, Code.QUORUM_IMPOSSIBLE),
    ("half of them as a quorum", (QuorumSet(TWO),), 1, Code.QUORUM_IMPOSSIBLE),
    ("more than all as a quorum", (QuorumSet(FIVE),), 1, Code.QUORUM_IMPOSSIBLE),
    ("an operator who operates", (RevokeRole("op1", "operator"),), 1, Code.OPERATOR_UNFIT),
    (
        "half of the operators",
        (SuspendAccount("op1"), SuspendAccount("op2")),
        1,
        Code.OPERATORS_TOO_FEW,
    ),
    (
        "both administrators",
        (RevokeRole("chief", "administrator"), RevokeRole("deputy", "administrator")),
        1,
        Code.ADMINISTRATOR_LAST,
    ),
    (
        "one administrator's role, the other's suspension",
        (SuspendAccount("deputy"), RevokeRole("chief", "administrator")),
        1,
        Code.ADMINISTRATOR_LAST,
    ),
    ("a key twice", (RecoverAccount("member", (A, A), 1),), 1, Code.KEY_IN_USE),
    ("a key that is none", (RecoverAccount("member", (A, SMALL_ORDER), 1),), 1, Code.KEY_UNACCEPTABLE),
    ("a threshold of none", (RecoverAccount("member", (A, B), 0),), 1, Code.THRESHOLD_IMPOSSIBLE),
    ("a threshold above the keys", (RecoverAccount("member", (A, B), 3),), 1, Code.THRESHOLD_IMPOSSIBLE),
    ("a parameter below its bound", (ParameterSet("sender_quota", 0),), 1, Code.PARAMETER_IMPOSSIBLE),
    ("a parameter above its bound", (ParameterSet("sender_quota", 10_000),), 1, Code.PARAMETER_IMPOSSIBLE),
    ("no round long enough for a block", (ParameterSet("timeout_ms_max", 9_999),), 1, Code.PARAMETER_IMPOSSIBLE),
    ("nothing but messages sent again", (ParameterSet("base_timeout_ms", 499),), 1, Code.PARAMETER_IMPOSSIBLE),
    ("no time to sign together", (ParameterSet("valid_window_ms", 599_999),), 1, Code.PARAMETER_IMPOSSIBLE),
    ("a version in the past", (ParameterSet("protocol_version", 1),), 100, Code.PROTOCOL_VERSION_WRONG),
    ("a version left out", (ParameterSet("protocol_version", 3),), 100, Code.PROTOCOL_VERSION_WRONG),
    ("no time to update", (ParameterSet("protocol_version", 2),), 99, Code.PROTOCOL_VERSION_WRONG),
)
"""What is impossible from the start: a name, the changes, the delay, and the code."""
