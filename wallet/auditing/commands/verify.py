"""`quorum-audit verify`: one receipt or evidence file, without any network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wallet.commands.receipt import verify_receipt
from wallet.exit_codes import ExitCode
from wallet.files import read_bounded
from wallet.options import Command, pass_session

if TYPE_CHECKING:
    from wallet.session import Session


@click.command("verify", cls=Command, short_help="Verify a receipt or an evidence file. Offline.")
@click.argument("file")
@pass_session
def verify(session: Session, file: str) -> int:
    """Verify a receipt, or evidence against a validator, against a pinned genesis or checkpoint. No network.

    What FILE is stands in it. What is pinned is --genesis FILE or --checkpoint FILE, or the profile's.

    \b
    Example:  quorum-audit verify inv-7.receipt.json --genesis genesis.json
              quorum-audit verify evidence-9f2c.json --checkpoint january.json

    Next: exit code 0 means that all that is printed is proved; 10 that nothing is.
    """
    from ledger.encoding import decode_form
    from ledger.errors import MalformedError
    from ledger.evidence_file import EVIDENCE_KIND
    from ledger.limits import EVIDENCE_FILE_BYTES_MAX, RECEIPT_BYTES_MAX
    from wallet.evidence import verify_evidence_file
    from wallet.pinning import pinned

    pin = pinned(session.settings)
    data = read_bounded(file, max(RECEIPT_BYTES_MAX, EVIDENCE_FILE_BYTES_MAX))
    try:
        value = decode_form(data, bytes_max=len(data), what=file)
    except MalformedError:
        value = None  # what reads it next says what is wrong
    if isinstance(value, dict) and value.get("kind") == EVIDENCE_KIND:
        verify_evidence_file(session, data, pin)
    else:
        verify_receipt(session, data, pin)
    return ExitCode.OK
