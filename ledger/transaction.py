"""Transactions: the envelope, what is signed, and the two names that a transaction has.

    envelope   {"body": {...}, "signatures": [{"key": hex, "signature": hex}, ...]}       signatures sorted by key
    body       version         1
               chain           hash of genesis, hex
               sender          account name, or validator:<name> (see `ledger.senders`)
               nonce           16 random bytes, hex; of evidence the first of its digest
               valid_until     ledger time (ms) before which it must be committed
               operations      1..64 objects {"type", "by", ...}, applied all or none
               cosigners       optional: account names, ascending, without the sender; never empty
               memo            optional: text, never empty

All of it is canonical JSON (`ledger.encoding`), so a body has one form. What has one meaning has one form too: lists
of names are sorted, and what is empty is absent.

**Signed bytes** are tag("transaction") and the canonical body. The **id** is SHA-256 of the signed bytes: known
before sending, independent of who signed, the key of deduplication. The **envelope hash** is a tagged SHA-256 of the
envelope's exact bytes: what proposals, fetching and the memory of verified signatures go by, so that nobody can swap
a signature (design section 5).

**Cosigners** agree to the whole body, with as many signatures as their own threshold demands. Every operation is
`by` the sender or a cosigner; a cosigner needs no operation of its own, so that a second party can countersign what
the sender records. A key that is registered to several of them counts for each.

Bytes become a `Transaction` only here. Signatures are well formed then, not verified: see `ledger.admission`.
"""

from __future__ import annotations

from binascii import unhexlify
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final

from msgspec import Struct

from ledger.crypto import Signer, digest, digests, sha256, tag
from ledger.encoding import (
    Json,
    decode,
    decode_form,
    encode,
    expect_fields,
    expect_integer,
    expect_list,
)
from ledger.errors import MalformedError
from ledger.limits import (
    COSIGNERS_PER_TRANSACTION_MAX,
    ENVELOPE_BYTES_MAX,
    JSON_DEPTH_MAX,
    MEMO_BYTES_MAX,
    NONCE_BYTES,
    OPERATIONS_PER_TRANSACTION_MAX,
    SIGNATURES_PER_TRANSACTION_MAX,
)
from ledger.names import parse_account_name
from ledger.operations.evidence import EvidenceRecord
from ledger.operations.kinds import Operation
from ledger.operations.table import UnknownOperationError, operation_to_json, parse_operation
from ledger.primitives import (
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Digest,
    PublicKey,
    Signature,
    parse_digest,
    parse_hex,
    parse_public_key,
)
from ledger.refusals import Code, Refusal
from ledger.senders import SENDER_BYTES_MAX, parse_sender

TRANSACTION_VERSION: Final = 1

_TRANSACTION_TAG = tag("transaction")
_ENVELOPE_TAG = tag("envelope")
_ENVELOPE_FIELDS = frozenset({"body", "signatures"})
_SIGNATURE_FIELDS = frozenset({"key", "signature"})
_BODY_FIELDS = frozenset({"version", "chain", "sender", "nonce", "valid_until", "operations"})
_BODY_OPTIONAL = frozenset({"cosigners", "memo"})

_BODY_OPENING = b'{"body":'
_SENDER_OPENING = b'"sender":"'
_SIGNATURES_OPENING = b',"signatures":['
_SIGNATURE = b'{"key":"%b","signature":"%b"}'
_KEY_OFFSET = len(b'{"key":"')
_SIGNATURE_OFFSET = len(b'","signature":"')
_SIGNATURE_BYTES = len(_SIGNATURE) - 4 + 2 * PUBLIC_KEY_BYTES + 2 * SIGNATURE_BYTES
_BODY_OFFSET = len(_BODY_OPENING)
_SIGNATURE_STEP = _SIGNATURE_BYTES + len(",")  # behind the last stands the end of the list
_BODY_END_OFFSET = len(_SIGNATURES_OPENING) + len("}")  # from the envelope's end, with a step for each signature
_BODY_BYTES_MAX = ENVELOPE_BYTES_MAX - len(_BODY_OPENING) - len(_SIGNATURES_OPENING) - _SIGNATURE_BYTES - len("]}")


