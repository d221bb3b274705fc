"""Replicas under real proposals: a network that changes its members one by one, and rules that they do not know."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ledger import chain as chain_module
from ledger.execution import APPLIED
from ledger.governance import activation
from ledger.governance.changes import ParameterSet, QuorumSet, ValidatorAdd, ValidatorRekey, ValidatorRemove
from ledger.limits import PROTOCOL_DELAY_HEIGHTS_MIN
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.receipt import verify_receipt
from ledger.refusals import Code, Refusal
from ledger.trail import anchor_of
from ledger.validators import Quorum, QuorumRule
from node.http.receipts import receipt_of
from node.replica import Elapsed, PeerConnected, PeerMessageReceived, PeerMisbehaved, Role
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks
from node.storage.opening import open_chain
from node.storage.queries import Queries
from node.wire import CertifiedBlock, FetchRecords, Records, Status, Transactions
from tests.unit.ledger.founders import founder, rekeyed
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, PARAMETERS, Cluster, Node
from tests.unit.node.replica.council import Council
from tests.unit.node.replica.test_set_changes import blames, grow_to, logged, voted_at


def test_a_network_changes_its_members_one_by_one_and_every_receipt_leads_back_to_genesis() -> None:
    cluster = Cluster(3, candidates=2)
    nodes, council = cluster.nodes, Council(cluster, cluster.nodes[1])
    joiner, new_home = founder(3).card.validator, rekeyed(2, 4)
    council.ready(joiner, 3)
    added = council.decide(ValidatorAdd("v3", joiner.digest), QuorumSet(Quorum(QuorumRule.FIXED, 3)), delay=3)
    assert added.activation_height is not None
    grow_to(cluster, added.activation_height, by=nodes[1])
    council.ready(new_home, 4)
    replaced = council.decide(ValidatorRekey("v2", new_home.digest), delay=2)
    assert replaced.activation_height is not None
    grow_to(cluster, replaced.activation_height, by=nodes[1])
    removed = council.decide(ValidatorRemove("v0"))
    assert removed.activation_height is not None
    staying = [nodes[1], nodes[3], nodes[4]]
    grow_to(cluster, removed.activation_height + 3, staying, by=nodes[1])

    assert min(voted_at(nodes[3])) - added.activation_height in (0, 1), "it may be a moment late"
    assert max(voted_at(nodes[2])) == replaced.activation_height - 1
    assert min(voted_at(nodes[4])) - replaced.activation_height in (0, 1)
    assert max(voted_at(nodes[0])) <= removed.activation_height - 1
    assert blames(cluster) == []
    chain = open_chain(nodes[1].disk)
    assert all(not check.damage for check in check_blocks(chain))
    heights = [added.activation_height - 1, replaced.activation_height - 1, removed.activation_height - 1]
    assert [chain.header(height).next_validators_hash for height in heights] == [
        step.validators.hash for step in chain.trail(chain.tip.header.height)
    ]
    for height in range(1, chain.tip.header.height + 1):
        for leaf in chain.leaves(height):
            item = Queries(chain).transaction(leaf.transaction_id)
            assert item is not None
            assert verify_receipt(receipt_of(chain, item), anchor_of(cluster.genesis)).leaf == leaf


def test_what_waits_is_judged_again_by_new_parameters() -> None:
    """Else every node would wait at each height for a proposal that cannot come, and blame its leader."""
    cluster = Cluster(3, parameters=replace(PARAMETERS, block_transactions_max=1))
    node, council = cluster.nodes[0], Council(cluster, cluster.nodes[0])
    narrower = (ParameterSet("valid_window_ms", 600_000),)
    expires_ms = node.running.status().time_ms + 3_600_000
    assert council.do(ProposalCreate("org0", narrower, expires_ms, 1)) == APPLIED
    proposal = council.state.proposal(1)
    assert proposal is not None
    assert council.do(ProposalVote("org0", 1, proposal.digest, True)) == APPLIED
    deciding = cluster.sign(ProposalVote("org1", 1, proposal.digest, True), sender=1)
    later = [cluster.transaction(sender=2) for _ in range(3)]  # each block has room for one
    cluster.submit(node, deciding, *later)
    cluster.run_until(lambda: cluster.committed(deciding), within_ms=BASE_TIMEOUT_MS)
    for other in cluster.nodes:
        assert not any(other.running.pending(item.id) for item in later)
        assert [line.fields["count"] for line in logged(other, "transactions_dropped")] == [3]
    soon = cluster.transaction(valid_for_ms=30_000)
    cluster.submit(node, soon)
    assert cluster.run_until(lambda: cluster.committed(soon), within_ms=BASE_TIMEOUT_MS) < 10


# ---- a protocol version that the software does not know


def decided_update(validators: int = 4, *, followers: int = 0) -> tuple[Cluster, int]:
    """A cluster that has just decided on protocol version 2, and the first height at which it is in force."""
    cluster = Cluster(validators, followers=followers)
    decided = Council(cluster, cluster.nodes[0]).decide(
        ParameterSet("protocol_version", 2), delay=PROTOCOL_DELAY_HEIGHTS_MIN
    )
    assert decided.activation_height is not None
    cluster.run(BASE_TIMEOUT_MS)
    return cluster, decided.activation_height


def update_software(monkeypatch: pytest.MonkeyPatch) -> None:
    """Version 2 is known from here on, and has the rules of version 1."""
    monkeypatch.setattr(chain_module, "PROTOCOL_VERSION", 2)
    monkeypatch.setattr(activation, "PROTOCOL_VERSION", 2)


def test_it_is_said_when_it_is_decided_and_nothing_is_voted_for_from_that_height_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, height = decided_update(followers=1)
    for node in cluster.nodes:
        status = node.running.status()
        assert status.role is (Role.VOTING if node.key else Role.FOLLOWING)
        assert f"protocol version 2 is in force from height {height} on, and this software knows 1" in status.reason
        assert [line.fields["height"] for line in logged(node, "software_outdated")] == [height]
    grow_to(cluster, height - 1)
    for _ in range(3):
        (outcome,) = cluster.submit(cluster.nodes[0], cluster.transaction())
        assert isinstance(outcome, Refusal)
        assert outcome.code is Code.NOT_READY
        cluster.run(100 * BASE_TIMEOUT_MS)
    assert set(cluster.heights()) == {height - 1}
    for node in cluster.nodes:
        status = node.running.status()
        assert status.role is Role.OUTDATED
        assert f"nothing is done at height {height}" in status.explanation
        assert len(logged(node, "software_outdated")) == 2, "when it was decided, and when it came into force"
        assert max(voted_at(node), default=0) < height
    for node in cluster.nodes:  # all are updated, one after the other
        update_software(monkeypatch)
        cluster.restart(node)
    grow_to(cluster, height + 3)
    assert blames(cluster) == []


def test_one_that_was_not_updated_serves_what_it_has_and_is_no_burden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three of four are updated in time, and it is started when they are past the change."""
    cluster, height = decided_update()
    old, others = cluster.nodes[3], cluster.nodes[:3]
    grow_to(cluster, height - 1)
    cluster.stop(old)
    update_software(monkeypatch)
    for node in others:
        cluster.restart(node)
    grow_to(cluster, height + 2, others)
    monkeypatch.undo()
    cluster.start(old)
    cluster.step(old, PeerMessageReceived(others[0].peer, Status(height + 3, 0)))
    before = len(old.actions)
    chain = open_chain(others[0].disk)
    block = CertifiedBlock(chain.record(height), chain.envelopes(height))
    for message in (Records((block,)), Transactions((b"{of version 2}",)), FetchRecords(1, 2)):
        cluster.step(old, PeerMessageReceived(others[0].peer, message))
    assert old.running.status().role is Role.OUTDATED
    assert old.height == height - 1
    sent = [type(message) for message in old.sent()]
    assert sent[-1] is Records, "what it has it gives"
    assert not any(isinstance(action, PeerMisbehaved) for action in old.actions[before:])
    assert max(voted_at(old)) < height
    update_software(monkeypatch)
    cluster.restart(old)
    grow_to(cluster, height + 4)
    assert max(voted_at(old)) >= height + 3


