"""Receipts and evidence files from what storage holds (design section 5): nothing is proved here, only put together."""

from __future__ import annotations

from ledger.block import parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.evidence import Evidence
from ledger.evidence_file import build_evidence_file
from ledger.limits import RECEIPT_BYTES_MAX
from ledger.merkle import prove_inclusion
from ledger.receipt import build_pinned_receipt, build_receipt
from ledger.trail import SetChange
from node.http.problems import HttpCode, Problem, ProblemError
from node.storage.chain_store import ChainStore
from node.storage.errors import TrailTooLongError
from node.storage.queries import CommittedTransaction


def receipt_of(chain: ChainStore, item: CommittedTransaction, from_height: int = 0) -> bytes:
    """The receipt of a committed transaction, for somebody whose trust starts at `from_height`, which is committed.

    Above it, against the root in the transaction's own block; at or below it, against the root at `from_height`. Raises
    `ProblemError` when there are more changes of the validator set in between than a file may have.
    """
    header, leaf = item.header, item.leaf
    position = header.log_size - header.transaction_count + leaf.index
    if leaf.height <= from_height:
        pinned = chain.header(from_height)
        path = prove_inclusion(position, pinned.log_size, chain.log_reader())
        return build_pinned_receipt(envelope=item.envelope, leaf=leaf, path=path, position=position, header=pinned)
    document = build_receipt(
        envelope=item.envelope,
        leaf=leaf,
        path=prove_inclusion(position, header.log_size, chain.log_reader()),
        record=decode_commit_record(chain.record(leaf.height)),
        trail=trail_to(chain, leaf.height, from_height),
    )
    if len(document) > RECEIPT_BYTES_MAX:
        raise _too_long(f"the receipt has {len(document)} bytes, more than {RECEIPT_BYTES_MAX}")
    return document


def evidence_file_of(chain: ChainStore, evidence: Evidence, from_height: int = 0) -> bytes:
    """The evidence file of evidence about a height above `from_height`, and not above the one being decided here.

    Raises `ProblemError` like `receipt_of`.
    """
    before = evidence.height - 1
    trail = trail_to(chain, evidence.height, from_height)
    decided_by = parse_header(trail[-1].record.header).height if trail else from_height
    record = None if decided_by == before else decode_commit_record(chain.record(before))
    return build_evidence_file(evidence=evidence, chain=chain.chain, trail=trail, record=record)


def trail_to(chain: ChainStore, height: int, from_height: int) -> tuple[SetChange, ...]:
    """The changes of the validator set from `from_height` to the set that signs `height`. Raises `ProblemError`."""
    try:
        return chain.trail(height, after=from_height)
    except TrailTooLongError as error:
        raise _too_long(str(error)) from None


def _too_long(detail: str) -> ProblemError:
    return ProblemError(Problem(HttpCode.TRAIL_TOO_LONG, detail))
