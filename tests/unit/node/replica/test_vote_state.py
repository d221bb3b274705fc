"""Who may vote: a node whose vote state is lost, old or contradicted observes, says why, and casts nothing."""

from __future__ import annotations

import pytest

from ledger.block import parse_header
from ledger.consensus.codec import decode_commit_record, encode_message
from ledger.consensus.evidence import EvidenceKind
from ledger.consensus.messages import PrepareVote, TimeoutVote
from ledger.consensus.statements import (
    NO_ROUND,
    PrepareStatement,
    SigningContext,
    StatementType,
    TimeoutStatement,
    signed_bytes,
)
from ledger.primitives import ZERO_DIGEST, Digest
from node.replica import Halted, PeerMessageReceived, PeerMisbehaved, Role
from node.replica.opening import renew_guard
from node.storage import keys
from node.storage.guard import MemoryGuard, promise
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain, open_chain
from node.storage.promises import OwnMessage, Promises
from node.wire import CertifiedBlock, Consensus, FetchRecords, PeerMessage, Records
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster, Node


def _grow(cluster: Cluster, blocks: int) -> None:
    for _ in range(blocks):
        made = cluster.submit_one(cluster.nodes[0])
        cluster.run_until(lambda m=made: cluster.committed(m), within_ms=10 * BASE_TIMEOUT_MS)  # type: ignore[misc]


def _start_on(cluster: Cluster, node: Node, store: MemoryStore, guard: MemoryGuard) -> None:
    """Start a stopped node on another disk, and let it see votes that it could answer."""
    node.store, node.guard = store, guard
    node.actions.clear()
    cluster.start(node)


def _assert_observes(cluster: Cluster, node: Node, reason: str) -> None:
    """It says why, and casts nothing while the others append blocks, which it follows."""
    status = node.running.status()
    assert status.role is Role.OBSERVING
    assert reason in status.reason
    assert "replace its consensus key" in status.reason
    assert reason in node.logged("voting_stopped")[0].fields["reason"]  # type: ignore[operator]  # it is text
    _grow(cluster, 2)
    assert node.votes() == []
    assert node.height == cluster.nodes[0].height


def _damaged(guard: MemoryGuard) -> MemoryGuard:
    return MemoryGuard(bytes(len(guard.image())))


@pytest.mark.parametrize("blocks", [0, 2])
def test_a_missing_guard_silences_even_a_new_chain(blocks: int) -> None:
    cluster = Cluster(4)
    _grow(cluster, blocks)
    node = cluster.nodes[3]
    cluster.stop(node)
    _start_on(cluster, node, node.store, _damaged(node.guard))
    _assert_observes(cluster, node, "guard file is missing or damaged")


def test_an_empty_database_beside_a_guard_that_has_promised_silences() -> None:
    cluster = Cluster(4)
    _grow(cluster, 3)
    node = cluster.nodes[3]
    cluster.stop(node)
    store = MemoryStore()
    create_chain(store, cluster.genesis)
    _start_on(cluster, node, store, node.guard)
    cluster.run(4 * BASE_TIMEOUT_MS)
    _assert_observes(cluster, node, "behind the guard file")


def test_a_database_that_lost_the_last_vote_silences() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[1]  # leads round 0 of height 1
    cluster.deliver = lambda sender, receiver, message: False
    before = MemoryStore(node.store.image())
    cluster.submit_one(node)
    assert node.votes()
    cluster.stop(node)
    cluster.deliver = lambda sender, receiver, message: True
    _start_on(cluster, node, before, node.guard)
    _assert_observes(cluster, node, "behind the guard file")


def test_a_vote_that_is_not_the_guarded_one_silences() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[1]
    cluster.deliver = lambda sender, receiver, message: False
    cluster.submit_one(node)
    assert isinstance(node.votes()[-1], PrepareVote)
    cluster.stop(node)
    guard = MemoryGuard(node.guard.image())
    guard.write(promise(1, 0, 2, b"another vote"))
    cluster.deliver = lambda sender, receiver, message: True
    _start_on(cluster, node, node.store, guard)
    _assert_observes(cluster, node, "contradicts the guard file")


