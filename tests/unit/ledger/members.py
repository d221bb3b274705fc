"""A small ledger for tests: members with keys, two streams, and transactions signed by whoever is named.

acme          administrator, one key           owns the streams invoices and archive (frozen)
alice.acme    one key
globex        one key, not an administrator
board         2 of 3 keys
pair          2 of 2 keys
closed        suspended
desk          registrar
mint          treasurer
org           operator of the only validator
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from ledger.admission import AdmissionContext
from ledger.crypto import SigningKey, digest, tag
from ledger.encoding import encode_trusted
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.rows.accounts import Account
from ledger.rows.streams import Stream, stream_key
from ledger.state import State, initial_state
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from ledger.validators import Validator, ValidatorSet, parse_quorum

CHAIN = digest(tag("test"), b"chain")
HEIGHT = 9
PARENT_TIME_MS = 1_800_000_000_000
VALID_UNTIL_MS = PARENT_TIME_MS + 60_000


class Rows:
    """A `StateView` over a dict; counts how often each row is read."""

    def __init__(self, rows: Mapping[bytes, bytes]) -> None:
        self.rows = dict(rows)
        self.reads: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.reads.append(key)
        return self.rows.get(key)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        return iter(sorted((key, value) for key, value in self.rows.items() if start <= key < stop))

    def after(self, writes: Mapping[bytes, bytes | None]) -> Rows:
        """The rows once `writes` are applied."""
        rows = {**self.rows, **{key: value for key, value in writes.items() if value is not None}}
        return Rows({key: value for key, value in rows.items() if writes.get(key, b"") is not None})


def key_of(label: str) -> SigningKey:
    """The signing key that is always the same for `label`."""
    return SigningKey(digest(tag("test-key"), label.encode()))


def account(
    name: str, *labels: str, threshold: int = 1, roles: tuple[str, ...] = (), suspended: bool = False
) -> Account:
    """An account with the keys of `labels` (its own name if none is given)."""
    keys = tuple(sorted(key_of(label).public_key for label in labels or (name,)))
    return Account(name, keys, threshold, roles, suspended)


MEMBERS = (
    account("acme", roles=("administrator",)),
    account("alice.acme"),
    account("globex"),
    account("board", "b1", "b2", "b3", threshold=2),
    account("pair", "p1", "p2", threshold=2),
    account("closed", suspended=True),
    account("desk", roles=("registrar",)),
    account("mint", roles=("treasurer",)),
    account("org", roles=("operator",)),
)


def validator_set() -> ValidatorSet:
    """One validator, operated by org."""
    keys = [key_of(label).public_key for label in ("consensus", "node", "cosigning")]
    return ValidatorSet(
        (Validator("v1", "org", keys[0], keys[1], keys[2], "127.0.0.1:9001"),), parse_quorum("majority")
    )


def rows(*, parameters: Parameters | None = None) -> Rows:
    """The state of the small ledger."""
    initial = initial_state(validators=validator_set(), accounts=MEMBERS, parameters=parameters or Parameters())
    for stream in (
        Stream("invoices", "acme", frozenset({"acme", "board", "pair"})),
        Stream("archive", "acme", frozenset({"acme"}), count=3, frozen=True),
    ):
        initial[stream_key(stream.name)] = encode_trusted(stream.to_json())
    return Rows(initial)


def context(**parameters: int) -> AdmissionContext:
    """Admission to the block at HEIGHT, on top of a parent at PARENT_TIME_MS."""
    return AdmissionContext(CHAIN, HEIGHT, PARENT_TIME_MS, Parameters(**parameters))


def note(by: str = "acme", stream: str = "invoices", text: str = "hello") -> RecordAppend:
    """A simple record."""
    return RecordAppend(by, stream, Content({"text": text}))


def body(
    sender: str = "acme",
    operations: Sequence[Operation] = (note(),),
    *,
    nonce: int = 1,
    chain: Digest = CHAIN,
    valid_until_ms: int = VALID_UNTIL_MS,
    cosigners: Sequence[str] = (),
    memo: str | None = None,
) -> bytes:
    """Body bytes."""
    return build_body(
        chain=chain,
        sender=sender,
        nonce=nonce.to_bytes(16, "big"),
        valid_until_ms=valid_until_ms,
        operations=operations,
        cosigners=cosigners,
        memo=memo,
    )


def signed(body_bytes: bytes, *signers: str) -> Transaction:
    """The transaction with these body bytes, signed with the keys of `signers` (labels)."""
    transaction = parse_transaction(assemble(body_bytes, [sign_body(body_bytes, key_of(label)) for label in signers]))
    assert not isinstance(transaction, Refusal), transaction
    return transaction


def sent(operations: Sequence[Operation], *, nonce: int = 1) -> Transaction:
    """A transaction of these operations, sent by whoever the first is by, cosigned by the others, with one key each."""
    sender = operations[0].by
    cosigners = sorted({operation.by for operation in operations} - {sender})
    return signed(body(sender, operations, nonce=nonce, cosigners=cosigners), sender, *cosigners)


def state() -> State:
    """The small ledger, typed."""
    return State(rows())
