"""The envelope: one canonical form, two names, and every way in which bytes are no transaction."""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable

import orjson
import pytest

from ledger.crypto import verify
from ledger.encoding import Json, decode, encode_trusted
from ledger.errors import MalformedError
from ledger.limits import (
    COSIGNERS_PER_TRANSACTION_MAX,
    ENVELOPE_BYTES_MAX,
    MEMO_BYTES_MAX,
    OPERATIONS_PER_TRANSACTION_MAX,
    RECORD_CONTENT_BYTES_MAX,
    SIGNATURES_PER_TRANSACTION_MAX,
)
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.refusals import TABLE, Code, Kind, Refusal
from ledger.transaction import (
    TRANSACTION_VERSION,
    KeySignature,
    Transaction,
    assemble,
    build_body,
    parse_body,
    parse_transaction,
    sign_body,
    transaction_id,
)
from tests.unit.ledger.members import CHAIN, VALID_UNTIL_MS, body, key_of, note, signed

BODY = body("acme", (note(), note("globex")), cosigners=("board", "globex"), memo="two parties")
ENVELOPE = assemble(BODY, [sign_body(BODY, key_of(label)) for label in ("acme", "globex", "b1", "b2")])

Document = dict[str, Json]
Change = Callable[[dict[str, object]], object]


def document() -> dict[str, object]:
    value: dict[str, object] = orjson.loads(ENVELOPE)
    return value


def at(value: object, *path: str | int) -> dict[str, object]:
    """The object at `path`, to be changed in place."""
    for step in path:
        value = value[step]  # type: ignore[index]
    assert isinstance(value, dict)
    return value


def set_to(*path: str | int, to: object) -> Change:
    return lambda value: at(value, *path[:-1]).__setitem__(str(path[-1]), to)


def without(*path: str | int) -> Change:
    return lambda value: at(value, *path[:-1]).pop(str(path[-1]))


def signatures(change: Callable[[list[object]], object]) -> Change:
    def apply(value: dict[str, object]) -> None:
        items = value["signatures"]
        assert isinstance(items, list)
        value["signatures"] = change(items)

    return apply


def test_an_envelope_is_read_into_what_was_built() -> None:
    transaction = parse_transaction(ENVELOPE)
    assert isinstance(transaction, Transaction)
    assert transaction.envelope == ENVELOPE
    assert transaction.signed_bytes == b"quorum-ledger/v1/transaction\0" + BODY
    assert transaction.id == hashlib.sha256(b"quorum-ledger/v1/transaction\0" + BODY).digest() == transaction_id(BODY)
    assert transaction.envelope_hash == hashlib.sha256(b"quorum-ledger/v1/envelope\0" + ENVELOPE).digest()
    content = transaction.body
    assert (content.version, content.chain, content.sender) == (1, CHAIN, "acme")
    assert (content.nonce, content.valid_until_ms) == ((1).to_bytes(16, "big"), VALID_UNTIL_MS)
    assert (content.cosigners, content.memo) == (("board", "globex"), "two parties")
    assert content.operations == (note(), note("globex"))
    assert parse_body(BODY) == content


def test_signatures_stand_by_key_and_verify_over_the_signed_bytes() -> None:
    transaction = parse_transaction(ENVELOPE)
    assert isinstance(transaction, Transaction)
    keys = [item.key for item in transaction.signatures]
    assert keys == sorted(keys)
    assert len(keys) == 4
    assert all(verify(item.key, transaction.signed_bytes, item.signature) for item in transaction.signatures)


def test_who_signs_changes_the_envelope_hash_and_not_the_id() -> None:
    one, other = signed(BODY, "acme"), signed(BODY, "acme", "globex")
    assert one.id == other.id
    assert one.envelope_hash != other.envelope_hash


def test_a_key_signs_once() -> None:
    twice = assemble(BODY, [sign_body(BODY, key_of("acme"))] * 2)
    assert twice == signed(BODY, "acme").envelope


@pytest.mark.parametrize("count", [1, 2, SIGNATURES_PER_TRANSACTION_MAX])
def test_the_signed_bytes_are_cut_out_of_the_envelope_whatever_the_number_of_signatures(count: int) -> None:
    transaction = signed(BODY, *(f"key {index}" for index in range(count)))
    assert transaction.signed_bytes.endswith(b"\0" + BODY)


