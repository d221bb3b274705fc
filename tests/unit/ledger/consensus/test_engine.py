"""The engine of one height, effect by effect: inputs go in, and exactly what should happen comes out.

Stories with several validators are in `tests/scenarios`; here one validator is looked at closely.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from msgspec.structs import replace

from ledger.consensus.codec import justification_digest
from ledger.consensus.effects import (
    Broadcast,
    BroadcastStatus,
    BuildBlock,
    CastCommit,
    CastPrepare,
    CastProposal,
    CastTimeout,
    CheckBlock,
    Commit,
    Durable,
    Effect,
    ReportEvidence,
    Send,
    VoteStateContradicted,
    WakeAt,
    WantJustification,
)
from ledger.consensus.engine import HeightEngine, Restored, Timing
from ledger.consensus.inputs import (
    BlockBuilt,
    BlockChecked,
    BlockFacts,
    Input,
    JustificationReceived,
    LinkLost,
    LinkUp,
    MessageReceived,
    Now,
    PeerId,
    StatusReceived,
    Wake,
    WorkPending,
)
from ledger.consensus.messages import (
    CommitVote,
    ConsensusMessage,
    PrepareVote,
    Proposal,
    ProposedBlock,
    SignedMessage,
    TimeoutVote,
)
from ledger.consensus.statements import CommitStatement, PrepareStatement, ProposalStatement, TimeoutStatement
from ledger.limits import BLOCKS_WANTED_MAX, PROPOSALS_PER_ROUND_MAX, ROUNDS_AHEAD_MAX, ROUNDS_BEHIND_MAX
from ledger.primitives import ZERO_DIGEST, Digest, Signature
from tests.unit.ledger.consensus.signed import (
    HEIGHT,
    TIMING,
    X,
    Y,
    commit,
    context,
    prepare,
    prepared,
    proposal,
    sign,
    signed,
    timed_out,
    timeout,
)

START_MS = 10_000
PEER = PeerId("peer")
BLOCK = ProposedBlock(b"{}", (Digest(b"t" * 32),))
EMPTY = ProposedBlock(b"{}", ())


def fresh(round: int = 0, *, time_ms: int = 1_000_001) -> BlockFacts:
    return BlockFacts(round, round % 4, time_ms)


class Bench:
    """An engine and its clock; WakeAt effects are kept apart, everything else is returned."""

    def __init__(self, *, restored: Restored | None = None, **changes: object) -> None:
        self.engine = HeightEngine(context(**changes), restored)  # type: ignore[arg-type]
        self.now_ms = START_MS
        self.wake_at_ms: int | None = None
        self.first = self.give(Wake())

    def give(self, given: Input) -> list[Effect]:
        effects = self.engine.handle(given, Now(self.now_ms, 2_000_000))
        for effect in effects:
            if isinstance(effect, WakeAt):
                self.wake_at_ms = effect.monotonic_ms
        return [effect for effect in effects if not isinstance(effect, WakeAt)]

    def hear(self, *messages: ConsensusMessage) -> list[Effect]:
        return [effect for message in messages for effect in self.give(MessageReceived(message, PEER))]

    def own(self, effects: Iterable[Effect]) -> list[Effect]:
        """Sign what is cast, as the replica does, and hand it back."""
        return [effect for cast in effects if (made := self.signed(cast)) for effect in self.give(made)]

    def signed(self, effect: Effect) -> MessageReceived | None:
        me = self.engine.context.me
        assert me is not None
        message: SignedMessage
        match effect:
            case CastProposal(statement, justification, block):
                message = Proposal(statement, me, sign(me, statement), justification, block)
            case CastPrepare(statement):
                message = PrepareVote(statement, me, sign(me, statement))
            case CastCommit(statement):
                message = CommitVote(statement, me, sign(me, statement))
            case CastTimeout(statement, certificate):
                message = TimeoutVote(statement, me, sign(me, statement), certificate)
            case _:
                return None
        return MessageReceived(message, None)

    def at(self, now_ms: int) -> list[Effect]:
        self.now_ms = now_ms
        return self.give(Wake())


# ---- the normal case


def test_the_only_validator_decides_without_calling_itself() -> None:
    bench = Bench(me=0, count=1, quorum=1)
    assert bench.first == []
    assert bench.give(WorkPending()) == [BuildBlock(0)]
    cast = bench.give(BlockBuilt(0, X, BLOCK, fresh()))
    assert cast == [
        CastProposal(ProposalStatement(HEIGHT, 0, X, ZERO_DIGEST), None, BLOCK, Durable(block_hash=X)),
        CastPrepare(PrepareStatement(HEIGHT, 0, X, ZERO_DIGEST), Durable(block_hash=X)),
    ]
    cast = bench.own(cast)
    certificate = prepared(0, X, by=(0,))
    assert cast == [CastCommit(CommitStatement(HEIGHT, 0, X), Durable((), (certificate,), X))]
    (decided,) = bench.own(cast)
    assert isinstance(decided, Commit)
    assert (decided.block_hash, decided.justifications) == (X, ())
    assert bench.engine.decided


def test_a_follower_of_the_leader_prepares_and_commits() -> None:
    bench = Bench(me=2)
    assert bench.hear(proposal(0, 0, X, block=BLOCK)) == [CheckBlock(X, BLOCK)]
    cast = bench.give(BlockChecked(X, fresh()))
    assert cast == [CastPrepare(PrepareStatement(HEIGHT, 0, X, ZERO_DIGEST), Durable(block_hash=X))]
    assert bench.own(cast) == []
    assert bench.hear(prepare(0)) == []
    cast = bench.hear(prepare(1))
    assert cast == [CastCommit(CommitStatement(HEIGHT, 0, X), Durable((), (prepared(0),), X))]
    assert bench.own(cast) == []
    assert bench.hear(commit(0)) == []
    (decided,) = bench.hear(commit(3))
    assert isinstance(decided, Commit)
    assert [item.validator for item in decided.certificate.signatures] == [0, 2, 3]


def test_after_the_commit_nothing_means_anything() -> None:
    bench = Bench(me=2)
    bench.hear(proposal(0, 0, X), commit(0), commit(1), commit(3))
    (decided,) = bench.give(BlockChecked(X, fresh()))
    assert isinstance(decided, Commit)  # before any vote: the height is decided
    bench.now_ms += 1_000_000
    for given in (Wake(), WorkPending(), StatusReceived(PEER, 0), MessageReceived(timeout(1), PEER)):
        assert bench.give(given) == []


def test_an_invalid_block_is_not_prepared() -> None:
    bench = Bench(me=2)
    bench.hear(proposal(0, 0, X))
    assert bench.give(BlockChecked(X, None)) == []
    assert bench.hear(prepare(0), prepare(1), prepare(3)) == []


def test_a_block_by_another_than_the_leader_of_its_round_is_not_valid() -> None:
    bench = Bench(me=2)
    bench.hear(proposal(0, 0, X))
    assert bench.give(BlockChecked(X, replace(fresh(), proposer=1))) == []


def test_a_proposal_by_another_than_the_leader_is_nothing() -> None:
    bench = Bench(me=2)
    assert bench.hear(proposal(1, 0, X)) == []
    assert not bench.engine.status().proposal_seen


def test_a_fresh_block_of_another_round_is_not_justified() -> None:
    bench = Bench(me=3)
    bench.hear(proposal(1, 1, X, timed_out(0)))
    assert bench.give(BlockChecked(X, fresh(0))) == []


@pytest.mark.parametrize(
    ("time_ms", "prepares"), [(2_010_000, True), (2_010_001, False), (1_000_001, True), (1_000_002, True)]
)
def test_a_fresh_block_is_at_most_ten_seconds_ahead(time_ms: int, prepares: bool) -> None:
    bench = Bench(me=2)
    bench.hear(proposal(0, 0, X))
    assert bool(bench.give(BlockChecked(X, fresh(time_ms=time_ms)))) == prepares


def test_a_block_one_ms_above_its_parent_is_always_in_time() -> None:
    bench = Bench(me=2, parent_time_ms=90_000_000)
    bench.hear(proposal(0, 0, X))
    assert bench.give(BlockChecked(X, fresh(time_ms=90_000_001))) != []


@pytest.mark.parametrize(("time_ms", "prepares"), [(1_000_001, True), (1_000_002, False)])
def test_in_later_rounds_time_moves_by_one_ms(time_ms: int, prepares: bool) -> None:
    bench = Bench(me=3)
    bench.hear(proposal(1, 1, X, timed_out(0)))
    assert bool(bench.give(BlockChecked(X, fresh(1, time_ms=time_ms)))) == prepares


def test_a_block_ahead_of_time_is_prepared_when_its_time_has_come() -> None:
    bench = Bench(me=2)
    bench.hear(proposal(0, 0, X))
    assert bench.give(BlockChecked(X, fresh(time_ms=2_010_500))) == []
    effects = bench.engine.handle(Wake(), Now(START_MS + 499, 2_000_499))
    assert not any(isinstance(effect, CastPrepare) for effect in effects)
    effects = bench.engine.handle(Wake(), Now(START_MS + 500, 2_000_500))
    assert any(isinstance(effect, CastPrepare) for effect in effects)


# ---- timers


def test_t_of_r_is_integer_arithmetic() -> None:
    timing = Timing(1_000, 60_000, 60_000, 500)
    assert [timing.round_timeout_ms(round) for round in range(6)] == [1_000, 1_500, 2_250, 3_375, 5_062, 7_593]
    assert timing.round_timeout_ms(11) == 60_000
    assert timing.round_timeout_ms(2**31) == 60_000


def gives_up(effects: Iterable[Effect]) -> bool:
    return any(isinstance(effect, CastTimeout) for effect in effects)


def test_a_round_whose_leader_is_lost_is_given_up_after_half_of_its_timer() -> None:
    bench = Bench(me=2)
    bench.give(WorkPending())
    assert bench.wake_at_ms == START_MS + 500, "the tick"
    bench.now_ms += 100
    assert bench.give(LinkLost(0, bench.now_ms)) == []
    assert not gives_up(bench.at(START_MS + 500))
    assert bench.wake_at_ms == START_MS + 600
    assert not gives_up(bench.at(START_MS + 599))
    assert gives_up(bench.at(START_MS + 600))
    assert bench.wake_at_ms == START_MS + 1_000, "once"


def test_a_leader_that_was_lost_long_ago_has_half_of_each_timer() -> None:
    """Its link may be about to come up, at the end of a partition."""
    bench = Bench(me=2)
    bench.give(LinkLost(0, START_MS - 60_000))
    bench.now_ms += 100
    bench.give(WorkPending())
    assert not gives_up(bench.at(START_MS + 599))
    assert gives_up(bench.at(START_MS + 600))
    bench.give(LinkUp(0))
    bench.give(LinkLost(1, START_MS - 60_000))
    bench.hear(timed_out(0))
    assert bench.engine.round == 1
    assert not gives_up(bench.at(START_MS + 600 + 749))
    assert gives_up(bench.at(START_MS + 600 + 750)), "of 1,500 ms"


def test_who_cannot_reach_a_quorum_waits_for_the_whole_timer() -> None:
    bench = Bench(me=2)
    bench.give(WorkPending())
    bench.give(LinkLost(0, START_MS))
    bench.give(LinkLost(3, START_MS))
    assert not gives_up(bench.at(START_MS + 999))
    assert gives_up(bench.at(START_MS + 1_000))


def test_a_leader_that_is_linked_again_has_the_whole_timer() -> None:
    bench = Bench(me=2)
    bench.give(WorkPending())
    bench.give(LinkLost(0, START_MS))
    bench.now_ms += 499
    assert bench.give(LinkUp(0)) == []
    assert not gives_up(bench.at(START_MS + 999))
    assert gives_up(bench.at(START_MS + 1_000))


def test_nobody_but_the_leader_of_the_round_need_be_linked() -> None:
    for other in (1, 3):
        bench = Bench(me=2)
        bench.give(WorkPending())
        bench.give(LinkLost(other, START_MS))
        assert not gives_up(bench.at(START_MS + 999))


def test_a_lost_leader_makes_no_idle_height_busy() -> None:
    """Amendment A10: what somebody's message started counts from the end of the pause, with or without a link."""
    bench = Bench(me=2)
    bench.give(LinkLost(0, START_MS))
    for tick in range(1, 4):
        assert bench.at(START_MS + 500 * tick) == [BroadcastStatus(0)]
    early = Bench(me=2)
    early.give(LinkLost(0, START_MS))
    early.hear(timeout(3))
    assert not gives_up(early.at(START_MS + 1_499))
    assert gives_up(early.at(START_MS + 1_500))


