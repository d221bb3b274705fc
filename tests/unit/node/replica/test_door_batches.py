"""Many envelopes at once meet what they would have met one by one, whatever came before them in their batch."""

from __future__ import annotations

import random
from unittest.mock import patch

import pytest

from ledger.primitives import PublicKey, Signature
from ledger.refusals import Code, Refusal
from ledger.transaction import KeySignature, Transaction, assemble, name_envelopes, parse_transaction
from node.replica import door as the_door
from node.replica.actions import Committed, Outcome, Pending
from node.replica.door import Door
from tests.unit.node.replica.cluster import Cluster


class Entrance:
    """The door of a node whose chain has one transaction, with the verifications counted."""

    def __init__(self) -> None:
        self.cluster = Cluster(3)
        self.committed = self.cluster.transaction(sender=0)
        self.cluster.submit(self.cluster.nodes[0], self.committed)
        self.cluster.run_until(lambda: self.cluster.committed(self.committed), within_ms=500)
        self._parts = self.cluster.nodes[0].running._parts

    def door(self, *, transactions_max: int) -> tuple[Door, list[Signature]]:
        """A fresh one with room for so many, and the signatures that it verifies."""
        verify, verified = self._parts.door._verify, list[Signature]()

        def counting(key: PublicKey, message: bytes, signature: Signature) -> bool:
            verified.append(signature)
            return verify(key, message, signature)

        door = Door(counting, self._parts.chain.transaction_committed)
        door.mempool._transactions_max = transactions_max
        return door, verified

    def admit(self, door: Door, *batches: list[bytes]) -> list[Outcome]:
        """What becomes of the envelopes, batch by batch."""
        outcomes: list[Outcome] = []
        for batch in batches:
            outcomes += door.admit(name_envelopes(batch), self._parts.deciding)[0]
        return outcomes

    def judge(self, door: Door, envelopes: list[bytes]) -> list[Transaction | Refusal]:
        """What is found of the envelopes of a block."""
        return door.judge(name_envelopes(envelopes), self._parts.deciding)


@pytest.fixture(scope="module")
def entrance() -> Entrance:
    return Entrance()


def with_bad_signature(made: Transaction, number: int = 1) -> bytes:
    """The same id with a signature that does not verify; for each number from 1 to 255 another one."""
    item = made.signatures[0]
    flipped = Signature(bytes([item.signature[0] ^ number]) + item.signature[1:])
    return assemble(
        made.envelope[len(b'{"body":') : made.envelope.index(b',"signatures"')], [KeySignature(item.key, flipped)]
    )


def drawn(entrance: Entrance, rng: random.Random) -> list[bytes]:
    """Envelopes of every kind, some several times, some with the id of another."""
    made = [entrance.cluster.transaction(sender=rng.randrange(3)) for _ in range(4)]
    kinds = [item.envelope for item in made] + [with_bad_signature(item) for item in made[:2]]
    kinds += [entrance.committed.envelope, with_bad_signature(entrance.committed)]
    kinds += [b"{}", Cluster(4).transaction().envelope]
    return [rng.choice(kinds) for _ in range(12)]


@pytest.mark.parametrize("seed", range(30))
def test_a_batch_is_what_its_envelopes_are_one_by_one(entrance: Entrance, seed: int) -> None:
    envelopes = drawn(entrance, random.Random(seed))
    together, verified_together = entrance.door(transactions_max=100)
    singly, verified_singly = entrance.door(transactions_max=100)
    outcomes = entrance.admit(together, envelopes)
    assert outcomes == entrance.admit(singly, *([envelope] for envelope in envelopes))
    assert set(together.mempool._by_envelope_hash) == set(singly.mempool._by_envelope_hash)
    assert sorted(verified_together) == sorted(verified_singly), "nothing is verified that would not have been"


@pytest.mark.parametrize("seed", range(30))
def test_where_room_is_scarce_no_more_come_in_than_one_by_one(entrance: Entrance, seed: int) -> None:
    rng = random.Random(seed)
    envelopes, room = drawn(entrance, rng), rng.choice((1, 2, 3))
    together, _ = entrance.door(transactions_max=room)
    singly, _ = entrance.door(transactions_max=room)
    outcomes = entrance.admit(together, envelopes)
    entrance.admit(singly, *([envelope] for envelope in envelopes))
    assert len(together.mempool) == len(singly.mempool) <= room
    waiting = {outcome.transaction_id for outcome in outcomes if isinstance(outcome, Pending)}
    assert waiting == set(together.mempool._by_id)


