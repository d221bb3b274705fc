"""Signatures that are only claimed so far, as one byte string: what a process hands to others that verify for it.

    job      item*    item = count (u16, big endian) | count times (key | signature) | message
                      each framed as in `ledger.framing`; a message that several signed is there once
    answer   byte*    of each signature, in order: 1 when it verifies by `ledger.crypto.verify`, otherwise 0

**Code that verifies can be run before anything is verified. [safety]** `Claims.claim` has the shape of `verify`, notes
what it is asked, and says yes. What such a run finds is believed only when every claim that it made has been found
true; then it is what a run with `verify` itself finds, since both were given the same answers. When one is false, or
nobody answers, the run counts for nothing, and is made again with `verify`, which also tells what does not hold. That
a claim is true does not depend on when, where, in which order, or how often it is verified: only on its bytes. Code
that is run like this remembers nothing beyond the run.
"""

from __future__ import annotations

import struct

from ledger import framing
from ledger.crypto import verify
from ledger.errors import MalformedError
from ledger.limits import CLAIM_BYTES_MAX, CLAIMS_PER_JOB_MAX
from ledger.primitives import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, PublicKey, Signature

_COUNT = struct.Struct(">H")
_SIGNER_BYTES = PUBLIC_KEY_BYTES + SIGNATURE_BYTES
_TRUE = 1


class Claims:
    """What was claimed in one run, in order."""

    __slots__ = ("_count", "_groups")

    def __init__(self) -> None:
        self._groups: list[tuple[bytes, list[bytes]]] = []  # a message, and the signers who claim to have signed it
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def claim(self, key: PublicKey, message: bytes, signature: Signature) -> bool:
        """Note that `signature` is claimed to be `key`'s over `message`. False when no such signature verifies."""
        if len(key) != PUBLIC_KEY_BYTES or len(signature) != SIGNATURE_BYTES:
            return False
        if self._groups and self._groups[-1][0] is message:
            self._groups[-1][1].append(key + signature)
        else:
            self._groups.append((message, [key + signature]))
        self._count += 1
        return True

    def job(self) -> bytes:
        """All of them, for `answer`."""
        return _pack(self._groups)

    def jobs(self, signatures: int) -> list[tuple[bytes, int]]:
        """All of them in several jobs, each with the length of its answer: so many signatures, or some more of the same
        message, or what is left. The answers, one after the other, are the answer to `job`."""
        jobs: list[tuple[bytes, int]] = []
        begin = count = 0
        for index, (_, signers) in enumerate(self._groups, 1):
            count += len(signers)
            if count >= signatures or index == len(self._groups):
                jobs.append((_pack(self._groups[begin:index]), count))
                begin, count = index, 0
        return jobs

    def found_true(self, answer: bytes) -> bool:
        """Whether this is the answer that all of them are true."""
        return answer == bytes([_TRUE]) * self._count


def _pack(groups: list[tuple[bytes, list[bytes]]]) -> bytes:
    return framing.pack([_COUNT.pack(len(signers)) + b"".join(signers) + message for message, signers in groups])


def answer(job: bytes) -> bytes:
    """Verify every claim of a job. Raises `MalformedError` for bytes that are none."""
    found = bytearray()
    for item in framing.unpack(job, items_max=CLAIMS_PER_JOB_MAX, item_bytes_max=CLAIM_BYTES_MAX):
        if len(item) < _COUNT.size:
            raise MalformedError("a claim ends within its count")
        (count,) = _COUNT.unpack_from(item)
        end = _COUNT.size + count * _SIGNER_BYTES
        if len(item) < end:
            raise MalformedError("a claim ends within its signers")
        message = item[end:]
        for start in range(_COUNT.size, end, _SIGNER_BYTES):
            middle = start + PUBLIC_KEY_BYTES
            key, signature = PublicKey(item[start:middle]), Signature(item[middle : start + _SIGNER_BYTES])
            found.append(verify(key, message, signature))
    return bytes(found)
