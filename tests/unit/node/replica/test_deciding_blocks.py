"""Replicas decide: blocks are appended, once, durably, at any size of the set; and nothing leaves before it is."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from ledger.chain import build_block
from ledger.consensus.messages import Proposal
from ledger.limits import BLOCK_FILL_MS_MAX
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.state import State
from ledger.transaction import Transaction
from ledger.validators import Quorum, QuorumRule
from node.replica import (
    Answer,
    BlockAppended,
    Committed,
    Elapsed,
    Halted,
    Pending,
    ReplicaInput,
    SendTo,
    SendToAll,
    Submitted,
    WakeAt,
)
from node.storage.chain_store import ChainStore
from node.storage.opening import open_chain
from node.wire import Consensus, Transactions
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, HEARTBEAT_MS, PARAMETERS, Cluster, Node


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7])
def test_a_transaction_is_appended_by_all_within_a_few_message_delays(count: int) -> None:
    cluster = Cluster(count)
    made = cluster.submit_one(cluster.nodes[-1])
    assert cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS) < 10
    for node in cluster.nodes:
        appended = [action for action in node.actions if isinstance(action, BlockAppended)]
        assert [action.transaction_ids for action in appended] == [(made.id,)]


def test_a_quorum_of_one_number_decides_too() -> None:
    cluster = Cluster(5, quorum=Quorum(QuorumRule.FIXED, 5))
    made = cluster.submit_one(cluster.nodes[0])
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)


def test_an_idle_network_appends_an_empty_block_after_the_heartbeat_and_not_before() -> None:
    cluster = Cluster(3)
    cluster.run(HEARTBEAT_MS - 1_000)
    assert cluster.heights() == [0, 0, 0]
    cluster.run(1_000 + BASE_TIMEOUT_MS)
    assert cluster.heights() == [1, 1, 1]


def test_a_transaction_is_committed_once_however_often_and_wherever_it_is_submitted() -> None:
    cluster = Cluster(4)
    made = cluster.transaction()
    for node in cluster.nodes:
        assert cluster.submit(node, made, made) == (Pending(made.id), Pending(made.id))
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)
    assert cluster.submit(cluster.nodes[2], made) == (Committed(made.id),)
    cluster.run(HEARTBEAT_MS + BASE_TIMEOUT_MS)
    for node in cluster.nodes:
        ids = [i for action in node.actions if isinstance(action, BlockAppended) for i in action.transaction_ids]
        assert ids == [made.id]


def test_a_block_may_not_have_a_committed_transaction_again_whether_it_ever_waited_here_or_not() -> None:
    """The mempool answers for what waits in it, so nothing committed may wait; the database for the rest."""
    cluster = Cluster(4)
    made = cluster.transaction()
    reader = cluster.nodes[0].running._parts.deciding.reader
    assert not reader.transaction_committed(made.id)
    cluster.submit(cluster.nodes[0], made)
    assert not reader.transaction_committed(made.id)
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)
    for node in cluster.nodes:
        parts = node.running._parts
        cluster.submit(node, made)
        assert not parts.door.mempool.pending(made.id)
        assert parts.deciding.reader.transaction_committed(made.id)
        again = parts.door.judge([(made.envelope_hash, made.envelope)], parts.deciding)
        assert again == [made]
        built = build_block(
            parts.chain.tip,
            parts.deciding.reader,
            round=0,
            proposer=parts.deciding.name(parts.deciding.engine.context.leader(0)),
            time_ms=parts.chain.tip.header.time_ms + 1,
            transactions=[made],
        )
        assert [refusal.code for _, refusal in built.refused] == [Code.ALREADY_COMMITTED]


def test_what_is_new_is_not_looked_for_in_the_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not its id, nor what it is the first to write: LevelDB would merge its tables for it (`node.storage.state_keys`).

    The transaction creates a stream."""
    cluster = Cluster(3)
    made = cluster.transaction()
    asked: list[bytes] = []
    for node in cluster.nodes:
        store = node.running._parts.chain.store
        monkeypatch.setattr(store, "get", lambda key, get=store.get: asked.append(key) or get(key))
    cluster.submit(cluster.nodes[0], made)
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)
    names = [operation.name for operation in made.body.operations]
    assert not [key for key in asked if made.id in key or any(name.encode() in key for name in names)]
    assert asked, "of what there is"


