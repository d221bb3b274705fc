"""The light client: it follows what quorums certified, across validator-set changes, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as altered

from ledger.block import block_hash, encode_header, parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.messages import CommitCertificate, CommitRecord, VoteSignature
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.encoding import Json, decode_object, encode
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.light_client import (
    BehindError,
    ForkError,
    LightClient,
    LightUpdate,
    LogError,
    Progress,
    build_light_update,
    parse_light_update,
)
from ledger.limits import LIGHT_HEADERS_REMEMBERED_MAX, LIGHT_UPDATE_BYTES_MAX, LIGHT_UPDATE_STEPS_MAX
from ledger.merkle import prove_consistency
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.trail import Anchor, SetChange, anchor_of
from ledger.validators import ValidatorSet, default_quorum
from node.storage.chain_store import ChainStore
from node.storage.memory import MemoryStore
from tests.unit.ledger.founders import founder, genesis_of, rekeyed, set_of
from tests.unit.node.storage.chains import change_set, commit, genesis, grow, new_chain

ANCHOR = anchor_of(genesis())
SETS = {
    3: ValidatorSet((*set_of(0, 1, 2).validators, rekeyed(3, 5)), default_quorum(4)),  # v3 has a new key
    5: set_of(0, 1, 2, 4),  # v3 goes, v4 comes
    6: set_of(4, 0, 1),  # at the next height already: a set that signs one block
}
HEIGHTS = 9


def build_chain(*sizes: int) -> ChainStore:
    """A chain of HEIGHTS blocks, some with transactions; `SETS` are decided at their heights."""
    chain = new_chain(MemoryStore())
    for height in range(1, HEIGHTS + 1):
        if height in SETS:
            change_set(chain, SETS[height])
        else:
            grow(chain, [sizes[height % len(sizes)] if sizes else height % 3])
    return chain


@pytest.fixture(scope="module")
def chain() -> ChainStore:
    return build_chain()


def update(chain: ChainStore, client: LightClient, height: int) -> LightUpdate:
    """What an honest node answers to `client` for the block at `height`, by way of its bytes."""
    size = chain.header(height).log_size
    known = client.log_size
    return parse_light_update(
        build_light_update(
            trail=[
                step for step in chain.trail(height) if parse_header(step.record.header).height > client.from_height
            ],
            record=decode_commit_record(chain.record(height)),
            consistency=prove_consistency(known, size, chain.log_reader()) if known < size else (),
        )
    )


def at(chain: ChainStore, height: int, anchor: Anchor = ANCHOR) -> LightClient:
    """A light client whose head is the block at `height`."""
    client = LightClient(anchor)
    assert client.advance(update(chain, client, height)) is Progress.ADVANCED
    return client


def record_of(chain: ChainStore, height: int) -> CommitRecord:
    return decode_commit_record(chain.record(height))


def signed(header: bytes, height: int, *signers: tuple[int, int]) -> CommitRecord:
    """A record of this header by these (index in the set, founder whose key signs)."""
    statement = CommitStatement(height, 0, block_hash(header))
    content = signed_bytes(SigningContext(genesis().chain, 0), statement)
    votes = tuple(VoteSignature(index, founder(key).consensus_key.sign(content)) for index, key in signers)
    return CommitRecord(header, CommitCertificate(height, 0, block_hash(header), votes), ())


def forged(chain: ChainStore, height: int, *signers: tuple[int, int], **fields: object) -> CommitRecord:
    """A record for another block of this height."""
    header = altered(chain.header(height), **fields)  # type: ignore[arg-type]
    return signed(encode_header(header), height, *signers)


@pytest.mark.parametrize("start", range(HEIGHTS))
@pytest.mark.parametrize("end", range(1, HEIGHTS + 1))
def test_it_reaches_any_height_from_any_other_across_changes_of_the_set(
    chain: ChainStore, start: int, end: int
) -> None:
    if start >= end:
        return
    client = LightClient(ANCHOR) if start == 0 else at(chain, start)
    client.advance(update(chain, client, end))
    assert client.head is not None
    assert client.head.block_hash == chain.block_hash(end)
    assert client.advance(update(chain, client, end)) is Progress.KNOWN
    assert client.validators in (None, chain.validators_of(end + 1))


@pytest.mark.parametrize("pinned", range(1, HEIGHTS))
def test_it_starts_at_a_pinned_checkpoint(chain: ChainStore, pinned: int) -> None:
    checkpoint = build_pinned_checkpoint(
        network="test", header=chain.header(pinned), validators=chain.validators_of(pinned + 1)
    )
    client = LightClient(anchor_of_checkpoint(checkpoint))
    assert (client.height, client.log_size) == (pinned, chain.header(pinned).log_size)
    assert client.advance(update(chain, client, pinned)) is Progress.KNOWN
    client.advance(update(chain, client, HEIGHTS))
    assert client.head is not None
    assert client.head.block_hash == chain.block_hash(HEIGHTS)
    with pytest.raises(BehindError):
        client.advance(update(chain, client, pinned))


def test_block_by_block_it_asks_only_where_the_set_changed(chain: ChainStore) -> None:
    client = at(chain, 1)
    asked = []
    for height in range(2, HEIGHTS + 1):
        if client.validators is None:
            client.advance(update(chain, client, height))
            asked.append(height)
        else:
            client.append(record_of(chain, height))
        assert client.height == height
    assert asked == [height + 1 for height in SETS]


def test_it_never_goes_back(chain: ChainStore) -> None:
    client = at(chain, HEIGHTS)
    known = client.head
    for height in range(1, HEIGHTS):
        with pytest.raises(BehindError) as raised:
            client.advance(update(chain, client, height))
        assert (raised.value.shown, raised.value.head) == (height, HEIGHTS)
        assert client.head == known


@pytest.mark.parametrize(
    ("signers", "says"),
    [
        (((0, 0), (1, 1)), "2 signatures, and the quorum is 3"),
        (((0, 0), (1, 1), (1, 1)), "not in ascending order"),
        (((0, 0), (1, 1), (2, 5)), "does not verify"),  # a stranger's
        (((0, 0), (1, 1), (4, 4)), "there is no validator 4"),
        (((0, 0), (1, 1), (3, 3)), "does not verify"),  # v3's old key, in the era of its new one
    ],
)
def test_a_forged_certificate_is_refused(chain: ChainStore, signers: tuple[tuple[int, int], ...], says: str) -> None:
    client = at(chain, 3)
    client.advance(update(chain, client, 4))
    known = client.head
    record = forged(chain, 5, *signers, time_ms=chain.header(5).time_ms + 1, next_validators_hash=SETS[3].hash)
    for attempt in (lambda: client.append(record), lambda: client.advance(LightUpdate((), record, ()))):
        with pytest.raises(VerificationError, match=says):
            attempt()
        assert client.head == known
    good = signed(chain.stored_header(5).header_bytes, 5, (0, 0), (1, 1), (3, 5))
    assert client.append(good).block_hash == chain.block_hash(5)


@pytest.mark.parametrize("known", [3, 5, 6])
def test_a_set_that_the_head_put_out_of_force_signs_nothing_more(chain: ChainStore, known: int) -> None:
    """A removed validator's key helps to sign a later block, and the update says nothing of the change."""
    client = at(chain, known)
    old, head = chain.validators_of(known), client.head
    for height in (known + 1, known + 2):
        header = altered(chain.header(height), validators_hash=old.hash, next_validators_hash=old.hash)
        record = signed(encode_header(header), height, *signers_of(old))
        lie = LightUpdate((), record, update(chain, client, height).consistency)
        for attempt in (lambda lie=lie: client.advance(lie), lambda record=record: client.certify(record, ())):
            with pytest.raises(VerificationError, match=f"not that of the known block {known}"):
                attempt()
        assert client.head == head
    client.advance(update(chain, client, HEIGHTS))


