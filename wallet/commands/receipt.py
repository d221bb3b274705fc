"""`quorum-wallet receipt`: fetch the proof of a transaction, and verify one without any network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import ExitCode, usage_error
from wallet.files import PUBLIC, create_file, read_bounded
from wallet.moments import rfc3339
from wallet.options import Group, pass_session

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.receipt import VerifiedReceipt
    from wallet.pinning import Pin
    from wallet.session import Session


@click.group("receipt", cls=Group, short_help="Fetch and verify receipts.")
def receipt_group() -> None:
    """Fetch and verify receipts: one file that proves what became of a transaction, without any node."""


@receipt_group.command("get", short_help="Fetch and verify the receipt of a transaction.")
@click.argument("transaction_id")
@click.option("--out", metavar="FILE", help="Where to write it (default: ID.receipt.json; - is stdout).")
@pass_session
def get(session: Session, transaction_id: str, out: str | None) -> int:
    """Fetch the receipt of a committed transaction, verify it against what is pinned, and write it to a file.

    \b
    Example:  quorum-wallet receipt get 9f2c... --out inv-7.receipt.json
              quorum-wallet receipt get 9f2c... --checkpoint january.json

    With a checkpoint pinned, the receipt is for those who have it: it has no changes of the validator set from before,
    and for a transaction up to its height no signature of a validator at all.

    Next: anyone who has what was pinned checks it with quorum-audit verify, for ever and without a network.
    """
    from ledger.errors import MalformedError
    from ledger.primitives import parse_digest
    from wallet.exit_codes import verification_error
    from wallet.pinning import has_pin, pinned
    from wallet.receipts import verify
    from wallet.submission import ask, fetch_receipt

    try:
        wanted = parse_digest(transaction_id.lower(), "a transaction id")
    except MalformedError as error:
        raise usage_error(f"{error}.") from None
    pin = pinned(session.settings) if has_pin(session.settings) else None
    data = ask(session, lambda client: fetch_receipt(client, wanted.hex(), pin))
    if pin is None:
        session.output.warning("Not verified: no genesis file is pinned (see: quorum-wallet genesis pin --help).")
    elif verify(data, pin).transaction.id != wanted:
        raise verification_error("The node sent the receipt of another transaction.", remedy="Ask another node.")
    path = out if out is not None else f"{wanted.hex()}.receipt.json"
    if path == "-":
        session.output.exact(data)
    else:
        create_file(Path(path), data, mode=PUBLIC)
        against = "--checkpoint" if session.settings.checkpoint else "--genesis"
        session.output.hint(f"Written to {path}. Next: quorum-audit verify {path} {against} FILE")
    return ExitCode.OK


@receipt_group.command("verify", short_help="Verify a receipt file. Offline.")
@click.argument("file")
@pass_session
def verify_command(session: Session, file: str) -> int:
    """Verify a receipt file against what is pinned (--genesis or --checkpoint FILE, or the profile's). No network.

    \b
    Example:  quorum-wallet receipt verify inv-7.receipt.json --genesis genesis.json
              quorum-wallet receipt verify inv-7.receipt.json --checkpoint january.json

    Exit code 0 when everything in it is proved, 10 when anything is not.
    """
    from ledger.limits import RECEIPT_BYTES_MAX
    from wallet.pinning import pinned

    pin = pinned(session.settings)
    verify_receipt(session, read_bounded(file, RECEIPT_BYTES_MAX), pin)
    return ExitCode.OK


def verify_receipt(session: Session, data: bytes, pin: Pin) -> None:
    """Verify the receipt `data` against what is pinned, and say what it proves. Raises `WalletError` (10)."""
    from wallet.receipts import verify

    _show(session, verify(data, pin), pin)


def _show(session: Session, verified: VerifiedReceipt, pin: Pin) -> None:
    from ledger.execution import APPLIED
    from ledger.receipt import RECEIPT_KIND, Certified
    from wallet.explain import operation_sentence
    from wallet.receipts import proof_sentence

    body, header, proof = verified.transaction.body, verified.header, verified.proof
    operations = [operation_sentence(operation) for operation in body.operations]
    fields: dict[str, Json] = {
        "verified": True,
        "kind": RECEIPT_KIND,
        "chain": header.chain.hex(),
        "anchor_height": pin.anchor.height,
        "id": verified.transaction.id.hex(),
        "result": verified.leaf.result,
        "height": verified.leaf.height,
        "index": verified.leaf.index,
    }
    lines = [
        ("verified", f"yes, against {pin.sentence}"),
        ("transaction", verified.transaction.id.hex()),
        ("result", verified.leaf.result),
    ]
    if isinstance(proof, Certified):
        fields |= {
            "block_hash": verified.block_hash.hex(),
            "time_ms": header.time_ms,
            "time": rfc3339(header.time_ms),
            "signers": [*proof.signers],
            "validators": len(proof.validators),
            "quorum": proof.validators.quorum,
        }
        lines += [
            ("block", f"{header.height} ({verified.block_hash.hex()})"),
            ("ledger time", rfc3339(header.time_ms)),
            ("signed by", f"{', '.join(proof.signers)} (quorum {proof.validators.quorum})"),
        ]
    else:
        fields["position"] = proof.position
        lines += [
            ("block", f"{verified.leaf.height}, not after {rfc3339(header.time_ms)}"),
            ("shown by", f"{proof_sentence(verified)}; no signature was needed"),
        ]
    fields |= {"sender": body.sender, "operations": [*operations]}
    did = "did" if verified.leaf.result == APPLIED else "did NOT do (it failed)"
    lines += [("sender", body.sender), *((did, sentence) for sentence in operations)]
    if body.memo is not None:
        fields["memo"] = body.memo
        lines.append(("memo", body.memo))
    session.output.record(fields, lines)
