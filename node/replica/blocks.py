"""The candidate blocks of one height: their contents, the bodies that are still missing, and what checking gave.

A proposal names a block by its hash and carries, or not, its *content*: the header and the envelope hashes. The header
commits to the envelope hashes only through what executing them yields, so a content that does not check may be a
wrong list under a good header. Therefore a failed content condemns nobody but itself: the block stays wanted, its
content is asked of another peer, and the same content is not executed twice. (Were a block hash condemned
instead, one lying leader could keep a validator from a block that everyone else prepared.) Nor may a content that
names transactions which do not exist keep others out: few are kept, and the newest that a peer gives is always tried.

Bodies come from the mempool, or are fetched by envelope hash and pass the door on their own: a transaction that the
mempool would refuse by now must still be there for the check. Each block is executed once per node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from ledger.block import block_hash
from ledger.chain import CandidateBlock, ChainReader, Tip, check_block
from ledger.consensus.inputs import BlockFacts
from ledger.consensus.messages import ProposedBlock
from ledger.limits import BLOCKS_WANTED_MAX, CONTENTS_PER_BLOCK_MAX
from ledger.primitives import Digest
from ledger.transaction import Transaction
from ledger.validators import ValidatorSet

FindTransaction: TypeAlias = Callable[[Digest], Transaction | None]
"""A verified transaction by its envelope hash, from the mempool."""


class Blocks:
    """Candidates of the height on top of `tip`; thrown away with the height."""

    def __init__(self, tip: Tip, reader: ChainReader, validators: ValidatorSet, find: FindTransaction) -> None:
        self._tip = tip
        self._reader = reader
        self._names = {validator.name: index for index, validator in enumerate(validators.validators)}
        self._find = find
        self._wanted: dict[Digest, None] = {}
        self._contents: dict[Digest, list[ProposedBlock]] = {}
        self._failed: dict[Digest, list[ProposedBlock]] = {}
        self._checked: dict[Digest, CandidateBlock] = {}
        self._fetched: dict[Digest, Transaction] = {}
        self._unusable: set[Digest] = set()
        self._lacking: dict[Digest, set[Digest]] = {}

    def checked(self, hash_of_block: Digest) -> CandidateBlock | None:
        """The block, if it is here and valid."""
        return self._checked.get(hash_of_block)

    def content(self, hash_of_block: Digest) -> ProposedBlock | None:
        """The content of a block that was checked, for a peer that asks."""
        candidate = self._checked.get(hash_of_block)
        if candidate is None:
            return None
        return ProposedBlock(candidate.header_bytes, tuple(item.envelope_hash for item in candidate.transactions))

    def transactions(self) -> dict[Digest, Transaction]:
        """The bodies that were fetched or belong to checked blocks of this height, by envelope hash."""
        checked = {item.envelope_hash: item for block in self._checked.values() for item in block.transactions}
        return checked | self._fetched

    def facts(self, candidate: CandidateBlock) -> BlockFacts:
        """What the engine needs to know of a valid block."""
        header = candidate.header
        return BlockFacts(header.round, self._names[header.proposer], header.time_ms)

    def add(self, candidate: CandidateBlock) -> None:
        """Keep a block that was checked: our own."""
        self._checked[candidate.block_hash] = candidate
        self._wanted.pop(candidate.block_hash, None)

    def want(self, hash_of_block: Digest, content: ProposedBlock | None) -> None:
        """Note that the engine waits for this block, and the content that came with its proposal."""
        if hash_of_block not in self._wanted and len(self._wanted) >= BLOCKS_WANTED_MAX:
            dropped = next(iter(self._wanted))
            del self._wanted[dropped]
            self._contents.pop(dropped, None)
            self._lacking.pop(dropped, None)
        self._wanted[hash_of_block] = None
        if content is not None:
            self.offer(content)

    def offer(self, content: ProposedBlock) -> Digest | None:
        """Take in a content as the newest, unless its block is not wanted or it was tried and is wrong. Returns the
        block's hash if it was taken."""
        name = block_hash(content.header)
        if name not in self._wanted:
            return None
        contents, failed = self._contents.setdefault(name, []), self._failed.setdefault(name, [])
        if content in failed:
            return None
        if content in contents:
            contents.remove(content)
        elif len(contents) + len(failed) >= CONTENTS_PER_BLOCK_MAX:
            # It may be tried again: better than to refuse the true content for the rest of the height.
            del (failed or contents)[0]
        contents.append(content)
        return name

    def bring(self, envelope_hash: Digest, transaction: Transaction | None) -> None:
        """A body that was needed: verified, or (None) one that can be in no block on this parent."""
        for lacking in self._lacking.values():
            lacking.discard(envelope_hash)
        if transaction is None:
            self._unusable.add(envelope_hash)
        else:
            self._fetched[envelope_hash] = transaction

    def has_content(self, hash_of_block: Digest) -> bool:
        """Whether a content of the block is here that was not found wrong."""
        return bool(self._contents.get(hash_of_block))

    def missing_bodies(self, hash_of_block: Digest) -> tuple[Digest, ...]:
        """The envelope hashes of a wanted block whose bodies are not here, each once: those of its newest content
        first, in order."""
        missing: dict[Digest, None] = {}
        for content in reversed(self._contents.get(hash_of_block, ())):
            for envelope_hash in content.envelope_hashes:
                if envelope_hash not in self._unusable and self._get(envelope_hash) is None:
                    missing[envelope_hash] = None
        self._lacking[hash_of_block] = set(missing)
        return tuple(missing)

    def lacked(self, named: Sequence[tuple[Digest, bytes]]) -> list[tuple[Digest, bytes]]:
        """Those of some envelopes, each behind its envelope hash, that a wanted block lacks, by what `missing_bodies`
        last found and what was brought since."""
        lacking = set[Digest]().union(*self._lacking.values())  # mostly none
        return [item for item in named if item[0] in lacking] if lacking else []

    def complete(self) -> tuple[Digest, ...]:
        """The wanted blocks that lack no body, as far as `missing_bodies` and what was brought since tell."""
        return tuple(name for name in self._wanted if not self._lacking.get(name))

    def check(self, hash_of_block: Digest) -> CandidateBlock | str | None:
        """Check a wanted block as soon as a content of it is complete: the valid block, which is kept, why the
        content that was tried is not valid, or None while something is missing."""
        if (known := self._checked.get(hash_of_block)) is not None:
            self._wanted.pop(hash_of_block, None)
            return known
        reason: str | None = None
        for content in tuple(self._contents.get(hash_of_block, ())):
            outcome = self._check_content(content)
            if isinstance(outcome, CandidateBlock):
                self._checked[hash_of_block] = outcome
                self._wanted.pop(hash_of_block, None)
                self._contents.pop(hash_of_block, None)
                self._lacking.pop(hash_of_block, None)
                return outcome
            if outcome is not None:
                reason = outcome
                self._contents[hash_of_block].remove(content)
                self._failed.setdefault(hash_of_block, []).append(content)
        return reason

    def _check_content(self, content: ProposedBlock) -> CandidateBlock | str | None:
        transactions = []
        complete = True
        for envelope_hash in content.envelope_hashes:
            if envelope_hash in self._unusable:
                return f"the transaction with envelope hash {envelope_hash.hex()} can be in no block here"
            transaction = self._get(envelope_hash)
            if transaction is None:
                complete = False
            else:
                transactions.append(transaction)
        return check_block(self._tip, self._reader, content.header, transactions) if complete else None

    def _get(self, envelope_hash: Digest) -> Transaction | None:
        return self._fetched.get(envelope_hash) or self._find(envelope_hash)