def test_a_damaged_vote_silences() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[1]
    cluster.deliver = lambda sender, receiver, message: False
    cluster.submit_one(node)
    cluster.stop(node)
    cluster.deliver = lambda sender, receiver, message: True
    for key, _ in node.store_rows(keys.promises(1), keys.promises(2)):
        node.store.damage(key)
    _start_on(cluster, node, node.store, node.guard)
    status = node.running.status()
    assert status.role is Role.OBSERVING
    assert "the vote state is damaged" in status.reason
    others = [other for other in cluster.nodes if other is not node]
    _grow_on(cluster, others, 2)
    assert node.votes() == []
    # It cannot append either: that would have to read what it promised. The operator needs a new database.
    assert isinstance(node.actions[-1], Halted)
    assert "checksum" in node.actions[-1].reason


def test_a_database_ahead_of_its_guard_votes() -> None:
    """The power was cut between the batch and the guard: nothing was sent, and nothing is lost."""
    cluster = Cluster(3)
    node = cluster.nodes[1]
    old = MemoryGuard(node.guard.image())
    cluster.deliver = lambda sender, receiver, message: False
    made = cluster.submit_one(node)
    cluster.stop(node)
    cluster.deliver = lambda sender, receiver, message: True
    _start_on(cluster, node, node.store, old)
    assert node.running.status().role is Role.VOTING
    messages = open_chain(node.disk).promises(1).messages
    newest = promise(1, messages[-1].round, messages[-1].type, messages[-1].payload)
    assert node.guard.read() == newest, "and before it is sent, the guard knows"
    cluster.submit(node, made)
    cluster.run_until(lambda: cluster.committed(made), within_ms=10 * BASE_TIMEOUT_MS)


def test_a_peer_that_shows_a_later_message_of_ours_silences_for_ever() -> None:
    """A whole machine set back to a snapshot: no local file can tell, but the others remember."""
    cluster = Cluster(4)
    node = cluster.nodes[3]
    statement = TimeoutStatement(1, 0, NO_ROUND, ZERO_DIGEST)
    content = signed_bytes(SigningContext(cluster.genesis.chain, 0), statement)
    shown = TimeoutVote(statement, 3, node.founder.consensus_key.sign(content), None)
    cluster.step(node, PeerMessageReceived(cluster.nodes[0].peer, Consensus(1, encode_message(shown))))
    node.actions.append(node.logged("voting_stopped")[0])
    _assert_observes(cluster, node, "a peer shows a statement of height 1, round 0")
    cluster.restart(node)
    _assert_observes(cluster, node, "a peer shows a statement of height 1, round 0")


def test_a_certified_block_with_a_forgotten_signature_of_ours_silences() -> None:
    """Set back by whole blocks, database and guard alike: catching up shows what this key has committed."""
    cluster = Cluster(3)
    node = cluster.nodes[2]
    store, guard = MemoryStore(node.store.image()), MemoryGuard(node.guard.image())
    cluster.deliver = lambda sender, receiver, message: 1 not in (sender, receiver)  # so that 0 and 2 are the quorum
    _grow_on(cluster, [cluster.nodes[0], node], 2)
    cluster.stop(node)
    cluster.deliver = lambda sender, receiver, message: True
    _start_on(cluster, node, store, guard)
    cluster.run_until(lambda: len(set(cluster.heights())) == 1, within_ms=10 * BASE_TIMEOUT_MS)
    assert node.running.status().role is Role.OBSERVING
    said = len(node.votes())
    _grow(cluster, 2)
    assert len(node.votes()) == said
    assert "does not remember" in node.running.status().reason


