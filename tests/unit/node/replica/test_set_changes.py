"""A replica across changes of the validator set: who votes when, whose keys verify what, and who is left behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from ledger.chain import CandidateBlock, build_block, check_block, leader_order_at
from ledger.consensus.codec import decode_commit_record, encode_commit_record
from ledger.consensus.messages import CommitCertificate, CommitRecord, VoteSignature
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.primitives import Digest
from ledger.transaction import Transaction, parse_transaction
from ledger.validators import Quorum, QuorumRule, ValidatorSet
from node.replica import Logged, PeerMessageReceived, PeerMisbehaved, Role
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain, open_chain
from node.wire import CertifiedBlock, Consensus, PeerMessage, Records
from tests.unit.ledger.founders import founder, rekeyed, set_of
from tests.unit.ledger.set_changes import decide_sets
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster, Node


def fixed(quorum: int) -> Quorum:
    return Quorum(QuorumRule.FIXED, quorum)


def grow_to(cluster: Cluster, height: int, nodes: Iterable[Node] | None = None, *, by: Node | None = None) -> None:
    """Let clients submit until all these nodes have the block of this height."""
    nodes = cluster.nodes if nodes is None else list(nodes)
    while any(node.height < height for node in nodes):
        lowest = min(node.height for node in nodes)
        submitter = nodes[0] if by is None else by
        cluster.run_until(lambda: submitter.replica is not None, within_ms=BASE_TIMEOUT_MS)  # noqa: B023 - likewise
        cluster.submit_one(submitter)
        cluster.run_until(
            lambda: min(node.height for node in nodes) > lowest,  # noqa: B023 - it is asked before the next turn
            within_ms=12 * BASE_TIMEOUT_MS,
        )


def voted_at(node: Node) -> set[int]:
    return {message.statement.height for message in node.votes()}


def blames(cluster: Cluster) -> list[PeerMisbehaved]:
    return [action for node in cluster.nodes for action in node.actions if isinstance(action, PeerMisbehaved)]


def logged(node: Node, event: str) -> list[Logged]:
    return [action for action in node.actions if isinstance(action, Logged) and action.event == event]


# ---- joining, leaving, new keys


def test_a_joiner_votes_from_the_first_height_of_its_membership_and_never_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All four must sign after the change, so the chain goes on only if it votes at once."""
    decide_sets(monkeypatch, {3: set_of(0, 1, 2, 3, quorum=fixed(4))})
    cluster = Cluster(3, candidates=1)
    joiner = cluster.nodes[3]
    assert joiner.running.status().role is Role.FOLLOWING
    grow_to(cluster, 3)
    assert voted_at(joiner) == set()
    grow_to(cluster, 6)
    assert voted_at(joiner) == {4, 5, 6}
    assert joiner.running.status().role is Role.VOTING
    assert [dict(line.fields) for line in logged(joiner, "validator_set_joined")] == [{"height": 4, "validator": "v3"}]
    assert blames(cluster) == []


def test_a_removed_validator_signs_its_last_height_and_follows_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_sets(monkeypatch, {3: set_of(0, 1, 2, quorum=fixed(2))})
    cluster = Cluster(4, quorum=fixed(4))
    removed, others = cluster.nodes[3], cluster.nodes[:3]
    grow_to(cluster, 3)
    status = removed.running.status()
    assert status.role is Role.FOLLOWING
    assert "was that of v3 up to height 3" in status.reason
    assert "keep it running until it has block 4" in status.reason
    assert [dict(line.fields) for line in logged(removed, "validator_set_left")] == [{"height": 4, "validator": "v3"}]
    grow_to(cluster, 4)
    assert "it may be stopped" in removed.running.status().reason
    assert all(cluster.linked(removed, other) for other in others)
    cluster.run(BASE_TIMEOUT_MS)
    grow_to(cluster, 6, others)
    assert not any(cluster.linked(removed, other) for other in others), "closed when it has heard, at the next block"
    assert removed.height >= 4
    assert voted_at(removed) == {1, 2, 3}
    assert blames(cluster) == []


