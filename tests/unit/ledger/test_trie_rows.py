"""The rows of the state trie against their definition, made from scratch and without thought for speed."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from ledger import trie_nodes, trie_update
from ledger.crypto import digest, tag
from ledger.errors import VerificationError
from ledger.limits import PAGE_LEAVES_MAX
from ledger.trie import EMPTY, count_keys, prove, update
from ledger.trie_nodes import is_row
from tests.unit.ledger.stored_trie import Place, StoredTrie


@dataclass(frozen=True, slots=True)
class Node:
    """A node as the definition has it, with all below it."""

    preimage: bytes
    leaves: int
    children: dict[int, Node]

    @property
    def hash(self) -> bytes:
        return digest(tag("state-node"), self.preimage)

    def tree(self) -> bytes:
        return self.preimage + b"".join(child.tree() for child in self.children.values())

    def kind(self) -> bytes:
        return bytes((self.leaves if self.leaves <= trie_nodes.PAGE_LEAVES_MAX else 0,))

    def rows(self, path: bytes, versions: Mapping[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
        """(path, row) of all rows; the versions in them are those at which the rows were found."""
        if self.leaves <= trie_nodes.PAGE_LEAVES_MAX:
            yield path, self.tree() + self.kind()
            return
        row = self.preimage
        for slot, child in self.children.items():
            below = path + bytes((slot,))
            row += child.kind() + struct.pack(">Q", versions[below])
            yield from child.rows(below, versions)
        yield path, row + b"\0"


def defined(state: Mapping[bytes, bytes]) -> Node:
    """The root node of this state."""

    def node(below: list[tuple[bytes, bytes]], depth: int) -> Node:
        occupied = leaves = 0
        entries, children = b"", {}
        for slot in range(16):
            group = [leaf for leaf in below if int(leaf[0].hex()[depth], 16) == slot]
            if len(group) == 1:
                leaves |= 1 << slot
                entries += group[0][0] + group[0][1]
            elif group:
                children[slot] = node(group, depth + 1)
                entries += children[slot].hash
            occupied |= bool(group) << slot
        return Node(struct.pack(">HH", occupied, leaves) + entries, len(below), children)

    return node([(digest(tag("state-key"), k), digest(tag("state-value"), v)) for k, v in state.items()], 0)


def preimages(root: Node, key: bytes) -> tuple[bytes, ...]:
    """What proves `key`, by the definition."""
    found, node = [root.preimage], root
    for digit in digest(tag("state-key"), key).hex():
        if int(digit, 16) not in node.children:
            break
        node = node.children[int(digit, 16)]
        found.append(node.preimage)
    return tuple(found)


def assert_as_defined(stored: StoredTrie, keys: list[bytes]) -> None:
    """Root, proofs and rows are what the definition makes of the state: nothing else is left, nothing is missing."""
    node = defined(stored.state)
    assert stored.root.hash == node.hash
    versions = {path: version for version, path in stored.rows}
    assert len(versions) == len(stored.rows), "no path has two rows"
    expected = dict(node.rows(b"", versions)) if stored.state else {}
    assert {path: row for (_, path), row in stored.rows.items()} == expected
    assert count_keys(stored.root, stored.read) == len(stored.state)
    for key in keys:
        assert prove(stored.root, key, stored.read).nodes == preimages(node, key)


def keys_below(prefix: str, count: int, word: bytes = b"key") -> list[bytes]:
    """So many keys whose hashes start with these nibbles."""
    found: list[bytes] = []
    number = 0
    while len(found) < count:
        key = b"%b/%d" % (word, number)
        if digest(tag("state-key"), key).hex().startswith(prefix):
            found.append(key)
        number += 1
    return found


DEEP = keys_below("7c3", 5)  # they share a node of depth three, at least
CROWDED = keys_below("a", 60)  # a node of depth one that is a page or a branch, as they come and go
KEYS = [*DEEP, *CROWDED, *(b"account/%d" % number for number in range(40))]


def history(seed: int, blocks: int) -> Iterator[dict[bytes, bytes | None]]:
    """Blocks of one write, a few and many; the state grows for a while and then shrinks, and so on."""
    chance = random.Random(seed)
    for block in range(blocks):
        deleted = 0.1 if block // 15 % 2 == 0 else 0.95
        pool = chance.choice([KEYS, KEYS, CROWDED, DEEP])
        keys = chance.sample(pool, min(len(pool), chance.choice([1, 1, 1, 2, 3, 9, 25, 60])))
        yield {key: None if chance.random() < deleted else chance.randbytes(2) for key in keys}


@pytest.mark.parametrize("seed", range(6))
def test_any_history_leaves_the_rows_of_its_state_and_no_others(seed: int) -> None:
    stored, chance, sizes = StoredTrie(), random.Random(seed), []
    for writes in history(seed, 60):
        before = set(stored.state)
        stored.write(writes)
        assert_as_defined(stored, chance.sample(KEYS, 4))
        sizes.append((len(before), len(stored.state)))
    assert any(before <= PAGE_LEAVES_MAX < after for before, after in sizes), "the root became a branch"
    assert any(after <= PAGE_LEAVES_MAX < before for before, after in sizes), "and a page again"


@pytest.mark.parametrize("leaves_max", [2, 3, 5])
def test_smaller_pages_leave_no_others_either(leaves_max: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With these, branches stand below branches as in a state of millions, and become pages over several levels."""
    monkeypatch.setattr(trie_nodes, "PAGE_LEAVES_MAX", leaves_max)
    monkeypatch.setattr(trie_update, "PAGE_LEAVES_MAX", leaves_max)
    stored, chance, deepest = StoredTrie(), random.Random(leaves_max), 0
    for writes in history(20 + leaves_max, 60):
        stored.write(writes)
        assert_as_defined(stored, chance.sample(KEYS, 4))
        assert all(map(is_row, stored.rows.values()))
        deepest = max([deepest, *(len(path) for (_, path), row in stored.rows.items() if not row[-1])])
    assert deepest >= 1, "below the root there were branches, too"
    stored.write(dict.fromkeys(KEYS))
    assert stored.rows == {}


