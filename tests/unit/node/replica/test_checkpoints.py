"""Checkpoints on a network: who cosigns what and when, how a quorum of cosignatures comes about, and who lies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from msgspec.structs import replace as changed

from ledger.consensus.statements import StatementType
from ledger.crypto import SigningKey
from ledger.limits import CLOCK_AHEAD_MS_MAX, COSIGN_QUIET_MS, COSIGN_SLOW_BLOCKS, COSIGNATURE_BURST
from ledger.log.checkpoint import Checkpoint, cosign, cosigner_key, log_origin, sign
from ledger.log.policy import CosignedCheckpoint, validators_policy, verify_checkpoint
from ledger.log.signed_note import TIMESTAMP_BYTES, Note, SignatureLine
from ledger.primitives import Digest, Signature
from ledger.validators import Quorum, QuorumRule, Validator, ValidatorSet
from node import wire
from node.replica import Halted, PeerMisbehaved, Published, Role, gathering
from node.storage import keys
from node.storage.guard import COSIGNED_STEP, MemoryGuard, promise
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain
from node.wire import Cosignature
from tests.unit.ledger.founders import founder, rekeyed, set_of
from tests.unit.ledger.set_changes import decide_sets
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, HEARTBEAT_MS, Cluster, Node


def grow(cluster: Cluster, blocks: int = 1, *, by: Node | None = None) -> None:
    for _ in range(blocks):
        node = by or cluster.nodes[0]
        height = node.height
        cluster.submit_one(node)
        cluster.run_until(lambda: node.height > height, within_ms=20 * BASE_TIMEOUT_MS)  # noqa: B023


def served(node: Node) -> Published:
    published = node.running.checkpoint()
    assert published is not None
    return published


def verified(cluster: Cluster, node: Node) -> CosignedCheckpoint:
    """What a node serves, held against its own chain and the policy of the set after that block."""
    published, chain = served(node), node.running._parts.chain
    policy = validators_policy(log_origin(cluster.genesis), chain.validators_of(published.height + 1))
    found = verify_checkpoint(published.note, policy)
    header = chain.header(published.height)
    assert (found.checkpoint.size, found.checkpoint.root) == (header.log_size, header.log_root)
    assert found.checkpoint == published.checkpoint
    return found


def own(node: Node) -> list[Cosignature]:
    """What a node cosigned, in order."""
    key = node.founder.cosigning_key.public_key
    found: list[Cosignature] = []
    for message in node.sent():
        if isinstance(message, Cosignature) and message.key == key and message not in found:
            found.append(message)
    return found


def assert_append_only(node: Node) -> None:
    """Times rise, heights and sizes never fall, and one size has one root."""
    said = own(node)
    for before, after in pairwise(said):
        assert before.time_s < after.time_s
        assert (before.height, before.size) <= (after.height, after.size)
        assert before.size != after.size or before.root == after.root


def names(found: CosignedCheckpoint) -> list[str]:
    return [name.removeprefix("validator:") for name, _ in found.witnesses]


# ---- what everybody serves, and when


def test_ledger_time_that_is_ahead_of_all_clocks_holds_no_checkpoint_up() -> None:
    """A leader's clock was, as far as it may be. Each block is a millisecond later then; none stays the tip."""
    cluster = Cluster(4)
    cluster.wall_offset_ms = {1: CLOCK_AHEAD_MS_MAX}
    grow(cluster)
    cluster.wall_offset_ms = {}
    started_ms = cluster.now_ms
    while cluster.now_ms < started_ms + CLOCK_AHEAD_MS_MAX // 2:
        grow(cluster)
        cluster.run(COSIGN_QUIET_MS // 4)
    for node in cluster.nodes:
        assert served(node).height >= COSIGN_SLOW_BLOCKS
        verified(cluster, node)
        assert_append_only(node)


def test_every_node_serves_the_newest_block_with_all_cosignatures_a_second_after_the_last_one() -> None:
    cluster = Cluster(4, followers=1)
    grow(cluster, 3)
    cluster.run(1_100)
    for node in cluster.nodes:
        found = verified(cluster, node)
        assert (found.checkpoint.size, served(node).height) == (3, 3)
        assert len(found.witnesses) >= 3
    for node in cluster.nodes[:4]:
        assert names(verified(cluster, node)) == ["v0", "v1", "v2", "v3"]
        (log_key,) = verified(cluster, node).logs
        assert log_key.public_key == node.founder.cosigning_key.public_key, "the note is its server's"
    assert own(cluster.nodes[4]) == []


def test_under_load_all_cosign_the_same_blocks_and_nobody_twice_in_a_second() -> None:
    cluster = Cluster(4)
    begin_ms, ages = cluster.now_ms, []
    while cluster.now_ms < begin_ms + 6_000:
        grow(cluster)
        cluster.run(60)
        published = cluster.nodes[0].running.checkpoint()
        if published is not None:
            chain = cluster.nodes[0].running._parts.chain
            ages.append(chain.tip.header.time_ms - chain.header(published.height).time_ms)
    assert max(ages) < 1_500
    for node in cluster.nodes:
        assert_append_only(node)
        assert 5 <= len(own(node)) <= 7
        assert [item.height for item in own(node)] == [item.height for item in own(cluster.nodes[0])]


def test_an_idle_network_cosigns_the_same_size_again_with_each_heartbeat() -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(3 * HEARTBEAT_MS)
    node = cluster.nodes[1]
    assert {item.size for item in own(node)} == {1}
    assert 3 <= len(own(node)) <= 4
    newest = max(time_s for _, time_s in verified(cluster, node).witnesses)
    assert cluster.now(node).wall_ms - 1_000 * newest < HEARTBEAT_MS + 2_000


def test_one_validator_alone_serves_its_own() -> None:
    cluster = Cluster(1)
    grow(cluster, 2)
    cluster.run(1_100)
    assert names(verified(cluster, cluster.nodes[0])) == ["v0"]
    assert served(cluster.nodes[0]).height == 2


def test_a_quorum_suffices_and_less_is_nothing() -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    first = served(cluster.nodes[0])
    cluster.stop(cluster.nodes[3])
    grow(cluster)
    cluster.run(1_100)
    assert names(verified(cluster, cluster.nodes[0])) == ["v0", "v1", "v2"]
    assert served(cluster.nodes[0]).height == 2 > first.height
    signed = (Cosignature, wire.Checkpoint)
    cluster.deliver = lambda sender, receiver, message: not (isinstance(message, signed) and sender == 1)
    grow(cluster)
    cluster.run(3_000)
    assert served(cluster.nodes[0]).height == 2, "two of four cosignatures came"


def test_after_a_restart_of_everybody_the_checkpoint_is_there_at_once() -> None:
    cluster = Cluster(4, followers=1)
    grow(cluster, 2)
    cluster.run(1_100)
    before = [served(node).height for node in cluster.nodes]
    cluster.deliver = lambda sender, receiver, message: False
    for node in cluster.nodes:
        cluster.restart(node)
    assert [served(node).height for node in cluster.nodes] == before == [2] * 5
    for node in cluster.nodes:
        verified(cluster, node)


def test_blocks_that_a_crash_left_uncosigned_are_cosigned_as_soon_as_a_quorum_is_linked() -> None:
    cluster = Cluster(4)
    grow(cluster, 3)
    assert served(cluster.nodes[0]).height < 3
    for node in cluster.nodes:
        cluster.stop(node)
    for node in cluster.nodes:
        cluster.start(node)
    cluster.run(3_000)
    assert [served(node).height for node in cluster.nodes] == [3] * 4
    for node in cluster.nodes:
        assert_append_only(node)


def test_those_whom_cosignatures_do_not_reach_get_the_whole_checkpoint() -> None:
    """A follower that hears one validator only, and a validator that hears no cosignature at all."""
    cluster = Cluster(4, followers=1)

    def deliver(sender: int, receiver: int, message: wire.PeerMessage) -> bool:
        return (receiver, sender) not in {(4, 1), (4, 2), (4, 3)} and not (
            receiver == 3 and isinstance(message, Cosignature)
        )

    cluster.deliver = deliver
    for _ in range(6):
        grow(cluster)
        cluster.run(1_100)
    assert served(cluster.nodes[4]).height == 6
    assert served(cluster.nodes[3]).height >= 4
    verified(cluster, cluster.nodes[3])


def test_a_node_that_was_away_is_shown_the_newest_checkpoint_when_it_is_linked() -> None:
    cluster = Cluster(4, followers=1)
    follower = cluster.nodes[4]
    cluster.stop(follower)
    grow(cluster, 3)
    cluster.run(1_100)
    cluster.start(follower)
    cluster.run(500)
    assert (follower.height, served(follower).height) == (3, 3)


# ---- changes of the validator set


def fixed(quorum: int) -> Quorum:
    return Quorum(QuorumRule.FIXED, quorum)


def test_a_joiner_cosigns_from_the_block_that_made_it_a_validator_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """All four must cosign after the change."""
    decide_sets(monkeypatch, {3: set_of(0, 1, 2, 3, quorum=fixed(4))})
    cluster = Cluster(3, candidates=1)
    grow(cluster, 2)
    cluster.run(1_100)
    assert own(cluster.nodes[3]) == []
    grow(cluster)
    cluster.run(1_100)
    for node in cluster.nodes:
        assert (served(node).height, names(verified(cluster, node))) == (3, ["v0", "v1", "v2", "v3"])


def test_a_removed_validator_cosigns_no_more_and_still_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    decide_sets(monkeypatch, {3: set_of(0, 1, 2, quorum=fixed(2))})
    cluster = Cluster(4, quorum=fixed(4), followers=1)
    grow(cluster, 2)
    cluster.run(1_100)
    said = own(cluster.nodes[3])
    grow(cluster)
    cluster.run(1_100)
    assert own(cluster.nodes[3]) == said
    assert names(verified(cluster, cluster.nodes[0])) == ["v0", "v1", "v2"]
    assert served(cluster.nodes[4]).height == 3


def test_a_re_keyed_validator_cosigns_with_its_new_key_only(monkeypatch: pytest.MonkeyPatch) -> None:
    new = ValidatorSet((*set_of(0, 1, 2).validators, rekeyed(3, 4)), fixed(4))
    decide_sets(monkeypatch, {3: new})
    cluster = Cluster(4, candidates=1, quorum=fixed(4))
    grow(cluster, 2)
    cluster.run(1_100)
    old_home, new_home = cluster.nodes[3], cluster.nodes[4]
    assert served(new_home).height == 2
    said = own(old_home)
    grow(cluster)
    cluster.run(1_100)
    assert own(old_home) == said
    assert [item.height for item in own(new_home)] == [3]
    for node in (cluster.nodes[0], new_home):
        assert (served(node).height, names(verified(cluster, node))) == (3, ["v0", "v1", "v2", "v3"])
    cluster.run(HEARTBEAT_MS)
    assert served(cluster.nodes[0]).height > 3


# ---- nothing is taken back


def image(node: Node) -> tuple[MemoryStore, MemoryGuard]:
    return MemoryStore(node.store.image()), MemoryGuard(node.guard.image())


def restart_on(cluster: Cluster, node: Node, store: MemoryStore, guard: MemoryGuard) -> None:
    cluster.stop(node)
    node.store, node.guard = store, guard
    node.actions.clear()
    cluster.start(node)


def test_a_database_that_was_set_back_below_a_cosignature_is_noticed_by_the_guard() -> None:
    """It caught up without voting, cosigned, and lost its newest blocks: the votes alone would not have shown it."""
    cluster = Cluster(4)
    node = cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: not (receiver == 3 and isinstance(message, wire.Consensus))
    grow(cluster, 3)
    old, _ = image(node)
    grow(cluster, 3)
    cluster.run(3_000)
    noted = node.guard.read()
    assert noted is not None
    assert (noted.step, noted.height) == (COSIGNED_STEP, 6)
    cluster.stop(node)
    node.store = old
    cluster.start(node)
    status = node.running.status()
    assert status.role is Role.OBSERVING
    assert "cosigned up to block 6, which is missing" in status.reason
    node.actions.clear()
    cluster.deliver = lambda sender, receiver, message: True
    grow(cluster, 2)
    cluster.run(3_000)
    assert own(node) == [], "and never again"
    assert served(node).height == 8, "it serves what others cosign"


def test_a_machine_that_was_set_back_as_a_whole_cosigns_nothing_and_learns_it_from_peers() -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    node = cluster.nodes[3]
    old, said = image(node), own(node)[-1:]
    grow(cluster, 2)
    cluster.run(1_100)
    cluster.deliver = lambda sender, receiver, message: False
    restart_on(cluster, node, *old)
    cluster.run(5_000)
    assert own(node) == said, "alone it cannot know that this is the newest block"
    cluster.deliver = lambda sender, receiver, message: True
    restart_on(cluster, node, *image(node))
    cluster.run(2_000)
    assert own(node) == said
    assert "a cosignature of this node's key" in node.running.status().reason
    assert node.running.status().role is Role.OBSERVING
    grow(cluster, 1)
    cluster.run(2_000)
    assert own(node) == said
    assert served(node).height == node.height == 4


def test_a_cosignature_that_a_database_lost_is_not_followed_by_one_of_the_same_second() -> None:
    """The guard knows of which block the last one was, and not when; and here no peer shows it."""
    cluster = Cluster(4)
    node = cluster.nodes[0]
    grow(cluster, 2)
    cluster.run(COSIGN_QUIET_MS + 50)
    before = own(node)[-1]
    assert before.height == 2
    cluster.deliver = lambda sender, receiver, message: not isinstance(message, Cosignature | wire.Checkpoint)
    node.store.write({}, frozenset({keys.OWN_COSIGNATURE}), sync=True)
    cluster.restart(node)
    grow(cluster, by=node)
    assert cluster.now(node).wall_ms // 1_000 == before.time_s, (
        "a block begins a second of ledger time, within that one"
    )
    cluster.run(2 * COSIGN_QUIET_MS)
    assert own(node)[-1].height == 3
    assert_append_only(node)