def test_a_removed_validator_that_is_pinned_goes_on_following(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_sets(monkeypatch, {2: set_of(0, 1, 3), 4: set_of(0, 1, 2)})
    cluster = Cluster(3, candidates=1)  # which is pinned, joins and is removed
    grow_to(cluster, 8)
    pinned = cluster.nodes[3]
    assert voted_at(pinned) == {3, 4}
    assert all(cluster.linked(pinned, other) for other in cluster.nodes[:3])


def test_a_rekeyed_validator_never_votes_with_both_keys_at_one_height(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two homes run side by side: every height is signed with one of the keys, and none is left out."""
    validators = (*set_of(0, 1).validators, rekeyed(2, 3))
    decide_sets(monkeypatch, {3: ValidatorSet(validators, fixed(3))})
    cluster = Cluster(3, candidates=1, quorum=fixed(3))
    old, new = cluster.nodes[2], cluster.nodes[3]
    grow_to(cluster, 4)
    grow_to(cluster, 6, [node for node in cluster.nodes if node is not old])
    assert voted_at(old) == {1, 2, 3}
    assert voted_at(new) == {4, 5, 6}
    assert new.running.status().validator == "v2"
    assert "was that of v2 up to height 3" in old.running.status().reason
    assert blames(cluster) == []


def test_a_joiner_that_could_not_vote_says_so_before_it_joins(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_sets(monkeypatch, {2: set_of(0, 1, 2, 3)})
    cluster = Cluster(3, candidates=1)
    joiner = cluster.nodes[3]
    cluster.stop(joiner)
    joiner.guard = MemoryGuard(bytes(len(joiner.guard.image())))
    cluster.start(joiner)
    status = joiner.running.status()
    assert status.role is Role.FOLLOWING
    assert status.unfit == joiner.running._parts.silence
    assert "could not vote: the guard file is missing" in status.reason
    grow_to(cluster, 4)
    assert joiner.running.status().role is Role.OBSERVING
    assert joiner.running.status().unfit is None, "its role says it from then on"
    assert voted_at(joiner) == set()


# ---- the quorum, and the extremes


@pytest.mark.parametrize(("before", "after"), [(3, 4), (4, 3)])
def test_the_quorum_grows_and_falls_at_the_height_after_its_change(
    monkeypatch: pytest.MonkeyPatch, before: int, after: int
) -> None:
    decide_sets(monkeypatch, {2: set_of(0, 1, 2, 3, quorum=fixed(after))})
    cluster = Cluster(4, quorum=fixed(before))
    grow_to(cluster, 2)
    down = cluster.nodes[3]
    cluster.stop(down)
    cluster.submit_one(cluster.nodes[0])
    cluster.run(8 * BASE_TIMEOUT_MS)
    assert cluster.nodes[0].height == (2 if after == 4 else 3)
    cluster.start(down)
    grow_to(cluster, 4)
    chain = open_chain(cluster.nodes[0].disk)
    assert [chain.validators_of(height).quorum for height in (1, 2, 3, 4)] == [before, before, after, after]


def test_shrinking_to_one_validator_and_growing_back(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_sets(monkeypatch, {2: set_of(1), 5: set_of(1, 3, 4, quorum=fixed(3)), 7: set_of(0, 1, 2, 3, 4)})
    cluster = Cluster(3, candidates=2)
    alone = cluster.nodes[1]
    grow_to(cluster, 4, [cluster.nodes[1], *cluster.nodes[3:]], by=alone)
    grow_to(cluster, 9, [cluster.nodes[1], *cluster.nodes[3:]], by=alone)
    assert {3, 4, 5} <= voted_at(alone)
    for number in (0, 2):  # back in the set under their old keys, which only a test can do
        assert voted_at(cluster.nodes[number]) & {3, 4, 5, 6, 7} == set()
    for number in (3, 4):
        assert min(voted_at(cluster.nodes[number])) == 6
    assert blames(cluster) == []


def test_the_leader_of_the_height_that_removes_it_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(4)
    leader = int(cluster.nodes[0].running.status().leader.removeprefix("v"))
    left = [index for index in range(4) if index != leader]
    decide_sets(monkeypatch, {1: set_of(*left)})
    grow_to(cluster, 1)
    cluster.stop(cluster.nodes[leader])
    others = [cluster.nodes[index] for index in left]
    before = cluster.now_ms
    grow_to(cluster, 4, others)
    assert cluster.now_ms - before < BASE_TIMEOUT_MS, "no round was lost to it"
    assert all(node.running.status().round == 0 for node in others)


# ---- behind


def test_a_validator_that_was_down_during_several_changes_catches_up_under_the_set_of_each_height(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decide_sets(
        monkeypatch,
        {
            2: set_of(0, 1, 2, 3, 4),
            3: set_of(1, 2, 3, 4, 5),
            4: set_of(2, 3, 4, 5),
            6: set_of(5, 4, 3, quorum=fixed(3)),
        },
    )
    cluster = Cluster(4, candidates=2)
    down = cluster.nodes[3]
    cluster.stop(down)
    awake = cluster.nodes[4:]
    grow_to(cluster, 6, awake, by=cluster.nodes[4])
    assert all(node.height == 6 for node in awake), "without the one that is down there are only two of three"
    cluster.start(down)
    grow_to(cluster, 8, [down, *awake], by=cluster.nodes[4])
    assert {7, 8} <= voted_at(down) <= {1, 2, 3, 4, 5, 7, 8}
    assert blames(cluster) == []


def test_a_validator_gets_the_block_that_removed_the_others_from_those_who_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The only one left lacks the block that left it alone; the two that signed it are validators no more."""
    decide_sets(monkeypatch, {3: set_of(2)})
    cluster = Cluster(3, quorum=fixed(2))
    signers, left = cluster.nodes[:2], cluster.nodes[2]
    grow_to(cluster, 2)
    cluster.deliver = lambda sender, receiver, message: left.index not in (sender, receiver)
    grow_to(cluster, 3, signers)
    cluster.run(20 * BASE_TIMEOUT_MS)
    assert [node.height for node in cluster.nodes] == [3, 3, 2]
    assert all("keep it running" in node.running.status().reason for node in signers)
    assert all(cluster.linked(node, left) for node in signers)
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: left.height >= 3, within_ms=4 * BASE_TIMEOUT_MS)
    grow_to(cluster, 5, [left])
    cluster.run(BASE_TIMEOUT_MS)
    grow_to(cluster, 6, [left])
    cluster.run(BASE_TIMEOUT_MS)
    assert all(node.height >= 4 and not cluster.linked(node, left) for node in signers)
    assert all("it may be stopped" in node.running.status().reason for node in signers)


@pytest.mark.parametrize("help_comes_from", ["old homes", "pins", "nowhere"])
def test_a_validator_that_was_down_while_all_others_were_rekeyed(
    monkeypatch: pytest.MonkeyPatch, help_comes_from: str
) -> None:
    """It knows old node keys only. Old homes that still run help it, or pins of the new keys, and nothing else."""
    first = (rekeyed(0, 3), *set_of(1, 2).validators)
    second = (rekeyed(0, 3), rekeyed(1, 4), *set_of(2).validators)
    decide_sets(monkeypatch, {2: ValidatorSet(first, fixed(2)), 4: ValidatorSet(second, fixed(2))})
    cluster = Cluster(3, candidates=2, quorum=fixed(2))
    down, old, new = cluster.nodes[2], cluster.nodes[:2], cluster.nodes[3:]
    grow_to(cluster, 1)
    cluster.stop(down)
    grow_to(cluster, 6, new, by=new[0])
    if help_comes_from != "old homes":
        for node in old:
            cluster.stop(node)
    if help_comes_from != "pins":
        cluster.pins.clear()
    cluster.start(down)
    cluster.submit_one(new[0])
    cluster.run(10 * BASE_TIMEOUT_MS)
    if help_comes_from == "nowhere":
        assert down.height == 1
        assert not any(cluster.linked(down, node) for node in cluster.nodes)
    else:
        grow_to(cluster, 9, [down, *new], by=new[0])
        assert voted_at(down) & {8, 9}
        assert all(cluster.linked(down, node) for node in new)
    assert blames(cluster) == []


def test_early_messages_of_a_new_set_wait_for_the_block_that_decides_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """One node lacks the block of the change; what the others say at the next height, it can only judge afterwards."""
    decide_sets(monkeypatch, {2: set_of(3, 2, 1, 0, quorum=fixed(3))})
    cluster = Cluster(3, candidates=1, quorum=fixed(2))
    late = cluster.nodes[0]
    grow_to(cluster, 1)
    held: list[tuple[int, PeerMessage]] = []

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        if receiver != late.index:
            return True
        if isinstance(message, Consensus) and message.height == 3:
            held.append((sender, message))
        return False

    cluster.deliver = deliver
    grow_to(cluster, 2, cluster.nodes[1:])
    cluster.submit_one(cluster.nodes[1])
    cluster.run_until(lambda: len({sender for sender, _ in held}) == 3, within_ms=8 * BASE_TIMEOUT_MS)
    assert late.height == 1
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: late.running.status().deciding == 2, within_ms=1)
    for sender, message in held:
        cluster.step(late, PeerMessageReceived(cluster.nodes[sender].peer, message))
    grow_to(cluster, 4)
    assert blames(cluster) == []