class KeySignature(Struct, frozen=True, gc=False):
    """A signature, and the key that it claims to be by."""

    key: PublicKey
    signature: Signature


class TransactionBody(Struct, frozen=True, gc=False):
    """The content that is signed (see the module's docstring). `memo` is None and `cosigners` empty when absent."""

    version: int
    chain: Digest
    sender: str
    nonce: bytes
    valid_until_ms: int
    operations: tuple[Operation, ...]
    cosigners: tuple[str, ...]
    memo: str | None


class Transaction(Struct, frozen=True, gc=False):
    """A well-formed transaction with its exact bytes and both its names. `signatures` ascend by key.

    Many of them wait at a time, so what can be had from the envelope is not kept beside it.
    """

    envelope: bytes
    id: Digest
    envelope_hash: Digest
    body: TransactionBody
    signatures: tuple[KeySignature, ...]

    @property
    def signed_bytes(self) -> bytes:
        """What each signature is over."""
        return _signed_bytes(self.envelope, len(self.signatures))


def parse_transaction(envelope: bytes, name: Digest | None = None) -> Transaction | Refusal:
    """The transaction in an envelope, or why it is none (a refusal of kind *malformed*).

    `name` is its envelope hash, from whoever has computed it already.
    """
    if len(envelope) > ENVELOPE_BYTES_MAX:
        return Refusal(
            Code.TRANSACTION_TOO_LARGE, f"the envelope has {len(envelope)} bytes, more than {ENVELOPE_BYTES_MAX}"
        )
    try:
        # Every field below has a reader that accepts one type only; the content of a record is checked by its own.
        fields = decode_form(envelope, ENVELOPE_BYTES_MAX, "envelope")
        if not isinstance(fields, dict) or fields.keys() != _ENVELOPE_FIELDS:
            fields = expect_fields(fields, what="envelope", required=_ENVELOPE_FIELDS)
        body = _parse_body(fields["body"])
        if isinstance(body, Refusal):
            return body
        signatures = _parse_signatures(fields["signatures"])
    except UnknownOperationError as error:
        return Refusal(Code.OPERATION_UNKNOWN, str(error))
    except MalformedError as error:
        return Refusal(Code.TRANSACTION_MALFORMED, str(error))
    transaction_id = sha256(_signed_bytes(envelope, len(signatures))).digest()
    return Transaction(envelope, transaction_id, name or envelope_hash(envelope), body, signatures)


def parse_body(body: bytes) -> TransactionBody | Refusal:
    """The body in its canonical bytes, as it is before anyone has signed, or why it is none.

    One that no envelope could hold, because it is too long or nests as deep as a whole envelope may, is none.
    """
    try:
        return _parse_body(decode(body, bytes_max=_BODY_BYTES_MAX, what="body", depth_max=JSON_DEPTH_MAX - 1))
    except UnknownOperationError as error:
        return Refusal(Code.OPERATION_UNKNOWN, str(error))
    except MalformedError as error:
        return Refusal(Code.TRANSACTION_MALFORMED, str(error))


def build_body(
    *,
    chain: Digest,
    sender: str,
    nonce: bytes,
    valid_until_ms: int,
    operations: Sequence[Operation],
    cosigners: Iterable[str] = (),
    memo: str | None = None,
) -> bytes:
    """Canonical bytes of a body, ready to be signed. `nonce` is NONCE_BYTES of randomness.

    Raises `MalformedError` when `parse_body` would refuse the result.
    """
    value: dict[str, Json] = {
        "version": TRANSACTION_VERSION,
        "chain": chain.hex(),
        "sender": sender,
        "nonce": nonce.hex(),
        "valid_until": valid_until_ms,
        "operations": [operation_to_json(operation) for operation in operations],
    }
    if names := sorted(set(cosigners)):
        value["cosigners"] = list[Json](names)
    if memo is not None:
        value["memo"] = memo
    body = encode(value)
    parsed = parse_body(body)
    if isinstance(parsed, Refusal):
        raise MalformedError(parsed.detail)
    return body


