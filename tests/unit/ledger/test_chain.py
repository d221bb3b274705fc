"""Blocks on a small chain: what is built is valid, what is changed anywhere is not, and who leads after a failure."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from ledger import chain as chain_module
from ledger.block import Header, encode_header
from ledger.chain import (
    BuiltBlock,
    CandidateBlock,
    block_time_ms,
    build_block,
    check_block,
    leader_order,
    leader_order_at,
)
from ledger.encoding import encode_trusted
from ledger.execution import APPLIED, Execution
from ledger.operations.accounts import AccountAdd, AccountKeys
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.parameters import Parameters
from ledger.primitives import Digest
from ledger.refusals import Code
from ledger.rows.settings import VALIDATORS_KEY, Leaders
from ledger.state import State
from ledger.transaction import Transaction, assemble, parse_transaction, sign_body
from ledger.trie import check_proof, prove
from ledger.validators import Quorum, QuorumRule, ValidatorSet
from tests.unit.ledger.founders import TIME_MS, founders, genesis_of, signing_key
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain

ALICE, BOB, CAROL = signing_key("alice"), signing_key("bob"), signing_key("carol")


def leader_of(chain: MemoryChain, round: int) -> str:
    validators = State(chain).validators().validators
    order = leader_order_at(chain, chain.tip.header.height + 1)
    return validators[order[round % len(order)]].name


def build(chain: MemoryChain, *transactions: Transaction, round: int = 0, clock_ms: int = 0) -> BuiltBlock:
    """What the leader of `round` builds."""
    time_ms = block_time_ms(chain.tip.header.time_ms, round, clock_ms)
    return build_block(
        chain.tip, chain, round=round, proposer=leader_of(chain, round), time_ms=time_ms, transactions=transactions
    )


def check(chain: MemoryChain, block: CandidateBlock) -> CandidateBlock | str:
    return check_block(chain.tip, chain, block.header_bytes, block.transactions)


def append(chain: MemoryChain, block: CandidateBlock) -> None:
    """What storage does at commit."""
    chain.rows.update({key: value for key, value in block.writes.items() if value is not None})
    chain.nodes.update({(block.header.height, path): row for path, row in block.trie.new_nodes})
    for place in block.trie.stale:
        del chain.nodes[place]
    chain.tip = block.tip()


def record(chain: MemoryChain, text: str, stream: str = "notes") -> Transaction:
    return chain.sign("alice", [ALICE], RecordAppend(by="alice", stream=stream, content=Content(text)))


@pytest.fixture
def chain() -> MemoryChain:
    return sample_chain()


# ---- building and checking are one computation


@pytest.mark.parametrize("round", [0, 1, 2, 3, 4, 9])
def test_what_a_leader_builds_every_validator_finds_valid_and_the_same(chain: MemoryChain, round: int) -> None:
    built = build(chain, record(chain, "one"), record(chain, "two"), round=round)
    assert built.refused == ()
    assert check(chain, built.block) == built.block
    assert check_block(chain.tip, chain, built.block.header_bytes, list(built.block.transactions)) == built.block


def test_an_empty_block_is_a_block(chain: MemoryChain) -> None:
    block = build(chain).block
    assert check(chain, block) == block
    assert block.header.log_root == chain.tip.header.log_root
    assert block.header.state_root == chain.tip.header.state_root
    assert block.header.transaction_count == 0
    append(chain, block)
    assert chain.tip.block_hash == block.block_hash


def test_a_block_says_what_became_of_each_transaction_and_commits_to_it(chain: MemoryChain) -> None:
    refused = chain.sign("org0", [founders(4)[0].operator_key], RecordAppend("org0", "notes", Content("no writer")))
    block = build(chain, record(chain, "one"), refused).block
    assert block.results == (APPLIED, str(Code.WRITER_NOT_ALLOWED))
    header = block.header
    assert (header.transaction_count, header.log_size) == (2, chain.tip.header.log_size + 2)
    assert block.log.root() == header.log_root
    assert block.trie.root.hash == header.state_root
    assert block.log == chain.tip.log.append(block.leaf_hashes)
    append(chain, block)
    row = chain.rows[b"stream/notes"]
    assert check_proof(
        header.state_root, b"stream/notes", row, prove(chain.tip.trie_root, b"stream/notes", chain.trie_node)
    )


def test_the_order_of_transactions_is_part_of_the_block(chain: MemoryChain) -> None:
    first, second = record(chain, "one"), record(chain, "two")
    there, back = build(chain, first, second).block, build(chain, second, first).block
    assert there.block_hash != back.block_hash
    reason = check_block(chain.tip, chain, there.header_bytes, (second, first))
    assert reason == "executing it gives another log_root"


# ---- a checker refuses


OTHER = Digest(b"\7" * 32)
TAMPERED = [
    ("version", 2, "version"),
    ("chain", OTHER, "another chain or epoch"),
    ("epoch", 1, "another chain or epoch"),
    ("height", 3, "its height is 3, after 3"),
    ("height", 5, "its height is 5, after 3"),
    ("parent_hash", OTHER, "its parent is 0707"),
    ("round", 1, "is led by"),
    ("proposer", "v9", "is led by"),
    ("time_ms", 0, "not above its parent's"),
    ("transaction_count", 1, "another transaction_count"),
    ("log_size", 4, "another log_size"),
    ("log_root", OTHER, "another log_root"),
    ("state_root", OTHER, "another state_root"),
    ("validators_hash", OTHER, "another validators_hash"),
    ("next_validators_hash", OTHER, "another next_validators_hash"),
]


def test_every_field_of_the_header_is_tampered_with_below() -> None:
    assert {field for field, _, _ in TAMPERED} == {*Header.__struct_fields__}


@pytest.mark.parametrize(("field", "value", "reason"), TAMPERED)
def test_a_tampered_header_is_refused(chain: MemoryChain, field: str, value: object, reason: str) -> None:
    block = build(chain, record(chain, "one"), record(chain, "two")).block
    header = replace(block.header, **{field: value})  # type: ignore[arg-type]
    verdict = check_block(chain.tip, chain, encode_header(header), block.transactions)
    assert isinstance(verdict, str)
    assert reason in verdict


def test_bytes_that_are_no_header_are_refused(chain: MemoryChain) -> None:
    block = build(chain).block
    for data in (b"", b"{}", block.header_bytes + b" ", block.header_bytes.replace(b":", b": ", 1)):
        assert isinstance(check_block(chain.tip, chain, data, ()), str)


def test_a_body_with_a_transaction_more_or_less_is_refused(chain: MemoryChain) -> None:
    transactions = (record(chain, "one"), record(chain, "two"))
    block = build(chain, *transactions).block
    for body in ((), transactions[:1], (*transactions, record(chain, "three"))):
        reason = check_block(chain.tip, chain, block.header_bytes, body)
        assert isinstance(reason, str)
        assert reason.startswith("executing it gives another transaction_count, log_size, log_root")


def test_a_swapped_signature_is_another_block(chain: MemoryChain) -> None:
    """Same id, another envelope: a block commits to the exact signatures through its leaves."""
    keys = tuple(sorted(key.public_key for key in (ALICE, BOB, CAROL)))
    org0 = founders(4)[0].operator_key
    chain.append(chain.sign("org0", [org0], AccountAdd("org0", "trio", keys, 2)))
    operation = RecordAppend("trio", "notes", Content("signed by two"))
    mine = chain.sign("trio", [ALICE, BOB], operation)
    body = mine.envelope[mine.envelope.index(b'"body":') + 7 : mine.envelope.index(b',"signatures":')]
    theirs = parse_transaction(assemble(body, [sign_body(body, key) for key in (BOB, CAROL)]))
    assert isinstance(theirs, Transaction)
    assert theirs.id == mine.id
    block = build(chain, mine).block
    assert check(chain, block) == block
    assert check_block(chain.tip, chain, block.header_bytes, (theirs,)) == "executing it gives another log_root"


def inadmissible(chain: MemoryChain) -> dict[str, tuple[Transaction, ...]]:
    """Bodies that no block on this tip may have, by the code that says why (the last transaction is refused)."""
    good = record(chain, "good")
    committed = chain.blocks[0][1].transactions[0]
    stranger = chain.sign("stranger", [ALICE], RecordAppend("stranger", "notes", Content("x")))
    wrong_key = chain.sign("alice", [BOB], RecordAppend("alice", "notes", Content("x")))
    half = chain.sign("pair", [BOB], RecordAppend("pair", "notes", Content("x")))
    surplus = chain.sign("alice", [ALICE, BOB], RecordAppend("alice", "notes", Content("x")))
    other = MemoryChain(genesis_of(3))
    other_chain = other.sign("alice", [ALICE], RecordAppend("alice", "notes", Content("x")))
    return {
        "already_committed": (committed,),
        "transaction 1 may not be in it: already_committed": (good, good),
        "sender_unknown": (stranger,),
        "signature_surplus": (wrong_key,),
        "signature_missing": (half,),
        "transaction 1 may not be in it: signature_surplus": (good, surplus),
        "chain_wrong": (other_chain,),
    }


def test_a_block_with_an_inadmissible_transaction_is_refused_and_a_builder_leaves_it_out(chain: MemoryChain) -> None:
    for reason, body in inadmissible(chain).items():
        header = build(chain, *body).block.header_bytes
        verdict = check_block(chain.tip, chain, header, body)
        assert isinstance(verdict, str)
        assert reason in verdict
        built = build(chain, *body)
        assert built.block.transactions == body[:-1]
        assert [transaction for transaction, _ in built.refused] == [body[-1]]
        assert str(built.refused[0][1].code) in reason
        assert check(chain, built.block) == built.block


def test_a_transaction_expires_with_ledger_time(chain: MemoryChain) -> None:
    waiting = record(chain, "waits too long")
    append(chain, build(chain, clock_ms=waiting.body.valid_until_ms).block)
    built = build(chain, waiting)
    assert [refusal.code for _, refusal in built.refused] == [Code.EXPIRED]
    assert "expired" in str(check_block(chain.tip, chain, built.block.header_bytes, (waiting,)))


def test_quota_and_block_limits_hold_for_builders_and_checkers() -> None:
    parameters = Parameters(sender_quota=2, block_transactions_max=3)
    chain = MemoryChain(genesis_of(4, parameters=parameters))
    senders = [(f"org{index}", founders(4)[index].operator_key) for index in (0, 0, 0, 1, 2, 3)]
    offered = [chain.sign(name, [key], AccountKeys(name, (key.public_key,), 1)) for name, key in senders]
    built = build(chain, *offered)
    assert [transaction.body.sender for transaction in built.block.transactions] == ["org0", "org0", "org1"]
    assert built.refused == (), "left out for now is not refused"
    header = built.block.header_bytes
    assert "quota_exceeded" in str(check_block(chain.tip, chain, header, offered[:3]))
    assert "block_full" in str(check_block(chain.tip, chain, header, [*built.block.transactions, offered[4]]))


def test_keys_changed_in_a_block_act_from_the_next_height(chain: MemoryChain) -> None:
    change = chain.sign("alice", [ALICE], AccountKeys("alice", (CAROL.public_key,), 1))
    late = record(chain, "signed with the old key")
    block = build(chain, change, late).block
    assert block.results == (APPLIED, APPLIED)
    append(chain, block)
    again = record(chain, "signed with the old key")
    assert [refusal.code for _, refusal in build(chain, again).refused] == [Code.SIGNATURE_SURPLUS]


# ---- time (amendment A7)


@pytest.mark.parametrize(
    ("round", "clock_ms", "time_ms"),
    [(0, 0, 101), (0, 100, 101), (0, 101, 101), (0, 5_000, 5_000), (1, 0, 101), (1, 5_000, 101), (7, 5_000, 101)],
)
def test_the_time_of_a_fresh_block(round: int, clock_ms: int, time_ms: int) -> None:
    assert block_time_ms(100, round, clock_ms) == time_ms


@pytest.mark.parametrize(
    ("round", "after_parent_ms", "valid"),
    [(0, -1, False), (0, 0, False), (0, 1, True), (0, 10**9, True), (1, 0, False), (1, 1, True), (1, 2, False)],
)
def test_the_objective_part_of_the_time_rule(chain: MemoryChain, round: int, after_parent_ms: int, valid: bool) -> None:
    time_ms = chain.tip.header.time_ms + after_parent_ms
    block = build_block(
        chain.tip, chain, round=round, proposer=leader_of(chain, round), time_ms=time_ms, transactions=()
    ).block
    verdict = check(chain, block)
    assert (verdict == block) is valid
    assert valid or "its time" in str(verdict)


# ---- leaders (amendment A6)


NAMES = ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("height", "failed", "demotion_heights", "order"),
    [
        (0, {}, 10, "abcd"),
        (1, {}, 10, "bcda"),
        (6, {}, 10, "cdab"),
        (8, {"a": 7}, 10, "bcda"),
        (9, {"b": 7}, 10, "cdab"),
        (9, {"a": 7, "c": 2}, 10, "bdca"),  # both parts in rotated order, whoever failed last
        (17, {"c": 7}, 10, "bdac"),  # 10 heights ago: still behind the others
        (18, {"c": 7}, 10, "cdab"),  # 11 heights ago: in its rotated place again
        (8, {"a": 7}, 0, "abcd"),  # demotion turned off
        (8, {"a": 7, "b": 7, "c": 7, "d": 7}, 10, "abcd"),
        (8, {"stranger": 7}, 10, "abcd"),
    ],
)
def test_the_order_of_leaders(height: int, failed: dict[str, int], demotion_heights: int, order: str) -> None:
    found = leader_order(NAMES, Leaders(tuple(failed.items())), height, demotion_heights)
    assert "".join(NAMES[index] for index in found) == order


@given(
    st.integers(1, 9),
    st.integers(1, 10**6),
    st.dictionaries(st.sampled_from([f"v{i}" for i in range(9)]), st.integers(1, 10**6)),
    st.integers(0, 10**6),
)
def test_everyone_leads_once_in_n_rounds(
    count: int, height: int, failed: dict[str, int], demotion_heights: int
) -> None:
    names = [f"v{index}" for index in range(count)]
    order = leader_order(names, Leaders(tuple(failed.items())), height, demotion_heights)
    assert sorted(order) == list(range(count))


def leaders_row(chain: MemoryChain) -> dict[str, int]:
    return dict(State(chain).leaders().failed_heights)


def test_a_dead_leader_costs_its_timeout_once() -> None:
    chain = MemoryChain(genesis_of(4))
    dead = leader_of(chain, 0)
    append(chain, build(chain, round=1).block)
    assert leaders_row(chain) == {dead: 1}
    for _ in range(8):
        assert leader_of(chain, 0) != dead
        assert leader_of(chain, 3) == dead, "it stands behind all others"
        append(chain, build(chain).block)


def test_all_leaders_of_failed_rounds_are_demoted_also_when_rounds_wrap_around() -> None:
    for round, expected in ((2, 2), (4, 4), (7, 4)):
        chain = MemoryChain(genesis_of(4))
        failed = {leader_of(chain, number) for number in range(round)}
        assert len(failed) == expected
        append(chain, build(chain, round=round).block)
        assert leaders_row(chain) == dict.fromkeys(failed, 1)


def test_round_zero_and_the_leader_who_succeeded_change_nothing() -> None:
    chain = MemoryChain(genesis_of(4))
    append(chain, build(chain).block)
    assert leaders_row(chain) == {}
    good = leader_of(chain, 1)
    append(chain, build(chain, round=1).block)
    assert good not in leaders_row(chain)


def test_a_later_failure_replaces_an_earlier_one_and_is_forgiven_in_time() -> None:
    chain = MemoryChain(genesis_of(4, parameters=Parameters(demotion_heights=5)))
    append(chain, build(chain, round=1).block)  # height 1: the leader of round 0 failed
    (dead,) = leaders_row(chain)
    append(chain, build(chain, round=4).block)  # height 2: everyone, the dead one included
    assert set(leaders_row(chain).values()) == {2}
    for height in range(3, 8):
        assert chain.tip.header.height + 1 == height
        append(chain, build(chain).block)
    rotated = State(chain).validators().validators[8 % 4].name
    assert leader_of(chain, 0) == rotated, "six heights later nobody is demoted"
    assert dead in leaders_row(chain)


def test_demotion_is_under_the_state_root() -> None:
    chain = MemoryChain(genesis_of(4))
    block = build(chain, round=1).block
    assert block.writes == {b"leaders": encode_trusted({leader_of(chain, 0): 1})}
    append(chain, block)
    proof = prove(chain.tip.trie_root, b"leaders", chain.trie_node)
    assert check_proof(chain.tip.header.state_root, b"leaders", chain.rows[b"leaders"], proof)


def test_a_change_of_the_set_shows_in_the_header_and_forgets_who_left(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = MemoryChain(genesis_of(4))
    append(chain, build(chain, round=2).block)
    failed = leaders_row(chain)
    leaving = next(iter(failed))
    old = State(chain).validators()
    new = ValidatorSet(tuple(v for v in old.validators if v.name != leaving), Quorum(QuorumRule.MAJORITY))

    def execute(
        state: State, *, chain: Digest, height: int, time_ms: int, transactions: Sequence[Transaction]
    ) -> Execution:
        return Execution((), {VALIDATORS_KEY: encode_trusted(new.to_json())}, ())

    monkeypatch.setattr(chain_module, "execute", execute)
    also_failed = leader_of(chain, 0)
    block = build(chain, round=1).block
    assert (block.header.validators_hash, block.header.next_validators_hash) == (old.hash, new.hash)
    assert check(chain, block) == block
    append(chain, block)
    assert leaders_row(chain) == {**{name: 1 for name in failed if name != leaving}, also_failed: 2}
    monkeypatch.undo()
    header = build(chain).block.header
    assert header.validators_hash == header.next_validators_hash == new.hash


def test_genesis_time_is_the_first_parent_time() -> None:
    chain = MemoryChain(genesis_of(1))
    assert build(chain, round=1).block.header.time_ms == TIME_MS + 1
