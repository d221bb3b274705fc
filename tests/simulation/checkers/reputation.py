"""No honest machine is blamed for what it sends, accused of contradicting itself, or silenced; and none is surprised.

A log line of the events below would mean that an honest machine does not trust itself, or its own disk. Only one whose
disk is damaged may say so of its disk, and nothing but a frame that was damaged on its way, or is of another time or
chain, justifies blame, and that only until it must have been judged. Where more lie than the quorum bears, there may be
two chains, and whoever finds that out stops, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from node.replica import Logged
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "reputation"
_AFTER_A_FORK = frozenset(
    {"voting_stopped", "chains_conflict", "checkpoint_conflict", "cosigning_stopped", "other_parent"}
)
_NEVER = frozenset(
    {
        "voting_stopped",
        "own_block_refused",
        "stored_block_refused",
        "block_damaged",
        "block_replaced",
        "block_not_replaced",
        "database_not_made_anew",
        "database_rebuilt",
        "archived_block_refused",
        "chains_conflict",
        "checkpoint_conflict",
        "cosigning_stopped",
        "cosigning_key_wrong",
        "other_parent",
    }
)
_OF_DAMAGE = frozenset(
    {
        "voting_stopped",
        "block_damaged",
        "block_replaced",
        "block_not_replaced",
        "database_not_made_anew",
        "database_rebuilt",
        "archived_block_refused",
        "stored_block_refused",
        "cosigning_stopped",
    }
)


def check_blame(machine: Machine, blamed: Sequence[Machine], reason: str) -> None:
    """A peer is said to misbehave."""
    world = machine.world
    names = [
        other.identity.name for other in blamed if other.honest and not world.excused(machine, other.identity.peer)
    ]
    demand(not names, _NAME, f"{machine.identity.name} blames the honest {names}: {reason}")


def check_log(machine: Machine, line: Logged, world: World) -> None:
    """A line for the operator."""
    expected = line.event in _AFTER_A_FORK and not world.checkers.within_bound
    expected = expected or (line.event in _OF_DAMAGE and machine.damaged)
    demand(
        expected or line.event not in _NEVER, _NAME, f"{machine.identity.name} logs {line.event} {dict(line.fields)}"
    )
    if line.event in ("evidence_found", "evidence_recorded"):
        accused, height = line.fields["validator"], line.fields["height"]
        assert isinstance(height, int)
        framed = accused in world.honest_names_at(height)
        demand(not framed, _NAME, f"{machine.identity.name} has evidence against the honest {accused}")