def test_a_submission_is_answered_in_order_in_its_own_step() -> None:
    cluster = Cluster(3)
    good, foreign = cluster.transaction(), Cluster(4).transaction()
    outcomes = cluster.submit(cluster.nodes[0], foreign, good, foreign)
    assert outcomes[1] == Pending(good.id)
    assert [o.code for o in (outcomes[0], outcomes[2]) if isinstance(o, Refusal)] == [Code.CHAIN_WRONG] * 2


def test_a_new_transaction_is_sent_to_each_peer_once_and_not_passed_on() -> None:
    cluster = Cluster(4)
    seen: list[tuple[int, int]] = []

    def tap(sender: int, receiver: int, message: object) -> None:
        if isinstance(message, Transactions):
            seen.append((sender, receiver))

    cluster.taps.append(tap)
    made = cluster.transaction()
    cluster.submit(cluster.nodes[1], made)
    cluster.submit(cluster.nodes[1], made)
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)
    assert sorted(seen) == [(1, 0), (1, 2), (1, 3)]


def test_one_validator_alone_appends_a_backlog_one_block_per_step() -> None:
    small = type(PARAMETERS)(**{**PARAMETERS.to_json(), "block_transactions_max": 2})  # type: ignore[arg-type]  # integers
    cluster = Cluster(1, parameters=small)
    node, backlog = cluster.nodes[0], [cluster.transaction() for _ in range(7)]
    cluster.submit(node, *backlog)
    while not all(cluster.committed(made) for made in backlog):
        actions = cluster.step(node, Elapsed())
        appended = [action for action in actions if isinstance(action, BlockAppended)]
        assert len(appended) == 1
        assert node.height == 4 or actions[-1] == WakeAt(cluster.now_ms)
    assert node.height == 4


def test_followers_append_every_block_and_cast_nothing() -> None:
    cluster = Cluster(3, followers=2)
    for _ in range(3):
        made = cluster.submit_one(cluster.nodes[4])
        cluster.run_until(lambda made=made: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)  # type: ignore[misc]
    assert cluster.nodes[3].votes() == cluster.nodes[4].votes() == []
    status = cluster.nodes[4].running.status()
    assert (status.role, status.reason) == ("following", "no consensus key")


def test_a_submission_of_a_follower_survives_lost_gossip() -> None:
    cluster = Cluster(3, followers=1)
    cluster.deliver = lambda sender, receiver, message: not isinstance(message, Transactions)
    made = cluster.submit_one(cluster.nodes[3])
    cluster.run(50)
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(made), within_ms=2 * BASE_TIMEOUT_MS)


def test_transactions_wait_for_others_that_are_coming_in_to_share_their_block_but_not_for_long() -> None:
    cluster = Cluster(3, parameters=replace(PARAMETERS, base_timeout_ms=1_000))  # no other timer ends so soon
    leader = cluster.nodes[1]
    first, second = cluster.transaction(), cluster.transaction()

    def step(*inputs: ReplicaInput, backlog: bool) -> None:
        leader.actions += leader.running.step(inputs, cluster.now(leader), backlog=backlog)

    step(Submitted(1, (first.envelope,)), backlog=True)
    assert not leader.votes()
    assert leader.actions[-1] == WakeAt(cluster.now(leader).monotonic_ms + BLOCK_FILL_MS_MAX)
    step(Submitted(2, (second.envelope,)), backlog=False)
    (proposal,) = leader.votes()[:1]
    assert isinstance(proposal, Proposal)
    assert proposal.block is not None
    assert set(proposal.block.envelope_hashes) == {first.envelope_hash, second.envelope_hash}


