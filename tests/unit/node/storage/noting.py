"""A store that notes what is read from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from node.storage.memory import MemoryStore


class NotingStore(MemoryStore):
    """Notes the rows that are read, and those that are asked for in vain, by key."""

    def __init__(self, image: Mapping[bytes, bytes] | None = None) -> None:
        super().__init__(image)
        self.read: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.read.append(key)
        return super().get(key)

    def range(self, start: bytes, stop: bytes, *, reverse: bool = False) -> Iterator[tuple[bytes, bytes]]:
        for key, value in super().range(start, stop, reverse=reverse):
            self.read.append(key)
            yield key, value
