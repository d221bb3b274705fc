"""What is verified, or known, before it is asked for: answers believed too easily, work done for strangers."""

from __future__ import annotations

from ledger import claims, seen_filter
from node import runtime
from node.replica import door, peers
from node.storage import block_rows
from node.verification import ahead, arriving, process
from tests.mutants.killers import Suite
from tests.mutants.mutant import Change, Mutant
from wallet.auditing import opening

_AHEAD = "unit/node/verification/test_ahead.py::"
_ARRIVING = "unit/node/verification/test_arriving.py::"
_CLAIMS = "unit/ledger/test_claims.py::"

MUTANTS = (
    Mutant(
        "any answer of a worker is a yes",
        (
            Change(
                ahead,
                "AheadVerifier.__call__",
                "if job.answer and job.answer[index] == _TRUE:",
                "if job.answer:",
            ),
        ),
        (Suite(_AHEAD + "test_any_number_of_workers_gives_what_none_gives"),),
    ),
    Mutant(
        "a worker's no is believed",
        (
            Change(
                ahead,
                "AheadVerifier.__call__",
                "return verify(key, message, signature)",
                "return (found is None or not found[0].answer) and verify(key, message, signature)",
            ),
        ),
        (Suite(_AHEAD + "test_a_worker_that_denies_everything_makes_nothing_false"),),
    ),
    Mutant(
        "an answer is looked up at the place of another signature",
        (
            Change(
                ahead, "AheadVerifier._add", "self._ahead[claim] = job, index", "self._ahead[claim] = job, index // 2"
            ),
        ),
        (Suite(_AHEAD + "test_any_number_of_workers_gives_what_none_gives"),),
    ),
    Mutant(
        "a signature is known by its key and itself, whatever it is over",
        (
            Change(
                ahead,
                "AheadVerifier.__call__",
                "found = self._ahead.pop((key, message, signature), None)",
                "found = next((self._ahead.pop(c) for c in [*self._ahead] if (c[0], c[2]) == (key, signature)), None)",
            ),
        ),
        (Suite(_AHEAD + "test_a_claim_is_known_by_all_three_of_its_parts"),),
    ),
    Mutant(
        "an answer to another job counts",
        (
            Change(
                process,
                "WorkerProcess._answers",
                "if not self._expected or (number, size) != self._expected[0]:",
                "if not self._expected or size != self._expected[0][1]:",
            ),
        ),
        (Suite(_AHEAD + "test_what_is_no_answer_of_its_next_job_counts_for_nothing"),),
    ),
    Mutant(
        "an answer may have any size",
        (
            Change(
                process,
                "WorkerProcess._answers",
                "if not self._expected or (number, size) != self._expected[0]:",
                "if not self._expected or number != self._expected[0][0]:",
            ),
        ),
        (Suite(_AHEAD + "test_what_is_no_answer_of_its_next_job_counts_for_nothing"),),
    ),
    Mutant(
        "what a worker answered before it was asked waits for the question",
        (
            Change(
                process,
                "WorkerProcess._answers",
                "if not self._expected or (number, size) != self._expected[0]:",
                "if not self._expected:\n            break\n        if (number, size) != self._expected[0]:",
            ),
        ),
        (Suite(_AHEAD + "test_what_is_no_answer_of_its_next_job_counts_for_nothing"),),
    ),
    Mutant(
        "workers that hang are waited for one after the other",
        (
            Change(
                ahead,
                "AheadVerifier._lose_all",
                "for worker in tuple(self._workers):",
                "for worker in tuple(self._workers)[:1]:",
            ),
        ),
        (Suite(_AHEAD + "test_workers_that_hang_are_waited_for_once"),),
    ),
    Mutant(
        "what nobody asks for is kept",
        (Change(ahead, "AheadVerifier._crowded", "len(self._ahead) > VERIFY_AHEAD_MAX", "False"),),
        (Suite(_AHEAD + "test_what_nobody_asks_for_is_forgotten"),),
    ),
    Mutant(
        "strangers make workers verify",
        (Change(arriving, "Arriving._of_members", "if claim[0] in account.keys", "if True"),),
        (Suite(_ARRIVING + "test_strangers_make_no_worker_do_anything"),),
    ),
    Mutant(
        "workers verify all signatures that somebody made up",
        (Change(arriving, "Arriving._of_members", "claims[: account.threshold]", "claims"),),
        (Suite(_ARRIVING + "test_nobody_makes_workers_verify_more_than_a_sender_needs"),),
    ),
    Mutant(
        "blocks of any height drive the workers",
        (Change(arriving, "Arriving._of_blocks", "header.height != height", "header.height < height"),),
        (Suite(_ARRIVING + "test_certified_blocks_are_expected_if_they_were_asked_for_and_are_new"),),
    ),
    Mutant(
        "one true claim is enough",
        (
            Change(
                claims, "Claims.found_true", "return answer == bytes([_TRUE]) * self._count", "return _TRUE in answer"
            ),
        ),
        (Suite(_CLAIMS + "test_only_one_answer_is_a_yes"),),
    ),
    Mutant(
        "every claim is counted to the message before it",
        (Change(claims, "Claims.claim", "and self._groups[-1][0] is message", ""),),
        (Suite(_CLAIMS + "test_the_answer_is_what_verify_says_of_each"),),
    ),
    Mutant(
        "an audit believes what was only claimed",
        (
            Change(
                opening,
                "_UnderWay.verified",
                "and self.claims.found_true(await self.answered)",
                "and await self.answered",
            ),
        ),
        (
            Suite(
                "unit/wallet/test_audit_ledger.py::test_a_signature_that_was_tampered_with_is_found_wherever_it_stands"
            ),
        ),
    ),
    Mutant(
        "a filter of damaged rows says that no block has an id",
        (Change(seen_filter, "SeenFilter.forget", "self._knows = False", "self._knows = True"),),
        (Suite("unit/node/storage/test_committed_filter.py"),),
    ),
    Mutant(
        "an id is looked for by half of it",
        (
            Change(
                seen_filter,
                "SeenFilter.note",
                "|= bits[number]",
                "|= bits[number] & 15",
            ),
        ),
        (Suite("unit/node/storage/test_committed_filter.py"),),
    ),
    Mutant(
        "a header that was read is never held against its row again",
        (Change(block_rows, "read_header", "and header_bytes == known.header_bytes", ""),),
        (
            Suite(
                "unit/node/storage/test_chain_store.py::"
                "test_a_header_that_was_read_before_is_held_against_its_row_again"
            ),
        ),
    ),
    Mutant(
        "a block that was sent unasked is taken for the answer",
        (
            Change(
                peers,
                "Peers.answered",
                "or first_height not in (known.asked_height, None)",
                "",
            ),
        ),
        (
            Suite(
                "unit/node/replica/test_catching_up.py::"
                "test_each_block_is_asked_for_once_and_ahead_whatever_is_sent_unasked_meanwhile"
            ),
        ),
    ),
    Mutant(
        "envelopes are remembered as verified when their transactions are gone",
        (Change(door, "Door.remove", "self._verified.pop(transaction.envelope_hash, None)", "pass"),),
        (Suite("unit/node/replica/test_door_batches.py::test_of_what_has_left_nothing_is_remembered"),),
    ),
    Mutant(
        "who asks under load waits for a step at each turn",
        (Change(runtime, "Runtime._consume", "LOOP_TURNS_PER_STEP if self._inbox.backlog else 1", "1"),),
        (Suite("unit/node/test_runtime.py::test_sockets_get_their_turns_between_steps"),),
    ),
)
