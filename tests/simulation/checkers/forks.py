"""I15: where honest machines have two blocks of one height, the records of both convict at least 2q - n validators, and
nobody honest. (The accountability theorem, in the docstring of `ledger.consensus`.)

It can only happen beyond the bound, with more than 2q - n - 1 validators that sign two different things. Records are
those on honest disks in the end: of blocks that were appended, and of conflicts that were found out. They are read as
plain values; who contradicts himself is found by the rules of `contradictions`, and the ledger must find the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.consensus.codec import decode_commit_record
from ledger.primitives import Digest
from ledger.split_view import Side, build_split_view, verify_split_view, who_signed_both
from ledger.trail import anchor_of
from node.replica.findings import Findings
from node.storage.chain_store import ChainStore
from tests.simulation.checkers.contradictions import culprits, said_in_record
from tests.simulation.checkers.synced import record_of
from tests.simulation.violation import demand
from tests.verifier.verify_receipt import digest

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "forks"


@dataclass(frozen=True, slots=True)
class Fork:
    """Two blocks on one parent, and the names of the validators that are to blame."""

    height: int
    culprits: tuple[str, ...]


def find_forks(world: World, chains: list[tuple[Machine, ChainStore]]) -> list[Fork]:
    """Every fork among the chains of honest machines, its culprits checked."""
    shown: dict[tuple[int, str], dict[str, bytes]] = {}
    """By height and parent, the record of each block."""
    for _, chain in chains:
        findings = Findings(chain.store)
        for height in range(1, chain.tip.header.height + 1):
            _show(shown, record_of(chain, height))
            conflict = findings.conflict(height)
            if conflict is not None:
                _show(shown, conflict)
    found = []
    for (height, _), records in shown.items():
        first, *others = records.values()
        found += [_judge(world, height, first, other) for other in others]
    return found


def _show(shown: dict[tuple[int, str], dict[str, bytes]], record: bytes) -> None:
    header = json.loads(record)["header"]
    shown.setdefault((header["height"], header["parent_hash"]), {}).setdefault(digest("block", header), record)


def _judge(world: World, height: int, first: bytes, second: bytes) -> Fork:
    """Who is to blame for two records of one height."""
    validators = world.sets.at(height)
    guilty = culprits((*said_in_record(json.loads(first)), *said_in_record(json.loads(second))))
    names = validators.names_of(sorted(guilty))
    least = 2 * validators.quorum - len(validators)
    who = f"the fork at height {height} names {names}"
    demand(len(guilty) >= least, _NAME, f"{who}, and must name at least {least}")
    framed = sorted(set(names) & world.honest_names_at(height))
    demand(not framed, _NAME, f"{who}, and {framed} are honest")
    one, other = decode_commit_record(first), decode_commit_record(second)
    accused = who_signed_both(one, other, validators)
    demand(set(accused) == set(names), _NAME, f"{who}, and the ledger accuses {accused}")
    if world.sets.at(1) == validators:  # no trail leads there: the file proves it to anybody who holds genesis
        file = build_split_view(Digest(world.genesis.chain), Side(one, ()), Side(other, ()))
        proved = verify_split_view(file, anchor_of(world.genesis), world.memory.verify)
        demand(set(proved.accused) == set(names), _NAME, f"{who}, and its file {proved.accused}")
    return Fork(height, tuple(names))