def test_an_observer_gives_nothing_up_whoever_is_lost() -> None:
    bench = Bench(me=2, may_vote=False)
    bench.give(WorkPending())
    bench.give(LinkLost(0, START_MS))
    assert not gives_up(bench.at(START_MS + 5_000))


def test_an_idle_height_only_ticks() -> None:
    bench = Bench(me=0)
    for tick in range(1, 100):
        assert bench.at(START_MS + 500 * tick) == [BroadcastStatus(0)]
        assert bench.wake_at_ms == START_MS + 500 * (tick + 1)
    assert not bench.engine.status().timer_running


def test_the_heartbeat_makes_the_leader_propose_an_empty_block() -> None:
    bench, other = Bench(me=0), Bench(me=1)
    assert BuildBlock(0) not in bench.at(START_MS + TIMING.heartbeat_ms - 1)
    assert BuildBlock(0) in bench.at(START_MS + TIMING.heartbeat_ms)
    other.at(START_MS + TIMING.heartbeat_ms)
    assert other.engine.status().timer_running
    assert bench.give(BlockBuilt(0, X, EMPTY, fresh())) != []


def test_an_empty_block_waits_for_the_base_timeout_and_work_does_not() -> None:
    bench = Bench(me=0)
    assert bench.hear(timeout(3)) == []
    assert bench.wake_at_ms == START_MS + 500
    assert BuildBlock(0) not in bench.at(START_MS + 999)
    assert bench.wake_at_ms == START_MS + 1_000
    assert bench.give(WorkPending()) == [BuildBlock(0)]


