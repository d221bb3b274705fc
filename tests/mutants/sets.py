"""Changes of the validator set, broken."""

from __future__ import annotations

from node import membership
from node.replica import accusing, deciding
from node.storage import chain_store, set_changes
from tests.mutants.killers import Simulated, Suite
from tests.mutants.mutant import Change, Mutant

MUTANTS = (
    Mutant(
        "a height is decided by the set of the height before",
        (
            Change(
                deciding,
                "begin",
                "state.parameters(), state.validators()",
                "state.parameters(), chain.validators_of(max(1, tip.header.height))",
            ),
        ),
        (Simulated(("assertion", "certificates", "reputation", "statements", "progress", "step"), set_changes=True),),
        rows=(9,),
    ),
    Mutant(
        "a record is held against the set that its own block decided",
        (Change(chain_store, "ChainStore.record", "self.validators_of(height)", "self.validators_of(height + 1)"),),
        (Simulated(("reputation", "step", "audit"), set_changes=True),),
    ),
    Mutant(
        "a key votes where it has no seat yet, or no more",
        (
            Change(
                deciding,
                "begin",
                "validators.index_of_consensus_key(key)",
                "validators.index_of_consensus_key(key) or 0",
            ),
        ),
        (Simulated(("statements",), set_changes=True),),
    ),
    Mutant(
        "a validator that was re-keyed votes with its old key, too",
        (
            Change(
                deciding,
                "begin",
                "validators.index_of_consensus_key(key)\n",
                (
                    "validators.index_of_consensus_key(key)\n"
                    "    known = None if key is None else state.validator_key(key)\n"
                    "    if me is None and known is not None:\n"
                    "        names = [validator.name for validator in validators.validators]\n"
                    "        me = names.index(known.validator) if known.validator in names else None\n"
                ),
            ),
        ),
        (Simulated(("statements", "reputation"), set_changes=True),),
    ),
    Mutant(
        "links to removed validators are kept for ever",
        (Change(membership, "Membership.follow", "> removed.height + 1", "< 0"),),
        (Simulated(("progress",), set_changes=True),),
    ),
    Mutant(
        "removed validators are not linked any more",
        (Change(membership, "Membership._note_changes", "if validator.node_key not in after:", "if False:"),),
        (Simulated(("progress",), set_changes=True, seeds=200),),
    ),
    Mutant(
        "who is linked does not follow the set",
        (Change(membership, "Membership.follow", "if changed:", "if False:"),),
        (Simulated(("progress",), set_changes=True),),
    ),
    Mutant(
        "changes of the set are not indexed",
        (Change(set_changes, "write_set_change", "if changes_set(header):", "if False:"),),
        (Simulated(("audit", "progress", "reputation"), quorum=(3, 2), set_changes=True),),
    ),
    Mutant(
        "the quorum is that of genesis",
        (Change(deciding, "begin", "quorum=validators.quorum", "quorum=chain.genesis.validators.quorum"),),
        (Simulated(("assertion", "step", "progress", "certificates", "reputation"), set_changes=True),),
        rows=(22,),
    ),
    Mutant(
        "a fork at an old height is blamed on the validators of today",
        (
            Change(
                accusing,
                "keep_evidence_of_conflict",
                "validators = parts.chain.validators_of(height)",
                "validators = parts.deciding.validators",
            ),
        ),
        (Suite("unit/node/replica/test_set_changes.py::test_a_conflicting_record_is_judged_by_the_set_of_its_height"),),
    ),
)
