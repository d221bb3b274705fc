"""From a signed transaction to a definite outcome, with its receipt verified: what every sending command ends in.

The id is told before the first byte leaves, so that whatever happens afterwards, `tx wait ID` finds out. What is
printed as committed is verified where that is possible: with a pinned genesis or checkpoint the receipt is fetched and
checked, and a node that states another outcome than its own receipt proves is an error (10), not an answer. What the
receipt proves of the block is printed as it is proved, not as it is stated; what it does not prove is not printed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wallet.answers import Outcome, State, parse_signers
from wallet.exit_codes import ExitCode, WalletError, verification_error
from wallet.files import PUBLIC, create_file
from wallet.moments import rfc3339
from wallet.pinning import has_pin, pinned
from wallet.receipts import proof_sentence, verify

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ledger.encoding import Json
    from ledger.receipt import VerifiedReceipt
    from ledger.transaction import Transaction
    from wallet.client import Client
    from wallet.pinning import Pin
    from wallet.session import Session

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Settled:
    """An outcome with what is known beyond it: who signed the block, and the verified receipt, if any."""

    outcome: Outcome
    signers: tuple[str, ...] = ()
    receipt: bytes | None = None
    verified: VerifiedReceipt | None = None


def ask(session: Session, work: Callable[[Client], Awaitable[T]], *, nodes: tuple[str, ...] | None = None) -> T:
    """Run `work` with a client for `nodes`, or for the session's. Raises what the client raises."""
    from wallet import client

    return client.ask(nodes or session.nodes, work, timeout_s=session.settings.timeout_s, notice=session.output.hint)


def ask_each(session: Session, work: Callable[[Client], Awaitable[T]]) -> dict[str, T | WalletError]:
    """Run `work` with each node of the session, all at once: what each gave, or why it gave nothing, by URL."""
    import asyncio

    from wallet import client

    async def one(node: str) -> T | WalletError:
        seconds = session.settings.timeout_s
        async with client.connect((node,), timeout_s=seconds, notice=session.output.hint) as connected:
            try:
                return await work(connected)
            except WalletError as error:
                return error

    async def all_of_them() -> list[T | WalletError]:
        return await asyncio.gather(*(one(node) for node in session.nodes))

    return dict(zip(session.nodes, asyncio.run(all_of_them()), strict=True))


def submit(session: Session, transaction: Transaction, *, wait: bool) -> Settled:
    """Hand in a transaction and, with `wait`, stay until its outcome is final or time is over.

    Raises `WalletError`; whenever the transaction may have reached a node, its remedy names the id.
    """
    transaction_id = transaction.id.hex()
    session.output.hint(f"Submitting {transaction_id}")

    async def work(client: Client) -> Settled:
        outcome = await client.submit(transaction.envelope, transaction_id, wait=wait)
        if wait and not outcome.final:
            valid_until_ms = transaction.body.valid_until_ms
            outcome = await client.wait(transaction_id, valid_until_ms=valid_until_ms, envelope=transaction.envelope)
        return await settle(session, client, outcome)

    try:
        return ask(session, work)
    except KeyboardInterrupt:
        raise WalletError(
            ExitCode.PENDING,
            "interrupted",
            f"Interrupted; the transaction {transaction_id} may have been submitted.",
            remedy=_ask_later(transaction_id),
            details={"id": transaction_id},
        ) from None
    except WalletError as error:
        if error.exit_code is ExitCode.NODE_UNREACHABLE:
            error.remedy = f"It may have reached a node all the same; nothing acts twice. {_ask_later(transaction_id)}"
            error.details = {**error.details, "id": transaction_id}
        raise


async def settle(session: Session, client: Client, outcome: Outcome) -> Settled:
    """What can be added to an outcome: for a committed one, who signed, and the receipt when genesis is pinned."""
    if outcome.state is not State.COMMITTED:
        return Settled(outcome)
    if not has_pin(session.settings):
        signers = await client.get(f"/v1/blocks/{outcome.height}", parse_signers)
        return Settled(outcome, signers)
    pin = pinned(session.settings)
    data = await fetch_receipt(client, outcome.id, pin)
    verified = verify(data, pin)
    check_agrees(verified, outcome)
    own_block = verified.header.height == verified.leaf.height  # not so of one that a later, pinned block proves
    proved = replace(
        outcome,
        index=verified.leaf.index,
        block_hash=verified.block_hash.hex() if own_block else None,
        time=rfc3339(verified.header.time_ms) if own_block else None,
    )
    return Settled(proved, verified.signers, data, verified)


