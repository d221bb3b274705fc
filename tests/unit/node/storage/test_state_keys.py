"""The filter of state keys never denies a key that has a row, and spares the database the search for those that have
none."""

from __future__ import annotations

from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import SEEN_FILTER_BYTES
from ledger.row_cache import RowCache
from node.storage import keys
from node.storage.batch import Batch
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from node.storage.state_keys import StateKeys
from node.storage.state_rows import CurrentState

KEYS = st.binary(max_size=40)


class Asked(MemoryStore):
    """One that notes what it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return super().get(key)


def write(store: MemoryStore, state: CurrentState, height: int, writes: dict[bytes, bytes | None]) -> None:
    batch = Batch()
    state.write(batch, height, writes)
    store.write(batch.puts, frozenset(batch.deletes), sync=True)
    state.written(batch, writes)


@given(st.sets(KEYS, max_size=100), st.sets(KEYS, max_size=100))
def test_no_key_that_has_a_row_is_denied(before: set[bytes], after: set[bytes]) -> None:
    store = MemoryStore()
    store.write({keys.state(key): b"row" for key in before} | {b"u": b"of another kind"}, sync=True)
    known = StateKeys(store)
    known.add(after)
    assert all(map(known.may_have, before | after))


def test_a_key_that_was_never_written_is_not_looked_for() -> None:
    store = Asked()
    state = CurrentState(store)
    write(store, state, 0, {b"old": b"1", b"deleted": b"1"})
    write(store, state, 1, {b"deleted": None})
    state = CurrentState(store)  # which remembers nothing
    state.read_keys()
    store.asked.clear()
    assert [state.get(b"new/%d" % number) for number in range(1_000)] == [None] * 1_000
    write(store, state, 2, {b"new/%d" % number: b"2" for number in range(1_000)})
    assert len(store.asked) <= 1, "the filter takes one in a million for one that is there, so few are here"
    assert state.get(b"old") == b"1"
    assert state.get(b"deleted") is None
    assert store.asked[-2:] == [keys.state(b"old"), keys.state(b"deleted")]


def test_what_a_deleted_key_held_is_kept_when_it_is_written_again() -> None:
    store = MemoryStore()
    write(store, CurrentState(store), 0, {b"a": b"1"})
    write(store, CurrentState(store), 1, {b"a": None})
    state = CurrentState(store)
    state.read_keys()
    write(store, state, 2, {b"a": b"2"})
    assert sorted(store.image()) == sorted(
        (keys.state(b"a"), keys.replaced_state(b"a", 0), keys.replaced_state(b"a", 1))
    )


def test_keys_that_share_a_byte_are_kept_side_by_side() -> None:
    one, other = b"k188781", b"k326020"  # of one place
    assert (crc32(one) - crc32(other)) % SEEN_FILTER_BYTES == 0
    store = MemoryStore()
    store.write({keys.state(one): b"row"}, sync=True)
    known = StateKeys(store)
    assert not known.may_have(other)
    known.add([other])
    assert known.may_have(one)
    assert known.may_have(other)
    known = StateKeys(MemoryStore())
    known.add([one, other])
    assert known.may_have(one)
    assert known.may_have(other)


def test_however_many_rows_there_are_all_keys_are_read() -> None:
    store = MemoryStore()
    store.write({keys.state(b"%d" % number): b"row" for number in range(20_000)}, sync=True)
    known = StateKeys(store)
    assert all(known.may_have(b"%d" % number) for number in range(20_000))
    assert sum(known.may_have(b"other/%d" % number) for number in range(20_000)) < 50, "about one, by chance"


class Damaged(MemoryStore):
    """One whose rows cannot be gone through: the first is whole, and then there is damage."""

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False):  # type: ignore[no-untyped-def]
        yield from [next(super().range(start, stop, reverse=reverse))]
        raise DamagedError("injected")


def test_damaged_rows_leave_every_answer_to_the_database() -> None:
    store = Damaged()
    write(store, CurrentState(store), 0, {b"a": b"1", b"b": b"2"})
    state = CurrentState(store)
    state.read_keys()
    assert state.get(b"b") == b"2"
    write(store, state, 1, {b"c": b"3"})  # to have learnt of some keys since is not to know all
    state._cache = RowCache(0)
    assert [state.get(key) for key in (b"a", b"b", b"c")] == [b"1", b"2", b"3"]


def test_a_database_that_is_closed_has_no_keys_to_read() -> None:
    store = MemoryStore()
    store.close()
    with pytest.raises(Exception, match="closed"):
        CurrentState(store).read_keys()