@pytest.mark.parametrize("pause_ms", [0, 200])
def test_work_that_is_gone_when_the_block_is_built_is_no_work(pause_ms: int) -> None:
    """Then the leader waits for A10 like any other, and does not give its own round up meanwhile."""
    bench = Bench(me=0)
    bench.now_ms += pause_ms
    assert bench.give(WorkPending()) == [BuildBlock(0)]
    assert bench.give(BlockBuilt(0, X, EMPTY, fresh())) == []
    assert bench.at(START_MS + 1_000) == [BroadcastStatus(0), BuildBlock(0)]


def test_a_block_that_our_own_check_refuses_is_not_proposed() -> None:
    bench = Bench(me=0)
    bench.give(WorkPending())
    assert bench.give(BlockBuilt(0, X, BLOCK, None)) == []


def test_a_leader_that_gave_its_round_up_proposes_nothing_in_it() -> None:
    bench = Bench(me=0)
    bench.give(WorkPending())
    bench.give(BlockBuilt(0, X, BLOCK, None))
    assert bench.at(START_MS + 500) == [BroadcastStatus(0), BuildBlock(0)], "the next attempt may be better"
    cast = bench.at(START_MS + 1_000)
    assert CastTimeout(TimeoutStatement(HEIGHT, 0, -1, ZERO_DIGEST), None, Durable()) in cast
    bench.own(cast)
    assert bench.give(BlockBuilt(0, X, BLOCK, fresh())) == []
    assert bench.at(START_MS + 1_500) == [Broadcast(timeout(0)), BroadcastStatus(0)]