@pytest.mark.parametrize("is_idle", [True, False], ids=["cosigned last", "voted last"])
def test_a_lost_database_that_is_fetched_again_past_its_guard_costs_no_key(is_idle: bool) -> None:
    """What `verify-store` tells operators to do after damage: peers show what the database had, and the guard knows."""
    cluster = Cluster(4)
    grow(cluster, 2)
    cluster.run(1_100)
    node = cluster.nodes[3]
    said = own(node)
    if not is_idle:
        node.guard.write(promise(3, 0, StatementType.TIMEOUT, b"a vote that the database had"))
    empty = MemoryStore()
    create_chain(empty, cluster.genesis)
    restart_on(cluster, node, empty, MemoryGuard(node.guard.image()))
    cluster.run(2_000)
    assert "behind the guard file" in node.running.status().reason
    grow(cluster, 2)
    cluster.run(2_000)
    assert own(node) == []
    restart_on(cluster, node, *image(node))
    cluster.wall_offset_ms[3] = said[-1].time_s * 1_000 - cluster.now(node).wall_ms - 1
    cluster.run(1_100)
    assert own(node) == [], "not before the time of what it is shown"
    cluster.wall_offset_ms[3] = 0
    grow(cluster)
    cluster.run(1_100)
    status = node.running.status()
    assert (status.role, own(node)[-1].height) == (Role.VOTING, 5), status.reason
    assert all(item.time_s > said[-1].time_s for item in own(node))


