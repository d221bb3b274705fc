"""A network of several operators for tests: who governs it, proposals and votes, block by block.

op1 .. op4       operate v1 .. v4 (quorum: bft, 3 of 4)
op5              operator without a validator; v5 is ready, operated by it
chief, deputy    administrators
desk, vault      registrar, treasurer
member, closed   without a role; closed is suspended
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ledger.execution import APPLIED, Execution, execute
from ledger.governance.changes import Change
from ledger.governance.proposals import proposal_digest
from ledger.governance.readiness import sign_ready
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.kinds import Operation, Place
from ledger.operations.validators import ValidatorReady
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.rows.accounts import Account
from ledger.rows.governance import Proposal, ProposalState
from ledger.state import Overlay, State, initial_state
from ledger.transaction import Transaction
from ledger.validators import Validator, ValidatorSet, parse_quorum
from tests.unit.ledger.members import CHAIN, Rows, account, body, key_of, signed
from tests.unit.ledger.operations.acting import PLACE

EXPIRES_MS = PLACE.time_ms + 3_600_000


def validator(number: int, operator: str | None = None, generation: str = "") -> Validator:
    """The entry of v<number>, operated by op<number>; another `generation` has other keys."""
    keys = [key_of(f"v{number} {purpose}{generation}").public_key for purpose in ("consensus", "node", "cosigning")]
    return Validator(f"v{number}", operator or f"op{number}", *keys, f"127.0.0.1:{9000 + number}")


def validators(count: int = 4, quorum: str | int = "bft", operators: int = 4) -> ValidatorSet:
    """v1 .. v<count>, operated in turns by op1 .. op<operators>."""
    entries = (validator(number, f"op{(number - 1) % operators + 1}") for number in range(1, count + 1))
    return ValidatorSet(tuple(entries), parse_quorum(quorum))


ACCOUNTS: tuple[Account, ...] = (
    *(account(f"op{number}", roles=("operator",)) for number in range(1, 6)),
    account("chief", roles=("administrator",)),
    account("deputy", roles=("administrator",)),
    account("desk", roles=("registrar",)),
    account("vault", roles=("treasurer",)),
    account("member"),
    account("closed", suspended=True),
)


def ready(
    number: int,
    *,
    generation: str = "",
    height: int = PLACE.height - 1,
    by: str | None = None,
    chain: Digest = CHAIN,
) -> ValidatorReady:
    """The operation by which v<number> says that it is ready."""
    entry = validator(number, by, generation)
    keys = {
        f"{purpose}_key": key_of(f"v{number} {purpose}{generation}") for purpose in ("consensus", "node", "cosigning")
    }
    return ValidatorReady(entry.operator, entry, height, sign_ready(chain, entry, height, **keys))


def create(
    *changes: Change, by: str = "chief", delay: int = 1, expires_ms: int = EXPIRES_MS, memo: str | None = None
) -> ProposalCreate:
    """A proposal of `changes`."""
    return ProposalCreate(by, changes, expires_ms, delay, memo=memo)


def digest_of(proposed: ProposalCreate, chain: Digest = CHAIN) -> Digest:
    """What votes on `proposed` name."""
    return proposal_digest(
        chain=chain,
        proposer=proposed.by,
        changes=proposed.changes,
        expires_ms=proposed.expires,
        delay=proposed.delay,
        evidence=proposed.evidence or (),
        memo=proposed.memo,
    )


def vote(by: str, proposed: ProposalCreate, number: int = 1, *, approve: bool = True) -> ProposalVote:
    """A vote on `proposed`, which is proposal `number`."""
    return ProposalVote(by, number, digest_of(proposed), approve)


def votes(proposed: ProposalCreate, *voters: str, number: int = 1) -> tuple[ProposalVote, ...]:
    """Approvals of `proposed` by `voters`."""
    return tuple(vote(by, proposed, number) for by in voters)


def first_rows(network: ValidatorSet | None = None, accounts: Iterable[Account] = ACCOUNTS) -> Rows:
    """The state of height 0."""
    return Rows(initial_state(validators=network or validators(), accounts=tuple(accounts), parameters=Parameters()))


def council(*operations: Operation) -> Overlay:
    """The network within the block of PLACE, after v5 and new keys of v1 said that they are ready, and `operations`."""
    overlay = Overlay(State(first_rows()))
    for operation in (ready(5), ready(1, generation=" new"), *operations):
        outcome = operation.apply(overlay, PLACE)
        assert not isinstance(outcome, Refusal), outcome
    return overlay


class Council:
    """The network over many blocks. Every operation is a transaction of its own unless `together` is used."""

    def __init__(self, network: ValidatorSet | None = None, accounts: Iterable[Account] = ACCOUNTS) -> None:
        self.view = first_rows(network, accounts)
        self.height = 0
        self.time_ms = PLACE.time_ms
        self._nonce = 0

    @property
    def state(self) -> State:
        """The state after the newest block."""
        return State(self.view)

    def transaction(self, *operations: Operation) -> Transaction:
        """One transaction of `operations`, sent by whoever the first is by, with the consent of the others."""
        self._nonce += 1
        by = list(dict.fromkeys(operation.by for operation in operations))
        return signed(body(by[0], operations, nonce=self._nonce, cosigners=sorted(by[1:])), *by)

    def block(self, *transactions: Operation | Transaction) -> list[str]:
        """The results of the next block."""
        return list(self.execute(*transactions).results)

    def execute(self, *transactions: Operation | Transaction) -> Execution:
        """The next block."""
        self.height += 1
        self.time_ms += 1_000
        execution = execute(
            self.state,
            chain=CHAIN,
            height=self.height,
            time_ms=self.time_ms,
            transactions=[item if isinstance(item, Transaction) else self.transaction(item) for item in transactions],
        )
        self.view = self.view.after(execution.writes)
        return execution

    def idle(self, heights: int) -> None:
        """So many empty blocks."""
        for _ in range(heights):
            assert self.block() == []

    def ready(self, number: int, *, generation: str = "", by: str | None = None) -> Digest:
        """The digest of the entry of v<number>, which said in the next block that it is ready."""
        operation = ready(number, generation=generation, height=self.height, by=by)
        assert self.block(operation) == [APPLIED]
        return operation.entry.digest

    def propose(self, *changes: Change, by: str = "chief", delay: int = 1) -> ProposalCreate:
        """A proposal of `changes`, made in the next block."""
        proposed = create(*changes, by=by, delay=delay)
        assert self.block(proposed) == [APPLIED]
        return proposed

    def decide(self, *changes: Change, by: str = "chief", delay: int = 1) -> Proposal:
        """A proposal of `changes`, made in the next block and approved in the one after by all that may vote."""
        proposed = self.propose(*changes, by=by, delay=delay)
        number = self.state.governance().count
        for voter in sorted({item.operator for item in self.state.validators().validators}):
            self.block(vote(voter, proposed, number))
            if self.proposal(number).state is not ProposalState.OPEN:
                break
        return self.proposal(number)

    def proposal(self, number: int) -> Proposal:
        """Proposal `number`."""
        row = self.state.proposal(number)
        assert row is not None
        return row


Spoil = Callable[[Overlay], None]
"""What makes changes impossible that were possible before."""


def place(height: int, time_ms: int = PLACE.time_ms) -> Place:
    """A place in the block at `height`."""
    return PLACE._replace(height=height, time_ms=time_ms)
