"""Everything that must hold, in every run: one small file for each invariant, and the list of them here.

    I1       agreement     the same block at each height on all honest machines, ever
    I2       links         heights are contiguous, and each block builds on the one before it
    I3       certificates  every block, and every certificate that is passed on, is proved by its quorum (`stranger`)
    I4       signing       no honest validator signs two statements of a type in one round, or without a seat
    I5       framing       nothing that an honest validator says is evidence (`contradictions`)
    I6       holding       what a vote says that its validator holds is on the disk when it leaves
    I7       durability    what is said is on the disk, and in the guard, when it leaves
    I8       forward       heights and rounds never go back, also across restarts
    I9       preparing     one prepared block in each round
    I10      locking       what was committed binds all later rounds
    I11      restarting    a restart from a durable image goes on in one way
    I12      rejoining     after a commit, who took part has what who synced the block has (`synced`)
    I13      sets          the validator set of a height is the same on all (`tests.simulation.sets`)
    I14      audit         in the end a stranger re-executes all: nothing twice, everything signed
    I15      forks         a fork names at least 2q - n validators, and nobody honest
    I16      progress      asked by `run`, with its bound
    I17      bounds        everything that can grow has its bound
    I18      determinism   a test of its own (`test_determinism`)
    I19      reporting     what was reported committed is never lost
             pace          a round is given up when its time is over, and nothing happens without end
             signers       who signed last, as a node says it, is what its own records say
             cosigning     cosignatures only ever go forward, and are durable, with their block, before they leave
             reputation    no honest machine is blamed, accused or silenced
             explanations  the doctor says what is true, and explains every stall
             accusations   evidence gets onto the ledger, once, and against liars only
             model         what honest machines do at each height are steps of the model (`tests.model`)

The numbers are those of the consensus research, section 1.9. A `Violation` bears the name of its family: agreement is
I1 and I8; certificates I3, I9 and I10; statements I4 and I5; durability I6, I7 and I19; every other file has its own.

A machine whose disk is damaged may have lost what it had: it is not held to going on where it was (I8, I11, I12, I19);
but to all that it says, and in the end each row on its disk is unreadable or right (I14).

I1, I9 and I10 hold while no more validators sign two different things than the quorum bears; all others always.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ledger.consensus.messages import TimeoutCertificate
from node.replica import (
    Action,
    Answer,
    BlockAppended,
    Committed,
    Logged,
    PeerMisbehaved,
    ReplicaInput,
    SendTo,
    SendToAll,
)
from node.storage.errors import StorageError
from node.wire import Checkpoint, Consensus, Cosignature, Justification, PeerMessage, Records
from tests.model.recording import Recorder
from tests.simulation.checkers.accusations import Accusations
from tests.simulation.checkers.agreement import Agreement
from tests.simulation.checkers.audit import audit
from tests.simulation.checkers.bounds import Bounds
from tests.simulation.checkers.certificates import Certificates
from tests.simulation.checkers.contradictions import said_in_message
from tests.simulation.checkers.cosigning import Cosigning
from tests.simulation.checkers.durability import check_appended, check_found, check_spoken
from tests.simulation.checkers.explanations import Explanations
from tests.simulation.checkers.forks import Fork, find_forks
from tests.simulation.checkers.forward import Forward
from tests.simulation.checkers.framing import Framing
from tests.simulation.checkers.holding import check_held
from tests.simulation.checkers.links import Links
from tests.simulation.checkers.locking import Locking
from tests.simulation.checkers.model import check_traces
from tests.simulation.checkers.pace import Pace
from tests.simulation.checkers.preparing import Preparing
from tests.simulation.checkers.rejoining import Rejoining
from tests.simulation.checkers.reporting import Reporting
from tests.simulation.checkers.reputation import check_blame, check_log
from tests.simulation.checkers.restarting import Restarting
from tests.simulation.checkers.signing import Signing
from tests.simulation.checkers.stranger import Stranger, certificates_in
from tests.simulation.checkers.synced import Rows, Synced
from tests.simulation.eras import tolerated
from tests.simulation.violation import Violation

if TYPE_CHECKING:
    from tests.simulation.machine import Machine
    from tests.simulation.world import World


class Checkers:
    """Told of everything that honest machines say and do. `founding` are the rows of a database that has genesis."""

    def __init__(self, world: World, founding: Rows) -> None:
        self._world = world
        self.within_bound = tolerated(world.plan.eras, [machine for machine, _ in world.plan.byzantine])
        rng = random.Random(zlib.crc32(repr(world.plan).encode()))  # what is looked at changes nothing of the run
        synced = Synced(world, founding)
        self._synced = synced
        self.accusations = Accusations(world)
        self.agreement = Agreement(within_bound=self.within_bound)
        self.links = Links()
        self.certificates = Certificates(Stranger(world))
        self.signing = Signing()
        self.framing = Framing()
        self.forward = Forward()
        self.pace = Pace()
        self.preparing = Preparing()
        self.locking = Locking()
        self.restarting = Restarting(synced, rng)
        self.rejoining = Rejoining(synced, rng)
        self.bounds = Bounds()
        self.explanations = Explanations(world)
        self.reporting = Reporting()
        self.cosigning = Cosigning()
        self.recorder = Recorder(world)
        self.forks: list[Fork] = []
        """Found in the end."""
        self._spoken: set[tuple[int, bytes]] = set()

    def said(self, machine: Machine, action: Action) -> None:
        """An honest machine says something, in the middle of its step: it must be durable now."""
        match action:
            case SendTo(message=message) | SendToAll(message=message):
                self._sent(machine, message)
            case BlockAppended():
                self._appended(machine, action)
            case Answer(outcomes=outcomes):
                for outcome in outcomes:
                    if isinstance(outcome, Committed):
                        self.reporting.told(machine, outcome.transaction_id)
            case PeerMisbehaved(peer, reason):
                check_blame(machine, self._world.machines_of(peer), reason)
            case Logged():
                check_log(machine, action, self._world)
                self._logged(machine, action)
            case _:
                pass

    def _logged(self, machine: Machine, line: Logged) -> None:
        if line.event == "evidence_found":
            height, validator = line.fields["height"], line.fields["validator"]
            assert isinstance(height, int)
            assert isinstance(validator, str)
            check_found(machine, height, validator)

    def _appended(self, machine: Machine, block: BlockAppended) -> None:
        check_appended(machine, block)
        if not machine.damaged:
            self.links.appended(machine, block)
        self._world.sets.learn(machine)
        self.forward.appended(machine, block, self.agreement.announced.get(machine.identity.index, 0))
        self.agreement.appended(machine, block)
        certificate = self.certificates.appended(machine, block)
        if self.within_bound:
            self.locking.committed(certificate)
        if not machine.damaged:
            self.rejoining.appended(machine, block.height)
        self.reporting.announced(machine, block.transaction_ids)

    def _sent(self, machine: Machine, message: PeerMessage) -> None:
        match message:
            case Consensus():
                self._spoke(machine, message)
            case Justification(payload=encoded):
                self._showed(self.certificates.justification(encoded))
            case Records(items=items):
                for item in items:
                    self.certificates.served(item)
            case Cosignature() | Checkpoint():
                self.cosigning.sent(machine, message)
            case _:
                pass

    def _spoke(self, machine: Machine, message: Consensus) -> None:
        key = (machine.identity.index, message.payload)
        if key in self._spoken:  # what is durable once stays so: a repetition says nothing new
            return
        decoded = self._world.memory.decode(message.payload)
        if not isinstance(decoded, TimeoutCertificate):
            self.recorder.said(machine, decoded.statement)
            self.signing.seated(machine, decoded.statement.height, decoded.validator)
        value = self.certificates.message(message.payload)
        self._showed(value)
        if not isinstance(decoded, TimeoutCertificate):  # only certificates of others are passed on
            has_prepared = self.signing.has_said(machine, value["height"], value["round"], "prepare")
            check_spoken(machine, value, message.payload, has_prepared=has_prepared)
            check_held(machine, value)
            said = said_in_message(value)
            self.signing.spoken(machine, said)
            self.framing.spoken(machine, said, decoded)
            self.pace.spoken(machine, decoded)
        self._spoken.add(key)

    def _showed(self, value: dict[str, object]) -> None:
        """A machine shows the certificates in this."""
        for kind, certificate in certificates_in(value) if self.within_bound else ():
            if kind == "prepare":
                self.preparing.seen(certificate)
            else:
                self.locking.given_up(certificate)

    def booted(self, machine: Machine) -> None:
        """A machine came back."""
        if machine.honest:
            self._world.sets.learn(machine)
            self.pace.looked_at(machine)
            height = machine.running._parts.deciding.height
            announced = self.agreement.announced.get(machine.identity.index, 0)
            if not machine.damaged:
                self.forward.booted(machine, announced, self.signing.newest_round(machine, height))
                self.restarting.booted(machine)
                self.recorder.booted(machine)
            self.agreement.booted(machine)

    def took(self, machine: Machine, inputs: Sequence[ReplicaInput], backlog: bool, actions: Sequence[Action]) -> None:
        """A machine took a step with these inputs; nothing of these actions was carried out yet."""
        if machine.honest:
            self.pace.took(machine, inputs)
        if machine.honest and not machine.damaged:
            self.restarting.took(machine, inputs, backlog, actions)

    def stepped(self, machine: Machine) -> None:
        """A step is done."""
        if machine.honest:
            self.forward.stepped(machine)
            self.bounds.stepped(machine)
            self.recorder.stepped(machine)
            if not (machine.damaged or machine.disk.is_broken):
                self.cosigning.stepped(machine)
                self.explanations.stepped(machine)
                self.rejoining.stepped(machine)
                self.restarting.stepped(machine)

    def finish(self) -> int:
        """The end of the run. Returns the height that was audited."""
        chains = [(machine, machine.durable_chain()) for machine in self._world.sound]
        self.forks = find_forks(self._world, chains)
        try:
            branches = audit(self._world, self._synced, self.agreement, self.reporting, chains)
        except StorageError as error:
            raise Violation("audit", f"a sound disk cannot be read: {error}") from error
        check_traces(self.recorder)
        if not branches:
            return 0
        self.accusations = branches[0].accusations
        return len(branches[0].hashes)
