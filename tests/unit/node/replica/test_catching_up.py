"""Catching up: one path, from any height, whatever others claim; and fetching what a proposal did not bring."""

from __future__ import annotations

from itertools import count, islice

import pytest
from msgspec.structs import replace

from ledger.consensus.codec import decode_message, encode_message
from ledger.consensus.messages import CommitVote, PrepareVote, Proposal, ProposedBlock, TimeoutCertificate
from ledger.limits import (
    BLOCK_TRANSACTIONS_MAX,
    CERTIFIED_BLOCKS_PER_REPLY_MAX,
    CONTENTS_PER_BLOCK_MAX,
    INTEGER_MAX,
    RECORD_REQUESTS_MAX,
)
from ledger.primitives import Digest
from node.replica import BlockAppended, PeerMessageReceived, PeerMisbehaved, Role, SendTo
from node.storage import keys
from node.storage.guard import MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain, open_chain
from node.wire import (
    Block,
    CertifiedBlock,
    Consensus,
    FetchBlock,
    FetchRecords,
    FetchTransactions,
    PeerMessage,
    Records,
    Status,
    Transactions,
)
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster, Node


def _grow(cluster: Cluster, nodes: list[Node], blocks: int) -> None:
    for _ in range(blocks):
        made = cluster.submit_one(nodes[0])
        cluster.run_until(lambda m=made: cluster.committed(m, nodes), within_ms=10 * BASE_TIMEOUT_MS)  # type: ignore[misc]


def _level(cluster: Cluster) -> bool:
    return len(set(cluster.heights())) == 1


def _behind(blocks: int, *, count: int = 4) -> tuple[Cluster, Node]:
    """A cluster whose last node was away for `blocks` heights, and is stopped."""
    cluster = Cluster(count)
    away = cluster.nodes[-1]
    cluster.stop(away)
    _grow(cluster, cluster.nodes[:-1], blocks)
    return cluster, away


def test_a_node_that_was_away_catches_up_and_votes_again() -> None:
    cluster, away = _behind(CERTIFIED_BLOCKS_PER_REPLY_MAX + 6)
    cluster.start(away)
    cluster.run_until(lambda: _level(cluster), within_ms=2 * BASE_TIMEOUT_MS)
    _grow(cluster, cluster.nodes, 2)
    assert away.votes()


def test_a_new_follower_catches_up_from_nothing_without_a_tick() -> None:
    cluster = Cluster(3, followers=1)
    late = cluster.nodes[3]
    cluster.stop(late)
    _grow(cluster, cluster.nodes[:3], 5)
    cluster.start(late)
    assert cluster.run_until(lambda: _level(cluster), within_ms=BASE_TIMEOUT_MS) < BASE_TIMEOUT_MS // 2


def test_a_node_without_its_data_gets_all_of_it_back_and_observes() -> None:
    """Besu #8307: more than n - q nodes lose everything; they fetch it, and do not vote under their old keys."""
    cluster = Cluster(4)
    _grow(cluster, cluster.nodes, 3)
    for node in cluster.nodes[2:]:
        cluster.stop(node)
        node.store, node.guard = MemoryStore(), MemoryGuard(bytes(1024))
        create_chain(node.store, cluster.genesis)
        cluster.start(node)
    cluster.run_until(lambda: _level(cluster), within_ms=3 * BASE_TIMEOUT_MS)
    assert [node.running.status().role for node in cluster.nodes] == [Role.VOTING] * 2 + [Role.OBSERVING] * 2


@pytest.mark.parametrize("claims", [[INTEGER_MAX], [0], [INTEGER_MAX, 0, 7], [2]])
def test_lying_statuses_cost_next_to_nothing_and_block_nothing(claims: list[int]) -> None:
    cluster = Cluster(4)
    _grow(cluster, cluster.nodes, 1)
    node, liar = cluster.nodes[0], cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: (
        not (sender == 3 and receiver == 0 and isinstance(message, Status | Records))
    )
    before = len(node.sent())
    for number in range(300):
        message = Status(claims[number % len(claims)], 0)
        cluster.step(node, PeerMessageReceived(liar.peer, message))
    answers = node.sent()[before:]
    assert len(answers) <= 2, "one request, or one block, until the next tick"
    _grow(cluster, cluster.nodes[:3], 3)
    assert node.running.status().role is Role.VOTING


