"""Damage on the disk of a node that runs: found, put right by what peers give, and never by anything else. [safety]"""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from ledger.consensus.codec import decode_commit_record, encode_commit_record
from ledger.refusals import Code, Refusal
from ledger.rows.accounts import ACCOUNT_PREFIX
from ledger.rows.settings import VALIDATORS_KEY
from node.replica import Elapsed, Halted, PeerMessageReceived, Role
from node.replica.actions import Committed, Pending
from node.storage import keys
from node.storage.archive import Archive, rows_to_take_over
from node.storage.chain_store import ChainStore
from node.storage.check import check_blocks, check_rows, check_state
from node.storage.errors import DamagedError
from node.storage.guard import SILENCED, MemoryGuard
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain, open_chain
from node.wire import CertifiedBlock, FetchRecords, PeerMessage, Records, Transactions
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster, Node

DAMAGED: dict[str, Callable[[ChainStore], bytes]] = {
    "header": lambda chain: keys.header(2),
    "record": lambda chain: keys.record(2),
    "body": lambda chain: keys.body_chunk(2, chain.block_hash(2), 0),
    "outcomes": lambda chain: keys.outcomes(2, 0),
    "place": lambda chain: keys.transaction(chain.leaves(2)[0].transaction_id),
    "block hash": lambda chain: keys.block_hash(chain.block_hash(2)),
}


def _grow(cluster: Cluster, blocks: int) -> None:
    for _ in range(blocks):
        made = cluster.submit_one(cluster.nodes[0])
        cluster.run_until(lambda m=made: cluster.committed(m), within_ms=10 * BASE_TIMEOUT_MS)  # type: ignore[misc]


def _is_whole(node: Node) -> bool:
    chain = open_chain(node.disk)
    return not any(found.damage for found in check_blocks(chain)) and check_rows(chain) is None


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_block_is_found_by_looking_and_put_back(name: str) -> None:
    cluster = Cluster(4)
    _grow(cluster, 4)
    node = cluster.nodes[3]
    whole = node.store.image()
    key = DAMAGED[name](open_chain(node.disk))
    node.store.damage(key)
    cluster.run_until(lambda: _is_whole(node), within_ms=40 * BASE_TIMEOUT_MS)
    assert node.store.image()[key] == whole[key]
    assert node.logged("block_replaced")[0].fields["height"] == 2
    assert node.running.status().damage.blocks == ()
    assert node.running.status().damage.replaced == 1
    assert node.running.status().role is Role.VOTING


def test_a_damaged_block_is_found_by_who_asks_for_it() -> None:
    cluster = Cluster(4)
    _grow(cluster, 4)
    node, peer = cluster.nodes[3], cluster.nodes[0]
    node.store.damage(keys.record(3))
    assert open_chain(node.disk).damaged.blocks == ()
    cluster.step(node, PeerMessageReceived(peer.peer, FetchRecords(3, 1)))
    assert node.logged("block_damaged")
    assert node.running.status().damage.blocks == (3,)
    cluster.run_until(lambda: node.running.status().damage.blocks == (), within_ms=10 * BASE_TIMEOUT_MS)
    assert _is_whole(node)


def test_blocks_whose_headers_are_damaged_one_above_the_other_are_put_back_from_above() -> None:
    cluster = Cluster(4)
    _grow(cluster, 8)
    node = cluster.nodes[3]
    for height in (2, 3, 4, 5, 6, 7):
        node.store.damage(keys.header(height))
    cluster.run_until(lambda: _is_whole(node), within_ms=100 * BASE_TIMEOUT_MS)
    assert node.running.status().damage.elsewhere is None


def test_nobody_can_stop_damaged_nodes_by_submitting_again_what_is_committed() -> None:
    cluster = Cluster(4)
    made = cluster.submit_one(cluster.nodes[0])
    cluster.run_until(lambda: cluster.committed(made), within_ms=10 * BASE_TIMEOUT_MS)
    _grow(cluster, 2)
    damaged = cluster.nodes[2:]
    for node in damaged:
        cluster.restart(node)  # it remembers nothing that it verified
        node.store.damage(keys.transaction(made.id))
    for node in damaged:
        (outcome,) = cluster.submit(node, made)
        assert isinstance(outcome, Refusal)
        assert outcome.code is Code.NOT_READY
        cluster.step(node, PeerMessageReceived(cluster.nodes[0].peer, Transactions((made.envelope,))))
        assert not node.halted
    _grow(cluster, 1)
    cluster.run_until(lambda: all(map(_is_whole, damaged)), within_ms=60 * BASE_TIMEOUT_MS)
    assert [cluster.submit(node, made) for node in damaged] == [(Committed(made.id),)] * 2


