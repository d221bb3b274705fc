"""The guard file: two slots, of which one is always whole, and what is left of them after damage."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ledger.primitives import PublicKey
from node.ports import GuardRecord
from node.storage import guard as guard_module
from node.storage.errors import StorageFailedError, StoreExistsError
from node.storage.guard import FileGuard, MemoryGuard, create_guard, promise

SLOT = 512
KEY, OTHER_KEY = PublicKey(b"\1" * 32), PublicKey(b"\2" * 32)
NOTHING = GuardRecord(0, 0, 0, bytes(32))


def record(number: int) -> GuardRecord:
    return promise(number, number + 1, 3, b"message %d" % number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "guard"


def test_a_new_guard_promises_nothing_and_has_its_whole_size(path: Path) -> None:
    guard = create_guard(path, KEY)
    assert guard.read() == NOTHING == FileGuard(path, KEY).read()
    assert path.stat().st_size == 2 * SLOT
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["guard"]


def test_the_form_of_a_slot_is_fixed(path: Path) -> None:
    create_guard(path, KEY).write(GuardRecord(7, 2, 3, bytes(range(32))))
    slot = path.read_bytes()[:SLOT]  # counters 0 and 1 were there from the start; 2 is in slot 0 again
    assert slot.rstrip(b"\0").hex() == (
        "514c475541524431" + "0000000000000002" + "0000000000000007" + "00000002" + "03" + bytes(range(32)).hex()
        + "bfa6d419"
    )  # fmt: skip


def test_the_newest_record_is_read_again_whatever_the_number_of_writes(path: Path) -> None:
    guard = create_guard(path, KEY)
    for number in range(1, 6):
        guard.write(record(number))
        assert guard.read() == record(number) == FileGuard(path, KEY).read()
    assert path.stat().st_size == 2 * SLOT


def test_a_record_names_the_message_by_its_digest() -> None:
    assert promise(1, 2, 3, b"vote") == promise(1, 2, 3, b"vote")
    assert promise(1, 2, 3, b"vote").digest != promise(1, 2, 3, b"another").digest


@pytest.mark.parametrize("writes", [1, 2, 3])
@pytest.mark.parametrize("position", [0, 8, 15, 16, 24, 27, 28, 29, 60, 61, 64, 65, 511])
def test_a_flipped_byte_in_the_newest_slot_leaves_the_one_before(path: Path, writes: int, position: int) -> None:
    guard = create_guard(path, KEY)
    for number in range(1, writes + 1):
        guard.write(record(number))
    data = bytearray(path.read_bytes())
    newest = (writes + 1) % 2 * SLOT  # a new guard has counters 0 and 1
    data[newest + position] ^= 0x40
    path.write_bytes(data)
    assert FileGuard(path, KEY).read() == (record(writes - 1) if writes > 1 else NOTHING)


def test_a_flipped_byte_in_the_older_slot_changes_nothing(path: Path) -> None:
    guard = create_guard(path, KEY)
    for number in (1, 2):
        guard.write(record(number))
    data = bytearray(path.read_bytes())
    data[10] ^= 1  # record 1 went to slot 0, record 2 to slot 1
    path.write_bytes(data)
    again = FileGuard(path, KEY)
    assert again.read() == record(2)
    again.write(record(3))
    assert FileGuard(path, KEY).read() == record(3)


@pytest.mark.parametrize("content", [b"", bytes(2 * SLOT), b"\xff" * 2 * SLOT, b"QLGUARD1" * 3])
def test_without_a_whole_slot_there_is_no_record_and_none_can_be_written(path: Path, content: bytes) -> None:
    create_guard(path, KEY).close()
    path.write_bytes(content)
    guard = FileGuard(path, KEY)
    assert guard.read() is None
    with pytest.raises(StorageFailedError):
        guard.write(record(1))
    assert path.read_bytes() == content


def test_a_truncated_file_keeps_the_slot_that_is_whole(path: Path) -> None:
    guard = create_guard(path, KEY)
    for number in (1, 2):
        guard.write(record(number))
    os.truncate(path, 2 * SLOT - 1)
    assert FileGuard(path, KEY).read() == record(1)


def test_a_missing_file_reads_as_no_record_and_is_not_made(path: Path) -> None:
    guard = FileGuard(path, KEY)
    assert guard.read() is None
    with pytest.raises(StorageFailedError):
        guard.write(record(1))
    assert not path.exists()


@pytest.mark.parametrize("key", [OTHER_KEY, PublicKey(bytes(32)), None])
def test_the_guard_of_another_key_is_none(path: Path, key: PublicKey | None) -> None:
    create_guard(path, KEY).write(record(1))
    content = path.read_bytes()
    guard = FileGuard(path, key)
    assert guard.read() is None
    with pytest.raises(StorageFailedError):
        guard.write(record(2))
    assert path.read_bytes() == content


def test_a_guard_is_never_made_twice(path: Path) -> None:
    create_guard(path, KEY).write(record(1))
    with pytest.raises(StoreExistsError):
        create_guard(path, KEY)
    assert FileGuard(path, KEY).read() == record(1)


def test_every_write_is_synced_before_it_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[bytes] = []
    guard = create_guard(path, KEY)
    monkeypatch.setattr(guard_module, "sync_file", lambda _: synced.append(path.read_bytes()))
    guard.write(record(1))
    assert synced == [path.read_bytes()]


def test_a_failed_sync_is_the_last_thing_that_a_guard_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError("input/output error")

    guard = create_guard(path, KEY)
    guard.write(record(1))
    monkeypatch.setattr(guard_module, "sync_file", fail)
    with pytest.raises(StorageFailedError, match="input/output error"):
        guard.write(record(2))
    monkeypatch.undo()
    with pytest.raises(StorageFailedError):
        guard.write(record(3))
    assert FileGuard(path, KEY).read() in (record(1), record(2))


def test_a_guard_in_memory_survives_crashes_and_tears_like_the_file() -> None:
    guard = MemoryGuard()
    assert guard.read() == NOTHING
    guard.write(record(1))
    assert MemoryGuard(guard.image()).read() == record(1)
    guard.fail_write(2, torn=True)
    guard.write(record(2))
    with pytest.raises(StorageFailedError):
        guard.write(record(3))
    with pytest.raises(StorageFailedError):
        guard.write(record(4))
    again = MemoryGuard(guard.crash())
    assert again.read() == record(2)
    again.write(record(5))
    assert MemoryGuard(again.crash()).read() == record(5)


def test_a_guard_in_memory_without_a_whole_slot_refuses() -> None:
    guard = MemoryGuard(bytes(2 * SLOT))
    assert guard.read() is None
    with pytest.raises(StorageFailedError):
        guard.write(record(1))
