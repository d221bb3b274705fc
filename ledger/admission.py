"""Who may be in a block: the rules that keep a transaction out, judged against the state after the parent block.

Well-formedness was `parse_transaction`'s part. What is asked here, cheapest first (design section 5):

1. `check_authority`, without any curve arithmetic: right chain, not expired and not too far ahead, sender and
   cosigners exist and are not suspended, every signature is by a key that one of them has, and each of them has as
   many signatures as its threshold demands. For a validator as sender: see `ledger.evidence_admission`.
2. `check_signatures`: every signature verifies. Once per envelope and node; never again in a block.
3. `BlockAdmission`, for the transactions of one block together: ids unused, the sender's quota, the block's limits, no
   accusation twice.

So a stranger can neither burn an id nor fill a block. What fails after that is recorded in the block with its code.
An account whose keys change in a block is judged by its old keys throughout that block.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from ledger.crypto import Verify
from ledger.evidence_admission import check_attested_statements, check_validator_authority, recorded_evidence
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.rows.accounts import Account
from ledger.senders import is_validator_sender
from ledger.state import State
from ledger.transaction import KeySignature, Transaction


class AdmissionContext(Struct, frozen=True):
    """What authority is judged against besides the state: chain and height of the block, and the parent's time (ms) and
    parameters."""

    chain: Digest
    height: int
    parent_time_ms: int
    parameters: Parameters


def check_authority(transaction: Transaction, state: State, context: AdmissionContext) -> Refusal | None:
    """Why `transaction` may not be in a child of the block that `state` and `context` are of, or None.

    It is includable while parent time < valid_until <= parent time + window. Signatures are counted, not verified.
    """
    body = transaction.body
    if body.chain != context.chain:
        return Refusal(Code.CHAIN_WRONG, f"the body names {body.chain.hex()}, this chain is {context.chain.hex()}")
    valid_until_ms, parent_time_ms = body.valid_until_ms, context.parent_time_ms
    if valid_until_ms <= parent_time_ms:
        return Refusal(Code.EXPIRED, f"valid until {valid_until_ms}, ledger time is {parent_time_ms}")
    window_ms = context.parameters.valid_window_ms
    if valid_until_ms > parent_time_ms + window_ms:
        return Refusal(
            Code.VALID_UNTIL_TOO_FAR, f"valid until {valid_until_ms}, more than {window_ms} ms after ledger time"
        )
    account = state.account(body.sender)
    if account is None:
        if is_validator_sender(body.sender):
            return check_validator_authority(transaction, state, context.height)
        return Refusal(Code.SENDER_UNKNOWN, f"no account {body.sender}")
    if body.cosigners:
        return _check_cosigned(transaction, account, state)
    signatures = transaction.signatures
    if account.suspended:
        return _suspended(account)
    for item in signatures:
        if item.key not in account.keys:
            return _surplus(item)
    if len(signatures) < account.threshold:
        return _missing(account, len(signatures))
    return None


def _check_cosigned(transaction: Transaction, sender: Account, state: State) -> Refusal | None:
    """The same of sender and cosigners together: every signature's key is one of theirs; each threshold is met."""
    accounts = [sender]
    for name in transaction.body.cosigners:
        cosigner = state.account(name)
        if cosigner is None:
            return Refusal(Code.COSIGNER_UNKNOWN, f"no account {name}")
        accounts.append(cosigner)
    for account in accounts:
        if account.suspended:
            return _suspended(account)
    signatures, keys = transaction.signatures, {key for account in accounts for key in account.keys}
    for item in signatures:
        if item.key not in keys:
            return _surplus(item)
    for account in accounts:
        count = sum(item.key in account.keys for item in signatures)
        if count < account.threshold:
            return _missing(account, count)
    return None


def _suspended(account: Account) -> Refusal:
    return Refusal(Code.ACCOUNT_SUSPENDED, f"account {account.name} is suspended")


def _surplus(item: KeySignature) -> Refusal:
    return Refusal(Code.SIGNATURE_SURPLUS, f"key {item.key.hex()} is registered to neither sender nor a cosigner")


def _missing(account: Account, count: int) -> Refusal:
    needed = f"account {account.name} needs {account.threshold} signatures, has {count}"
    return Refusal(Code.SIGNATURE_MISSING, needed)


def check_signatures(transaction: Transaction, verify: Verify) -> Refusal | None:
    """Whether every signature verifies; the first that does not is named.

    Asked after `check_authority`: only registered keys, whose points were checked, may reach `verify`.
    """
    signed_bytes = transaction.signed_bytes  # one object for all: `ledger.claims` hands it over once
    for item in transaction.signatures:
        if not verify(item.key, signed_bytes, item.signature):
            return Refusal(Code.SIGNATURE_INVALID, f"the signature by key {item.key.hex()} does not verify")
    if ":" in transaction.body.sender:
        return check_attested_statements(transaction, verify)
    return None


class BlockAdmission:
    """The transactions of one block, admitted one after the other: the same rules for building and for checking.

    A builder leaves out what is refused; a checker finds the block invalid at the first refusal. `committed` says
    whether an id is in a block up to the parent.
    """

    __slots__ = (
        "_accusations",
        "_bytes",
        "_bytes_max",
        "_committed",
        "_context",
        "_ids",
        "_per_sender",
        "_quota",
        "_state",
        "_transactions_max",
    )

    def __init__(self, state: State, context: AdmissionContext, committed: Callable[[Digest], bool]) -> None:
        self._state = state
        self._context = context
        self._committed = committed
        self._transactions_max = context.parameters.block_transactions_max
        self._bytes_max = context.parameters.block_bytes_max
        self._quota = context.parameters.sender_quota
        self._bytes = 0
        self._ids: set[Digest] = set()
        self._per_sender: dict[str, int] = {}
        self._accusations: set[tuple[str, int]] = set()

    def admit(self, transaction: Transaction) -> Refusal | None:
        """Admit `transaction` as the next of the block, or say why it may not be."""
        ids, transaction_id = self._ids, transaction.id
        block_bytes = self._bytes + len(transaction.envelope)
        if len(ids) >= self._transactions_max or block_bytes > self._bytes_max:
            return Refusal(Code.BLOCK_FULL, f"the block has {len(ids)} transactions of {self._bytes} bytes")
        if transaction_id in ids or self._committed(transaction_id):
            return Refusal(Code.ALREADY_COMMITTED, f"transaction {transaction_id.hex()} is in a block")
        sender = transaction.body.sender
        count = self._per_sender.get(sender, 0)
        if count >= self._quota:
            return Refusal(Code.QUOTA_EXCEEDED, f"the block has {count} transactions of {sender}")
        if refusal := check_authority(transaction, self._state, self._context):
            return refusal
        if ":" in sender and (refusal := self._admit_evidence(transaction)):
            return refusal
        ids.add(transaction_id)
        self._bytes = block_bytes
        self._per_sender[sender] = count + 1
        return None

    def _admit_evidence(self, transaction: Transaction) -> Refusal | None:
        """Note whom the evidence accuses, and about which height, or say that the block has that already."""
        evidence = recorded_evidence(transaction)
        accusation = evidence.validator, evidence.height
        if accusation in self._accusations:
            return Refusal(
                Code.EVIDENCE_RECORDED, f"the block has evidence against {evidence.validator} at {evidence.height}"
            )
        self._accusations.add(accusation)
        return None
