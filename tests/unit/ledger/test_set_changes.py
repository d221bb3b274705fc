"""A change of the validator set on a chain: which header names it, who signs what, and who leads."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ledger import chain as chain_module
from ledger.chain import CandidateBlock, block_time_ms, build_block, check_block, leader_order_at
from ledger.consensus.codec import encode_commit_record
from ledger.crypto import SigningKey
from ledger.errors import VerificationError
from ledger.execution import APPLIED
from ledger.governance.changes import Change, ParameterSet, ValidatorAdd, ValidatorRekey, ValidatorRemove
from ledger.governance.readiness import sign_ready
from ledger.operations.governance import ProposalCreate, ProposalVote
from ledger.operations.validators import ValidatorReady
from ledger.rows.settings import Leaders
from ledger.state import State
from ledger.transaction import Transaction
from ledger.validators import Validator
from tests.unit.ledger.audited import audit_in_memory
from tests.unit.ledger.founders import founder, founders, genesis_of, signing_key
from tests.unit.ledger.sample_chain import MemoryChain


def new_entry(name: str, operator: str, label: str) -> tuple[Validator, dict[str, SigningKey]]:
    """An entry, and its three keys as `sign_ready` wants them."""
    keys = {f"{purpose}_key": signing_key(f"{label} {purpose}") for purpose in ("consensus", "node", "cosigning")}
    publics = {purpose: key.public_key for purpose, key in keys.items()}
    return Validator(name=name, operator=operator, address="127.0.0.1:9999", **publics), keys


@dataclass
class Network:
    """Four founders on a chain in memory."""

    chain: MemoryChain

    @property
    def state(self) -> State:
        return State(self.chain)

    def block(self, *transactions: Transaction, round: int = 0) -> CandidateBlock:
        """The next block of `round`, built by its leader and found valid and the same by a checker; appended."""
        chain = self.chain
        height = chain.tip.header.height + 1
        validators = self.state.validators().validators
        order = leader_order_at(chain, height)
        built = build_block(
            chain.tip,
            chain,
            round=round,
            proposer=validators[order[round % len(order)]].name,
            time_ms=block_time_ms(chain.tip.header.time_ms, round, 0),
            transactions=transactions,
        )
        assert built.refused == ()
        block = built.block
        assert set(block.results) <= {APPLIED}
        assert check_block(chain.tip, chain, block.header_bytes, block.transactions) == block
        chain.rows = {**chain.rows, **{key: value for key, value in block.writes.items() if value is not None}}
        for key, value in block.writes.items():
            if value is None:
                del chain.rows[key]
        chain.nodes.update({(height, path): row for path, row in block.trie.new_nodes})
        chain.tip = block.tip()
        return block

    def decide(self, *changes: Change, delay: int = 1) -> CandidateBlock:
        """The block in which three of the founders approve `changes`, proposed in the one before."""
        number = self.state.governance().count + 1
        expires_ms = self.chain.tip.header.time_ms + 60_000
        proposed = ProposalCreate("org0", changes, expires_ms, delay)
        self.block(self.chain.sign("org0", [founder(0).operator_key], proposed))
        proposal = self.state.proposal(number)
        assert proposal is not None
        return self.block(
            *(
                self.chain.sign(
                    f"org{index}",
                    [founder(index).operator_key],
                    ProposalVote(f"org{index}", number, proposal.digest, True),
                )
                for index in range(3)
            )
        )

    def ready(self, entry: Validator, keys: dict[str, SigningKey], by: int) -> None:
        height = self.chain.tip.header.height
        operation = ValidatorReady(
            f"org{by}", entry, height, sign_ready(self.chain.genesis.chain, entry, height, **keys)
        )
        self.block(self.chain.sign(f"org{by}", [founder(by).operator_key], operation))


@pytest.fixture
def network() -> Network:
    return Network(MemoryChain(genesis_of(4)))


def test_the_header_of_the_height_before_names_the_set_that_signs_the_next(network: Network) -> None:
    before = network.state.validators()
    decided = network.decide(ValidatorRemove("v3"), delay=3).header
    assert decided.next_validators_hash == before.hash
    waiting = network.block().header
    assert (waiting.validators_hash, waiting.next_validators_hash) == (before.hash, before.hash)
    last = network.block().header
    after = network.state.validators()
    assert [item.name for item in after.validators] == ["v0", "v1", "v2"]
    assert (last.validators_hash, last.next_validators_hash) == (before.hash, after.hash)
    first = network.block().header
    assert first.height == decided.height + 3
    assert (first.validators_hash, first.next_validators_hash) == (after.hash, after.hash)


def test_a_validator_with_new_keys_leads_and_fails_as_the_one_that_it_was(network: Network) -> None:
    """Amendment A6: a re-key keeps the height of the last failed lead, and who leaves is forgotten."""
    entry, keys = new_entry("v1", "org1", "new")
    network.ready(entry, keys, 1)
    network.block(round=4)  # all of them failed
    failed_height = network.chain.tip.header.height
    assert network.state.leaders() == Leaders(tuple((f"v{index}", failed_height) for index in range(4)))
    network.decide(ValidatorRekey("v1", entry.digest), ValidatorRemove("v3"))
    assert network.state.validators().validators[1] == entry
    network.block(round=1)
    failed = dict(network.state.leaders().failed_heights)
    assert failed.keys() == {"v0", "v1", "v2"}
    assert sorted(failed.values()) == [failed_height, failed_height, failed_height + 3]


def test_a_set_may_change_in_a_block_of_a_later_round(network: Network) -> None:
    entry, keys = new_entry("v4", "org0", "joiner")
    network.ready(entry, keys, 0)
    network.decide(ValidatorAdd("v4", entry.digest), delay=2)
    block = network.block(round=2)
    assert block.header.next_validators_hash == network.state.validators().hash
    assert [item.name for item in network.state.validators().validators] == ["v0", "v1", "v2", "v3", "v4"]
    assert len(network.state.leaders().failed_heights) == 2
    network.block()


def test_an_auditor_follows_the_set_through_its_changes() -> None:
    chain = MemoryChain(genesis_of(4))

    def sign(index: int, *operations: ProposalCreate | ProposalVote) -> Transaction:
        return chain.sign(f"org{index}", [founders(4)[index].operator_key], *operations)

    chain.append(sign(0, ProposalCreate("org0", (ValidatorRemove("v3"),), chain.tip.header.time_ms + 60_000, 1)))
    proposal = State(chain).proposal(1)
    assert proposal is not None
    chain.append(*(sign(index, ProposalVote(f"org{index}", 1, proposal.digest, True)) for index in range(3)))
    chain.append(signers=(0, 1, 2))
    audit = audit_in_memory(chain.genesis)
    for record, block in chain.blocks:
        audit.append(encode_commit_record(record), [item.envelope for item in block.transactions])
    assert audit.tip.block_hash == chain.tip.block_hash
    assert chain.tip.header.validators_hash != genesis_of(4).validators.hash


def test_nothing_is_valid_under_rules_that_this_software_does_not_know(
    network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    network.decide(ParameterSet("protocol_version", 2), delay=100)
    for _ in range(99):
        network.block()
    chain = network.chain
    assert State(chain).parameters().protocol_version == 2
    with pytest.raises(AssertionError, match="nobody proposes"):
        network.block()
    monkeypatch.setattr(chain_module, "PROTOCOL_VERSION", 2)
    validators = State(chain).validators().validators
    leader = validators[leader_order_at(chain, chain.tip.header.height + 1)[0]].name
    time_ms = chain.tip.header.time_ms + 1
    block = build_block(chain.tip, chain, round=0, proposer=leader, time_ms=time_ms, transactions=()).block
    assert check_block(chain.tip, chain, block.header_bytes, ()) == block
    monkeypatch.undo()
    reason = check_block(chain.tip, chain, block.header_bytes, ())
    assert reason == "it follows the rules of protocol version 2; this software knows 1"


def test_an_auditor_with_old_software_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = MemoryChain(genesis_of(1))
    chain.append()
    record, _ = chain.blocks[0]
    audit = audit_in_memory(chain.genesis)
    monkeypatch.setattr(chain_module, "PROTOCOL_VERSION", 0)
    with pytest.raises(VerificationError, match="protocol version 1; this software knows 0"):
        audit.append(encode_commit_record(record), [])