def test_a_liar_that_never_answers_delays_catching_up_by_no_tick() -> None:
    """Two requests are under way at once, and who left one unanswered is asked last."""
    cluster, away = _behind(3)
    cluster.deliver = lambda sender, receiver, message: not (sender == 0 and isinstance(message, Records))
    cluster.start(away)
    for _ in range(3):
        cluster.step(away, PeerMessageReceived(cluster.nodes[0].peer, Status(INTEGER_MAX, 0)))
    cluster.run_until(lambda: _level(cluster), within_ms=BASE_TIMEOUT_MS)


@pytest.mark.parametrize("height", [1, 9], ids=["below", "above"])
def test_liars_that_answer_at_once_with_another_height_are_asked_last(height: int) -> None:
    """As many as requests are under way at once: whoever else is further must get its turn."""
    cluster, away = _behind(9, count=5)
    liars = sorted(cluster.nodes[:4], key=lambda node: node.peer)[:RECORD_REQUESTS_MAX]
    chain = open_chain(cluster.nodes[0].disk)
    useless = Records((CertifiedBlock(chain.record(height), chain.envelopes(height)),))

    def lie(sender: int, receiver: int, message: PeerMessage) -> PeerMessage:
        from_a_liar = receiver == away.index and cluster.nodes[sender] in liars
        return useless if from_a_liar and isinstance(message, Records) else message

    cluster.alter = lie
    cluster.start(away)
    cluster.run_until(lambda: _level(cluster), within_ms=2 * BASE_TIMEOUT_MS)
    assert not [action for action in away.actions if isinstance(action, PeerMisbehaved)]


def test_a_slow_answer_is_waited_for_and_not_asked_for_again_at_every_tick() -> None:
    """On a slow link an answer takes many ticks: more of the same behind it would keep it busy for ever."""
    cluster, away = _behind(3, count=3)
    slow = cluster.nodes[0]
    requests: list[int] = []
    held: list[PeerMessage] = []

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        if {sender, receiver} != {0, 2}:
            return 2 not in (sender, receiver)
        if isinstance(message, FetchRecords):
            requests.append(cluster.now_ms)
        if isinstance(message, Records) and len(message.items) > 1:
            held.append(message)
        return not isinstance(message, Records)

    cluster.deliver = deliver
    cluster.start(away)
    cluster.run(50 * BASE_TIMEOUT_MS)  # a hundred ticks
    assert 5 <= len(requests) <= 9
    assert away.height == 0
    cluster.step(away, PeerMessageReceived(slow.peer, held[0]))
    cluster.run_until(lambda: away.height == 3, within_ms=1)  # late, and still taken in as a whole


def test_a_damaged_block_of_ours_does_not_stop_us_when_a_peer_sends_it() -> None:
    cluster = Cluster(4)
    _grow(cluster, cluster.nodes, 4)
    node, peer = cluster.nodes[0], cluster.nodes[1]
    chain = open_chain(peer.disk)
    for height in (2, 3):  # with the one above it: nothing here says which block it was
        node.store.damage(keys.header(height))
    item = CertifiedBlock(chain.record(2), chain.envelopes(2))
    cluster.step(node, PeerMessageReceived(peer.peer, Records((item,))))
    assert node.logged("block_damaged")[0].fields["height"] == 2
    assert not [action for action in node.actions if isinstance(action, PeerMisbehaved)]
    _grow(cluster, cluster.nodes, 1)


