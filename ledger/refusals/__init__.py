"""Every expected refusal of the ledger and its nodes: a stable code, a sentence, and what to do about it.

A refusal is a value, not an exception: `Refusal(Code.STREAM_UNKNOWN, "no stream 'invoices'")`. Three kinds, by what
becomes of the transaction:

* *malformed* and *inadmissible*: it cannot be in a block; the answer is this node's, nothing is recorded;
* *failed*: it was in a block and an operation was refused: recorded with its code, final, the id is used;
* *busy*: nothing is wrong with it; try again later.

`codes` has the list of codes; each family has its sentences and remedies in a module of its own, joined in `TABLE`.
The API documentation is made from it, and a test holds that every code is in it exactly once. A new family is a
section of the list, a module, and a line below.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ledger.refusals import accounts, assets, evidence, governance, members, nodes, streams, transactions
from ledger.refusals.codes import Code, Entry, Kind, Refusal

__all__ = ["FAMILIES", "TABLE", "Code", "Entry", "Kind", "Refusal"]

FAMILIES: Final = (
    transactions,
    evidence,
    accounts,
    members,
    governance,
    streams,
    assets,
    nodes,
)
"""The modules of the table."""

TABLE: Final[Mapping[Code, Entry]] = {code: entry for family in FAMILIES for code, entry in family.ENTRIES.items()}
"""The row of every code."""
