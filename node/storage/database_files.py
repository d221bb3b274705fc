"""What LevelDB does not notice about its own files: batches that are missing from the middle. [safety]

A database is its tables, as the MANIFEST lists them, and then its logs, in order. LevelDB takes a record that is cut
off at the end of a file for a write that a power cut stopped, and says nothing. At the end of the newest log that is
right: what is missing are the newest batches, and the guard file knows of their votes. Anywhere else it is not: one
flipped bit in a length, and batches are gone while later ones are there, a state that never was. And it takes a head of
zeros for room that was never written, and goes on with the next block of the log. So, before it opens a database:

* the log that the MANIFEST says is next must be there: LevelDB removes a log only once the MANIFEST has it in a table;
  so when it is gone, the end of the MANIFEST is, too, or somebody took it;
* every log but the newest must be whole: another was begun only after all of it was written. A last one that is empty
  does not count: it was begun when the database was opened after a power cut, and the power was cut again;
* in the newest log no record may begin after one that cannot be read: that is no end.

Formats: LevelDB's doc/log_format.md, and the tags of its db/version_edit.cc. Checksums are LevelDB's own business.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from node.storage.errors import DamagedError

_BLOCK_BYTES = 32_768
_RECORD_HEAD = struct.Struct("<IHB")  # checksum, length, type
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_COMPARATOR, _LOG_NUMBER, _NEXT_FILE, _LAST_SEQUENCE, _COMPACT_POINTER, _DELETED, _ADDED, _OLD_LOG = (
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    9,
)


def check_files(directory: Path) -> None:
    """Raise `DamagedError` when batches are missing from the middle of the database in `directory`.

    Says nothing about files that LevelDB will refuse anyhow. Raises `OSError` when it cannot read.
    """
    manifest = directory / (directory / "CURRENT").read_bytes()[:64].decode("ascii", "replace").strip("\n\0")
    if not manifest.name.startswith("MANIFEST-") or not manifest.is_file():
        return
    first_log = _log_number(manifest)
    if first_log is None:
        return
    logs = sorted(int(log.stem) for log in directory.glob("*.log") if log.stem.isdigit())
    live = [number for number in logs if number >= first_log]
    if first_log not in live:
        raise DamagedError(f"the database in {directory} lacks its log {first_log:06}: what stood in it is lost")
    paths = [directory / f"{number:06}.log" for number in live]
    while len(paths) > 1 and not paths[-1].stat().st_size:
        paths.pop()
    *older, newest = paths
    for path in older:
        if not _is_whole(path.read_bytes()):
            raise DamagedError(f"{path} ends within a record, and a later log goes on: what stood between is lost")
    if _goes_on(newest.read_bytes()):
        raise DamagedError(f"{newest} has a record that cannot be read, and later ones: what stood between is lost")


def _log_number(manifest: Path) -> int | None:
    """The number of the first log whose batches are in no table, as the last edit that is whole says."""
    number = None
    for edit in _records(manifest.read_bytes()):
        try:
            number = _log_number_of(edit, number)
        except (IndexError, ValueError):
            return None  # LevelDB finds it by its checksum
    return number


def _log_number_of(edit: bytes, number: int | None) -> int | None:
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = edit[position]
            position += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def text() -> None:
        nonlocal position
        length = varint()
        position += length

    while position < len(edit):
        match varint():
            case tag if tag == _LOG_NUMBER:
                number = varint()
            case tag if tag in (_NEXT_FILE, _LAST_SEQUENCE, _OLD_LOG):
                varint()
            case tag if tag == _COMPARATOR:
                text()
            case tag if tag == _COMPACT_POINTER:
                varint()
                text()
            case tag if tag == _DELETED:
                varint()
                varint()
            case tag if tag == _ADDED:
                for _ in range(3):
                    varint()
                text()
                text()
            case _:
                raise ValueError("an unknown tag")
    return number


def _records(data: bytes) -> Iterator[bytes]:
    """The records of a file in LevelDB's log format, up to the first that is not whole."""
    parts: list[bytes] = []
    for kind, start, stop in _fragments(data):
        if kind in (_FULL, _FIRST):
            parts.clear()
        parts.append(data[start:stop])
        if kind in (_FULL, _LAST):
            yield b"".join(parts)


def _is_whole(data: bytes) -> bool:
    """Whether a file in LevelDB's log format ends with the end of a record."""
    kind, end = _last(data)
    return kind in (_FULL, _LAST) and end == len(data)


def _goes_on(data: bytes) -> bool:
    """Whether a record begins in a block after the one in which this log cannot be read on.

    After a batch that a power cut tore there is none: it would have been synced before.
    """
    _, end = _last(data)
    next_block = _head(end) // _BLOCK_BYTES * _BLOCK_BYTES + _BLOCK_BYTES
    kinds = data[next_block + _RECORD_HEAD.size - 1 :: _BLOCK_BYTES]  # the type is the last byte of a head
    return _FULL in kinds or _FIRST in kinds


def _last(data: bytes) -> tuple[int, int]:
    """Type and end of the last fragment that can be read; of one before the first when there is none."""
    last = deque(_fragments(data), maxlen=1)
    kind, _, end = last[0] if last else (_LAST, 0, 0)
    return kind, end


def _fragments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Type, start and end of the content of the fragments, up to the first that does not fit its block, or the file."""
    end = 0
    while True:
        head = _head(end)
        start = head + _RECORD_HEAD.size
        if start > len(data):
            return
        _, length, kind = _RECORD_HEAD.unpack_from(data, head)
        end = start + length
        block_end = head - head % _BLOCK_BYTES + _BLOCK_BYTES
        if kind not in (_FULL, _FIRST, _MIDDLE, _LAST) or end > min(block_end, len(data)):
            return
        yield kind, start, end


def _head(end: int) -> int:
    """Where the fragment after one that ends at `end` begins: no head is split between two blocks."""
    rest = _BLOCK_BYTES - end % _BLOCK_BYTES
    return end + rest if rest < _RECORD_HEAD.size else end