def signers_of(validators: ValidatorSet) -> list[tuple[int, int]]:
    """Every validator of a set, with the founder that has its key."""
    keys = {founder(number).consensus_key.public_key: number for number in range(6)}
    return [(index, keys[item.consensus_key]) for index, item in enumerate(validators.validators)]


def test_a_change_of_the_set_at_a_known_height_is_a_fork(chain: ChainStore) -> None:
    """Of the known block itself, and of one before it; whoever signs the other block is not called a double signer."""
    usurpers = set_of(*range(6))
    for changed, match in ((2, "two blocks of height 2 are certified; v0, v1, v2 signed both"), (1, "not that of")):
        client = at(chain, 2)
        step = forged(chain, changed, (0, 0), (1, 1), (2, 2), next_validators_hash=usurpers.hash)
        header = altered(chain.header(3), validators_hash=usurpers.hash)
        record = signed(encode_header(header), 3, *signers_of(usurpers))
        with pytest.raises(VerificationError, match=match):
            client.advance(LightUpdate((SetChange(step, usurpers),), record, update(chain, client, 3).consistency))


def test_nobody_is_accused_of_what_another_set_has_signed(chain: ChainStore) -> None:
    """A quorum put others in force in a past of its own, who sign: their indexes are not those of the known set."""
    client = at(chain, 2)
    usurpers = ValidatorSet(tuple(set_of(*range(6)).validators[::-1]), default_quorum(6))
    step = forged(chain, 1, (0, 0), (1, 1), (2, 2), next_validators_hash=usurpers.hash)
    record = forged_by(chain, 2, usurpers)
    with pytest.raises(ForkError) as raised:
        client.advance(LightUpdate((SetChange(step, usurpers),), record, ()))
    assert raised.value.accused == ()


