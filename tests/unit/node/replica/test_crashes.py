"""Power cuts at every point where a node writes or sends: it comes back, contradicts nothing, and the chain goes on.

The points are enumerated, not drawn: the k-th write of the database (surviving or not), the k-th write of the guard
(whole or torn) and the k-th frame sent, for every validator, for one height in round 0 and for one that needs a round
change, with the node back at once or after the others have moved on. (consensus research 2, rows 1 to 4, and 3 item 3)
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ledger.consensus.codec import decode_message
from ledger.consensus.messages import TimeoutCertificate
from ledger.transaction import Transaction
from node.replica import Elapsed, Halted, Role, SendTo, SendToAll
from node.wire import Consensus, PeerMessage
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster, Node

BACK_AFTER_MS = (0, 3 * BASE_TIMEOUT_MS)
POINTS_MAX = 64

Fault = Callable[[Node, int], None]


def _database_lost(node: Node, number: int) -> None:
    node.store.fail_write(number, survives=False)


def _database_kept(node: Node, number: int) -> None:
    node.store.fail_write(number, survives=True)


def _guard_whole(node: Node, number: int) -> None:
    node.guard.fail_write(number, torn=False)


def _guard_torn(node: Node, number: int) -> None:
    node.guard.fail_write(number, torn=True)


def _lose_first_round(cluster: Cluster) -> None:
    """Let the leader of round 0 of height 1 be heard by nobody, until the round has failed."""

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        if sender != 1 or not isinstance(message, Consensus) or message.height != 1:
            return True
        content = decode_message(message.payload)
        return isinstance(content, TimeoutCertificate) or content.statement.round > 0

    cluster.deliver = deliver


def _crash(count: int, victim: int, fault: Fault, number: int, back_after_ms: int, *, round_change: bool) -> bool:
    """One run with one fault; whether the fault was reached before the transaction was committed everywhere."""
    cluster = Cluster(count)
    cluster.restart_after_ms = back_after_ms
    if round_change:
        _lose_first_round(cluster)
    node = cluster.nodes[victim]
    fault(node, number)
    made = cluster.submit_one(cluster.nodes[0 if victim else count - 1])
    cluster.run_until(lambda: _all_committed(cluster, made), within_ms=30 * BASE_TIMEOUT_MS)
    reached = any(isinstance(action, Halted) for action in node.actions)
    assert node.running.status().role is Role.VOTING
    after = cluster.submit_one(node)
    cluster.run_until(lambda: _all_committed(cluster, after), within_ms=30 * BASE_TIMEOUT_MS)
    return reached


def _all_committed(cluster: Cluster, made: Transaction) -> bool:
    """Whether all nodes are up and have it; whoever submitted it does so again if no node knows of it any more."""
    if any(node.replica is None for node in cluster.nodes):
        return False
    if cluster.committed(made):
        return True
    if not any(node.running.pending(made.id) for node in cluster.nodes):
        cluster.submit(cluster.nodes[0], made)
    return False


@pytest.mark.parametrize("round_change", [False, True], ids=["round 0", "round change"])
@pytest.mark.parametrize("back_after_ms", BACK_AFTER_MS)
@pytest.mark.parametrize("fault", [_database_lost, _database_kept, _guard_whole, _guard_torn])
@pytest.mark.parametrize("count", [1, 3])
def test_a_power_cut_at_any_write_costs_time_only(
    count: int, fault: Fault, back_after_ms: int, round_change: bool
) -> None:
    for victim in range(count):
        for number in range(1, POINTS_MAX):
            if not _crash(count, victim, fault, number, back_after_ms, round_change=round_change and count > 1):
                assert number > 2, "a vote and its guard, at the least twice"
                break
        else:
            raise AssertionError("a height has fewer writes than that")


class _CutAfter:
    """Lets a node's first `sends` frames pass and cuts its power then, in the middle of its step."""

    def __init__(self, cluster: Cluster, node: Node, sends: int, back_after_ms: int) -> None:
        self.reached = False

        def tap(sender: int, receiver: int, message: PeerMessage) -> None:
            nonlocal sends
            if sender == node.index and not self.reached and isinstance(message, Consensus):
                sends -= 1
                if sends < 0:
                    self.reached = True
                    node.store.fail_write(1, survives=False)  # whatever it does next, it is gone
                    cluster.cut(node, back_after_ms)

        cluster.taps.append(tap)


@pytest.mark.parametrize("back_after_ms", BACK_AFTER_MS)
def test_a_power_cut_after_any_send_costs_time_only(back_after_ms: int) -> None:
    for victim in range(3):
        for sends in range(POINTS_MAX):
            cluster = Cluster(3)
            node = cluster.nodes[victim]
            cut = _CutAfter(cluster, node, sends, back_after_ms)
            made = cluster.submit_one(cluster.nodes[(victim + 1) % 3])
            cluster.run_until(lambda c=cluster, m=made: _all_committed(c, m), within_ms=30 * BASE_TIMEOUT_MS)  # type: ignore[misc]
            if not cut.reached:
                break
            assert node.running.status().role is Role.VOTING
        else:
            raise AssertionError("a height has fewer sends than that")


def test_all_nodes_lose_power_at_once_at_every_write_and_no_announced_block_is_lost() -> None:
    for number in range(1, POINTS_MAX):
        cluster = Cluster(4)
        made = cluster.submit_one(cluster.nodes[0])

        def enough(cluster: Cluster = cluster, number: int = number) -> bool:
            return sum(node.store.writes for node in cluster.nodes) >= 4 + number

        cluster.run_until(enough, within_ms=BASE_TIMEOUT_MS, must=False)
        if not enough():
            assert number > 12, "four nodes take three synced writes each"
            return
        announced = [node.height for node in cluster.nodes]
        for node in cluster.nodes:
            cluster.stop(node)
        for node in cluster.nodes:
            cluster.start(node)
        assert [node.height for node in cluster.nodes] == announced
        cluster.run_until(lambda c=cluster, m=made: _all_committed(c, m), within_ms=10 * BASE_TIMEOUT_MS)  # type: ignore[misc]


def test_a_restarted_node_repeats_its_votes_byte_for_byte() -> None:
    """Pitfall P1 and tendermint #8739: exactly a quorum is up, and the restarted one is needed."""
    cluster = Cluster(3)
    cluster.stop(cluster.nodes[0])
    cluster.deliver = lambda sender, receiver, message: False
    made = cluster.submit_one(cluster.nodes[1])
    cluster.submit(cluster.nodes[2], made)
    cluster.run(3 * BASE_TIMEOUT_MS)
    before = {(m.statement, m.signature) for m in cluster.nodes[1].votes()}
    assert before
    cluster.restart(cluster.nodes[1])
    cluster.restart(cluster.nodes[2])
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(made, cluster.nodes[1:]), within_ms=10 * BASE_TIMEOUT_MS)
    again = [m for m in cluster.nodes[1].votes() if m.statement in {statement for statement, _ in before}]
    assert {(m.statement, m.signature) for m in again} == before


def test_a_node_that_was_cut_while_starting_starts_again() -> None:
    cluster = Cluster(3)
    made = cluster.submit_one(cluster.nodes[0])
    cluster.run(2)
    for _ in range(3):
        cluster.restart(cluster.nodes[1])
    cluster.step(cluster.nodes[1], Elapsed())
    cluster.run_until(lambda: cluster.committed(made), within_ms=10 * BASE_TIMEOUT_MS)
    assert [a for a in cluster.nodes[1].actions if isinstance(a, SendTo | SendToAll)]
