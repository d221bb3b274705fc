"""Two implementations of one verdict: `ledger.receipt` and the single file, on true receipts, mutants and forgeries.

Where they differ, one of them is wrong. Nothing here says which; what is right is said by the tests of
`ledger.receipt`.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any
from unittest.mock import patch

import pytest

from ledger.encoding import decode, encode
from ledger.errors import LedgerError, MalformedError
from ledger.genesis import parse_genesis
from ledger.limits import INTEGER_MAX, RECEIPT_BYTES_MAX
from ledger.pinned_checkpoint import parse_pinned_checkpoint
from tests.unit.ledger.crafted_signatures import Case, crafted_cases
from tests.unit.ledger.founders import genesis_of
from tests.unit.ledger.sample_chain import sample_chain
from tests.vectors_registry import path_of
from tests.verifier import verify_receipt as second
from tests.verifier.eras import GROWN, HEIGHT, SHRUNK
from tests.verifier.judging import agree, eras, judge, pin, pins


@pytest.fixture(autouse=True, scope="module")
def good_signatures_are_remembered() -> Iterator[None]:
    """A mutant has most signatures of what it was made of."""
    with patch.object(second, "check_signature", cache(second.check_signature)):
        yield


@cache
def all_receipts() -> tuple[tuple[int, int, bytes], ...]:
    """Every receipt that a node can give of this chain: height of the transaction, the asker's, and the file."""
    chain = eras()
    return tuple(
        (height, from_height, chain.receipt(height, leaf.index, from_height))
        for height in range(1, HEIGHT + 1)
        for leaf in chain.store.leaves(height)
        for from_height in range(HEIGHT + 1)
    )


# ---- what is true


def test_every_receipt_of_the_chain_for_every_holder() -> None:
    accepted = 0
    for height, from_height, data in all_receipts():
        for at, trusted in enumerate(pins()):
            proved = agree(data, trusted)
            accepted += proved
            assert proved or at != from_height, "it was made for this holder"
            assert not proved or at < height or at == from_height
    assert accepted > len(all_receipts())


def test_the_golden_receipts() -> None:
    golden = pin("golden", json.loads(path_of("genesis").read_text())["document"].encode())
    checkpoint = pin("golden block 3", json.loads(path_of("pinned_checkpoint").read_text())["document"].encode())
    for text in json.loads(path_of("receipts").read_text()):
        assert agree(text.encode(), golden)
        assert not agree(text.encode(), checkpoint)
    chain = sample_chain()
    for height, (_, block) in enumerate(chain.blocks, 1):
        for index in range(len(block.transactions)):
            assert agree(chain.pinned_receipt(height, index, 3), checkpoint)


def test_a_set_of_one_and_the_bare_majority() -> None:
    for count in (1, 2, 3, 5):
        chain = sample_chain(count)
        assert agree(chain.receipt(3, 0), pin(f"genesis of {count}", chain.genesis.document))
        assert not agree(chain.receipt(3, 0), pin("another genesis", genesis_of(4).document))


# ---- every byte


@pytest.mark.parametrize(
    ("height", "from_height", "at", "step"),
    [(8, 7, 7, 1), (3, 6, 6, 1), (8, 5, 5, 13), (5, 0, 0, 31), (8, 0, 7, 31)],
    ids=[
        "without a trail",
        "in the log",
        "with a trail",
        "from genesis",
        "from genesis for the holder of a checkpoint",
    ],
)
def test_flipped_bytes_are_judged_alike(height: int, from_height: int, at: int, step: int) -> None:
    """In the last, what is accepted is in the signatures of steps that the holder needs not."""
    data, rng = eras().receipt(height, 0, from_height), random.Random(height)
    assert agree(data, pins()[at])
    harmless = 0
    for position in range(rng.randrange(step), len(data), step):
        flipped = data[position] ^ (1 << rng.randrange(8))
        harmless += agree(data[:position] + bytes([flipped]) + data[position + 1 :], pins()[at])
    assert (harmless > 0) == (height == 8 and from_height == 0)


