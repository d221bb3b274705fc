"""The audit re-executes a chain from genesis and names what does not hold."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec.structs import replace as altered

from ledger.amounts import Amount
from ledger.audit import ChainAudit, FlawError, OpenedBlock, open_block
from ledger.block import encode_header
from ledger.chain import CandidateBlock
from ledger.consensus.codec import encode_commit_record
from ledger.consensus.messages import CommitRecord
from ledger.encoding import encode_trusted
from ledger.errors import LedgerError, VerificationError
from ledger.operations.assets import AssetDefine, AssetIssue, AssetTransfer
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.refusals import Refusal
from ledger.rows.assets import Balance, balance_key
from ledger.transaction import parse_transaction
from tests.unit.ledger.audited import MemoryAuditedChain, audit_in_memory
from tests.unit.ledger.exporting import eventful_chain
from tests.unit.ledger.founders import founders, genesis_of, signing_key
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain

Blocks = list[tuple[bytes, list[bytes]]]


def blocks_of(chain: MemoryChain) -> Blocks:
    return [
        (encode_commit_record(record), [transaction.envelope for transaction in block.transactions])
        for record, block in chain.blocks
    ]


def audit(chain: MemoryChain, blocks: Blocks) -> ChainAudit:
    audited = audit_in_memory(chain.genesis)
    for record, envelopes in blocks:
        audited.append(record, envelopes)
    return audited


def test_an_honest_chain_is_followed_to_its_tip() -> None:
    chain = sample_chain()
    audited = audit(chain, blocks_of(chain))
    assert audited.tip == chain.tip


def test_the_audit_says_who_signed_and_what_came_of_each_transaction() -> None:
    chain = sample_chain()
    audited = audit_in_memory(chain.genesis)
    block = audited.append(*blocks_of(chain)[0])
    assert block.signers == ("v0", "v1", "v2")
    assert block.block.results == ("applied", "applied")


def test_an_audit_adds_up_all_balances() -> None:
    chain = sample_chain()
    owner = founders(4)[0].operator_key
    chain.append(
        chain.sign(
            "org0",
            [owner],
            AssetDefine("org0", "euro", 2),
            AssetIssue("org0", "euro", "alice", Amount(700)),
            AssetIssue("org0", "euro", "pair", Amount(1)),
        )
    )
    chain.append(chain.sign("alice", [signing_key("alice")], AssetTransfer("alice", "euro", "pair", Amount(700))))
    found = MemoryAuditedChain(chain.genesis)
    audited = ChainAudit(found)
    for record, envelopes in blocks_of(chain):
        audited.append(record, envelopes)
    audited.check_supplies()
    found.rows[balance_key("pair", "euro")] = encode_trusted(Balance("pair", "euro", 700).to_json())
    with pytest.raises(VerificationError, match="accounts hold 700 of euro, and its supply is 701"):
        audited.check_supplies()


def test_every_byte_of_every_record_and_body_is_bound() -> None:
    chain = sample_chain(1)
    blocks = blocks_of(chain)
    for number, (record, envelopes) in enumerate(blocks):
        audited = audit(chain, blocks[:number])
        for position in range(0, len(record), 3):
            changed = record[:position] + bytes([record[position] ^ 1]) + record[position + 1 :]
            with pytest.raises(LedgerError):
                audited.append(changed, envelopes)
        for index, envelope in enumerate(envelopes):
            for position in range(0, len(envelope), 3):
                changed = envelope[:position] + bytes([envelope[position] ^ 1]) + envelope[position + 1 :]
                with pytest.raises(LedgerError):
                    audited.append(record, [*envelopes[:index], changed, *envelopes[index + 1 :]])
        audited.append(record, envelopes)  # what was refused left no trace


def test_a_quorum_cannot_certify_what_execution_does_not_give() -> None:
    """All validators together sign a header with another state root: the certificate is good, the block is not."""
    chain = sample_chain()
    _, block = chain.blocks[0]
    header = encode_header(altered(block.header, state_root=bytes(32)))  # type: ignore[arg-type]
    from ledger.block import block_hash

    record = CommitRecord(header, chain.certify(block_hash(header), 1, range(4)), ())
    envelopes = [transaction.envelope for transaction in block.transactions]
    with pytest.raises(VerificationError, match="state_root"):
        audit_in_memory(chain.genesis).append(encode_commit_record(record), envelopes)


def test_a_quorum_cannot_certify_what_nobody_signed() -> None:
    """All validators together put a transaction into a block that its sender did not sign: everything else is good."""
    chain = sample_chain()
    key = signing_key("alice")
    true = chain.sign("alice", [key], RecordAppend("alice", "notes", Content("mine")))
    signature = true.signatures[0].signature
    forged = parse_transaction(true.envelope.replace(signature.hex().encode(), key.sign(b"another").hex().encode()))
    assert not isinstance(forged, Refusal)
    chain.append(true)
    assert audit(chain, blocks_of(chain)).tip == chain.tip
    chain = sample_chain()
    chain.append(forged)
    with pytest.raises(FlawError, match=r"transaction 0: .*does not verify"):
        audit(chain, blocks_of(chain))


@pytest.mark.parametrize("signers", [(0, 1), (0,), (1, 2, 3, 3), (2, 1, 0)])
def test_a_certificate_needs_a_quorum_of_different_signers_in_order(signers: tuple[int, ...]) -> None:
    chain = sample_chain()
    record, block = chain.blocks[0]
    weak = CommitRecord(record.header, chain.certify(block.block_hash, 1, signers), ())
    with pytest.raises(VerificationError):
        audit_in_memory(chain.genesis).append(encode_commit_record(weak), blocks_of(chain)[0][1])


def test_blocks_left_out_swapped_or_repeated_are_noticed() -> None:
    chain = sample_chain()
    first, second, third = blocks_of(chain)
    for wrong in ([second], [first, third], [first, first], [first, second, second]):
        with pytest.raises(VerificationError):
            audit(chain, wrong)
    for body in ([], list(reversed(third[1])), third[1][:-1], [*third[1], third[1][0]]):
        with pytest.raises(VerificationError):
            audit(chain, [first, second, (third[0], body)])


def test_another_networks_chain_is_not_this_one() -> None:
    other = sample_chain(3)
    audited = audit_in_memory(genesis_of(4))
    with pytest.raises(VerificationError, match="another chain"):
        audited.append(*blocks_of(other)[0])


def test_who_opens_a_block_may_guess_its_validators_wrong() -> None:
    """Blocks are opened ahead of execution, with the set of some block before: the record is then verified in turn."""
    chain = eventful_chain()
    found = MemoryAuditedChain(chain.genesis)
    audited = ChainAudit(found)
    former = audited.validators

    def opened(record: CommitRecord, block: CandidateBlock) -> OpenedBlock:
        return open_block(
            encode_commit_record(record),
            [item.envelope for item in block.transactions],
            context=audited.context,
            height=block.header.height,
            validators=former,
        )

    for record, block in chain.blocks[:9]:
        audited.append_opened(opened(record, block))
    assert audited.validators != former
    record, block = chain.blocks[9]
    guessed = opened(record, block)
    assert guessed.signed_by is None
    weak = altered(record, certificate=altered(record.certificate, signatures=record.certificate.signatures[:2]))
    with pytest.raises(FlawError, match=r"block 10, its commit record: .*the quorum is 3"):
        audited.append_opened(replace(guessed, record=encode_commit_record(weak)))
    assert audited.append_opened(guessed).signers == ("v0", "v1", "v2")
