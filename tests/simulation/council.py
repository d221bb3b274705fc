"""The operators: they propose and approve the changes of the plan, one after the other, through whichever node answers.

They see what a node that runs has in its chain, submit the same bytes again until they are in a block, and go on with
the next change when the one before is in force. All of them agree; a proposal that fails is a violation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.kinds import Operation
from ledger.rows.governance import ProposalState
from ledger.state import State
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from tests.simulation.clock import HOUR_MS
from tests.simulation.eras import Era, changes_between, entry_of, newcomers
from tests.simulation.violation import demand
from tests.unit.ledger.founders import founder, ready_of

if TYPE_CHECKING:
    from tests.simulation.world import World

_EVERY_MS = 50
_NONCE = 1 << 64  # clients number theirs from 0


class Council:
    """What the operators of all validators do together."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: dict[tuple[str, int, int], Transaction] = {}
        self._numbers = 0

    @property
    def done(self) -> bool:
        """Whether every change of the plan is in force on some node."""
        state = self._state()
        return state is not None and self._in_force(state) == len(self._world.plan.eras) - 1

    def meet(self) -> None:
        """Do what is next, and meet again."""
        world = self._world
        world.at(world.now_ms + _EVERY_MS, self.meet)
        state = self._state()
        if state is None:
            return
        number = self._in_force(state) + 1
        if number < len(world.plan.eras):
            self._pursue(state, number, world.plan.eras[number - 1], world.plan.eras[number])

    def count(self) -> None:
        """Count the changes that came into force, by kind, and those whose own block the removed validator proposed."""
        world, state = self._world, self._state()
        if state is None:
            return
        eras = world.plan.eras
        for number in range(self._in_force(state)):
            for change in changes_between(eras[number], eras[number + 1]):
                world.faults[f"set change: {type(change).__name__}"] += 1
            world.faults["set change: to one validator"] += len(eras[number + 1].seats) == 1
        chain = max(world.sound, key=lambda machine: machine.durable_height).durable_chain()
        for height in range(1, chain.tip.header.height):
            names = {validator.name for validator in world.sets.at(height + 1).validators}
            world.faults["set change: proposer removed by its own block"] += chain.header(height).proposer not in names

    def _state(self) -> State | None:
        """What the node that is furthest says, of those that run and do not lie."""
        up = [machine for machine in self._world.sound if machine.replica is not None]
        running = [machine for machine in up if not machine.disk.is_broken]
        if not running:
            return None
        best = max(running, key=lambda machine: machine.running.status().height)
        return State(best.running._parts.chain.state)

    def _in_force(self, state: State) -> int:
        """How many changes are in force."""
        count = 0
        while (proposal := state.proposal(count + 1)) is not None and proposal.state is ProposalState.ACTIVE:
            count += 1
        return count

    def _pursue(self, state: State, number: int, before: Era, after: Era) -> None:
        """Bring change `number` a step further."""
        proposal = state.proposal(number)
        genesis = self._world.genesis
        if proposal is None:
            missing = [seat for seat in newcomers(before, after) if state.candidate(f"v{seat[0]}") is None]
            for seat in missing:
                self._submit("ready", number, seat[0], ready_of(genesis.chain, entry_of(seat), founder(seat[1]), 0))
            if not missing:
                changes = changes_between(before, after)
                create = ProposalCreate("org0", changes, genesis.time_ms + 12 * HOUR_MS, after.delay)
                self._submit("create", number, 0, create)
            return
        demand(
            proposal.state in (ProposalState.OPEN, ProposalState.APPROVED),
            "council",
            f"change {number} is {proposal.state} ({proposal.code})",
        )
        if proposal.state is ProposalState.OPEN:
            for validator, _ in before.seats:
                vote = ProposalVote(f"org{validator}", number, proposal.digest, True)
                self._submit("vote", number, validator, vote)
        else:  # heights pass only when somebody wants something
            self._world.submit(self._world.rng.choice(self._world.machines), self._world.submitted)

    def _submit(self, what: str, number: int, who: int, operation: Operation) -> None:
        """Submit this operation to some node, in the same transaction as before."""
        key = (what, number, who)
        made = self._made.get(key)
        if made is None:
            self._numbers += 1
            body = build_body(
                chain=self._world.genesis.chain,
                sender=operation.by,
                nonce=(_NONCE + self._numbers).to_bytes(16, "big"),
                valid_until_ms=self._world.genesis.time_ms + 12 * HOUR_MS,
                operations=[operation],
            )
            key_of_operator = founder(int(operation.by.removeprefix("org"))).operator_key
            parsed = parse_transaction(assemble(body, [sign_body(body, key_of_operator)]))
            assert isinstance(parsed, Transaction), parsed
            made = self._made[key] = parsed
        self._world.submit_transaction(self._world.rng.choice(self._world.machines), made)
