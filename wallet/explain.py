"""A transaction in words: who does what, what is signed, and what is missing.

For a person in front of an air-gapped machine who is about to sign: every field of the body appears, content as JSON,
nothing shortened to something that could be mistaken. The sentences are ours; names and content are somebody else's
and are escaped where they are printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ledger.encoding import Json, encode_trusted
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.assets import (
    AssetBurn,
    AssetDefine,
    AssetFreezeHolder,
    AssetIssue,
    AssetTransfer,
    AssetUnfreezeHolder,
)
from ledger.operations.evidence import EvidenceRecord
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate, StreamFreeze, StreamWriters
from ledger.operations.table import operation_to_json
from wallet.amounts import to_text
from wallet.evidence import evidence_sentence
from wallet.explain_governance import governance_sentence
from wallet.moments import rfc3339, span_words
from wallet.output import inline_json

if TYPE_CHECKING:
    from ledger.primitives import Digest
    from wallet.answers import AccountView
    from wallet.drafts import Draft


NOTHING_KNOWN: Mapping[str, int] = {}
"""The decimals of no asset: amounts are shown in smallest units, as they are signed."""


def operation_sentence(operation: Operation, decimals: Mapping[str, int] = NOTHING_KNOWN) -> str:
    """One operation as a sentence. `decimals` are those of assets, where they are known; what is signed are units."""
    match operation:
        case AccountAdd():
            roles = f", with the roles {', '.join(operation.roles)}" if operation.roles else ""
            keys = _keys(tuple(key.hex() for key in operation.keys), operation.threshold)
            return f"{operation.by} adds the account {operation.name}{roles}; {keys}"
        case AccountKeys():
            keys = _keys(tuple(key.hex() for key in operation.keys), operation.threshold)
            return f"{operation.by} replaces all of its own keys; {keys}"
        case StreamCreate():
            writers = ", ".join(operation.writers) if operation.writers else f"{operation.by} alone"
            return f"{operation.by} creates the stream {operation.name}; may write to it: {writers}"
        case StreamWriters():
            writers = ", ".join(operation.writers)
            return (
                f"{operation.by} replaces the writers of the stream {operation.stream}; may write to it then: {writers}"
            )
        case StreamFreeze():
            return f"{operation.by} freezes the stream {operation.stream} FOR GOOD: it takes no more records"
        case AssetDefine():
            return _definition_sentence(operation)
        case AssetIssue():
            amount = _amount(operation.amount, operation.asset, decimals)
            return f"{operation.by} issues {amount}, which comes into being as the balance of {operation.to}"
        case AssetTransfer():
            return f"{operation.by} transfers {_amount(operation.amount, operation.asset, decimals)} to {operation.to}"
        case AssetBurn():
            return f"{operation.by} burns {_amount(operation.amount, operation.asset, decimals)}, of what it holds"
        case AssetFreezeHolder():
            what = f"{operation.by} freezes what {operation.holder} holds of {operation.asset}"
            return f"{what}: it neither sends nor receives nor is burnt"
        case AssetUnfreezeHolder():
            return f"{operation.by} unfreezes what {operation.holder} holds of {operation.asset}"
        case RecordAppend():
            return _record_sentence(operation)
        case EvidenceRecord():
            return f"{operation.by} records evidence: {evidence_sentence(operation.evidence)}"
        case _:
            if (sentence := governance_sentence(operation)) is not None:
                return sentence
            fields = {name: value for name, value in operation_to_json(operation).items() if name not in ("type", "by")}
            return f"{operation.by} does {operation.kind.type} with {inline_json(fields)}"


def explanation(
    draft: Draft,
    *,
    pinned: Digest | None,
    now_ms: int,
    accounts: Mapping[str, AccountView] | None,
    decimals: Mapping[str, int] = NOTHING_KNOWN,
) -> Iterator[str]:
    """The lines that explain `draft`.

    `pinned` is the chain of the user's profile, `now_ms` a clock to compare the deadline with, `accounts` what a node
    says about sender and cosigners, or None offline; `decimals` those of assets, where they are known.
    """
    body = draft.body
    defined = {item.name: item.decimals for item in body.operations if isinstance(item, AssetDefine)}
    yield f"Transaction {draft.id.hex()}"
    yield f"For the chain {body.chain.hex()}, {_chain_note(body.chain, pinned)}."
    cosigners = f", with the consent of {', '.join(body.cosigners)}" if body.cosigners else ""
    yield f"Sent by {body.sender}{cosigners}."
    yield f"Valid until ledger time {rfc3339(body.valid_until_ms)} ({_deadline_note(body.valid_until_ms - now_ms)})."
    yield "It does, all or nothing:"
    for number, operation in enumerate(body.operations, 1):
        yield f"  {number}. {operation_sentence(operation, {**defined, **decimals})}"
    if body.memo is not None:
        yield f"Memo: {body.memo}"
    if not draft.signatures:
        yield "Signatures: none yet."
    for item in draft.signatures:
        yield f"Signature by {item.key.hex()}: {'good' if draft.good(item) else 'DOES NOT VERIFY'}"
    yield from _missing(draft, accounts)


def missing_signatures(draft: Draft, account: AccountView) -> int:
    """How many more good signatures `account` needs, by what a node says about it."""
    signed = {item.key.hex() for item in draft.signatures if draft.good(item)}
    return max(0, account.threshold - len(signed & set(account.keys)))


def _missing(draft: Draft, accounts: Mapping[str, AccountView] | None) -> Iterator[str]:
    parties = (draft.body.sender, *draft.body.cosigners)
    if accounts is None:
        who = " and of ".join(parties)
        yield (
            f"How many signatures are needed is on the ledger: as many as the threshold of {who}. "
            "Compare with: quorum-wallet tx show FILE --online"
        )
        return
    registered: set[str] = set()
    for name in parties:
        account = accounts.get(name)
        if account is None:
            yield f"{name} is not an account on the ledger."
            continue
        registered.update(account.keys)
        missing = missing_signatures(draft, account)
        signed = account.threshold - missing
        have = f"{name} needs {account.threshold} of its {len(account.keys)} keys and has {signed}"
        yield f"{have}: {'complete' if missing == 0 else f'{missing} missing'}."
    for item in draft.signatures:
        if item.key.hex() not in registered:
            yield f"The key {item.key.hex()} belongs to none of them: nodes will refuse the transaction."


def assets_moved(draft: Draft) -> tuple[str, ...]:
    """The assets of which amounts stand in `draft`, each once, in order."""
    moves = (AssetIssue, AssetTransfer, AssetBurn)
    return tuple(sorted({item.asset for item in draft.body.operations if isinstance(item, moves)}))


def _definition_sentence(operation: AssetDefine) -> str:
    own = {operation.name: operation.decimals}
    cap = (
        "without a cap"
        if operation.cap is None
        else f"of which there may be at most {_amount(operation.cap, operation.name, own)}"
    )
    issuers = ", ".join(operation.issuers) if operation.issuers else f"{operation.by} alone"
    what = f"{operation.by} defines the asset {operation.name}, with {operation.decimals} decimals, {cap}"
    return f"{what}; may issue it: {issuers}"


def _amount(units: int, asset: str, decimals: Mapping[str, int]) -> str:
    """An amount: what is signed, and before it, where the asset's decimals are known, what people write."""
    signed = f"{units} smallest {'unit' if units == 1 else 'units'} of {asset}"
    return signed if asset not in decimals else f"{to_text(units, decimals[asset])} {asset} ({signed})"


