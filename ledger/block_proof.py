"""Block proofs: which transactions a block has, all of them and with their results, without their contents.

A block proof is one canonical JSON document:

    kind, version    "quorum-ledger/block-proof", 1
    record           the block's commit record: its header has the log's size and root
    transactions     id, envelope hash and result of every transaction of the block, in order
    log              the log before the block: the roots of its perfect subtrees, largest first, hex (`ledger.merkle`)

Nothing in it is believed. The header is made final by whoever knows the validator set of the height (a light client);
the transactions, put behind the log before the block, must give the header's log root. So none is left out, added,
moved, or given another result. (design section 5)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.block import Header, Leaf, leaf_from_json, leaf_hash
from ledger.consensus.codec import commit_record_to_json, parse_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.documents import expect_kind
from ledger.encoding import Json, encode_trusted, expect_fields, expect_list
from ledger.errors import VerificationError
from ledger.limits import BLOCK_TRANSACTIONS_MAX, LOG_PATH_MAX
from ledger.merkle import Frontier
from ledger.primitives import Digest, parse_digest

BLOCK_PROOF_KIND = "quorum-ledger/block-proof"
VERSION = 1

_FIELDS = frozenset({"kind", "version", "record", "transactions", "log"})
_TRANSACTION_FIELDS = frozenset({"id", "envelope_hash", "result"})


@dataclass(frozen=True, slots=True)
class BlockProof:
    """A block proof as it was read, unverified: `transactions` are (id, envelope hash, result) in JSON."""

    record: CommitRecord
    transactions: tuple[Json, ...]
    log: tuple[Digest, ...]


def build_block_proof(record: CommitRecord, leaves: Iterable[Leaf], log: Frontier) -> bytes:
    """The document; `log` is that before the block. Everything is as stored; nothing is verified here."""
    transactions: list[Json] = [
        {"id": leaf.transaction_id.hex(), "envelope_hash": leaf.envelope_hash.hex(), "result": leaf.result}
        for leaf in leaves
    ]
    return encode_trusted(
        {
            "kind": BLOCK_PROOF_KIND,
            "version": VERSION,
            "record": commit_record_to_json(record),
            "transactions": transactions,
            "log": [item.hex() for item in log.hashes],
        }
    )


def parse_block_proof(value: Json) -> BlockProof:
    """A block proof from its JSON form, unverified. Raises `MalformedError`."""
    fields = expect_fields(expect_kind(value, BLOCK_PROOF_KIND, VERSION), what="block proof", required=_FIELDS)
    log = expect_list(fields["log"], what="log", items_max=LOG_PATH_MAX)
    return BlockProof(
        record=parse_commit_record(fields["record"]),
        transactions=tuple(expect_list(fields["transactions"], what="transactions", items_max=BLOCK_TRANSACTIONS_MAX)),
        log=tuple(parse_digest(item, "log") for item in log),
    )


def check_block_proof(proof: BlockProof, header: Header) -> tuple[Leaf, ...]:
    """All transactions of the block of `header`, which is verified and the one of the proof's record.

    Raises `MalformedError` or `VerificationError`.
    """
    leaves = _leaves(proof.transactions, header.height)
    before = header.log_size - header.transaction_count
    if len(leaves) != header.transaction_count or before < 0:
        raise VerificationError(
            f"{len(leaves)} transactions are listed for block {header.height}, which has {header.transaction_count}"
        )
    if len(proof.log) != before.bit_count():
        raise VerificationError(f"a log of {before} transactions does not have {len(proof.log)} perfect subtrees")
    log = Frontier(before, proof.log).append([leaf_hash(leaf) for leaf in leaves])
    if log.root() != header.log_root:
        raise VerificationError(f"the transactions listed for block {header.height} do not give its log root")
    return leaves


def _leaves(transactions: Sequence[Json], height: int) -> tuple[Leaf, ...]:
    leaves = []
    for index, item in enumerate(transactions):
        fields = expect_fields(item, what="transaction of a block proof", required=_TRANSACTION_FIELDS)
        leaves.append(
            leaf_from_json(
                {
                    "height": height,
                    "index": index,
                    "transaction_id": fields["id"],
                    "envelope_hash": fields["envelope_hash"],
                    "result": fields["result"],
                }
            )
        )
    return tuple(leaves)
