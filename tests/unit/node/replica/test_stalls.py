"""When a quorum is missing nothing is appended, the status names who is missing, and it ends as soon as they return."""

from __future__ import annotations

import pytest

from ledger.consensus.codec import decode_message
from ledger.consensus.messages import Proposal, TimeoutCertificate
from ledger.operations.accounts import AccountKeys
from ledger.parameters import Parameters
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from node.replica import Pending, Role
from node.replica.inputs import PeerConnected, PeerDisconnected
from node.wire import Consensus, PeerMessage, Transactions
from tests.unit.ledger.founders import founder, signing_key
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, HEARTBEAT_MS, Cluster

DAY_MS = 24 * 3_600_000


@pytest.mark.parametrize(
    ("base_timeout_ms", "away_ms"), [(BASE_TIMEOUT_MS, 2_000), (60_000, DAY_MS)], ids=["two seconds", "a day"]
)
def test_two_of_four_stopped_append_nothing_and_one_that_returns_is_enough(base_timeout_ms: int, away_ms: int) -> None:
    cluster = Cluster(4, parameters=Parameters(base_timeout_ms=base_timeout_ms, timeout_ms_max=10 * base_timeout_ms))
    v0, v1, v2, v3 = cluster.nodes
    cluster.stop(v2)
    cluster.stop(v3)
    made = cluster.transaction()
    cluster.submit(v0, made)
    cluster.run(4 * base_timeout_ms)
    status = v0.running.status()
    assert (status.height, status.round, status.missing) == (0, 0, ("v2", "v3"))
    assert status.explanation == (
        "height 1, round 0: votes of 2 of 4 validators are here and 3 are needed; missing: v2, v3"
    )
    assert "quorum 3" in status.quorum_sentence
    cluster.run(away_ms)
    assert cluster.heights() == [0, 0, 0, 0]
    assert v0.running.status().round == 0, "rounds do not run away without a quorum"
    cluster.start(v3)
    cluster.run_until(lambda: cluster.committed(made, [v0, v1, v3]), within_ms=3 * base_timeout_ms)


