"""Exports of small chains in memory."""

from __future__ import annotations

from collections.abc import Sequence

from ledger.amounts import Amount
from ledger.audit import ChainAudit
from ledger.block import Leaf
from ledger.chain import CandidateBlock
from ledger.consensus.codec import encode_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.crypto import Verify, verify
from ledger.errors import MalformedError
from ledger.export import ManifestBuilder, block_lines, first_line
from ledger.export_reading import ExportReader, open_exported_block
from ledger.genesis import Genesis
from ledger.governance.changes import ValidatorRemove
from ledger.operations.assets import AssetDefine, AssetIssue, AssetTransfer
from ledger.operations.fields import Content
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend
from ledger.state import State
from ledger.transaction import Transaction
from tests.unit.ledger.audited import audit_in_memory
from tests.unit.ledger.founders import founders, signing_key
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain


def eventful_chain() -> MemoryChain:
    """`sample_chain`, then a block of 150 records, assets, a validator that is removed, and empty blocks between."""
    chain = sample_chain()
    operators = [founder.operator_key for founder in founders(4)]

    def sign(index: int, *operations: Operation) -> Transaction:
        return chain.sign(f"org{index}", [operators[index]], *operations)

    alice = signing_key("alice")
    records = [RecordAppend("alice", "notes", Content(number), key=f"k{number % 7}") for number in range(150)]
    chain.append(*(chain.sign("alice", [alice], record) for record in records))
    chain.append()
    chain.append(sign(0, AssetDefine("org0", "euro", 2), AssetIssue("org0", "euro", "alice", Amount(7))))
    chain.append(chain.sign("alice", [alice], AssetTransfer("alice", "euro", "org3", Amount(7))))
    chain.append(sign(0, ProposalCreate("org0", (ValidatorRemove("v3"),), chain.tip.header.time_ms + 60_000, 1)))
    proposal = State(chain).proposal(1)
    assert proposal is not None
    chain.append(*(sign(index, ProposalVote(f"org{index}", 1, proposal.digest, True)) for index in range(3)))
    for _ in range(3):
        chain.append()
    return chain


def lines_of(chain: MemoryChain, height: int) -> bytes:
    """A block as it stands in an export."""
    return lines_of_block(*chain.blocks[height - 1])


def lines_of_block(record: CommitRecord, block: CandidateBlock) -> bytes:
    """The same, of any block with any record."""
    entries = [
        (item.envelope, Leaf(block.header.height, index, item.id, item.envelope_hash, block.results[index]))
        for index, item in enumerate(block.transactions)
    ]
    return block_lines(block.block_hash, encode_commit_record(record), entries)


def export_of(chain: MemoryChain) -> bytes:
    """The whole chain as a file."""
    return export_with(chain, [lines_of(chain, height) for height in range(1, chain.tip.header.height + 1)])


def export_with(chain: MemoryChain, blocks: Sequence[bytes]) -> bytes:
    """A file of these blocks, under a manifest with the chain's head and the right hashes of its parts."""
    manifest = ManifestBuilder(chain.genesis)
    last = chain.tip.header.height - 1
    for lines in (*blocks[:last], b"".join(blocks[last:])):
        manifest.add(lines)
    line = manifest.build(chain.tip.header, chain.tip.block_hash)
    return first_line(chain.genesis) + b"".join(blocks) + line


def reader_of(genesis: Genesis, data: bytes) -> ExportReader:
    """What reads the file `data`."""
    return ExportReader(genesis, len(data), lambda offset, size: data[offset : offset + size])


def audit_export(genesis: Genesis, data: bytes, *, verify_signature: Verify = verify) -> ChainAudit:
    """Audit the file `data` to its end; raises what an audit of it raises."""
    reader, manifest = reader_of(genesis, data), ManifestBuilder(genesis)
    audit = audit_in_memory(genesis, verify_signature)
    for text in reader.blocks():
        audit.append_opened(
            open_exported_block(
                text, context=audit.context, validators=audit.validators, verify_signature=verify_signature
            )
        )
        manifest.add(b"".join(text.lines))
    if manifest.build(audit.tip.header, audit.tip.block_hash) != reader.manifest.line:
        raise MalformedError("its manifest is not that of these blocks")  # as `wallet.auditing.sources` refuses it
    return audit
