"""Who is linked: validators in force, pins, and validators that were removed until they have heard of it."""

from __future__ import annotations

import hashlib

import pytest

from ledger.consensus.inputs import PeerId
from ledger.crypto import SigningKey
from ledger.primitives import PublicKey
from ledger.validators import Quorum, QuorumRule, Validator, ValidatorSet
from node import membership
from node.config import Endpoint, PinnedPeer
from node.membership import Membership, members
from node.net.peers import Member
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from node.storage.opening import open_chain
from tests.unit.ledger.founders import founder, set_of
from tests.unit.node.storage.chains import change_set, commit, new_chain


def key_of(name: str) -> PublicKey:
    return SigningKey(hashlib.sha256(name.encode()).digest()).public_key


def validator(name: str, address: str) -> Validator:
    keys = {f"{kind}_key": key_of(f"{name} {kind}") for kind in ("consensus", "node", "cosigning")}
    return Validator(name=name, operator="acme", address=address, **keys)


def test_members_are_the_validators_at_their_addresses_and_the_pins() -> None:
    validators = ValidatorSet(
        (validator("v0", "v0.example:8471"), validator("v1", "[::1]:1"), validator("v2", "no address at all")),
        Quorum(QuorumRule.MAJORITY),
    )
    pins = (
        PinnedPeer(Endpoint("10.0.0.9", 9), key_of("v1 node")),
        PinnedPeer(None, key_of("v0 node")),
        PinnedPeer(Endpoint("follower", 8471), key_of("follower")),
        PinnedPeer(None, key_of("silent follower")),
    )
    assert members(validators, pins) == {
        key_of("v0 node"): Member(Endpoint("v0.example", 8471), is_validator=True),
        key_of("v1 node"): Member(Endpoint("10.0.0.9", 9), is_validator=True),
        key_of("v2 node"): Member(None, is_validator=True),
        key_of("follower"): Member(Endpoint("follower", 8471), is_validator=False),
        key_of("silent follower"): Member(None, is_validator=False),
    }


def node_key(index: int) -> PublicKey:
    return founder(index).node_key.public_key


def nobody(_: PeerId) -> int:
    return 0


def listed(who: Membership) -> tuple[set[int], set[int]]:
    """The founders that are linked as validators, and those that are linked otherwise."""
    numbers = {node_key(index): index for index in range(6)}
    as_validators = {numbers[key] for key, member in who.members.items() if member.is_validator}
    return as_validators, {numbers[key] for key in who.members} - as_validators


@pytest.fixture
def chain() -> ChainStore:
    return new_chain(MemoryStore())


def test_blocks_that_change_no_set_change_no_link(chain: ChainStore) -> None:
    who = Membership(chain, ())
    before = who.members
    commit(chain)
    assert not who.follow(nobody)
    assert who.members is before
    assert listed(who) == ({0, 1, 2, 3}, set())


def test_who_was_removed_is_linked_until_it_says_that_it_has_a_block_of_the_set_without_it(chain: ChainStore) -> None:
    claims = {PeerId(node_key(3).hex()): 3}
    who = Membership(chain, ())
    commit(chain)
    commit(chain)
    assert not who.follow(lambda peer: claims.get(peer, 0))
    change_set(chain, set_of(0, 1, 2, 4))  # at height 3
    assert who.follow(lambda peer: claims.get(peer, 0))
    assert listed(who) == ({0, 1, 2, 4}, {3}), "it still decides height 3, and may lack it"
    commit(chain)
    assert not who.follow(lambda peer: claims.get(peer, 0))
    claims[PeerId(node_key(3).hex())] = 4
    commit(chain)
    assert not who.follow(lambda peer: claims.get(peer, 0)), "it has block 3, and no proof that others have it"
    claims[PeerId(node_key(3).hex())] = 5
    commit(chain)
    assert who.follow(lambda peer: claims.get(peer, 0))
    assert listed(who) == ({0, 1, 2, 4}, set())


def test_what_it_says_counts_without_another_block(chain: ChainStore) -> None:
    """Two that were removed by one block get no more blocks from anybody, and would stay linked to each other."""
    who = Membership(chain, ())
    change_set(chain, set_of(0, 1))  # at height 1
    who.follow(nobody)
    commit(chain)
    assert not who.follow(nobody)
    assert listed(who) == ({0, 1}, {2, 3})
    claims = {PeerId(node_key(2).hex()): 3}
    assert who.follow(lambda peer: claims.get(peer, 0))
    assert listed(who) == ({0, 1}, {3})
    assert not who.follow(lambda peer: claims.get(peer, 0))


def test_who_never_says_so_is_linked_for_so_many_heights(chain: ChainStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "REMOVED_PEER_HEIGHTS", 5)
    who = Membership(chain, ())
    change_set(chain, set_of(0, 1, 2, 4))
    who.follow(nobody)
    for _ in range(4):
        commit(chain)
        assert not who.follow(nobody)
        assert listed(who)[1] == {3}
    commit(chain)
    assert who.follow(nobody)
    assert listed(who)[1] == set()


def test_after_a_restart_it_is_linked_again_within_so_many_heights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "REMOVED_PEER_HEIGHTS", 5)
    store = MemoryStore()
    chain = new_chain(store)
    change_set(chain, set_of(0, 1, 2, 4))
    commit(chain)
    change_set(chain, set_of(0, 1, 4, 5))
    for _ in range(2):
        commit(chain)
    assert listed(Membership(open_chain(store), ())) == ({0, 1, 4, 5}, {2, 3})
    commit(chain)
    assert listed(Membership(open_chain(store), ())) == ({0, 1, 4, 5}, {2})


def test_only_so_many_removed_ones_are_linked_the_last_ones(chain: ChainStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "REMOVED_PEERS_MAX", 2)
    who = Membership(chain, ())
    for left in ((1, 2, 3), (2, 3), (3,)):
        change_set(chain, set_of(*left))
        who.follow(nobody)
    assert listed(who) == ({3}, {1, 2})


def test_a_new_node_key_or_address_of_a_validator_is_another_node(chain: ChainStore) -> None:
    who = Membership(chain, ())
    entry = founder(3).card.validator
    moved = Validator(
        name="v3", operator="org3", address="127.0.0.1:9999", cosigning_key=entry.cosigning_key,
        consensus_key=entry.consensus_key, node_key=entry.node_key,
    )  # fmt: skip
    change_set(chain, ValidatorSet((*set_of(0, 1, 2).validators, moved), Quorum(QuorumRule.BFT)))
    assert who.follow(nobody)
    assert who.members[node_key(3)] == Member(Endpoint("127.0.0.1", 9999), is_validator=True)
    new = founder(5).card.validator
    change_set(chain, ValidatorSet((*set_of(0, 1, 2).validators, new), Quorum(QuorumRule.BFT)))
    assert who.follow(nobody)
    assert who.members[node_key(3)] == Member(Endpoint("127.0.0.1", 9999), is_validator=False)
    assert who.members[node_key(5)].is_validator


def test_a_pin_outlasts_a_removal(chain: ChainStore) -> None:
    who = Membership(chain, (PinnedPeer(Endpoint("10.0.0.3", 3), node_key(3)), PinnedPeer(None, node_key(4))))
    assert listed(who) == ({0, 1, 2, 3}, {4})
    change_set(chain, set_of(0, 1, 2, 4))
    who.follow(nobody)
    who.follow(lambda peer: 3)
    assert listed(who) == ({0, 1, 2, 4}, {3})
    assert who.members[node_key(3)] == Member(Endpoint("10.0.0.3", 3), is_validator=False)
