"""What no honest validator ever signs both of, as the protocol says it, in code that the engine does not use.

    E1  two different statements of one type in one round
    E2  prepare(r, y) and commit(r, x)
    E3  commit(r, x) and timeout(r' >= r) that names a round below r

Statements are plain values. `ledger.consensus.evidence` has the same rules for the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """A statement of one validator: `block` is the block (of a timeout: the one that it names), `more` what a proposal
    or prepare vote binds, or the round that a timeout names."""

    validator: int
    height: int
    round: int
    kind: str
    block: str
    more: str | int = ""


def said_in_message(message: dict[str, Any]) -> Said:
    """The statement of a signed message."""
    place = message["validator"], message["height"], message["round"], message["type"]
    if message["type"] == "timeout":
        return Said(*place, message["high_hash"], message["high_round"])
    return Said(*place, message["block_hash"], message.get("justification_digest", ""))


def said_in_record(record: dict[str, Any]) -> Iterator[Said]:
    """Every statement in a commit record."""
    certificate = record["certificate"]
    for vote in certificate["signatures"]:
        place = vote["validator"], certificate["height"], certificate["round"]
        yield Said(*place, "commit", certificate["block_hash"])
    for timeout in record["justifications"]:
        for entry in timeout["entries"]:
            place = entry["validator"], timeout["height"], timeout["round"]
            yield Said(*place, "timeout", entry["high_hash"], entry["high_round"])
        if (prepared := timeout["prepare_certificate"]) is not None:
            for vote in prepared["signatures"]:
                place = vote["validator"], prepared["height"], prepared["round"]
                yield Said(*place, "prepare", prepared["block_hash"], prepared["justification_digest"])


def contradiction(one: Said, other: Said) -> str | None:
    """Which of E1, E2 and E3 two statements of one validator are, or None."""
    if one.height != other.height:
        return None
    if one.kind == other.kind:
        return "E1" if one.round == other.round and one != other else None
    by_kind = {one.kind: one, other.kind: other}
    commit = by_kind.get("commit")
    if commit is None:
        return None
    if (prepare := by_kind.get("prepare")) is not None:
        return "E2" if prepare.round == commit.round and prepare.block != commit.block else None
    if (timeout := by_kind.get("timeout")) is not None:
        assert isinstance(timeout.more, int)
        return "E3" if timeout.more < commit.round <= timeout.round else None
    return None


def culprits(statements: Iterable[Said]) -> set[int]:
    """The validators that contradict themselves."""
    by_validator: dict[int, list[Said]] = {}
    for said in dict.fromkeys(statements):
        by_validator.setdefault(said.validator, []).append(said)
    return {
        validator
        for validator, all_said in by_validator.items()
        if any(contradiction(one, other) for one, other in combinations(all_said, 2))
    }