def test_nobody_can_stop_damaged_nodes_by_naming_an_account() -> None:
    """A stranger may name any sender; who cannot read its row says so, and leaves when the others can spare it."""
    cluster = Cluster(4)
    _grow(cluster, 2)
    made, other = cluster.transaction(sender=2), cluster.transaction(sender=1)
    damaged = cluster.nodes[2:]
    for node in damaged:
        cluster.restart(node)
        node.store.damage(keys.state(ACCOUNT_PREFIX + made.body.sender.encode()))
    for node in damaged:
        refused, accepted = cluster.submit(node, made, other)
        assert isinstance(refused, Refusal)
        assert refused.code is Code.NOT_READY
        assert accepted == Pending(other.id)
        cluster.step(node, PeerMessageReceived(cluster.nodes[0].peer, Transactions((made.envelope,))))
        assert not node.halted
    _grow(cluster, 1)


def test_two_nodes_put_each_other_right() -> None:
    cluster = Cluster(4)
    _grow(cluster, 4)
    cluster.nodes[2].store.damage(keys.record(2))
    cluster.nodes[3].store.damage(keys.record(3))
    cluster.stop(cluster.nodes[0])
    cluster.run_until(lambda: all(map(_is_whole, cluster.nodes[2:])), within_ms=60 * BASE_TIMEOUT_MS)


def _lies(cluster: Cluster, node: Node, lie: Callable[[CertifiedBlock], CertifiedBlock]) -> None:
    """All but v1 answer this node with a lie."""

    def alter(sender: int, receiver: int, message: PeerMessage) -> PeerMessage:
        if receiver == node.index and sender != 1 and isinstance(message, Records) and message.items:
            return Records(tuple(lie(item) for item in message.items))
        return message

    cluster.alter = alter


LIES: dict[str, Callable[[CertifiedBlock, CertifiedBlock], CertifiedBlock]] = {
    "another block": lambda item, other: other,
    "the body of another": lambda item, other: replace(item, envelopes=other.envelopes),
    "no body": lambda item, other: replace(item, envelopes=()),
    "a false certificate": lambda item, other: replace(
        item, record=item.record.replace(b'"validator":0', b'"validator":3', 1)
    ),
}


@pytest.mark.parametrize("name", LIES)
def test_liars_cannot_have_anything_else_put_there(name: str) -> None:
    cluster = Cluster(4)
    _grow(cluster, 4)
    node = cluster.nodes[3]
    whole = node.store.image()
    chain = open_chain(cluster.nodes[0].disk)
    other = CertifiedBlock(chain.record(3), chain.envelopes(3))
    _lies(cluster, node, lambda item: LIES[name](item, other))
    damaged = (keys.header(2), keys.record(2), keys.body_chunk(2, chain.block_hash(2), 0))
    for key in damaged:
        node.store.damage(key)
    cluster.run_until(lambda: _is_whole(node), within_ms=100 * BASE_TIMEOUT_MS)
    assert all(node.store.image()[key] == whole[key] for key in damaged)


def test_what_was_not_asked_for_is_not_put_back() -> None:
    cluster = Cluster(4)
    _grow(cluster, 4)
    node, peer = cluster.nodes[3], cluster.nodes[0]
    chain = open_chain(peer.disk)
    node.store.damage(keys.record(2))
    before = node.store.image()[keys.record(2)]
    item = CertifiedBlock(chain.record(2), chain.envelopes(2))
    cluster.step(node, PeerMessageReceived(peer.peer, Records((item,))))
    assert node.store.image()[keys.record(2)] == before


# ---- damage that no block puts right


def test_a_damaged_genesis_that_a_reader_finds_is_no_block_that_peers_could_give() -> None:
    cluster = Cluster(4)
    _grow(cluster, 3)
    node, peer = cluster.nodes[3], cluster.nodes[0]
    cluster.stop(cluster.nodes[1])  # without this node the others are no quorum
    cluster.run_until(lambda: node.running._parts.repairs.scrubber._height > 1, within_ms=20 * BASE_TIMEOUT_MS)
    node.store.damage(keys.header(0))
    with pytest.raises(DamagedError):
        node.running._parts.chain.header(0)
    cluster.run(4 * BASE_TIMEOUT_MS)
    chain = open_chain(peer.disk)
    record = replace(decode_commit_record(chain.record(1)), header=chain.stored_header(0).header_bytes)
    cluster.step(node, PeerMessageReceived(peer.peer, Records((CertifiedBlock(encode_commit_record(record), ()),))))
    damage = node.running.status().damage
    assert damage.blocks == ()
    assert damage.elsewhere is not None
    cluster.start(cluster.nodes[1])
    cluster.run_until(lambda: node.halted, within_ms=20 * BASE_TIMEOUT_MS)
    (halted,) = [action for action in node.actions if isinstance(action, Halted)]
    assert halted.rebuild


