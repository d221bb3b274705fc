"""What is wrong with this node itself: its seat and its vote state, its clock, its disk, its pace."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ledger.governance.activation import unknown_rules
from ledger.limits import CLOCK_AHEAD_MS_MAX
from ledger.parameters import PROTOCOL_VERSION
from ledger.state import State
from node.doctor.findings import Finding, FindingCode, span
from node.replica import ReplicaStatus, Role
from node.verification.status import WorkersStatus

WORKERS_LOST_RECENTLY_MS: Final = 600_000
"""How long it is worth telling that a process that verified was lost."""

STOOD_STILL_RECENTLY_MS: Final = 600_000
"""How long it is worth telling that a node stood still."""


def own_standing(status: ReplicaStatus, state: State) -> Iterator[Finding]:
    """Whether this node does what it should."""
    me = () if status.validator is None else (status.validator,)
    if status.role is Role.HALTED:
        yield Finding(FindingCode.HALTED, f"this node has halted: {status.reason}", me)
    elif status.role is Role.OBSERVING:
        yield Finding(FindingCode.NOT_VOTING, f"{status.validator}, this node, does not vote: {status.reason}", me)
    elif status.role is Role.FOLLOWING:
        yield Finding(FindingCode.NOT_IN_SET, f"this node follows: {status.reason}")
    if status.unfit is not None:
        yield Finding(FindingCode.VOTE_STATE_LOST, f"this node could not vote if it joined: {status.unfit}")
    if (height := status.conflict_height) is not None:
        yield Finding(
            FindingCode.CHAINS_CONFLICT, f"a quorum signed another block of height {height} than this node has"
        )
    if (rules := unknown_rules(state, status.height)) is not None:
        yield Finding(
            FindingCode.PROTOCOL_VERSION_UNKNOWN,
            f"from height {rules.height} on the chain follows protocol version {rules.protocol_version}, and this "
            f"software knows {PROTOCOL_VERSION} at most",
            me,
        )
    if status.stood_still_times and status.stood_still_ago_ms <= STOOD_STILL_RECENTLY_MS:
        yield Finding(
            FindingCode.STOOD_STILL,
            f"this node stood still for {span(status.stood_still_ms)}, {span(status.stood_still_ago_ms)} ago; it was "
            f"time number {status.stood_still_times} since its start",
            me,
        )


def lost_workers(status: ReplicaStatus, workers: WorkersStatus) -> Iterator[Finding]:
    """Whether what should verify for this node does."""
    if workers.lost_ago_ms is not None and workers.lost_ago_ms <= WORKERS_LOST_RECENTLY_MS:
        yield Finding(
            FindingCode.WORKERS_LOST,
            f"this node lost a process that verifies signatures {span(workers.lost_ago_ms)} ago, {workers.lost} since "
            f"its start; {workers.running} of {workers.configured} run",
            () if status.validator is None else (status.validator,),
        )


def damage(status: ReplicaStatus) -> Iterator[Finding]:
    """What the disk of this node has damaged."""
    found, me = status.damage, () if status.validator is None else (status.validator,)
    if found.elsewhere is not None:
        yield Finding(FindingCode.DATABASE_DAMAGED, f"the database of this node is damaged: {found.elsewhere}", me)
    if found.blocks:
        count, first = len(found.blocks), found.blocks[0]
        what = f"block {first} is" if count == 1 else f"{count} blocks are, the first of them {first},"
        yield Finding(FindingCode.BLOCKS_DAMAGED, f"{what} damaged on the disk of this node", me)
    if found.archived_height is not None:
        yield Finding(
            FindingCode.DATABASE_REBUILDING,
            f"the database of this node was damaged up to height {found.archived_height}, and is being made anew",
            me,
        )


def clocks(status: ReplicaStatus) -> Iterator[Finding]:
    """Whose clock is wrong, by what validators cosigned at what time.

    The clock in the middle of all that were seen, this node's among them, is right if more than half agree with it.
    Otherwise nobody can say which are wrong.
    """
    if status.clock_set_back_ms > CLOCK_AHEAD_MS_MAX:
        yield Finding(
            FindingCode.CLOCK_WRONG,
            f"the clock of this node is {span(status.clock_set_back_ms)} behind the time at which it cosigned last: it "
            "was set back, and cosigns no checkpoint until it is past that time",
            () if status.validator is None else (status.validator,),
        )
    ahead = {item.validator: item.ahead_ms for item in status.clocks}
    mine = "this node" if status.validator is None else status.validator
    ahead[mine] = 0
    in_order = sorted(ahead.values())
    right_ms = in_order[len(in_order) // 2]
    wrong = {name: value - right_ms for name, value in ahead.items() if abs(value - right_ms) > CLOCK_AHEAD_MS_MAX}
    if not wrong:
        return
    if 2 * len(wrong) >= len(ahead):
        what, wrong = f"no more than half of {len(ahead)} clocks agree, so some are wrong; against this node's:", ahead
    else:
        what = f"of {len(ahead)} clocks, these are far from the middle:"
    listed = ", ".join(
        f"{name} {span(abs(value))} {'ahead' if value > 0 else 'behind'}"
        for name, value in sorted(wrong.items())
        if value
    )
    yield Finding(
        FindingCode.CLOCK_WRONG, f"{what} {listed}", tuple(name for name in status.validators if name in wrong)
    )
