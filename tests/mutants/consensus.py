"""Votes, rounds, timers, locks and restarts, each broken."""

from __future__ import annotations

from ledger.consensus import engine, justification, learning, pacemaker, proposing, state, verification, votes, voting
from tests.mutants.killers import Drawn, Simulated, Story, Suite, Twins, with_drawn
from tests.mutants.mutant import Change, Mutant

NO_GATE = Change(  # the engine's own last assertion, which would see some mutants before any checker
    state,
    "HeightState.promise",
    "assert contradiction(earlier, statement) is None",
    "assert True or contradiction(earlier, statement) is None",
)

_ENGINE = "unit/ledger/consensus/test_engine.py::"

MUTANTS = (
    Mutant(
        "A2: the entry certificate is not durable",
        (Change(state, "HeightState.durable", "[self.entry] if self.entry is not None else []", "[]"),),
        (Simulated(("durability",)),),
        rows=(25, 12),
    ),
    Mutant(
        "commit after timeout",
        (
            Change(voting, "_gave_up", "return any(", "return False and any("),
            NO_GATE,
        ),
        (Simulated(("statements", "reputation")),),
        rows=(21,),
    ),
    Mutant(
        "the high round is forgotten",
        (
            Change(
                pacemaker,
                "give_up",
                "prepared = state.prepare_certificates.get(high_round)",
                "high_round = NO_ROUND; prepared = None",
            ),
            NO_GATE,
        ),
        (Simulated(("statements", "reputation", "agreement", "certificates")),),
    ),
    Mutant(
        "A5: an older certificate is named than the newest",
        (
            Change(
                pacemaker,
                "give_up",
                "max((round for round in state.prepare_certificates if round <= state.round), default=NO_ROUND)",
                "min((round for round in state.prepare_certificates if round <= state.round), default=NO_ROUND)",
            ),
            NO_GATE,
        ),
        (Simulated(("statements", "reputation", "agreement", "certificates"), quorum=(4, 3), seeds=200),),
    ),
    Mutant(
        "A1: prepare another block than the one committed",
        (
            Change(voting, "prepare", "committed.block_hash != statement.block_hash", "False"),
            Change(voting, "braked", "return state", "return False and state"),
            NO_GATE,
        ),
        (
            Simulated(
                ("statements", "reputation"),
                quorum=(4, 3),
                adjust=with_drawn(byzantine=((2, "framer"),), dead=(), lively=True, loss=0.1, step_ms=0),
                seeds=200,
            ),
        ),
        rows=(24,),
    ),
    Mutant(
        "A3: a timeout certificate may name what nobody has",
        (
            Change(
                verification,
                "verify_timeout_certificate",
                (
                    "_check_named(prepared, high_round, certificate.round)  # amendment A3\n"
                    "        assert prepared is not None"
                ),
                "if prepared is None:\n            return",
            ),
        ),
        (
            Story("amendment_A3_a_poisoned_timeout_certificate"),
            Simulated(
                ("certificates",),
                quorum=(4, 3),
                adjust=with_drawn(
                    byzantine=((2, "liar"),),
                    dead=(),
                    lively=True,
                    lie_rate=0.3,
                    loss=0.4,
                    safety_ms=5000,
                    partition_every_ms=0,
                ),
                seeds=60,
            ),
        ),
        rows=(26,),
    ),
    Mutant(
        "A7: a clock that is wrong keeps its leader from ever being heard",
        (Change(voting, "_timely", "facts.time_ms == state.context.parent_time_ms + 1", "False"),),
        (Simulated(("progress",), adjust=with_drawn(clocks="jumping"), seeds=100),),
        rows=(15,),
    ),
    Mutant(
        "A8: another justification is kept than the one that the prepare vote binds",
        (Change(voting, "prepare", "state.entry = justification", "pass"),),
        (Simulated(("durability", "assertion"), quorum=(4, 3), seeds=150),),
    ),
    Mutant(
        "a leader prepares its own proposal without the block",
        (
            Change(
                voting,
                "prepare",
                "facts = state.blocks.get(statement.block_hash)",
                "facts = state.blocks.get(statement.block_hash) or (BlockFacts(-1, 0, 0) if state.leads else None)",
            ),
        ),
        (
            Suite(_ENGINE + "test_a_leader_that_gets_the_block_after_it_proposed_it_again_prepares_it_then"),
            Simulated(("assertion",), quorum=(4, 3), seeds=100),
        ),
        rows=(13,),
    ),
    Mutant(
        "a leader binds another justification by its own prepare vote than by its proposal",
        (
            Change(
                voting,
                "prepare",
                "statement.block_hash, statement.justification_digest)",
                "statement.block_hash, justification_digest(None) if state.leads else statement.justification_digest)",
            ),
        ),
        (
            Suite(_ENGINE + "test_the_leader_of_a_later_round_proposes_at_once"),
            Simulated(("certificates", "durability", "model")),
        ),
    ),
    Mutant(
        "a leader forgets its justification as it prepares its own proposal",
        (
            Change(voting, "_proposals", "return [(ours, state.entry)]", "return [(ours, None)]"),
            Change(voting, "_justified", "return allows(", "return justification is None or allows("),
        ),
        (
            Suite(_ENGINE + "test_the_leader_of_a_later_round_proposes_at_once"),
            Simulated(("certificates", "durability", "model")),
        ),
    ),
    Mutant(
        "a leader prepares its own proposal in a batch of its own",
        (Change(voting, "_proposals", "if came or not isinstance(ours, ProposalStatement):", "if True:"),),
        (
            Suite(_ENGINE + "test_a_leader_prepares_what_it_proposes_again_when_it_has_the_block"),
            Suite(
                "unit/node/replica/test_deciding_blocks.py::test_a_step_sends_only_what_it_decided_after_its_own_batch"
            ),
        ),
    ),
    Mutant(
        "a leader that gave its round up prepares its own proposal when the block comes",
        (
            Change(voting, "prepare", " or _gave_up(state)", " or (_gave_up(state) and not state.leads)"),
            NO_GATE,
        ),
        (Suite(_ENGINE + "test_a_leader_that_gave_its_round_up_does_not_prepare_its_own_proposal"),),
    ),
    Mutant(
        "the votes in a certificate that came are not compared with others",
        (
            Change(
                learning,
                "learn_prepare_certificate",
                "    witness(state, statements_of_prepare_certificate(certificate))",
                "    pass",
            ),
        ),
        (Suite(_ENGINE + "test_the_votes_in_a_certificate_are_compared_with_those_that_came_alone"),),
    ),
    Mutant(
        "A4c: what others say starts no timer, and what was said before a restart neither",
        (
            Change(engine, "_take", "state.heard = True", "state.heard = False"),
            Change(engine, "_restore", "state.heard = bool(messages)", "state.heard = False"),
        ),
        (Simulated(("progress",), adjust=with_drawn(quiet=True, heartbeat_ms=60000), seeds=100),),
        rows=(27,),
    ),
    Mutant(
        "leaders and voters choose freely",
        (
            Change(justification, "allows", "return fresh_round == round if prepared is None", "return True if True"),
            Change(proposing, "propose", "None if state.entry is None", "None if True"),
        ),
        (Simulated(("agreement", "certificates", "statements", "progress", "model"), seeds=100),),
        rows=(21,),
    ),
    Mutant(
        "one vote less is a quorum",
        (Change(votes, "VoteBook._quorum_for", "len(signers) < self.quorum", "len(signers) < self.quorum - 1"),),
        (Simulated(("step", "reputation", "certificates")),),
        rows=(20,),
    ),
    Mutant(
        "one vote less is a quorum everywhere",
        (
            Change(votes, "VoteBook._quorum_for", "len(signers) < self.quorum", "len(signers) < self.quorum - 1"),
            Change(
                votes, "VoteBook.timeout_certificate", "len(entries) < self.quorum", "len(entries) < self.quorum - 1"
            ),
            Change(verification, "_check_quorum", "keys.validators.quorum:", "keys.validators.quorum - 1:"),
        ),
        (Simulated(("agreement", "certificates", "audit")),),
    ),
    Mutant(
        "nothing is ever sent again",
        (Change(pacemaker, "_resend", "if state.votes:", "return\n    if state.votes:"),),
        (Simulated(("progress", "explanations")),),
        rows=(12,),
    ),
    Mutant(
        "a third proposal of a round is kept",
        (Change(learning, "_learn_proposal", "if len(proposals) < PROPOSALS_PER_ROUND_MAX:", "if True:"),),
        (
            Simulated(
                ("bounds",),
                quorum=(4, 3),
                adjust=with_drawn(byzantine=((2, "liar"),), dead=(), lively=True, lie_rate=0.3),
                seeds=100,
            ),
        ),
    ),
    Mutant(
        "off by one: commit in the round that was given up",
        (
            Change(voting, "_gave_up", "round >= state.round", "round > state.round"),
            NO_GATE,
        ),
        (
            Suite(
                "unit/ledger/consensus/test_engine.py::test_a_restart_after_a_timeout_never_votes_in_that_round_again"
            ),
            Drawn(("statements",)),
        ),
        rows=(20,),
    ),
    Mutant(
        "two prepare votes in a round",
        (
            Change(voting, "prepare", "state.promised(StatementType.PREPARE) is not None or ", ""),
            Change(
                state,
                "HeightState.promise",
                "assert place not in self.promises",
                "assert True or place not in self.promises",
            ),
            NO_GATE,
        ),
        (Twins(("step", "statements")),),
    ),
    Mutant(
        "the timer of a round goes on in the next",
        (Change(pacemaker, "enter", "state.round_ends_at_ms = None\n", "pass\n"),),
        (Story("leader_crash_in_every_round"), Simulated(("pace",))),
        rows=(5,),
    ),
    Mutant(
        "a timer that is over gives up a height that is decided",
        (
            Change(
                engine,
                "HeightEngine.handle",
                "if state.decided:\n        return ()",
                ("if state.decided:\n        pacemaker.give_up(state)\n        return tuple(state.effects)"),
            ),
        ),
        (Suite("unit/ledger/consensus/test_engine.py::test_after_the_commit_nothing_means_anything"),),
        rows=(5,),
    ),
    Mutant(
        "a round is left by the timer alone",
        (
            Change(
                pacemaker,
                "wake",
                "        give_up(state)\n",
                (
                    "        give_up(state)\n"
                    "        state.round, state.entry, state.round_ends_at_ms = state.round + 1, None, None\n"
                    "        start_timer(state)\n"
                ),
            ),
        ),
        (Story("row_06_quorum_lost_for_a_day"),),
        rows=(6,),
    ),
    Mutant(
        "only the next round can be entered",
        (
            Change(
                learning,
                "learn_timeout_certificate",
                "if certificate.round >= state.round:",
                "if certificate.round == state.round:",
            ),
        ),
        (Story("row_07_two_hundred_rounds_behind"),),
        rows=(7,),
    ),
    Mutant(
        "something of a height is left for the next",
        (
            Change(
                engine,
                "HeightEngine.__init__",
                "    self.state.tick_at_ms = context.tick_at_ms\n",
                (
                    "    self.state.tick_at_ms = context.tick_at_ms\n"
                    '    kept = globals().setdefault("_kept", {})\n'
                    "    self.state.heard = kept.get(context.me, False)\n"
                    "    kept[context.me] = True\n"
                ),
            ),
        ),
        (Story("row_09_nothing_survives_a_height"),),
        rows=(9,),
    ),
    Mutant(
        "of two votes of an equivocator the first alone counts",
        (Change(votes, "VoteBook.add", "len(same_place) >= VOTES_PER_VALIDATOR_MAX", "len(same_place) >= 1"),),
        (Story("row_10_equivocated_votes_hide_no_quorum"),),
        rows=(10,),
    ),
    Mutant(
        "who prepared a block prepares no other in later rounds",
        (
            Change(
                voting,
                "prepare",
                "        facts = state.blocks.get(statement.block_hash)\n",
                (
                    "        facts = state.blocks.get(statement.block_hash)\n"
                    "        mine = [item for item in state.promises.values() if isinstance(item, PrepareStatement)]\n"
                    "        if any(item.block_hash != statement.block_hash for item in mine):\n"
                    "            continue\n"
                ),
            ),
        ),
        (Story("row_11_split_prepares_and_partial_commits"),),
        rows=(11,),
    ),
    Mutant(
        "the entry certificate is not sent again",
        (Change(pacemaker, "_resend", "if state.entry is not None:", "if False:"),),
        (Story("amendment_A2_the_entry_certificate_is_durable"),),
        rows=(12,),
    ),
    Mutant(
        "a certificate is as good as the block",
        (Change(voting, "commit", "if state.blocks.get(certificate.block_hash) is None:", "if False:"),),
        (Story("row_13_prepared_is_not_stored"),),
        rows=(13,),
    ),
    Mutant(
        "a leader proposes what its own check refuses",
        (
            Change(proposing, "take_built", " or built.facts is None", ""),
            Change(
                proposing,
                "take_built",
                ("assert built.facts.round == state.round\n    assert built.facts.proposer == state.context.me\n"),
                "",
            ),
        ),
        (Story("row_17_a_leader_checks_its_own_block"),),
        rows=(17,),
    ),
    Mutant(
        "a restarted node repeats nothing",
        (Change(engine, "_restore", "if message.statement.round == state.round:", "if False:"),),
        (Story("row_02_restart_with_exactly_a_quorum_alive"),),
        rows=(2,),
    ),
    Mutant(
        "A9: own votes are not counted after a restart",
        (
            Change(
                engine, "_restore", ("    for message in messages:\n        learning.learn(state, message)"), "    pass"
            ),
        ),
        (Story("amendment_A9_a_restart_counts_its_own_votes"),),
    ),
    Mutant(
        "a timeout is repeated with the newest certificate instead of the one it names",
        (
            Change(
                pacemaker,
                "_resend",
                "                state.effects.append(Broadcast(message))",
                (
                    "                if kind is StatementType.TIMEOUT:\n"
                    "                    newest = max(state.prepare_certificates, default=NO_ROUND)\n"
                    "                    signed = message.statement, message.validator, message.signature\n"
                    "                    message = type(message)(*signed, state.prepare_certificates.get(newest))\n"
                    "                state.effects.append(Broadcast(message))"
                ),
            ),
        ),
        (Drawn(("reputation",)),),
        rows=(2,),
    ),
    Mutant(
        "a timeout may name a round above its own",
        (Change(verification, "_check_high", "statement.high_round > statement.round", "False"),),
        (Story("hq_is_not_above_the_round_others"),),
    ),
    Mutant(
        "a timeout names a certificate of a later round",
        (
            Change(
                pacemaker,
                "give_up",
                "(round for round in state.prepare_certificates if round <= state.round)",
                "state.prepare_certificates",
            ),
        ),
        (Story("hq_is_not_above_the_round_own"),),
    ),
)