def test_a_machine_that_was_set_back_cosigns_no_block_that_a_single_peer_brings_back() -> None:
    """Its peers were restarted as well, so nobody shows it at once what it cosigned; and it hears one of them only."""
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    node = cluster.nodes[3]
    old = image(node)
    for _ in range(5):
        grow(cluster)
        cluster.run(1_100)
    newest = own(node)[-1]
    cluster.deliver = lambda sender, receiver, message: 3 not in (sender, receiver) or 0 in (sender, receiver)
    for other in cluster.nodes[:3]:
        cluster.restart(other)
    restart_on(cluster, node, *old)
    cluster.run(3_000)
    assert node.height == newest.height == 6
    assert [item.height for item in own(node) if item.time_s > newest.time_s] == []
    assert node.running.status().role is Role.OBSERVING


def test_a_validator_that_cosigned_can_be_started_as_a_follower() -> None:
    """Without its consensus key: then the guard is nobody's, as `FileGuard` has it, and cannot be written."""
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    node = cluster.nodes[3]
    said, guard = own(node), node.guard.image()
    cluster.stop(node)
    node.key, node.guard = False, MemoryGuard(bytes(len(guard)))
    cluster.start(node)
    grow(cluster)
    cluster.run(1_100)
    assert (node.height, own(node)) == (2, said)
    cluster.stop(node)
    node.key, node.guard = True, MemoryGuard(guard)
    cluster.start(node)
    grow(cluster)
    cluster.run(1_100)
    assert own(node)[-1].height == 3
    assert_append_only(node)


