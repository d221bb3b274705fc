"""What changes members and the chain itself, in words: for who is about to propose, to vote, or to say it is ready."""

from __future__ import annotations

from typing import assert_never

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
from ledger.operations.governance import ProposalCreate, ProposalVote, ProposalWithdraw
from ledger.operations.kinds import Operation
from ledger.operations.members import AccountReinstate, AccountSuspend, RoleGrant, RoleRevoke
from ledger.operations.validators import ValidatorReady
from ledger.validators import Validator
from wallet.moments import rfc3339
from wallet.output import inline_json


def governance_sentence(operation: Operation) -> str | None:
    """An operation on members, proposals or validators as a sentence; None for any other."""
    by = operation.by
    match operation:
        case AccountSuspend():
            return f"{by} suspends the account {operation.account}"
        case AccountReinstate():
            return f"{by} takes back the suspension of the account {operation.account}"
        case RoleGrant():
            return f"{by} gives {operation.account} the role {operation.role}"
        case RoleRevoke():
            return f"{by} takes the role {operation.role} from {operation.account}"
        case ProposalCreate():
            return _proposal_sentence(operation)
        case ProposalVote():
            how = "APPROVES" if operation.approve else "REJECTS"
            return f"{by} {how} proposal {operation.proposal}, whose content has the digest {operation.digest.hex()}"
        case ProposalWithdraw():
            return f"{by} withdraws proposal {operation.proposal}"
        case ValidatorReady():
            return _ready_sentence(operation)
        case _:
            return None


def change_sentence(change: Change) -> str:
    """One change of a proposal, as what shall happen."""
    match change:
        case ValidatorAdd(validator, entry):
            return f"validator {validator} joins the set, with the entry {entry.hex()}"
        case ValidatorRemove(validator):
            return f"validator {validator} leaves the set, and its keys never serve again"
        case ValidatorRekey(validator, entry):
            return f"validator {validator} gets the new keys and address of the entry {entry.hex()}"
        case QuorumSet(quorum):
            return f"the quorum is {quorum.to_json()}"
        case ParameterSet(parameter, value):
            return f"the parameter {parameter} is {value}"
        case GrantRole(account, role):
            return f"{account} gets the role {role}"
        case RevokeRole(account, role):
            return f"{account} loses the role {role}"
        case SuspendAccount(account):
            return f"{account} is suspended"
        case ReinstateAccount(account):
            return f"{account} is reinstated"
        case RecoverAccount(account, keys, threshold):
            listed = ", ".join(key.hex() for key in keys)
            return f"{account} loses its keys and gets others, of which {threshold} must sign: {listed}"
        case _:
            assert_never(change)


def entry_sentence(entry: Validator) -> str:
    """A validator's entry: who operates it, where it is, and its keys."""
    keys = ", ".join(f"{purpose} key {key.hex()}" for purpose, key in entry.keys)
    return f"operated by {entry.operator} at {entry.address}: {keys}"


def _proposal_sentence(operation: ProposalCreate) -> str:
    changes = "; ".join(f"({number}) {change_sentence(item)}" for number, item in enumerate(operation.changes, 1))
    cited = (
        "" if operation.evidence is None else f"; citing the evidence {', '.join(d.hex() for d in operation.evidence)}"
    )
    why = "" if operation.memo is None else f"; because: {inline_json(operation.memo)}"
    heights = "height" if operation.delay == 1 else "heights"
    return (
        f"{operation.by} proposes, all or nothing: {changes}; in force {operation.delay} {heights} after the deciding "
        f"block, to be voted on before ledger time {rfc3339(operation.expires)}{cited}{why}"
    )


def _ready_sentence(operation: ValidatorReady) -> str:
    entry = operation.entry
    keys = ", ".join(f"{purpose} key {key.hex()}" for purpose, key in entry.keys)
    return (
        f"{operation.by} says that validator {entry.name}, operated by {entry.operator} at {entry.address}, is ready "
        f"at height {operation.height}; signed by its three keys: {keys}"
    )
