"""Random histories of members and governance, sensible and senseless: what must hold after every block, holds.

Blocks are built and checked by the code of the chain, and transactions are signed with the keys that accounts have at
that height, so that everything between a signature and the header of a block takes part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ledger.chain import block_time_ms, build_block, check_block, leader_order_at
from ledger.crypto import SigningKey
from ledger.execution import APPLIED
from ledger.genesis import Genesis
from ledger.governance.changes import (
    Change,
    GrantRole,
    ParameterSet,
    QuorumSet,
    RecoverAccount,
    ReinstateAccount,
    RevokeRole,
    SuspendAccount,
    ValidatorAdd,
    ValidatorRekey,
    ValidatorRemove,
    changes_set,
)
from ledger.governance.readiness import sign_ready
from ledger.limits import PROPOSALS_OPEN_MAX, PROPOSALS_PENDING_MAX, VALIDATORS_MAX
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.governance import ProposalCreate, ProposalVote, ProposalWithdraw
from ledger.operations.kinds import Operation
from ledger.operations.members import AccountReinstate, AccountSuspend, RoleGrant, RoleRevoke
from ledger.operations.validators import ValidatorReady
from ledger.parameters import Parameters
from ledger.primitives import Digest, PublicKey
from ledger.roles import ROLES
from ledger.rows.accounts import Account, account_key, check_keys, parse_account_row
from ledger.rows.governance import ProposalState
from ledger.rows.validator_keys import parse_validator_key_row
from ledger.state import State
from ledger.transaction import Transaction, assemble, build_body, parse_transaction, sign_body
from ledger.validators import KeyPurpose, Validator, parse_quorum
from tests.unit.ledger.council import ACCOUNTS, first_rows, validators
from tests.unit.ledger.members import CHAIN, key_of
from tests.unit.ledger.sample_chain import MemoryChain

NAMES: Final = tuple(row.name for row in ACCOUNTS)
POOL: Final = tuple(key_of(label) for label in (*NAMES, *(f"spare {number}" for number in range(6))))
SIGNERS: Final[dict[PublicKey, SigningKey]] = {key.public_key: key for key in POOL}
KEYS: Final = st.lists(st.sampled_from(sorted(SIGNERS)), min_size=1, max_size=3).map(tuple)
NAME: Final = st.sampled_from((*NAMES, "new", "x.op1"))
ROLE: Final = st.sampled_from([str(role) for role in ROLES])
VALIDATOR: Final = st.integers(1, 7)
GENERATION: Final = st.integers(0, 2)
OPERATORS: Final = ("op1", "op2", "op3", "op4", "op5")


def entry_of(number: int, generation: int, operator: str) -> tuple[Validator, dict[str, SigningKey]]:
    """An entry of v<number>; generation 0 has the keys that genesis gave v1 .. v4."""
    suffix = f" {generation}" if generation else ""
    keys = {f"{purpose}_key": key_of(f"v{number} {purpose}{suffix}") for purpose in KeyPurpose}
    publics = {name: key.public_key for name, key in keys.items()}
    return Validator(name=f"v{number}", operator=operator, address=f"127.0.0.1:{9000 + number}", **publics), keys


SET_CHANGES: Final[st.SearchStrategy[Change]] = st.one_of(
    st.builds(
        lambda number, generation, operator: ValidatorAdd(
            f"v{number}", entry_of(number, generation, operator)[0].digest
        ),
        VALIDATOR,
        GENERATION,
        st.sampled_from(OPERATORS),
    ),
    st.builds(
        lambda number, generation, operator: ValidatorRekey(
            f"v{number}", entry_of(number, generation, operator)[0].digest
        ),
        VALIDATOR,
        GENERATION,
        st.sampled_from(OPERATORS),
    ),
    VALIDATOR.map(lambda number: ValidatorRemove(f"v{number}")),
    st.sampled_from([1, 2, 3, 4, 5, "bft", "majority"]).map(lambda value: QuorumSet(parse_quorum(value))),
)
OTHER_CHANGES: Final[st.SearchStrategy[Change]] = st.one_of(
    st.builds(GrantRole, NAME, ROLE),
    st.builds(RevokeRole, NAME, ROLE),
    NAME.map(SuspendAccount),
    NAME.map(ReinstateAccount),
    st.builds(RecoverAccount, NAME, KEYS, st.integers(0, 3)),
    st.builds(ParameterSet, st.sampled_from(["sender_quota", "base_timeout_ms"]), st.integers(0, 70_000)),
)
CHANGES: Final = st.one_of(
    st.lists(OTHER_CHANGES, min_size=1, max_size=2),
    st.lists(SET_CHANGES, min_size=1, max_size=3),
    st.lists(SET_CHANGES | OTHER_CHANGES, min_size=1, max_size=4),
)
MEMBER_OPERATIONS: Final[st.SearchStrategy[Operation]] = st.one_of(
    st.builds(AccountSuspend, NAME, NAME),
    st.builds(AccountReinstate, NAME, NAME),
    st.builds(RoleGrant, NAME, NAME, ROLE),
    st.builds(RoleRevoke, NAME, NAME, ROLE),
    st.builds(AccountKeys, NAME, KEYS, st.integers(0, 3)),
    st.builds(AccountAdd, NAME, NAME, KEYS, st.integers(0, 3), st.none() | ROLE.map(lambda role: (role,))),
)


class GovernanceMachine(RuleBasedStateMachine):
    """A chain of four validators, and everything that its members may think of."""

    def __init__(self) -> None:
        super().__init__()
        rows = first_rows().rows
        self.chain = MemoryChain(
            Genesis(b"", CHAIN, "test", 1_800_000_000_000, Parameters(), ACCOUNTS, validators(), rows)
        )
        self.queue: list[tuple[Operation, ...]] = []
        # For each key that was ever in a set: whose, for what, and the heights of which it was seen in force.
        self.seen: dict[PublicKey, tuple[str, KeyPurpose, list[int]]] = {}
        self.results: list[str] = []
        self.note_keys()

    @property
    def state(self) -> State:
        return State(self.chain)

    @property
    def height(self) -> int:
        return self.chain.tip.header.height

    # ---- what members do

    @rule(operations=st.lists(MEMBER_OPERATIONS, min_size=1, max_size=3))
    def act(self, operations: list[Operation]) -> None:
        self.queue.append(tuple(operations))

    @rule(
        by=st.sampled_from(("chief", "deputy", "op1", "op3", "member")),
        changes=CHANGES,
        delay=st.integers(1, 4),
        open_ms=st.sampled_from([2, 10_000]),
    )
    def propose(self, by: str, changes: list[Change], delay: int, open_ms: int) -> None:
        expires_ms = self.chain.tip.header.time_ms + open_ms
        self.queue.append((ProposalCreate(by, tuple(changes), expires_ms, delay),))

    @rule(number=VALIDATOR, generation=GENERATION, operator=st.sampled_from(OPERATORS))
    def get_ready(self, number: int, generation: int, operator: str) -> None:
        entry, keys = entry_of(number, generation, operator)
        proofs = sign_ready(CHAIN, entry, self.height, **keys)
        self.queue.append((ValidatorReady(operator, entry, self.height, proofs),))

    @rule(number=VALIDATOR, generation=GENERATION, operator=st.sampled_from(OPERATORS), delay=st.integers(1, 3))
    def join_or_rekey(self, number: int, generation: int, operator: str, delay: int) -> None:
        """What sensible people do: be ready, propose, approve."""
        present = {validator.name: validator for validator in self.state.validators().validators}
        name = f"v{number}"
        if name in present:
            operator = present[name].operator
        self.get_ready(number, generation, operator)
        digest = entry_of(number, generation, operator)[0].digest
        change = ValidatorRekey(name, digest) if name in present else ValidatorAdd(name, digest)
        self.block()
        self.decide("chief", [change], delay)

    @rule(by=st.sampled_from(("chief", "op2")), changes=CHANGES, delay=st.integers(1, 4))
    def decide(self, by: str, changes: list[Change], delay: int) -> None:
        """What happens when all agree."""
        self.propose(by, changes, delay, 10_000)
        self.block()
        self.approve_newest()
        self.block()

    @rule(data=st.data(), approve=st.booleans(), voters=st.sets(st.sampled_from(OPERATORS), min_size=1))
    @precondition(lambda self: self.state.governance().count > 0)
    def vote(self, data: st.DataObject, approve: bool, voters: set[str]) -> None:
        governance = self.state.governance()
        still_open = [item.number for item in governance.open]
        number = data.draw(st.sampled_from(still_open) if still_open else st.integers(1, governance.count))
        self.queue.extend((ProposalVote(by, number, self.digest(number), approve),) for by in sorted(voters))

    @rule()
    def approve_newest(self) -> None:
        if number := self.state.governance().count:
            self.queue.extend((ProposalVote(by, number, self.digest(number), True),) for by in OPERATORS)

    @rule(data=st.data(), by=st.sampled_from(("chief", "op1")))
    @precondition(lambda self: self.state.governance().count > 0)
    def withdraw(self, data: st.DataObject, by: str) -> None:
        number = data.draw(st.integers(1, self.state.governance().count))
        self.queue.append((ProposalWithdraw(by, number),))

    # ---- the chain goes on

    @rule(round=st.sampled_from([0, 0, 0, 1]))
    def block(self, round: int = 0) -> None:
        chain = self.chain
        transactions = [item for item in (self.transaction(operations) for operations in self.queue) if item]
        self.queue = []
        order = leader_order_at(chain, self.height + 1)
        built = build_block(
            chain.tip,
            chain,
            round=round,
            proposer=self.state.validators().validators[order[round % len(order)]].name,
            time_ms=block_time_ms(chain.tip.header.time_ms, round, 0),
            transactions=transactions,
        )
        block = built.block
        assert check_block(chain.tip, chain, block.header_bytes, block.transactions) == block
        before = self.state.validators()
        for key, value in block.writes.items():
            if value is None:
                chain.rows.pop(key, None)
            else:
                chain.rows[key] = value
        chain.nodes.update({(block.header.height, path): row for path, row in block.trie.new_nodes})
        chain.tip = block.tip()
        self.results.extend(block.results)
        assert block.header.validators_hash == before.hash
        assert block.header.next_validators_hash == self.state.validators().hash
        self.note_keys()

    def digest(self, number: int) -> Digest:
        proposal = self.state.proposal(number)
        assert proposal is not None
        return proposal.digest

    def transaction(self, operations: tuple[Operation, ...]) -> Transaction | None:
        """One of these operations, signed by all whose consent it needs; None when one of them is no account."""
        by = list(dict.fromkeys(operation.by for operation in operations))
        rows = [self.state.account(name) for name in by]
        if None in rows:
            return None
        self.chain.nonce += 1
        data = build_body(
            chain=CHAIN,
            sender=by[0],
            nonce=self.chain.nonce.to_bytes(16, "big"),
            valid_until_ms=self.chain.tip.header.time_ms + 60_000,
            operations=operations,
            cosigners=by[1:],
        )
        needed = {key for row in rows if row is not None for key in row.keys[: row.threshold]}
        transaction = parse_transaction(assemble(data, [sign_body(data, SIGNERS[key]) for key in needed]))
        assert isinstance(transaction, Transaction)
        return transaction

    def note_keys(self) -> None:
        """Remember who has which key for the next height."""
        for validator in self.state.validators().validators:
            for purpose, key in validator.keys:
                name, known, heights = self.seen.setdefault(key, (validator.name, purpose, []))
                assert (name, known) == (validator.name, purpose), "a key serves one validator for one purpose"
                assert not heights or heights[-1] == self.height, "a key that left never comes back"
                heights.append(self.height + 1)

    # ---- what holds after every block

    def accounts(self) -> list[Account]:
        return [parse_account_row(value) for _, value in self.chain.range(b"account/", b"account0")]

    @invariant()
    def the_quorum_is_one(self) -> None:
        network = self.state.validators()
        count = len(network)
        assert count / 2 < network.quorum <= count

    @invariant()
    def somebody_administers_and_the_list_of_those_who_may_is_right(self) -> None:
        administrators = [row for row in self.accounts() if "administrator" in row.roles]
        assert any(not row.suspended for row in administrators)
        assert self.state.administrators().names == tuple(sorted(row.name for row in administrators))

    @invariant()
    def enough_operators_can_vote_and_every_validator_has_one(self) -> None:
        state = self.state
        assert state.electorate().votes >= state.validators().quorum
        for validator in state.validators().validators:
            operator = state.account(validator.operator)
            assert operator is not None
            assert "operator" in operator.roles

    @invariant()
    def every_account_can_sign(self) -> None:
        for row in self.accounts():
            assert check_keys(row.keys, row.threshold) is None
            assert list(row.keys) == sorted(row.keys)
            assert list(row.roles) == sorted(set(row.roles))

    @invariant()
    def the_rows_of_validator_keys_say_who_had_them_when(self) -> None:
        rows = dict(self.chain.range(b"validator-key/", b"validator-key0"))
        assert len(rows) == len(self.seen)
        in_force = {key for validator in self.state.validators().validators for _, key in validator.keys}
        for key, (name, purpose, heights) in self.seen.items():
            row = parse_validator_key_row(rows[b"validator-key/" + key.hex().encode()])
            assert (row.validator, row.purpose, row.since) == (name, purpose, heights[0])
            assert row.until == (None if key in in_force else heights[-1])

    @invariant()
    def what_is_open_and_pending_is_bounded_and_consistent(self) -> None:
        state = self.state
        governance = state.governance()
        assert len(governance.open) <= PROPOSALS_OPEN_MAX + VALIDATORS_MAX
        assert len(governance.pending) <= PROPOSALS_PENDING_MAX
        assert sum(changes_set(self.changes(item.number)) for item in governance.pending) <= 1
        states = {number: self.state_of(number) for number in range(1, governance.count + 1)}
        assert {item.number for item in governance.open} == {
            number for number, found in states.items() if found is ProposalState.OPEN
        }
        assert {item.number for item in governance.pending} == {
            number for number, found in states.items() if found is ProposalState.APPROVED
        }
        assert all(item.activation_height > self.height + 1 for item in governance.pending)

    @invariant()
    def nobody_got_a_governed_role_but_by_a_proposal(self) -> None:
        governing = {row.name for row in self.accounts() if row.governs}
        granted = {
            change.account
            for number in range(1, self.state.governance().count + 1)
            if self.state_of(number) is ProposalState.ACTIVE
            for change in self.changes(number)
            if isinstance(change, GrantRole)
        }
        assert governing <= {row.name for row in ACCOUNTS if row.governs} | granted

    def state_of(self, number: int) -> ProposalState:
        proposal = self.state.proposal(number)
        assert proposal is not None
        return proposal.state

    def changes(self, number: int) -> tuple[Change, ...]:
        proposal = self.state.proposal(number)
        assert proposal is not None
        return proposal.changes


TestGovernance = GovernanceMachine.TestCase
TestGovernance.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_sensible_history_comes_to_its_end() -> None:
    """The machine's own steps, so that it is known to get anywhere: each validator new keys, one joins, one leaves."""
    machine = GovernanceMachine()
    for number in (1, 2, 3, 4, 5):
        machine.join_or_rekey(number, 1, "op5", 1)
        checks: list[Callable[[], None]] = [
            machine.the_quorum_is_one,
            machine.the_rows_of_validator_keys_say_who_had_them_when,
            machine.what_is_open_and_pending_is_bounded_and_consistent,
        ]
        for check in checks:
            check()
    machine.propose("op1", [ValidatorRemove("v1")], 1, 10_000)
    machine.block()
    machine.approve_newest()
    machine.block()
    assert machine.results.count(APPLIED) >= 5 * (1 + 1 + 3)
    names = [validator.name for validator in machine.state.validators().validators]
    assert names == ["v2", "v3", "v4", "v5"]
    assert len(machine.seen) == 4 * 3 + 5 * 3
    assert machine.chain.rows[account_key("op1")]