def test_one_that_catches_up_stops_at_the_last_height_that_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster, height = decided_update()
    late, others = cluster.nodes[3], cluster.nodes[:3]
    cluster.stop(late)
    grow_to(cluster, height - 1, others)
    update_software(monkeypatch)
    for node in others:
        cluster.restart(node)
    grow_to(cluster, height + 5, others)
    chain, tip = open_chain(others[0].disk), late.height
    monkeypatch.undo()
    for node in others:
        cluster.stop(node)
    cluster.start(late)
    feed(cluster, late, others[0], chain_records(chain, tip + 1, height + 5))
    assert late.height == height - 1
    assert late.running.status().role is Role.OUTDATED
    cluster.run(100 * BASE_TIMEOUT_MS)
    assert late.height == height - 1
    assert not logged(late, "certified_block_refused"), "it is not looked at"


def chain_records(chain: ChainStore, first: int, last: int) -> list[Records]:
    """The certified blocks of these heights, in as few answers as they fit."""
    items = [CertifiedBlock(chain.record(each), chain.envelopes(each)) for each in range(first, last + 1)]
    return [Records(tuple(items[start : start + 64])) for start in range(0, len(items), 64)]


def feed(cluster: Cluster, node: Node, sender: Node, answers: list[Records]) -> None:
    """Give a node answers as if it had asked a peer for them."""
    cluster.step(node, PeerConnected(sender.peer))
    for answer in answers:
        cluster.step(node, PeerMessageReceived(sender.peer, Status(10**6, 0)))
        cluster.step(node, PeerMessageReceived(sender.peer, answer))
        while node.running._parts.syncing.busy and not node.running._parts.deciding.suspended:
            cluster.step(node, Elapsed())
