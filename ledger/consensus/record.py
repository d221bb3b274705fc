"""Commit records: what proves a block final to somebody who was not there.

A commit certificate says that q validators committed the block. For a round above 0 that is not all one wants to know:
the record also shows *why* that round could propose the block, by a chain of justifications down to the round in which
the block was fresh, which is the round in its header. Two valid records for different blocks of one height then
always expose at least 2q - n validators, each by two contradictory statements under its own key (see
`ledger.consensus.evidence` and the theorem in the package's docstring).

    commit certificate (round r, block x)
      r = 0: no justifications; the header's round is 0
      r > 0: a justification J of round r, any that is valid for x (amendment A8), with highest round m:
               m = -1: the header's round is r, and the chain ends
               m >= 0: J's prepare certificate (round m) is for x; go on with round m and exactly the justification
                       that this prepare certificate binds by its digest

Catch-up, receipts and the audit all verify records here and nowhere else.
"""

from __future__ import annotations

from msgspec import Struct

from ledger.block import Header, block_hash, parse_header
from ledger.consensus.justification import flaw_in_chain
from ledger.consensus.messages import CommitRecord
from ledger.consensus.verification import HeightKeys, verify_commit_certificate, verify_timeout_certificate
from ledger.errors import VerificationError
from ledger.primitives import Digest


class CertifiedHeader(Struct, frozen=True):
    """A header that a quorum made final, with its hash. Whether its block is valid is asked by executing it."""

    header: Header
    block_hash: Digest


def verify_commit_record(record: CommitRecord, *, keys: HeightKeys, parent_hash: Digest | None) -> CertifiedHeader:
    """The header that `record` proves final at the height of `keys`.

    `parent_hash` is what the header must build on; None when that is not known and not asked (a single receipt).
    Raises `MalformedError` when the header is none, and `VerificationError` when anything does not hold.
    """
    header, certificate = parse_header(record.header), record.certificate
    hash_of_header = block_hash(record.header)
    _check_header(header, keys, parent_hash)
    if certificate.block_hash != hash_of_header:
        raise VerificationError("the commit certificate is for another block")
    if certificate.height != header.height:
        raise VerificationError("the commit certificate is for another height")
    verify_commit_certificate(certificate, keys)
    for justification in record.justifications:
        verify_timeout_certificate(justification, keys)
    flaw = flaw_in_chain(
        record.justifications, round=certificate.round, block_hash=hash_of_header, fresh_round=header.round
    )
    if flaw is not None:
        raise VerificationError(flaw)
    return CertifiedHeader(header, hash_of_header)


def _check_header(header: Header, keys: HeightKeys, parent_hash: Digest | None) -> None:
    """The header belongs to this chain, epoch, height and validator set, and builds on the parent."""
    if header.chain != keys.context.chain or header.epoch != keys.context.epoch:
        raise VerificationError("the block is of another chain or epoch")
    if header.height != keys.height:
        raise VerificationError(f"a block of height {header.height} where height {keys.height} is proved")
    if header.validators_hash != keys.validators.hash:
        raise VerificationError("the block names another validator set")
    if parent_hash is not None and header.parent_hash != parent_hash:
        raise VerificationError("the block does not build on its parent")