def two_senders_apart(monkeypatch: pytest.MonkeyPatch) -> tuple[Cluster, Node, Transaction]:
    """The leader of height 2 once it has block 1 with the transaction of one sender; that of another came too late."""
    monkeypatch.setattr("tests.unit.node.replica.cluster.LATENCY_MS", 10)
    cluster = Cluster(3, parameters=replace(PARAMETERS, base_timeout_ms=1_000))
    cluster.run(20)  # the nodes have told each other where they are
    first = cluster.submit_one(cluster.nodes[1])
    cluster.run(5)
    second = cluster.submit_one(cluster.nodes[1])
    leader = cluster.nodes[2]
    cluster.run_until(lambda: cluster.committed(first, [leader]), within_ms=BASE_TIMEOUT_MS)
    return cluster, leader, second


def proposed(leader: Node) -> set[Digest]:
    """The hashes of the envelopes in what it proposed at height 2, if it did."""
    blocks = [vote.block for vote in leader.votes() if isinstance(vote, Proposal) and vote.statement.height == 2]
    return {envelope_hash for block in blocks if block is not None for envelope_hash in block.envelope_hashes}


def test_those_who_send_one_transaction_after_the_other_share_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, leader, second = two_senders_apart(monkeypatch)
    assert not proposed(leader)
    third = cluster.submit_one(leader)
    assert proposed(leader) == {second.envelope_hash, third.envelope_hash}


def test_when_nobody_else_sends_what_waits_is_proposed_a_hundredth_of_a_base_timeout_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, leader, second = two_senders_apart(monkeypatch)
    waited_ms = cluster.run_until(lambda: bool(proposed(leader)), within_ms=BASE_TIMEOUT_MS)
    assert waited_ms == 10
    assert proposed(leader) == {second.envelope_hash}


def test_who_sends_alone_waits_for_nobody() -> None:
    cluster = Cluster(3, parameters=replace(PARAMETERS, base_timeout_ms=1_000))
    first = cluster.submit_one(cluster.nodes[1])
    leader = cluster.nodes[2]
    cluster.run_until(lambda: cluster.committed(first, [leader]), within_ms=BASE_TIMEOUT_MS)
    second = cluster.submit_one(leader)
    assert proposed(leader) == {second.envelope_hash}


def test_a_backlog_that_never_ends_holds_up_no_block() -> None:
    cluster = Cluster(3)
    leader = cluster.nodes[1]
    leader.actions += leader.running.step(
        (Submitted(1, (cluster.transaction().envelope,)),), cluster.now(leader), backlog=True
    )
    cluster.now_ms += BLOCK_FILL_MS_MAX
    leader.actions += leader.running.step((), cluster.now(leader), backlog=True)
    assert isinstance(leader.votes()[0], Proposal)