async def fetch_receipt(client: Client, transaction_id: str, pin: Pin | None) -> bytes:
    """The receipt file of a committed transaction for the holder of `pin`, not verified."""
    from ledger.limits import RECEIPT_BYTES_MAX

    path = f"/v1/transactions/{transaction_id}/receipt"
    if pin is not None and pin.anchor.height:
        path += f"?from_height={pin.anchor.height}"
    return await client.get_bytes(path, bytes_max=RECEIPT_BYTES_MAX)


def check_agrees(verified: VerifiedReceipt, outcome: Outcome) -> None:
    """Raise `WalletError` (10) unless a receipt proves exactly what a node stated."""
    proved = (verified.transaction.id.hex(), verified.leaf.height, verified.leaf.result)
    if proved != (outcome.id, outcome.height, outcome.result):
        raise verification_error(
            f"The node states that {outcome.id} is '{outcome.result}' in block {outcome.height}, but its receipt is of "
            f"{proved[0]}, '{proved[2]}' in block {proved[1]}.",
            code="node_contradicts_receipt",
            remedy="The node is broken or lies. Ask another one.",
        )


def report(session: Session, settled: Settled, *, receipt_path: str | None = None) -> int:
    """Print where a transaction stands, save its receipt if asked, and give the exit code that says it."""
    outcome = settled.outcome
    fields: dict[str, Json] = {
        "id": outcome.id,
        "state": str(outcome.state),
        "result": outcome.result,
        "height": outcome.height,
        "index": outcome.index,
        "block_hash": outcome.block_hash,
        "time": outcome.time,
        "signers": [*settled.signers],
        "verified": settled.verified is not None,
    }
    shown = [
        ("transaction", outcome.id),
        ("state", str(outcome.state)),
        ("result", outcome.result),
        ("block", None if outcome.height is None else f"{outcome.height} ({outcome.block_hash or 'hash not stated'})"),
        ("ledger time", outcome.time),
        ("signed by", ", ".join(settled.signers)),
        ("verified", _verification(session, settled) if outcome.state is State.COMMITTED else None),
    ]
    session.output.record(fields, [(label, value) for label, value in shown if value])
    if receipt_path is not None and settled.receipt is not None:
        create_file(Path(receipt_path), settled.receipt, mode=PUBLIC)
        session.output.hint(f"Receipt written to {receipt_path}; check it anywhere: quorum-audit verify {receipt_path}")
    return _conclude(session, outcome)


def _verification(session: Session, settled: Settled) -> str:
    if settled.verified is not None:
        pinned_block = "checkpoint" if session.settings.checkpoint else "genesis"
        return f"yes, against the pinned {pinned_block}: {proof_sentence(settled.verified)}"
    return "no: no genesis file is pinned, this is what the node says (see: quorum-wallet genesis pin --help)"


def _conclude(session: Session, outcome: Outcome) -> int:
    """The exit code, with a hint or an error on stderr."""
    if outcome.applied:
        return ExitCode.OK
    if outcome.state is State.COMMITTED:
        session.output.error(_failed(outcome))
        return ExitCode.REJECTED
    if outcome.state is State.EXPIRED:
        sentence = (
            "The transaction expired: ledger time passed its valid_until before it was in a block. It never acts."
        )
        remedy = "Build and sign it again, with a later deadline (--valid-for)."
        session.output.error(WalletError(ExitCode.REJECTED, "expired", sentence, remedy=remedy))
        return ExitCode.REJECTED
    if outcome.state is State.UNKNOWN:
        sentence = f"No node that was asked knows the transaction {outcome.id}."
        remedy = "Check the id, or submit the same file again: it never acts twice."
        session.output.error(WalletError(ExitCode.NOT_FOUND, "transaction_unknown", sentence, remedy=remedy))
        return ExitCode.NOT_FOUND
    session.output.hint(f"It is pending. {_ask_later(outcome.id)}")
    return ExitCode.PENDING


def _failed(outcome: Outcome) -> WalletError:
    """Why a recorded transaction did nothing, from the table of codes."""
    from ledger.refusals import TABLE, Code

    code = outcome.result or "failed"
    entry = TABLE[Code(code)] if code in tuple(Code) else None
    sentence = entry.sentence if entry is not None else "An operation was refused."
    return WalletError(
        ExitCode.REJECTED,
        code,
        f"{sentence} The transaction is recorded in block {outcome.height} as failed and did nothing.",
        remedy=entry.remedy if entry is not None else "",
        details={"id": outcome.id, "height": outcome.height},
    )


def _ask_later(transaction_id: str) -> str:
    return f"Ask for it: quorum-wallet tx wait {transaction_id}"