def test_a_record_that_does_not_verify_is_blamed_and_fetched_elsewhere() -> None:
    cluster, away = _behind(3)
    chain = open_chain(cluster.nodes[0].disk)
    cluster.start(away)
    wrong = CertifiedBlock(chain.record(1).replace(b'"validator":0', b'"validator":3', 1), chain.envelopes(1))
    cluster.step(away, PeerMessageReceived(cluster.nodes[0].peer, Records((wrong,))))
    blamed = [action.peer for action in away.actions if isinstance(action, PeerMisbehaved)]
    assert blamed == [cluster.nodes[0].peer]
    assert away.height == 0
    cluster.run_until(lambda: _level(cluster), within_ms=2 * BASE_TIMEOUT_MS)


def test_a_good_record_with_another_body_is_refused_and_said() -> None:
    cluster, away = _behind(2)
    chain = open_chain(cluster.nodes[0].disk)
    cluster.deliver = lambda sender, receiver, message: False
    cluster.start(away)
    for envelopes in ((), chain.envelopes(2), (b"{}",)):
        wrong = CertifiedBlock(chain.record(1), envelopes)
        cluster.step(away, PeerMessageReceived(cluster.nodes[0].peer, Records((wrong,))))
        assert away.height == 0
        assert away.running.status().explanation.startswith("block 1 is certified by a quorum but is not valid here")
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: _level(cluster), within_ms=3 * BASE_TIMEOUT_MS)


def test_each_block_is_asked_for_once_and_ahead_whatever_is_sent_unasked_meanwhile() -> None:
    cluster, away = _behind(6)
    cluster.deliver = lambda sender, receiver, message: False
    cluster.start(away)
    chain, peer = open_chain(cluster.nodes[0].disk), cluster.nodes[0].peer
    requests: list[int] = []

    def tell(message: PeerMessage) -> None:
        actions = cluster.step(away, PeerMessageReceived(peer, message))
        requests.extend(
            action.message.from_height
            for action in actions
            if isinstance(action, SendTo) and isinstance(action.message, FetchRecords)
        )

    def blocks(*heights: int) -> Records:
        return Records(tuple(CertifiedBlock(chain.record(height), chain.envelopes(height)) for height in heights))

    tell(Status(7, 0))
    tell(blocks(1, 2, 3))
    assert (requests, away.height) == ([1, 4], 1), "what follows is asked for while the first are executed"
    tell(blocks(2))
    assert (requests, away.height) == ([1, 4], 2)
    tell(blocks(4, 5))
    tell(blocks(3))
    assert away.height == 4
    assert requests == [1, 4, 6]
    tell(blocks(6))
    cluster.run_until(lambda: away.height == 6, within_ms=1)
    assert requests == [1, 4, 6]


def test_who_was_asked_for_its_record_of_our_height_is_heard_once_although_other_blocks_wait() -> None:
    cluster, away = _behind(2)
    cluster.start(away)
    chain, peer = open_chain(cluster.nodes[0].disk), cluster.nodes[0].peer
    one, two = (CertifiedBlock(chain.record(height), chain.envelopes(height)) for height in (1, 2))
    syncing = away.running._parts.syncing
    syncing.receive(cluster.nodes[1].peer, (one,))
    assert len(syncing._queue) == 1
    syncing.receive(peer, (two,))
    assert len(syncing._queue) == 1, "nobody asked"
    syncing._disputed = peer, 2
    syncing.receive(cluster.nodes[1].peer, (two,))
    for _ in range(3):
        syncing.receive(peer, (two, one))
    assert [name for name, _ in syncing._queue] == [cluster.nodes[1].peer, peer]


def test_at_most_one_block_is_appended_per_step() -> None:
    cluster, away = _behind(4)
    cluster.start(away)
    chain = open_chain(cluster.nodes[0].disk)
    items = tuple(CertifiedBlock(chain.record(h), chain.envelopes(h)) for h in range(1, 5))
    cluster.deliver = lambda sender, receiver, message: False
    peer = away.running._parts.peers.get(cluster.nodes[0].peer)
    assert peer is not None
    peer.asked_at_ms, peer.asked_height = cluster.now_ms, 1
    actions = cluster.step(away, PeerMessageReceived(cluster.nodes[0].peer, Records(items)))
    assert [type(action) for action in actions].count(BlockAppended) == 1
    cluster.run_until(lambda: away.height == 4, within_ms=1)