def test_a_block_built_for_a_round_that_is_over_is_not_proposed() -> None:
    bench = Bench(me=0)
    bench.give(WorkPending())
    bench.hear(timed_out(0))
    assert bench.give(BlockBuilt(0, X, BLOCK, fresh())) == []


def test_the_timer_gives_the_round_up_once_and_the_tick_repeats_the_bytes() -> None:
    bench = Bench(me=2)
    bench.give(WorkPending())
    assert bench.wake_at_ms == START_MS + 500
    bench.at(START_MS + 500)
    cast = bench.at(START_MS + 1_000)
    vote = CastTimeout(TimeoutStatement(HEIGHT, 0, -1, ZERO_DIGEST), None, Durable())
    assert cast == [vote, BroadcastStatus(0)]
    bench.own(cast)
    bench.hear(timeout(1, 1, prepared(0, by=(0, 1, 3))))  # a newer certificate changes nothing in what was signed
    assert bench.at(START_MS + 1_500) == [Broadcast(timeout(2)), BroadcastStatus(0), CheckBlock(X)]


def test_a_wake_that_is_early_or_repeated_changes_nothing() -> None:
    bench = Bench(me=2)
    bench.give(WorkPending())
    assert bench.at(START_MS + 10) == []
    assert bench.at(START_MS + 10) == []
    assert bench.wake_at_ms == START_MS + 500


def test_a_timeout_names_the_newest_certificate_up_to_its_round() -> None:
    later = prepared(1, X, justification_digest(timed_out(0)))
    bench = Bench(me=3)
    bench.hear(*(prepare(index, 0) for index in (0, 1, 2)))
    for index in (0, 1, 2):
        bench.hear(prepare(index, 1, X, later.justification_digest))
    assert bench.engine.status().high_round == 1
    (cast,) = [item for item in bench.at(START_MS + 2_000) if isinstance(item, CastTimeout)]
    assert cast.statement == TimeoutStatement(HEIGHT, 0, 0, X)
    assert cast.durable == Durable((), (prepared(0),))


# ---- rounds


def test_a_timeout_certificate_moves_any_distance_and_is_passed_on_once() -> None:
    bench = Bench(me=3)
    certificate = timed_out(5_000)
    assert bench.hear(certificate) == [Broadcast(certificate)]
    assert bench.engine.round == 5_001
    assert bench.hear(certificate) == []
    assert bench.hear(timed_out(4_999)) == [Send(PEER, certificate)]