def _grow_on(cluster: Cluster, nodes: list[Node], blocks: int) -> None:
    for _ in range(blocks):
        made = cluster.submit_one(nodes[0])
        cluster.run_until(lambda m=made: cluster.committed(m, nodes), within_ms=30 * BASE_TIMEOUT_MS)  # type: ignore[misc]


def test_votes_above_the_tip_wait_until_the_chain_gets_there() -> None:
    """Amendment A4b: the chain is shorter than what was voted on; the node fetches, and never votes below."""
    cluster = Cluster(4)
    _grow(cluster, 2)
    node = cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: not (sender == 3 and isinstance(message, Consensus))
    made = cluster.submit_one(cluster.nodes[1])
    cluster.run(2)
    vote_rows = dict(node.store_rows(keys.promises(3), keys.promises(4)))
    assert vote_rows, "it has voted at height 3"
    bodies = [b"b" + keys.pack_height(height) for height in (3, 4)]
    vote_rows |= dict(node.store_rows(bodies[0], bodies[1]))
    guard = MemoryGuard(node.guard.image())
    cluster.run_until(lambda: cluster.committed(made), within_ms=10 * BASE_TIMEOUT_MS)
    vote_rows |= dict(node.store_rows(keys.OWN_COSIGNATURE, keys.CHECKPOINT))
    cluster.stop(node)
    store = MemoryStore()
    create_chain(store, cluster.genesis)
    store.write(vote_rows, sync=True)
    cluster.deliver = lambda sender, receiver, message: True
    _start_on(cluster, node, store, guard)
    status = node.running.status()
    assert (status.role, status.reason) == (Role.OBSERVING, "fetching blocks up to height 3, where it has voted")
    cluster.deliver = lambda sender, receiver, message: not isinstance(message, Records)
    cluster.submit_one(node)
    cluster.run(4 * BASE_TIMEOUT_MS)
    assert node.votes() == [], "nothing at height 1, whatever waits there"
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: len(set(cluster.heights())) == 1, within_ms=10 * BASE_TIMEOUT_MS)
    assert all(message.statement.height >= 3 for message in node.votes())
    _grow(cluster, 1)
    assert node.running.status().role is Role.VOTING
    assert node.votes()[-1].statement.height > 3


def test_the_guard_does_not_go_back_for_a_vote_of_a_decided_height() -> None:
    """As when rows that were deleted came back, and the chain is fetched again from genesis."""
    guard = MemoryGuard()
    newest = promise(6, 0, 1, b"the newest vote")
    guard.write(newest)
    renew_guard(Promises(3, (OwnMessage(0, StatementType.TIMEOUT, b"an old one"),)), guard)
    assert guard.read() == newest
    renew_guard(Promises(6, (OwnMessage(1, StatementType.TIMEOUT, b"not noted yet"),)), guard)
    assert guard.read() == promise(6, 1, StatementType.TIMEOUT, b"not noted yet")


def test_a_key_that_is_not_in_the_set_follows() -> None:
    cluster = Cluster(3, followers=1)
    node = cluster.nodes[3]
    cluster.stop(node)
    node.key = True
    cluster.start(node)
    status = node.running.status()
    assert (status.role, status.reason) == (Role.FOLLOWING, "its consensus key is not in the validator set")
    _grow(cluster, 1)
    assert node.votes() == []


def test_a_conflicting_valid_record_is_kept_and_stops_the_vote() -> None:
    """Two chains of one genesis: with a bare majority of three, one double-signer (v1) can make them."""
    one, other = Cluster(3), Cluster(3)
    for cluster, absent in ((one, 0), (other, 2)):
        nodes = [node for node in cluster.nodes if node.index != absent]
        cluster.stop(cluster.nodes[absent])
        if cluster is other:
            cluster.run(1)
            cluster.transaction()  # another one, so another block
        _grow_on(cluster, nodes, 1)
    node = one.nodes[2]
    chain = open_chain(other.nodes[0].disk)
    foreign = CertifiedBlock(chain.record(1), chain.envelopes(1))
    assert parse_header(decode_commit_record(foreign.record).header) != open_chain(node.disk).header(1)
    one.step(node, PeerMessageReceived(one.nodes[1].peer, Records((foreign,))))
    assert node.logged("chains_conflict")[0].fields["height"] == 1
    assert "two chains exist" in node.running.status().reason
    said = len(node.votes())
    one.submit_one(node)
    one.run(4 * BASE_TIMEOUT_MS)
    assert len(node.votes()) == said
    one.restart(node)
    assert "two chains exist" in node.running.status().reason
    assert node.running._parts.findings.conflict(1) == foreign.record
    assert node.running.status().conflict_height == 1