def test_records_are_served_by_range_and_never_beyond_the_tip() -> None:
    cluster = Cluster(3)
    _grow(cluster, cluster.nodes, 5)
    node, peer = cluster.nodes[0], cluster.nodes[1].peer
    for asked, heights in ((FetchRecords(2, 2), [2, 3]), (FetchRecords(4, 64), [4, 5]), (FetchRecords(6, 1), [])):
        before = len(node.sent())
        cluster.step(node, PeerMessageReceived(peer, asked))
        replies = [message for message in node.sent()[before:] if isinstance(message, Records)]
        chain = open_chain(node.disk)
        assert [item.record for reply in replies for item in reply.items] == [chain.record(h) for h in heights]


# ---- bodies, blocks and messages that come too early


def _proposals(cluster: Cluster) -> list[Proposal]:
    """A list that fills with the proposals that pass the network."""
    seen: list[Proposal] = []

    def tap(sender: int, receiver: int, message: PeerMessage) -> None:
        if isinstance(message, Consensus):
            content = decode_message(message.payload)
            if isinstance(content, Proposal):
                seen.append(content)

    cluster.taps.append(tap)
    return seen


def test_bodies_that_gossip_lost_are_fetched_from_the_leader() -> None:
    cluster = Cluster(4)
    asked: list[tuple[int, int]] = []

    def tap(sender: int, receiver: int, message: PeerMessage) -> None:
        if isinstance(message, FetchTransactions):
            asked.append((sender, receiver))

    cluster.taps.append(tap)
    gossip = True

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        return not (gossip and isinstance(message, Transactions))

    cluster.deliver = deliver
    leader = cluster.nodes[1]
    made = cluster.submit_one(leader)
    gossip = False
    assert cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS) < BASE_TIMEOUT_MS // 2
    assert asked == [(0, 1), (2, 1), (3, 1)]


def test_a_body_that_the_leader_does_not_give_is_fetched_from_another_at_the_tick() -> None:
    cluster = Cluster(4)
    cluster.deliver = lambda sender, receiver, message: (
        not (isinstance(message, Transactions) and (sender == 1 and receiver == 3))
    )
    made = cluster.submit_one(cluster.nodes[1])
    cluster.run_until(lambda: cluster.committed(made), within_ms=2 * BASE_TIMEOUT_MS)


def test_a_transaction_that_the_mempool_refuses_is_still_good_for_a_block() -> None:
    """v3 holds the same body with another signature: it keeps the first, and verifies the proposed one beside it."""
    cluster = Cluster(4)
    cluster.stop(cluster.nodes[0])  # so v3 is needed
    one, other = cluster.twins()
    assert (one.id, one.envelope == other.envelope) == (other.id, False)
    cluster.deliver = lambda sender, receiver, message: not (sender == 3 and isinstance(message, Transactions))
    cluster.submit(cluster.nodes[3], other)
    cluster.submit(cluster.nodes[1], one)
    cluster.run_until(lambda: cluster.committed(one), within_ms=BASE_TIMEOUT_MS)
    chain = open_chain(cluster.nodes[3].disk)
    assert chain.envelopes(1) == (one.envelope,)
    assert not cluster.nodes[3].running.pending(one.id)


