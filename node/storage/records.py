"""Commit records as they are read: each verified once by this process before it is given to anybody.

A record carries its own proof, the signatures of a quorum; so what was changed on disk, with its checksum or without,
is noticed when it is read, and never served. What was verified is remembered by its hash, boundedly.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import sha256

from ledger.consensus.codec import decode_commit_record
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import SigningContext
from ledger.consensus.verification import HeightKeys
from ledger.crypto import Verify
from ledger.errors import LedgerError
from ledger.limits import RECORDS_REMEMBERED_MAX
from ledger.validators import ValidatorSet
from node.storage.block_rows import StoredHeader
from node.storage.errors import DamagedError


class VerifiedRecords:
    """The memory of records that were verified: by height, the hash of the verified bytes; the oldest are forgotten."""

    def __init__(self) -> None:
        self._hashes: OrderedDict[int, bytes] = OrderedDict()

    def knows(self, height: int, record: bytes) -> bool:
        """Whether exactly these bytes were verified for `height`."""
        return self._hashes.get(height) == sha256(record).digest()

    def remember(self, height: int, record: bytes) -> None:
        """Note that these bytes were verified."""
        self._hashes[height] = sha256(record).digest()
        if len(self._hashes) > RECORDS_REMEMBERED_MAX:
            self._hashes.popitem(last=False)

    def forget(self, height: int) -> None:
        """Have the record of `height` verified again when it is read."""
        self._hashes.pop(height, None)


def check_record(record: bytes, stored: StoredHeader, validators: ValidatorSet, verify: Verify) -> None:
    """Raise `DamagedError` unless `record` proves the block `stored` final, signed by a quorum of `validators`."""
    header = stored.header
    keys = HeightKeys(SigningContext(header.chain, header.epoch), header.height, validators, verify)
    try:
        certified = verify_commit_record(decode_commit_record(record), keys=keys, parent_hash=header.parent_hash)
    except LedgerError as error:
        raise DamagedError(f"the commit record of block {header.height} does not prove it: {error}") from error
    if certified.block_hash != stored.block_hash:
        raise DamagedError(f"the commit record of block {header.height} is for another block")