def test_a_follower_that_was_shown_two_chains_says_so() -> None:
    one, other = Cluster(3, followers=1), Cluster(3)
    other.transaction()
    for cluster in (one, other):
        cluster.run(1)
        _grow(cluster, 1)
    follower = one.nodes[3]
    assert (follower.running.status().conflict_height, follower.running.status().reason) == (None, "no consensus key")
    chain = open_chain(other.nodes[0].disk)
    foreign = CertifiedBlock(chain.record(1), chain.envelopes(1))
    one.step(follower, PeerMessageReceived(one.nodes[1].peer, Records((foreign,))))
    for _ in range(2):
        status = follower.running.status()
        assert (status.role, status.conflict_height) == (Role.FOLLOWING, 1)
        assert status.reason == "no consensus key; two chains exist from height 1 on"
        one.restart(follower)


def test_a_conflicting_record_that_does_not_verify_is_only_blamed() -> None:
    one, other = Cluster(3), Cluster(3)
    other.transaction()
    _grow(one, 1)
    _grow(other, 1)
    chain, node = open_chain(other.nodes[0].disk), one.nodes[0]
    signers = decode_commit_record(chain.record(1)).certificate.signatures
    forged = chain.record(1).replace(signers[0].signature.hex().encode(), signers[1].signature.hex().encode(), 1)
    one.step(node, PeerMessageReceived(one.nodes[1].peer, Records((CertifiedBlock(forged, ()),))))
    assert [action.peer for action in node.actions if isinstance(action, PeerMisbehaved)] == [one.nodes[1].peer]
    assert node.running.status().role is Role.VOTING


def test_a_fork_below_the_tip_is_asked_for_and_found() -> None:
    """The other chain is longer: its next block does not build on ours, so its sender is asked for the one below."""
    one, other = Cluster(3), Cluster(3)
    one.stop(one.nodes[0])
    other.stop(other.nodes[2])
    other.run(1)
    other.transaction()
    _grow_on(one, one.nodes[1:], 1)
    _grow_on(other, other.nodes[:2], 2)
    node, chain = one.nodes[2], open_chain(other.nodes[0].disk)
    peer = one.nodes[1].peer

    def records(height: int) -> PeerMessage:
        return Records((CertifiedBlock(chain.record(height), chain.envelopes(height)),))

    one.step(node, PeerMessageReceived(peer, records(2)))
    assert FetchRecords(1, 1) in node.sent()
    one.step(node, PeerMessageReceived(peer, records(1)))
    assert node.running.status().role is Role.OBSERVING


def test_evidence_is_kept_and_listed_across_restarts() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    context = SigningContext(cluster.genesis.chain, 0)
    for digest in (b"\1" * 32, b"\2" * 32):
        statement = PrepareStatement(1, 0, Digest(digest), ZERO_DIGEST)
        signature = cluster.nodes[2].founder.consensus_key.sign(signed_bytes(context, statement))
        shown = Consensus(1, encode_message(PrepareVote(statement, 2, signature)))
        cluster.step(node, PeerMessageReceived(cluster.nodes[1].peer, shown))
    found = node.running.evidence()
    assert [(item.height, item.validator, item.kind) for item in found] == [(1, "v2", EvidenceKind.TWO_STATEMENTS)]
    assert node.running.status().evidence_count == 1
    cluster.restart(node)
    assert node.running.evidence() == found