def _record_sentence(operation: RecordAppend) -> str:
    about = f" about {inline_json(operation.key)}" if operation.key is not None else ""
    condition = ""
    if operation.expected_revision == 0:
        condition = ", only if there is none about it yet"
    elif operation.expected_revision is not None:
        condition = f", only if the newest about it is revision {operation.expected_revision}"
    if operation.content_digest is not None:
        what = f"only the SHA-256 of its content: {operation.content_digest.hex()}"
    else:
        content: Json = operation.content.value if operation.content is not None else None
        what = f"content ({len(encode_trusted(content))} bytes): {inline_json(content)}"
    return f"{operation.by} appends a record{about} to the stream {operation.stream}{condition}; {what}"


def _keys(keys: tuple[str, ...], threshold: int) -> str:
    return f"{threshold} of {len(keys)} {'key' if len(keys) == 1 else 'keys'} must sign: {', '.join(keys)}"


def _chain_note(chain: Digest, pinned: Digest | None) -> str:
    if pinned is None:
        return "which is not compared: no genesis is pinned"
    return "the pinned one" if chain == pinned else "NOT THE PINNED ONE"


def _deadline_note(left_ms: int) -> str:
    if left_ms <= 0:
        return f"by this clock {span_words(-left_ms)} ago"
    return f"by this clock in {span_words(left_ms)}"
