"""What arrives is verified meanwhile as far as it will be asked for, and what becomes of it is the same as ever."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.consensus.inputs import PeerId
from ledger.crypto import verify
from ledger.primitives import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, PublicKey, Signature
from ledger.refusals import Code, Refusal
from ledger.rows.accounts import Account
from ledger.state import State
from ledger.transaction import KeySignature, Transaction, assemble, claimed_signatures, parse_transaction
from node.inbox import Inbox
from node.log import EventLog
from node.replica.door import Door
from node.replica.inputs import Submitted
from node.verification.ahead import AheadVerifier, Claim
from node.verification.arriving import Arriving
from node.wire import CertifiedBlock, Records, Transactions
from tests.unit.ledger.founders import signing_key
from tests.unit.node.replica.cluster import Cluster

PEER = PeerId("ab" * 32)


class Told(AheadVerifier):
    """Verifies at once what is expected, like workers of endless speed, and counts what was not expected."""

    def __init__(self) -> None:
        super().__init__(0, log=EventLog("test"))
        self.expected: list[Claim] = []
        self.unexpected: list[Claim] = []

    def expect(self, claims: Iterable[Claim]) -> None:
        self.expected += claims

    def __call__(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        if (key, message, signature) not in self.expected:
            self.unexpected.append((key, message, signature))
        return verify(key, message, signature)


class Node:
    """The door of a node with three blocks below it, behind an inbox."""

    def __init__(self, cluster: Cluster, *, asked: int | None = 1) -> None:
        self._parts = cluster.nodes[0].running._parts
        self.told = Told()
        self.door = Door(self.told, self._parts.chain.transaction_committed)
        self.inbox = Inbox(Arriving(self.told, self._parts.chain, lambda peer: asked if peer == PEER else None))

    def admit(self, envelopes: Sequence[bytes]) -> list[object]:
        """Submit them, and have them admitted."""
        assert self.inbox.submit(1, tuple(envelopes))
        outcomes: list[object] = []
        while step := self.inbox.take():
            for item in step:
                assert isinstance(item, Submitted)
                outcomes += self.door.submit(item.envelopes, self._parts.deciding)
        return outcomes


@pytest.fixture(scope="module")
def cluster() -> Cluster:
    made = Cluster(3)
    for _ in range(3):
        batch = [made.transaction(sender=number % 3) for number in range(40)]
        made.submit(made.nodes[0], *batch)
        made.run_until(lambda batch=batch: made.committed(batch[-1]), within_ms=2_000)  # type: ignore[misc]
    return made


def body_of(made: Transaction) -> bytes:
    return made.envelope[len(b'{"body":') : made.envelope.rindex(b',"signatures"')]


def with_signature(made: Transaction, key: PublicKey, signature: Signature) -> bytes:
    return assemble(body_of(made), [KeySignature(key, signature)])


def tampered(made: Transaction) -> bytes:
    (item,) = made.signatures
    return with_signature(made, item.key, Signature(bytes([item.signature[0] ^ 1]) + item.signature[1:]))


def batch_of(cluster: Cluster, rng: random.Random) -> list[bytes]:
    """Forty to eighty envelopes: mostly good ones, and some of every other kind among them."""
    made = [cluster.transaction(sender=rng.randrange(3)) for _ in range(rng.randint(40, 80))]
    envelopes = [item.envelope for item in made]
    for _ in range(6):
        where = rng.randrange(len(envelopes))
        stranger = signing_key("stranger")
        envelopes[where] = rng.choice(
            [
                tampered(made[where]),
                with_signature(made[where], stranger.public_key, stranger.sign(made[where].signed_bytes)),
                Cluster(4).transaction().envelope,
                made[where].envelope[:-1],
                b"{}",
                envelopes[0],
            ]
        )
    return envelopes


@pytest.mark.parametrize("seed", range(10))
def test_a_batch_comes_to_the_same_and_nothing_else_is_verified_when_it_is_needed(cluster: Cluster, seed: int) -> None:
    envelopes = batch_of(cluster, random.Random(seed))
    node, plain = Node(cluster), Node(cluster)
    plain.inbox = Inbox()
    assert node.admit(envelopes) == plain.admit(envelopes)
    assert set(node.door.mempool._by_envelope_hash) == set(plain.door.mempool._by_envelope_hash)
    assert not node.told.unexpected
    assert len(plain.told.unexpected) >= len(envelopes) - 6


def test_a_tampered_signature_in_the_middle_is_refused_and_its_neighbours_are_not(cluster: Cluster) -> None:
    made = [cluster.transaction(sender=number % 3) for number in range(64)]
    envelopes = [tampered(item) if number == 31 else item.envelope for number, item in enumerate(made)]
    with AheadVerifier(1, log=EventLog("test")) as ahead:
        node = Node(cluster)
        node.door = Door(ahead, node._parts.chain.transaction_committed)
        node.inbox = Inbox(Arriving(ahead, node._parts.chain, lambda _: 1))
        while not ahead.workers:
            ahead.expect(
                (signer.key, item.signed_bytes, signer.signature) for item in made for signer in item.signatures
            )
        outcomes = node.admit(envelopes)
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, Refusal)]
    assert codes == [Code.SIGNATURE_INVALID]
    assert isinstance(outcomes[31], Refusal)
    assert node.door.mempool.get(made[31].envelope_hash) is None


def test_strangers_make_no_worker_do_anything(cluster: Cluster) -> None:
    """Nor does who names a member as the sender, and signs with another key."""
    stranger = signing_key("stranger")
    made = [cluster.transaction() for _ in range(40)]
    other = Cluster(3, candidates=2)
    unknown = [other.transaction(sender=4).envelope for _ in range(40)]
    foreign = [with_signature(item, stranger.public_key, stranger.sign(item.signed_bytes)) for item in made]
    node = Node(cluster)
    for envelopes in (unknown, foreign):
        outcomes = node.admit(envelopes)
        assert all(isinstance(outcome, Refusal) for outcome in outcomes)
    assert node.told.expected == []
    assert node.told.unexpected == []


@pytest.mark.parametrize(
    ("needed", "signers", "expected"),
    [((1, False), 8, 40), ((3, False), 8, 120), ((3, False), 3, 120), ((3, False), 2, 0), ((1, True), 8, 0)],
)
def test_nobody_makes_workers_verify_more_than_a_sender_needs(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch, needed: tuple[int, bool], signers: int, expected: int
) -> None:
    """The replica refuses at the first signature that does not verify, or before it looks at any."""
    threshold, suspended = needed
    keys = [signing_key(f"key {number}").public_key for number in range(8)]
    real = State.account

    def account(state: State, name: str) -> Account | None:
        found = real(state, name)
        return found and replace(found, keys=tuple(sorted(keys)), threshold=threshold, suspended=suspended)

    monkeypatch.setattr(State, "account", account)
    false = Signature(bytes(SIGNATURE_BYTES))
    envelopes = [
        assemble(body_of(cluster.transaction()), [KeySignature(key, false) for key in keys[:signers]])
        for _ in range(40)
    ]
    node = Node(cluster)
    assert all(isinstance(outcome, Refusal) for outcome in node.admit(envelopes))
    assert len(node.told.expected) == expected


async def test_certified_blocks_are_expected_if_they_were_asked_for_and_are_new(cluster: Cluster) -> None:
    chain = cluster.nodes[0].running._parts.chain
    behind = Cluster(3)
    blocks = tuple(CertifiedBlock(chain.record(height), chain.envelopes(height)) for height in range(1, 4))
    counts = [len(block.envelopes) for block in blocks]
    assert sum(counts) > 64
    cases = [(behind, 1, sum(counts)), (behind, None, 0), (behind, 2, 0), (cluster, 1, 0)]
    for whose, asked, expected in cases:
        node = Node(whose, asked=asked)
        await node.inbox.put(PEER, Records(blocks), 1)
        assert len(node.told.expected) == expected
    node = Node(behind)
    await node.inbox.put(PEER, Records((CertifiedBlock(b"{}", blocks[0].envelopes), *blocks)), 1)
    assert node.told.expected == [], "who sends what is no record is blamed, and costs no more"
    await node.inbox.put(PEER, Records((blocks[0], blocks[2], blocks[1])), 1)
    assert len(node.told.expected) == counts[0], "what does not follow is passed over, and nobody is blamed for it"
    node = Node(behind)
    await node.inbox.put(PEER, Transactions(blocks[0].envelopes), 1)
    await node.inbox.put(PEER, Records(blocks), 1)
    deciding = behind.nodes[0].running._parts.deciding
    for block in blocks:
        assert isinstance(node.door.judge_body(block.envelopes, deciding), list)
    assert not node.told.unexpected


@given(
    st.binary(max_size=600) | st.builds(lambda head, tail: head + b',"signatures":[' + tail, st.binary(), st.binary())
)
def test_any_bytes_claim_something_that_can_be_verified_or_nothing(data: bytes) -> None:
    message, signers = claimed_signatures(data)
    for key, signature in signers:
        assert (len(key), len(signature)) == (PUBLIC_KEY_BYTES, SIGNATURE_BYTES)
        verify(key, message, signature)
    parsed = parse_transaction(data)
    assert isinstance(parsed, Refusal)


@given(st.lists(st.integers(0, 40), min_size=1, max_size=8, unique=True), st.text(max_size=20))
def test_what_a_whole_envelope_claims_is_what_is_parsed_of_it(signers: list[int], memo: str) -> None:
    made = Cluster(1).transaction()
    keys = [signing_key(f"signer {number}") for number in signers]
    envelope = assemble(body_of(made), [KeySignature(key.public_key, key.sign(made.signed_bytes)) for key in keys])
    parsed = parse_transaction(envelope)
    assert isinstance(parsed, Transaction)
    message, claimed = claimed_signatures(envelope)
    assert message == parsed.signed_bytes
    assert claimed == [(item.key, item.signature) for item in parsed.signatures]
    broken = envelope[: len(envelope) - 1 - len(memo)]
    assert claimed_signatures(broken)[1] in ([], claimed)