def test_q_timeouts_move_the_round_from_below() -> None:
    bench = Bench(me=0)
    bench.hear(timeout(1, 3), timeout(2, 3))
    assert bench.engine.round == 0
    certificate = timed_out(3, None, by=(1, 2, 3))
    assert bench.hear(timeout(3, 3)) == [Broadcast(certificate), BuildBlock(4)]
    assert bench.engine.round == 4


def test_the_leader_of_a_later_round_proposes_at_once() -> None:
    bench = Bench(me=1)
    certificate = timed_out(0, by=(0, 2, 3))
    assert bench.hear(certificate) == [Broadcast(certificate), BuildBlock(1)]
    cast, vote = bench.give(BlockBuilt(1, X, EMPTY, fresh(1)))
    assert cast == CastProposal(
        ProposalStatement(HEIGHT, 1, X, justification_digest(certificate)),
        certificate,
        EMPTY,
        Durable((certificate,), (), X),
    )
    statement = PrepareStatement(HEIGHT, 1, X, justification_digest(certificate))
    assert vote == CastPrepare(statement, Durable((certificate,), (), X))


def test_a_leader_prepares_what_it_proposes_again_when_it_has_the_block() -> None:
    bench = Bench(me=1)
    certificate = timed_out(0, prepared(0, by=(0, 2, 3)), (0, 2, 3))
    bench.hear(proposal(0, 0, X, block=BLOCK))
    bench.give(BlockChecked(X, fresh()))
    digest = justification_digest(certificate)
    assert bench.hear(certificate) == [
        Broadcast(certificate),
        CastProposal(ProposalStatement(HEIGHT, 1, X, digest), certificate, None, Durable((certificate,), (), X)),
        CastPrepare(PrepareStatement(HEIGHT, 1, X, digest), Durable((certificate,), (), X)),
    ]


def test_a_leader_that_gets_the_block_after_it_proposed_it_again_prepares_it_then() -> None:
    bench = Bench(me=1)
    certificate = timed_out(0, prepared(0, by=(0, 2, 3)), (0, 2, 3))
    (_, cast) = bench.hear(certificate)
    bench.own([cast])
    vote = CastPrepare(
        PrepareStatement(HEIGHT, 1, X, justification_digest(certificate)), Durable((certificate,), (), X)
    )
    assert bench.give(BlockChecked(X, fresh())) == [vote]


def test_a_leader_that_gets_the_block_before_its_own_proposal_has_come_back_prepares_it_once() -> None:
    bench = Bench(me=1)
    certificate = timed_out(0, prepared(0, by=(0, 2, 3)), (0, 2, 3))
    (_, cast) = bench.hear(certificate)
    (vote,) = bench.give(BlockChecked(X, fresh()))
    assert isinstance(vote, CastPrepare)
    assert bench.own([cast, vote]) == []


def test_a_leader_that_gave_its_round_up_does_not_prepare_its_own_proposal() -> None:
    """Neither before nor after the proposal has come back."""
    bench = Bench(me=1)
    (_, cast) = bench.hear(timed_out(0, prepared(0, by=(0, 2, 3)), (0, 2, 3)))
    assert isinstance(cast, CastProposal)
    (given_up,) = [item for item in bench.at(START_MS + 1_500) if isinstance(item, CastTimeout)]
    assert bench.give(BlockChecked(X, fresh())) == []
    assert bench.own([cast, given_up]) == []


def test_a_leader_whose_round_ends_before_its_own_messages_come_back_counts_them_and_goes_on() -> None:
    bench = Bench(me=1)
    bench.hear(timed_out(0, by=(0, 2, 3)))
    casts = bench.give(BlockBuilt(1, X, EMPTY, fresh(1)))
    ended = timed_out(1, by=(0, 2, 3))
    assert bench.hear(ended) == [Broadcast(ended)]
    assert bench.own(casts) == []
    digest = justification_digest(timed_out(0, by=(0, 2, 3)))
    assert bench.hear(prepare(0, 1, X, digest), prepare(2, 1, X, digest)) == [Send(PEER, ended)]
    (given_up,) = [item for item in bench.at(START_MS + 2_250) if isinstance(item, CastTimeout)]
    assert given_up.prepare_certificate == prepared(1, X, digest)