def certify(cluster: Cluster, header: bytes, block_hash: Digest, height: int, validators: ValidatorSet) -> bytes:
    """A commit record of a block, signed by the first q of these validators."""
    statement = CommitStatement(height, 0, block_hash)
    content = signed_bytes(SigningContext(cluster.genesis.chain, 0), statement)
    keys = {founder(index).consensus_key.public_key: founder(index).consensus_key for index in range(6)}
    signatures = tuple(
        VoteSignature(index, keys[validator.consensus_key].sign(content))
        for index, validator in enumerate(validators.validators[: validators.quorum])
    )
    certificate = CommitCertificate(height, 0, block_hash, signatures)
    return encode_commit_record(CommitRecord(header, certificate, ()))


OLD, NEW = set_of(0, 1, 2), set_of(2, 3, 4)


@pytest.mark.parametrize(
    ("height", "signers", "conflict"),
    [
        (2, OLD, True),  # its own set, before the change
        (2, NEW, False),  # those who came later say nothing about it
        (3, OLD, True),  # the block that decides the change is signed by the set before it
        (4, NEW, True),
        (4, OLD, False),  # replaced keys cannot sign the heights after them
    ],
)
def test_a_conflicting_record_is_judged_by_the_set_of_its_height(
    monkeypatch: pytest.MonkeyPatch, height: int, signers: ValidatorSet, conflict: bool
) -> None:
    decide_sets(monkeypatch, {3: NEW})
    cluster = Cluster(3, candidates=2)
    grow_to(cluster, 5, cluster.nodes[2:], by=cluster.nodes[2])
    node, liar = cluster.nodes[2], cluster.nodes[4]
    other = another_block(cluster, node, height)
    record = certify(cluster, *other, height, signers)
    cluster.step(node, PeerMessageReceived(liar.peer, Records((CertifiedBlock(record, ()),))))
    assert bool(logged(node, "chains_conflict")) == conflict
    assert (node.running.status().role is Role.OBSERVING) == conflict
    blamed = [action.peer for action in node.actions if isinstance(action, PeerMisbehaved)]
    assert blamed == ([] if conflict else [liar.peer])
    ours = decode_commit_record(open_chain(node.disk).record(height)).certificate.signers
    twice = [signers.validators[index] for index in sorted({*ours} & {*range(signers.quorum)})] if conflict else []
    accused = [(item.validator, item.key) for item in node.running.evidence()]
    assert accused == [(validator.name, validator.consensus_key) for validator in twice]
    assert bool(accused) == conflict, "two quorums of one set share a validator"