def test_a_key_at_a_time_there_and_back() -> None:
    """Across each limit in single steps: the root's page, then that of the crowd below one nibble."""
    stored = StoredTrie()
    for key in KEYS:
        stored.write({key: b"1"})
        assert_as_defined(stored, [key])
    for key in KEYS[::-1]:
        stored.write({key: None})
        assert_as_defined(stored, [key])
    assert stored.root == EMPTY
    assert stored.rows == {}


def test_rows_are_the_same_whatever_led_to_the_state() -> None:
    """But for versions, which here are made equal by writing the whole state once more."""
    state = dict.fromkeys(KEYS[10:80], b"now")
    slowly, at_once = StoredTrie(), StoredTrie()
    for writes in history(11, 40):
        slowly.write(writes)
    slowly.write(dict.fromkeys(set(slowly.state) - set(state)) | dict.fromkeys(state, b"before"))
    slowly.write(state)
    at_once.version = slowly.version - 1
    at_once.write(state)
    assert slowly.rows == at_once.rows


def test_the_largest_page_is_one_row_and_one_leaf_more_makes_a_branch() -> None:
    full, stored = keys_below("a", PAGE_LEAVES_MAX), StoredTrie()
    stored.write(dict.fromkeys(full, b"1"))
    assert list(stored.rows) == [(1, b"")]
    assert stored.rows[1, b""][-1] == PAGE_LEAVES_MAX
    stored.write({CROWDED[PAGE_LEAVES_MAX]: b"1"})
    assert stored.rows[2, b""][-1] == 0, "the root has more"
    assert stored.rows[2, b"\x0a"][-1] == 0, "and so has its only child"
    pages = [row for (_, path), row in stored.rows.items() if len(path) == 2]
    assert len(stored.rows) == 2 + len(pages)
    assert all(2 <= row[-1] <= PAGE_LEAVES_MAX for row in pages)
    stored.write({full[0]: None})
    assert list(stored.rows) == [(3, b"")], "both became pages at once"
    assert_as_defined(stored, full)


def test_a_page_that_all_of_its_leaves_share_below_one_nibble_makes_branches_as_deep_as_they_share() -> None:
    """One write too many in a page whose only child has all of it."""
    crowd, stored = keys_below("a0", PAGE_LEAVES_MAX + 1), StoredTrie()
    stored.write(dict.fromkeys(crowd[1:], b"1"))
    assert len(stored.rows) == 1
    stored.write({crowd[0]: b"1"})
    assert {path for _, path in stored.rows} >= {b"", b"\x0a", b"\x0a\x00"}
    assert_as_defined(stored, crowd)