def test_a_leader_that_restarts_prepares_what_it_had_only_proposed_and_nothing_twice() -> None:
    certificate = timed_out(0, prepared(0, by=(0, 2, 3)), (0, 2, 3))
    mine = proposal(1, 1, X, certificate)
    vote = prepare(1, 1, X, justification_digest(certificate))
    cast = CastPrepare(vote.statement, Durable((certificate,), (), X))
    proposed = Bench(me=1, restored=Restored((mine,), (certificate,), ()))
    assert proposed.give(BlockChecked(X, fresh())) == [cast]
    both = Bench(me=1, restored=Restored((mine, vote), (certificate,), ()))
    assert both.give(BlockChecked(X, fresh())) == []
    assert [item for item in both.at(START_MS + 500) if isinstance(item, Broadcast)] == [
        Broadcast(mine),
        Broadcast(vote),
        Broadcast(certificate),
    ]


def test_the_votes_in_a_certificate_are_compared_with_those_that_came_alone() -> None:
    """However it comes: a certificate that is made of votes here has nothing new, any other may."""
    certificate = prepared(0, X, by=(0, 1, 2))
    evidence = ReportEvidence(2, signed(2, prepare(2, 0, Y).statement), signed(2, prepare(2, 0, X).statement))
    for carrier in (timeout(1, 0, certificate), timed_out(0, certificate, (0, 1, 2))):
        bench = Bench(me=3)
        bench.hear(prepare(2, 0, Y))
        assert [item for item in bench.hear(carrier) if isinstance(item, ReportEvidence)] == [evidence]


def test_the_leader_of_a_bound_round_proposes_the_block_again_without_its_body() -> None:
    bench = Bench(me=1)
    certificate = timed_out(0, prepared(0, by=(0, 2, 3)), (0, 2, 3))
    statement = ProposalStatement(HEIGHT, 1, X, justification_digest(certificate))
    assert bench.hear(certificate) == [
        Broadcast(certificate),
        CastProposal(statement, certificate, None, Durable((certificate,))),
    ]


def test_every_statement_of_a_later_round_brings_its_entry_certificate() -> None:
    """A2; and after the prepare, which binds its justification, that one in its place: one per round is kept (A8)."""
    entry, justification = timed_out(0), timed_out(0, by=(0, 1, 2, 4))
    bench = Bench(me=3, count=5, leader_order=(0, 1, 2, 3, 4))
    bench.hear(entry, proposal(1, 1, X, justification))
    (vote,) = bench.give(BlockChecked(X, fresh(1)))
    assert isinstance(vote, CastPrepare)
    assert vote.durable == Durable((justification,), (), X)
    (cast,) = [item for item in bench.at(START_MS + 1_500) if isinstance(item, CastTimeout)]
    assert cast.durable == Durable((justification,))


def test_lower_rounds_are_answered_once_per_peer_and_tick() -> None:
    bench = Bench(me=3)
    certificate = timed_out(3)
    bench.hear(certificate)
    answer = Send(PEER, certificate)
    assert bench.give(StatusReceived(PEER, 3)) == [answer]
    assert bench.give(StatusReceived(PEER, 0)) == []
    assert bench.give(StatusReceived(PEER, 4)) == []
    other = PeerId("other")
    assert bench.give(StatusReceived(other, 3)) == [Send(other, certificate)]
    bench.at(START_MS + 500)
    assert bench.hear(prepare(1, 0)) == [answer]


def test_a_status_alone_starts_no_timer() -> None:
    bench = Bench(me=2)
    bench.give(StatusReceived(PEER, 10**9))
    assert not bench.engine.status().timer_running
    assert bench.engine.round == 0


# ---- wanting


def test_what_is_wanted_is_asked_for_at_every_tick_until_it_comes() -> None:
    bench = Bench(me=2)
    assert bench.hear(proposal(0, 0, X)) == [CheckBlock(X)]
    assert bench.at(START_MS + 500) == [BroadcastStatus(0), CheckBlock(X)]
    assert bench.hear(proposal(0, 0, X, block=BLOCK)) == [CheckBlock(X, BLOCK)]  # the content turned up
    assert CheckBlock(X, BLOCK) in bench.at(START_MS + 1_000)
    assert bench.engine.status().waiting_for_blocks == (X,)
    bench.give(BlockChecked(X, None))
    assert bench.at(START_MS + 1_500)[-1] == BroadcastStatus(0)


