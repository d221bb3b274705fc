"""What a node does about damage that no block puts right, on a simulated disk: see `node.storage.rebuild`."""

from __future__ import annotations

from ledger.genesis import Genesis
from node.storage.archive import Archive, rows_to_take_over
from node.storage.errors import StorageError
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain


class SetAside:
    """The damaged database of one machine that was set aside, if there is one."""

    def __init__(self) -> None:
        self._image: dict[bytes, bytes] | None = None

    def make_anew(self, image: dict[bytes, bytes], genesis: Genesis) -> dict[bytes, bytes] | None:
        """A new database for a damaged one, or None when there can be none."""
        if self._image is not None:
            return None
        try:
            rows = rows_to_take_over(MemoryStore(image))
        except StorageError:
            return None
        store = MemoryStore()
        create_chain(store, genesis, taken_over=rows)
        self._image = image
        return store.image()

    @property
    def archive(self) -> Archive | None:
        """Its blocks."""
        if self._image is None:
            return None
        try:
            return Archive(MemoryStore(self._image))
        except StorageError:
            return None

    def remove(self) -> None:
        """All of its blocks are in the new one."""
        self._image = None
