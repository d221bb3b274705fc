"""The chain as consensus sees it, in miniature: real headers, a validity rule, and the leaders that follow."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.block import HEADER_VERSION, Header, block_hash, encode_header, parse_header
from ledger.chain import leader_order
from ledger.consensus.inputs import BlockFacts
from ledger.consensus.messages import ProposedBlock
from ledger.consensus.statements import SigningContext
from ledger.crypto import digest, tag
from ledger.primitives import ZERO_DIGEST, Digest, PublicKey
from ledger.rows.settings import Leaders
from ledger.validators import Quorum, QuorumRule, Validator, ValidatorSet

CONTEXT = SigningContext(digest(tag("test"), b"genesis"), 0)
GENESIS_TIME_MS = 1_000_000
DEMOTION_HEIGHTS = 1_000


def transaction(label: str) -> Digest:
    """The envelope hash of the transaction that a script calls `label`. "invalid" makes its block invalid."""
    return digest(tag("test"), label.encode())


def validator_set(count: int, quorum: int) -> ValidatorSet:
    """Validators v0, v1, ... whose consensus keys are their index."""

    def entry(index: int) -> Validator:
        keys = [PublicKey(bytes([kind, index]) + bytes(30)) for kind in (1, 2, 3)]
        return Validator(f"v{index}", "acme", keys[0], keys[1], keys[2], f"127.0.0.1:{7000 + index}")

    return ValidatorSet(tuple(entry(index) for index in range(count)), Quorum(QuorumRule.FIXED, quorum))


@dataclass(frozen=True)
class Tip:
    """The newest block, as far as the next one depends on it."""

    height: int
    block_hash: Digest
    time_ms: int
    leaders: Leaders


GENESIS = Tip(0, ZERO_DIGEST, GENESIS_TIME_MS, Leaders())


def order_at(tip: Tip, validators: ValidatorSet) -> tuple[int, ...]:
    """Who leads the rounds of the height after `tip` (amendment A6, the production function)."""
    names = [validator.name for validator in validators.validators]
    return leader_order(names, tip.leaders, tip.height + 1, DEMOTION_HEIGHTS)


def make_block(
    tip: Tip, validators: ValidatorSet, *, round: int, proposer: int, time_ms: int, transactions: tuple[Digest, ...]
) -> ProposedBlock:
    """A block on `tip`, valid or not."""
    header = Header(
        version=HEADER_VERSION,
        chain=CONTEXT.chain,
        epoch=CONTEXT.epoch,
        height=tip.height + 1,
        parent_hash=tip.block_hash,
        round=round,
        proposer=f"v{proposer}",
        time_ms=time_ms,
        transaction_count=len(transactions),
        log_size=0,
        log_root=digest(tag("test"), b"".join(transactions)),
        state_root=ZERO_DIGEST,
        validators_hash=validators.hash,
        next_validators_hash=validators.hash,
    )
    return ProposedBlock(encode_header(header), transactions)


def check(tip: Tip, validators: ValidatorSet, block: ProposedBlock) -> BlockFacts | None:
    """The facts of a block that is valid on `tip`, or None: objective, the same for every node."""
    header = parse_header(block.header)
    proposer = int(header.proposer[1:])
    order = order_at(tip, validators)
    valid = (
        (header.height, header.parent_hash) == (tip.height + 1, tip.block_hash)
        and header.time_ms > tip.time_ms
        and (header.round == 0 or header.time_ms == tip.time_ms + 1)  # amendment A7, the objective half
        and proposer == order[header.round % len(order)]
        and transaction("invalid") not in block.envelope_hashes
    )
    return BlockFacts(header.round, proposer, header.time_ms) if valid else None


def append(tip: Tip, validators: ValidatorSet, block: ProposedBlock) -> Tip:
    """The tip after `block`; the leaders of the rounds that failed before it was fresh are noted (amendment A6)."""
    header = parse_header(block.header)
    failed = dict(tip.leaders.failed_heights)
    order = order_at(tip, validators)
    failed.update({f"v{order[round]}": header.height for round in range(min(header.round, len(order)))})
    leaders = Leaders(tuple(sorted(failed.items())))
    return Tip(header.height, block_hash(block.header), header.time_ms, leaders)
