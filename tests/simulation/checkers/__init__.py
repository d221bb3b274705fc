"""Everything that must hold, in every run: one small file per question, and the list of them here.

    agreement     I1, I2, I8   one chain; heights and rounds never go back, also across restarts
    statements    I4, I5       no honest validator ever contradicts itself, has two voices, or speaks without a seat
    durability    I6, I7, I19  what is said, and what it promises, is on the disk at the instant it is said
    certificates  I3, I9, I10  every block has a record that proves it; one prepared block per round; a commit locks
    cosigning                  cosignatures only ever go forward, and are durable, with their block, before they leave
    sets          I13          the validator set of a height is the same on all (`tests.simulation.sets`)
    reputation                 no honest machine is blamed, accused or silenced
    accusations                evidence gets onto the ledger, once, and against liars only
    bounds        I17          everything that can grow has its bound
    explanations               the doctor says what is true, and explains every stall
    audit         I14, I19     in the end a stranger re-executes the whole chain, and everything reported is in it once

Progress (I16) is asked by `run`, determinism (I18) by a test. The numbers are those of the consensus research,
section 1.9.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.consensus.messages import TimeoutCertificate
from node.replica import Action, Answer, BlockAppended, Committed, Logged, PeerMisbehaved, SendTo, SendToAll
from node.wire import Checkpoint, Consensus, Cosignature
from tests.simulation.checkers.accusations import Accusations
from tests.simulation.checkers.agreement import Agreement
from tests.simulation.checkers.audit import audit
from tests.simulation.checkers.bounds import Bounds
from tests.simulation.checkers.certificates import Certificates
from tests.simulation.checkers.cosigning import Cosigning
from tests.simulation.checkers.durability import check_appended, check_reported, check_spoken
from tests.simulation.checkers.explanations import Explanations
from tests.simulation.checkers.reputation import check_blame, check_log
from tests.simulation.checkers.statements import Statements

if TYPE_CHECKING:
    from ledger.primitives import Digest
    from tests.simulation.machine import Machine
    from tests.simulation.world import World


class Checkers:
    """Told of everything that honest machines say and do."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.accusations = Accusations(world)
        self.agreement = Agreement()
        self.statements = Statements()
        self.certificates = Certificates(world)
        self.cosigning = Cosigning()
        self.bounds = Bounds()
        self.explanations = Explanations(world)
        self.reported: dict[Digest, None] = {}
        self._spoken: set[tuple[int, bytes]] = set()

    def said(self, machine: Machine, action: Action) -> None:
        """An honest machine says something, in the middle of its step: it must be durable now."""
        match action:
            case SendTo(message=Consensus() as message) | SendToAll(message=Consensus() as message):
                self._sent(machine, message)
            case (
                SendTo(message=Cosignature() | Checkpoint() as message)
                | SendToAll(message=Cosignature() | Checkpoint() as message)
            ):
                self.cosigning.sent(machine, message)
            case BlockAppended():
                check_appended(machine, action)
                self._world.sets.learn(machine)
                self.agreement.appended(machine, action)
                self.certificates.appended(machine, action)
                self.reported.update(dict.fromkeys(action.transaction_ids))
            case Answer(outcomes=outcomes):
                for outcome in outcomes:
                    if isinstance(outcome, Committed):
                        check_reported(machine, outcome)
                        self.reported[outcome.transaction_id] = None
            case PeerMisbehaved(peer, reason):
                check_blame(machine, self._world.machines_of(peer), reason)
            case Logged():
                check_log(machine, action, self._world)
            case _:
                pass

    def _sent(self, machine: Machine, message: Consensus) -> None:
        key = (machine.identity.index, message.payload)
        if key in self._spoken:  # what is durable once stays so: a repetition says nothing new
            return
        said = self._world.memory.decode(message.payload)
        self.certificates.seen(said)
        if not isinstance(said, TimeoutCertificate):  # only certificates of others are passed on
            check_spoken(machine, said, message.payload)
            self.statements.spoken(machine, said)
        self._spoken.add(key)

    def booted(self, machine: Machine) -> None:
        """A machine came back."""
        if machine.honest:
            self._world.sets.learn(machine)
            self.agreement.booted(machine)
            self.statements.booted(machine)

    def stepped(self, machine: Machine) -> None:
        """A step is done."""
        if machine.honest:
            self.bounds.stepped(machine)
            self.explanations.stepped(machine)

    def finish(self) -> int:
        """The end of the run. Returns the height that was audited."""
        return audit(self._world, self.agreement, self.accusations, self.reported)