def test_the_chain_of_a_commit_is_fetched_piece_by_piece() -> None:
    """Committed in round 2, prepared in round 1 and round 0; this observer saw only commit votes and the block."""
    first = timed_out(0, prepared(0))
    second = timed_out(1, prepared(1, X, justification_digest(first)))
    bench = Bench(me=None)
    bench.hear(*(prepare(index, 2, X, justification_digest(second)) for index in (0, 1)))
    assert bench.hear(*(commit(index, 2) for index in (0, 1, 2))) == [CheckBlock(X)]
    assert bench.give(BlockChecked(X, fresh())) == [WantJustification(justification_digest(second))]
    assert bench.give(JustificationReceived(Y, first)) == []  # not asked for
    answer = bench.give(JustificationReceived(justification_digest(second), second))
    assert answer == [WantJustification(justification_digest(first))]
    assert bench.engine.status().waiting_for_justifications == (justification_digest(first),)
    assert WantJustification(justification_digest(first)) in bench.at(START_MS + 500)
    (decided,) = bench.give(JustificationReceived(justification_digest(first), first))
    assert isinstance(decided, Commit)
    assert decided.justifications == (second, first)
    assert bench.engine.justification(justification_digest(first)) == first


# ---- who may not vote


@pytest.mark.parametrize("changes", [{"me": None}, {"me": 0, "may_vote": False}])
def test_an_observer_follows_and_signs_nothing(changes: dict[str, object]) -> None:
    bench = Bench(**changes)
    effects = bench.give(WorkPending())
    effects += bench.hear(timed_out(3), proposal(0, 4, X, timed_out(3)))
    effects += bench.give(BlockChecked(X, replace(fresh(4), proposer=0)))
    effects += bench.hear(*(prepare(index, 4, X, justification_digest(timed_out(3))) for index in (1, 2, 3)))
    effects += bench.at(START_MS + 100_000)
    casts = (CastProposal, CastPrepare, CastCommit, CastTimeout, BuildBlock)
    assert not [effect for effect in effects if isinstance(effect, casts)]
    (decided,) = bench.hear(*(commit(index, 4) for index in (1, 2, 3)))
    assert isinstance(decided, Commit)


def test_a_statement_of_ours_that_we_do_not_know_ends_all_voting() -> None:
    bench = Bench(me=2)
    effects = bench.hear(timeout(1, 0, prepared(0)))  # the certificate has our prepare vote in it
    assert VoteStateContradicted(signed(2, PrepareStatement(HEIGHT, 0, X, ZERO_DIGEST))) in effects
    bench.hear(proposal(0, 0, X))
    assert bench.give(BlockChecked(X, fresh())) == []
    assert bench.at(START_MS + 100_000) == [BroadcastStatus(0)]


def test_what_we_signed_before_a_restart_does_not_contradict_us() -> None:
    bench = Bench(me=2, restored=Restored((prepare(2),)))
    effects = bench.hear(timeout(1, 0, prepared(0)))
    assert not any(isinstance(effect, VoteStateContradicted) for effect in effects)


# ---- evidence and the brake


def test_the_brake_gives_up_a_round_with_two_proposals() -> None:
    bench = Bench(me=2)
    bench.hear(proposal(0, 0, X))
    effects = bench.hear(proposal(0, 0, Y))
    first, second = (signed(0, ProposalStatement(HEIGHT, 0, item, ZERO_DIGEST)) for item in (X, Y))
    assert ReportEvidence(0, first, second) in effects
    assert CastTimeout(TimeoutStatement(HEIGHT, 0, -1, ZERO_DIGEST), None, Durable()) in effects
    assert bench.give(BlockChecked(X, fresh())) == []


def test_without_the_brake_the_first_good_proposal_is_prepared() -> None:
    bench = Bench(me=2, equivocation_brake=False)
    bench.hear(proposal(0, 0, X), proposal(0, 0, Y))
    bench.give(BlockChecked(X, None))
    (vote,) = bench.give(BlockChecked(Y, fresh()))
    assert isinstance(vote, CastPrepare)
    assert vote.statement.block_hash == Y


def test_a_leader_that_proposes_for_ever_fills_no_memory() -> None:
    """A justification may be made in any number of ways: by other signers, and by other signatures of a liar."""
    bench = Bench(me=3)
    bench.hear(timed_out(0))
    for number in range(100):
        made = timed_out(0)
        other = replace(made.entries[2], signature=Signature(number.to_bytes(64, "big")))
        bench.hear(proposal(1, 1, X, replace(made, entries=(*made.entries[:2], other))))
    assert len(bench.engine.state.proposals[1]) == PROPOSALS_PER_ROUND_MAX
    assert len(bench.engine.state.justifications) == 1 + PROPOSALS_PER_ROUND_MAX


