"""The path of the friendly verbs: operations become one transaction, which is signed, submitted and waited for.

With `--out FILE` the path ends before the keys: the unsigned transaction is written, no network is touched, and
`tx sign`, `tx combine` and `tx submit` go on from there.

`valid_until` is the span of `--valid-for` (10 minutes) after the ledger time of the node's head, or, offline, after
this machine's clock. Until then the outcome may change; afterwards a transaction that is in no block never acts. No
validator accepts a time that is ahead of its clock, so a head that is far ahead of ours is a lie, or our clock is
wrong: what is signed with it could be kept, and act when nobody expects it any more.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wallet.exit_codes import key_error, usage_error, verification_error
from wallet.files import PUBLIC, create_file
from wallet.moments import local_clock_ms, parse_span_ms, rfc3339, span_words
from wallet.options import Decorated, passphrase_options

if TYPE_CHECKING:
    from ledger.crypto import SigningKey
    from ledger.encoding import Json
    from wallet.drafts import Draft
    from wallet.passphrases import PassphraseSource
    from wallet.session import Session

DEFAULT_VALID_FOR = "10m"
LEDGER_TIME_AHEAD_MS_MAX = 600_000
"""How far the ledger time of a node may be ahead of this machine's clock, which may be slow."""


@dataclass(frozen=True, slots=True)
class Sending:
    """How a transaction is to be made and sent, from the options."""

    account: str | None
    by: str | None
    cosigners: tuple[str, ...]
    memo: str | None
    valid_for: str
    key_files: tuple[str, ...]
    out: str | None
    wait: bool
    receipt: str | None
    passphrases: PassphraseSource


def body_options(command: Decorated) -> Decorated:
    """The options that say what a body contains beside its operations."""
    for option in (
        click.option(
            "--valid-for",
            default=DEFAULT_VALID_FOR,
            show_default=True,
            metavar="SPAN",
            help="How long it may take to be committed, in ledger time: 90s, 10m, 12h.",
        ),
        click.option("--memo", metavar="TEXT", help="A remark, signed and public."),
        click.option("--cosigner", "cosigners", multiple=True, metavar="NAME", help="An account that consents."),
        click.option("--account", metavar="NAME", help="The account that sends it (default: the profile's)."),
    ):
        command = option(command)
    return command


def sending_options(command: Decorated) -> Decorated:
    """All options of a friendly verb, passed on as one `Sending` named `sending`."""

    @wraps(command)
    def with_sending(*args: Any, passphrases: PassphraseSource, **named: Any) -> object:
        fields = ("account", "by", "cosigners", "memo", "valid_for", "out", "wait", "receipt")
        values = {field: named.pop(field) for field in fields}
        keys: tuple[str, ...] = named.pop("key_file")
        return command(*args, sending=Sending(key_files=keys, passphrases=passphrases, **values), **named)

    decorated: Callable[..., object] = passphrase_options(with_sending)
    for option in (
        click.option("--receipt", metavar="FILE", help="Save the verified receipt to FILE (needs a pinned genesis)."),
        click.option("--wait/--no-wait", default=True, help="Stay until the outcome is known (default), or not."),
        click.option(
            "--out", metavar="FILE", help="Neither sign nor send: write the unsigned transaction to FILE, offline."
        ),
        click.option("--by", metavar="NAME", help="Who does it: the sender (default) or a cosigner."),
        click.option(
            "--key-file", multiple=True, metavar="KEY", help="Key file or name to sign with; repeat it for several."
        ),
    ):
        decorated = option(decorated)
    return body_options(decorated)  # type: ignore[return-value]  # a wrapper of the same shape, plus options


def send(session: Session, sending: Sending, operations: Sequence[Mapping[str, Json]]) -> int:
    """Build, and then write to a file, or sign, submit and wait. `operations` without "by" are the sender's."""
    from wallet.drafts import finished, sign
    from wallet.submission import report, submit

    sender = sender_of(session, sending.account)
    by = sending.by or sender
    with_by: list[Mapping[str, Json]] = [{"by": by, **operation} for operation in operations]
    if sending.out is not None:
        draft = build(session, sending, sender, with_by, base_ms=local_clock_ms())
        return write_draft(session, draft, sending.out)
    if sending.receipt is not None and not sending.wait:
        raise usage_error("There is no receipt before the outcome: --receipt and --no-wait exclude each other.")
    if sending.receipt is not None:
        check_receipt_possible(session, sending.receipt)
    session.chain()
    references = sending.key_files or session.settings.keys
    keys = unlock_keys(session, references, sending.passphrases)
    draft = sign(build(session, sending, sender, with_by, base_ms=ledger_time_ms(session)), keys)
    settled = submit(session, finished(draft), wait=sending.wait)
    return report(session, settled, receipt_path=sending.receipt)