def test_damage_elsewhere_waits_until_the_others_are_a_quorum() -> None:
    cluster = Cluster(4)
    _grow(cluster, 3)
    node = cluster.nodes[3]
    node.store.damage(next(key for key in node.store.image() if key.startswith(b"i")))
    cluster.stop(cluster.nodes[0])
    cluster.run_until(lambda: node.running.status().damage.elsewhere is not None, within_ms=60 * BASE_TIMEOUT_MS)
    cluster.run(20 * BASE_TIMEOUT_MS)
    assert not node.halted, "with one that is down, the others are no quorum without this node"
    cluster.start(cluster.nodes[0])
    cluster.run_until(lambda: node.halted, within_ms=20 * BASE_TIMEOUT_MS)
    (halted,) = [action for action in node.actions if isinstance(action, Halted)]
    assert halted.rebuild


@pytest.mark.parametrize("closed", [True, False])
def test_two_damaged_nodes_do_not_leave_in_the_same_moment(closed: bool) -> None:
    """Both have waited for the same third one to come back: who goes first must be seen to be gone by the other."""
    cluster = Cluster(4)
    _grow(cluster, 3)
    waiting = cluster.nodes[2:]
    cluster.stop(cluster.nodes[0])
    for node in waiting:
        node.store.damage(next(key for key in node.store.image() if key.startswith(b"i")))
    for node in waiting:
        cluster.run_until(
            lambda n=node: n.running.status().damage.elsewhere is not None,  # type: ignore[misc]
            within_ms=100 * BASE_TIMEOUT_MS,
        )
    cluster.start(cluster.nodes[0])
    cluster.run_until(lambda: any(node.halted for node in waiting), within_ms=40 * BASE_TIMEOUT_MS)
    if not closed:  # the link of a machine that is gone is taken for alive for a while
        cluster.run(40 * BASE_TIMEOUT_MS)
    assert [node.halted for node in waiting].count(True) == 1
    cluster.stop(next(node for node in waiting if node.halted))
    cluster.run(40 * BASE_TIMEOUT_MS)
    assert [node.halted for node in waiting].count(True) == 1
    _grow(cluster, 1)


def test_a_node_goes_on_when_what_nobody_else_has_is_damaged() -> None:
    """What it cosigned last cannot be read: nothing could be made anew, and it votes as before."""
    cluster = Cluster(4)
    _grow(cluster, 3)
    cluster.run(3_000)
    node = cluster.nodes[3]
    node.store.damage(keys.OWN_COSIGNATURE)
    cluster.run_until(lambda: bool(node.logged("database_not_made_anew")), within_ms=100 * BASE_TIMEOUT_MS)
    said = len(node.votes())
    _grow(cluster, 2)
    assert len(node.votes()) > said
    assert len(node.logged("database_not_made_anew")) == 1
    assert "cannot be made anew by itself" in (node.running.status().damage.elsewhere or "")


def test_damage_in_the_middle_of_a_step_ends_it_at_once() -> None:
    cluster = Cluster(4)
    _grow(cluster, 2)
    node = cluster.nodes[3]
    for key in [key for key in node.store.image() if key.startswith(b"vaccount")]:
        node.store.damage(key)
    cluster.restart(node)
    cluster.submit_one(cluster.nodes[0])
    cluster.run_until(lambda: node.halted, within_ms=20 * BASE_TIMEOUT_MS)
    (halted,) = [action for action in node.actions if isinstance(action, Halted)]
    assert halted.rebuild


def _rebuild(cluster: Cluster, node: Node) -> MemoryStore:
    """Make the database of a stopped node anew, as `node.storage.rebuild` does with files; returns the old one."""
    old, new = node.store, MemoryStore()
    create_chain(new, cluster.genesis, taken_over=rows_to_take_over(old))
    node.store = new
    return old


def _start_with_archive(cluster: Cluster, node: Node, old: MemoryStore) -> None:
    cluster.start(node, archive=Archive(old))


