"""The full audit: a stranger re-verifies and re-executes a chain from genesis, believing nobody.

Block by block, in order: the commit record is verified against the validator set that the audit itself computed; each
signature of each transaction is verified; the block is executed again and must give the header, byte for byte (so
every result, the log root, the state root and the next validator set are right). What is left to believe is the
genesis document, which the auditor brings.

The work is in two halves, so that the first can be done elsewhere, for many blocks at once: `open_block` reads and
verifies what needs no state, which is nearly all of it, and `ChainAudit` does the rest in order. The validator set
with which a block is opened is a guess (that of some block before); `ChainAudit` verifies the record itself when the
guess was wrong. `AuditedChain` is what has been audited so far: it may be in memory, on an auditor's disk, or the
database of a node.

`check_supplies` then holds all balances of that state against the supplies of their assets.
(design sections 1 and 10)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ledger.admission import check_signatures
from ledger.block import block_hash, parse_header
from ledger.chain import CandidateBlock, ChainReader, Tip, check_block
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.record import verify_commit_record
from ledger.consensus.statements import SigningContext
from ledger.consensus.verification import HeightKeys
from ledger.conservation import check_supplies
from ledger.crypto import Verify, verify
from ledger.errors import LedgerError, VerificationError
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.state import StateView
from ledger.transaction import Transaction, parse_transaction
from ledger.validators import ValidatorSet


class FlawError(VerificationError):
    """The first thing that does not hold: the height of its block, which item of it, and why."""

    def __init__(self, height: int, item: str, reason: str) -> None:
        super().__init__(height, item, reason)
        self.height = height
        self.item = item
        self.reason = reason

    def __str__(self) -> str:
        return f"block {self.height}, {self.item}: {self.reason}"


class AuditedChain(ChainReader, Protocol):
    """What has been audited: where the audit goes on, and where it keeps what it found."""

    @property
    def tip(self) -> Tip:
        """The newest audited block, or that of genesis."""
        ...

    @property
    def state(self) -> StateView:
        """The state after the tip, as rows."""
        ...

    def commit(self, block: CandidateBlock, record: bytes, signers: Sequence[str]) -> None:
        """Append a block that holds, with its encoded commit record and the names of the validators that signed it."""
        ...


@dataclass(frozen=True, slots=True)
class OpenedBlock:
    """One block, read and hashed, the signatures of its transactions verified; its place in the chain is not.

    `record` is its commit record, encoded; `signed_by` the hash of the validator set by which it was verified, None
    when it was not; `signers` are indices in that set. `leaf_hashes` are of the leaves that came with the block, None
    when none did.
    """

    header_bytes: bytes
    block_hash: Digest
    record: bytes
    signed_by: Digest | None
    signers: tuple[int, ...]
    transactions: tuple[Transaction, ...]
    leaf_hashes: tuple[Digest, ...] | None


@dataclass(frozen=True, slots=True)
class AuditedBlock:
    """One block that held: what it is, who signed it (validator names), and its candidate with results and writes."""

    height: int
    block_hash: Digest
    signers: tuple[str, ...]
    block: CandidateBlock


def open_block(
    record_bytes: bytes,
    envelopes: Sequence[bytes],
    *,
    context: SigningContext,
    height: int,
    validators: ValidatorSet,
    verify_signature: Verify = verify,
    leaf_hashes: tuple[Digest, ...] | None = None,
) -> OpenedBlock:
    """Read and verify what should be the block of `height`, as far as that needs no state.

    `record_bytes` is its commit record in canonical JSON, `envelopes` is its body in order. `validators` should be the
    set that signs the height. Raises `FlawError`.
    """
    try:
        record = decode_commit_record(record_bytes)
        header = parse_header(record.header)
        guessed = header.validators_hash == validators.hash
        if guessed:
            keys = HeightKeys(context, height, validators, verify_signature)
            verify_commit_record(record, keys=keys, parent_hash=None)  # the link is asked for by `check_block`
    except LedgerError as error:
        raise FlawError(height, "its commit record", str(error)) from None
    if header.transaction_count != len(envelopes):
        reason = f"{len(envelopes)} transactions, and the header counts {header.transaction_count}"
        raise FlawError(height, "its body", reason)
    transactions = tuple(_open(height, index, envelope, verify_signature) for index, envelope in enumerate(envelopes))
    return OpenedBlock(
        header_bytes=record.header,
        block_hash=block_hash(record.header),
        record=record_bytes,
        signed_by=validators.hash if guessed else None,
        signers=record.certificate.signers,
        transactions=transactions,
        leaf_hashes=leaf_hashes,
    )


class ChainAudit:
    """An audit in progress: hand it the blocks of a chain from the one after the tip on, one by one."""

    def __init__(self, chain: AuditedChain, verify_signature: Verify = verify) -> None:
        self._chain = chain
        self._verify = verify_signature
        self._validators = chain.typed_state.validators()

    @property
    def tip(self) -> Tip:
        """The newest block that held."""
        return self._chain.tip

    @property
    def context(self) -> SigningContext:
        """What binds signatures to the chain."""
        return SigningContext(self.tip.header.chain, self.tip.header.epoch)

    @property
    def validators(self) -> ValidatorSet:
        """The set that signs the next height."""
        return self._validators

    def append(self, record_bytes: bytes, envelopes: Sequence[bytes]) -> AuditedBlock:
        """Verify the next block: its commit record in canonical JSON, and its body in order.

        Raises `FlawError`, saying what does not hold; the audit stays where it was.
        """
        return self.append_opened(
            open_block(
                record_bytes,
                envelopes,
                context=self.context,
                height=self.tip.header.height + 1,
                validators=self._validators,
                verify_signature=self._verify,
            )
        )

    def append_opened(self, opened: OpenedBlock) -> AuditedBlock:
        """Verify the next block, which was opened. Raises `FlawError`; the audit stays where it was."""
        tip, validators = self.tip, self._validators
        height = tip.header.height + 1
        try:
            if opened.signed_by != validators.hash:
                keys = HeightKeys(self.context, height, validators, self._verify)
                verify_commit_record(decode_commit_record(opened.record), keys=keys, parent_hash=None)
        except LedgerError as error:
            raise FlawError(height, "its commit record", str(error)) from None
        block = check_block(tip, self._chain, opened.header_bytes, opened.transactions)
        if isinstance(block, str):
            raise FlawError(height, "its header", f"executing the block again does not give it: {block}")
        if opened.leaf_hashes is not None and opened.leaf_hashes != block.leaf_hashes:
            pairs = zip(opened.leaf_hashes, block.leaf_hashes, strict=True)
            index = next(index for index, (claimed, computed) in enumerate(pairs) if claimed != computed)
            reason = f"it is not what executing gives, whose result is {block.results[index]}"
            raise FlawError(height, f"the leaf of transaction {index}", reason)
        signers = validators.names_of(opened.signers)
        self._chain.commit(block, opened.record, signers)
        if block.header.next_validators_hash != validators.hash:
            self._validators = self._chain.typed_state.validators()
        return AuditedBlock(height, block.block_hash, signers, block)

    def check_supplies(self) -> None:
        """Add up all balances after the newest audited block: they must make the supplies of their assets.

        Raises `VerificationError`, naming the asset. Each block was held against its parent already, so this only fails
        where genesis, or the rule itself, is wrong.
        """
        check_supplies(self._chain.state)


def _open(height: int, index: int, envelope: bytes, verify_signature: Verify) -> Transaction:
    """The transaction in `envelope`, its signatures verified."""
    transaction = parse_transaction(envelope)
    refusal = transaction if isinstance(transaction, Refusal) else check_signatures(transaction, verify_signature)
    if refusal is not None or isinstance(transaction, Refusal):
        raise FlawError(height, f"transaction {index}", str(refusal))
    return transaction
