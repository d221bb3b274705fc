"""Receipts and evidence files from what storage holds (design section 5): nothing is proved here, only put together."""

from __future__ import annotations

from ledger.block import parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.evidence import Evidence
from ledger.evidence_file import build_evidence_file
from ledger.merkle import prove_inclusion
from ledger.receipt import build_receipt
from node.storage.chain_store import ChainStore
from node.storage.queries import CommittedTransaction


def receipt_of(chain: ChainStore, item: CommittedTransaction) -> bytes:
    """The receipt of a committed transaction, against the root in its own block's header."""
    header, leaf = item.header, item.leaf
    position = header.log_size - header.transaction_count + leaf.index
    return build_receipt(
        envelope=item.envelope,
        leaf=leaf,
        path=prove_inclusion(position, header.log_size, chain.log_reader()),
        record=decode_commit_record(chain.record(leaf.height)),
        trail=chain.trail(leaf.height),
    )


def evidence_file_of(chain: ChainStore, evidence: Evidence) -> bytes:
    """The evidence file of evidence about a height that is not above the one being decided here."""
    before = evidence.height - 1
    trail = chain.trail(evidence.height)
    decided_by = parse_header(trail[-1].record.header).height if trail else 0
    record = None if decided_by == before else decode_commit_record(chain.record(before))
    return build_evidence_file(evidence=evidence, chain=chain.chain, trail=trail, record=record)
