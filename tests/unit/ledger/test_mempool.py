"""The mempool: order, fairness, bounds, expiry, and the first envelope of an id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec.structs import replace

from ledger.limits import ENVELOPE_BYTES_MAX, MEMPOOL_VALIDATOR_TRANSACTIONS_MAX
from ledger.mempool import Mempool
from ledger.refusals import Code, Refusal
from ledger.transaction import Transaction
from tests.unit.ledger.members import VALID_UNTIL_MS, body, note, signed

MANY = 10**9


def transaction(sender: str, nonce: int, *, valid_until_ms: int = VALID_UNTIL_MS, text: str = "hello") -> Transaction:
    return signed(body(sender, (note(sender, text=text),), nonce=nonce, valid_until_ms=valid_until_ms), sender)


def add(pool: Mempool, item: Transaction) -> Refusal | None:
    """Put it in if there is room, as the door does."""
    if not pool.pending(item.id) and (refusal := pool.room_for(item)):
        return refusal
    pool.put([item])
    return None


def add_all(pool: Mempool, items: Iterable[Transaction]) -> tuple[Refusal | None, ...]:
    return tuple(add(pool, item) for item in items)


def filled(*transactions: Transaction) -> Mempool:
    pool = Mempool()
    assert add_all(pool, transactions) == (None,) * len(transactions)
    return pool


def taken(pool: Mempool, count_max: int = MANY, *, bytes_max: int = MANY, quota: int = MANY) -> list[tuple[str, int]]:
    return [
        (item.body.sender, int.from_bytes(item.body.nonce, "big"))
        for item in pool.take(count_max=count_max, bytes_max=bytes_max, quota=quota)
    ]


def test_what_was_added_is_found_by_both_names() -> None:
    item = transaction("a", 1)
    pool = filled(item)
    assert pool.pending(item.id)
    assert pool.get(item.envelope_hash) is item
    assert (len(pool), pool.bytes) == (1, len(item.envelope))
    assert not pool.pending(item.envelope_hash)
    assert pool.get(item.id) is None


def test_an_empty_pool_gives_nothing() -> None:
    pool = Mempool()
    assert taken(pool) == []
    assert pool.drop_expired(MANY) == ()
    pool.remove([transaction("a", 1).id])
    assert (len(pool), pool.bytes) == (0, 0)


def test_transactions_are_found_by_sender_and_cosigner() -> None:
    one, other = transaction("a", 1), transaction("b", 2)
    both = signed(body("a", (note("a"),), nonce=3, cosigners=("c",)), "a", "c")
    pool = filled(other, one, both)
    assert pool.of_accounts({"a"}) == (one, both)
    assert pool.of_accounts({"b", "c"}) == (other, both)
    assert pool.of_accounts({"d"}) == ()


def test_the_order_of_one_sender_is_kept() -> None:
    pool = filled(*(transaction("a", nonce) for nonce in (3, 1, 2)))
    assert taken(pool) == [("a", 3), ("a", 1), ("a", 2)]


def test_senders_take_turns() -> None:
    pool = filled(*(transaction("a", n) for n in range(4)), transaction("b", 0), *(transaction("c", n) for n in (0, 1)))
    assert taken(pool) == [("a", 0), ("b", 0), ("c", 0), ("a", 1), ("c", 1), ("a", 2), ("a", 3)]
    assert taken(pool, 4) == [("a", 0), ("b", 0), ("c", 0), ("a", 1)]


def test_taking_removes_nothing() -> None:
    pool = filled(transaction("a", 1), transaction("b", 1))
    assert taken(pool) == taken(pool)
    assert len(pool) == 2


def test_a_sender_has_its_quota() -> None:
    pool = filled(*(transaction("a", n) for n in range(5)), transaction("b", 0))
    assert taken(pool, quota=2) == [("a", 0), ("b", 0), ("a", 1)]


def test_who_was_served_goes_to_the_end_of_the_ring() -> None:
    pool = filled(*(transaction(sender, n) for sender in "abc" for n in range(3)))
    first = pool.take(count_max=2, bytes_max=MANY, quota=MANY)
    assert [item.body.sender for item in first] == ["a", "b"]
    pool.remove([item.id for item in first])
    assert taken(pool, 2) == [("c", 0), ("a", 1)]


def test_who_was_served_last_is_last_in_the_ring_and_an_id_that_is_named_twice_is_one() -> None:
    pool = filled(*(transaction(sender, n) for sender in "abc" for n in range(3)))
    gone = [transaction("a", 0), transaction("b", 0), transaction("a", 1)]
    ids = [item.id for item in gone]
    assert pool.remove([*ids, ids[0], transaction("d", 0).id, *ids]) == gone
    assert taken(pool, 3) == [("c", 0), ("b", 1), ("a", 2)]
    assert len(pool) == 6


def test_a_flood_delays_nobody() -> None:
    pool = filled(*(transaction("flood", n) for n in range(300)), *(transaction("calm", n) for n in range(5)))
    served: Counter[str] = Counter()
    for _ in range(5):
        block = pool.take(count_max=4, bytes_max=MANY, quota=MANY)
        served.update(item.body.sender for item in block)
        pool.remove([item.id for item in block])
    assert served == {"flood": 15, "calm": 5}


def test_bytes_are_bounded_and_nobody_overtakes_within_a_sender() -> None:
    small, large = transaction("a", 1), transaction("a", 2, text="x" * 5_000)
    later, other = transaction("a", 3), transaction("b", 1)
    pool = filled(small, large, later, other)
    room = len(small.envelope) + len(other.envelope) + len(later.envelope)
    assert taken(pool, bytes_max=room) == [("a", 1), ("b", 1)]
    assert taken(pool, bytes_max=len(small.envelope) - 1) == []


def test_the_same_again_changes_nothing() -> None:
    item = transaction("a", 1)
    pool = filled(item)
    assert add(pool, item) is None
    assert (len(pool), pool.bytes) == (1, len(item.envelope))


def test_another_envelope_of_the_same_id_does_not_evict_the_first() -> None:
    data = body("board", (note("board"),))
    one, other = signed(data, "b1", "b2"), signed(data, "b2", "b3")
    pool = filled(one)
    assert add(pool, other) is None
    assert pool.get(one.envelope_hash) is one
    assert pool.get(other.envelope_hash) is None
    assert pool.take(count_max=MANY, bytes_max=MANY, quota=MANY) == (one,)
    pool.remove([other.id])
    assert len(pool) == 0
    assert pool.get(one.envelope_hash) is None


def test_bounds_are_refusals_to_come_back_later() -> None:
    items = [transaction(sender, n) for sender in "ab" for n in range(3)]

    def codes(pool: Mempool) -> list[Code | None]:
        return [item.code if isinstance(item, Refusal) else None for item in add_all(pool, items)]

    full, crowded = Code.MEMPOOL_FULL, Code.SENDER_MEMPOOL_FULL
    assert codes(Mempool(transactions_max=4)) == [None, None, None, None, full, full]
    assert codes(Mempool(sender_transactions_max=2)) == [None, None, crowded, None, None, crowded]
    room = sum(len(item.envelope) for item in items[:5])
    assert codes(Mempool(bytes_max=room)) == [None] * 5 + [full]
    assert codes(Mempool(bytes_max=room - 1)) == [None] * 4 + [full, full]


def test_a_full_pool_still_knows_what_it_has() -> None:
    pool = Mempool(transactions_max=1)
    item = transaction("a", 1)
    assert [add(pool, item), add(pool, item)] == [None, None]


def test_a_sender_that_never_got_in_leaves_no_trace() -> None:
    pool = Mempool(transactions_max=1)
    first = transaction("a", 1)
    add_all(pool, [first, transaction("b", 1)])
    pool.remove([first.id])
    assert taken(pool) == []
    assert add(pool, transaction("c", 1)) is None
    assert taken(pool) == [("c", 1)]


def test_what_is_expired_is_dropped_and_named() -> None:
    soon = [transaction("a", n, valid_until_ms=1_000 + n) for n in range(3)]
    late = transaction("a", 9)
    pool = filled(late, *soon)
    assert pool.drop_expired(999) == ()
    assert pool.drop_expired(1_001) == (soon[0].id, soon[1].id)
    assert taken(pool) == [("a", 9), ("a", 2)]
    assert pool.bytes == len(late.envelope) + len(soon[2].envelope)
    assert pool.drop_expired(1_001) == ()


def test_what_was_removed_does_not_expire() -> None:
    item = transaction("a", 1, valid_until_ms=1_000)
    pool = filled(item)
    pool.remove([item.id])
    assert pool.drop_expired(1_000) == ()


def test_what_came_back_expires_once() -> None:
    item = transaction("a", 1, valid_until_ms=1_000)
    pool = filled(item)
    pool.remove([item.id])
    assert add(pool, item) is None
    assert pool.drop_expired(1_000) == (item.id,)


def test_the_memory_of_expiries_is_bounded() -> None:
    pool = filled(transaction("b", 1))
    items = [transaction("a", n) for n in range(50)]
    for _ in range(100):
        add_all(pool, items)
        pool.remove([item.id for item in items])
    assert len(pool._expiries) <= 2 * len(pool) + 1_000 + len(items)
    assert pool.drop_expired(VALID_UNTIL_MS) == (transaction("b", 1).id,)


def test_the_bytes_of_one_sender_are_bounded_whatever_room_there_is() -> None:
    """Large transactions would else fill the mempool long before their number does."""
    one = transaction("a", 1, text="x" * 1_000)
    pool = Mempool(sender_bytes_max=2 * len(one.envelope) + 10)
    assert add_all(pool, [one, transaction("a", 2, text="x" * 1_000)]) == (None, None)
    refusal = add(pool, transaction("a", 3))
    assert refusal is not None
    assert refusal.code is Code.SENDER_MEMPOOL_FULL
    assert add(pool, transaction("b", 1)) is None
    assert pool.put([transaction("b", 1)]) == [1], "it waits already"
    pool.remove([one.id])
    assert pool.room_for(transaction("a", 3)) is None
    assert add(pool, transaction("a", 3)) is None


def test_a_member_does_not_fill_it_with_accounts_of_its_own() -> None:
    """Else others, and the operators among them, could submit nothing for as long as it goes on."""
    items = [transaction(name, 1) for name in ("a.acme", "b.acme", "acme", "c.a.acme", "globex")]
    pool = Mempool(member_transactions_max=3)
    outcomes = add_all(pool, items)
    assert [None if item is None else item.code for item in outcomes] == [None] * 3 + [Code.SENDER_MEMPOOL_FULL, None]
    pool.remove([items[0].id])
    assert add(pool, items[3]) is None, "what is gone makes room"
    for room, refused in ((0, False), (-1, True)):
        pool = Mempool(member_bytes_max=sum(len(item.envelope) for item in items[:2]) + room)
        assert (add_all(pool, items[:2])[1] is not None) == refused


def test_a_pool_is_full_when_there_is_not_room_for_every_transaction() -> None:
    first, second = transaction("a", 1), transaction("b", 1)
    pool = Mempool(transactions_max=2)
    fullness = []
    for item in (first, second):
        fullness.append(pool.is_full)
        pool.put([item])
    assert [*fullness, pool.is_full] == [False, False, True]
    pool.remove([first.id])
    assert not pool.is_full

    pool = Mempool(bytes_max=len(first.envelope) + ENVELOPE_BYTES_MAX)
    assert not pool.is_full
    pool.put([first])
    assert not pool.is_full, "the largest one that there may be still fits"
    pool.put([second])
    assert pool.is_full
    assert add(pool, transaction("c", 1)) is None, "small ones fit"


def test_ample_room_is_room_for_all_whoever_they_are_by() -> None:
    """Never said when one of them would be refused; said when none comes near a limit."""
    batches = [
        [transaction("a", 1)],
        [transaction("a", nonce) for nonce in range(1, 4)],
        [transaction("a", 1), transaction("b", 1), transaction("c", 1)],
        [transaction("m.a", 1), transaction("n.a", 1), transaction("a", 1)],
        [transaction("a", 1, text="x" * 1_000), transaction("b", 1)],
    ]
    size = len(transaction("b", 1).envelope)
    limits: list[dict[str, int]] = [
        {name: value}
        for count in range(1, 6)
        for name, value in (
            ("transactions_max", count),
            ("sender_transactions_max", count),
            ("member_transactions_max", count),
            ("bytes_max", count * size),
            ("sender_bytes_max", count * size),
            ("member_bytes_max", count * size),
        )
    ]
    said: Counter[bool] = Counter()
    for before in ([], [transaction("a", 9)], [transaction("b", 9), transaction("z.a", 9)]):
        for batch in batches:
            for limit in limits:
                pool = Mempool(**limit)
                add_all(pool, before)
                ample = pool.has_ample_room(batch)
                said[ample] += 1
                assert not ample or add_all(pool, batch) == (None,) * len(batch), (limit, batch)
            assert Mempool().has_ample_room(batch)
    assert min(said.values()) > 100


def test_room_for_a_validator_is_not_ample_because_the_pool_is_nearly_empty() -> None:
    """It may have fewer waiting than an account may."""
    made = [transaction("a", nonce) for nonce in range(MEMPOOL_VALIDATOR_TRANSACTIONS_MAX + 1)]
    assert Mempool().has_ample_room(made)
    assert not Mempool().has_ample_room(
        [replace(item, body=replace(item.body, sender="validator:v0")) for item in made]
    )