def envelope_hash(envelope: bytes) -> Digest:
    """The envelope hash of exact bytes, without parsing them."""
    return digest(_ENVELOPE_TAG, envelope)


def name_envelopes(envelopes: Sequence[bytes]) -> list[tuple[Digest, bytes]]:
    """Envelopes in order, each behind its envelope hash."""
    return list(zip(digests(_ENVELOPE_TAG, envelopes), envelopes, strict=True))


def claimed_sender(envelope: bytes) -> str:
    """The sender that the envelope names, if it is well formed; some short text otherwise. Only to share out work by.

    In canonical form `valid_until` comes next after `sender`, and only keys, signatures and a version after that.
    """
    end = envelope.rfind(b'","valid_until":')
    start = envelope.rfind(_SENDER_OPENING, 0, max(end, 0)) + len(_SENDER_OPENING)
    return envelope[start:end].decode("ascii", "replace") if 0 < end - start <= SENDER_BYTES_MAX else ""


def claimed_signatures(envelope: bytes) -> tuple[bytes, list[tuple[PublicKey, Signature]]]:
    """What the envelope says that was signed (with its tag), and by which keys with which signatures, if it is well
    formed; anything, or nothing, otherwise. Only to verify ahead of time what `parse_transaction` will find in it.
    """
    start = envelope.rfind(_SIGNATURES_OPENING)
    if start < 0 or len(envelope) - start > (SIGNATURES_PER_TRANSACTION_MAX + 1) * _SIGNATURE_STEP:
        return b"", []
    signers = []
    # In canonical form each has a fixed length, and nothing follows them but the end of list and envelope.
    for key_start in range(start + len(_SIGNATURES_OPENING) + _KEY_OFFSET, len(envelope), _SIGNATURE_STEP):
        key_end = key_start + 2 * PUBLIC_KEY_BYTES
        signature_start = key_end + _SIGNATURE_OFFSET
        try:
            key = unhexlify(envelope[key_start:key_end])
            signature = unhexlify(envelope[signature_start : signature_start + 2 * SIGNATURE_BYTES])
        except ValueError:
            return b"", []
        if len(signature) < SIGNATURE_BYTES:
            return b"", []
        signers.append((PublicKey(key), Signature(signature)))
    return _TRANSACTION_TAG + envelope[_BODY_OFFSET:start], signers


def transaction_id(body: bytes) -> Digest:
    """The id of the transaction with these body bytes."""
    return digest(_TRANSACTION_TAG, body)


def sign_body(body: bytes, key: Signer) -> KeySignature:
    """`key`'s signature over body bytes."""
    return KeySignature(key.public_key, key.sign(_TRANSACTION_TAG + body))


def assemble(body: bytes, signatures: Iterable[KeySignature]) -> bytes:
    """The envelope of body bytes and signatures in any order; of several by one key, the last is taken.

    Does not check what `parse_transaction` refuses.
    """
    by_key = {item.key: item.signature for item in signatures}
    items = b",".join(_SIGNATURE % (key.hex().encode(), by_key[key].hex().encode()) for key in sorted(by_key))
    return b"%b%b%b%b]}" % (_BODY_OPENING, body, _SIGNATURES_OPENING, items)


def _signed_bytes(envelope: bytes, signatures: int) -> bytes:
    """What is signed of a canonical envelope: its signatures have a fixed length, and the body is what is left."""
    return _TRANSACTION_TAG + envelope[_BODY_OFFSET : -_BODY_END_OFFSET - signatures * _SIGNATURE_STEP]


