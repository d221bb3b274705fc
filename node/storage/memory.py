"""A store in memory with the crash behaviour of the one on disk: for tests and for the simulator.

It keeps sealed rows like LevelDB, so damage is noticed in the same way, and loses at `crash` what a power cut may
take: batches that were not synced, from the end (there is one log: a batch never survives without all earlier ones,
and a synced one carries them). A write that fails leaves open whether it reached the disk; the test says which.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from node.storage.errors import StorageFailedError
from node.storage.rows import seal, unseal

_SORTED_INSERTS_MAX = 64  # beyond, sorting the (nearly sorted) keys again is cheaper than single insertions


@dataclass(frozen=True, slots=True)
class WriteFault:
    """What happens to one write: it raises, and after the crash that must follow it is there (`survives`) or not."""

    survives: bool


@dataclass(slots=True)
class _Unsynced:
    """How to take one batch back: the rows that it replaced (None: there was none)."""

    replaced: dict[bytes, bytes | None] = field(default_factory=dict)


class MemoryStore:
    """A `node.ports.Store` in memory. `image` is what an earlier one left on its disk."""

    def __init__(self, image: Mapping[bytes, bytes] | None = None) -> None:
        self._rows = dict(image or {})
        self._keys = sorted(self._rows)
        self._unsynced: list[_Unsynced] = []
        self._faults: dict[int, WriteFault] = {}
        self._failure: str | None = None
        self._generation = 0
        self.writes = 0
        """How many batches have been written or tried."""

    # ---- the port

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None. Raises `DamagedError`, or `StorageFailedError` after a failed write."""
        self._refuse_after_failure()
        row = self._rows.get(key)
        return None if row is None else unseal(key, row)

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, in order or in reverse. Ask again after a write. Raises like `get`."""
        self._refuse_after_failure()
        generation = self._generation
        first, last = bisect_left(self._keys, start), bisect_left(self._keys, stop)
        for position in range(last - 1, first - 1, -1) if reverse else range(first, last):
            assert generation == self._generation, "the store was written while it was iterated"
            key = self._keys[position]
            yield key, unseal(key, self._rows[key])

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """Apply all or nothing. Raises `StorageFailedError` when a fault stands at this write, and ever after."""
        self._refuse_after_failure()
        assert deletes.isdisjoint(puts), "a batch either writes a key or deletes it"
        self.writes += 1
        fault = self._faults.pop(self.writes, None)
        if fault is None or fault.survives:
            self._apply(puts, deletes)
            if sync:
                self._unsynced.clear()
        if fault is not None:
            self._failure = f"write {self.writes} failed (injected)"
            raise StorageFailedError(self._failure)

    def close(self) -> None:
        """Nothing may be called afterwards but `crash` and `image`."""
        self._failure = "the store is closed"

    # ---- what only tests and the simulator do

    def fail_write(self, number: int, *, survives: bool) -> None:
        """Let the `number`-th write from now (1 is the next) raise."""
        assert number >= 1
        self._faults[self.writes + number] = WriteFault(survives)

    def crash(self, *, unsynced_survive: int = 0) -> dict[bytes, bytes]:
        """Cut the power: the image of the disk, with the first `unsynced_survive` batches since the last sync.

        A killed process loses nothing: pass `unsynced_writes`. This store refuses everything from here on.
        """
        self._take_back(self._unsynced[unsynced_survive:])
        self._unsynced = []
        self._failure = "the power was cut"
        return dict(self._rows)

    @property
    def unsynced_writes(self) -> int:
        """How many batches a power cut could take now."""
        return len(self._unsynced)

    def image(self) -> dict[bytes, bytes]:
        """A copy of what a power cut would leave now, for another store to start from; this one goes on."""
        rows = dict(self._rows)
        for batch in reversed(self._unsynced):
            for key, row in batch.replaced.items():
                if row is None:
                    rows.pop(key, None)
                else:
                    rows[key] = row
        return rows

    def damage(self, key: bytes, *, bit: int = 0) -> None:
        """Flip one bit of the row of `key`, as a failing disk does."""
        row = bytearray(self._rows[key])
        row[bit // 8] ^= 1 << bit % 8
        self._rows[key] = bytes(row)

    def _refuse_after_failure(self) -> None:
        if self._failure is not None:
            raise StorageFailedError(self._failure)

    def _apply(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes]) -> None:
        self._generation += 1
        rows = self._rows
        batch = _Unsynced()
        for key in (*puts, *deletes):
            batch.replaced[key] = rows.get(key)
        self._unsynced.append(batch)
        self._insert_keys([key for key in puts if key not in rows])
        for key, value in puts.items():
            rows[key] = seal(key, value)
        for key in deletes:
            if rows.pop(key, None) is not None:
                del self._keys[bisect_left(self._keys, key)]

    def _insert_keys(self, keys: list[bytes]) -> None:
        if len(keys) <= _SORTED_INSERTS_MAX:
            for key in keys:
                insort(self._keys, key)
        else:
            self._keys += keys
            self._keys.sort()

    def _take_back(self, batches: list[_Unsynced]) -> None:
        for batch in reversed(batches):
            for key, row in batch.replaced.items():
                if row is None:
                    self._rows.pop(key, None)
                else:
                    self._rows[key] = row
        self._keys = sorted(self._rows)