MALFORMED: list[tuple[str, Change, str]] = [
    ("a surplus field of the envelope", set_to("extra", to=1), "unknown field 'extra'"),
    ("no body", without("body"), "lacks the field 'body'"),
    ("no signatures", without("signatures"), "lacks the field 'signatures'"),
    ("a body that is a list", set_to("body", to=[]), "body must be a JSON object"),
    ("a surplus field of the body", set_to("body", "fee", to=1), "unknown field 'fee'"),
    ("no version", without("body", "version"), "version must be an integer"),
    ("a version that is a truth value", set_to("body", "version", to=True), "version must be an integer"),
    ("a version that is text", set_to("body", "version", to="1"), "version must be an integer"),
    ("no chain", without("body", "chain"), "lacks the field 'chain'"),
    ("a short chain", set_to("body", "chain", to="ab"), "chain must be 64 lower-case hex"),
    ("a chain that is a number", set_to("body", "chain", to=7), "chain must be 64 lower-case hex"),
    ("upper-case hex in chain", set_to("body", "chain", to="AB" * 32), "chain must be 64 lower-case hex"),
    ("no sender", without("body", "sender"), "lacks the field 'sender'"),
    ("a sender that is no name", set_to("body", "sender", to="Acme"), "sender must be a name"),
    ("a sender that is null", set_to("body", "sender", to=None), "sender must be a name"),
    ("a validator as the sender", set_to("body", "sender", to="validator:v1"), "neither the sender nor a cosigner"),
    ("no nonce", without("body", "nonce"), "lacks the field 'nonce'"),
    ("a long nonce", set_to("body", "nonce", to="0" * 34), "nonce must be 32 lower-case hex"),
    ("upper-case hex in the nonce", set_to("body", "nonce", to="A" * 32), "nonce must be 32 lower-case hex"),
    ("white space in the nonce", set_to("body", "nonce", to="00 " * 10 + "00"), "nonce must be 32 lower-case hex"),
    ("a nonce that is a list", set_to("body", "nonce", to=["0"] * 32), "nonce must be 32 lower-case hex"),
    ("no valid_until", without("body", "valid_until"), "lacks the field 'valid_until'"),
    ("a negative valid_until", set_to("body", "valid_until", to=-1), "valid_until must be an integer"),
    ("a valid_until of text", set_to("body", "valid_until", to="2027-01-01"), "valid_until must be an integer"),
    ("a valid_until beyond 2^53", set_to("body", "valid_until", to=2**53), "valid_until must be an integer"),
    ("a fraction of a millisecond", set_to("body", "valid_until", to=1.5), "valid_until must be an integer"),
    ("a float that is whole", set_to("body", "valid_until", to=1e3), "valid_until must be an integer"),
    ("no operations", without("body", "operations"), "lacks the field 'operations'"),
    ("an empty list of operations", set_to("body", "operations", to=[]), "operations must be a list of 1 to"),
    ("an operation alone", set_to("body", "operations", to={}), "operations must be a list of 1 to"),
    ("an operation that is text", set_to("body", "operations", to=["pay"]), "an operation must be a JSON object"),
    ("an operation by nobody", without("body", "operations", 0, "by"), "by must be the name of an account"),
    ("an operation by another", set_to("body", "operations", 0, "by", to="pair"), "neither the sender nor a cosigner"),
    ("an operation by a number", set_to("body", "operations", 0, "by", to=1), "by must be the name of an account"),
    ("a surplus field of an operation", set_to("body", "operations", 0, "fee", to=1), "unknown field 'fee'"),
    ("an operation without a field", without("body", "operations", 0, "stream"), "lacks the field 'stream'"),
    ("an empty list of cosigners", set_to("body", "cosigners", to=[]), "cosigners must be a list of 1 to"),
    ("cosigners null", set_to("body", "cosigners", to=None), "cosigners must be a list of 1 to"),
    ("unsorted cosigners", set_to("body", "cosigners", to=["globex", "board"]), "in ascending order"),
    ("a cosigner twice", set_to("body", "cosigners", to=["board", "globex", "globex"]), "in ascending order"),
    ("a cosigner that is no name", set_to("body", "cosigners", to=["globex", "x y"]), "a cosigner must be a name"),
    ("the sender as a cosigner", set_to("body", "cosigners", to=["acme", "globex"]), "sender must not be among"),
    ("an empty memo", set_to("body", "memo", to=""), "memo must be a string"),
    ("a memo null", set_to("body", "memo", to=None), "memo must be a string"),
    ("a long memo", set_to("body", "memo", to="é" * (MEMO_BYTES_MAX // 2) + "e"), "memo must be a string"),
    ("a signature missing its key", without("signatures", 0, "key"), "a signature lacks the field 'key'"),
    ("a surplus field of a signature", set_to("signatures", 0, "name", to="acme"), "unknown field 'name'"),
    ("a short key", set_to("signatures", 0, "key", to="00"), "key must be 64 lower-case hex"),
    ("an upper-case key", set_to("signatures", 0, "key", to="AA" * 32), "key must be 64 lower-case hex"),
    ("a key that is a number", set_to("signatures", 0, "key", to=0), "key must be 64 lower-case hex"),
    ("a short signature", set_to("signatures", 0, "signature", to="00" * 63), "signature must be 128 lower-case"),
    ("letters beyond hex", set_to("signatures", 0, "signature", to="0g" * 64), "signature must be 128 lower-case"),
    ("an upper-case signature", set_to("signatures", 0, "signature", to="AA" * 64), "signature must be 128 lower-case"),
    ("no signature", signatures(lambda items: []), "signatures must be a list of 1 to"),
    ("signatures as an object", set_to("signatures", to={}), "signatures must be a list of 1 to"),
    ("a signature that is text", signatures(lambda items: ["signed"]), "a signature must be a JSON object"),
    ("unsorted signatures", signatures(lambda items: items[::-1]), "in ascending order of key"),
    ("a signature twice", signatures(lambda items: [items[0], *items]), "in ascending order of key"),
]


@pytest.mark.parametrize(("change", "detail"), [row[1:] for row in MALFORMED], ids=[row[0] for row in MALFORMED])
def test_a_shape_that_is_wrong_is_malformed(change: Change, detail: str) -> None:
    value = copy.deepcopy(document())
    change(value)
    refusal = parse_transaction(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.TRANSACTION_MALFORMED
    assert detail in refusal.detail


def replaced(old: bytes, new: bytes) -> bytes:
    assert ENVELOPE.count(old) >= 1
    return ENVELOPE.replace(old, new, 1)


NOT_CANONICAL: list[tuple[str, bytes]] = [
    ("nothing", b""),
    ("half of it", ENVELOPE[:-1]),
    ("white space", b" " + ENVELOPE),
    ("a line break at the end", ENVELOPE + b"\n"),
    ("two of it", ENVELOPE * 2),
    ("a byte order mark", b"\xef\xbb\xbf" + ENVELOPE),
    ("a null byte at the end", ENVELOPE + b"\0"),
    ("a duplicate field", replaced(b'{"body"', b'{"body":{},"body"')),
    ("a duplicate field of the body", replaced(b'"sender":', b'"sender":"globex","sender":')),
    ("unsorted fields", replaced(b'"by":"acme","content":{"text":"hello"}', b'"content":{"text":"hello"},"by":"acme"')),
    ("minus zero", replaced(b'{"text":"hello"}', b'{"text":-0}')),
    ("an integer with an exponent", replaced(b'{"text":"hello"}', b'{"text":1e2}')),
    ("an integer with a leading zero", replaced(b'{"text":"hello"}', b'{"text":01}')),
    ("an integer of 2^64", replaced(b'{"text":"hello"}', b'{"text":18446744073709551616}')),
    ("an integer of 2^53", replaced(b'{"text":"hello"}', b'{"text":9007199254740992}')),
    ("not a number", replaced(b'{"text":"hello"}', b'{"text":NaN}')),
    ("an escape that need not be", replaced(b'"hello"', b'"\\u0068ello"')),
    ("an escaped slash", replaced(b'"hello"', b'"\\/"')),
    ("a lone surrogate", replaced(b'"hello"', b'"\\ud800"')),
    ("bytes that are no UTF-8", replaced(b'"hello"', b'"\xff"')),
    ("an overlong UTF-8 form", replaced(b'"hello"', b'"\xc0\xaf"')),
    ("a key of content that is not ASCII", replaced(b'{"text":', '{"t\u00e9xt":'.encode())),
    ("content nested too deep", replaced(b'{"text":"hello"}', b"[" * 29 + b"]" * 29)),
    ("content nested far too deep", replaced(b'{"text":"hello"}', b"[" * 5_000 + b"]" * 5_000)),
    ("a comment", replaced(b'{"text"', b'{/**/"text"')),
    ("a list", b"[]"),
    ("text", b'"pay"'),
]


@pytest.mark.parametrize("data", [row[1] for row in NOT_CANONICAL], ids=[row[0] for row in NOT_CANONICAL])
def test_bytes_that_are_not_the_one_form_are_malformed(data: bytes) -> None:
    refusal = parse_transaction(data)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.TRANSACTION_MALFORMED


def test_content_nests_as_deep_as_a_document_may() -> None:
    assert isinstance(parse_transaction(replaced(b'{"text":"hello"}', b"[" * 28 + b"]" * 28)), Transaction)


def test_a_body_that_no_envelope_can_hold_is_not_built() -> None:
    """What can be built and signed can be read: the envelope adds one level, and the bytes of a signature at least."""

    def nested(levels: int) -> RecordAppend:
        return RecordAppend("acme", "invoices", Content(decode(b"[" * levels + b"]" * levels, bytes_max=100)))

    signed(body(operations=(nested(28),)), "acme")
    with pytest.raises(MalformedError, match="nested deeper"):
        body(operations=(nested(29),))

    def padded(size: int) -> bytes:
        return body(operations=[RecordAppend("acme", "invoices", Content("x" * n)) for n in (32_700, size)])

    longest = ENVELOPE_BYTES_MAX - len(signed(padded(0), "acme").envelope)
    assert len(signed(padded(longest), "acme").envelope) == ENVELOPE_BYTES_MAX
    with pytest.raises(MalformedError, match="body has"):
        padded(longest + 1)


def test_an_envelope_has_a_size() -> None:
    padding = ENVELOPE_BYTES_MAX - len(ENVELOPE)
    refusal = parse_transaction(ENVELOPE + b" " * padding)
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.TRANSACTION_MALFORMED
    refusal = parse_transaction(ENVELOPE + b" " * (padding + 1))
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.TRANSACTION_TOO_LARGE


def test_content_has_a_size() -> None:
    fits = "x" * (RECORD_CONTENT_BYTES_MAX - 2)
    assert body(operations=(RecordAppend("acme", "invoices", Content(fits)),))
    with pytest.raises(MalformedError, match="record a content_digest instead"):
        body(operations=(RecordAppend("acme", "invoices", Content(fits + "x")),))


def test_counts_have_bounds() -> None:
    assert body(operations=[note()] * OPERATIONS_PER_TRANSACTION_MAX)
    with pytest.raises(MalformedError, match="operations must be a list"):
        body(operations=[note()] * (OPERATIONS_PER_TRANSACTION_MAX + 1))
    names = [f"n{index}" for index in range(COSIGNERS_PER_TRANSACTION_MAX + 1)]
    assert body(cosigners=names[1:])
    with pytest.raises(MalformedError, match="cosigners must be a list"):
        body(cosigners=names)
    too_many = [sign_body(BODY, key_of(f"key {index}")) for index in range(SIGNATURES_PER_TRANSACTION_MAX + 1)]
    refusal = parse_transaction(assemble(BODY, too_many))
    assert isinstance(refusal, Refusal)
    assert "signatures must be a list" in refusal.detail


@pytest.mark.parametrize("version", [2, TRANSACTION_VERSION + 7])
def test_another_version_is_named_before_its_fields_are_judged(version: int) -> None:
    value: Document = {"body": {"version": version, "anything": "else"}, "signatures": []}
    refusal = parse_transaction(encode_trusted(value))
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.VERSION_UNSUPPORTED
    assert TABLE[refusal.code].kind is Kind.MALFORMED


@pytest.mark.parametrize("type_name", ["record.delete", "", 7, None, ["record.append"]], ids=repr)
def test_an_operation_of_no_known_type_is_named(type_name: Json) -> None:
    value = document()
    at(value, "body", "operations", 1)["type"] = type_name
    for refusal in (
        parse_transaction(orjson.dumps(value, option=orjson.OPT_SORT_KEYS)),
        parse_body(orjson.dumps(value["body"], option=orjson.OPT_SORT_KEYS)),
    ):
        assert isinstance(refusal, Refusal)
        assert refusal.code is Code.OPERATION_UNKNOWN
        assert repr(type_name) in refusal.detail


def test_a_body_that_would_be_refused_is_not_built() -> None:
    with pytest.raises(MalformedError, match="sender must be a name"):
        body(sender="Acme", operations=(note("Acme"),))
    with pytest.raises(MalformedError, match="nonce"):
        build_body(chain=CHAIN, sender="acme", nonce=b"short", valid_until_ms=1, operations=(note(),))
    with pytest.raises(MalformedError, match="must not be among the cosigners"):
        body(cosigners=("acme",))
    with pytest.raises(MalformedError, match="float"):
        body(operations=(RecordAppend("acme", "invoices", Content(1.5)),))  # type: ignore[arg-type]


def test_cosigners_are_put_in_order_when_building() -> None:
    assert body(cosigners=("globex", "board", "globex")) == body(cosigners=("board", "globex"))


def test_parsing_a_body_names_what_is_wrong() -> None:
    refusal = parse_body(BODY + b" ")
    assert isinstance(refusal, Refusal)
    assert refusal.code is Code.TRANSACTION_MALFORMED


def test_a_signature_is_not_verified_here() -> None:
    forged = assemble(BODY, [KeySignature(key_of("acme").public_key, sign_body(b"{}", key_of("acme")).signature)])
    assert isinstance(parse_transaction(forged), Transaction)
