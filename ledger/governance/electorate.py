"""Who may vote in a block, and with which weight: the validators of the set in force, by their operator accounts.

There is one vote per validator, cast by its operator account, unless that is suspended. Who may vote is judged against
the state after the parent, as who may be in the block is; nothing within a block changes it, because those who govern,
and the set, change at the end of a block only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ledger.roles import Permission
from ledger.rows.accounts import Account
from ledger.validators import ValidatorSet


@dataclass(frozen=True, slots=True)
class Electorate:
    """A set of n validators with quorum q: all that operate one, and the weight of those who have votes."""

    validators: int
    quorum: int
    operators: frozenset[str]
    weights: Mapping[str, int]

    @property
    def votes(self) -> int:
        """How many of the n votes can be cast."""
        return sum(self.weights.values())


def electorate_of(validators: ValidatorSet, account: Callable[[str], Account | None]) -> Electorate:
    """The electorate of `validators`; `account` finds an account by its name."""
    operated = Counter(validator.operator for validator in validators.validators)
    weights = {
        name: count
        for name, count in operated.items()
        if (operator := account(name)) is not None and operator.may(Permission.OPERATE_VALIDATOR)
    }
    return Electorate(len(validators), validators.quorum, frozenset(operated), weights)
