"""What executing a block did, in the terms by which storage indexes it and people search.

Only applied operations have events. That a transaction is by an account (its sender, its cosigners, the `by` of its
operations), applied or failed, stands in the transaction and needs none.
"""

from __future__ import annotations

from typing import TypeAlias

from msgspec import Struct

from ledger.primitives import Digest


class AccountTouched(Struct, frozen=True, gc=False):
    """The row of `account` was created or changed by that operation of that transaction of the block."""

    account: str
    transaction_index: int
    operation_index: int


class StreamTouched(Struct, frozen=True, gc=False):
    """The row of `stream` was created or changed (other than by appending) by that operation."""

    stream: str
    transaction_index: int
    operation_index: int


class RecordAppended(Struct, frozen=True, gc=False):
    """That operation is record number `revision` (from 1, gap-free) of `stream`; `key` is its entity key, if any."""

    stream: str
    revision: int
    key: str | None
    transaction_index: int
    operation_index: int


class AssetTouched(Struct, frozen=True, gc=False):
    """The row of `asset` was created or changed by that operation."""

    asset: str
    transaction_index: int
    operation_index: int


class BalanceTouched(Struct, frozen=True, gc=False):
    """What `account` holds of `asset`, or whether it is frozen, was changed by that operation."""

    account: str
    asset: str
    transaction_index: int
    operation_index: int


class EvidenceRecorded(Struct, frozen=True, gc=False):
    """That operation recorded the evidence with this digest: `validator` contradicted itself at `height`."""

    validator: str
    height: int
    digest: Digest
    transaction_index: int
    operation_index: int


class ValidatorTouched(Struct, frozen=True, gc=False):
    """That operation is about the validator called `validator`: it is ready, or a change of it is proposed or decided.

    Evidence against it is `EvidenceRecorded`. It need not be in the set.
    """

    validator: str
    transaction_index: int
    operation_index: int


class ProposalTouched(Struct, frozen=True, gc=False):
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
