"""The command of a validator that verifies no signature: `python unverified.py HOME`. For measuring what else it does.

A node is wired up in one place, `node.app`, with the verification of `ledger.crypto`; here that name stands for
another, in this process only. No option of a node, no configuration and no argument of a function does it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace

from ledger import crypto
from ledger.primitives import PublicKey, Signature
from node import app
from node.config import FILE_NAME, load


def accept(_key: PublicKey, _message: bytes, _signature: Signature) -> bool:
    """What stands for verification here."""
    return True


if __name__ == "__main__":
    app.crypto = SimpleNamespace(self_test=crypto.self_test, verify=accept)  # type: ignore[assignment]
    sys.exit(app.run(load(Path(sys.argv[1]) / FILE_NAME)))
