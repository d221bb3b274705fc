"""The small pieces of a replica: their bounds, and what they do when they are full."""

from __future__ import annotations

import pytest

from ledger.block import block_hash
from ledger.consensus.inputs import PeerId
from ledger.consensus.messages import ProposedBlock
from ledger.evidence import Evidence
from ledger.limits import (
    CONFLICTS_MAX,
    EVIDENCE_PER_VALIDATOR_MAX,
    HEIGHT_MESSAGES_BUFFERED_BYTES_MAX,
    HEIGHT_MESSAGES_BUFFERED_MAX,
    PEER_LINKS_MAX,
    PROMPT_TRANSACTIONS_MAX,
    RECORD_REQUESTS_MAX,
)
from ledger.primitives import Digest, PublicKey, Signature
from ledger.refusals import Code, Refusal
from ledger.transaction import Transaction, envelope_hash, parse_transaction
from node.replica import PeerConnected, PeerMessageReceived, PeerMisbehaved, Role
from node.replica.blocks import Blocks
from node.replica.findings import Findings
from node.replica.peers import Peers
from node.replica.postbox import Postbox
from node.storage.memory import MemoryStore
from node.wire import Consensus, Haste, Status, Transactions
from tests.unit.ledger.accusing import accuse, two_commits
from tests.unit.ledger.founders import founder
from tests.unit.node.replica.cluster import Cluster

A, B, C = PeerId("a"), PeerId("b"), PeerId("c")


def test_the_postbox_gives_everything_once_in_order() -> None:
    box = Postbox()
    for peer, payload in ((A, b"1"), (B, b"2"), (A, b"3")):
        box.put(peer, payload)
    assert box.take() == [(A, b"1"), (A, b"3"), (B, b"2")]
    assert box.take() == []


def test_of_what_comes_a_wanted_block_takes_what_it_lacks() -> None:
    """Whatever else it comes with was judged at the door, and is not judged again."""
    parts = Cluster(2).nodes[0].running._parts
    header = parts.chain.tip.header_bytes
    blocks = Blocks(parts.chain.tip, parts.chain, parts.deciding.validators, find=lambda _: None)
    lacked, brought, other = (Digest(bytes([number]) * 32) for number in range(3))
    named = [(name, b"its envelope") for name in (other, brought, lacked)]
    assert blocks.lacked(named) == [], "nothing is wanted"
    blocks.want(block_hash(header), ProposedBlock(header, (lacked, brought)))
    assert blocks.missing_bodies(block_hash(header)) == (lacked, brought)
    blocks.bring(brought, None)
    assert blocks.lacked(named) == named[2:]


def test_a_full_postbox_drops_the_oldest_of_that_peer_alone() -> None:
    box = Postbox()
    box.put(B, b"kept")
    for number in range(HEIGHT_MESSAGES_BUFFERED_MAX + 2):
        box.put(A, b"%d" % number)
    taken = box.take()
    assert taken[0] == (B, b"kept")
    assert [payload for _, payload in taken[1:3]] == [b"2", b"3"]
    assert len(taken) == 1 + HEIGHT_MESSAGES_BUFFERED_MAX


