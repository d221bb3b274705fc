"""Saying where a replica is and why nothing is appended, in words that name who is missing."""

from __future__ import annotations

from ledger.consensus.engine import RoundStatus
from node.replica.deciding import Deciding
from node.replica.peers import Peers
from node.replica.status import Role


def missing(deciding: Deciding, status: RoundStatus) -> tuple[str, ...]:
    """The validators of whom no vote of the current round is here."""
    heard = {*status.prepared, *status.committed, *status.timed_out}
    return tuple(deciding.name(index) for index in range(len(deciding.validators)) if index not in heard)


def explain(
    deciding: Deciding,
    status: RoundStatus,
    peers: Peers,
    *,
    role: Role,
    reason: str,
    refused: tuple[int, str] | None,
    mempool_transactions: int,
) -> str:
    """One sentence: what this node waits for."""
    height, quorum = deciding.height, deciding.validators.quorum
    if role is Role.HALTED:
        return f"halted: {reason}"
    if role is Role.OUTDATED:
        return f"nothing is done at height {height}: {reason}"
    if refused is not None and refused[0] == height:
        return f"block {height} is certified by a quorum but is not valid here: {refused[1]}"
    ahead = [peer.height for _, peer in peers if peer.height > height]
    behind = f"; {len(ahead)} peers say they are further, up to height {max(ahead)}" if ahead else ""
    if not status.timer_running and not mempool_transactions:
        return f"idle: no transaction waits; an empty block follows after {deciding.parameters.heartbeat_ms} ms{behind}"
    absent = missing(deciding, status)
    heard = len(deciding.validators) - len(absent)
    where = f"height {height}, round {status.round}"
    if not status.proposal_seen and not status.timed_out:
        sentence = f"{where}: waiting for a proposal of {deciding.name(status.leader)}"
    elif heard < quorum:
        sentence = (
            f"{where}: votes of {heard} of {len(deciding.validators)} validators are here and {quorum} are needed; "
            f"missing: {', '.join(absent)}"
        )
    elif status.waiting_for_blocks:
        sentence = f"{where}: fetching what the proposed block consists of"
    elif status.timed_out:
        sentence = (
            f"{where}: given up by {len(status.timed_out)} of {len(deciding.validators)} validators, and it ends when "
            f"{quorum} have given it up or a block is decided"
        )
    else:
        sentence = f"{where}: being decided"
    return sentence + behind
