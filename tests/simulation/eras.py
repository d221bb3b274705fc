"""Which validator sets a run goes through: drawn before it starts, proposed and approved while it runs.

An era is the time between two changes. Seats are (validator, machine): validator 2 is v2 of org2, whoever's keys it
has; machine 5 is the one that holds the keys. A re-keyed validator keeps its number and gets another machine.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from ledger.governance.changes import Change, QuorumSet, ValidatorAdd, ValidatorRekey, ValidatorRemove
from ledger.validators import Quorum, QuorumRule, Validator
from tests.unit.ledger.founders import rekeyed

Seat: TypeAlias = tuple[int, int]

CANDIDATES_MAX = 4
_CHANGES_MAX = 4
_SIZE_MAX = 7
_KINDS = ("add", "add", "add", "remove", "remove", "rekey", "rekey", "rekey", "quorum", "alone")


@dataclass(frozen=True, slots=True)
class Era:
    """A validator set, and the proposal that brings it: seats, quorum, and heights from the decision on."""

    seats: tuple[Seat, ...]
    quorum: int
    delay: int = 0

    @property
    def machines(self) -> tuple[int, ...]:
        """The machines that vote."""
        return tuple(machine for _, machine in self.seats)


def first_era(n: int, q: int) -> Era:
    """Genesis."""
    return Era(tuple((index, index) for index in range(n)), q)


def draw_eras(rng: random.Random, first: Era) -> tuple[Era, ...]:
    """The eras of a run, `first` among them: one to four changes, each of them possible after the one before."""
    eras, fresh = [first], len(first.seats)
    wanted = 1 + rng.randint(1, _CHANGES_MAX)
    while len(eras) < wanted:
        before = eras[-1]
        seats = list(before.seats)
        kind = rng.choice(_KINDS)
        if kind in ("add", "rekey") and fresh < len(first.seats) + CANDIDATES_MAX:
            if kind == "add" and len(seats) < _SIZE_MAX:
                seats.append((fresh, fresh))
            else:
                place = rng.randrange(len(seats))
                seats[place] = (seats[place][0], fresh)
            fresh += 1
        elif kind == "remove" and len(seats) > 1:
            del seats[rng.randrange(len(seats))]
        elif kind == "alone":
            seats = [rng.choice(seats)]
        quorums = [q for q in range(1, len(seats) + 1) if len(seats) < 2 * q]
        bft = 2 * len(seats) // 3 + 1
        quorum = before.quorum if before.quorum in quorums and kind != "quorum" else rng.choice((bft, bft, *quorums))
        era = Era(tuple(seats), quorum, rng.randint(1, 4))
        if (era.seats, era.quorum) != (before.seats, before.quorum):
            eras.append(era)
    return tuple(eras)


def changes_between(before: Era, after: Era) -> tuple[Change, ...]:
    """What is proposed to get from one era to the next."""
    changes: list[Change] = []
    there, come = dict(before.seats), dict(after.seats)
    for validator, machine in after.seats:
        if validator not in there:
            changes.append(ValidatorAdd(f"v{validator}", entry_of((validator, machine)).digest))
        elif there[validator] != machine:
            changes.append(ValidatorRekey(f"v{validator}", entry_of((validator, machine)).digest))
    changes += [ValidatorRemove(f"v{validator}") for validator in there if validator not in come]
    if before.quorum != after.quorum:
        changes.append(QuorumSet(Quorum(QuorumRule.FIXED, after.quorum)))
    return tuple(changes)


def newcomers(before: Era, after: Era) -> list[Seat]:
    """The seats whose keys must have said that they are ready."""
    return [seat for seat in after.seats if seat not in before.seats]


def entry_of(seat: Seat) -> Validator:
    """The entry of a seat in the set."""
    return rekeyed(*seat)


def tolerated(eras: Sequence[Era], bad: Sequence[int]) -> bool:
    """Whether every era stays one chain while these machines sign two different things."""
    return all(sum(machine in bad for machine in era.machines) <= 2 * era.quorum - len(era.seats) - 1 for era in eras)


def lively(eras: Sequence[Era], stopped: Sequence[int]) -> bool:
    """Whether every era goes on without these machines."""
    return all(sum(machine in stopped for machine in era.machines) <= len(era.seats) - era.quorum for era in eras)
