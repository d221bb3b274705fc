"""Leaders whose link is lost: given up too early, too late, or for a link that is up."""

from __future__ import annotations

from ledger.consensus import engine, pacemaker
from node.replica import replica
from tests.mutants.killers import Simulated, Suite
from tests.mutants.mutant import Change, Mutant

_STALLS = "unit/node/replica/test_stalls.py::"
_ENGINE = "unit/ledger/consensus/test_engine.py::"
_WAITED_MS = "max(started_at_ms, lost_at_ms) + timing.lost_leader_timeout_ms(state.round)"

MUTANTS = (
    Mutant(
        "a lost leader is given up at once",
        (Change(pacemaker, "gives_up_at_ms", _WAITED_MS, "max(started_at_ms, lost_at_ms)"),),
        (Simulated(("pace",)), Suite(_STALLS + "test_a_leader_whose_link_is_only_restored_keeps_its_round")),
    ),
    Mutant(
        "a leader that was lost long ago has no time to come back",
        (Change(pacemaker, "gives_up_at_ms", "max(started_at_ms, lost_at_ms)", "lost_at_ms"),),
        (Simulated(("pace",)), Suite(_ENGINE + "test_a_leader_that_was_lost_long_ago_has_half_of_each_timer")),
    ),
    Mutant(
        "a leader that is linked again counts as lost",
        (Change(engine, "_take", "state.links_lost.pop(validator, None)", "pass"),),
        (Simulated(("pace",)), Suite(_STALLS + "test_a_leader_whose_link_is_only_restored_keeps_its_round")),
    ),
    Mutant(
        "whoever is lost, the leader is given up",
        (
            Change(
                pacemaker,
                "gives_up_at_ms",
                "state.links_lost.get(state.context.leader(state.round))",
                "min(state.links_lost.values(), default=None)",
            ),
        ),
        (Simulated(("pace",)), Suite(_ENGINE + "test_nobody_but_the_leader_of_the_round_need_be_linked")),
    ),
    Mutant(
        "a lost leader is waited for like any other",
        (Change(pacemaker, "gives_up_at_ms", "lost_at_ms is None or is_cut_off", "True"),),
        (Suite(_STALLS + "test_a_stopped_leader_costs_half_of_its_timeout_once"),),
    ),
    Mutant(
        "who is cut off gives up early",
        (Change(pacemaker, "gives_up_at_ms", "lost_at_ms is None or is_cut_off", "lost_at_ms is None"),),
        (Suite(_STALLS + "test_who_is_cut_off_from_a_quorum_keeps_its_vote"),),
    ),
    Mutant(
        "what is lost is forgotten with each height",
        (Change(replica, "Replica._begin", "parts.watch.unlinked.items()", "()"),),
        (Suite(_STALLS + "test_a_validator_that_is_stopped_heights_before_its_turn_costs_no_more"),),
    ),
)
