"""The status of a replica, put together when somebody asks."""

from __future__ import annotations

from ledger.consensus.engine import RoundStatus, Timing
from node.replica import explaining, repairing
from node.replica.parts import Parts
from node.replica.standing import standing, unfit
from node.replica.status import BlockVotes, ClockReading, PeerStatus, RefusedBlock, ReplicaStatus, Role, Unlinked


def describe(parts: Parts, *, halted: str | None) -> ReplicaStatus:
    """Where this node is and what it waits for. `halted` is why its storage failed, if it did."""
    deciding, now_ms = parts.deciding, parts.now.monotonic_ms
    status, tip, mempool = deciding.engine.status(), parts.chain.tip, parts.door.mempool
    timing = deciding.engine.context.timing
    role, reason = (Role.HALTED, halted) if halted is not None else standing(parts)
    still = parts.watch.stood_still
    return ReplicaStatus(
        chain=parts.chain.chain,
        height=tip.header.height,
        block_hash=tip.block_hash,
        time_ms=tip.header.time_ms,
        deciding=deciding.height,
        waiting_ms=now_ms - parts.watch.appended_at_ms,
        busy_ms=None if parts.watch.busy_at_ms is None else now_ms - parts.watch.busy_at_ms,
        round=status.round,
        round_ms=_round_ms(status, timing, now_ms),
        timing=timing,
        leader=deciding.name(status.leader),
        failed_leaders=_failed_leaders(parts, status.round),
        proposal_seen=status.proposal_seen,
        role=role,
        reason=reason,
        validator=None if deciding.me is None else deciding.name(deciding.me),
        validators=tuple(validator.name for validator in deciding.validators.validators),
        quorum=deciding.validators.quorum,
        quorum_sentence=deciding.validators.tolerance.sentence(),
        prepared=tuple(map(deciding.name, status.prepared)),
        committed=tuple(map(deciding.name, status.committed)),
        timed_out=tuple(map(deciding.name, status.timed_out)),
        missing=explaining.missing(deciding, status),
        votes=_votes(parts, status),
        wanted_blocks=status.waiting_for_blocks,
        refused_block=_refused_block(parts),
        refused_record=_refused_record(parts),
        peers=_peers(parts),
        unlinked=_unlinked(parts),
        clocks=_clocks(parts),
        clock_set_back_ms=_clock_set_back_ms(parts),
        stood_still_ms=0 if still is None else still.for_ms,
        stood_still_ago_ms=0 if still is None else now_ms - still.until_ms,
        stood_still_times=0 if still is None else still.number,
        mempool_transactions=len(mempool),
        mempool_bytes=mempool.bytes,
        mempool_full=mempool.is_full,
        evidence_count=len(parts.findings.evidence()),
        conflict_height=parts.findings.first_conflict,
        unfit=unfit(parts) if role is Role.FOLLOWING else None,
        explanation=explaining.explain(
            deciding,
            status,
            parts.peers,
            role=role,
            reason=reason,
            refused=parts.syncing.refused,
            mempool_transactions=len(mempool),
        ),
        damage=repairing.damage_status(parts),
    )


def _round_ms(status: RoundStatus, timing: Timing, now_ms: int) -> int | None:
    """How long the timer of the round has run."""
    if status.ends_at_ms is None:
        return None
    return max(0, now_ms - status.ends_at_ms + timing.round_timeout_ms(status.round))


def _votes(parts: Parts, status: RoundStatus) -> tuple[BlockVotes, ...]:
    """Who prepared which block in this round."""
    name = parts.deciding.name
    return tuple(BlockVotes(block_hash, tuple(map(name, voters))) for block_hash, voters in status.prepared_blocks)


def _failed_leaders(parts: Parts, round: int) -> tuple[str, ...]:
    """Who led the rounds before this one, the first first, each once."""
    context = parts.deciding.engine.context
    rounds = range(min(round, context.validator_count))
    return tuple(parts.deciding.name(context.leader(number)) for number in rounds)


def _peers(parts: Parts) -> tuple[PeerStatus, ...]:
    now_ms, watch = parts.now.monotonic_ms, parts.watch
    return tuple(
        PeerStatus(
            name,
            parts.deciding.name_of_peer(name),
            peer.height,
            peer.round,
            silent_ms=now_ms - watch.since(peer.heard_at_ms),
            standing_ms=now_ms - watch.since(peer.moved_at_ms),
            behind_ms=now_ms - watch.since(peer.level_at_ms),
        )
        for name, peer in parts.peers
    )


def _unlinked(parts: Parts) -> tuple[Unlinked, ...]:
    """The other validators that are not linked, and for how long, as far as this node knows."""
    deciding, watch, now_ms = parts.deciding, parts.watch, parts.now.monotonic_ms
    absent = []
    for index in range(len(deciding.validators)):
        peer = deciding.peer_of(index)
        if index != deciding.me and parts.peers.get(peer) is None:
            since_ms = watch.unlinked.get(peer, watch.started_at_ms)
            absent.append(Unlinked(deciding.name(index), now_ms - since_ms))
    return tuple(absent)


def _clocks(parts: Parts) -> tuple[ClockReading, ...]:
    now_ms, names = parts.now.monotonic_ms, {item.name for item in parts.deciding.validators.validators}
    return tuple(
        ClockReading(name, reading.ahead_ms, now_ms - reading.at_ms)
        for name, reading in sorted(parts.watch.clocks.items())
        if name in names
    )


def _clock_set_back_ms(parts: Parts) -> int:
    newest = parts.cosigned.newest
    return 0 if newest is None else max(0, newest.time_s * 1_000 - parts.now.wall_ms)


def _refused_block(parts: Parts) -> RefusedBlock | None:
    """The block that is not valid here, while it is wanted all the same."""
    deciding = parts.deciding
    if deciding.refused_block is None:
        return None
    name, reason = deciding.refused_block
    return RefusedBlock(name, reason) if name in deciding.engine.status().waiting_for_blocks else None


def _refused_record(parts: Parts) -> str | None:
    refused = parts.syncing.refused
    return None if refused is None or refused[0] != parts.deciding.height else refused[1]
