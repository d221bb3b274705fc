"""Evidence goes onto the ledger by itself, once, and is in nobody's way: from the vote that contradicts to the row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import orjson
import pytest

from ledger.consensus.codec import encode_message
from ledger.consensus.evidence import EvidenceKind
from ledger.consensus.messages import PrepareVote
from ledger.consensus.statements import PrepareStatement, SigningContext, signed_bytes
from ledger.encoding import encode
from ledger.evidence import Evidence
from ledger.limits import EVIDENCE_PER_VALIDATOR_MAX, EVIDENCE_REPORTS_PER_TICK_MAX, MEMPOOL_VALIDATOR_TRANSACTIONS_MAX
from ledger.primitives import ZERO_DIGEST, Digest, Signature, successor
from ledger.refusals import Code, Refusal
from ledger.rows.evidence import EVIDENCE_PREFIX, RecordedEvidence, parse_evidence_row
from ledger.transaction import Transaction, assemble, parse_transaction, sign_body
from node.replica import PeerMessageReceived, PeerMisbehaved, Role
from node.storage.guard import MemoryGuard
from node.storage.opening import open_chain
from node.wire import Block, CertifiedBlock, Consensus, PeerMessage, Records, Transactions
from tests.unit.ledger import accusing
from tests.unit.ledger.accusing import two_commits
from tests.unit.ledger.founders import founder, set_of
from tests.unit.ledger.set_changes import decide_sets
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, HEARTBEAT_MS, PARAMETERS, Cluster, Node

TICK_MS = BASE_TIMEOUT_MS // 2
SOON_MS = 10 * BASE_TIMEOUT_MS


def show(cluster: Cluster, node: Node, accused: int, *, round: int = 0) -> int:
    """Show a node two prepare votes of the height that it decides, both signed by a validator; returns the height."""
    context = SigningContext(cluster.genesis.chain, 0)
    height = node.height + 1
    for byte in (b"\1", b"\2"):
        bound = ZERO_DIGEST if round == 0 else Digest(byte * 32)
        statement = PrepareStatement(height, round, Digest(byte * 32), bound)
        signature = founder(accused).consensus_key.sign(signed_bytes(context, statement))
        payload = encode_message(PrepareVote(statement, accused, signature))
        cluster.step(node, PeerMessageReceived(_another(cluster, node).peer, Consensus(height, payload)))
    return height


def _another(cluster: Cluster, node: Node) -> Node:
    return cluster.nodes[0 if node.index else 1]


def recorded(node: Node) -> list[RecordedEvidence]:
    """What the state on a node's disk says."""
    chain = open_chain(node.disk)
    return [parse_evidence_row(row) for _, row in chain.state.range(EVIDENCE_PREFIX, successor(EVIDENCE_PREFIX))]


def reports(node: Node) -> list[Transaction]:
    """The transactions of its chain that record evidence, in order."""
    chain = open_chain(node.disk)
    found = [parse_transaction(item) for height in range(1, node.height + 1) for item in chain.envelopes(height)]
    return [item for item in found if isinstance(item, Transaction) and ":" in item.body.sender]


def accused_of(node: Node) -> list[tuple[str, int]]:
    return [(item.validator, item.height) for item in recorded(node)]


def until_recorded(cluster: Cluster, *accused: tuple[str, int], nodes: Sequence[Node] | None = None) -> None:
    """Let time pass until every (running) node has exactly this on its ledger, each once."""
    expected = sorted(accused)
    which = [node for node in cluster.nodes if node.replica is not None] if nodes is None else nodes
    cluster.run_until(lambda: all(accused_of(node) == expected for node in which), within_ms=SOON_MS)
    for node in which:
        assert len(reports(node)) == len(expected), "each once"


def waits(node: Node) -> int:
    """How many transactions wait in a node's mempool."""
    return node.running.status().mempool_transactions


def blamed(cluster: Cluster) -> list[PeerMisbehaved]:
    return [action for node in cluster.nodes for action in node.actions if isinstance(action, PeerMisbehaved)]


