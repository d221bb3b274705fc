"""The guard: the last promise of this node, kept outside the database, to notice a lost or restored one.

A validator whose database went back in time could vote twice. LevelDB cannot tell a log whose end is missing from one
that was never written, so each vote is noted a second time, in a small file of its own:

    file = slot 0 | slot 1, 512 bytes each, preallocated
    slot = "QLGUARD1" | counter (u64) | height (u64) | round (u32) | step (u8) | digest (32) | CRC-32 (u32) | zeros

integers big endian, the checksum over the consensus key and all before it: the guard of another key reads as none, so
that data copied from another validator is not taken for our own vote state. Writes alternate between the slots (counter
mod 2) and are synced, after the database batch and before the vote is sent: a torn write leaves the other slot, whose
vote is older and therefore in the database too. At start-up the database must hold the promise in the newest whole
slot; a database behind it, or no whole slot, makes the node an observer (node.replica.opening). What no local file can
notice, a whole machine set back to an old snapshot, only peers can: they show votes of ours that we do not have.
(consensus research section 6, rule 4)
"""

from __future__ import annotations

import os
import struct
from hashlib import sha256
from pathlib import Path
from zlib import crc32

from ledger.primitives import PublicKey
from node.ports import GuardRecord
from node.storage.durable import sync_directory, sync_file
from node.storage.errors import StorageFailedError, StoreExistsError

_SLOT_BYTES = 512
_MAGIC = b"QLGUARD1"
_SLOT = struct.Struct(">8sQQIB32s")

_NOTHING_PROMISED = GuardRecord(height=0, round=0, step=0, digest=bytes(32))
"""What a new guard holds."""

COSIGNED_STEP = 255
"""The `step` of a record that notes a cosignature: the database must have the block of its height."""

SILENCED_STEP = 254
"""The `step` of a record that notes that the key must never sign again: no database can be past its height."""

SILENCED = GuardRecord(height=2**64 - 1, round=0, step=SILENCED_STEP, digest=bytes(32))
"""What the guard holds from then on."""

_NO_KEY = PublicKey(bytes(32))


def promise(height: int, round: int, step: int, message: bytes) -> GuardRecord:
    """The record for a signed message: `step` is its statement type, `message` its exact encoded bytes."""
    return GuardRecord(height, round, step, sha256(message).digest())


def create_guard(path: Path, key: PublicKey) -> FileGuard:
    """A new guard file of the consensus key `key` that holds no promise yet. Raises `StoreExistsError`."""
    if path.exists():
        raise StoreExistsError(f"there is already a guard file {path}: it belongs to a key that may have voted")
    unfinished = path.with_name(path.name + ".new")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, _new(key))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    unfinished.rename(path)
    sync_directory(path.parent)
    return FileGuard(path, key)