def forged_by(chain: ChainStore, height: int, validators: ValidatorSet) -> CommitRecord:
    """A block of this height that another set has signed."""
    header = altered(chain.header(height), validators_hash=validators.hash)
    return signed(encode_header(header), height, *signers_of(validators))


def test_two_certified_blocks_of_one_height_are_a_fork_that_names_who_signed_both(chain: ChainStore) -> None:
    client = at(chain, 1)
    client.append(record_of(chain, 2))
    other = forged(chain, 2, (1, 1), (2, 2), (3, 3), time_ms=chain.header(2).time_ms + 1)
    with pytest.raises(ForkError, match="two blocks of height 2 are certified; v1, v2 signed both") as raised:
        client.advance(LightUpdate((), other, ()))
    assert raised.value.known == record_of(chain, 2)
    assert (raised.value.other, raised.value.accused) == (other, ("v1", "v2"))
    assert client.head is not None
    assert client.head.block_hash == chain.block_hash(2), "neither is any more true than the other: the first stays"


def test_a_certified_block_on_another_parent_is_a_fork(chain: ChainStore) -> None:
    client = at(chain, 1)
    other = forged(chain, 2, (0, 0), (1, 1), (2, 2), parent_hash=block_hash(b"another"))
    with pytest.raises(ForkError, match="block 2 builds on another block 1"):
        client.append(other)
    with pytest.raises(ForkError, match="block 2 builds on another block 1"):
        client.advance(LightUpdate((), other, update(chain, client, 2).consistency))


def test_the_log_must_continue_whatever_a_quorum_signs() -> None:
    """A quorum of double-signers replaced a transaction in the past, and built on: no header of it is ever taken."""
    honest, rewritten = build_chain(2), build_chain(1, 3, 2)
    client = at(honest, 2)
    for consistency in ((), update(rewritten, client, 9).consistency, update(honest, client, 9).consistency):
        lie = replace(update(rewritten, client, 9), consistency=consistency)
        with pytest.raises(LogError, match="is not shown to begin with"):
            client.advance(lie)
    with pytest.raises(LogError):
        client.advance(replace(update(honest, client, 9), consistency=()))
    client.advance(update(honest, client, 9))


@pytest.mark.parametrize("size", [0, 1, 99])
def test_the_next_block_takes_nothing_back_and_slips_nothing_in(chain: ChainStore, size: int) -> None:
    client = at(chain, 1)
    record = forged(chain, 2, (0, 0), (1, 1), (2, 2), log_size=size)
    with pytest.raises(LogError, match=f"2 transactions, and the log goes from 1 to {size}"):
        client.append(record)


def test_time_goes_on(chain: ChainStore) -> None:
    client = at(chain, 1)
    record = forged(chain, 2, (0, 0), (1, 1), (2, 2), time_ms=chain.header(1).time_ms)
    with pytest.raises(VerificationError, match="no later time"):
        client.append(record)


