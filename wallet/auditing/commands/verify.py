"""`quorum-audit verify`: one receipt, state proof, evidence file or split view, without any network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wallet.commands.receipt import verify_receipt
from wallet.exit_codes import ExitCode, usage_error
from wallet.files import read_bounded
from wallet.options import Command, pass_session

if TYPE_CHECKING:
    from wallet.session import Session


@click.command("verify", cls=Command, short_help="Verify a file that proves something. Offline.")
@click.argument("file")
@click.option("--policy", metavar="FILE", help="For C2SP files: whose cosignatures count (default: the pinned set's).")
@pass_session
def verify(session: Session, file: str, policy: str | None) -> int:
    """Verify a receipt, a state proof, evidence, a split view, or a C2SP tlog-proof or checkpoint. No network.

    What FILE is stands in it. It is held against what is pinned: --genesis FILE or --checkpoint FILE, or the profile's.

    \b
    Example:  quorum-audit verify inv-7.receipt.json --genesis genesis.json
              quorum-audit verify evidence-9f2c.json --checkpoint january.json
              quorum-audit verify balance.proof.json --genesis genesis.json
              quorum-audit verify inv-7.tlog-proof --genesis genesis.json --policy policy.txt

    Next: exit code 0 means that all that is printed is proved; 10 that nothing is.
    """
    from ledger.encoding import decode_form
    from ledger.errors import MalformedError
    from ledger.evidence_file import EVIDENCE_KIND
    from ledger.limits import EVIDENCE_FILE_BYTES_MAX, RECEIPT_BYTES_MAX, SPLIT_VIEW_BYTES_MAX, STATE_PROOF_BYTES_MAX
    from ledger.pinned_checkpoint import CHECKPOINT_KIND
    from ledger.split_view import SPLIT_VIEW_KIND
    from ledger.state_proof import STATE_PROOF_KIND
    from wallet.auditing.log_files import is_log_file, verify_log_file
    from wallet.evidence import verify_evidence_file
    from wallet.pinning import pinned
    from wallet.split_view import verify_split_view_file
    from wallet.state_proofs import verify_state_proof_file

    pin = pinned(session.settings)
    largest = max(RECEIPT_BYTES_MAX, EVIDENCE_FILE_BYTES_MAX, SPLIT_VIEW_BYTES_MAX, STATE_PROOF_BYTES_MAX)
    data = read_bounded(file, largest)
    if is_log_file(data):
        verify_log_file(session, data, pin, policy)
        return ExitCode.OK
    if policy is not None:
        raise usage_error("--policy is for a C2SP tlog-proof or checkpoint, and the file is neither.")
    try:
        value = decode_form(data, bytes_max=len(data), what=file)
    except MalformedError:
        value = None  # what reads it next says what is wrong
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind == EVIDENCE_KIND:
        verify_evidence_file(session, data, pin)
    elif kind == CHECKPOINT_KIND:
        raise usage_error(
            "A checkpoint to pin proves nothing by itself: it is trusted, or made again and compared.",
            remedy=f"Show it: quorum-audit checkpoint {file}",
        )
    elif kind == SPLIT_VIEW_KIND:
        verify_split_view_file(session, data, pin)
    elif kind == STATE_PROOF_KIND:
        verify_state_proof_file(session, data, pin)
    else:
        verify_receipt(session, data, pin)
    return ExitCode.OK
