"""What clients do: they submit transactions to whichever machine, and again when they hear nothing."""

from __future__ import annotations

from functools import cache

from ledger.genesis import Genesis
from ledger.operations.accounts import AccountAdd
from ledger.operations.fields import Content
from ledger.operations.kinds import Operation
from ledger.operations.streams import RecordAppend, StreamCreate
from ledger.primitives import Digest
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from tests.simulation.clock import HOUR_MS
from tests.unit.ledger.founders import founder, signing_key


def transaction(genesis: Genesis, number: int) -> Transaction:
    """The client's transaction number `number`: a stream, records in it, an account, in turn."""
    return transaction_of(genesis.chain, genesis.time_ms, len(genesis.validators), number)


@cache
def transaction_of(chain: Digest, time_ms: int, n: int, number: int) -> Transaction:
    """The like, for any chain whose genesis has this time and n validators."""
    organisation = number % n
    by = f"org{organisation}"
    operation: Operation
    match number % 4:
        case 0:
            operation = StreamCreate(by=by, name=f"stream-{number}")
        case 3:
            key = signing_key(f"member {number}").public_key
            operation = AccountAdd(by=by, name=f"m{number}.{by}", keys=(key,), threshold=1)
        case _:  # fails, and is recorded as failed, when its stream is not there or another's: that is an outcome too
            operation = RecordAppend(by=by, stream=f"stream-{number // 4 * 4}", content=Content({"number": number}))
    body = build_body(
        chain=chain,
        sender=by,
        nonce=number.to_bytes(16, "big"),
        valid_until_ms=time_ms + 12 * HOUR_MS,
        operations=[operation],
    )
    parsed = parse_transaction(assemble(body, [sign_body(body, founder(organisation).operator_key)]))
    assert isinstance(parsed, Transaction), parsed
    return parsed
