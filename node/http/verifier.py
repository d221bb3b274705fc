"""The second verifier of receipts, as auditors get it who install nothing of ours: one file, to be read and then run.

It is kept with the tests, which hold it against the ledger's own verdict; beside this module is a link to it, which a
wheel has as a file.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from node.http.call import PLAIN_TEXT, Answer, Caching, Call

_FILE = Path(__file__).with_name("verify_receipt.txt")


def served(call: Call) -> Answer:
    """GET /verifier.py."""
    headers = {"Content-Disposition": 'attachment; filename="verify_receipt.py"'}
    return Answer(_content(), media_type=PLAIN_TEXT, caching=Caching.REVALIDATE, headers=headers)


@cache
def _content() -> bytes:
    return _FILE.read_bytes()
