"""The filter of state keys never denies a key that has a row. What it is good for stands in `test_state_rows`."""

from __future__ import annotations

from zlib import crc32

from hypothesis import given
from hypothesis import strategies as st

from ledger.limits import SEEN_FILTER_BYTES
from node.storage import keys
from node.storage.memory import MemoryStore
from node.storage.state_keys import StateKeys

KEYS = st.binary(max_size=40)


@given(st.sets(KEYS, max_size=100), st.sets(KEYS, max_size=100))
def test_no_key_that_has_a_row_is_denied(before: set[bytes], after: set[bytes]) -> None:
    store = MemoryStore()
    store.write({keys.state(key): b"row" for key in before} | {b"u": b"of another kind"}, sync=True)
    known = StateKeys(store)
    known.add(after)
    assert all(map(known.may_have, before | after))


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
