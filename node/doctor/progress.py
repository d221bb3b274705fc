"""Whether blocks are appended here, and if not, what the height waits for: links, votes, a proposal, a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from ledger.governance.reach import reach
from ledger.primitives import Digest
from ledger.validators import Tolerance
from node.doctor.findings import Finding, FindingCode, span
from node.doctor.others import Missing, is_overdue, patience_ms
from node.replica import ReplicaStatus, Role

BLOCKS_BEHIND_MAX_DEFAULT: Final = 2
STALLED_ROUNDS: Final = 3  # a leader that is away costs one round, and two of them two
_OUT_OF_REACH = (FindingCode.VALIDATORS_UNREACHABLE, FindingCode.VALIDATORS_SILENT)
_CONTENT_TICKS = 4  # a block is asked for at every tick, each time of another validator


@dataclass(frozen=True, slots=True)
class Claim:
    """The height that peers say they decide, as far as it is believed (0: nobody says anything), and who says so."""

    height: int
    by: str


def claimed_height(status: ReplicaStatus) -> Claim:
    """The height that others are at.

    A height is a claim. The network lives with n - q validators that fail, so one more has to agree; followers are
    asked where there is no validator. Where fewer are connected, all of them have to agree.
    """
    heard = [peer for peer in status.peers if peer.height > 0]
    validators = [peer.height for peer in heard if peer.validator is not None]
    heights = sorted(validators or (peer.height for peer in heard), reverse=True)
    count = min(len(status.validators) - status.quorum + 1, len(heights))
    who = "validators" if validators else "peers"
    return Claim(heights[count - 1] if heights else 0, f"{count} of {len(heights)} connected {who}")


def reachable(status: ReplicaStatus, missing: tuple[Missing, ...]) -> set[str]:
    """The validators that this node is linked to and hears, and itself if it votes."""
    names = {peer.validator for peer in status.peers if peer.validator is not None}
    names -= {item.validator for item in missing if item.code in _OUT_OF_REACH}
    if status.validator is not None and status.role is Role.VOTING:
        names.add(status.validator)
    return names


def links(status: ReplicaStatus, missing: tuple[Missing, ...], dial_faults: Mapping[str, str]) -> Iterator[Finding]:
    """Who cannot be reached, and what that means for the quorum. A follower is linked to few, and needs one.

    `dial_faults` says, by name, why the last attempt to dial a validator failed."""
    tolerance = Tolerance(len(status.validators), status.quorum)
    if status.validator is None:
        if not status.peers:
            why = "".join(f"; last dial of {name}: {dial_faults[name]}" for name in sorted(dial_faults))
            yield Finding(FindingCode.ISOLATED, f"this node is linked to nobody, so it gets no blocks{why}")
        return
    reached = reach(tolerance, status.validators, reachable(status, missing))
    if not reached.unreachable:
        return
    away = [item for item in missing if item.code in _OUT_OF_REACH]
    if 1 < tolerance.validators == len(away) + 1:
        yield Finding(
            FindingCode.ISOLATED,
            "this node hears none of the other validators: most likely its own network is at fault",
            (status.validator,),
            min(item.for_ms for item in away),
        )
    if reached.spare < 0:
        code = FindingCode.QUORUM_UNREACHABLE
    elif reached.spare == 0:
        code = FindingCode.QUORUM_WITHOUT_SPARE
    else:
        code = FindingCode.VALIDATORS_UNREACHABLE
    why = "; ".join(f"{item.validator}: {item.words}" for item in away)
    # So many may be away; it has been so since one more than that went.
    durations = sorted((item.for_ms for item in away), reverse=True)
    place = max(0, tolerance.stopped + (0 if reached.spare < 0 else -1)) if reached.spare <= 0 else 0
    for_ms = durations[place] if len(durations) == len(reached.unreachable) else None
    sentence = reached.sentence() + (f" ({why})" if why else "")
    yield Finding(code, sentence, reached.unreachable, for_ms)


def progress(status: ReplicaStatus, missing: tuple[Missing, ...]) -> Iterator[Finding]:
    """Whether this node is where others are, and whether blocks are appended at all; if it could know."""
    if status.refused_record is not None:
        yield Finding(
            FindingCode.CERTIFIED_BLOCK_REFUSED,
            f"a quorum has certified a block of height {status.deciding} that is not valid here: "
            f"{status.refused_record}",
            _self(status),
        )
    if status.validator is None and not status.peers:
        return
    claim = claimed_height(status)
    behind, patience = claim.height - status.deciding, patience_ms(status)
    if behind > BLOCKS_BEHIND_MAX_DEFAULT or (behind > 0 and status.waiting_ms > patience):
        stands = f", and nothing was appended for {span(status.waiting_ms)}" if status.waiting_ms > patience else ""
        yield Finding(
            FindingCode.BEHIND,
            f"{claim.by} are at height {claim.height}, this node is at {status.deciding}: {behind} blocks behind"
            f"{stands}",
            _self(status),
            status.waiting_ms if stands else None,
        )
    elif _is_stalled(status):
        yield _stalled(status, missing)
        yield from _rounds(status, missing)
        yield from _round(status)


def waiting(status: ReplicaStatus) -> Iterator[Finding]:
    """Whether submissions are refused because too many wait."""
    if status.mempool_full:
        yield Finding(
            FindingCode.MEMPOOL_FULL,
            f"{status.mempool_transactions} transactions of {status.mempool_bytes} bytes wait for a block, and there "
            "is no room for more",
            _self(status),
        )


def _is_stalled(status: ReplicaStatus) -> bool:
    timing = status.timing
    overdue = status.busy_ms is not None and status.busy_ms > patience_ms(status)
    idle_ms_max = timing.heartbeat_ms + timing.timeout_ms_max
    return status.round >= STALLED_ROUNDS or overdue or status.waiting_ms > idle_ms_max


def _stalled(status: ReplicaStatus, missing: tuple[Missing, ...]) -> Finding:
    why = {item.validator: item.words for item in missing}
    if status.validator is not None and status.role is not Role.VOTING:
        why[status.validator] = f"this node, {status.role.value}"
    named = [f"{name} ({why[name]})" if name in why else name for name in status.missing]
    votes = f"; no vote seen from: {', '.join(named)}" if named else ""
    failed = f"; rounds failed that were led by: {', '.join(status.failed_leaders)}" if status.failed_leaders else ""
    gave_up = [name for name in status.timed_out if name not in status.prepared]
    if gave_up and status.proposal_seen and status.validator in status.prepared:
        failed += f"; given up, with a proposal that is valid here, by: {', '.join(gave_up)}"
    waits = f"; {status.mempool_transactions} transactions wait here" if status.mempool_transactions else ""
    late = is_overdue(status)  # in a younger round votes may be on their way
    absent = tuple(name for name in status.validators if name in why or (late and name in status.missing))
    for_ms = status.waiting_ms if status.busy_ms is None else status.busy_ms
    too_few = len(status.validators) - len(absent) < status.quorum
    explanation = status.explanation.removeprefix(f"height {status.deciding}, round {status.round}: ")
    return Finding(
        FindingCode.STALLED,
        f"nothing was appended for {span(for_ms)}: height {status.deciding} is in round {status.round}, "
        f"{explanation}{votes}{failed}{waits}",
        absent if too_few else (),
        for_ms,
    )


def _rounds(status: ReplicaStatus, missing: tuple[Missing, ...]) -> Iterator[Finding]:
    """Whether rounds fail although a quorum takes part in them."""
    may_fail = len(status.validators) - status.quorum
    if status.round >= max(STALLED_ROUNDS, may_fail + 1) and len(missing) <= may_fail and status.role is Role.VOTING:
        yield Finding(
            FindingCode.ROUNDS_FAIL,
            f"a quorum takes part, and more rounds failed than so many bad leaders explain, {status.round} in all; a "
            f"round lasts {status.timing.round_timeout_ms(status.round)} ms now",
        )


def _round(status: ReplicaStatus) -> Iterator[Finding]:
    """What a round that takes too long lacks, besides votes."""
    if len(status.votes) > 1:
        split = "; ".join(f"{', '.join(item.validators)} for block {_short(item.block_hash)}" for item in status.votes)
        yield Finding(FindingCode.VOTES_DIFFER, f"the prepare votes of round {status.round} differ: {split}")
    if status.refused_block is not None:
        yield Finding(
            FindingCode.BLOCK_REFUSED,
            f"block {_short(status.refused_block.block_hash)}, which was proposed for height {status.deciding}, is not "
            f"valid here: {status.refused_block.reason}",
        )
    if status.round_ms is None:
        return
    takes_part = {*status.prepared, *status.committed, *status.timed_out}
    if not status.proposal_seen and status.leader in takes_part and status.leader != status.validator:
        yield Finding(
            FindingCode.LEADER_SILENT,
            f"{status.leader} leads round {status.round} and votes in it, and no proposal of it has come",
            (status.leader,),
            status.round_ms,
        )
    asked = status.round_ms > _CONTENT_TICKS * status.timing.tick_ms
    if status.wanted_blocks and status.refused_block is None and asked:
        yield Finding(
            FindingCode.BLOCK_UNAVAILABLE,
            f"proposed for height {status.deciding}, and nobody has sent what it consists of: block "
            f"{', '.join(map(_short, status.wanted_blocks))}",
            (),
            status.round_ms,
        )


def _self(status: ReplicaStatus) -> tuple[str, ...]:
    return () if status.validator is None else (status.validator,)


def _short(block_hash: Digest) -> str:
    return block_hash.hex()[:8]
