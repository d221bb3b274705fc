"""Who signed last: by validator, the newest height whose certificate, as the machine itself stored it, it signed.

Nodes store different certificates of one block, so these rows may differ between them, and are held against the records
on the same disk; who signed is read with the second verifier's form of a record, and names are those of the height.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ledger.primitives import successor
from node.storage import keys
from tests.simulation.checkers.synced import record_of
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from node.storage.chain_store import ChainStore
    from tests.simulation.machine import Machine

_PREFIX = keys.signer("")


def check_signers(machine: Machine, chain: ChainStore) -> None:
    """The rows on a sound disk."""
    expected: dict[str, int] = {}
    for height in range(1, chain.tip.header.height + 1):
        validators = machine.world.sets.at(height)
        votes = json.loads(record_of(chain, height))["certificate"]["signatures"]
        expected |= dict.fromkeys(validators.names_of([vote["validator"] for vote in votes]), height)
    found = {
        key.removeprefix(_PREFIX).decode(): keys.unpack_height(row)
        for key, row in chain.store.range(_PREFIX, successor(_PREFIX))
    }
    demand(found == expected, "signers", f"{machine.identity.name} has {found} as who signed last, and not {expected}")