def test_who_is_far_behind_cosigns_when_it_has_caught_up() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[3]
    cluster.deliver = lambda sender, receiver, message: receiver != 3
    grow(cluster, 30)
    cluster.run(1_100)
    assert own(node) == []
    cluster.deliver = lambda sender, receiver, message: True
    cluster.run(4_000)
    assert node.height == 30
    assert {item.height for item in own(node)} <= {29, 30}


def test_a_clock_that_was_set_back_stops_the_cosigning_of_one_validator_until_it_is_past_its_newest() -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    node = cluster.nodes[2]
    said = own(node)
    cluster.wall_offset_ms[2] = -20_000
    for _ in range(5):
        grow(cluster)
        cluster.run(2_000)
    assert own(node) == said
    assert len(node.logged("cosigning_waits")) == 1
    assert served(node).height == 6
    cluster.run(15_000)
    grow(cluster)
    cluster.run(2_000)
    assert own(node)[len(said) :]
    assert_append_only(node)
    assert names(verified(cluster, node)) == ["v0", "v1", "v2", "v3"]


def test_a_cosignature_that_was_durable_when_the_power_went_leaves_only_when_the_guard_knows() -> None:
    cluster = Cluster(4)
    grow(cluster, 2)
    node = cluster.nodes[1]
    node.guard.fail_write(1, torn=True)  # no vote is due any more: the next is for the cosignature
    cluster.run(1_100)
    assert node.halted
    assert own(node)[-1:] != [wire.decode(node.disk.get(keys.OWN_COSIGNATURE) or b"")]
    cluster.restart(node)  # the harness demands the guard at every send
    cluster.run(500)
    assert own(node)[-1] == wire.decode(node.disk.get(keys.OWN_COSIGNATURE) or b"")
    assert names(verified(cluster, cluster.nodes[0])) == ["v0", "v1", "v2", "v3"]


