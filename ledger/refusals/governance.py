"""Refusals of proposals, of votes on them, and of what they ask for; and of joiners."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals.codes import Code, Entry, Kind

ENTRIES: Final[Mapping[Code, Entry]] = {
    Code.ADMINISTRATORS_FULL: Entry(
        Kind.FAILED,
        "As many accounts are administrators as may be.",
        "Revoke the role of another one first.",
    ),
    Code.ADMINISTRATOR_LAST: Entry(
        Kind.FAILED,
        "It would leave no administrator that is not suspended.",
        "Make another account administrator first, or in the same proposal before this change.",
    ),
    Code.OPERATOR_UNFIT: Entry(
        Kind.FAILED,
        "An account would operate a validator that may not: without the role, suspended, or another on a re-key.",
        "Grant the role (or reinstate the account) first, or remove the validator in the same proposal.",
    ),
    Code.OPERATORS_TOO_FEW: Entry(
        Kind.FAILED,
        "It would leave fewer than a quorum of the validators with an operator that is not suspended.",
        "Remove or replace validators of suspended operators first; without a quorum of votes nothing can be decided.",
    ),
    Code.QUORUM_IMPOSSIBLE: Entry(
        Kind.FAILED,
        "The quorum q would not keep n/2 < q <= n.",
        "Choose another quorum rule, in the same proposal if the number of validators changes.",
    ),
    Code.VALIDATORS_FULL: Entry(
        Kind.FAILED,
        "The set would have more validators than a set may have.",
        "Remove a validator in the same proposal.",
    ),
    Code.VALIDATOR_EXISTS: Entry(
        Kind.FAILED,
        "A validator with this name is in the set.",
        "Choose another name, or re-key the validator.",
    ),
    Code.VALIDATOR_UNKNOWN: Entry(
        Kind.FAILED,
        "No validator in the set has this name, or another had it when the proposal was made.",
        "Check the name against the validator set.",
    ),
    Code.VALIDATOR_NOT_READY: Entry(
        Kind.FAILED,
        "No candidate with this name and this entry has said that it is ready.",
        "Have its operator record validator.ready, and propose the digest of that entry.",
    ),
    Code.VALIDATOR_NAME_TAKEN: Entry(
        Kind.FAILED,
        "The name belongs to the validator or candidate of another operator.",
        "Choose another name.",
    ),
    Code.KEY_RETIRED: Entry(
        Kind.FAILED,
        "A validator's key serves once, and this one is or was in use already.",
        "Create three new keys.",
    ),
    Code.READY_HEIGHT_WRONG: Entry(
        Kind.FAILED,
        "The ready statement names a height that is not below this block's, or is long past.",
        "Let the node catch up, and sign again with the height that it has then.",
    ),
    Code.READY_PROOF_INVALID: Entry(
        Kind.FAILED,
        "A key's signature over the ready statement does not verify.",
        "Have the node that holds the keys sign its entry again, for this chain and the height stated.",
    ),
    Code.PARAMETER_IMPOSSIBLE: Entry(
        Kind.FAILED,
        "A parameter would be out of its bounds, or not go together with another.",
        "Choose a value within the bounds named in the detail.",
    ),
    Code.PROTOCOL_VERSION_WRONG: Entry(
        Kind.FAILED,
        "The protocol version goes up one by one, and not before operators have had time to update.",
        "Propose the next version, with a longer delay.",
    ),
    Code.PROPOSAL_UNKNOWN: Entry(
        Kind.FAILED,
        "No proposal has this number.",
        "Check the number against the list of proposals.",
    ),
    Code.PROPOSAL_CLOSED: Entry(
        Kind.FAILED,
        "The proposal is decided, rejected, withdrawn or expired.",
        "Nothing is left to do; what it asked for can be proposed again.",
    ),
    Code.PROPOSAL_EXPIRED: Entry(
        Kind.FAILED,
        "Ledger time has reached the proposal's expiry.",
        "Have it proposed again with a later expiry.",
    ),
    Code.PROPOSAL_CHANGED: Entry(
        Kind.FAILED,
        "The vote names another content than that of the proposal with this number.",
        "Look at the proposal again, and vote with the digest of what you saw.",
    ),
    Code.PROPOSAL_NEW: Entry(
        Kind.FAILED,
        "The proposal was created in this very block.",
        "Withdraw it in a later block.",
    ),
    Code.PROPOSAL_EXPIRY_WRONG: Entry(
        Kind.FAILED,
        "The expiry is not after this block's time, or too far after it.",
        "Choose an expiry within the bound named in the detail.",
    ),
    Code.PROPOSALS_OPEN_FULL: Entry(
        Kind.FAILED,
        "As many proposals are open as may be, of all proposers or of this one.",
        "Withdraw one, have some rejected, or wait until they expire.",
    ),
    Code.PROPOSALS_PENDING_FULL: Entry(
        Kind.FAILED,
        "As many decided proposals wait for their height as may.",
        "Vote again once one of them is in force.",
    ),
    Code.SET_CHANGE_PENDING: Entry(
        Kind.FAILED,
        "A decided change of the validator set is not in force yet; there is one at a time.",
        "Vote again once it is in force.",
    ),
}