def test_a_stripped_block_is_no_second_proposal() -> None:
    """The signature does not cover the content: somebody who leaves it out makes no equivocator."""
    bench = Bench(me=2)
    assert bench.hear(proposal(0, 0, X)) == [CheckBlock(X)]
    assert bench.hear(proposal(0, 0, X, block=BLOCK)) == [CheckBlock(X, BLOCK)]
    assert bench.hear(proposal(0, 0, X)) == []
    assert bench.give(BlockChecked(X, fresh())) != []


def test_each_contradiction_is_reported_once() -> None:
    bench = Bench(me=2)
    contradictory = (commit(3, 0, X), timeout(3, 2), prepare(3, 0, Y))
    reports = bench.hear(*contradictory, *contradictory)
    assert [type(effect) for effect in reports] == [ReportEvidence, ReportEvidence]


# ---- restart


def test_a_restart_repeats_its_messages_and_counts_them() -> None:
    entry = timed_out(1, prepared(0), (0, 1, 3))
    digest = justification_digest(entry)
    mine = (prepare(2, 0), prepare(2, 2, X, digest))
    bench = Bench(me=2, restored=Restored(mine, (entry,), (prepared(0),)))
    assert bench.engine.round == 2
    assert bench.engine.status().prepared == (2,)
    assert bench.engine.status().timer_running
    assert bench.at(START_MS + 500) == [Broadcast(mine[1]), Broadcast(entry), BroadcastStatus(2)]
    bench.hear(prepare(0, 2, X, digest))
    assert bench.hear(prepare(1, 2, X, digest)) == [CheckBlock(X)]  # with our own that is a quorum
    (vote,) = bench.give(BlockChecked(X, fresh()))
    assert isinstance(vote, CastCommit)


def test_a_restart_after_a_timeout_never_votes_in_that_round_again() -> None:
    bench = Bench(me=2, restored=Restored((timeout(2),)))
    bench.hear(proposal(0, 0, X), prepare(0), prepare(1), prepare(3))
    assert bench.give(BlockChecked(X, fresh())) == []
    assert [item for item in bench.at(START_MS + 90_000) if isinstance(item, CastTimeout)] == []


# ---- bounds and determinism


def test_memory_is_bounded_against_one_validator_that_signs_everything() -> None:
    bench = Bench(me=0)
    for round in range(3 * ROUNDS_AHEAD_MAX):
        for value in range(4):
            bench.hear(prepare(3, round, Digest(bytes([value]) * 32), Y if round else ZERO_DIGEST))
    kept = bench.engine.state.book._seen[3]
    assert len(kept) == ROUNDS_AHEAD_MAX + 1
    assert max(len(items) for items in kept.values()) == 2


def test_old_rounds_are_forgotten_and_certificates_kept() -> None:
    bench = Bench(me=None)
    bench.hear(timeout(1, 0, prepared(0)))
    for round in range(300):
        certificate = timed_out(round, prepared(0))
        bench.hear(certificate, proposal((round + 1) % 4, round + 1, X, certificate))
    state = bench.engine.state
    assert set(state.prepare_certificates) == {0}
    assert len(state.proposals) == ROUNDS_BEHIND_MAX + 1
    assert len(state.justifications) <= ROUNDS_BEHIND_MAX + 2
    assert all(len(seen) <= 4 * (ROUNDS_BEHIND_MAX + 1) for seen in state.book._seen.values())
    assert len(state.wanted_blocks) <= BLOCKS_WANTED_MAX


def test_blocks_that_never_come_are_bounded() -> None:
    bench = Bench(me=2)
    for round in range(3 * BLOCKS_WANTED_MAX):
        certificate = timed_out(round)
        bench.hear(proposal((round + 1) % 4, round + 1, Digest(bytes([round]) * 32), certificate))
    assert len(bench.engine.state.wanted_blocks) == BLOCKS_WANTED_MAX


def test_the_same_inputs_give_the_same_effects() -> None:
    def run() -> list[Effect]:
        bench = Bench(me=1)
        effects = bench.give(WorkPending())
        effects += bench.hear(timeout(3), proposal(0, 0, X), proposal(0, 0, Y), timed_out(0, prepared(0)))
        effects += bench.give(BlockChecked(X, fresh()))
        return effects + bench.at(START_MS + 9_000)

    assert run() == run()


def test_the_last_gate_refuses_to_promise_a_contradiction() -> None:
    bench = Bench(me=2)
    bench.engine.state.promise(CommitStatement(HEIGHT, 1, X))
    for statement in (
        CommitStatement(HEIGHT, 1, X),
        PrepareStatement(HEIGHT, 1, Y, X),
        TimeoutStatement(HEIGHT, 2, 0, X),
    ):
        with pytest.raises(AssertionError, match=r"promised already|contradicts"):
            bench.engine.state.promise(statement)
