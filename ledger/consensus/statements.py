"""What a validator signs in consensus: four fixed-length binary statements, and nothing else.

    tag("consensus") | chain (32) | epoch (u32) | type (u8) | height (u64) | round (u32) | body

all integers big endian; the body is, by type:

    proposal  block hash (32) | justification digest (32)
    prepare   block hash (32) | justification digest (32)
    commit    block hash (32)
    timeout   high round (i32, -1 for none) | high hash (32, zeros for none)

The types are distinct and the lengths fixed, so no two statements share their bytes. `chain` is the hash of
genesis: nothing signed for one network means anything to another. (consensus research, section 1.3)
"""

from __future__ import annotations

import struct
from enum import IntEnum, unique
from typing import ClassVar, TypeAlias, assert_never

from msgspec import Struct

from ledger.crypto import tag
from ledger.primitives import Digest

_TAG = tag("consensus")
_HEAD = struct.Struct(">32sIBQI")
_TIMEOUT_BODY = struct.Struct(">i32s")

NO_ROUND = -1
"""The high round of a timeout by a validator that holds no prepare certificate."""


@unique
class StatementType(IntEnum):
    """The type byte of a statement."""

    PROPOSAL = 1
    PREPARE = 2
    COMMIT = 3
    TIMEOUT = 4


class ProposalStatement(Struct, frozen=True):
    """ "I, leader of this round, propose this block, justified by what hashes to justification_digest." """

    type: ClassVar[StatementType] = StatementType.PROPOSAL

    height: int
    round: int
    block_hash: Digest
    justification_digest: Digest


class PrepareStatement(Struct, frozen=True):
    """ "I verified this block and its justification, and hold it durably." """

    type: ClassVar[StatementType] = StatementType.PREPARE

    height: int
    round: int
    block_hash: Digest
    justification_digest: Digest


class CommitStatement(Struct, frozen=True):
    """ "I hold a prepare certificate for this block in this round, and the block, durably." """

    type: ClassVar[StatementType] = StatementType.COMMIT

    height: int
    round: int
    block_hash: Digest


class TimeoutStatement(Struct, frozen=True):
    """ "I give this round up; my newest prepare certificate is of high_round, for the block high_hash." """

    type: ClassVar[StatementType] = StatementType.TIMEOUT

    height: int
    round: int
    high_round: int
    high_hash: Digest


Statement: TypeAlias = ProposalStatement | PrepareStatement | CommitStatement | TimeoutStatement


class SigningContext(Struct, frozen=True):
    """What binds statements to one network: hash of genesis, and the epoch (0; raised by a recorded recovery)."""

    chain: Digest
    epoch: int


def signed_bytes(context: SigningContext, statement: Statement) -> bytes:
    """The exact bytes that a validator signs for `statement`."""
    head = _TAG + _HEAD.pack(context.chain, context.epoch, statement.type, statement.height, statement.round)
    match statement:
        case ProposalStatement() | PrepareStatement():
            return head + statement.block_hash + statement.justification_digest
        case CommitStatement():
            return head + statement.block_hash
        case TimeoutStatement():
            return head + _TIMEOUT_BODY.pack(statement.high_round, statement.high_hash)
        case _:
            assert_never(statement)
