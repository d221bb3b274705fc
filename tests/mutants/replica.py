"""What the replica says, hears, fetches and cosigns, broken."""

from __future__ import annotations

from ledger import chain as ledger_chain
from ledger.log import policy
from node.replica import (
    cosigned,
    cosigning,
    door,
    driving,
    filling,
    findings,
    gathering,
    hearing,
    opening,
    replica,
    reports,
    serving,
    syncing,
    voice,
)
from tests.mutants.killers import CrashPoints, Simulated, Suite, with_drawn
from tests.mutants.mutant import Change, Mutant
from tests.simulation.incidents import Incident

_END_OF_LOG = Incident(at_ms=500, kind="end of the log missing", machine=1, for_ms=300)

MUTANTS = (
    Mutant(
        "votes leave before they are written",
        (
            Change(
                voice,
                "speak",
                "    chain.promise(_promises(casts, own, deciding))\n",
                (
                    "    for item in own:\n"
                    "        out.send_to_validators(Consensus(deciding.height, item.payload))\n"
                    "    chain.promise(_promises(casts, own, deciding))\n"
                ),
            ),
        ),
        (Simulated(("durability",)),),
        rows=(1,),
    ),
    Mutant(
        "the guard is not brought up to date at start",
        (Change(opening, "renew_guard", "if guard.read() != record:", "if False:"),),
        (Simulated(("durability", "assertion"), seeds=200), CrashPoints(("durability", "assertion"))),
    ),
    Mutant(
        "the guard is written before the batch",
        (
            Change(
                voice,
                "speak",
                (
                    "    chain.promise(_promises(casts, own, deciding))\n    last = own[-1]\n"
                    "    guard.write(promise(deciding.height, last.round, last.type, last.payload))\n"
                ),
                (
                    "    last = own[-1]\n"
                    "    guard.write(promise(deciding.height, last.round, last.type, last.payload))\n"
                    "    chain.promise(_promises(casts, own, deciding))\n"
                ),
            ),
        ),
        (CrashPoints(("durability", "reputation", "standing")),),
    ),
    Mutant(
        "cosignatures are written and not synced",
        (Change(cosigning, "_cosign", "sync=True", "sync=False"),),
        (Simulated(("cosigning",)),),
    ),
    Mutant(
        "the guard does not know of cosignatures",
        (Change(cosigning, "_guard", "parts.guard.write(record)", "return"),),
        (Simulated(("cosigning",), adjust=with_drawn(clocks="right", safety_ms=5000, heartbeat_ms=300)),),
    ),
    Mutant(
        "a cosignature may be earlier than the one before",
        (Change(cosigning, "_may_follow", "if time_s <= newest.time_s:", "if time_s == newest.time_s:"),),
        (Simulated(("cosigning",), adjust=with_drawn(clocks="jumping", safety_ms=5000, heartbeat_ms=300)),),
    ),
    Mutant(
        "what was cosigned is forgotten",
        (Change(cosigned, "read_cosigned", "newest = _own(chain)", "newest = None"),),
        (
            Simulated(
                ("cosigning", "reputation"),
                adjust=with_drawn(clocks="jumping", power_cuts=2, safety_ms=5000, heartbeat_ms=300),
            ),
        ),
    ),
    Mutant(
        "the last block before a pause is not cosigned",
        (
            Change(
                cosigning,
                "note_appended",
                "cosigned.due_at_ms = parts.now.monotonic_ms + wait_ms",
                "cosigned.due_at_ms = None if wait_ms else parts.now.monotonic_ms",
            ),
        ),
        (Simulated(("progress",), adjust=with_drawn(clocks="right", heartbeat_ms=60000)),),
    ),
    Mutant(
        "one cosignature less than a quorum suffices",
        (
            Change(
                gathering, "_complete", "if len(found) < validators.quorum:", "if len(found) < validators.quorum - 1:"
            ),
        ),
        (Simulated(("cosigning", "reputation"), quorum=(4, 3)),),
    ),
    Mutant(
        "a restarted node does not remember its votes",
        (Change(replica, "Replica._restored", "return promises, restored", "return Promises(height), None"),),
        (
            Simulated(("assertion", "statements", "reputation")),
            CrashPoints(("assertion", "statements", "reputation", "standing")),
        ),
        rows=(2, 3),
    ),
    Mutant(
        "blocks are not served to those behind",
        (Change(serving, "send_records", "if records.items:", "if False:"),),
        (Simulated(("progress",)),),
        rows=(14,),
    ),
    Mutant(
        "early messages are judged at once",
        (
            Change(
                hearing, "_hear_consensus", "parts.postbox.put(peer, payload)", "judge_consensus(parts, peer, payload)"
            ),
        ),
        (Simulated(("reputation",)),),
    ),
    Mutant(
        "what is pending is reported committed",
        (Change(door, "Door._known", "return Pending(known.id)", "return Committed(known.id)"),),
        (Simulated(("durability",)),),
    ),
    Mutant(
        "evidence is kept and not reported",
        (Change(reports, "Reports.submit", "if not self._waiting", "if True"),),
        (Simulated(("progress",), quorum=(4, 3), adjust=with_drawn(byzantine=((2, "twin"),), dead=(), lively=True)),),
    ),
    Mutant(
        "who has lost its votes votes",
        (
            Change(
                opening,
                "_missing_promise",
                "    record = guard.read()\n",
                (
                    "    record = guard.read()\n"
                    "    if record is None or record.height > chain.tip.header.height:\n"
                    "        return None\n"
                ),
            ),
        ),
        (
            Suite("unit/node/replica/test_vote_state.py"),
            Simulated(
                ("statements",),
                quorum=(4, 3),
                adjust=with_drawn(byzantine=(), dead=(), lively=True, damage=(_END_OF_LOG,)),
            ),
        ),
        rows=(3, 8),
    ),
    Mutant(
        "a record from a peer is not verified",
        (
            Change(
                syncing,
                "Syncing._judge",
                ("    verify_commit_record(record, keys=deciding.keys, parent_hash=None)\n"),
                "    pass\n",
            ),
        ),
        (
            Suite(
                "unit/node/replica/test_catching_up.py::test_a_record_that_does_not_verify_is_blamed_and_fetched_elsewhere"
            ),
        ),
        rows=(14,),
    ),
    Mutant(
        "a body from a peer is not executed",
        (
            Change(syncing, "Syncing._open", "if len(item.envelopes) != header.transaction_count:", "if False:"),
            Change(ledger_chain, "check_block", "if block.header_bytes != header_bytes:", "if False:"),
        ),
        (Suite("unit/node/replica/test_catching_up.py::test_a_good_record_with_another_body_is_refused_and_said"),),
    ),
    Mutant(
        "a second chain is not noticed",
        (
            Change(
                syncing, "Syncing._compare", "== block_hash(record.header):", "== block_hash(record.header) or True:"
            ),
        ),
        (Suite("unit/node/replica/test_vote_state.py::test_a_conflicting_valid_record_is_kept_and_stops_the_vote"),),
    ),
    Mutant(
        "a leader's own check says nothing",
        (Change(driving, "_build", "if not isinstance(checked, CandidateBlock):", "if False:"),),
        (Suite("unit/node/replica/test_fetching.py::test_a_leader_does_not_propose_what_its_own_check_refuses"),),
        rows=(17,),
    ),
    Mutant(
        "a signature of a peer's vote is not verified",
        (
            Change(
                hearing, "judge_consensus", "        verify_message(message, parts.deciding.keys)\n", "        pass\n"
            ),
        ),
        (Suite("unit/node/replica/test_fetching.py::test_a_vote_with_a_wrong_signature_is_blamed_and_not_counted"),),
    ),
    Mutant(
        "of several votes the guard notes the first",
        (Change(voice, "speak", "last = own[-1]", "last = own[0]"),),
        (Simulated(("durability",)),),
        rows=(3,),
    ),
    Mutant(
        "a vote of the height that is being decided may be missing",
        (
            Change(
                opening,
                "_missing_promise",
                "if record.height <= decided_height:",
                "if record.height <= decided_height + 1:",
            ),
        ),
        (Suite("unit/node/replica/test_vote_state.py::test_a_database_that_lost_the_last_vote_silences"),),
        rows=(3, 20),
    ),
    Mutant(
        "a cosignature leaves before it is written",
        (
            Change(
                cosigning,
                "_cosign",
                "    parts.chain.store.write({keys.OWN_COSIGNATURE: row}, sync=True)\n",
                (
                    "    parts.out.send_to_validators(message)\n"
                    "    parts.chain.store.write({keys.OWN_COSIGNATURE: row}, sync=True)\n"
                ),
            ),
        ),
        (Simulated(("cosigning",)),),
        rows=(1,),
    ),
    Mutant(
        "a checkpoint is served before it is durable",
        (Change(gathering, "_publish", "sync=True", "sync=False"),),
        (Simulated(("cosigning",)),),
    ),
    Mutant(
        "checkpoints need a quorum of the set before their block",
        (
            Change(
                gathering,
                "_set_after",
                "return now if parts.chain.header(height).next_validators_hash == now.hash else ",
                "return parts.chain.validators_of(height) if height else ",
            ),
        ),
        (Simulated(("cosigning",), set_changes=True),),
    ),
    Mutant(
        "checkpoints need a quorum of the set that is in force when they come",
        (
            Change(
                gathering,
                "_set_after",
                "if parts.chain.header(height).next_validators_hash == now.hash else",
                "if height else",
            ),
        ),
        (
            Simulated(
                ("reputation", "cosigning"),
                set_changes=True,
                adjust=with_drawn(clocks="right", heartbeat_ms=300),
                seeds=80,
            ),
        ),
    ),
    Mutant(
        "checkpoints need one cosignature less than a quorum, and nobody asks for it",
        (
            Change(policy, "validators_policy", "validators.quorum", "max(1, validators.quorum - 1)"),
            Change(gathering, "_complete", "validators.quorum:", "validators.quorum - 1:"),
        ),
        (Simulated(("cosigning",)),),
        rows=(20,),
    ),
    Mutant(
        "a certified block on another parent is not looked at",
        (Change(syncing, "Syncing._judge", "if header.parent_hash != chain.tip.block_hash:", "if False:"),),
        (Suite("unit/node/replica/test_vote_state.py::test_a_fork_below_the_tip_is_asked_for_and_found"),),
    ),
    Mutant(
        "what a peer sent is not passed on when it is submitted, too",
        (Change(door, "Door.submit", "if len(admitted) < len(outcomes):", "if False:"),),
        (
            Suite(
                "unit/node/replica/test_stalls.py"
                "::test_who_is_asked_a_second_time_answers_for_what_it_knows_from_a_peer_that_is_gone"
            ),
        ),
    ),
    Mutant(
        "no block is cosigned while ledger time is ahead of the clocks",
        (Change(cosigning, "note_appended", "second_begins or is_slow", "second_begins"),),
        (
            Suite(
                "unit/node/replica/test_checkpoints.py"
                "::test_ledger_time_that_is_ahead_of_all_clocks_holds_no_checkpoint_up"
            ),
        ),
    ),
    Mutant(
        "answers to a block are waited for however long it took",
        (
            Change(
                filling,
                "Filling.until_ms",
                "min(BLOCK_ANSWERS_TIMES * self._took_ms, base_timeout_ms // BLOCK_ANSWERS_SHARE)",
                "BLOCK_ANSWERS_TIMES * self._took_ms",
            ),
        ),
        (
            Suite("unit/node/replica/test_filling.py::test_others_are_waited_for"),
            Suite("unit/node/replica/test_filling.py::test_nobody_waits_longer_than_others_give_a_leader"),
        ),
    ),
    Mutant(
        "evidence is written and not synced",
        (Change(findings, "Findings.keep_evidence", "sync=True", "sync=False"),),
        (
            Simulated(
                ("durability",),
                quorum=(4, 3),
                adjust=with_drawn(byzantine=((2, "twin"),), dead=(), lively=True),
            ),
        ),
        rows=(16,),
    ),
)