def test_a_database_made_anew_has_the_chain_again_and_its_node_votes() -> None:
    cluster = Cluster(4)
    _grow(cluster, 5)
    node = cluster.nodes[3]
    cluster.stop(node)
    old = _rebuild(cluster, node)
    for key in (keys.record(2), keys.state(VALIDATORS_KEY)):
        old.damage(key)
    _start_with_archive(cluster, node, old)
    assert node.running.status().role in (Role.OBSERVING, Role.VOTING)
    assert node.running._parts.silence is None
    cluster.run_until(lambda: node.height >= 5, within_ms=20 * BASE_TIMEOUT_MS)
    cluster.run(2 * BASE_TIMEOUT_MS)
    assert not node.running.takes_from_archive
    said = len(node.votes())
    _grow(cluster, 3)
    assert len(node.votes()) > said
    assert _is_whole(node)
    assert check_state(open_chain(node.disk)) == ()


def test_it_never_votes_where_it_had_blocks_though_all_its_peers_are_gone() -> None:
    """The others are cut off, and what they said before is said again: nothing is signed up to the old height."""
    cluster = Cluster(4)
    _grow(cluster, 4)
    node = cluster.nodes[3]
    cluster.stop(node)
    old = _rebuild(cluster, node)
    old.write({}, frozenset(keys.record(height) for height in range(1, 5)), sync=True)
    said = len(node.votes())
    cluster.deliver = lambda sender, receiver, message: not isinstance(message, Records)
    _start_with_archive(cluster, node, old)
    cluster.run(40 * BASE_TIMEOUT_MS)
    assert node.height == 0
    assert len(node.votes()) == said
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run_until(lambda: node.height >= 4, within_ms=40 * BASE_TIMEOUT_MS)
    _grow(cluster, 2)
    assert min(vote.statement.height for vote in node.votes()[said:]) > 4


def test_votes_at_the_height_being_decided_are_taken_over() -> None:
    cluster = Cluster(4)
    _grow(cluster, 2)
    node = cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: receiver == 3 or sender == 3 or isinstance(message, Records)
    cluster.submit_one(cluster.nodes[0])
    cluster.run(4 * BASE_TIMEOUT_MS)
    promised = open_chain(node.disk).promises(3)
    assert promised.messages
    cluster.stop(node)
    old = _rebuild(cluster, node)
    assert open_chain(node.disk).promises(3) == promised
    cluster.deliver = lambda sender, receiver, message: True
    _start_with_archive(cluster, node, old)
    cluster.run_until(lambda: min(cluster.heights()) >= 3, within_ms=60 * BASE_TIMEOUT_MS)
    _grow(cluster, 2)  # `Cluster.check` demands that nobody ever contradicted itself


@pytest.mark.parametrize("prefix", [b"p", b"e", b"y"])
def test_nothing_is_made_anew_when_what_nobody_else_has_is_damaged(prefix: bytes) -> None:
    cluster = Cluster(4)
    _grow(cluster, 2)
    node = cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: False
    cluster.submit_one(node)
    node.running._parts.keep_silent("a test")
    cluster.stop(node)
    rows = [key for key in node.store.image() if key.startswith(prefix)]
    assert rows
    node.store.damage(rows[0])
    with pytest.raises(DamagedError):
        rows_to_take_over(node.store)


def test_a_silent_node_stays_silent_when_its_database_is_lost_or_made_anew() -> None:
    cluster = Cluster(4)
    _grow(cluster, 2)
    node = cluster.nodes[3]
    node.running._parts.keep_silent("its key signed what it does not remember")
    assert node.guard.read() == SILENCED
    said = len(node.votes())
    cluster.stop(node)
    _rebuild(cluster, node)
    cluster.start(node)
    assert node.running.status().reason == "its key signed what it does not remember"
    cluster.stop(node)
    node.store = MemoryStore()
    create_chain(node.store, cluster.genesis)
    cluster.start(node)
    cluster.run_until(lambda: node.height == cluster.nodes[0].height, within_ms=40 * BASE_TIMEOUT_MS)
    cluster.restart(node)
    assert node.running.status().role is Role.OBSERVING
    assert "told never to sign again" in node.running.status().reason
    cluster.step(node, Elapsed())
    assert len(node.votes()) == said


def test_the_guard_of_a_node_that_was_silent_before_is_told_at_its_start() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[3]
    before = node.guard.image()
    node.running._parts.keep_silent("a test")
    cluster.stop(node)
    node.guard = MemoryGuard(before)
    cluster.start(node)
    assert node.guard.read() == SILENCED


@pytest.mark.parametrize("damaged", [0, 512])
def test_a_guard_that_was_told_of_silence_says_so_with_either_half_damaged(damaged: int) -> None:
    """Where the database is lost, too, nothing else would: the other half would be an old vote."""
    cluster = Cluster(4)
    _grow(cluster, 1)
    node = cluster.nodes[3]
    node.running._parts.keep_silent("a test")
    image = bytearray(node.guard.image())
    image[damaged + 20] ^= 0xFF
    assert MemoryGuard(bytes(image)).read() == SILENCED