def test_a_cosignature_that_cannot_be_synced_never_leaves() -> None:
    cluster = Cluster(4)
    grow(cluster, 2)
    node = cluster.nodes[1]
    said = own(node)
    node.store.fail_write(1, survives=False)
    cluster.run(1_100)
    assert isinstance(node.actions[-1], Halted)
    assert own(node) == said


def test_a_damaged_memory_of_cosignatures_stops_cosigning_and_not_voting() -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    node = cluster.nodes[1]
    cluster.stop(node)
    node.store.write({keys.OWN_COSIGNATURE: b"\x0d nonsense"}, sync=True)
    node.actions.clear()
    cluster.start(node)
    grow(cluster, 2)
    cluster.run(3_000)
    assert own(node) == []
    assert node.running.status().role is Role.VOTING
    assert node.votes()
    assert len(node.logged("cosigning_stopped")) == 1


def test_a_damaged_block_stops_nobody_who_serves_its_checkpoint() -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    node = cluster.nodes[0]
    grow(cluster)
    assert node.running._parts.cosigned.grown, "it has a cosignature that it has not served yet"
    node.store.damage(keys.header(1))
    cluster.disconnect(node, cluster.nodes[1])
    cluster.connect(node, cluster.nodes[1])
    assert not node.halted
    assert served(node).height == 1
    assert [line.fields["height"] for line in node.logged("block_damaged")] == [1]


def test_a_cosigning_key_that_the_ledger_does_not_list_signs_nothing() -> None:
    cluster = Cluster(4)
    node = cluster.nodes[1]
    cluster.stop(node)
    node.founder = replace(node.founder, cosigning_key=founder(77).cosigning_key)
    cluster.start(node)
    grow(cluster, 2)
    cluster.run(3_000)
    assert own(node) == []
    assert len(node.logged("cosigning_key_wrong")) == 1
    assert names(verified(cluster, node)) == ["v0", "v2", "v3"]


# ---- liars