def test_a_stopped_leader_costs_half_of_its_timeout_once() -> None:
    """Its links go with it. Amendment A6: afterwards it leads last, and heights go on at the speed of messages."""
    cluster = Cluster(4)
    nodes = [cluster.nodes[index] for index in (0, 2, 3)]
    cluster.stop(cluster.nodes[1])
    times = []
    for _ in range(8):
        made = cluster.submit_one(nodes[0])
        times.append(cluster.run_until(lambda m=made: cluster.committed(m, nodes), within_ms=10 * BASE_TIMEOUT_MS))  # type: ignore[misc]
    assert BASE_TIMEOUT_MS // 2 <= times[0] < BASE_TIMEOUT_MS * 3 // 4
    assert all(time < BASE_TIMEOUT_MS // 2 for time in times[1:])


def test_a_validator_that_is_stopped_heights_before_its_turn_costs_no_more() -> None:
    """That a link is lost is known in every height that follows."""
    cluster = Cluster(4)
    nodes = cluster.nodes[:3]
    cluster.stop(cluster.nodes[3])
    for turn in range(3):
        made = cluster.submit_one(nodes[0])
        passed_ms = cluster.run_until(lambda m=made: cluster.committed(m, nodes), within_ms=10 * BASE_TIMEOUT_MS)  # type: ignore[misc]
        assert passed_ms < BASE_TIMEOUT_MS * 3 // 4, turn
    assert [node.running._parts.chain.tip.header.round for node in nodes] == [1, 1, 1]


def test_a_leader_that_never_was_linked_costs_its_whole_timeout() -> None:
    """After a start links come up one by one: that there is none yet says nothing."""
    cluster = Cluster(4)
    nodes = [cluster.nodes[index] for index in (0, 2, 3)]
    cluster.stop(cluster.nodes[1])
    for node in nodes:
        cluster.restart(node)
    made = cluster.submit_one(nodes[0])
    passed_ms = cluster.run_until(lambda: cluster.committed(made, nodes), within_ms=10 * BASE_TIMEOUT_MS)
    assert passed_ms >= BASE_TIMEOUT_MS


def test_a_leader_whose_link_is_only_restored_keeps_its_round() -> None:
    cluster = Cluster(4)
    leader, others = cluster.nodes[1], [cluster.nodes[index] for index in (0, 2, 3)]
    made = cluster.transaction()
    cluster.deliver = lambda sender, receiver, message: sender != leader.index
    for other in others:
        cluster.submit(other, made)
        cluster.step(other, PeerDisconnected(leader.peer))
    cluster.run(BASE_TIMEOUT_MS // 2 - 10)
    for other in others:
        cluster.step(other, PeerConnected(leader.peer))
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(made), within_ms=10 * BASE_TIMEOUT_MS)
    assert leader.running._parts.chain.tip.header.round == 0


def test_who_is_cut_off_from_a_quorum_keeps_its_vote() -> None:
    """To give the round up would bring nothing, and cost an honest leader its round when the links are restored."""
    cluster = Cluster(4)
    cut_off, others = cluster.nodes[0], cluster.nodes[1:3]
    cluster.stop(cluster.nodes[3])
    cluster.run(10)  # so that everybody says everything again, at the tick, before the round is over
    cluster.deliver = lambda sender, receiver, message: cut_off.index not in (sender, receiver)
    made = cluster.transaction()
    for node in (cut_off, *others):
        cluster.submit(node, made)
    for other in others:
        cluster.step(cut_off, PeerDisconnected(other.peer))
        cluster.step(other, PeerDisconnected(cut_off.peer))
    cluster.run(BASE_TIMEOUT_MS * 3 // 5)
    cluster.deliver = lambda sender, receiver, message: True
    for other in others:
        cluster.step(cut_off, PeerConnected(other.peer))
        cluster.step(other, PeerConnected(cut_off.peer))
    cluster.run_until(lambda: cluster.committed(made, [cut_off, *others]), within_ms=10 * BASE_TIMEOUT_MS)
    assert cut_off.running._parts.chain.tip.header.round == 0


def test_an_idle_node_says_that_it_is_idle() -> None:
    cluster = Cluster(3)
    assert cluster.nodes[0].running.status().explanation.startswith("idle: ")
    status = cluster.nodes[0].running.status()
    assert (status.role, status.validator, status.leader) == (Role.VOTING, "v0", "v1")


def test_a_missing_proposal_is_named() -> None:
    cluster = Cluster(3)

    def no_proposals(sender: int, receiver: int, message: PeerMessage) -> bool:
        return not (isinstance(message, Consensus) and isinstance(decode_message(message.payload), Proposal))

    cluster.deliver = no_proposals
    cluster.submit_one(cluster.nodes[0])
    cluster.run(BASE_TIMEOUT_MS // 2)
    assert "waiting for a proposal of" in cluster.nodes[0].running.status().explanation


def test_every_message_before_the_heal_is_lost_and_only_what_is_current_is_sent_again() -> None:
    """Section 2, row 12."""
    cluster = Cluster(4)
    cluster.deliver = lambda sender, receiver, message: False
    made = cluster.submit_one(cluster.nodes[0])
    for node in cluster.nodes[1:]:
        cluster.submit(node, made)
    cluster.run(20 * BASE_TIMEOUT_MS)
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(made), within_ms=3 * BASE_TIMEOUT_MS)


def test_a_partition_of_two_and_two_appends_nothing_and_heals() -> None:
    cluster = Cluster(4)
    cluster.deliver = lambda sender, receiver, message: sender // 2 == receiver // 2
    made = cluster.submit_one(cluster.nodes[1])
    cluster.run(10 * BASE_TIMEOUT_MS)
    assert cluster.heights() == [0, 0, 0, 0]
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(made), within_ms=6 * BASE_TIMEOUT_MS)


def test_clocks_that_are_an_hour_off_do_not_stop_the_chain() -> None:
    """Amendment A7, section 2 row 15: a leader in the future costs its round, and nothing else."""
    cluster = Cluster(4)
    cluster.wall_offset_ms = {1: 3_600_000, 2: -3_600_000}
    for _ in range(6):
        made = cluster.submit_one(cluster.nodes[0])
        cluster.run_until(lambda m=made: cluster.committed(m), within_ms=10 * BASE_TIMEOUT_MS)  # type: ignore[misc]


def test_who_is_asked_a_second_time_answers_for_what_it_knows_from_a_peer_that_is_gone() -> None:
    """The client was told "pending" twice, and neither time by a validator that others can hear."""
    cluster = Cluster(3, followers=1)
    first, follower = cluster.nodes[0], cluster.nodes[3]
    others = cluster.nodes[1:3]
    cluster.deliver = lambda sender, receiver, message: (
        first.index not in (sender, receiver) or receiver == follower.index
    )
    made = cluster.submit_one(first)
    cluster.run(10)
    cluster.stop(first)
    assert cluster.submit(follower, made) == (Pending(made.id),)
    cluster.run_until(lambda: cluster.committed(made, others), within_ms=6 * BASE_TIMEOUT_MS)


def test_nobody_gossips_and_the_leader_of_each_height_is_enough() -> None:
    cluster = Cluster(4)

    def no_gossip(sender: int, receiver: int, message: PeerMessage) -> bool:
        if isinstance(message, Consensus) and isinstance(decode_message(message.payload), TimeoutCertificate):
            return True
        return not isinstance(message, Transactions) or sender == 3

    cluster.deliver = no_gossip
    made = cluster.submit_one(cluster.nodes[3])
    cluster.run_until(lambda: cluster.committed(made), within_ms=HEARTBEAT_MS)


def test_a_transaction_that_lost_its_authority_costs_no_leader_its_round() -> None:
    """It waits in every mempool when a block changes the keys that signed it. Nobody waits for it to be proposed."""
    cluster = Cluster(4)
    owner, successor = founder(0), signing_key("successor")
    change = AccountKeys(by="org0", keys=(successor.public_key,), threshold=1)
    body = build_body(
        chain=cluster.genesis.chain,
        sender="org0",
        nonce=bytes(16),
        valid_until_ms=cluster.genesis.time_ms + 60_000,
        operations=[change],
    )
    changed = parse_transaction(assemble(body, [sign_body(body, owner.operator_key)]))
    assert isinstance(changed, Transaction)
    cluster.submit(cluster.nodes[1], changed)  # it leads, so that it proposes at once
    late = [cluster.transaction() for _ in range(3)]
    cluster.submit(cluster.nodes[2], *late)
    cluster.run_until(lambda: cluster.committed(changed), within_ms=BASE_TIMEOUT_MS)
    assert [node.running.status().mempool_transactions for node in cluster.nodes] == [0, 0, 0, 0]
    assert [len(node.logged("transactions_dropped")) for node in cluster.nodes] == [1, 1, 1, 1]
    cluster.run(10 * BASE_TIMEOUT_MS)
    assert cluster.heights() == [1, 1, 1, 1], "idle"
    assert all(node.running.status().round == 0 for node in cluster.nodes)
