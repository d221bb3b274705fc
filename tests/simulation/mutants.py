"""Bugs, to see whether the checkers see them: production functions with one line changed while a test runs.

A mutant names functions and, for each, a text in its source and what stands there instead. Only the function's code is
exchanged, so everybody who imported it runs the mutant. A check that cannot fail is worthless.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType
from typing import Any

from ledger import admission, evidence_admission
from ledger.consensus import engine, justification, learning, pacemaker, proposing, state, verification, votes, voting
from node import membership
from node.replica import (
    cosigned,
    cosigning,
    deciding,
    door,
    gathering,
    hearing,
    opening,
    replica,
    reports,
    serving,
    voice,
)
from node.storage import chain_store, guard, set_changes
from tests.simulation.plan import Plan


@dataclass(frozen=True, slots=True)
class Change:
    """One line of one function (`name`, or `Class.name`) of `module`."""

    module: ModuleType
    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug, and which of the checkers must see it, one of them.

    Where it shows only now and then, what helps: (n, q), what is drawn, and how many `seeds` it may take. Some show
    only when the validator set changes: `set_changes`.
    """

    name: str
    changes: tuple[Change, ...]
    seen_by: tuple[str, ...]
    quorum: tuple[int, int] | None = None
    adjust: Callable[[Plan], Plan] | None = None
    set_changes: bool = False
    seeds: int = 40


_NO_GATE = Change(  # the engine's own last assertion, which would see some mutants before any checker
    state,
    "HeightState.promise",
    "assert contradiction(earlier, statement) is None",
    "assert True or contradiction(earlier, statement) is None",
)


def _with(**drawn: Any) -> Callable[[Plan], Plan]:
    """Draws replaced."""
    return lambda plan: replace(plan, **drawn)