def test_twice_in_a_batch_is_pending_and_verified_once(entrance: Entrance) -> None:
    door, verified = entrance.door(transactions_max=10)
    made = entrance.cluster.transaction()
    assert entrance.admit(door, [made.envelope] * 3) == [Pending(made.id)] * 3
    assert len(verified) == 1


def test_what_a_block_has_is_told_without_verifying_it(entrance: Entrance) -> None:
    door, verified = entrance.door(transactions_max=10)
    forged = with_bad_signature(entrance.committed)
    outcomes = entrance.admit(door, [entrance.committed.envelope, forged])
    assert outcomes == [Committed(entrance.committed.id)] * 2
    assert verified == []


def test_of_what_has_left_nothing_is_remembered(entrance: Entrance) -> None:
    door, verified = entrance.door(transactions_max=10)
    gone, staying = entrance.cluster.transaction(), entrance.cluster.transaction()
    entrance.judge(door, [gone.envelope, staying.envelope])
    entrance.admit(door, [gone.envelope, staying.envelope])
    assert len(verified) == 2, "what a block has is not verified again when it is gossiped"
    door.remove([gone.id])
    assert list(door._verified) == [staying.envelope_hash]
    assert entrance.admit(door, [gone.envelope]) == [Pending(gone.id)]
    assert len(verified) == 3, "it is verified again"


def test_what_waits_is_not_verified_again_for_a_block_nor_remembered_twice(entrance: Entrance) -> None:
    door, verified = entrance.door(transactions_max=10)
    waiting = entrance.cluster.transaction()
    entrance.admit(door, [waiting.envelope])
    assert entrance.judge(door, [waiting.envelope]) == [waiting]
    assert len(verified) == 1
    assert not door._verified


def test_what_is_remembered_for_blocks_has_a_bound(entrance: Entrance) -> None:
    door, verified = entrance.door(transactions_max=10)
    made = [entrance.cluster.transaction() for _ in range(3)]
    with patch.object(the_door, "VERIFIED_ENVELOPES_MAX", 2):
        entrance.judge(door, [item.envelope for item in made])
    assert list(door._verified) == [item.envelope_hash for item in made[1:]], "the oldest is forgotten"
    entrance.judge(door, [item.envelope for item in made])
    assert len(verified) == 4


def test_a_wrong_signature_does_not_keep_out_the_right_one_behind_it(entrance: Entrance) -> None:
    door, _ = entrance.door(transactions_max=10)
    made = entrance.cluster.transaction()
    wrong, right = entrance.admit(door, [with_bad_signature(made), made.envelope])
    assert isinstance(wrong, Refusal)
    assert wrong.code is Code.SIGNATURE_INVALID
    assert right == Pending(made.id)
    assert door.mempool.get(made.envelope_hash) == made


def test_the_last_room_is_given_once_and_costs_one_verification(entrance: Entrance) -> None:
    door, verified = entrance.door(transactions_max=2)
    made = [entrance.cluster.transaction() for _ in range(5)]
    outcomes = entrance.admit(door, [item.envelope for item in made])
    assert outcomes[:2] == [Pending(item.id) for item in made[:2]]
    assert [item.code for item in outcomes[2:] if isinstance(item, Refusal)] == [Code.MEMPOOL_FULL] * 3
    assert len(verified) == 2


def test_what_is_committed_is_said_to_be(entrance: Entrance) -> None:
    door, verified = entrance.door(transactions_max=2)
    assert entrance.admit(door, [entrance.committed.envelope] * 2) == [Committed(entrance.committed.id)] * 2
    assert not verified


def test_many_envelopes_of_one_id_are_read_once_each(entrance: Entrance) -> None:
    """Anybody can make them: whoever sends a step full of them must not cost more than with as many others."""
    door, verified = entrance.door(transactions_max=100)
    made = entrance.cluster.transaction()
    flood = [with_bad_signature(made, number) for number in range(1, 64)]
    with patch.object(the_door, "parse_transaction", wraps=parse_transaction) as parsed:
        outcomes = entrance.admit(door, [*flood, made.envelope])
    assert parsed.call_count == 64
    assert [item.code for item in outcomes[:-1] if isinstance(item, Refusal)] == [Code.SIGNATURE_INVALID] * 63
    assert outcomes[-1] == Pending(made.id)
    assert len(verified) == 64
