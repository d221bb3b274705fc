"""Which transaction ids have been seen (see `ledger.seen_filter`)."""

from __future__ import annotations

import struct

from ledger.primitives import DIGEST_BYTES, Digest
from ledger.seen_filter import SeenFilter

_PLACE = struct.Struct(">IB27x")  # an id is a digest: any of its bits are as good as a hash

assert _PLACE.size == DIGEST_BYTES


class IdFilter(SeenFilter):
    """The ids that were added, as far as a filter can tell; none at first."""

    __slots__ = ()

    def add(self, ids: bytes) -> None:
        """Note these ids, which stand one after the other without anything between."""
        self.note(_PLACE.iter_unpack(ids))

    def may_have(self, transaction_id: Digest) -> bool:
        """False only if this id was not added."""
        return self.may_have_seen(*_PLACE.unpack(transaction_id))
