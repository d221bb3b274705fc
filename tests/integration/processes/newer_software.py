"""quorum-node as it will be when it knows one protocol version more, with the rules of today: a program for tests.

python -P newer_software.py start --home v0
"""

from __future__ import annotations

from ledger import parameters

parameters.PROTOCOL_VERSION += 1  # type: ignore[misc]  # before any module has taken it from there

if __name__ == "__main__":
    from node.cli import main

    main()
