"""Certificates, justifications and evidence, and the voters and leaders that they bind, each broken."""

from __future__ import annotations

from ledger import chain
from ledger.consensus import (
    engine,
    evidence,
    height,
    justification,
    learning,
    proposing,
    state,
    verification,
    votes,
    voting,
)
from tests.mutants.killers import Simulated, Story, Suite, with_drawn
from tests.mutants.mutant import Change, Mutant

MUTANTS = (
    Mutant(
        "the index of a voter is not checked",
        (Change(verification, "HeightKeys.check", "0 <= validator < len(self.validators)", "0 <= validator"),),
        (Suite("unit/ledger/consensus/test_verification.py::test_what_does_not_prove_itself_is_refused"),),
        rows=(18,),
    ),
    Mutant(
        "a voter may sign a certificate twice",
        (Change(verification, "_check_quorum", "left >= right", "left > right"),),
        (Suite("verifier/test_forgeries.py::test_a_forged_receipt_proves_nothing"),),
        rows=(20,),
    ),
    Mutant(
        "votes to prepare count as votes to commit",
        (
            Change(
                verification,
                "verify_commit_certificate",
                "CommitStatement(certificate.height, certificate.round, certificate.block_hash)",
                "PrepareStatement(certificate.height, certificate.round, certificate.block_hash, ZERO_DIGEST)",
            ),
        ),
        (Suite("unit/ledger/consensus/test_verification.py::test_certificates"),),
    ),
    Mutant(
        "a proposal is justified by any round",
        (Change(verification, "_verify_proposal", "justification.round != statement.round - 1", "False"),),
        (Suite("unit/ledger/consensus/test_verification.py::test_what_does_not_prove_itself_is_refused"),),
    ),
    Mutant(
        "A3: entries of the highest round may name any block",
        (Change(verification, "verify_timeout_certificate", "entry.high_hash != prepared.block_hash", "False"),),
        (Story("amendment_A3_the_highest_entries_name_its_block"),),
        rows=(26,),
    ),
    Mutant(
        "A8: a record need not show what its votes bound",
        (Change(justification, "flaw_in_chain", "bound is not None and ", "False and "),),
        (
            Suite(
                "unit/ledger/consensus/test_records_and_evidence.py::test_a_record_that_does_not_prove_its_block_is_refused"
            ),
        ),
    ),
    Mutant(
        "a bound leader may choose",
        (Change(justification, "allows", "prepared.block_hash == block_hash", "True"),),
        (Story("a_leader_has_no_choice"),),
        rows=(21,),
    ),
    Mutant(
        "A4b: who must not vote votes",
        (Change(state, "HeightState.votes", " and self.context.may_vote", ""),),
        (Story("amendment_A4b_an_observer_casts_nothing"),),
        rows=(8,),
    ),
    Mutant(
        "A6: who led a failed round leads again at once",
        (Change(chain, "leader_order", "height - failed_height <= demotion_heights", "False"),),
        (Story("amendment_A6_a_dead_leader_costs_its_timeout_once"),),
    ),
    Mutant(
        "A7: a later round has a time of its own",
        (Change(voting, "_timely", "facts.round == 0 and ", ""),),
        (Suite("unit/ledger/consensus/test_engine.py::test_in_later_rounds_time_moves_by_one_ms"),),
        rows=(15,),
    ),
    Mutant(
        "A10: empty blocks follow at once",
        (Change(proposing, "_empty_may_be_proposed", "return ", "return True or "),),
        (Story("amendment_A10_one_timeout_makes_no_idle_network_busy"),),
    ),
    Mutant(
        "a leader that proposes twice is not given up",
        (Change(voting, "braked", "return state", "return False and state"),),
        (Story("equivocating_leader_brake"),),
    ),
    Mutant(
        "whoever is behind is answered every time",
        (Change(engine, "_answer", " and peer not in state.answered", ""),),
        (Story("lower_rounds_are_answered_once"),),
    ),
    Mutant(
        "votes of its own that it does not know disturb nobody",
        (Change(learning, "witness", "state.contradicted = True", "state.contradicted = False"),),
        (Story("amnesia_is_noticed"),),
        rows=(3,),
    ),
    Mutant(
        "who forgot what it committed is not accused",
        (Change(evidence, "contradiction", "timeout.high_round < commit.round <= timeout.round", "False"),),
        (Suite("unit/ledger/consensus/test_records_and_evidence.py::test_which_pairs_are_evidence"),),
    ),
    Mutant(
        "timeouts do not grow",
        (Change(height, "Timing.round_timeout_ms", "min(round, _GROWTH_ROUNDS_MAX)", "min(round, 1)"),),
        (Simulated(("pace",)),),
        rows=(6,),
    ),
    Mutant(
        "a signature that was verified is everybody's",
        (
            Change(
                verification,
                "HeightKeys.check",
                "remembered = (validator, statement, signature)",
                "remembered = (0, statement, signature)",
            ),
        ),
        (
            Suite(
                "unit/ledger/consensus/test_verification.py::"
                "test_a_signature_that_was_verified_is_that_of_its_signer_alone"
            ),
            Simulated(
                ("certificates", "reputation"),
                quorum=(4, 3),
                adjust=with_drawn(byzantine=((2, "impersonator"),), dead=(), lively=True, lie_rate=0.3),
            ),
        ),
    ),
    Mutant(
        "a lock binds the next round alone",
        (
            Change(
                justification, "allows", "prepared is None else", "prepared is None or prepared.round < round - 1 else"
            ),
            Change(
                proposing,
                "propose",
                "if prepared is not None:",
                "if prepared is not None and prepared.round == state.round - 1:",
            ),
        ),
        (Simulated(("certificates",)),),
        rows=(11,),
    ),
    Mutant(
        "a timeout certificate comes with what its first entry names",
        (
            Change(
                votes,
                "VoteBook.timeout_certificate",
                "max(entry.high_round for entry in ordered)",
                "ordered[0].high_round",
            ),
        ),
        (Simulated(("certificates",)),),
    ),
    Mutant(
        "who gave a round up prepares in it",
        (Change(voting, "prepare", " or _gave_up(state)", ""),),
        (Simulated(("model",)),),
        rows=(21,),
    ),
    Mutant(
        "a leader that gave its round up proposes in it",
        (
            Change(
                proposing,
                "_may_propose",
                "        and state.promised(StatementType.TIMEOUT) is None\n",
                "",
            ),
        ),
        (Suite("unit/ledger/consensus/test_engine.py::test_a_leader_that_gave_its_round_up_proposes_nothing_in_it"),),
    ),
    Mutant(
        "A5: after a restart the oldest prepare certificate alone is known",
        (
            Change(
                engine,
                "_restore",
                "for certificate in restored.prepare_certificates:",
                "for certificate in restored.prepare_certificates[:1]:",
            ),
        ),
        (
            Simulated(
                ("assertion", "restarting", "statements"),
                quorum=(4, 3),
                adjust=with_drawn(cut_rate=0.03, loss=0.4, safety_ms=5000, partition_every_ms=0, step_ms=0),
                seeds=100,
            ),
        ),
    ),
    Mutant(
        "prepare votes count for a block, whatever justifies it",
        (
            Change(
                votes,
                "VoteBook._quorum_for",
                "    signers = self._signers.get(place, {}).get(statement, {})\n",
                (
                    "    signers = {}\n"
                    "    for other, also in self._signers.get(place, {}).items():\n"
                    "        if other.block_hash == statement.block_hash:\n"
                    "            signers.update(also)\n"
                ),
            ),
        ),
        (
            Suite(
                "unit/ledger/consensus/test_votes.py::"
                "test_votes_for_one_block_that_bind_two_justifications_are_no_quorum"
            ),
        ),
    ),
)