def test_a_backlog_costs_no_leader_its_round_however_short_the_rounds_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others, who have no backlog, wait for its proposal from the moment on when they hear of the transaction."""
    cluster = Cluster(4, parameters=replace(PARAMETERS, base_timeout_ms=BLOCK_FILL_MS_MAX // 2))
    leader = cluster.nodes[1]
    monkeypatch.setattr(leader.running, "step", partial(leader.running.step, backlog=True))
    made = cluster.submit_one(leader)
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)
    assert [node.running._parts.chain.tip.header.round for node in cluster.nodes] == [0] * 4


def test_a_full_block_waits_for_nothing() -> None:
    cluster = Cluster(3, parameters=replace(PARAMETERS, block_transactions_max=1))
    leader = cluster.nodes[1]
    leader.actions += leader.running.step(
        (Submitted(1, (cluster.transaction().envelope,)),), cluster.now(leader), backlog=True
    )
    assert isinstance(leader.votes()[0], Proposal)


def test_nothing_is_sent_when_a_vote_cannot_be_made_durable() -> None:
    cluster = Cluster(3)
    leader = cluster.nodes[1]
    leader.store.fail_write(1, survives=True)
    cluster.submit(leader, cluster.transaction())
    assert isinstance(leader.actions[-1], Halted)
    assert not [m for m in leader.sent() if isinstance(m, Consensus)]
    assert leader.running.step((Elapsed(),), cluster.now(leader)) == (leader.actions[-1],)
    status = leader.running.status()
    assert (status.role, status.reason) == ("halted", "write 2 failed (injected)")  # genesis was the first


def test_nothing_is_announced_when_a_block_cannot_be_made_durable() -> None:
    cluster = Cluster(1)
    node = cluster.nodes[0]
    node.store.fail_write(3, survives=False)  # the proposal with its prepare vote, commit, and now the block
    cluster.submit(node, cluster.transaction())
    assert isinstance(node.actions[-1], Halted)
    assert not [action for action in node.actions if isinstance(action, BlockAppended)]
    assert [action for action in node.actions if isinstance(action, Answer)]


def test_the_harness_sees_a_vote_that_is_not_durable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check on every send of these tests can fail: without the synced batch it does."""
    cluster = Cluster(3)
    monkeypatch.setattr(ChainStore, "promise", lambda self, promises: None)
    with pytest.raises(AssertionError):
        cluster.submit(cluster.nodes[1], cluster.transaction())


def test_a_step_sends_only_what_it_decided_after_its_own_batch() -> None:
    """All votes of a step are one batch: as many synced writes as steps that voted, not as votes."""
    cluster = Cluster(3)
    leader = cluster.nodes[1]
    before = leader.store.writes
    actions = cluster.step(leader)
    cluster.submit(leader, cluster.transaction())
    assert leader.store.writes - before == 1  # the proposal with the leader's own prepare vote
    assert [action for action in actions if isinstance(action, SendTo | SendToAll)] == []


def test_expired_transactions_are_remembered() -> None:
    cluster = Cluster(3)
    short = cluster.transaction(valid_for_ms=1)
    cluster.deliver = lambda sender, receiver, message: False
    cluster.submit(cluster.nodes[0], short)
    node = cluster.nodes[0].running
    assert node.pending(short.id)
    assert not node.expired(short.id)
    cluster.run(100)
    cluster.deliver = lambda sender, receiver, message: sender != 0 or not isinstance(message, Transactions)
    made = cluster.submit_one(cluster.nodes[1])
    cluster.run_until(lambda: cluster.committed(made), within_ms=20 * BASE_TIMEOUT_MS)
    cluster.run(HEARTBEAT_MS + BASE_TIMEOUT_MS)
    assert not node.pending(short.id)
    assert node.expired(short.id) or cluster.committed(short)


def test_what_was_lost_on_the_way_from_a_validator_that_may_not_lead_is_sent_again() -> None:
    """A validator led a failed round, so it leads last for long; the frame with its client's transaction is lost."""
    cluster = Cluster(4)
    last = cluster.nodes[3]
    cluster.stop(last)
    while not State(open_chain(cluster.nodes[0].disk).state).leaders().failed_heights:
        made = cluster.submit_one(cluster.nodes[0])
        cluster.run_until(lambda made=made: cluster.committed(made, cluster.nodes[:3]), within_ms=8 * BASE_TIMEOUT_MS)  # type: ignore[misc]
    cluster.start(last)
    cluster.run_until(lambda: len(set(cluster.heights())) == 1, within_ms=8 * BASE_TIMEOUT_MS)
    cluster.deliver = lambda sender, receiver, message: not (sender == 3 and isinstance(message, Transactions))
    made = cluster.submit_one(last)
    cluster.run(BASE_TIMEOUT_MS // 4)
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(made), within_ms=6 * BASE_TIMEOUT_MS)
