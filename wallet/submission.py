"""From a signed transaction to a definite outcome, with its receipt verified: what every sending command ends in.

The id is told before the first byte leaves, so that whatever happens afterwards, `tx wait ID` finds out. What is
printed as committed is verified where that is possible: with a pinned genesis or checkpoint the receipt is fetched and
checked, and a node that states another outcome than its own receipt proves is an error (10), not an answer. What the
receipt proves of the block is printed as it is proved, not as it is stated; what it does not prove is not printed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wallet.answers import Outcome, State
from wallet.exit_codes import ExitCode, WalletError
from wallet.files import PUBLIC, create_file
from wallet.pinning import has_pin, pinned
from wallet.receipts import proof_sentence

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ledger.encoding import Json
    from ledger.transaction import Transaction
    from wallet.client import Client, Settled
    from wallet.client.outcomes import Judge
    from wallet.pinning import Pin
    from wallet.session import Session

T = TypeVar("T")


def ask(session: Session, work: Callable[[Client], Awaitable[T]], *, nodes: tuple[str, ...] | None = None) -> T:
    """Run `work` with a client for `nodes`, or for the session's. Raises what the client raises."""
    from wallet import client

    return client.ask(
        nodes or session.nodes,
        work,
        timeout_s=session.settings.timeout_s,
        notice=session.output.hint,
        tokens=session.tokens,
    )


def ask_each(session: Session, work: Callable[[Client], Awaitable[T]]) -> dict[str, T | WalletError]:
    """Run `work` with each node of the session, all at once: what each gave, or why it gave nothing, by URL."""
    import asyncio

    from wallet import client

    async def one(node: str) -> T | WalletError:
        seconds, notice = session.settings.timeout_s, session.output.hint
        async with client.connect((node,), timeout_s=seconds, notice=notice, tokens=session.tokens) as connected:
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
        from wallet.client.outcomes import pursue

        return await pursue(client, judge_of(session, client), transaction).submit(wait=wait)

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


def judge_of(session: Session, client: Client) -> Judge:
    """Who says what is made of a node's word: a light client from what is pinned, else nobody."""
    from wallet.client.following import Follower
    from wallet.client.outcomes import Belief
    from wallet.client.proving import ReceiptJudge
    from wallet.client.witnesses import Witnesses

    if not has_pin(session.settings):
        return Belief()
    return ReceiptJudge(Witnesses(client, Follower(pinned(session.settings).anchor)))


async def fetch_receipt(client: Client, transaction_id: str, pin: Pin | None) -> bytes:
    """The receipt file of a committed transaction for the holder of `pin`, not verified."""
    from ledger.limits import RECEIPT_BYTES_MAX

    path = f"/v1/transactions/{transaction_id}/receipt"
    if pin is not None and pin.anchor.height:
        path += f"?from_height={pin.anchor.height}"
    return await client.get_bytes(path, bytes_max=RECEIPT_BYTES_MAX)


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
    return _conclude(session, settled)


def _verification(session: Session, settled: Settled) -> str:
    if settled.verified is not None:
        pinned_block = "checkpoint" if session.settings.checkpoint else "genesis"
        return f"yes, against the pinned {pinned_block}: {proof_sentence(settled.verified)}"
    return "no: no genesis file is pinned, this is what the node says (see: quorum-wallet genesis pin --help)"


def _conclude(session: Session, settled: Settled) -> int:
    """The exit code, with a hint or an error on stderr."""
    outcome = settled.outcome
    if outcome.applied:
        return ExitCode.OK
    if outcome.state is State.COMMITTED:
        session.output.error(_failed(outcome))
        return ExitCode.REJECTED
    if outcome.state is State.EXPIRED:
        sentence = (
            "The transaction expired: ledger time passed its valid_until before it was in a block. It never acts."
        )
        said = ", ".join(name for name, state in settled.said.items() if state in (State.UNKNOWN, State.EXPIRED))
        remedy = (
            "Build and sign it again, with a later deadline (--valid-for). That it is in no block is the word of "
            f"{said or 'the node'}, and cannot be proved: before you do what must not be done twice, ask other nodes."
        )
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