# ---- thousands of mutants, which are canonical JSON again


Mutate = Callable[[random.Random, Any], Any]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(document: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        document = document[key]
    return document


def other_value(rng: random.Random, value: Any) -> Any:
    """A value that is near, or of another kind."""
    near: list[Any] = [None, True, False, 0, 1, -1, "", [], {}, [value], {"value": value}, str(value)]
    if type(value) is int:
        near += [value + 1, value - 1, -value, value + 2**31, INTEGER_MAX, 2**32, value ^ 1] * 3
    if isinstance(value, str) and value:
        place = rng.randrange(len(value))
        letter = rng.choice("0123456789abcdefABCDEF gé\n")
        near += [
            value[:place] + letter + value[place + 1 :],
            value[:-1],
            value + "0",
            "0" * len(value),
            value.upper(),
        ] * 3
    if isinstance(value, list) and value:
        near += [
            value[:-1],
            value[1:],
            value + value[-1:],
            value[:1] + value,
            value[::-1],
            value[: len(value) // 2],
        ] * 3
    if isinstance(value, dict) and value:
        gone = rng.choice(sorted(value))
        near += [{key: item for key, item in value.items() if key != gone}, {**value, "surplus": 1}] * 3
    return copy.deepcopy(rng.choice(near))


def mutant(rng: random.Random, documents: list[Any]) -> Any:
    """A receipt with one to three places changed: to something near, or to what another receipt has in that place."""
    document = copy.deepcopy(rng.choice(documents))
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        ways = [path for path in places(document) if path]
        path = rng.choice(ways)
        parent = at(document, path[:-1])
        try:
            donor = at(rng.choice(documents), path)
        except (KeyError, IndexError, TypeError):
            donor = None
        swapped = rng.choice(ways)
        choice = rng.random()
        if choice < 0.4 and donor is not None:
            parent[path[-1]] = copy.deepcopy(donor)
        elif choice < 0.5:
            parent[path[-1]] = copy.deepcopy(at(document, swapped))
        else:
            parent[path[-1]] = other_value(rng, parent[path[-1]])
    return document


@pytest.mark.parametrize("seed", range(4))
def test_mutants_are_judged_alike(seed: int) -> None:
    rng = random.Random(seed)
    documents = [decode(data, bytes_max=RECEIPT_BYTES_MAX, depth_max=33) for _, _, data in all_receipts()]
    accepted = 0
    for _ in range(1_000):
        data = encode(mutant(rng, documents))
        accepted += agree(data, rng.choice(pins()))
    assert accepted > 0, "some changes put a true part in place of another, or change what is not needed"


# ---- what cannot be trusted, whoever brings it


def bad_sets() -> Iterator[tuple[str, Any]]:
    """Validator sets that are none; a checkpoint of one may otherwise be whole."""
    entries = GROWN.to_json()["validators"]
    assert isinstance(entries, list)
    one, two, *others = [dict(entry) for entry in entries if isinstance(entry, dict)]
    yield "a quorum of less than half", {"quorum": 2, "validators": entries}
    yield "a quorum of more than all", {"quorum": 6, "validators": entries}
    yield "a quorum that is no number", {"quorum": True, "validators": entries}
    yield "a quorum of another name", {"quorum": "unanimity", "validators": entries}
    yield "two of one name", {"quorum": 4, "validators": [one, {**two, "name": one["name"]}, *others]}
    yield "two with one key", {"quorum": 4, "validators": [one, {**two, "node_key": one["node_key"]}, *others]}
    yield "two keys alike", {"quorum": 4, "validators": [{**one, "node_key": one["cosigning_key"]}, two, *others]}
    for case in crafted_cases():
        if case.name.startswith("key ") and len(case.key) == 32:
            yield case.name, {"quorum": 4, "validators": [{**one, "node_key": case.key.hex()}, two, *others]}
    yield "nobody", {"quorum": 1, "validators": []}


@pytest.mark.parametrize(("name", "value"), list(bad_sets()), ids=lambda value: value if isinstance(value, str) else "")
def test_a_pin_with_a_set_that_is_none_is_refused_by_both(name: str, value: Any) -> None:
    document = decode(eras().checkpoint(3).document, bytes_max=1_000_000)
    assert isinstance(document, dict)
    header = document["header"]
    assert isinstance(header, dict)
    named = {**header, "next_validators_hash": second.digest("validators", value)}
    refused_by_both(encode({**document, "header": named, "validators": value}))


def test_a_pin_that_is_none_is_refused_by_both() -> None:
    document = decode(eras().checkpoint(3).document, bytes_max=1_000_000)
    genesis = decode(eras().store.genesis.document, bytes_max=1_000_000)
    assert isinstance(document, dict)
    assert isinstance(genesis, dict)
    for changes in ({"validators": SHRUNK.to_json()}, {"version": 2}, {"kind": "quorum-ledger/receipt"}, {"more": 1}):
        refused_by_both(encode({**document, **changes}))
    for changes in ({"quorum": 1}, {"cards": []}, {"version": True}, {"salt": "00"}, {"more": 1}):
        refused_by_both(encode({**genesis, **changes}))
    for data in (b"", b"[]", eras().receipt(1), eras().checkpoint(3).document + b"\n"):
        refused_by_both(data)


def refused_by_both(data: bytes) -> None:
    for read in (parse_genesis, parse_pinned_checkpoint):
        with pytest.raises(LedgerError):
            read(data)
    with pytest.raises(ValueError, match=r"."):
        second.anchor_of(data)


# ---- what both stand on


@pytest.mark.parametrize("case", crafted_cases(), ids=lambda case: case.name)
def test_signatures_on_which_libraries_differ(case: Case) -> None:
    try:
        good = second.is_key(case.key)
        second.check_signature(case.key, case.message, case.signature.hex(), "somebody")
    except ValueError:
        good = False
    assert (good and len(case.key) == 32 and len(case.signature) == 64) is case.accepted


NOT_CANONICAL = [
    *(b"", b" 1", b"1 ", b"1\x00", b"\xef\xbb\xbf1", b"'a'", b"nul", b"True", b"[1,]", b"[1 ]", b"[1,2", b'{"a" :1}'),
    *(b"01", b"-0", b"1.0", b"1e2", b"1E400", b"NaN", b"Infinity", b"-Infinity", b"1" * 5000),
    *(b"9007199254740992", b"-9007199254740992"),
    *(b'{"a":1,"a":1}', b'{"a":1,"a":2}', b'{"b":1,"a":2}', '{"é":1}'.encode()),
    *(b'"\\u0041"', b'"\\/"', b'"\\ud800"', b'"\\ud83d\\ude00"', b'"\x01"', b'"\xff"', b'"\x7f\\u007f"'),
    *(b"[" * 33 + b"]" * 33, b"[" * 100_000, b'{"a":' * 33 + b"1" + b"}" * 33),
]


def test_what_is_not_canonical_is_so_for_both() -> None:
    for data in NOT_CANONICAL:
        with pytest.raises(MalformedError):
            decode(data, bytes_max=1_000_000)
        with pytest.raises((ValueError, RecursionError)):
            second.decode(data, 1_000_000)


def test_neither_reads_what_is_too_large() -> None:
    data = b'"' + b"x" * RECEIPT_BYTES_MAX + b'"'
    assert "more than" in judge(data, pins()[0])
    with pytest.raises(ValueError, match="more than"):
        second.verify(data, pins()[0].second)


def test_what_is_canonical_is_so_for_both() -> None:
    samples = [bytes.fromhex(item["canonical"]) for item in json.loads(path_of("canonical_json").read_text())]
    for data in (*samples, b"[" * 32 + b"]" * 32, b'{"a":' * 32 + b"1" + b"}" * 32, b"9007199254740991", b'"\x7f"'):
        assert decode(data, bytes_max=1_000) == second.decode(data, 1_000)
