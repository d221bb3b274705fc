"""The version of the software that answers."""

from __future__ import annotations

from importlib.metadata import version

VERSION = version("quorum-ledger")
