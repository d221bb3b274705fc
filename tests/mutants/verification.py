"""What is verified of blocks, receipts, proofs, light clients, exports and audits, left out."""

from __future__ import annotations

from ledger import (
    admission,
    audit,
    chain,
    crypto,
    evidence_admission,
    export_reading,
    light_client,
    merkle,
    receipt,
    split_view,
    state_proof,
    trail,
    validators,
)
from tests.mutants.killers import Simulated, Suite, with_drawn
from tests.mutants.mutant import Change, Mutant

MUTANTS = (
    Mutant(
        "a block may accuse twice",
        (Change(admission, "BlockAdmission._admit_evidence", "if accusation in self._accusations:", "if False:"),),
        (
            Simulated(
                ("assertion",),
                quorum=(4, 3),
                adjust=with_drawn(byzantine=((2, "twin"),), dead=(), lively=True),
                seeds=100,
            ),
        ),
    ),
    Mutant(
        "what is recorded may be recorded again",
        (Change(evidence_admission, "_check_evidence", "if recorded is not None:", "if False and recorded:"),),
        (
            Simulated(
                ("assertion",),
                quorum=(4, 3),
                adjust=with_drawn(byzantine=((2, "twin"),), dead=(), lively=True),
                seeds=100,
            ),
        ),
        rows=(16,),
    ),
    Mutant(
        "an expired transaction is admitted",
        (Change(admission, "check_authority", "valid_until_ms <= parent_time_ms:", "False:"),),
        (Suite("unit/ledger/test_admission.py::test_a_transaction_is_includable_within_its_window"),),
    ),
    Mutant(
        "off by one: one signature less than the threshold",
        (
            Change(
                admission,
                "check_authority",
                "if len(signatures) < account.threshold:",
                "if len(signatures) < account.threshold - 1:",
            ),
        ),
        (Suite("unit/ledger/test_admission.py::test_authority"),),
        rows=(20,),
    ),
    Mutant(
        "off by one: one signature less than the threshold, where others sign, too",
        (Change(admission, "_check_cosigned", "if count < account.threshold:", "if count < account.threshold - 1:"),),
        (Suite("unit/ledger/test_admission.py::test_authority"),),
    ),
    Mutant(
        "a stranger's signature is let in",
        (Change(admission, "check_authority", "if item.key not in account.keys:", "if False:"),),
        (Suite("unit/ledger/test_admission.py::test_authority"),),
    ),
    Mutant(
        "a stranger's signature is let in beside those of several accounts",
        (Change(admission, "_check_cosigned", "if item.key not in keys:", "if False:"),),
        (Suite("unit/ledger/test_admission.py::test_authority"),),
    ),
    Mutant(
        "the suspended may act",
        (Change(admission, "check_authority", "if account.suspended:", "if False:"),),
        (Suite("unit/ledger/test_admission.py::test_authority"),),
    ),
    Mutant(
        "the suspended may cosign",
        (Change(admission, "_check_cosigned", "if account.suspended:", "if False:"),),
        (Suite("unit/ledger/test_admission.py::test_authority"),),
    ),
    Mutant(
        "only the first signature is verified",
        (
            Change(
                admission,
                "check_signatures",
                "for item in transaction.signatures:",
                "for item in transaction.signatures[:1]:",
            ),
        ),
        (Suite("unit/ledger/test_admission.py"),),
    ),
    Mutant(
        "a sender has no quota",
        (Change(admission, "BlockAdmission.admit", "if count >= self._quota:", "if False:"),),
        (Suite("unit/ledger/test_chain.py::test_quota_and_block_limits_hold_for_builders_and_checkers"),),
    ),
    Mutant(
        "evidence of a key that was not in force is admitted",
        (Change(evidence_admission, "_check_evidence", "or not owner.in_force_at(about)", "or False"),),
        (Suite("unit/ledger/test_evidence_admission.py::test_what_may_be_accused"),),
        rows=(16,),
    ),
    Mutant(
        "time may stand still",
        (Change(chain, "_check_place", "if header.time_ms <= parent.time_ms:", "if header.time_ms < parent.time_ms:"),),
        (Suite("unit/ledger/test_chain.py::test_the_objective_part_of_the_time_rule"),),
        rows=(15,),
    ),
    Mutant(
        "anybody may lead",
        (Change(chain, "_check_place", "if header.proposer != leader:", "if False:"),),
        (Suite("unit/ledger/test_chain.py::test_a_tampered_header_is_refused"),),
    ),
    Mutant(
        "what executing gives is not compared",
        (Change(chain, "check_block", "if block.header_bytes != header_bytes:", "if False:"),),
        (Suite("unit/ledger/test_audit.py::test_a_quorum_cannot_certify_what_execution_does_not_give"),),
    ),
    Mutant(
        "the quorum of bft is two thirds, rounded up",
        (Change(validators, "Quorum.size", "q = 2 * validators // 3 + 1", "q = -(-2 * validators // 3)"),),
        (Suite("unit/ledger/test_validators.py::test_named_rules_stay_within_the_bounds"),),
        rows=(22,),
    ),
    Mutant(
        "half of the validators are a quorum",
        (Change(validators, "Quorum.size", "validators < 2 * q", "validators <= 2 * q"),),
        (
            Suite(
                "unit/ledger/test_validators.py::test_a_fixed_number_outside_the_bounds_is_refused_with_the_arithmetic"
            ),
        ),
        rows=(22,),
    ),
    Mutant(
        "an operator is told that one more may stop",
        (
            Change(
                validators, "Tolerance.stopped", "self.validators - self.quorum", "self.validators - self.quorum + 1"
            ),
        ),
        (Suite("unit/ledger/test_validators.py::test_the_tolerance_table"),),
        rows=(23,),
    ),
    Mutant(
        "a receipt's path may lead anywhere",
        (Change(receipt, "verify_receipt", "if not check_inclusion(", "if False and not check_inclusion("),),
        (Suite("verifier/test_forgeries.py::test_a_forged_receipt_proves_nothing"),),
    ),
    Mutant(
        "a receipt may be for another transaction",
        (
            Change(
                receipt,
                "_check_transaction",
                "if transaction.id != leaf.transaction_id or transaction.envelope_hash != leaf.envelope_hash:",
                "if False:",
            ),
        ),
        (Suite("verifier/test_forgeries.py::test_even_a_log_that_was_made_up_cannot_have_it"),),
    ),
    Mutant(
        "the signatures of a receipt's transaction are not verified",
        (Change(receipt, "_check_transaction", "if not verify_signature(", "if False and not verify_signature("),),
        (Suite("verifier/test_forgeries.py::test_even_a_log_that_was_made_up_cannot_have_it"),),
    ),
    Mutant(
        "the index of a leaf may reach into another block",
        (Change(receipt, "_verify_certified", "if leaf.index >= header.transaction_count:", "if False:"),),
        (Suite("verifier/test_forgeries.py::test_a_forged_receipt_proves_nothing"),),
        rows=(18,),
    ),
    Mutant(
        "any pinned block will do",
        (Change(receipt, "_verify_pinned", "if header != anchor.header:", "if False:"),),
        (
            Suite(
                "unit/ledger/test_receipt.py::test_a_receipt_for_one_pinned_block_proves_nothing_to_the_holder_of_another"
            ),
        ),
    ),
    Mutant(
        "a trail puts any set in force",
        (Change(trail, "_check_step", "if step.validators.hash != header.next_validators_hash:", "if False:"),),
        (Suite("verifier/test_forgeries.py::test_a_forged_receipt_proves_nothing"),),
    ),
    Mutant(
        "a trail may go back",
        (Change(trail, "follow_trail", "if stated.height >= height:", "if False:"),),
        (Suite("verifier/test_forgeries.py::test_a_forged_receipt_proves_nothing"),),
    ),
    Mutant(
        "another block of a known height is no fork",
        (
            Change(
                light_client, "LightClient.compare", "if seen.certified.block_hash == certified.block_hash:", "if True:"
            ),
        ),
        (
            Suite(
                "unit/ledger/test_light_client.py::test_two_certified_blocks_of_one_height_are_a_fork_that_names_who_signed_both"
            ),
        ),
    ),
    Mutant(
        "the next block may build on another",
        (Change(light_client, "LightClient._check_continues", "header.parent_hash != self.head.block_hash", "False"),),
        (Suite("unit/ledger/test_light_client.py::test_a_certified_block_on_another_parent_is_a_fork"),),
    ),
    Mutant(
        "a light client takes any log",
        (
            Change(
                light_client,
                "LightClient._check_continues",
                "if consistency is not None and not check_consistency(",
                "if False and not check_consistency(",
            ),
        ),
        (Suite("unit/ledger/test_light_client.py::test_the_log_must_continue_whatever_a_quorum_signs"),),
    ),
    Mutant(
        "sets that were put out of force sign on",
        (
            Change(
                light_client,
                "LightClient._check_passes_head",
                "if head is None or not since < head.header.height < height:",
                "if True:",
            ),
        ),
        (Suite("unit/ledger/test_light_client.py::test_a_set_that_the_head_put_out_of_force_signs_nothing_more"),),
    ),
    Mutant(
        "an audit does not read the signatures of transactions",
        (Change(audit, "_open", "check_signatures(transaction, verify_signature)", "None"),),
        (Suite("unit/ledger/test_audit.py::test_a_quorum_cannot_certify_what_nobody_signed"),),
    ),
    Mutant(
        "an audit believes whose set signed",
        (Change(audit, "ChainAudit.append_opened", "if opened.signed_by != validators.hash:", "if False:"),),
        (Suite("unit/ledger/test_audit.py::test_who_opens_a_block_may_guess_its_validators_wrong"),),
    ),
    Mutant(
        "leaves of an export are not held against what executing gives",
        (Change(audit, "ChainAudit.append_opened", "opened.leaf_hashes is not None and", "False and"),),
        (Suite("unit/ledger/test_export.py"),),
    ),
    Mutant(
        "blocks of an export need not follow each other",
        (
            Change(
                export_reading,
                "LinkedBlocks.take",
                "if (header.height, header.parent_hash) != (height, self.block_hash):",
                "if False:",
            ),
        ),
        (Suite("unit/ledger/test_export.py::test_blocks_are_linked_without_a_signature_or_a_state"),),
    ),
    Mutant(
        "a state proof proves anything",
        (Change(state_proof, "check_state_proof", "if not check_proof(", "if False and not check_proof("),),
        (Suite("unit/ledger/test_state_proof.py::test_every_single_byte_is_bound"),),
    ),
    Mutant(
        "a consistency proof of the new log alone suffices",
        (Change(merkle, "check_consistency", "last == 0 and old_current == old_root and", "last == 0 and"),),
        (Suite("unit/ledger/test_merkle.py::test_no_altered_consistency_proof_is_accepted"),),
        rows=(20,),
    ),
    Mutant(
        "an inclusion path may be too short",
        (Change(merkle, "check_inclusion", "return last == 0 and", "return"),),
        (Suite("unit/ledger/test_merkle.py::test_a_path_that_fits_the_root_but_not_the_size_is_refused"),),
    ),
    Mutant(
        "two views of different heights are a split",
        (Change(split_view, "verify_split_view", "if one.header.height != other.header.height:", "if False:"),),
        (Suite("unit/ledger/test_split_view.py::test_what_is_no_contradiction_proves_nothing"),),
    ),
    Mutant(
        "S is not bounded",
        (Change(crypto, "verify", 'if int.from_bytes(signature[32:], "little") >= _GROUP_ORDER:', "if False:"),),
        (Suite("unit/ledger/test_crypto.py::test_our_rule_asks_no_library"),),
    ),
    Mutant(
        "R of small order is accepted",
        (Change(crypto, "verify", " or y in _SMALL_ORDER_Y", ""),),
        (Suite("unit/ledger/test_crypto.py::test_our_rule_asks_no_library"),),
    ),
    Mutant(
        "the last leader that failed at a height is not demoted",
        (Change(chain, "_leaders_after", "[:round]}", "[: round - 1]}"),),
        (Suite("unit/ledger/test_chain.py::test_a_dead_leader_costs_its_timeout_once"),),
        rows=(20,),
    ),
    Mutant(
        "a leader is forgiven a height later",
        (Change(chain, "_leader_order", "state.leaders(), height,", "state.leaders(), height - 1,"),),
        (Suite("unit/ledger/test_chain.py::test_a_later_failure_replaces_an_earlier_one_and_is_forgiven_in_time"),),
        rows=(20,),
    ),
    Mutant(
        "who was removed is not accused any more",
        (
            Change(
                evidence_admission,
                "_check_evidence",
                "owner is None\n",
                "owner is None\n        or all(item.name != accused for item in state.validators().validators)\n",
            ),
        ),
        (Suite("unit/ledger/test_evidence_admission.py::test_what_may_be_accused"),),
        rows=(16,),
    ),
)
