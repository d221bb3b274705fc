"""I6: what a vote says that its validator holds is on its disk at the instant the vote leaves: the block that it
proposes, prepares or commits; the prepare certificate that a commit vote or a timeout vote names; and, above round 0,
the certificate that let it into its round (amendment A2), which is the one that its prepare vote binds (A8).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ledger.consensus.statements import StatementType
from ledger.primitives import Digest
from node.storage import keys
from node.storage.keys import PromiseKind
from tests.simulation.violation import demand
from tests.verifier.verify_receipt import digest

if TYPE_CHECKING:
    from tests.simulation.machine import Machine

_NAME = "durability"


def check_held(machine: Machine, message: dict[str, Any]) -> None:
    """A signed message, as plain values, is about to leave."""
    disk, kind, height, round = machine.disk, message["type"], message["height"], message["round"]
    who = f"{machine.identity.name} sends {kind} of height {height}, round {round}"
    if kind in ("prepare", "commit") or (kind == "proposal" and message["block"] is not None):
        row = disk.durable(keys.candidate(height, Digest(bytes.fromhex(message["block_hash"]))))
        demand(row is not None, _NAME, f"{who}, and does not have the block")
        assert row is not None
        demand(digest("block", json.loads(row)) == message["block_hash"], _NAME, f"{who}, and has another block there")
    if kind == "commit":
        demand(
            _prepared(machine, height, round) == message["block_hash"], _NAME, f"{who} without a prepare certificate"
        )
    if kind == "timeout" and message["high_round"] >= 0:
        found = _prepared(machine, height, message["high_round"])
        demand(found == message["high_hash"], _NAME, f"{who}, and does not have the certificate that it names")
    if round > 0:
        row = disk.durable(keys.certificate(height, PromiseKind.TIMEOUT_CERTIFICATE, round - 1))
        demand(row is not None, _NAME, f"{who}, and cannot show how it got into its round")
        assert row is not None
        _check_bound(machine, message, digest("justification", json.loads(row)), who)


def _prepared(machine: Machine, height: int, round: int) -> str | None:
    """The block of the prepare certificate that is on the disk for a round."""
    row = machine.disk.durable(keys.certificate(height, PromiseKind.PREPARE_CERTIFICATE, round))
    return None if row is None else json.loads(row)["block_hash"]


def _check_bound(machine: Machine, message: dict[str, Any], held: str, who: str) -> None:
    """The certificate of the round is the one that its own proposal or prepare vote binds."""
    binding = message
    if "justification_digest" not in binding:
        own = machine.disk.durable(keys.own_message(message["height"], message["round"], StatementType.PREPARE))
        if own is None:
            return
        binding = json.loads(own)
    demand(held == binding["justification_digest"], _NAME, f"{who}, and does not have the justification that it binds")