def made(
    cluster: Cluster,
    validator: Validator,
    key: SigningKey,
    *,
    height: int,
    time_s: int,
    checkpoint: Checkpoint | None = None,
) -> Cosignature:
    """A cosignature of `validator` by `key`, of the block of `height` unless of another checkpoint."""
    header = cluster.nodes[0].running._parts.chain.header(height)
    true = Checkpoint(log_origin(cluster.genesis), header.log_size, header.log_root)
    checkpoint = checkpoint or true
    cosigner = replace(cosigner_key(checkpoint.origin, validator), public_key=key.public_key)
    return Cosignature(
        height=height,
        size=checkpoint.size,
        root=checkpoint.root,
        time_s=time_s,
        key=validator.cosigning_key,
        note_signature=Signature(sign(key, checkpoint).signature),
        cosignature=Signature(cosign(key, cosigner, checkpoint, time_s).signature[TIMESTAMP_BYTES:]),
    )


def blames(node: Node) -> list[str]:
    return [action.reason for action in node.actions if isinstance(action, PeerMisbehaved)]


Forgery = Callable[[Cluster, int], wire.PeerMessage]
V2, V3 = founder(2).card.validator, founder(3).card.validator
KEY2, KEY3 = founder(2).cosigning_key, founder(3).cosigning_key


def of_another_chain(cluster: Cluster, time_s: int) -> wire.PeerMessage:
    other = Checkpoint("quorum-ledger/test/" + "00" * 32, 1, Digest(bytes(32)))
    return made(cluster, V3, KEY3, height=1, time_s=time_s, checkpoint=other)


def note(cluster: Cluster, *cosigners: int, by: int = 3) -> wire.Checkpoint:
    """The checkpoint of block 1 with these cosignatures, as v<by> could make it up."""
    header = cluster.nodes[0].running._parts.chain.header(1)
    checkpoint = Checkpoint(log_origin(cluster.genesis), header.log_size, header.log_root)
    lines = [sign(founder(by).cosigning_key, checkpoint)]
    for index in cosigners:
        key = founder(index).cosigning_key
        lines.append(cosign(key, cosigner_key(checkpoint.origin, founder(index).card.validator), checkpoint, 1))
    return wire.Checkpoint(1, Note(checkpoint.text, tuple(lines)).encode())