def test_a_write_among_many_keys_touches_a_row_of_each_depth_and_no_more() -> None:
    stored = StoredTrie()
    many = [b"many/%d" % number for number in range(4_000)]
    stored.write(dict.fromkeys(many, b"1"))
    assert len(stored.rows) < len(many) / 10
    before = set(stored.rows)
    stored.write({many[7]: b"2"})
    assert len(before - set(stored.rows)) == 3  # 4,000 keys are 16 below each two nibbles
    assert max(map(len, stored.rows.values())) < 3_000


# ---- rows that are not what was written


@pytest.fixture(scope="module")
def written() -> StoredTrie:
    stored = StoredTrie()
    stored.write(dict.fromkeys(KEYS, b"1"))
    return stored


def test_a_row_that_is_missing_is_found_missing(written: StoredTrie) -> None:
    for place in written.rows:
        left = {other: row for other, row in written.rows.items() if other != place}
        with pytest.raises(VerificationError, match="lacks"):
            count_keys(written.root, lambda version, path, left=left: left.get((version, path)))


def test_no_bit_of_any_row_may_be_another(written: StoredTrie) -> None:
    """Preimages are below the root's hash; what is not, the kinds and places of rows, is held against the rest."""
    smallest = sorted(written.rows, key=lambda place: len(written.rows[place]))
    for place in (smallest[0], smallest[3], (1, b"")):
        row = written.rows[place]
        changed = [row[:at] + bytes((row[at] ^ 1 << at % 8,)) + row[at + 1 :] for at in range(len(row))]
        changed += [row[:end] for end in range(len(row))]
        changed += [row + b"\0", row + row[-1:], b"\0", bytes(4), bytes(5), row[:-1] + b"\xff"]
        for bad in changed:
            rows = {**written.rows, place: bad}
            with pytest.raises(VerificationError):
                count_keys(written.root, lambda version, path, rows=rows: rows.get((version, path)))


def test_following_any_other_bytes_ends_in_an_error_that_says_so_or_in_a_proof(written: StoredTrie) -> None:
    """Whoever has not looked at the rows before gets no exception but this one, and what has the form of a row none."""
    chance, refused = random.Random(3), 0
    for _ in range(500):
        place = chance.choice(sorted(written.rows))
        row = bytearray(written.rows[place])
        match chance.randrange(4):
            case 0:
                row[chance.randrange(len(row))] ^= 1 << chance.randrange(8)
            case 1:
                del row[chance.randrange(len(row)) :]
            case 2:
                row[-1] = chance.randrange(256)
            case _:
                row[:] = chance.randbytes(chance.randrange(1, 60))
        rows = {**written.rows, place: bytes(row)}

        def read(version: int, path: bytes, rows: Mapping[Place, bytes] = rows) -> bytes | None:
            return rows.get((version, path))

        try:
            prove(written.root, chance.choice(KEYS), read)
            update(written.root, {key: chance.choice([None, b"2"]) for key in chance.sample(KEYS, 30)}, 2, read)
        except VerificationError:
            refused += 1
    assert refused > 30


def test_what_has_not_the_form_of_a_row_is_none(written: StoredTrie) -> None:
    for row in written.rows.values():
        assert is_row(row)
        assert not any(is_row(row[:end]) for end in range(len(row)))
        others = [bytes((last,)) for last in range(1, 256) if last != row[-1]]
        assert not any(is_row(row[:-1] + last) for last in others)
        assert not is_row(row[:2] + b"\xff\xff" + row[4:])


def test_a_branch_that_should_be_a_page_is_none() -> None:
    """Every hash is right, but no update would have left such rows."""
    full, stored = keys_below("a", PAGE_LEAVES_MAX), StoredTrie()
    stored.write(dict.fromkeys(full, b"1"))
    node = defined(stored.state)
    child = node.children[10]
    rows = {
        (1, b""): node.preimage + child.kind() + struct.pack(">Q", 1) + b"\0",
        (1, b"\x0a"): child.tree() + child.kind(),
    }
    with pytest.raises(VerificationError, match="another node"):
        count_keys(stored.root, lambda version, path: rows.get((version, path)))
