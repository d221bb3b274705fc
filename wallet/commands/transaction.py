"""`quorum-wallet tx`: the life of a transaction, step by step. build, sign, combine and show need no network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode, WalletError, usage_error
from wallet.files import PUBLIC, create_file, read_bounded, replace_file
from wallet.moments import local_clock_ms, parse_span_ms
from wallet.options import Group, pass_session, passphrase_options
from wallet.sending import body_options, build_draft, sender_of, unlock_keys, write_draft

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.encoding import Json
    from ledger.primitives import Digest
    from wallet.answers import AccountView
    from wallet.client import Client, Settled
    from wallet.drafts import Draft
    from wallet.passphrases import PassphraseSource
    from wallet.session import Session

_ID_LENGTH = 64


@click.group("tx", cls=Group, short_help="Build, sign, send and follow transactions, step by step.")
def tx_group() -> None:
    """Build, sign, send and follow transactions, step by step.

    build, sign, combine and show work on machines without a network. A transaction file is passed from one to the
    next; its id is fixed when it is built, and the same file never acts twice.
    """


@tx_group.command("build", short_help="Write an unsigned transaction. Offline.")
@click.option("--operation", "operations", multiple=True, metavar="JSON", help="An operation; repeat it for several.")
@click.option("--operations-file", metavar="FILE", help="A JSON list of operations (- is stdin).")
@click.option("--out", default="-", metavar="FILE", help="Where to write the file (default: stdout).")
@body_options
@pass_session
def build(
    session: Session,
    *,
    operations: tuple[str, ...],
    operations_file: str | None,
    out: str,
    account: str | None,
    cosigners: tuple[str, ...],
    memo: str | None,
    valid_for: str,
) -> int:
    """Write an unsigned transaction. Its deadline counts from this machine's clock (--valid-for).

    \b
    Example:  quorum-wallet tx build --account acme --valid-for 12h --out t.json \\
                --operation '{"type":"stream.create","name":"invoices"}'

    An operation without "by" is the sender's. The friendly verbs do the same with --out FILE.
    Next: quorum-wallet tx show t.json, then tx sign t.json
    """
    sender = sender_of(session, account)
    draft = build_draft(
        session,
        sender=sender,
        operations=[{"by": sender, **operation} for operation in _operations(operations, operations_file)],
        cosigners=cosigners,
        memo=memo,
        valid_until_ms=local_clock_ms() + parse_span_ms(valid_for),
    )
    return write_draft(session, draft, out)


@tx_group.command("sign", short_help="Add signatures to a transaction file. Offline.")
@click.argument("file")
@click.option("--key-file", multiple=True, metavar="KEY", help="Key to sign with; repeat it for several.")
@click.option("--out", metavar="FILE", help="Write the result to FILE (default: in place; - is stdout).")
@passphrase_options
@pass_session
def sign_command(
    session: Session, file: str, key_file: tuple[str, ...], out: str | None, passphrases: PassphraseSource
) -> int:
    """Show what FILE does, and add a signature by each key to it.

    \b
    Example:  quorum-wallet tx sign t.json --key-file ann

    Refuses a transaction of another chain than the pinned one. Next: when enough have signed, tx submit t.json;
    copies that were signed apart are put together by tx combine.
    """
    from wallet.drafts import read_draft, sign

    draft = read_draft(file)
    _explain(session, draft, None, {}, to_stderr=True)
    pinned = _pinned(session)
    if pinned is not None and draft.body.chain != pinned:
        raise usage_error(
            f"The transaction is for the chain {draft.body.chain.hex()}, not for the pinned {pinned.hex()}.",
            code="chain_wrong",
            remedy="If it is meant for another network, choose that network's --profile.",
        )
    signed = sign(draft, unlock_keys(session, key_file or session.settings.keys, passphrases))
    return _write(session, signed, out if out is not None else file, in_place=out is None)


@tx_group.command("combine", short_help="Put signatures of several copies together. Offline.")
@click.argument("files", nargs=-1, required=True)
@click.option("--out", default="-", metavar="FILE", help="Where to write the result (default: stdout).")
@pass_session
def combine_command(session: Session, files: tuple[str, ...], out: str) -> int:
    """Put the signatures of several copies of one transaction together. Every signature is checked.

    \b
    Example:  quorum-wallet tx combine t.ann.json t.bob.json --out t.json

    Next: quorum-wallet tx submit t.json
    """
    from wallet.drafts import combine, read_draft

    return _write(session, combine([read_draft(file) for file in files]), out, in_place=False)


@tx_group.command("show", short_help="Explain a transaction file in words. Offline.")
@click.argument("file")
@click.option(
    "--online",
    is_flag=True,
    help="Ask nodes for the accounts' keys, what is missing, assets' decimals, and what proposals change.",
)
@pass_session
def show(session: Session, file: str, online: bool) -> int:
    """Explain a transaction file in words: who does what, until when, who signed, what is missing.

    \b
    Example:  quorum-wallet tx show t.json

    Exit code 10 when a signature does not verify. Next: tx sign, or tx submit.
    """
    from wallet.drafts import check, read_draft
    from wallet.review import review_draft

    draft = read_draft(file)
    accounts = _accounts(session, draft) if online else None
    decimals = _decimals(session, draft) if online else {}
    reviewed = (*_unproved(session, decimals), *review_draft(session, draft)) if online else ()
    _explain(session, draft, accounts, decimals, reviewed=reviewed, to_stderr=False)
    check(draft)
    return ExitCode.OK


@tx_group.command("submit", short_help="Send a signed transaction file.")
@click.argument("file")
@click.option("--wait/--no-wait", default=True, help="Stay until the outcome is known (default), or not.")
@click.option("--receipt", metavar="FILE", help="Save the verified receipt to FILE (needs a pinned genesis).")
@pass_session
def submit_command(session: Session, file: str, wait: bool, receipt: str | None) -> int:
    """Send a signed transaction file, and wait for its outcome. Sending it again is harmless.

    \b
    Example:  quorum-wallet tx submit t.json --receipt t.receipt.json

    Exit codes: 0 applied, 11 refused, failed or expired, 13 still pending, 14 no node answered.
    """
    from wallet.drafts import finished, read_draft
    from wallet.sending import check_receipt_possible
    from wallet.submission import report, submit

    if receipt is not None:
        check_receipt_possible(session, receipt)
    transaction = finished(read_draft(file))
    return report(session, submit(session, transaction, wait=wait), receipt_path=receipt)


@tx_group.command("status", short_help="Where a transaction stands now.")
@click.argument("transaction")
@pass_session
def status(session: Session, transaction: str) -> int:
    """Where TRANSACTION stands: its id, or its file (which knows the deadline, so that "expired" can be told).

    \b
    Example:  quorum-wallet tx status t.json

    Exit codes: 0 applied, 11 failed or expired, 12 unknown, 13 pending.
    """
    return _follow(session, transaction, wait=False)


@tx_group.command("wait", short_help="Wait for a transaction's outcome.")
@click.argument("transaction")
@pass_session
def wait(session: Session, transaction: str) -> int:
    """Wait until the outcome of TRANSACTION (its id or file) is final, at most --timeout seconds.

    \b
    Example:  quorum-wallet tx wait t.json --timeout 300

    Given the file, a transaction that the nodes have lost is sent again. Exit codes as for tx status.
    """
    return _follow(session, transaction, wait=True)


def _follow(session: Session, reference: str, *, wait: bool) -> int:
    from wallet.client.outcomes import Pursuit
    from wallet.submission import ask, judge_of, report

    draft = None if _is_id(reference) else _draft_to_follow(reference)
    transaction_id = reference.lower() if draft is None else draft.id.hex()
    valid_until_ms = None if draft is None else draft.body.valid_until_ms
    envelope = draft.envelope if draft is not None and draft.signatures else None

    async def work(client: Client) -> Settled:
        judge = judge_of(session, client)
        pursuit = Pursuit(client, judge, transaction_id, valid_until_ms=valid_until_ms, envelope=envelope)
        return await (pursuit.wait() if wait else pursuit.status())

    return report(session, ask(session, work))


def _is_id(reference: str) -> bool:
    return len(reference) == _ID_LENGTH and all(digit in "0123456789abcdefABCDEF" for digit in reference)


def _draft_to_follow(reference: str) -> Draft:
    from wallet.drafts import read_draft

    if reference != "-" and not Path(reference).exists():
        raise usage_error(f"'{reference}' is neither a transaction id (64 hex digits) nor a file.")
    return read_draft(reference)


def _operations(given: tuple[str, ...], file: str | None) -> list[Mapping[str, Json]]:
    """The operations of the options, as JSON objects; what they mean is checked when the body is built."""
    import orjson

    from ledger.limits import ENVELOPE_BYTES_MAX

    try:
        values: list[Json] = [orjson.loads(text) for text in given]
        if file is not None:
            listed = orjson.loads(read_bounded(file, ENVELOPE_BYTES_MAX))
            values += listed if isinstance(listed, list) else [listed]
    except orjson.JSONDecodeError as error:
        raise usage_error(f"An operation is not JSON: {error}") from None
    operations: list[Mapping[str, Json]] = [value for value in values if isinstance(value, dict)]
    if len(operations) != len(values) or not values:
        raise usage_error(
            "A transaction needs at least one operation, each a JSON object.",
            remedy="""Like this: --operation '{"type":"stream.create","name":"invoices"}'""",
        )
    return operations


def _write(session: Session, draft: Draft, out: str, *, in_place: bool) -> int:
    data = draft.envelope + b"\n"
    if out == "-":
        session.output.exact(data)
    elif in_place:
        replace_file(Path(out), data, mode=PUBLIC)
    else:
        create_file(Path(out), data, mode=PUBLIC)
    count = len(draft.signatures)
    session.output.hint(
        f"{draft.id.hex()} now has {count} signature{'s' if count != 1 else ''}. Next: quorum-wallet tx submit FILE"
    )
    return ExitCode.OK


def _pinned(session: Session) -> Digest | None:
    return session.chain() if session.settings.genesis or session.settings.genesis_hash else None


def _accounts(session: Session, draft: Draft) -> dict[str, AccountView]:
    """What a node says about the sender and the cosigners; who does not exist is left out."""
    from wallet.answers import parse_account
    from wallet.submission import ask

    async def work(client: Client) -> dict[str, AccountView]:
        found = {}
        for name in (draft.body.sender, *draft.body.cosigners):
            try:
                found[name] = await client.get(f"/v1/accounts/{name}", parse_account)
            except WalletError as error:
                if error.exit_code is not ExitCode.NOT_FOUND:
                    raise
        return found

    return ask(session, work)


def _decimals(session: Session, draft: Draft) -> dict[str, int]:
    """The decimals of the assets of which `draft` moves amounts; an asset that does not exist is left out."""
    from wallet.amounts import find_decimals
    from wallet.explain import assets_moved

    found = {}
    for asset in assets_moved(draft):
        try:
            found[asset] = find_decimals(session, asset)
        except WalletError as error:
            if error.exit_code is not ExitCode.NOT_FOUND:
                raise
    return found


def _unproved(session: Session, decimals: Mapping[str, int]) -> tuple[str, ...]:
    """What is to be said of decimals that rest on a node's word: whoever misstates them misstates every amount."""
    from wallet.amounts import NOT_PROVED, decimals_proved

    if not decimals or decimals_proved(session):
        return ()
    return (f"Warning: the decimals of {', '.join(decimals)} are {NOT_PROVED}; what is signed are smallest units.",)


def _explain(
    session: Session,
    draft: Draft,
    accounts: dict[str, AccountView] | None,
    decimals: Mapping[str, int],
    *,
    reviewed: tuple[str, ...] = (),
    to_stderr: bool,
) -> None:
    from wallet.explain import explanation, missing_signatures

    pinned, now_ms = _pinned(session), local_clock_ms()
    lines = list(explanation(draft, pinned=pinned, now_ms=now_ms, accounts=accounts, decimals=decimals))
    lines += reviewed
    if to_stderr:
        for line in lines:
            session.output.hint(line)
    elif not session.output.structured:
        session.output.paragraph(lines)
    else:
        document: dict[str, Json] = {
            "id": draft.id.hex(),
            "chain": draft.body.chain.hex(),
            "sender": draft.body.sender,
            "cosigners": [*draft.body.cosigners],
            "valid_until": draft.body.valid_until_ms,
            "signatures": [{"key": item.key.hex(), "good": draft.good(item)} for item in draft.signatures],
            "explanation": [*lines],
        }
        if accounts is not None:
            document["missing"] = {name: missing_signatures(draft, account) for name, account in accounts.items()}
        session.output.record(document)