def test_a_wrong_list_under_a_good_header_condemns_only_itself() -> None:
    """A lying leader gives v3 the true header with a false body; v3 must still be able to prepare that block.

    v0 is away, so v3 is needed. Were the block condemned, the height would never be decided: it is the only block that
    a later leader may propose once the others have prepared it.
    """
    cluster = Cluster(4)
    cluster.stop(cluster.nodes[0])
    leader, helper, victim = cluster.nodes[1:]

    def lie(sender: int, receiver: int, message: PeerMessage) -> PeerMessage:
        if (sender, receiver) != (1, 3) or not isinstance(message, Consensus):
            return message
        content = decode_message(message.payload)
        if not isinstance(content, Proposal) or content.block is None:
            return message
        block = ProposedBlock(content.block.header, content.block.envelope_hashes[::-1])
        return Consensus(message.height, encode_message(replace(content, block=block)))

    cluster.alter = lie
    pair = cluster.transaction(), cluster.transaction()
    cluster.submit(helper, *pair)
    cluster.run_until(lambda: cluster.committed(pair[0]), within_ms=4 * BASE_TIMEOUT_MS)
    assert [line.fields["reason"] for line in victim.logged("block_refused")] == ["executing it gives another log_root"]
    assert any(isinstance(message, FetchBlock) for message in victim.sent())
    assert leader.height == helper.height == victim.height == 1


