"""What executing a block did, in the terms by which storage indexes it and people search.

Only applied operations have events. That a transaction is by an account (its sender, its cosigners, the `by` of its
operations), applied or failed, stands in the transaction and needs none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ledger.primitives import Digest


@dataclass(frozen=True, slots=True)
class AccountTouched:
    """The row of `account` was created or changed by that operation of that transaction of the block."""

    account: str
    transaction_index: int
    operation_index: int


@dataclass(frozen=True, slots=True)
class StreamTouched:
    """The row of `stream` was created or changed (other than by appending) by that operation."""

    stream: str
    transaction_index: int
    operation_index: int


class RecordAppended(NamedTuple):
    """That operation is record number `revision` (from 1, gap-free) of `stream`; `key` is its entity key, if any.

    A named tuple because there is one per record, and it is made in a third of the time.
    """

    stream: str
    revision: int
    key: str | None
    transaction_index: int
    operation_index: int


@dataclass(frozen=True, slots=True)
class AssetTouched:
    """The row of `asset` was created or changed by that operation."""

    asset: str
    transaction_index: int
    operation_index: int


@dataclass(frozen=True, slots=True)
class BalanceTouched:
    """What `account` holds of `asset`, or whether it is frozen, was changed by that operation."""

    account: str
    asset: str
    transaction_index: int
    operation_index: int


@dataclass(frozen=True, slots=True)
class EvidenceRecorded:
    """That operation recorded the evidence with this digest: `validator` contradicted itself at `height`."""

    validator: str
    height: int
    digest: Digest
    transaction_index: int
    operation_index: int


@dataclass(frozen=True, slots=True)
class ValidatorTouched:
    """That operation is about the validator called `validator`: it is ready, or a change of it is proposed or decided.

    Evidence against it is `EvidenceRecorded`. It need not be in the set.
    """

    validator: str
    transaction_index: int
    operation_index: int


@dataclass(frozen=True, slots=True)
class ProposalTouched:
    """The row of proposal `proposal` (its number) was created or changed by that operation."""

    proposal: int
    transaction_index: int
    operation_index: int


Event: TypeAlias = (
    AccountTouched
    | StreamTouched
    | RecordAppended
    | AssetTouched
    | BalanceTouched
    | EvidenceRecorded
    | ValidatorTouched
    | ProposalTouched
)
