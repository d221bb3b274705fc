"""Receipts made by somebody with keys, and with reason to lie: whatever they sign, both verifiers refuse it.

A forger has the true chain, and the keys of some validators, of some eras, or of another network.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.block import Header, block_hash, encode_header, parse_header
from ledger.consensus.codec import commit_record_to_json
from ledger.consensus.messages import CommitRecord
from ledger.consensus.statements import NO_ROUND, TimeoutStatement
from ledger.crypto import digest, tag
from ledger.encoding import decode, encode
from ledger.genesis import Genesis, assemble_genesis
from ledger.limits import RECEIPT_BYTES_MAX
from ledger.operations.streams import StreamCreate
from ledger.pinned_checkpoint import build_pinned_checkpoint
from ledger.primitives import ZERO_DIGEST, Digest
from ledger.transaction import assemble, envelope_hash, sign_body
from ledger.validators import ValidatorSet
from tests.unit.ledger.founders import founder, founders, genesis_of, set_of
from tests.unit.ledger.sample_chain import MemoryChain
from tests.unit.node.storage.chains import append, create_stream, transaction
from tests.verifier.eras import GROWN, HEIGHT, PATHS, REKEYED, SHRUNK, Signing, with_new_keys
from tests.verifier.judging import Pin, agree, eras, judge, pin, pins

FIRST = genesis_of(4).validators
IN_FORCE = {1: FIRST, 2: FIRST, 3: GROWN, 4: GROWN, 5: REKEYED, 6: REKEYED, 7: SHRUNK, 8: SHRUNK}
"""Who signs each height."""


def document(height: int, from_height: int = 0) -> Any:
    """A true receipt."""
    return decode(eras().receipt(height, 0, from_height), bytes_max=RECEIPT_BYTES_MAX, depth_max=33)


def header_of(height: int, **changes: Any) -> bytes:
    return encode_header(replace(eras().store.header(height), **changes))


def signed(
    height: int,
    *,
    header: bytes | None = None,
    by: ValidatorSet | None = None,
    signers: tuple[int, ...] | None = None,
    chain: Digest | None = None,
    path: tuple[int, ...] | None = None,
) -> Any:
    """A commit record of a height by a whole set, unless said otherwise."""
    validators = by or IN_FORCE[height]
    signing = Signing(
        chain or eras().store.chain, height, validators, range(len(validators)) if signers is None else signers
    )
    return commit_record_to_json(signing.record(header or header_of(height), path or PATHS.get(height, (0,))))


def receipt(height: int, record: Any) -> bytes:
    """A true receipt with another record."""
    return encode({**document(height), "record": record})


def test_what_forgers_sign_with_is_good() -> None:
    """With the right keys in the right number, the same machinery makes receipts that are accepted."""
    for height in (1, 3, 5, 7, 8):
        for trusted in pins()[:height]:
            assert judge(receipt(height, signed(height)), trusted) == ""
            quorum = tuple(range(IN_FORCE[height].quorum))
            assert judge(receipt(height, signed(height, signers=quorum)), trusted) == ""


def bent(height: int, bend: Callable[[Any], Any]) -> bytes:
    """A true receipt in which something was changed, in place or by giving another document."""
    changed = copy.deepcopy(document(height))
    return encode(bend(changed) or changed)


def signatures(made: Any) -> Any:
    return made["record"]["certificate"]["signatures"]


OTHER = genesis_of(3).chain
STRANGER = with_new_keys(SHRUNK, 1, 3)

CERTIFICATES: list[tuple[str, Callable[[], bytes], str]] = [
    (
        "one signer short of the quorum",
        lambda: receipt(3, signed(3, signers=(0, 1, 2))),
        "3 signatures, and the quorum",
    ),
    ("one signer", lambda: receipt(8, signed(8, signers=(2,))), "1 signatures, and the quorum is 2"),
    ("a signer twice instead of a quorum", lambda: receipt(8, signed(8, signers=(1, 1))), "ascending order"),
    ("a signer twice besides a quorum", lambda: receipt(8, signed(8, signers=(0, 1, 1))), "ascending order"),
    ("signers in another order", lambda: receipt(8, signed(8, signers=(1, 0))), "ascending order"),
    ("a signature under another's name", lambda: bent(7, lambda m: swap(signatures(m))), "does not verify"),
    (
        "a validator that there is not",
        lambda: bent(7, lambda m: signatures(m)[-1].update(validator=3)),
        "no validator 3",
    ),
    ("a stranger's key", lambda: receipt(8, signed(8, by=STRANGER)), "does not verify"),
    ("the keys of the era before", lambda: receipt(5, signed(5, by=GROWN)), "validator 1 does not verify"),
    ("the keys of the era after", lambda: receipt(3, signed(3, by=REKEYED)), "validator 1 does not verify"),
    ("removed validators", lambda: receipt(8, signed(8, by=REKEYED, signers=(0, 2, 3, 4))), "does not verify"),
    ("signatures for another chain", lambda: receipt(8, signed(8, chain=OTHER)), "does not verify"),
    ("signatures for another block", lambda: receipt(1, of_another_block(1)), "for another block"),
    ("signatures of another round", lambda: bent(1, lambda m: certificate(m).update(round=1)), "does not verify"),
    ("signatures of another height", lambda: bent(1, lambda m: certificate(m).update(height=2)), "for another height"),
    ("votes to prepare for votes to commit", lambda: receipt(5, prepared_as_committed()), "does not verify"),
]


def certificate(made: Any) -> Any:
    return made["record"]["certificate"]


def of_another_block(height: int) -> Any:
    """A true header, under a certificate that a quorum made for another one."""
    return {**signed(height), "certificate": signed(height, header=header_of(height, time_ms=7))["certificate"]}


def swap(items: Any) -> None:
    """Exchange the signatures of the first two."""
    items[0]["signature"], items[1]["signature"] = items[1]["signature"], items[0]["signature"]


def prepared_as_committed() -> Any:
    """The prepare votes of block 5 in place of its commit votes, which have other statements."""
    record = signed(5)
    record["certificate"]["signatures"] = record["justifications"][0]["prepare_certificate"]["signatures"]
    return record


Bend = Callable[[list[Any]], Any]

JUSTIFICATIONS: list[tuple[str, Bend, str]] = [
    ("none", lambda j: j.clear(), "justification of round 4 is missing"),
    ("the last one missing", lambda j: j.pop(), "justification of round 1 is missing"),
    ("the middle one missing", lambda j: j.pop(1), "another justification"),
    ("the first one missing", lambda j: j.pop(0), "was not free"),
    ("one too many", lambda j: j.append(j[-1]), "beyond the fresh proposal"),
    ("in another order", lambda j: j.reverse(), "was not free"),
    ("one signer short", lambda j: short(j[0]["entries"]), "the quorum is 4"),
    ("a prepare certificate one signer short", lambda j: short(prepared(j)["signatures"]), "the quorum is 4"),
    ("its prepare certificate missing", lambda j: j[0].update(prepare_certificate=None), "is missing"),
    ("a prepare certificate of another round", lambda j: prepared(j).update(round=1), "is missing"),
    ("a prepare certificate of another height", lambda j: prepared(j).update(height=4), "statement of height 4"),
    ("a prepare certificate that is unjustified", lambda j: prepared(j).update(justification_digest=ZERO), "justified"),
    ("a prepare certificate nobody names", lambda j: j[2].update(prepare_certificate=prepared(j)), "that no entry"),
    ("an entry with a block and no round", lambda j: j[2]["entries"][0].update(high_hash=ONES), "a block but no round"),
    ("an entry of another round", lambda j: j[0]["entries"][0].update(high_round=1), "does not verify"),
    ("an entry that names a later round", lambda j: j[2]["entries"][0].update(high_round=9), "is missing"),
    ("an entry that names another block", lambda j: j[0]["entries"][0].update(high_hash=ONES), "names another block"),
    ("of another height", lambda j: j[2].update(height=4), "statement of height 4"),
    ("of another round", lambda j: j[2].update(round=5), "does not verify"),
]
ZERO, ONES = "00" * 32, "11" * 32


def prepared(justifications: Any) -> Any:
    """The newest prepare certificate."""
    return justifications[0]["prepare_certificate"]


def short(items: Any) -> None:
    """Fewer than a quorum."""
    del items[3:]


def unfresh(height: int, round: int) -> bytes:
    """A receipt whose header states another round than that of the fresh proposal."""
    return receipt(height, signed(height, header=header_of(height, round=round)))


def needless() -> Any:
    """A record of round 0 with a justification."""
    return {**signed(1), "justifications": signed(1, path=(1,))["justifications"]}


FRESH: list[tuple[str, Callable[[], bytes], str]] = [
    ("the header says round 0", lambda: unfresh(5, 0), "was not free"),
    ("the header says a later round", lambda: unfresh(5, 2), "was not free"),
    ("fresh in round 0, and the header says 1", lambda: unfresh(3, 1), "leads to round 0"),
    ("committed in round 0, and the header says 1", lambda: unfresh(1, 1), "leads to round 0"),
    ("a justification for round 0", lambda: receipt(1, needless()), "beyond the round"),
    ("another true justification bound below", lambda: receipt(5, rebound(5)), "another justification"),
    ("a prepared block that is kept secret", lambda: liars(2, "secret"), "named in round 1, is missing"),
    ("an entry that names another block than the others", lambda: liars(0, "another"), "names another block"),
    ("an entry that names a block and no round", lambda: liars(2, "nameless"), "a block but no round"),
    ("a prepared block, and the commit of another", lambda: liars(0, "usurped"), "was not free"),
    ("a prepare certificate of round 0 that is justified", lambda: liars(0, "justified"), "is justified exactly"),
    ("a prepare certificate of round 1 that is not", lambda: liars(1, "unjustified"), "is justified exactly"),
]


def liars(fresh: int, lie: str) -> bytes:
    """A receipt of block 3, fresh in this round and committed in round 2, whose whole set signed the lie."""
    header = header_of(3, round=fresh)
    name, other = block_hash(header), Digest(bytes(range(32)))
    signing = Signing(eras().store.chain, 3, GROWN, range(5))
    prepared = signing.prepared(0, name, ZERO_DIGEST)
    given_up = signing.given_up(1, prepared, other if lie == "another" else None)
    if lie == "secret":
        given_up = replace(given_up, prepare_certificate=None)
    elif lie == "nameless":
        given_up = signing.given_up(1, None)
        entry = replace(given_up.entries[0], high_hash=other)
        entry = replace(entry, signature=signing.sign(0, TimeoutStatement(3, 1, NO_ROUND, other)))
        given_up = replace(given_up, entries=(entry, *given_up.entries[1:]))
    elif lie == "usurped":
        given_up = signing.given_up(1, signing.prepared(0, other, ZERO_DIGEST))
    elif lie == "justified":
        given_up = signing.given_up(1, signing.prepared(0, name, other))
    elif lie == "unjustified":
        given_up = signing.given_up(1, signing.prepared(1, name, ZERO_DIGEST))
    record = CommitRecord(header, signing.committed(2, name), (given_up,))
    if lie == "unjustified":
        record = replace(record, justifications=(given_up, signing.given_up(0, None)))
    return receipt(3, commit_record_to_json(record))


def rebound(height: int) -> Any:
    """A record whose second justification is true, but by other signers than the one that was bound."""
    record, other = signed(height), signed(height, signers=(0, 1, 2, 3))
    record["justifications"][2] = other["justifications"][2]
    return record


def test_what_liars_sign_is_accepted_where_it_is_no_lie() -> None:
    assert judge(liars(0, ""), pins()[0]) == ""


def test_the_first_justification_may_be_any_that_is_true() -> None:
    """Amendment A8: validators that commit may have seen different ones."""
    record, other = signed(8), signed(8, signers=(0, 2))
    record["justifications"][0] = other["justifications"][0]
    assert judge(receipt(8, record), pins()[0]) == ""


# ---- what a whole quorum signs that cannot be


def by_the_quorum(**changes: Any) -> bytes:
    """A receipt of height 1 with such a header, signed by all."""
    return receipt(1, signed(1, header=encode_header(replace(eras().store.header(1), **changes))))


QUORUMS: list[tuple[str, Callable[[], bytes], str]] = [
    ("a block of another chain", lambda: by_the_quorum(chain=OTHER), "another chain or epoch"),
    ("a block of another epoch", lambda: by_the_quorum(epoch=1), "another chain or epoch"),
    ("a block of another height", lambda: by_the_quorum(height=2), "height 2 where height 1"),
    ("a block with fewer transactions", lambda: by_the_quorum(transaction_count=0), "index 0 in a block of 0"),
    ("a block with a longer log", lambda: by_the_quorum(log_size=9), "inclusion path"),
    ("a block with a log that is too short", lambda: by_the_quorum(log_size=0), "inclusion path"),
    ("a block with another log", lambda: by_the_quorum(log_root=ZERO_DIGEST), "inclusion path"),
    ("a block of another set", lambda: by_the_quorum(validators_hash=GROWN.hash), "another validator set"),
    ("a header of another version", lambda: by_the_quorum(version=2), "version"),
    ("a block without a proposer", lambda: by_the_quorum(proposer=""), "proposer"),
]


# ---- trails


def step(height: int, **changes: Any) -> Any:
    """A true step of the trail, or one with changes."""
    made = {"record": signed(height), "validators": IN_FORCE[height + 1].to_json()}
    return {**made, **changes}


def trail(*steps: Any, height: int = 8) -> bytes:
    return encode({**document(height), "trail": list(steps)})


TRAILS: list[tuple[str, Callable[[], bytes], str]] = [
    ("none", trail, "names another validator set"),
    ("cut short", lambda: trail(step(2), step(4)), "names another validator set"),
    ("the middle missing", lambda: trail(step(2), step(6)), "names another validator set"),
    ("the beginning missing", lambda: trail(step(4), step(6)), "names another validator set"),
    ("two steps swapped", lambda: trail(step(4), step(2), step(6)), "not in order of height"),
    ("a step twice", lambda: trail(step(2), step(2), step(4), step(6)), "not in order of height"),
    ("a step from after the block", lambda: trail(step(2), step(4), step(6), height=5), "not in order of height"),
    ("a block that changed no set", lambda: trail(step(2), unchanged(), step(4), step(6)), "did not change"),
    ("a step of genesis, which has no record", lambda: trail(begun(), height=1), "not in order of height"),
    ("another set than was decided", lambda: trail(step(2, validators=OTHERS)), "puts another validator set"),
    ("the same members, another quorum", lambda: trail(step(2, validators=LAX)), "puts another validator set"),
    ("a step signed by the set that it brings", lambda: trail(step(2), early(), step(6)), "does not verify"),
    ("a step one signature short", lambda: trail(step(2, record=signed(2, signers=(0, 1)))), "the quorum is 3"),
    ("a step without its justification", lambda: trail(step(2, record=unjustified())), "is missing"),
    ("a made-up change signed by too few", lambda: trail(usurped(signers=(0, 1))), "the quorum is 3"),
    ("a made-up change signed by those who come", lambda: trail(usurped(by=set_of(5, 0, 1, 2))), "does not verify"),
]
OTHERS = set_of(0, 1, 2, 3, 5).to_json()
LAX = {**GROWN.to_json(), "quorum": 3}


def unchanged() -> Any:
    """A true block, as a step that brings the set that was there."""
    return step(3, validators=GROWN.to_json())


def begun() -> Any:
    """A block 0 that brings the set of genesis, and of which no signature would be asked."""
    header = replace(eras().store.header(2), height=0, proposer="", next_validators_hash=FIRST.hash)
    header = replace(header, validators_hash=GROWN.hash)
    return {"record": {**signed(2), "header": header.to_json()}, "validators": FIRST.to_json()}


def early() -> Any:
    """The step at height 4, signed with the keys that count from height 5 on."""
    return step(4, record=signed(4, by=REKEYED))


def unjustified() -> Any:
    """The record of height 2, of round 1, without what let round 1 propose."""
    return {**signed(2), "justifications": []}


def usurped(**how: Any) -> Any:
    """A step by which founder 5 alone takes over after block 1."""
    alone = set_of(5)
    header = header_of(1, next_validators_hash=alone.hash)
    return {"record": signed(1, header=header, **how), "validators": alone.to_json()}


def justified(bend: Bend) -> bytes:
    """The receipt of block 5, which took three rounds, with something changed in its justifications."""
    record = signed(5)
    bend(record["justifications"])
    return receipt(5, record)


ALL = [
    *((f"certificate: {name}", make, says) for name, make, says in CERTIFICATES),
    *((f"justification: {name}", partial(justified, bend), says) for name, bend, says in JUSTIFICATIONS),
    *((f"fresh: {name}", make, says) for name, make, says in FRESH),
    *((f"quorum: {name}", make, says) for name, make, says in QUORUMS),
    *((f"trail: {name}", make, says) for name, make, says in TRAILS),
]


@pytest.mark.parametrize(("make", "says"), [row[1:] for row in ALL], ids=[row[0] for row in ALL])
def test_a_forged_receipt_proves_nothing(make: Callable[[], bytes], says: str) -> None:
    data = make()
    reason = judge(data, pins()[0])
    assert says in reason
    for trusted in pins()[1:]:
        agree(data, trusted)


# ---- a log that a whole quorum made up, under a header that somebody pinned


def made_up(envelope: bytes, **leaf_changes: Any) -> tuple[bytes, Pin]:
    """A pinned receipt of this transaction in a log that has nothing else, and the pin."""
    value = decode(envelope, bytes_max=RECEIPT_BYTES_MAX)
    assert isinstance(value, dict)
    names = {
        "transaction_id": digest(tag("transaction"), encode(value["body"])),
        "envelope_hash": envelope_hash(envelope),
    }
    leaf = {"height": 1, "index": 0, **{name: item.hex() for name, item in names.items()}, "result": "applied"}
    leaf |= leaf_changes
    header = replace(
        eras().store.header(1), log_size=1, transaction_count=1, log_root=Digest(sha256(b"\0" + encode(leaf)).digest())
    )
    document = {
        "kind": "quorum-ledger/receipt", "version": 1, "transaction": value, "leaf": leaf, "path": [], "position": 0,
        "header": header.to_json(),
    }  # fmt: skip
    pinned = build_pinned_checkpoint(network="test", header=header, validators=IN_FORCE[2])
    return encode(document), pin("made up", pinned.document)


TRUE = transaction(create_stream(), append("x"), cosigner=1).envelope


def signed_anew(change: Callable[[Any], Any], chain: str | None = None) -> bytes:
    """The transaction with its list of signatures changed, or for another chain."""
    value: Any = decode(TRUE, bytes_max=RECEIPT_BYTES_MAX)
    if chain is not None:
        body = encode({**value["body"], "chain": chain})
        return assemble(body, [sign_body(body, founder(index).operator_key) for index in (0, 1)])
    change(value["signatures"])
    return encode(value)


MADE_UP: list[tuple[str, bytes, dict[str, Any], str]] = [
    ("a leaf from after the block", TRUE, {"height": 2}, "above the checkpoint's"),
    ("a leaf of height 0", TRUE, {"height": 0}, "height"),
    ("a result that is none", TRUE, {"result": "Applied"}, "result"),
    ("no result", TRUE, {"result": ""}, "result"),
    ("a result that moves the cursor", TRUE, {"result": "\x1b[2J"}, "result"),
    ("a leaf of another transaction", TRUE, {"transaction_id": "00" * 32}, "another transaction"),
    ("a leaf of other signatures", TRUE, {"envelope_hash": "00" * 32}, "other signatures"),
    ("a leaf with more in it", TRUE, {"more": 1}, "unknown field"),
    ("for another chain", signed_anew(len, chain="00" * 32), {}, "for another chain"),
    ("signatures in another order", signed_anew(lambda items: items.reverse()), {}, "ascending order"),
    ("a signature twice", signed_anew(lambda items: items.append(items[-1])), {}, "ascending order"),
    ("no signature", signed_anew(lambda items: items.clear()), {}, "signatures"),
    (
        "a false signature",
        signed_anew(lambda items: items[0].update(signature=items[1]["signature"])),
        {},
        "not verify",
    ),
]


@pytest.mark.parametrize(("envelope", "changes", "says"), [row[1:] for row in MADE_UP], ids=[row[0] for row in MADE_UP])
def test_even_a_log_that_was_made_up_cannot_have_it(envelope: bytes, changes: dict[str, Any], says: str) -> None:
    assert judge(*made_up(TRUE)) == ""
    assert says in judge(*made_up(envelope, **changes))


# ---- steps that a newer anchor makes needless: of no signature is asked, and both read them alike


def needless_steps(bend: Callable[[Any, Any], Any]) -> bytes:
    """The receipt of block 8, whose first step, below what is pinned, was bent: a header and the set it brings."""
    made = document(8)
    first, second = (made["trail"][number]["record"]["header"] for number in (0, 1))
    brought = made["trail"][0]["validators"]
    bend(first, brought["validators"][0])
    first["next_validators_hash"] = second["validators_hash"] = digest(tag("validators"), encode(brought)).hex()
    return encode(made)


@pytest.mark.parametrize(
    ("bend", "holds"),
    [
        (lambda header, _: header.update(time_ms=2**53 - 1), True),
        (lambda header, _: header.update(proposer="nobody that there is"), True),
        (lambda header, _: header.update(proposer="é" * 32), True),
        (lambda header, _: header.update(proposer="é" * 33), False),
        (lambda header, _: header.update(proposer=""), False),
        (lambda _, item: item.update(name="v0-9"), True),
        *(
            (lambda _, item, name=name: item.update(name=name), False)
            for name in ("", "V", "v-", "v.w", "v\n", "v" * 65)
        ),
        (lambda _, item: item.update(name="v" * 64), True),
        (lambda _, item: item.update(operator=""), True),
        (lambda _, item: item.update(operator="\n" + "é" * 32), False),
        *((lambda _, item, at=at: item.update(address=at), True) for at in ("a:1", "::1:65535", "a:b:9999")),
        *(
            (lambda _, item, at=at: item.update(address=at), False)
            for at in (
                "a:0",
                "a:01",
                "a:65536",
                "a:70000",
                "a:100000",
                "a",
                ":1",
                "a b:1",
                "é:1",
                "a:1\n",
                "a" * 254 + ":1",
            )
        ),
        (lambda _, item: item.update(consensus_key=item["node_key"]), False),
        (lambda _, item: item.update(consensus_key="01" + "00" * 31), False),
    ],
)
def test_needless_steps_are_read_alike(bend: Callable[[Any, Any], Any], *, holds: bool) -> None:
    assert agree(needless_steps(bend), pins()[7]) is holds


# ---- another network, and another past


def other_network(salt: bytes) -> MemoryChain:
    """A network of the same organisations with the same keys: only the salt of its genesis differs."""
    genesis: Genesis = assemble_genesis(
        network="test",
        salt=salt,
        time_ms=genesis_of(4).time_ms,
        quorum=genesis_of(4).validators.quorum_rule,
        parameters=genesis_of(4).parameters,
        cards=tuple(item.card for item in founders(4)),
        administrators=("org0",),
    )
    chain = MemoryChain(genesis)
    chain.append(chain.sign("org0", [founders(4)[0].operator_key], StreamCreate("org0", "notes")))
    return chain


def test_the_receipt_of_one_network_proves_nothing_of_another_with_the_same_keys() -> None:
    one, other = (other_network(bytes([salt]) * 16) for salt in (1, 2))
    for chain, stranger in ((one, other), (other, one)):
        for data in (chain.receipt(1, 0), chain.pinned_receipt(1, 0, 1)):
            own: Pin = pin("its own", chain.genesis.document)
            assert agree(chain.receipt(1, 0), own)
            assert judge(data, pin("the other", stranger.genesis.document)) != ""
            assert judge(data, pin("the other's block", stranger.checkpoint(1).document)) != ""


def test_a_minority_that_goes_on_alone_proves_nothing() -> None:
    """Two of four sign a branch of their own; the quorum is three."""
    for signers in ((0, 1), (2, 3), (0, 3)):
        branch = signed(1, header=header_of(1, state_root=ZERO_DIGEST), signers=signers)
        assert "2 signatures, and the quorum is 3" in judge(receipt(1, branch), pins()[0])


def test_q_old_keys_forge_a_past_from_genesis_and_none_for_the_holder_of_a_checkpoint() -> None:
    """What the README does not guarantee, and what helps against it."""
    true = eras().store.header(8)
    made_up: Header = parse_header(
        header_of(8, validators_hash=FIRST.hash, next_validators_hash=FIRST.hash, state_root=ZERO_DIGEST)
    )
    record = signed(8, header=encode_header(made_up), by=FIRST, signers=(0, 1, 2))
    forged = encode({**document(8), "record": record, "trail": []})
    fooled = [trusted.name for trusted in pins() if judge(forged, trusted) == ""]
    assert fooled == ["genesis", "block 1"], "who pinned a block before the keys were replaced"
    assert true.validators_hash == SHRUNK.hash


def test_no_pinned_receipt_is_made_of_another_past() -> None:
    """Whatever old keys sign: the header is compared with the one that is pinned."""
    made = document(3, 6)
    forged = {**made, "header": {**made["header"], "log_root": made["header"]["state_root"]}}
    for trusted in pins():
        assert judge(encode(forged), trusted) != ""
    fork = build_pinned_checkpoint(network="test", header=parse_header(header_of(6, time_ms=7)), validators=IN_FORCE[7])
    assert "another checkpoint" in judge(encode(made), pin("a fork", fork.document))
    assert agree(encode(made), pins()[6])
    assert len(pins()) == HEIGHT + 1