@pytest.mark.parametrize("goes_on_lying", [False, True])
def test_a_list_of_nothing_under_a_good_header_condemns_only_itself(goes_on_lying: bool) -> None:
    """A lying leader gives v3 the true header with transactions that do not exist, so that its check never ends.

    The others prepare the block, and the leader falls silent, or only goes on lying to v3. v3 must get the block from
    somebody else: without v3 there is no quorum, and no other block may be proposed any more.
    """
    cluster = Cluster(4)
    _, leader, helper, victim = cluster.nodes
    lies = (Digest(bytes([number % 256, number // 256]) * 16) for number in count())

    def alter(sender: int, receiver: int, message: PeerMessage) -> PeerMessage:
        if (sender, receiver) == (1, 3) and isinstance(message, Block):
            return replace(message, envelope_hashes=tuple(islice(lies, BLOCK_TRANSACTIONS_MAX)))
        if (sender, receiver) != (1, 3) or not isinstance(message, Consensus):
            return message
        proposal = decode_message(message.payload)
        if not isinstance(proposal, Proposal) or proposal.block is None:
            return message
        block = ProposedBlock(proposal.block.header, tuple(islice(lies, BLOCK_TRANSACTIONS_MAX)))
        return Consensus(message.height, encode_message(replace(proposal, block=block)))

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        if sender != 1:
            return not (gossip and isinstance(message, Transactions))
        if isinstance(message, Consensus):
            vote = decode_message(message.payload)
            return isinstance(vote, Proposal | PrepareVote) and vote.statement.round == 0
        return goes_on_lying and receiver == 3 and isinstance(message, Block)

    def flood(sender: int, receiver: int, message: PeerMessage) -> None:
        """Whenever v3 asks others for bodies, the liar gives more than it was asked for, and sooner."""
        if goes_on_lying and sender == 3 and receiver != 1 and isinstance(message, FetchTransactions):
            block = blocks[0].block
            assert block is not None
            for _ in range(2 * CONTENTS_PER_BLOCK_MAX):
                cluster.send(1, 3, Block(1, block.header, ()))  # filled with lies on its way

    blocks, gossip = _proposals(cluster), True
    cluster.alter, cluster.deliver = alter, deliver
    cluster.taps.append(flood)
    one, other = cluster.twins()  # v3 has the other one, so its mempool does not keep the one that it fetches
    cluster.submit(victim, other)
    cluster.submit(cluster.nodes[0], one)
    cluster.submit(helper, one)
    cluster.submit(leader, one)
    gossip = False
    cluster.run_until(
        lambda: cluster.committed(one, [cluster.nodes[0], helper, victim]), within_ms=40 * BASE_TIMEOUT_MS
    )


def test_the_content_of_a_block_is_served_to_who_has_only_its_hash() -> None:
    cluster = Cluster(4)
    seen = _proposals(cluster)
    cluster.deliver = lambda sender, receiver, message: (
        not (isinstance(message, Consensus) and isinstance(decode_message(message.payload), CommitVote))
    )
    cluster.submit_one(cluster.nodes[1])
    cluster.run(5)
    node, block = cluster.nodes[2], seen[0].block
    assert block is not None
    cluster.step(node, PeerMessageReceived(cluster.nodes[0].peer, FetchBlock(1, seen[0].statement.block_hash)))
    assert node.sent()[-1] == Block(1, block.header, block.envelope_hashes)


def test_votes_of_the_next_height_wait_for_it() -> None:
    """v3 hears of height 2 before it has decided height 1, and needs no resend afterwards."""
    cluster = Cluster(4)
    held: list[tuple[int, int, PeerMessage]] = []
    holding = True

    def deliver(sender: int, receiver: int, message: PeerMessage) -> bool:
        late = holding and receiver == 3 and isinstance(message, Consensus) and message.height == 1
        late = late and isinstance(decode_message(message.payload), CommitVote)  # type: ignore[union-attr]  # above
        if late:
            held.append((sender, receiver, message))
        return not late

    cluster.deliver = deliver
    _grow(cluster, cluster.nodes[:3], 2)
    assert cluster.nodes[3].height == 0
    holding = False
    for sender, receiver, message in held:
        cluster.send(sender, receiver, message)
    cluster.deliver = lambda sender, receiver, message: receiver != 3  # nothing else may help it
    cluster.run(BASE_TIMEOUT_MS // 4)
    assert cluster.nodes[3].height == 2


def test_garbage_of_a_peer_is_blamed_and_changes_nothing() -> None:
    cluster = Cluster(3)
    node, peer = cluster.nodes[0], cluster.nodes[1].peer
    for message in (
        Consensus(1, b"{}"),
        Consensus(1, b"\xff"),
        Transactions((b"{}",)),
        Records((CertifiedBlock(b"{}", ()),)),
    ):
        actions = cluster.step(node, PeerMessageReceived(peer, message))
        assert [action.peer for action in actions if isinstance(action, PeerMisbehaved)] == [peer]
    _grow(cluster, cluster.nodes, 1)


def test_a_node_many_rounds_behind_joins_through_one_message() -> None:
    """Celo #706, tendermint #1496: the entry certificate is enough."""
    cluster = Cluster(4)
    alone = cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: (
        3 not in (sender, receiver)
        and (
            not isinstance(message, Consensus)
            or isinstance(decode_message(message.payload), TimeoutCertificate)
            or not isinstance(decode_message(message.payload), Proposal)
        )
    )
    made = cluster.submit_one(cluster.nodes[0])
    cluster.submit(alone, made)
    cluster.run(12_000)
    rounds = [node.running.status().round for node in cluster.nodes]
    assert min(rounds[:3]) > 5
    assert rounds[3] == 0
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(made), within_ms=3_000)


@pytest.mark.parametrize("lost_ms", [100, 1_000])
def test_a_validator_whose_messages_were_lost_catches_up_with_a_busy_network(lost_ms: int) -> None:
    """No height takes as long as a tick, so nobody is ever waiting for the one that is behind; the links stay up."""
    cluster = Cluster(4)
    behind = cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: 3 not in (sender, receiver)

    def busy(milliseconds: int) -> None:
        end = cluster.now_ms + milliseconds
        while cluster.now_ms < end:
            cluster.submit_one(cluster.nodes[cluster.now_ms % 3])
            cluster.run(10)

    busy(lost_ms)
    cluster.deliver = lambda sender, receiver, message: True
    busy(4 * BASE_TIMEOUT_MS)
    assert behind.height >= cluster.nodes[0].height - 1
    assert max(vote.statement.height for vote in behind.votes()) >= cluster.nodes[0].height - 1


def test_the_tick_goes_on_through_the_heights() -> None:
    cluster = Cluster(4)
    told: list[int] = []

    def tap(sender: int, receiver: int, message: PeerMessage) -> None:
        if (sender, receiver) == (0, 1) and isinstance(message, Status):
            told.append(cluster.now_ms)

    cluster.taps.append(tap)
    end = cluster.now_ms + 10 * BASE_TIMEOUT_MS
    while cluster.now_ms < end:
        cluster.submit_one(cluster.nodes[0])
        cluster.run(10)
    assert cluster.nodes[0].height > 100
    assert len(told) >= 19
