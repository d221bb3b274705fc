"""The filter of committed ids never denies a committed one, whatever the chain's length, age or damage."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import SEEN_FILTER_BYTES
from ledger.primitives import Digest
from node.storage import keys
from node.storage.committed_filter import CommittedFilter
from node.storage.errors import DamagedError
from node.storage.memory import MemoryStore
from tests.unit.node.storage.chains import digest_of

IDS = [digest_of(f"transaction {number}") for number in range(150)]


def store_of(ids: list[Digest]) -> MemoryStore:
    """A store with the outcomes of one block."""
    store = MemoryStore()
    for chunk, start in enumerate(range(0, len(ids), keys.CHUNK_TRANSACTIONS)):
        part = ids[start : start + keys.CHUNK_TRANSACTIONS]
        envelope_hashes = [digest_of(f"envelope of {item.hex()}") for item in part]
        row = b"".join((*part, *envelope_hashes, b" ".join([b"applied"] * len(part))))
        store.write({keys.outcomes(1, chunk): row}, sync=True)
    return store


def test_what_the_chain_has_may_be_there_and_what_it_has_not_is_not() -> None:
    known = CommittedFilter(store_of(IDS[:100]))
    assert all(map(known.may_have, IDS[:100]))
    assert not any(map(known.may_have, IDS[100:]))
    known.add(b"".join(IDS[100:]))
    assert all(map(known.may_have, IDS))


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=200), st.integers(min_value=0))
def test_no_committed_id_is_denied(ids: list[bytes], split: int) -> None:
    names = [Digest(item) for item in ids]
    before = split % (len(names) + 1)
    known = CommittedFilter(store_of(names[:before]))
    known.add(b"".join(names[before:]))
    assert all(map(known.may_have, names))


def _id(place: int, number: int) -> Digest:
    """An id by what the filter looks at."""
    return Digest(place.to_bytes(4, "big") + bytes([number]) + bytes(27))


def test_ids_that_share_a_byte_are_told_apart_by_their_bits() -> None:
    known = CommittedFilter(MemoryStore())
    known.add(_id(SEEN_FILTER_BYTES + 5, 0))
    assert [known.may_have(_id(5, number)) for number in range(28)] == [True] + [False] * 27
    assert not known.may_have(_id(6, 0))
    known.add(_id(5, 27) + _id(6, 3) + _id(5, 9))
    assert [known.may_have(_id(5, number)) for number in (0, 27, 9)] == [True] * 3
    assert known.may_have(_id(6, 3))


class Damaged(MemoryStore):
    """One whose rows cannot be read."""

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False):  # type: ignore[no-untyped-def]
        raise DamagedError("injected")


def test_damaged_rows_leave_every_answer_to_the_database() -> None:
    assert CommittedFilter(Damaged()).may_have(IDS[0])
