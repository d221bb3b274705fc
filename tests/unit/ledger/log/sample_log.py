"""A small log, its checkpoints and their signatures, made by the production code from the founders' keys."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ledger.block import Leaf, encode_leaf
from ledger.genesis import Genesis
from ledger.log.checkpoint import Checkpoint, cosign, cosigner_key, log_origin, sign
from ledger.log.policy import Policy, validators_policy
from ledger.log.proof import build_log_proof
from ledger.log.signed_note import Note, SignatureLine
from ledger.merkle import EMPTY_FRONTIER, leaf_hash, node_hash, prove_consistency, prove_inclusion, root_at
from ledger.primitives import Digest
from tests.unit.ledger.founders import Founder, founder, founders, genesis_of

TIME_S = 1_800_000_000


def numbered_leaf(number: int) -> bytes:
    """The entry number `number`: blocks of three transactions each."""
    height, index = divmod(number, 3)
    name = Digest(number.to_bytes(32, "big"))
    return encode_leaf(Leaf(height + 1, index, name, Digest(bytes(reversed(name))), "applied"))


@dataclass(frozen=True)
class SampleLog:
    """The log of `size` numbered leaves of a chain of n validators."""

    genesis: Genesis
    size: int

    @property
    def origin(self) -> str:
        return log_origin(self.genesis)

    @property
    def policy(self) -> Policy:
        return validators_policy(self.origin, self.genesis.validators)

    def hashes(self, level: int, index: int) -> Digest:
        if level == 0:
            assert index < self.size
            return leaf_hash(numbered_leaf(index))
        return node_hash(self.hashes(level - 1, 2 * index), self.hashes(level - 1, 2 * index + 1))

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(self.origin, size, root_at(size, self.hashes) if size else EMPTY_FRONTIER.root())

    def cosignature(self, index: int, checkpoint: Checkpoint, time_s: int = TIME_S) -> SignatureLine:
        """That of validator v<index>."""
        who = founder(index)
        return cosign(who.cosigning_key, cosigner_key(checkpoint.origin, who.card.validator), checkpoint, time_s)

    def note(self, cosigners: Iterable[int] | None = None, *, size: int | None = None, by: int = 0) -> Note:
        """The checkpoint as validator v<by> serves it, with these cosignatures: of the first q without any."""
        checkpoint = self.checkpoint(size)
        who = range(self.genesis.validators.quorum) if cosigners is None else cosigners
        lines = [sign(founder(by).cosigning_key, checkpoint), *(self.cosignature(index, checkpoint) for index in who)]
        return Note(checkpoint.text, tuple(lines))

    def proof(self, index: int, note: Note | None = None, *, size: int | None = None) -> bytes:
        size = self.size if size is None else size
        path = prove_inclusion(index, size, self.hashes)
        return build_log_proof(entry=numbered_leaf(index), index=index, path=path, note=note or self.note(size=size))

    def consistency(self, old: int) -> Sequence[Digest]:
        return prove_consistency(old, self.size, self.hashes)

    @property
    def founders(self) -> Sequence[Founder]:
        return founders(len(self.genesis.validators))


def sample_log(size: int = 300, *, validators: int = 4) -> SampleLog:
    """The log of so many leaves; of four validators, three are a quorum."""
    return SampleLog(genesis_of(validators), size)