def test_what_one_validator_found_is_on_every_ledger_once_and_nobody_asked_for_it() -> None:
    cluster = Cluster(4, followers=1)
    height = show(cluster, cluster.nodes[0], 3)
    until_recorded(cluster, ("v3", height))
    (row,) = recorded(cluster.nodes[2])
    assert row.kind is EvidenceKind.TWO_STATEMENTS
    assert [item.body.sender for item in reports(cluster.nodes[4])] == ["validator:v0"]
    logged = [dict(node.logged("evidence_recorded")[0].fields) for node in cluster.nodes]
    assert logged == [{"validator": "v3", "height": height, "digest": row.digest.hex()}] * 5
    at = cluster.nodes[0].height
    cluster.run(3 * HEARTBEAT_MS)
    assert len(reports(cluster.nodes[1])) == 1, "and never again"
    assert cluster.nodes[0].height <= at + 4, "an idle network is idle again"
    assert blamed(cluster) == []


def test_all_find_it_at_once_and_it_is_recorded_once() -> None:
    cluster = Cluster(4)
    cluster.deliver = lambda sender, receiver, message: not isinstance(message, Consensus)
    for node in cluster.nodes[:3]:
        show(cluster, node, 3)
    cluster.run(TICK_MS + 10)
    assert [waits(node) for node in cluster.nodes] == [3] * 4
    cluster.deliver = lambda sender, receiver, message: True
    until_recorded(cluster, ("v3", 1))
    assert [waits(node) for node in cluster.nodes] == [0] * 4, "what came late is dropped at once"
    cluster.run(HEARTBEAT_MS // 2)
    assert cluster.heights() == [1] * 4, "and nobody waits for it"
    assert all(node.running._parts.reports.waiting() == () for node in cluster.nodes)
    assert blamed(cluster) == []


def test_different_contradictions_of_one_height_are_one_accusation() -> None:
    cluster = Cluster(4)
    show(cluster, cluster.nodes[0], 3)
    show(cluster, cluster.nodes[1], 3, round=1)
    until_recorded(cluster, ("v3", 1))
    cluster.run(2 * HEARTBEAT_MS)
    assert len(reports(cluster.nodes[2])) == 1


def test_the_accused_may_lead_and_keep_silent_about_it() -> None:
    """It drops every report that it hears of; the others record it all the same."""
    cluster = Cluster(4)

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        return not (receiver == 3 and isinstance(message, Transactions))

    cluster.deliver = deliver
    show(cluster, cluster.nodes[0], 3)
    until_recorded(cluster, ("v3", 1), nodes=cluster.nodes[:3])


# ---- while it is not recorded


def test_a_report_that_got_lost_is_repeated_until_it_is_recorded() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    cut_until = 20 * BASE_TIMEOUT_MS

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        return cluster.now_ms > cut_until or not (sender == 0 and isinstance(message, Transactions | Block | Consensus))

    cluster.deliver = deliver
    show(cluster, node, 3)
    cluster.run(cut_until - cluster.now_ms)
    assert all(accused_of(other) == [] for other in cluster.nodes)
    until_recorded(cluster, ("v3", 1))


def test_a_report_that_expired_is_made_anew() -> None:
    """Nothing of the reporter arrives for longer than a transaction may wait, while the others go on."""
    cluster = Cluster(4, parameters=replace(PARAMETERS, valid_window_ms=5_000, heartbeat_ms=1_000))
    node = cluster.nodes[0]
    cluster.deliver = lambda sender, receiver, message: sender != 0
    show(cluster, node, 3)
    cluster.run(2 * TICK_MS)
    (first,) = node.running._parts.reports._submitted.values()
    cluster.run(15_000)
    assert node.running.expired(first)
    cluster.deliver = lambda sender, receiver, message: True
    until_recorded(cluster, ("v3", 1))
    assert [item.id for item in reports(node)] != [first]


def test_what_was_not_recorded_is_reported_after_a_restart() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    cluster.deliver = lambda sender, receiver, message: False
    show(cluster, node, 3)
    cluster.run(4 * TICK_MS)
    cluster.restart(node)
    assert len(node.running._parts.reports.waiting()) == 1
    cluster.deliver = lambda sender, receiver, message: True
    until_recorded(cluster, ("v3", 1))


@pytest.mark.parametrize("reporter", [0, 1])
def test_what_is_recorded_is_not_reported_again_after_a_restart(reporter: int) -> None:
    """Whether this node had reported it, or another one was faster."""
    cluster = Cluster(4)
    for node in cluster.nodes[: reporter + 1]:
        show(cluster, node, 3)
    until_recorded(cluster, ("v3", 1))
    node = cluster.nodes[reporter]
    before = len(node.sent())
    cluster.restart(node)
    assert node.running._parts.reports.waiting() == ()
    assert node.running.status().evidence_count == 1, "it is kept all the same"
    cluster.run(2 * HEARTBEAT_MS)
    assert not [item for item in node.sent()[before:] if isinstance(item, Transactions)]
    assert len(reports(node)) == 1


# ---- who reports


def test_a_follower_keeps_what_it_found_and_reports_nothing() -> None:
    cluster = Cluster(4, followers=1)
    follower = cluster.nodes[4]
    show(cluster, follower, 3)
    cluster.run(4 * TICK_MS)
    assert follower.running.status().evidence_count == 1
    assert all(accused_of(node) == [] for node in cluster.nodes)


def test_a_validator_that_must_not_vote_may_still_report() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    cluster.stop(node)
    node.guard = MemoryGuard(bytes(len(node.guard.image())))
    cluster.start(node)
    assert node.running.status().role is Role.OBSERVING
    show(cluster, node, 3)
    until_recorded(cluster, ("v3", 1))
    assert node.votes() == []


def test_a_validator_reports_what_it_found_before_it_was_one(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_sets(monkeypatch, {2: set_of(0, 1, 2, 3)})
    cluster = Cluster(3, candidates=1)
    joiner = cluster.nodes[3]
    show(cluster, joiner, 2)
    cluster.run(4 * TICK_MS)
    assert accused_of(joiner) == []
    _grow_to(cluster, 2)
    until_recorded(cluster, ("v2", 1))
    assert [item.body.sender for item in reports(joiner)] == ["validator:v3"]


def test_a_report_of_a_validator_that_was_removed_is_dropped_and_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It waits in every mempool when its sender leaves the set: no leader may be blamed for not proposing it."""
    decide_sets(monkeypatch, {1: set_of(0, 1, 2)})
    cluster = Cluster(4)
    leader = cluster.nodes[1]
    made = cluster.submit_one(leader)  # proposed at once, before the report comes in
    report = Transactions((report_of(cluster, "v2", 1, by=3),))
    for node in cluster.nodes:
        cluster.step(node, PeerMessageReceived(_another(cluster, node).peer, report))
    assert {waits(node) for node in cluster.nodes} == {1, 2}
    cluster.run_until(lambda: cluster.committed(made), within_ms=SOON_MS)
    assert [waits(node) for node in cluster.nodes] == [0] * 4
    cluster.run(2 * HEARTBEAT_MS)
    chain = open_chain(leader.disk)
    assert accused_of(leader) == []
    assert [chain.header(height).round for height in range(1, leader.height + 1)] == [0] * leader.height


def _grow_to(cluster: Cluster, height: int) -> None:
    while min(cluster.heights()) < height:
        lowest = min(cluster.heights())
        cluster.submit_one(cluster.nodes[0])
        cluster.run_until(lambda at=lowest: min(cluster.heights()) > at, within_ms=SOON_MS)  # type: ignore[misc]


# ---- it is in nobody's way, and bounded


def test_who_contradicts_itself_at_every_height_is_recorded_a_few_times_and_slows_nobody() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    for height in range(1, EVIDENCE_PER_VALIDATOR_MAX + 5):
        show(cluster, node, 3)
        made = cluster.submit_one(cluster.nodes[1])
        took = cluster.run_until(lambda m=made: cluster.committed(m), within_ms=SOON_MS)  # type: ignore[misc]
        assert took < BASE_TIMEOUT_MS, f"height {height} lost a round"
    cluster.run(2 * HEARTBEAT_MS)
    found = accused_of(node)
    assert len(found) == len(reports(node)) == EVIDENCE_PER_VALIDATOR_MAX
    assert {name for name, _ in found} == {"v3"}
    assert waits(node) == 0


def test_a_tick_submits_so_many_reports_and_no_more() -> None:
    cluster = Cluster(4)
    _grow_to(cluster, 12)
    node = cluster.nodes[0]
    cluster.deliver = lambda sender, receiver, message: False
    parts = node.running._parts
    for height in range(1, 13):
        for validator in ("v1", "v2", "v3"):
            parts.reports.wait(_evidence(cluster, validator, height))
    now_ms, pending = cluster.now_ms + HEARTBEAT_MS, []
    for later_ms in (0, 0, TICK_MS - 1, TICK_MS, 2 * TICK_MS, 3 * TICK_MS):
        parts.reports.submit(parts.door, parts.deciding, now_ms + later_ms)
        pending.append(waits(node))
    most = EVIDENCE_REPORTS_PER_TICK_MAX
    assert pending == [most, most, most, 2 * most, 36, 36]


def test_what_is_about_blocks_that_this_node_has_lost_waits_for_them() -> None:
    cluster = Cluster(4)
    cluster.deliver = lambda sender, receiver, message: False
    parts = cluster.nodes[0].running._parts
    parts.reports.wait(_evidence(cluster, "v3", 2))
    cluster.run(4 * TICK_MS)
    assert waits(cluster.nodes[0]) == 0
    cluster.deliver = lambda sender, receiver, message: True
    _grow_to(cluster, 1)
    until_recorded(cluster, ("v3", 2))


def _evidence(cluster: Cluster, validator: str, height: int, *, round: int = 0) -> Evidence:
    key = founder(int(validator[1:])).consensus_key
    return accusing.accuse(validator, key, cluster.genesis.chain, two_commits(height, round))


def report_of(cluster: Cluster, validator: str, height: int, *, by: int, round: int = 0) -> bytes:
    return accusing.report(
        _evidence(cluster, validator, height, round=round),
        f"v{by}",
        founder(by).node_key,
        chain=cluster.genesis.chain,
        valid_until_ms=cluster.genesis.time_ms + cluster.now_ms + 3_600_000,
    ).envelope


def test_a_validator_that_floods_has_a_small_share_of_the_mempool() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    cluster.deliver = lambda sender, receiver, message: False
    envelopes = tuple(
        report_of(cluster, "v3", 1, by=3, round=round) for round in range(MEMPOOL_VALIDATOR_TRANSACTIONS_MAX + 9)
    )
    cluster.step(node, PeerMessageReceived(cluster.nodes[3].peer, Transactions(envelopes)))
    assert waits(node) == MEMPOOL_VALIDATOR_TRANSACTIONS_MAX
    cluster.deliver = lambda sender, receiver, message: True
    until_recorded(cluster, ("v3", 1))
    assert waits(node) == 0


# ---- what peers and submitters send


def _unsigned(cluster: Cluster) -> bytes:
    """A report of a statement that nobody signed."""
    true = _evidence(cluster, "v2", 1)
    forged = replace(true, first=replace(true.first, signature=Signature(bytes(64))))
    valid_until_ms = cluster.genesis.time_ms + 3_600_000
    return accusing.report(
        forged, "v3", founder(3).node_key, chain=cluster.genesis.chain, valid_until_ms=valid_until_ms
    ).envelope


def _other_nonce(cluster: Cluster) -> bytes:
    """A true report with a nonce of the reporter's choice."""
    body = orjson.loads(report_of(cluster, "v2", 1, by=3))["body"]
    data = encode({**body, "nonce": "00" * 16})
    return assemble(data, [sign_body(data, founder(3).node_key)])


FORGED: list[tuple[str, Callable[[Cluster], bytes]]] = [
    ("a statement that was not signed", _unsigned),
    ("another nonce", _other_nonce),
]


@pytest.mark.parametrize("forge", [row[1] for row in FORGED], ids=[row[0] for row in FORGED])
def test_who_passes_forged_evidence_on_is_blamed(forge: Callable[[Cluster], bytes]) -> None:
    cluster = Cluster(4)
    node = cluster.nodes[0]
    cluster.step(node, PeerMessageReceived(cluster.nodes[3].peer, Transactions((forge(cluster),))))
    assert [action.peer for action in blamed(cluster)] == [cluster.nodes[3].peer]
    assert waits(node) == 0


def test_who_passes_on_what_came_late_is_not() -> None:
    cluster = Cluster(4)
    late = report_of(cluster, "v3", 1, by=1)
    show(cluster, cluster.nodes[0], 3)
    until_recorded(cluster, ("v3", 1))
    cluster.step(cluster.nodes[0], PeerMessageReceived(cluster.nodes[1].peer, Transactions((late,))))
    assert blamed(cluster) == []
    assert waits(cluster.nodes[0]) == 0
    parsed = parse_transaction(late)
    assert isinstance(parsed, Transaction)
    (outcome,) = cluster.submit(cluster.nodes[0], parsed)
    assert isinstance(outcome, Refusal)
    assert outcome.code is Code.EVIDENCE_RECORDED


# ---- two chains


def forked() -> tuple[Cluster, CertifiedBlock]:
    """A majority of 2 of 3 that forked because v1 signed both: one side, without v0, and the other side's block 1."""
    one, other = Cluster(3), Cluster(3)
    for cluster, absent in ((one, 0), (other, 2)):
        nodes = [node for node in cluster.nodes if node.index != absent]
        cluster.stop(cluster.nodes[absent])
        if cluster is other:
            cluster.run(1)
            cluster.transaction()  # another one, so another block
        made = cluster.submit_one(nodes[0])
        cluster.run_until(lambda c=cluster, m=made: c.committed(m), within_ms=SOON_MS)  # type: ignore[misc]
    chain = open_chain(other.nodes[0].disk)
    return one, CertifiedBlock(chain.record(1), chain.envelopes(1))


def test_two_records_of_one_height_accuse_whoever_signed_both() -> None:
    """It is named, kept, and recorded where the chain goes on."""
    cluster, foreign = forked()
    node = cluster.nodes[2]
    cluster.step(node, PeerMessageReceived(cluster.nodes[1].peer, Records((foreign,))))
    assert [(item.validator, item.height) for item in node.running.evidence()] == [("v1", 1)]
    assert node.running.status().role is Role.OBSERVING
    cluster.start(cluster.nodes[0])
    until_recorded(cluster, ("v1", 1))
    cluster.restart(node)
    assert [(item.validator, item.height) for item in node.running.evidence()] == [("v1", 1)]


def test_a_fork_whose_culprit_is_on_the_ledger_already_is_kept_and_not_reported() -> None:
    cluster, foreign = forked()
    cluster.start(cluster.nodes[0])
    late = cluster.nodes[2]
    made = parse_transaction(report_of(cluster, "v1", 1, by=0))
    assert isinstance(made, Transaction)
    cluster.submit(cluster.nodes[0], made)
    until_recorded(cluster, ("v1", 1))
    cluster.step(late, PeerMessageReceived(cluster.nodes[1].peer, Records((foreign,))))
    assert [(item.validator, item.height) for item in late.running.evidence()] == [("v1", 1)]
    assert late.running._parts.reports.waiting() == ()