@pytest.mark.parametrize(
    ("forgery", "is_blamed"),
    [
        (lambda cluster, now_s: made(cluster, V3, KEY2, height=1, time_s=now_s), True),
        (lambda cluster, now_s: changed(made(cluster, V3, KEY3, height=1, time_s=now_s), time_s=now_s + 1), True),
        (lambda cluster, now_s: changed(made(cluster, V3, KEY3, height=1, time_s=now_s), size=2), True),
        (
            lambda cluster, now_s: changed(
                made(cluster, V3, KEY3, height=1, time_s=now_s), note_signature=Signature(bytes(64))
            ),
            True,
        ),
        (of_another_chain, True),
        (lambda cluster, now_s: made(cluster, V2, KEY2, height=1, time_s=now_s), False),
        (lambda cluster, now_s: made(cluster, founder(5).card.validator, KEY3, height=1, time_s=now_s), False),
        (lambda cluster, now_s: note(cluster, 0, 3), True),
        (lambda cluster, now_s: note(cluster, 3, 3, 3), True),
        (lambda cluster, now_s: note(cluster, 3, 5, 6), True),
        (lambda cluster, now_s: note(cluster, 0, 1, 3, by=5), True),
        (lambda cluster, now_s: wire.Checkpoint(1, b"nonsense"), True),
    ],
    ids=[
        "by another key",
        "another time",
        "another size",
        "no signature of the note",
        "of another chain",
        "of somebody else",
        "of a stranger",
        "one less than a quorum",
        "one of them three times",
        "strangers among them",
        "a note of a stranger",
        "no note",
    ],
)
def test_forged_cosignatures_count_for_nothing(forgery: Forgery, is_blamed: bool) -> None:
    """v3 lies; v0 hears nobody else's cosignature, so that any that counts is seen."""
    cluster = Cluster(4)
    cluster.deliver = lambda sender, receiver, message: not isinstance(message, Cosignature | wire.Checkpoint)
    grow(cluster)
    cluster.run(1_100)
    liar, target = cluster.nodes[3], cluster.nodes[0]
    cluster.deliver = lambda sender, receiver, message: sender == 3 and not isinstance(message, wire.Consensus)
    for _ in range(3):
        cluster.send(3, 0, forgery(cluster, cluster.now(liar).wall_ms // 1_000))
        cluster.run(5)
    assert bool(blames(target)) == is_blamed, blames(target)
    assert target.running.checkpoint() is None
    heard = target.running._parts.cosigned.heard
    assert set(heard) == {founder(0).cosigning_key.public_key}


def test_the_cosignature_of_another_tree_is_reported_and_does_not_count() -> None:
    cluster = Cluster(4)
    cluster.deliver = lambda sender, receiver, message: sender != 3 or not isinstance(message, Cosignature)
    grow(cluster)
    cluster.run(1_100)
    target = cluster.nodes[0]
    other = Checkpoint(log_origin(cluster.genesis), 1, Digest(bytes(32)))
    cluster.deliver = lambda sender, receiver, message: True
    for after in (10, 20):
        time_s = cluster.now(target).wall_ms // 1_000 + after
        cluster.send(3, 0, made(cluster, V3, KEY3, height=1, time_s=time_s, checkpoint=other))
        cluster.run(5)
    assert [line.fields["height"] for line in target.logged("checkpoint_conflict")] == [1], "once"
    assert names(verified(cluster, target)) == ["v0", "v1", "v2"]
    assert blames(target) == []


def test_a_flood_of_good_cosignatures_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    looked_at = 0
    check = gathering.check_line

    def count(*arguments: object) -> int | None:
        nonlocal looked_at
        looked_at += 1
        return check(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(gathering, "check_line", count)
    time_s = cluster.now(cluster.nodes[3]).wall_ms // 1_000
    for number in range(500):
        cluster.send(3, 0, made(cluster, V3, KEY3, height=1, time_s=time_s + number))
    cluster.run(5)
    assert looked_at <= 2 * (COSIGNATURE_BURST + 2)
    assert len(cluster.nodes[0].running._parts.cosigned.heard[KEY3.public_key]) <= 4


def test_what_comes_before_its_block_waits_for_it_one_message_of_each_peer() -> None:
    cluster = Cluster(4)
    grow(cluster)
    cluster.run(1_100)
    target = cluster.nodes[0]
    high = wire.Checkpoint(2**50, b"never")
    for message in (changed(note(cluster, 0, 1, 3), height=2), high):
        cluster.send(3, 0, message)
        cluster.run(5)
    assert target.running._parts.cosigned.postponed == {cluster.nodes[3].peer: high}
    cluster.disconnect(target, cluster.nodes[3])
    assert target.running._parts.cosigned.postponed == {}
    assert blames(target) == []


def test_validators_that_claim_to_be_far_ahead_keep_nobody_from_cosigning_unless_they_are_many() -> None:
    cluster = Cluster(4)
    grow(cluster)
    for sender, moves in ((3, True), (2, False)):
        height = cluster.nodes[0].height
        cluster.alter = lambda sender_, receiver, message: (
            wire.Status(1_000, 0) if sender_ >= sender and isinstance(message, wire.Status) else message  # noqa: B023
        )
        for liar, target in ((liar, target) for liar in range(sender, 4) for target in (0, 1)):
            cluster.send(liar, target, wire.Status(1_000, 0))
        cluster.run(5)
        grow(cluster)
        cluster.run(3_000)
        assert (served(cluster.nodes[0]).height > height) == moves


def lines_of(items: Iterable[SignatureLine]) -> set[str]:
    return {item.name for item in items}


def test_what_a_peer_adds_to_a_note_is_not_served() -> None:
    cluster = Cluster(4, followers=1)
    cluster.deliver = lambda sender, receiver, message: receiver != 4 or not isinstance(message, wire.Checkpoint)
    grow(cluster)
    cluster.run(1_100)
    cluster.deliver = lambda sender, receiver, message: True
    follower = cluster.nodes[4]
    whole = note(cluster, 0, 1, 2, 3)
    stranger = SignatureLine("evil.example", b"evil", b"signature")
    cluster.send(0, 4, changed(whole, note=whole.note + stranger.encode().encode() * 3 + note(cluster, 0).note[-200:]))
    cluster.run(5)
    if follower.running.checkpoint() is None:
        cluster.send(0, 4, changed(whole, note=whole.note + stranger.encode().encode() * 3))
        cluster.run(5)
    published = served(follower)
    assert len(published.note.signatures) == 5
    assert "evil.example" not in lines_of(published.note.signatures)