def ledger_time_ms(session: Session) -> int:
    """The ledger time of a node's head. Raises `WalletError`: it is far ahead of this machine's clock (10)."""
    from wallet.submission import ask

    time_ms = ask(session, lambda client: client.head()).time_ms
    ahead_ms = time_ms - local_clock_ms()
    if ahead_ms > LEDGER_TIME_AHEAD_MS_MAX:
        raise verification_error(
            f"The node's ledger time is {rfc3339(time_ms)}, {span_words(ahead_ms)} ahead of this machine's clock.",
            code="ledger_time_ahead",
            remedy="Set this machine's clock, or ask another node: the deadline would count from a false time.",
        )
    return time_ms


def build(
    session: Session, sending: Sending, sender: str, operations: Sequence[Mapping[str, Json]], *, base_ms: int
) -> Draft:
    """An unsigned draft, valid for the span asked for from `base_ms` on. Raises `WalletError` (2)."""
    return build_draft(
        session,
        sender=sender,
        operations=operations,
        cosigners=sending.cosigners,
        memo=sending.memo,
        valid_until_ms=base_ms + parse_span_ms(sending.valid_for),
    )


def build_draft(
    session: Session,
    *,
    sender: str,
    operations: Sequence[Mapping[str, Json]],
    cosigners: tuple[str, ...],
    memo: str | None,
    valid_until_ms: int,
) -> Draft:
    """An unsigned draft for the pinned chain. Raises `WalletError` (2) for what no transaction may be."""
    from ledger.limits import NONCE_BYTES
    from ledger.operations.table import parse_operation
    from ledger.transaction import build_body
    from wallet.drafts import draft_of

    return draft_of(
        build_body(
            chain=session.chain(),
            sender=sender,
            nonce=os.urandom(NONCE_BYTES),
            valid_until_ms=valid_until_ms,
            operations=[parse_operation(dict(operation)) for operation in operations],
            cosigners=cosigners,
            memo=memo,
        )
    )


def write_draft(session: Session, draft: Draft, out: str) -> int:
    """Put a transaction file at `out` (`-` is stdout) and say what comes next."""
    if out == "-":
        session.output.exact(draft.envelope + b"\n")
    else:
        create_file(Path(out), draft.envelope + b"\n", mode=PUBLIC)
    deadline = rfc3339(draft.body.valid_until_ms)
    file = "FILE" if out == "-" else out
    step = f"Next: quorum-wallet tx show {file}, then tx sign" if not draft.signatures else f"Next: tx submit {file}"
    session.output.hint(f"Transaction {draft.id.hex()}, valid until ledger time {deadline}. {step}")
    return 0


def sender_of(session: Session, account: str | None) -> str:
    """The account that sends. Raises `WalletError` (2) when none is named anywhere."""
    sender = account or session.settings.account
    if not sender:
        raise usage_error(
            "No account is named.", remedy="Give --account NAME, or: quorum-wallet config set account NAME"
        )
    return sender


def unlock_keys(session: Session, references: tuple[str, ...], passphrases: PassphraseSource) -> list[SigningKey]:
    """The private keys that `references` mean, in their order. Raises `WalletError` (15)."""
    from wallet.keys import key_path, read_key_file, unlock

    if not references:
        raise key_error(
            "No key is named to sign with.",
            code="key_missing",
            remedy="Give --key-file KEY, or: quorum-wallet config set keys NAME (see: quorum-wallet key list)",
        )
    files = [read_key_file(key_path(reference, session.config.key_directory)) for reference in references]
    keys = []
    encrypted = 0
    for file in files:
        passphrase = passphrases.existing(str(file.path), index=encrypted) if file.encrypted else None
        encrypted += file.encrypted
        keys.append(unlock(file, passphrase))
    return keys


def check_receipt_possible(session: Session, path: str) -> None:
    """Raise `WalletError` (2) now, before anything is sent, when no receipt can be verified or written later."""
    from wallet.pinning import pinned

    pinned(session.settings)
    if Path(path).exists():
        raise usage_error(f"{path} exists already; it is not overwritten.", code="file_exists")