class FileGuard:
    """A `node.ports.Guard` on disk. A file that is missing, damaged or of another key than `key` (None: of any, for a
    node that never votes) reads as None and cannot be written."""

    def __init__(self, path: Path, key: PublicKey | None) -> None:
        self._path = path
        self._key = key
        self._failure: str | None = None
        try:
            self._descriptor: int | None = os.open(path, os.O_RDWR)
        except FileNotFoundError:
            self._descriptor = None
        self._counter, self._record = self._load()

    def read(self) -> GuardRecord | None:
        """The newest record, or None when no slot is whole."""
        return self._record

    def write(self, record: GuardRecord) -> None:
        """Note `record`, durably. Raises `StorageFailedError`, and then for ever."""
        if self._record is None or self._descriptor is None or self._key is None:
            raise StorageFailedError(
                f"the guard file {self._path} is missing, damaged or another key's: nothing may be promised"
            )
        if self._failure is not None:
            raise StorageFailedError(self._failure)
        counter = self._counter + 1
        try:
            written = os.pwrite(self._descriptor, _encode(counter, record, self._key), counter % 2 * _SLOT_BYTES)
            if written != _SLOT_BYTES:
                raise OSError(f"wrote {written} of {_SLOT_BYTES} bytes")
            sync_file(self._descriptor)
        except OSError as error:
            self._failure = f"a write to the guard file {self._path} failed: {error}"
            raise StorageFailedError(self._failure) from error
        self._counter, self._record = counter, record

    def close(self) -> None:
        """Close the file."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _load(self) -> tuple[int, GuardRecord | None]:
        if self._descriptor is None or self._key is None:
            return 0, None
        data = os.pread(self._descriptor, 2 * _SLOT_BYTES, 0)
        return _newest(data[:_SLOT_BYTES], data[_SLOT_BYTES:], key=self._key)


class MemoryGuard:
    """A `node.ports.Guard` in memory with the same slots, of no key, whose next write can be torn or fail."""

    def __init__(self, image: bytes | None = None) -> None:
        slots = image or _new(_NO_KEY)
        self._slots = bytearray(slots)
        self._counter, self._record = _newest(slots[:_SLOT_BYTES], slots[_SLOT_BYTES:], key=_NO_KEY)
        self._failure: str | None = None
        self._faults: dict[int, bool] = {}
        self.writes = 0
        """How many records have been written or tried."""

    def read(self) -> GuardRecord | None:
        """The newest record, or None when no slot is whole."""
        return self._record

    def write(self, record: GuardRecord) -> None:
        """Note `record`. Raises `StorageFailedError` at an injected fault or when no slot was whole, and ever after."""
        if self._record is None:
            raise StorageFailedError("the guard is damaged: nothing may be promised")
        if self._failure is not None:
            raise StorageFailedError(self._failure)
        self.writes += 1
        counter = self._counter + 1
        slot = _encode(counter, record, _NO_KEY)
        start = counter % 2 * _SLOT_BYTES
        if (torn := self._faults.pop(self.writes, None)) is not None:
            if torn:
                self._slots[start : start + 24] = slot[:24]
            self._failure = f"guard write {self.writes} failed (injected)"
            raise StorageFailedError(self._failure)
        self._slots[start : start + _SLOT_BYTES] = slot
        self._counter, self._record = counter, record

    def fail_write(self, number: int, *, torn: bool) -> None:
        """Let the `number`-th write from now (1 is the next) raise; `torn` leaves half a slot on the disk."""
        assert number >= 1
        self._faults[self.writes + number] = torn

    def crash(self) -> bytes:
        """Cut the power: the image of the disk. Every write was synced. Refuses to be written from here on."""
        self._failure = "the power was cut"
        return bytes(self._slots)

    def image(self) -> bytes:
        """A copy of what is on the disk, for another guard to start from."""
        return bytes(self._slots)


def _new(key: PublicKey) -> bytes:
    """Both slots of a guard that holds no promise."""
    return _encode(0, _NOTHING_PROMISED, key) + _encode(1, _NOTHING_PROMISED, key)


def _encode(counter: int, record: GuardRecord, key: PublicKey) -> bytes:
    content = _SLOT.pack(_MAGIC, counter, record.height, record.round, record.step, record.digest)
    return (content + _checksum(content, key)).ljust(_SLOT_BYTES, b"\0")


def _decode(slot: bytes, key: PublicKey) -> tuple[int, GuardRecord] | None:
    """The counter and record of a slot, or None when it is not whole, or of another key."""
    if len(slot) != _SLOT_BYTES:
        return None
    content = slot[: _SLOT.size]
    if slot[_SLOT.size :] != _checksum(content, key).ljust(_SLOT_BYTES - _SLOT.size, b"\0"):
        return None
    magic, counter, height, round, step, digest = _SLOT.unpack(content)
    return (counter, GuardRecord(height, round, step, digest)) if magic == _MAGIC else None


def _checksum(content: bytes, key: PublicKey) -> bytes:
    return crc32(content, crc32(key)).to_bytes(4, "big")


def _newest(*slots: bytes, key: PublicKey) -> tuple[int, GuardRecord | None]:
    whole = [decoded for slot in slots if (decoded := _decode(slot, key)) is not None]
    return max(whole, key=lambda decoded: decoded[0]) if whole else (0, None)
