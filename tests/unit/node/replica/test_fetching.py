"""Who is asked for what a node lacks, what a wrong answer does, and that nothing unverified counts, also its own."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from ledger.block import block_hash, encode_header
from ledger.chain import BuiltBlock, build_block
from ledger.consensus.codec import decode_message, encode_message
from ledger.consensus.messages import CommitVote, PrepareVote, Proposal, ProposedBlock
from ledger.consensus.statements import PrepareStatement, SigningContext, signed_bytes
from ledger.limits import BLOCK_BYTES_MAX, BLOCK_TRANSACTIONS_MAX, RECORD_CONTENT_BYTES_MAX
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.primitives import ZERO_DIGEST, Digest
from node.replica import PeerMessageReceived, PeerMisbehaved, SendTo, driving
from node.wire import Consensus, FetchBlock, FetchTransactions, PeerMessage, Records, Status, Transactions
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster


def test_a_body_that_the_leader_keeps_is_fetched_from_another_within_the_round() -> None:
    cluster = Cluster(4)
    cluster.stop(cluster.nodes[0])  # so v3 is needed, and gets the block in no other way
    cluster.deliver = lambda sender, receiver, message: (
        not (isinstance(message, Transactions) and (sender, receiver) == (1, 3))
    )
    asked: list[int] = []

    def tap(sender: int, receiver: int, message: PeerMessage) -> None:
        if sender == 3 and isinstance(message, FetchTransactions):
            asked.append(receiver)

    cluster.taps.append(tap)
    made = cluster.submit_one(cluster.nodes[1])
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)
    assert asked[0] == 1, "the leader first"
    assert set(asked[1:]) == {2}, "then the next, at the tick"
    assert cluster.nodes[3].votes()[-1].statement.round == 0


def test_a_block_whose_content_was_a_lie_is_still_prepared_when_it_is_the_only_one_left() -> None:
    """The others prepared x, so no other block may be proposed; then one of them stops, and v3 is needed for x.

    v3 was given x's header with its transactions in another order, and for two ticks nobody answers it.
    """
    cluster = Cluster(4)
    v0, v1, v2, v3 = cluster.nodes

    def lie(sender: int, receiver: int, message: PeerMessage) -> PeerMessage:
        if receiver != 3 or not isinstance(message, Consensus):
            return message
        content = decode_message(message.payload)
        if not isinstance(content, Proposal) or content.block is None:
            return message
        block = ProposedBlock(content.block.header, content.block.envelope_hashes[::-1])
        return Consensus(message.height, encode_message(replace(content, block=block)))

    def no_commits(sender: int, receiver: int, message: PeerMessage) -> bool:
        if isinstance(message, Consensus):
            return not isinstance(decode_message(message.payload), CommitVote)
        return not isinstance(message, FetchBlock)

    cluster.alter, cluster.deliver = lie, no_commits
    pair = cluster.transaction(), cluster.transaction()
    cluster.submit(v2, *pair)
    cluster.run(3 * BASE_TIMEOUT_MS)
    assert all(isinstance(node.votes()[0], Proposal) or node.votes() for node in (v0, v1, v2))
    assert cluster.heights() == [0, 0, 0, 0]
    cluster.stop(v0)
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: cluster.committed(pair[0], [v1, v2, v3]), within_ms=10 * BASE_TIMEOUT_MS)
    assert [line.fields["reason"] for line in v3.logged("block_refused")] == ["executing it gives another log_root"], (
        "executed once, however often it was offered"
    )


def test_who_says_it_is_behind_is_given_the_block_it_lacks_once_per_tick() -> None:
    cluster = Cluster(3)
    made = cluster.submit_one(cluster.nodes[0])
    cluster.run_until(lambda: cluster.committed(made), within_ms=BASE_TIMEOUT_MS)
    node, peer = cluster.nodes[0], cluster.nodes[1].peer
    cluster.run(BASE_TIMEOUT_MS)
    before = len(node.sent())
    for _ in range(10):
        cluster.step(node, PeerMessageReceived(peer, Status(1, 0)))
    given = [message for message in node.sent()[before:] if isinstance(message, Records)]
    assert [len(message.items) for message in given] == [1]


def test_one_request_for_bodies_is_answered_with_no_more_than_a_block_has() -> None:
    """A request can name one transaction a thousand times: 32 kilobytes that would cost 64 megabytes of copying."""
    cluster = Cluster(3)
    cluster.deliver = lambda sender, receiver, message: False
    node, peer = cluster.nodes[0], cluster.nodes[1].peer
    append = RecordAppend(by="org0", stream="any", content=Content({"text": "x" * (RECORD_CONTENT_BYTES_MAX - 100)}))
    large, small = cluster.sign(append, sender=0), cluster.transaction()
    cluster.submit(node, large, small)
    request = FetchTransactions((small.envelope_hash, *(large.envelope_hash,) * (BLOCK_TRANSACTIONS_MAX - 1)))
    actions = cluster.step(node, PeerMessageReceived(peer, request))
    sent = [action.message for action in actions if isinstance(action, SendTo)]
    given = [item for message in sent if isinstance(message, Transactions) for item in message.envelopes]
    assert given[:2] == [small.envelope, large.envelope]
    assert BLOCK_BYTES_MAX - len(large.envelope) < sum(map(len, given)) <= BLOCK_BYTES_MAX


def test_an_envelope_that_was_verified_once_is_not_verified_for_a_block() -> None:
    """Also when the mempool does not hold it any more; and no other envelope of the same id rides on it."""
    cluster = Cluster(3)
    parts = cluster.nodes[0].running._parts
    counted: list[bytes] = []
    verify = parts.door._verify

    def counting(key: object, message: bytes, signature: bytes) -> bool:
        counted.append(signature)
        return verify(key, message, signature)  # type: ignore[arg-type]  # passed through

    parts.door._verify = counting  # type: ignore[assignment]  # the same shape, counted
    one, other = cluster.twins()
    for _ in range(3):
        assert parts.door.judge([(one.envelope_hash, one.envelope)], parts.deciding) == [one]
    cluster.submit(cluster.nodes[0], one)
    assert parts.door.judge([(one.envelope_hash, one.envelope)], parts.deciding) == [one]
    assert len(counted) == 1
    assert parts.door.judge([(other.envelope_hash, other.envelope)], parts.deciding) == [other]
    assert len(counted) == 2


def test_a_leader_does_not_propose_what_its_own_check_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cometbft #5204: a proposer whose building and checking differ costs its round, not the height."""
    cluster = Cluster(4)
    leader = cluster.nodes[1]

    def wrong(tip: object, reader: object, **given: object) -> BuiltBlock:
        built = build_block(tip, reader, **given)  # type: ignore[arg-type]  # passed through
        if given["proposer"] != "v1":
            return built
        header = replace(built.block.header, log_size=built.block.header.log_size + 1)
        data = encode_header(header)
        return replace(built, block=replace(built.block, header=header, header_bytes=data, block_hash=block_hash(data)))

    monkeypatch.setattr(driving, "build_block", wrong)
    made = cluster.submit_one(leader)
    cluster.run_until(lambda: cluster.committed(made), within_ms=4 * BASE_TIMEOUT_MS)
    assert leader.logged("own_block_refused")[0].fields["reason"] == "executing it gives another log_size"
    assert not [vote for vote in leader.votes() if isinstance(vote, Proposal) and vote.statement.height == 1]


def test_a_vote_with_a_wrong_signature_is_blamed_and_not_counted() -> None:
    cluster = Cluster(4)
    node, peer = cluster.nodes[0], cluster.nodes[2].peer
    statement = PrepareStatement(1, 0, Digest(b"\1" * 32), ZERO_DIGEST)
    content = signed_bytes(SigningContext(cluster.genesis.chain, 0), statement)
    for signer, counted in ((cluster.nodes[3], ()), (cluster.nodes[2], ("v2",))):
        vote = PrepareVote(statement, 2, signer.founder.consensus_key.sign(content))
        actions = cluster.step(node, PeerMessageReceived(peer, Consensus(1, encode_message(vote))))
        blamed = [action.peer for action in actions if isinstance(action, PeerMisbehaved)]
        assert blamed == ([] if counted else [peer])
        assert node.running.status().prepared == counted
