"""What this node does in consensus, and why: which seat its key has in the validator set of the height, if any.

The set of a height decides who may sign it. A key that joins has its first vote at the first height of its membership,
one that was removed its last at the height whose block removed it; in between nothing else says who votes. A node whose
key left goes on as a follower. A validator that is re-keyed has two nodes for a while, each with its own key, home and
vote state (`node.home`), and every height is signed by one of the keys.

A chain may be led to a `protocol_version` that this software does not know. From the moment at which that is decided
the node says so; it goes on up to the height before, and does nothing at that height or later but serve what it has,
until its software is updated.
"""

from __future__ import annotations

from ledger.parameters import PROTOCOL_VERSION
from node.replica.deciding import Deciding
from node.replica.parts import Parts
from node.replica.status import Role


def standing(parts: Parts) -> tuple[Role, str]:
    """The role of a node that runs, and the reason in words."""
    deciding = parts.deciding
    if deciding.suspended:
        return Role.OUTDATED, _update_needed(parts)
    role, reason = _role(parts)
    return role, reason if deciding.unknown_rules is None else f"{reason}; {_update_needed(parts)}"


def _role(parts: Parts) -> tuple[Role, str]:
    deciding = parts.deciding
    if deciding.me is None:
        conflict = parts.findings.first_conflict
        why = _without_seat(parts)
        return Role.FOLLOWING, why if conflict is None else f"{why}; two chains exist from height {conflict} on"
    if parts.silence is not None:
        return Role.OBSERVING, parts.silence
    if deciding.height < parts.vote_state.newest_height:
        return Role.OBSERVING, f"fetching blocks up to height {parts.vote_state.newest_height}, where it has voted"
    return Role.VOTING, "its consensus key is in the validator set"


def unfit(parts: Parts) -> str | None:
    """Why a node whose consensus key was never in a validator set could not vote if it joined; None for any other."""
    if parts.key is None or parts.deciding.state.validator_key(parts.key.public_key) is not None:
        return None
    return parts.silence


def warn(parts: Parts) -> None:
    """Tell the operator, at start, why this node does not vote, or will not."""
    if parts.silence is not None:
        parts.out.log("voting_stopped", reason=parts.silence)
    _warn_of_rules(parts)


def note_change(parts: Parts, before: Deciding) -> None:
    """Tell the operator when the height that begins gives this node's key a seat, or takes it away; and when it was
    decided that the chain will leave the rules that this software knows, and when it has."""
    after = parts.deciding
    if (before.unknown_rules, before.suspended) != (after.unknown_rules, after.suspended):
        _warn_of_rules(parts)
    if (before.me is None) != (after.me is None):
        if after.me is not None:
            parts.out.log("validator_set_joined", height=after.height, validator=after.name(after.me))
        elif before.me is not None:
            parts.out.log("validator_set_left", height=after.height, validator=before.name(before.me))


def _warn_of_rules(parts: Parts) -> None:
    rules = parts.deciding.unknown_rules
    if rules is not None:
        parts.out.log("software_outdated", height=rules.height, reason=_update_needed(parts))


def _update_needed(parts: Parts) -> str:
    rules = parts.deciding.unknown_rules
    assert rules is not None
    return (
        f"update its software: protocol version {rules.protocol_version} is in force from height {rules.height} on, "
        f"and this software knows {PROTOCOL_VERSION}"
    )


def _without_seat(parts: Parts) -> str:
    """Why a node follows."""
    if parts.key is None:
        return "no consensus key"
    row = parts.deciding.state.validator_key(parts.key.public_key)
    if row is None or row.until is None:
        why = "its consensus key is not in the validator set"
        return why if parts.silence is None else f"{why}, and could not vote: {parts.silence}"
    why = f"its consensus key was that of {row.validator} up to height {row.until}"
    if parts.deciding.height <= row.until + 1:
        # A quorum of the next set signs only with this block: so the next one proves that nobody needs it from here.
        return f"{why}; keep it running until it has block {row.until + 1}: validators may lack block {row.until}"
    return f"{why}; it may be stopped, or follow: pin its node key in the node.toml of two or more validators"