def test_a_postbox_is_bounded_in_bytes_and_forgets_who_left() -> None:
    box = Postbox()
    large = bytes(HEIGHT_MESSAGES_BUFFERED_BYTES_MAX // 2 + 1)
    box.put(A, large)
    box.put(A, large)
    box.put(B, b"x")
    assert [len(payload) for _, payload in box.take()] == [len(large), 1]
    box.put(A, b"y")
    box.forget(A)
    assert box.take() == []


def _peers(*heights: int) -> Peers:
    peers = Peers()
    for name, height in zip((A, B, C), heights, strict=True):
        peers.connect(name, 0)
        known = peers.get(name)
        assert known is not None
        known.height = height
    return peers


def test_only_peers_that_are_further_are_asked_and_few_at_once() -> None:
    peers = _peers(5, 9, 7)
    assert peers.choose(6, 5, 0) == [B, C]
    assert peers.choose(6, 5, 0) == [], f"{RECORD_REQUESTS_MAX} requests are under way"
    assert not peers.answered(B, 5), "a block that it sent unasked"
    assert peers.answered(B, 6)
    assert not peers.answered(B, 6)
    assert peers.choose(6, 5, 0) == [B]


def test_who_leaves_requests_unanswered_is_asked_last() -> None:
    peers = _peers(9, 9, 9)
    assert peers.choose(6, 5, 0) == [A, B]
    peers.answered(B, 6)
    peers.useful(B)
    peers.tick(99, 100)
    assert peers.choose(6, 5, 99) == [B]
    peers.answered(B, 6)
    peers.tick(100, 100)
    assert peers.choose(6, 5, 100) == [B, C]


def test_who_answers_with_what_is_of_no_use_is_asked_again_after_a_tick_and_not_at_once() -> None:
    """Else a node that refuses what a quorum certified would ask for it again as fast as its peers can answer."""
    peers = _peers(9, 9, 0)
    assert peers.choose(6, 5, 0) == [A, B]
    for peer in (A, B):
        peers.answered(peer, 6)
        peers.useless(peer)
    assert peers.choose(6, 5, 1) == []
    peers.tick(100, 100)
    assert peers.choose(6, 5, 100) == [A, B]


def test_links_are_bounded() -> None:
    peers = Peers()
    assert all(peers.connect(PeerId(str(number)), 0) for number in range(PEER_LINKS_MAX))
    assert not peers.connect(A, 0)
    assert peers.connect(PeerId("0"), 0)


def test_the_envelope_hash_is_that_of_the_transaction() -> None:
    made = Cluster(1).transaction()
    parsed = parse_transaction(made.envelope)
    assert isinstance(parsed, Transaction)
    assert envelope_hash(made.envelope) == parsed.envelope_hash


def test_signatures_are_verified_once_per_node() -> None:
    cluster = Cluster(3)
    node = cluster.nodes[0]
    door = node.running._parts.door
    counted: list[bytes] = []
    verify = door._verify

    def counting(key: object, message: bytes, signature: object) -> bool:
        counted.append(message)
        return verify(key, message, signature)  # type: ignore[arg-type]  # passed through

    door._verify = counting
    made = cluster.transaction()
    cluster.submit(node, made)
    cluster.submit(node, made)
    cluster.run_until(lambda: cluster.committed(made), within_ms=200)
    assert counted == [made.signed_bytes]


def test_a_stranger_costs_no_curve_arithmetic() -> None:
    cluster = Cluster(3)
    door = cluster.nodes[0].running._parts.door

    def never(key: object, message: bytes, signature: object) -> bool:
        raise AssertionError("verified before the account was looked up")

    door._verify = never
    cluster.submit(cluster.nodes[0], Cluster(4).transaction())


@pytest.mark.parametrize("message", [Consensus(1, b"{}"), Status(9, 0)])
def test_who_is_not_connected_is_not_heard(message: Consensus | Status) -> None:
    cluster = Cluster(3)
    node = cluster.nodes[0]
    actions = cluster.step(node, PeerMessageReceived(PeerId("00" * 32), message))
    assert not [action for action in actions if isinstance(action, PeerMisbehaved)]
    assert len(node.running.status().peers) == 2


def test_the_status_names_peers_as_validators_and_followers() -> None:
    cluster = Cluster(3, followers=1)
    cluster.run(1_000)
    status = cluster.nodes[0].running.status()
    assert [(peer.validator, peer.height) for peer in status.peers] == [("v1", 1), ("v2", 1), (None, 1)]
    assert status.role is Role.VOTING


def test_a_new_link_is_told_where_we_are() -> None:
    cluster = Cluster(3)
    node = cluster.nodes[0]
    before = len(node.sent())
    cluster.step(node, PeerConnected(cluster.nodes[1].peer))
    assert node.sent()[before:] == [Status(1, 0)]


def _evidence(validator: str, height: int) -> Evidence:
    return accuse(validator, founder(len(validator)).consensus_key, Digest(bytes(32)), two_commits(height))


def test_who_contradicts_itself_at_every_height_takes_no_room_of_others() -> None:
    store = MemoryStore()
    findings = Findings(store)
    kept = [findings.keep_evidence(0, _evidence("ann", height)) for height in range(1, 100)]
    assert sum(kept) == EVIDENCE_PER_VALIDATOR_MAX
    assert findings.keep_evidence(1, _evidence("otto", 100))
    restarted = Findings(store)
    assert restarted.evidence() == findings.evidence()
    assert not restarted.keep_evidence(2, _evidence("ann", 101)), "whatever its index is by now"
    assert restarted.keep_evidence(1, _evidence("otto", 101))


def test_a_new_key_has_room_of_its_own_for_what_it_contradicts() -> None:
    findings = Findings(MemoryStore())
    for height in range(1, 100):
        findings.keep_evidence(0, _evidence("ann", height))
    renewed = accuse("ann", founder(7).consensus_key, Digest(bytes(32)), two_commits(200))
    assert findings.keep_evidence(0, renewed), "it was re-keyed for that, and does it again"


def test_records_of_another_chain_are_kept_once_and_few() -> None:
    store = MemoryStore()
    assert Findings(store).keep_conflict(1, b"first")
    findings = Findings(store)
    assert not findings.keep_conflict(1, b"second")
    assert findings.conflict(1) == b"first"
    assert sum(findings.keep_conflict(height, b"record") for height in range(2, 100)) == CONFLICTS_MAX - 1


def test_what_a_sender_of_few_submits_goes_ahead_and_a_backlog_in_bulk() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    flood = [cluster.transaction(sender=0) for _ in range(PROMPT_TRANSACTIONS_MAX + 3)]
    other = cluster.transaction(sender=1)
    cluster.submit(node, *flood, other)
    gossip = [message for message in node.sent() if isinstance(message, Transactions)]
    assert gossip == [
        Transactions(tuple(item.envelope for item in [*flood[:PROMPT_TRANSACTIONS_MAX], other]), Haste.PROMPT),
        Transactions(tuple(item.envelope for item in flood[PROMPT_TRANSACTIONS_MAX:]), Haste.BULK),
    ]


def test_what_there_is_no_room_for_is_refused_before_its_signature_is_verified() -> None:
    """A sender whose share is full costs a parse for each further transaction, and no curve arithmetic."""
    cluster = Cluster(4)
    node = cluster.nodes[0]
    door = node.running._parts.door
    door.mempool._sender_transactions_max = 2
    verified: list[bytes] = []
    verify = door._verify

    def counting(key: PublicKey, message: bytes, signature: Signature) -> bool:
        verified.append(signature)
        return verify(key, message, signature)

    door._verify = counting
    outcomes = cluster.submit(node, *(cluster.transaction() for _ in range(5)))
    assert [item.code for item in outcomes if isinstance(item, Refusal)] == [Code.SENDER_MEMPOOL_FULL] * 3
    assert len(verified) == 2