def _parse_body(value: Json) -> TransactionBody | Refusal:
    """A body from its JSON form; a refusal for a version of another protocol. Raises `MalformedError`."""
    if not isinstance(value, dict):
        raise MalformedError("body must be a JSON object")
    # The version comes first: another one may have other fields.
    version = value.get("version")
    if version != TRANSACTION_VERSION or type(version) is not int:
        expect_integer(version, what="version", minimum=1)
        return Refusal(Code.VERSION_UNSUPPORTED, f"version {version}; this chain knows version {TRANSACTION_VERSION}")
    if value.keys() != _BODY_FIELDS:
        expect_fields(value, what="body", required=_BODY_FIELDS, optional=_BODY_OPTIONAL)
    sender = parse_sender(value["sender"])
    cosigners = _parse_cosigners(value["cosigners"], sender) if "cosigners" in value else ()
    items = expect_list(value["operations"], "operations", OPERATIONS_PER_TRANSACTION_MAX, 1)
    operations = tuple([parse_operation(item) for item in items])
    for operation in operations:
        if operation.by != sender and operation.by not in cosigners:
            raise MalformedError(f"an operation is by {operation.by!r}, neither the sender nor a cosigner")
    chain = value["chain"]
    body = TransactionBody(
        version,
        _known_chain(chain) if isinstance(chain, str) else parse_digest(chain, "chain"),
        sender,
        parse_hex(value["nonce"], NONCE_BYTES, "nonce"),
        expect_integer(value["valid_until"], "valid_until"),
        operations,
        cosigners,
        _parse_memo(value["memo"]) if "memo" in value else None,
    )
    if ":" in sender and (problem := _not_only_evidence(body)):
        return Refusal(Code.VALIDATOR_SENDER_LIMITED, f"{sender} {problem}")
    return body


def _not_only_evidence(body: TransactionBody) -> str | None:
    """What is in the body of a validator that it may not have, or None. [safety]"""
    operation = body.operations[0]
    if len(body.operations) != 1 or not isinstance(operation, EvidenceRecord):
        return "may send a single evidence.record and no other operation"
    if body.cosigners or body.memo is not None:
        return "has neither cosigners nor a memo"
    if body.nonce != operation.evidence.nonce:
        return f"takes its nonce from the digest of the evidence: {operation.evidence.nonce.hex()}"
    return None


# A sender signs many transactions with one key. What is none raises, and is not remembered. All bounds are those of
# names (`ledger.names`).
@lru_cache(maxsize=4_096)
def _known_key(text: str) -> PublicKey:
    return parse_public_key(text, "key")


# All transactions of a node name the same chain.
@lru_cache(maxsize=16)
def _known_chain(text: str) -> Digest:
    return parse_digest(text, "chain")


def _parse_cosigners(value: Json, sender: str) -> tuple[str, ...]:
    items = expect_list(value, what="cosigners", items_max=COSIGNERS_PER_TRANSACTION_MAX, items_min=1)
    names = tuple(parse_account_name(item, "a cosigner") for item in items)
    if any(left >= right for left, right in pairwise(names)):
        raise MalformedError("cosigners must be in ascending order, each once")
    if sender in names:
        raise MalformedError("the sender must not be among the cosigners")
    return names


def _parse_memo(value: Json) -> str:
    if not isinstance(value, str) or not 1 <= len(value.encode()) <= MEMO_BYTES_MAX:
        raise MalformedError(f"memo must be a string of 1 to {MEMO_BYTES_MAX} bytes")
    return value


def _parse_signatures(value: Json) -> tuple[KeySignature, ...]:
    items = expect_list(value, "signatures", SIGNATURES_PER_TRANSACTION_MAX, 1)
    signatures = []
    previous = b""
    for item in items:
        if not isinstance(item, dict) or item.keys() != _SIGNATURE_FIELDS:
            expect_fields(item, what="a signature", required=_SIGNATURE_FIELDS)
            raise AssertionError("expect_fields refuses what is not these fields")
        text = item["key"]
        key = _known_key(text) if isinstance(text, str) else parse_public_key(text, "key")
        if key <= previous:
            raise MalformedError("signatures must be in ascending order of key, one per key")
        previous = key
        signatures.append(KeySignature(key, Signature(parse_hex(item["signature"], SIGNATURE_BYTES, "signature"))))
    return tuple(signatures)