def another_block(cluster: Cluster, node: Node, height: int) -> tuple[bytes, Digest]:
    """Header and hash of a block that the node does not have, valid on its parent: empty, and later."""
    whole, chain = open_chain(node.disk), create_chain(MemoryStore(), cluster.genesis)
    for each in range(1, height):
        parsed = [parse_transaction(envelope) for envelope in whole.envelopes(each)]
        transactions = [item for item in parsed if isinstance(item, Transaction)]
        block = check_block(chain.tip, chain, whole.stored_header(each).header_bytes, transactions)
        assert isinstance(block, CandidateBlock), block
        chain.commit(block, whole.record(each), ())
    validators = chain.validators_of(height).validators
    leader = validators[leader_order_at(chain.state, height)[0]].name
    time_ms = chain.tip.header.time_ms + 77_777
    other = build_block(chain.tip, chain, round=0, proposer=leader, time_ms=time_ms, transactions=()).block
    return other.header_bytes, other.block_hash


# ---- restarts at the change


CUTS: list[tuple[str, Callable[[Cluster], list[Node]]]] = [
    ("the joiner", lambda cluster: [cluster.nodes[3]]),
    ("one that stays", lambda cluster: [cluster.nodes[1]]),
    ("everybody", lambda cluster: cluster.nodes),
]


@pytest.mark.parametrize("who", [who for _, who in CUTS], ids=[name for name, _ in CUTS])
@pytest.mark.parametrize("write", range(1, 7))
def test_a_power_cut_at_any_write_around_a_change_costs_time_only(
    monkeypatch: pytest.MonkeyPatch, who: Callable[[Cluster], list[Node]], write: int
) -> None:
    decide_sets(monkeypatch, {2: set_of(1, 2, 3, quorum=fixed(3))})
    cluster = Cluster(3, candidates=1)
    cluster.restart_after_ms = 50
    grow_to(cluster, 1)
    for node in who(cluster):
        node.store.fail_write(write, survives=write % 2 == 0)
    grow_to(cluster, 5, cluster.nodes[1:], by=cluster.nodes[1])
    assert voted_at(cluster.nodes[0]) <= {1, 2}
    assert min(voted_at(cluster.nodes[3])) == 3
    assert blames(cluster) == []