@pytest.mark.parametrize(
    "bend",
    [
        lambda item: replace(item, trail=()),
        lambda item: replace(item, trail=item.trail[1:]),
        lambda item: replace(item, trail=item.trail[:-1]),
        lambda item: replace(item, trail=item.trail[::-1]),
        lambda item: replace(item, trail=(replace(item.trail[0], validators=set_of(0, 1, 2)), *item.trail[1:])),
        lambda item: replace(item, record=item.trail[-1].record),
    ],
)
def test_a_bent_trail_leads_nowhere(chain: ChainStore, bend: Callable[[LightUpdate], LightUpdate]) -> None:
    client = LightClient(ANCHOR)
    with pytest.raises(VerificationError):
        client.advance(bend(update(chain, client, 8)))
    assert client.head is None


def test_another_chain_leads_nowhere(chain: ChainStore) -> None:
    for anchor in (anchor_of(genesis_of(3)), replace(ANCHOR, epoch=1), replace(ANCHOR, chain=block_hash(b""))):
        client = LightClient(anchor)
        with pytest.raises(VerificationError):
            client.advance(update(chain, client, 2))


def test_what_was_verified_elsewhere_is_held_against_the_head(chain: ChainStore) -> None:
    client = at(chain, 8)
    for height in range(1, 9):
        header = chain.header(height)
        path = prove_consistency(header.log_size, client.log_size, chain.log_reader())
        client.check_in_log(header, path)
        with pytest.raises(LogError):
            client.check_in_log(altered(header, log_root=block_hash(b"")), path)
    assert not client.compare(altered(client.head, header=chain.header(7)), record_of(chain, 7))  # type: ignore[type-var]


def test_a_record_of_any_height_is_certified_and_nothing_is_learned(chain: ChainStore) -> None:
    client = at(chain, 8)
    known = client.head
    for height in range(1, HEIGHTS + 1):
        assert client.certify(record_of(chain, height), chain.trail(height)).block_hash == chain.block_hash(height)
        assert client.head == known
        remembered = client.remembered(height)
        assert (remembered is not None) == (height == 8)
    assert client.certify(record_of(chain, 9), ()).block_hash == chain.block_hash(9), "the set in force is known"
    with pytest.raises(VerificationError):
        client.certify(record_of(chain, 4), ())
    with pytest.raises(VerificationError):
        client.certify(forged(chain, 9, (0, 4)), chain.trail(9))
    other = forged(chain, 8, (0, 4), (1, 0), (2, 1), time_ms=chain.header(8).time_ms + 1)
    with pytest.raises(ForkError, match="v4, v0 signed both"):
        client.certify(other, chain.trail(8))


def test_a_copy_goes_its_own_way(chain: ChainStore) -> None:
    client = at(chain, 1)
    copy = client.fork()
    copy.append(record_of(chain, 2))
    assert (client.height, copy.height) == (1, 2)
    assert client.append(record_of(chain, 2)) == copy.head


def test_memory_is_bounded() -> None:
    chain = new_chain(MemoryStore())
    client = LightClient(ANCHOR)
    for _ in range(LIGHT_HEADERS_REMEMBERED_MAX + 10):
        commit(chain)
        client.append(record_of(chain, chain.tip.header.height))
    assert len(client._seen) == LIGHT_HEADERS_REMEMBERED_MAX


def test_a_document_has_one_form(chain: ChainStore) -> None:
    client = LightClient(ANCHOR)
    given = update(chain, client, 8)
    data = build_light_update(trail=given.trail, record=given.record, consistency=given.consistency)
    document = decode_object(data, bytes_max=LIGHT_UPDATE_BYTES_MAX)
    steps: list[Json] = document["trail"]  # type: ignore[assignment]
    for changed in (
        {**document, "kind": "quorum-ledger/receipt"},
        {**document, "version": True},
        {**document, "version": 2},
        {**document, "more": 1},
        {name: document[name] for name in document if name != "consistency"},
        {**document, "consistency": ["00"]},
        {**document, "consistency": ["00" * 32] * 65},
        {**document, "trail": steps * LIGHT_UPDATE_STEPS_MAX},
    ):
        with pytest.raises(MalformedError):
            parse_light_update(encode(changed))  # type: ignore[arg-type]


def test_every_byte_of_an_update_matters(chain: ChainStore) -> None:
    """A byte that is changed makes it malformed or untrue; nothing but the true head is ever reached."""
    client = at(chain, 2)
    given = update(chain, client, 4)
    data = build_light_update(trail=given.trail, record=given.record, consistency=given.consistency)
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        with pytest.raises(LedgerError):
            client.fork().advance(parse_light_update(changed))
