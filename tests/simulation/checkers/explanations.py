"""What the doctor of an honest machine finds is true, and a stall is explained: looked at now and then, on each one.

The simulator knows what is wrong: who is honest, whose power is off, who pauses, which clocks are off, where everybody
is. A finding may be about a liar whatever it says; about an honest machine it must be so. While links lose and delay
what they like, silence says nothing about who is silent; once the network has healed it does.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.limits import EVIDENCE_PER_VALIDATOR_MAX
from ledger.state import State
from node.doctor import Accusation, Finding, FindingCode, Severity, examine
from node.doctor.others import Missing, missing_validators
from node.replica import Replica, ReplicaStatus, Role
from node.storage.paging import PageRequest
from node.storage.queries import Queries
from tests.simulation.violation import demand

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World

_NAME = "explanations"
_EVERY_MS = 1_000
_HEALED_MS = 6_000  # the longest patience, by the fastest clock
_STALLED_MS = 4_500  # three rounds, each as long as patience lasts
_MOVED_MS = 500  # what others say of themselves is as old as a tick
_CLOCKS_APART_MS = 5_000
_NEVER_OF_SOUND_DISKS = frozenset({FindingCode.CERTIFIED_BLOCK_REFUSED, FindingCode.CHAINS_CONFLICT})
_BY_LIARS = frozenset({FindingCode.VOTES_DIFFER, FindingCode.BLOCK_REFUSED})


@dataclass(slots=True)
class _Seen:
    """Of one machine: where it is, and since when; and by its own clock when its last step began, the longest time from
    one to the next since it started, and since when it has not been idle at its height."""

    position: tuple[int, int]
    moved_at_ms: int
    step_began_at_ms: int
    boots: int
    longest_gap_ms: int = 0
    examined_at_ms: int = 0
    busy_at_ms: int | None = None


class Explanations:
    """`explained` counts the stalls that were looked at, `findings` the findings, by code."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen: dict[int, _Seen] = {}
        self._healed_at_ms: int | None = None
        self.heals = True
        """Whether the network carries everything once nothing goes wrong any more."""
        self.explained = 0
        self.findings: Counter[FindingCode] = Counter()

    def stepped(self, machine: Machine) -> None:
        """After a step of an honest machine."""
        now_ms, deciding = self._world.now_ms, machine.running._parts.deciding
        # A step whose sync is slow is over, and this called, long after it began and wished to be woken.
        position, own_ms = (deciding.height, deciding.engine.round), machine.running._parts.now.monotonic_ms
        seen = self._seen.get(machine.identity.index)
        if seen is None or seen.boots != machine.boots:
            self._seen[machine.identity.index] = _Seen(position, now_ms, own_ms, machine.boots, examined_at_ms=now_ms)
            return
        seen.longest_gap_ms = max(seen.longest_gap_ms, own_ms - seen.step_began_at_ms)
        seen.step_began_at_ms = own_ms
        if position[0] != seen.position[0]:
            seen.busy_at_ms = None
        if seen.busy_at_ms is None and deciding.engine.state.round_ends_at_ms is not None:
            seen.busy_at_ms = own_ms
        if position != seen.position:
            seen.position, seen.moved_at_ms = position, now_ms
        if self._healed_at_ms is None and self.heals and not self._world.faulty:
            self._healed_at_ms = now_ms
        if now_ms - seen.examined_at_ms >= _EVERY_MS:
            seen.examined_at_ms = now_ms
            self._examine(machine, seen)

    def _examine(self, machine: Machine, seen: _Seen) -> None:
        status = machine.running.status()
        found = findings_of(machine.running, machine)
        for finding in found:
            self.findings[finding.code] += 1
            self._check(machine, seen, status, finding)
        for item in missing_validators(status):
            self._check_missing(machine, status, item)
        busy_ms = 0 if seen.busy_at_ms is None else seen.step_began_at_ms - seen.busy_at_ms
        if status.round_ms is not None and busy_ms >= _STALLED_MS:
            worst = [finding.code for finding in found if finding.severity is Severity.ERROR]
            behind = any(finding.code is FindingCode.BEHIND for finding in found)
            demand(bool(worst) or behind, _NAME, f"{machine.identity.name} stands still and says nothing: {status}")
            self.explained += 1

    def _check(self, machine: Machine, seen: _Seen, status: ReplicaStatus, finding: Finding) -> None:
        """Whether a finding is so."""
        name, code = machine.identity.name, finding.code
        says = f"{name} says {code}, {finding.sentence}"
        within_bound = self._world.checkers.within_bound  # beyond it chains fork, and the doctor says so
        demand(code not in _NEVER_OF_SOUND_DISKS or not within_bound, _NAME, says)
        if code in _BY_LIARS:
            demand(self._liars(status), _NAME, f"{says}; and nobody lies")
        elif code is FindingCode.EVIDENCE_FOUND:
            honest = self._world.honest_names_at(status.deciding)
            demand(honest.isdisjoint(finding.validators), _NAME, f"{says}; and it is honest")
        elif code is FindingCode.CLOCK_WRONG:
            offsets = [other.clock.offset_ms for other in self._world.machines]
            off = max(offsets) - min(offsets) > _CLOCKS_APART_MS or self._world.plan.clocks == "jumping"
            demand(off, _NAME, f"{says}; and all clocks are right")
        elif code is FindingCode.STOOD_STILL:
            demand(status.stood_still_ms <= seen.longest_gap_ms, _NAME, f"{says}; and it never did")
        elif code is FindingCode.NOT_VOTING and within_bound:
            demand(status.reason.startswith("fetching blocks"), _NAME, f"{says}; and its disk has all of it")
        elif code is FindingCode.BEHIND and not self._liars(status) and not self._misheard(machine):
            highest = max(other.durable_height for other in self._world.honest)
            demand(highest >= status.deciding, _NAME, f"{says}; and nobody is further")

    def _misheard(self, machine: Machine) -> bool:
        """Whether a damaged frame may have told the machine that a peer is further than it is: no status is signed."""
        return any(self._world.excused(machine, other.identity.peer) for other in self._world.machines)

    def _check_missing(self, machine: Machine, status: ReplicaStatus, item: Missing) -> None:
        """Whether an honest validator really does not do its part."""
        index = status.validators.index(item.validator)
        peer = machine.running._parts.deciding.peer_of(index)
        others = self._world.machines_of(peer)
        if not others or not all(other.honest and not other.damaged for other in others):
            return
        (other,) = others
        healed = self._healed_at_ms is not None and self._world.now_ms - self._healed_at_ms > _HEALED_MS
        says = f"{machine.identity.name} says that {item.validator} is {item.code}, {item.words}"
        if item.code is FindingCode.VALIDATORS_UNREACHABLE:
            linked = self._world.linked(machine, other) and not machine._inbox
            demand(not linked, _NAME, f"{says}; and they are linked")
        elif item.code is FindingCode.VALIDATORS_SILENT and healed:
            demand(other.replica is None, _NAME, f"{says}; and nothing keeps it from speaking")
        elif item.code in (FindingCode.VALIDATORS_BEHIND, FindingCode.VALIDATORS_LAGGING) and healed:
            demand(self._is_less_far(machine, other), _NAME, f"{says}; and it is as far as this")
        elif item.code is FindingCode.VALIDATORS_NOT_VOTING and healed:
            votes = other.replica is not None and other.running.status().role is Role.VOTING
            slow = 2 * other.clock._rate_permille < machine.clock._rate_permille
            demand(not votes or slow, _NAME, f"{says}; and it votes")

    def _is_less_far(self, machine: Machine, other: Machine) -> bool:
        """Whether the other is not where this machine is, or was not until now."""
        if other.replica is None:
            return True
        mine, its = self._seen[machine.identity.index], self._seen.get(other.identity.index)
        if its is None or its.position < mine.position:
            return True
        return self._world.now_ms - its.moved_at_ms <= _MOVED_MS

    def _liars(self, status: ReplicaStatus) -> bool:
        """Whether any validator of the height is not honest."""
        return not self._world.honest_names_at(status.deciding).issuperset(status.validators)


def findings_of(replica: Replica, machine: Machine) -> tuple[Finding, ...]:
    """What `/v1/doctor` of a replica would say, but for its disk, which has room. It may have halted; `machine` is one
    that runs, and whose state can be read."""
    chain = machine.running._parts.chain
    state, newest = State(chain.state), PageRequest(EVIDENCE_PER_VALIDATOR_MAX)
    accusations = {Accusation(item.validator, item.height) for item in replica.evidence()}
    for validator in state.validators().validators:
        recorded = Queries(chain).recorded_evidence(validator.name, newest).items
        accusations |= {Accusation(item.validator, item.height) for item in recorded}
    return examine(replica.status(), state, accusations=accusations, storage_low=False, dial_faults={})
