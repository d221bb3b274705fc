"""The pacemaker: rounds, the one timer of a round, giving a round up, and the resend tick.

A round is left only with a timeout certificate, never by a timer alone. So round numbers and timeouts cannot run away
while no quorum is connected, and a node that is any number of rounds behind needs one message to catch up.

    T(r) = min(base * 1.5^r, max), restarted whenever a round is entered
    runs: in rounds above 0 always; in round 0 once there is work, or a valid or durable message of this height
          (A4c), or nothing happened for `heartbeat_ms`
    fires: the round is given up, once; a restart or a resend repeats the identical vote
    early: after T(r) / 2 without a link to the leader, of those links that were up since this node started, by a
           node that can still reach a quorum

A leader that was killed so costs half of its timeout: its system closes its connections at once. A link that only
breaks is restored in eight message delays, which the timer must be worth twice. One that was never up says nothing:
after a start they come up one by one. And who is cut off itself would only give its own vote away.

The tick, every `tick_ms`, never stops: own messages of the current round, the entry certificate, our status, and what
is wanted are sent again. Nothing relies on earlier deliveries.
"""

from __future__ import annotations

from ledger.consensus.effects import Broadcast, BroadcastStatus, CastTimeout, CheckBlock, WakeAt, WantJustification
from ledger.consensus.messages import TimeoutCertificate
from ledger.consensus.state import HeightState
from ledger.consensus.statements import NO_ROUND, StatementType, TimeoutStatement
from ledger.limits import ROUNDS_BEHIND_MAX
from ledger.primitives import ZERO_DIGEST


def enter(state: HeightState, certificate: TimeoutCertificate) -> None:
    """Enter the round after that of `certificate`, whose content is adopted already, and tell the others once."""
    assert certificate.round >= state.round
    state.round, state.entry = certificate.round + 1, certificate
    state.round_ends_at_ms = None
    state.spoken.clear()
    _forget_old_rounds(state)
    if state.context.me is not None:
        state.effects.append(Broadcast(certificate))
    start_timer(state)


def quiet_until_ms(state: HeightState) -> int:
    """Before this time no empty block is proposed in round 0 (amendment A10)."""
    return state.context.committed_at_ms + state.context.timing.base_timeout_ms


def start_timer(state: HeightState) -> None:
    """Start the timer of the round if it does not run and somebody waits for the height."""
    if state.round_ends_at_ms is not None or not state.votes:
        return
    timing, now_ms = state.context.timing, state.now.monotonic_ms
    idle_ms = now_ms - state.context.committed_at_ms
    if state.round == 0 and not (state.work_pending or state.heard or idle_ms >= timing.heartbeat_ms):
        return
    starts_at_ms = now_ms
    if state.round == 0 and not state.work_pending and not state.proposals:
        # The leader may be waiting for A10: a timeout of somebody else must not cost an idle, honest leader its round.
        starts_at_ms = max(now_ms, quiet_until_ms(state))
    state.round_ends_at_ms = starts_at_ms + timing.round_timeout_ms(state.round)


def gives_up_at_ms(state: HeightState) -> int | None:
    """When this round is given up, unless it ends before; None while its timer does not run."""
    ends_at_ms = state.round_ends_at_ms
    if not state.links_lost:
        return ends_at_ms
    lost_at_ms = state.links_lost.get(state.context.leader(state.round))
    is_cut_off = state.context.validator_count - len(state.links_lost) < state.context.quorum
    if ends_at_ms is None or lost_at_ms is None or is_cut_off:
        return ends_at_ms
    timing = state.context.timing
    started_at_ms = ends_at_ms - timing.round_timeout_ms(state.round)
    return min(ends_at_ms, max(started_at_ms, lost_at_ms) + timing.lost_leader_timeout_ms(state.round))


def give_up(state: HeightState) -> None:
    """Sign a timeout of the current round, unless that was done, naming the newest prepare certificate up to it."""
    if not state.votes or state.promised(StatementType.TIMEOUT) is not None:
        return
    high_round = max((round for round in state.prepare_certificates if round <= state.round), default=NO_ROUND)
    prepared = state.prepare_certificates.get(high_round)
    high_hash = ZERO_DIGEST if prepared is None else prepared.block_hash
    statement = TimeoutStatement(state.context.height, state.round, high_round, high_hash)
    state.promise(statement)
    state.effects.append(CastTimeout(statement, prepared, state.durable(prepared=prepared)))


def wake(state: HeightState) -> None:
    """Look at the deadlines: the end of the round, and the tick."""
    now_ms, gives_up_ms = state.now.monotonic_ms, gives_up_at_ms(state)
    if gives_up_ms is not None and now_ms >= gives_up_ms:
        give_up(state)
    if state.tick_at_ms is not None and now_ms >= state.tick_at_ms:
        state.tick_at_ms = now_ms + state.context.timing.tick_ms
        _resend(state)


def wish_to_wake(state: HeightState, *, renew: bool) -> None:
    """Say when to be woken next, if that changed or (`renew`) the earlier wish was fulfilled."""
    assert state.tick_at_ms is not None, "the tick never stops"
    earliest = state.tick_at_ms
    if state.votes:
        gives_up_ms = gives_up_at_ms(state)
        if gives_up_ms is None:
            earliest = min(earliest, state.context.committed_at_ms + state.context.timing.heartbeat_ms)
        elif state.promised(StatementType.TIMEOUT) is None:
            earliest = min(earliest, gives_up_ms)
            if state.round == 0 and (quiet_ms := quiet_until_ms(state)) > state.now.monotonic_ms:
                earliest = min(earliest, quiet_ms)
    if renew or earliest != state.wake_at_ms:
        state.wake_at_ms = earliest
        state.effects.append(WakeAt(earliest))


def _resend(state: HeightState) -> None:
    """Send again what is current: the identical messages, with the identical certificates that they came with."""
    state.answered.clear()
    state.built_round = None
    if state.votes:
        for kind in StatementType:
            message = state.spoken.get((state.round, kind))
            if message is not None:
                state.effects.append(Broadcast(message))
        if state.entry is not None:
            state.effects.append(Broadcast(state.entry))
    state.effects.append(BroadcastStatus(state.round))
    state.effects += [CheckBlock(block_hash, content) for block_hash, content in state.wanted_blocks.items()]
    state.effects += [WantJustification(digest) for digest in state.wanted_justifications]


def _forget_old_rounds(state: HeightState) -> None:
    """Drop votes and proposals far behind, and justifications that nothing refers to. Certificates are kept (A5)."""
    oldest = state.round - ROUNDS_BEHIND_MAX
    state.book.forget_below(oldest)
    for round in [round for round in state.proposals if round < oldest]:
        del state.proposals[round]
    bound = {certificate.justification_digest for certificate in state.prepare_certificates.values()}
    for digest, justification in list(state.justifications.items()):
        if justification.round < oldest - 1 and digest not in bound:
            del state.justifications[digest]
