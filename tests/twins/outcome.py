"""What is asked of every state of a whole network, whichever scenario led to it."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.consensus.evidence import find_evidence, statements_of_record
from ledger.consensus.statements import CommitStatement
from ledger.primitives import Digest
from tests.simulation.violation import Violation, demand
from tests.twins.instance import Instance, Setting
from tests.twins.phases import play

_Prepared = frozenset[tuple[int, Digest]]


@dataclass(frozen=True, slots=True)
class Facts:
    """What an instance has to do with the questions: `decided` is the block that it appended, `prepared` the rounds
    and blocks of its prepare certificates, `committed` those of its commit votes, `entry` the round that its entry
    certificate gives up, and the round and block to which this binds every later proposal."""

    validator: int
    honest: bool
    decided: Digest | None
    prepared: _Prepared
    committed: _Prepared
    entry: tuple[int, tuple[int, Digest] | None] | None


def facts_of(setting: Setting, instance: Instance) -> Facts:
    """The facts of an instance."""
    state = instance.state
    entry = None
    if state.entry is not None:
        prepared = state.entry.prepare_certificate
        entry = state.entry.round, None if prepared is None else (prepared.round, prepared.block_hash)
    votes = [signed.statement for signed in instance.said if isinstance(signed.statement, CommitStatement)]
    return Facts(
        setting.validator(instance.number),
        setting.honest(instance.number),
        instance.decided_hash,
        frozenset((item.round, item.block_hash) for item in state.prepare_certificates.values()),
        frozenset((vote.round, vote.block_hash) for vote in votes),
        entry,
    )


def forked(network: list[Facts]) -> bool:
    """Whether honest validators appended different blocks."""
    return len({facts.decided for facts in network if facts.honest and facts.decided is not None}) > 1


def check(setting: Setting, network: list[Facts]) -> None:
    """One chain (I1), one prepared block per round (I9), and what q committed is the only choice left (I10).

    Raises `Violation`.
    """
    demand(not forked(network), "agreement", "two blocks are decided")
    blocks: dict[int, Digest] = {}
    for facts in network:
        for round, name in facts.prepared:
            first = blocks.setdefault(round, name)
            demand(first == name, "certificates", f"two blocks are prepared in round {round}")
    signers: dict[tuple[int, Digest], set[int]] = {}
    for facts in network:
        for vote in facts.committed:
            signers.setdefault(vote, set()).add(facts.validator)
    for (round, name), validators in signers.items():
        if len(validators) >= setting.q:
            _check_lock(network, round, name)


def _check_lock(network: list[Facts], round: int, name: Digest) -> None:
    for facts in network:
        if facts.entry is None or facts.entry[0] < round:
            continue
        bound = facts.entry[1]
        if bound is None or bound[0] < round or bound[1] != name:
            raise Violation("certificates", f"round {facts.entry[0]} is left and not bound to what {round} committed")


def check_recovery(setting: Setting, instances: list[Instance], phases: int) -> bool:
    """Where nobody honest has decided after so many phases, somebody does in one more, in which the network is whole
    and the leader after the round that is given up is honest. Whoever decided has the record for all others, which is
    served by the replica and not by engines. Returns whether that was to be asked. Raises `Violation`.
    """
    honest = [instance.number for instance in instances if setting.honest(instance.number)]
    if any(instances[number].decided for number in honest):
        return False
    again = [instance.copy() for instance in instances]
    newest = max(instance.engine.round for instance in again)
    leaders = tuple(again[0].engine.context.leader(round) for round in range(newest + 1))
    for instance in again:
        instance.let_lead((*leaders, setting.twins))
    play(setting, again, (tuple(range(setting.instances)), ()), phases)
    decided = any(again[number].decided for number in honest)
    demand(decided, "progress", "nobody has decided though all is well again")
    check(setting, [facts_of(setting, instance) for instance in again])
    return True


def culprits(instances: list[Instance]) -> set[int]:
    """Whom the records of all that decided convict, with nothing else to go by (I15)."""
    records = [instance.decided for instance in instances if instance.decided is not None]
    statements = [signed for record in records for signed in statements_of_record(record)]
    return {first.validator for first, _ in find_evidence(statements)}