MUTANTS = (
    Mutant(
        "votes leave before they are written",
        (
            Change(
                voice,
                "speak",
                "    chain.promise(_promises(casts, own, deciding))\n",
                "    for item in own:\n        out.send_to_validators(Consensus(deciding.height, item.payload))\n"
                "    chain.promise(_promises(casts, own, deciding))\n",
            ),
        ),
        ("durability",),
    ),
    Mutant(
        "votes are written and not synced",
        (Change(chain_store, "ChainStore.promise", "sync=True", "sync=False"),),
        ("durability",),
    ),
    Mutant(
        "A4a: blocks are written and not synced",
        (Change(chain_store, "ChainStore.commit", "sync=True", "sync=False"),),
        ("durability",),
    ),
    Mutant(
        "the guard is not written",
        (Change(guard, "MemoryGuard.write", "self.writes += 1", "return"),),
        ("durability",),
    ),
    Mutant(
        "the guard is not brought up to date at start",
        (Change(opening, "renew_guard", "if guard.read() != record:", "if False:"),),
        ("durability", "assertion"),
        seeds=200,
    ),
    Mutant(
        "cosignatures are written and not synced",
        (Change(cosigning, "_cosign", "sync=True", "sync=False"),),
        ("cosigning",),
    ),
    Mutant(
        "the guard does not know of cosignatures",
        (Change(cosigning, "_guard", "parts.guard.write(record)", "return"),),
        ("cosigning",),
        adjust=_with(clocks="right", safety_ms=5_000, heartbeat_ms=300),
    ),
    Mutant(
        "a cosignature may be earlier than the one before",
        (Change(cosigning, "_may_follow", "if time_s <= newest.time_s:", "if time_s == newest.time_s:"),),
        ("cosigning",),
        adjust=_with(clocks="jumping", safety_ms=5_000, heartbeat_ms=300),
    ),
    Mutant(
        "what was cosigned is forgotten",
        (Change(cosigned, "read_cosigned", "newest = _own(chain)", "newest = None"),),
        ("cosigning", "reputation"),
        adjust=_with(clocks="right", power_cuts=2, safety_ms=5_000, heartbeat_ms=300),
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
        ("progress",),
        adjust=_with(clocks="right", heartbeat_ms=60_000),
    ),
    Mutant(
        "one cosignature less than a quorum suffices",
        (
            Change(
                gathering, "_complete", "if len(found) < validators.quorum:", "if len(found) < validators.quorum - 1:"
            ),
        ),
        ("cosigning", "reputation"),
        quorum=(4, 3),
    ),
    Mutant(
        "a restarted node does not remember its votes",
        (Change(replica, "Replica._restored", "return promises, restored", "return Promises(height), None"),),
        ("assertion", "statements", "reputation"),
    ),
    Mutant(
        "A2: the entry certificate is not durable",
        (Change(state, "HeightState.durable", "[self.entry] if self.entry is not None else []", "[]"),),
        ("durability",),
    ),
    Mutant(
        "commit after timeout",
        (
            Change(voting, "_gave_up", "return any(", "return False and any("),
            _NO_GATE,
        ),
        ("statements", "reputation"),
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
            _NO_GATE,
        ),
        ("statements", "reputation", "agreement", "certificates"),
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
            _NO_GATE,
        ),
        ("statements", "reputation", "agreement", "certificates"),
        quorum=(4, 3),
        seeds=200,
    ),
    Mutant(
        "A1: prepare another block than the one committed",
        (
            Change(voting, "prepare", "committed.block_hash != statement.block_hash", "False"),
            Change(voting, "braked", "return state", "return False and state"),
            _NO_GATE,
        ),
        ("statements", "reputation"),
        quorum=(4, 3),
        adjust=_with(byzantine=((2, "framer"),), dead=(), lively=True, loss=0.1, step_ms=0),
        seeds=200,
    ),
    Mutant(
        "A3: a timeout certificate may name what nobody has",
        (
            Change(
                verification,
                "verify_timeout_certificate",
                "_check_named(prepared, high_round, certificate.round)  # amendment A3\n"
                "        assert prepared is not None",
                "if prepared is None:\n            return",
            ),
        ),
        ("certificates", "progress"),
        quorum=(4, 3),
        adjust=_with(byzantine=((2, "liar"),), dead=(), lively=True, lie_rate=0.3),
        seeds=100,
    ),
    Mutant(
        "A7: a clock that is wrong keeps its leader from ever being heard",
        (Change(voting, "_timely", "facts.time_ms == state.context.parent_time_ms + 1", "False"),),
        ("progress",),
        adjust=_with(clocks="jumping"),
        seeds=100,
    ),
    Mutant(
        "A8: another justification is kept than the one that the prepare vote binds",
        (Change(voting, "prepare", "state.entry = proposal.justification", "pass"),),
        ("durability", "assertion"),
        quorum=(4, 3),
        seeds=150,
    ),
    Mutant(
        "A4c: what others say starts no timer, and what was said before a restart neither",
        (
            Change(engine, "_take", "state.heard = True", "state.heard = False"),
            Change(engine, "_restore", "state.heard = bool(messages)", "state.heard = False"),
        ),
        ("progress",),
        adjust=_with(quiet=True, heartbeat_ms=60_000),
        seeds=100,
    ),
    Mutant(
        "leaders and voters choose freely",
        (
            Change(justification, "allows", "return fresh_round == round if prepared is None", "return True if True"),
            Change(proposing, "propose", "None if state.entry is None", "None if True"),
        ),
        ("agreement", "certificates", "statements", "progress", "model"),
        seeds=100,
    ),
    Mutant(
        "one vote less is a quorum",
        (Change(votes, "VoteBook._quorum_for", "len(signers) < self.quorum", "len(signers) < self.quorum - 1"),),
        ("step", "reputation", "certificates"),
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
        ("agreement", "certificates", "audit"),
    ),
    Mutant(
        "nothing is ever sent again",
        (Change(pacemaker, "_resend", "if state.votes:", "return\n    if state.votes:"),),
        ("progress",),
    ),
    Mutant(
        "blocks are not served to those behind",
        (Change(serving, "send_records", "if records.items:", "if False:"),),
        ("progress",),
    ),
    Mutant(
        "early messages are judged at once",
        (
            Change(
                hearing,
                "_hear_consensus",
                "parts.postbox.put(peer, payload)",
                "judge_consensus(parts, peer, payload)",
            ),
        ),
        ("reputation",),
    ),
    Mutant(
        "what is pending is reported committed",
        (Change(door, "Door._known", "return Pending(known.id)", "return Committed(known.id)"),),
        ("durability",),
    ),
    Mutant(
        "a committed id may be used again",
        (Change(chain_store, "ChainStore.transaction_committed", "return ", "return False and "),),
        ("audit", "progress"),
    ),
    Mutant(
        "evidence is kept and not reported",
        (Change(reports, "Reports.submit", "if not self._waiting", "if True"),),
        ("progress",),
        quorum=(4, 3),
        adjust=_with(byzantine=((2, "twin"),), dead=(), lively=True),
    ),
    Mutant(
        "a block may accuse twice",
        (Change(admission, "BlockAdmission._admit_evidence", "if accusation in self._accusations:", "if False:"),),
        ("assertion",),
        quorum=(4, 3),
        adjust=_with(byzantine=((2, "twin"),), dead=(), lively=True),
        seeds=100,
    ),
    Mutant(
        "what is recorded may be recorded again",
        (Change(evidence_admission, "_check_evidence", "if recorded is not None:", "if False and recorded:"),),
        ("assertion",),
        quorum=(4, 3),
        adjust=_with(byzantine=((2, "twin"),), dead=(), lively=True),
        seeds=100,
    ),
    Mutant(
        "a third proposal of a round is kept",
        (Change(learning, "_learn_proposal", "if len(proposals) < PROPOSALS_PER_ROUND_MAX:", "if True:"),),
        ("bounds",),
        quorum=(4, 3),
        adjust=_with(byzantine=((2, "liar"),), dead=(), lively=True, lie_rate=0.3),
        seeds=100,
    ),
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
        ("assertion", "certificates", "reputation", "statements", "progress", "step"),
        set_changes=True,
    ),
    Mutant(
        "a record is held against the set that its own block decided",
        (Change(chain_store, "ChainStore.record", "self.validators_of(height)", "self.validators_of(height + 1)"),),
        ("reputation", "step", "audit"),
        set_changes=True,
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
        ("statements",),
        set_changes=True,
    ),
    Mutant(
        "a validator that was re-keyed votes with its old key, too",
        (
            Change(
                deciding,
                "begin",
                "validators.index_of_consensus_key(key)\n",
                "validators.index_of_consensus_key(key)\n"
                "    known = None if key is None else state.validator_key(key)\n"
                "    if me is None and known is not None:\n"
                "        names = [validator.name for validator in validators.validators]\n"
                "        me = names.index(known.validator) if known.validator in names else None\n",
            ),
        ),
        ("statements", "reputation"),
        set_changes=True,
    ),
    Mutant(
        "links to removed validators are kept for ever",
        (Change(membership, "Membership.follow", "> removed.height + 1", "< 0"),),
        ("progress",),
        set_changes=True,
    ),
    Mutant(
        "removed validators are not linked any more",
        (Change(membership, "Membership._note_changes", "if validator.node_key not in after:", "if False:"),),
        ("progress",),
        set_changes=True,
        seeds=200,
    ),
    Mutant(
        "who is linked does not follow the set",
        (Change(membership, "Membership.follow", "if changed:", "if False:"),),
        ("progress",),
        set_changes=True,
    ),
    Mutant(
        "changes of the set are not indexed",
        (Change(set_changes, "write_set_change", "if changes_set(header):", "if False:"),),
        ("audit", "progress"),
        quorum=(3, 2),
        set_changes=True,
    ),
    Mutant(
        "the quorum is that of genesis",
        (Change(deciding, "begin", "quorum=validators.quorum", "quorum=chain.genesis.validators.quorum"),),
        ("assertion", "step", "progress", "certificates", "reputation"),
        set_changes=True,
    ),
)


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """Run the mutant instead of the original."""
    with ExitStack() as undo:
        for change in mutant.changes:
            function = _find(change)
            original = function.__code__
            undo.callback(setattr, function, "__code__", original)
            function.__code__ = _compile(change, function)
        yield


def _find(change: Change) -> FunctionType:
    found: object = change.module
    for name in change.name.split("."):
        found = inspect.getattr_static(found, name)
    assert isinstance(found, FunctionType), change.name
    return found


def _compile(change: Change, function: FunctionType) -> CodeType:
    source = textwrap.dedent(inspect.getsource(function))
    old = textwrap.dedent(change.old) if "\n" not in change.old else change.old
    assert source.count(old) == 1, f"{change.name} has {source.count(old)} times {old!r}"
    namespace: dict[str, object] = {}
    code = compile(
        "from __future__ import annotations\n" + source.replace(old, change.new), change.module.__file__ or "", "exec"
    )
    exec(code, dict(vars(change.module)), namespace)
    made = namespace[function.__name__]
    assert isinstance(made, FunctionType)
    return made.__code__
