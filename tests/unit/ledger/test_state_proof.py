"""State proofs: what they prove of presence and absence, and that nothing in one can be changed, swapped or moved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as altered

from ledger.block import parse_header
from ledger.crypto import digest, tag
from ledger.encoding import Json, decode_object, encode, encode_trusted
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.limits import STATE_KEY_BYTES_MAX, STATE_PROOF_BYTES_MAX
from ledger.primitives import Digest
from ledger.rows.accounts import account_key
from ledger.rows.assets import balance_key
from ledger.rows.settings import PARAMETERS_KEY, VALIDATORS_KEY
from ledger.rows.streams import latest_key, stream_key
from ledger.state_proof import check_state_proof, parse_state_key, parse_state_proof, verify_state_proof
from ledger.trail import Anchor, anchor_of
from tests.unit.ledger.founders import genesis_of
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain

ABSENT = (account_key("nobody"), latest_key("notes", "no such key"), balance_key("alice", "euro"), b"x")


@pytest.fixture(scope="module")
def chain() -> MemoryChain:
    return sample_chain()


@pytest.fixture(scope="module")
def anchor(chain: MemoryChain) -> Anchor:
    return anchor_of(chain.genesis)


def document_of(data: bytes) -> dict[str, Json]:
    return decode_object(data, bytes_max=STATE_PROOF_BYTES_MAX)


def test_every_row_of_the_state_is_proved_and_so_is_what_is_not_there(chain: MemoryChain, anchor: Anchor) -> None:
    assert len(chain.rows) > 15
    for key, value in [*chain.rows.items(), *((key, None) for key in ABSENT)]:
        verified = verify_state_proof(chain.state_proof(key), anchor)
        assert (verified.key, verified.value) == (key, value)
        assert (verified.header, verified.block_hash) == (chain.tip.header, chain.tip.block_hash)
        assert verified.signers == ("v0", "v1", "v2")
        assert verified.validators == chain.genesis.validators


def test_who_holds_the_header_needs_neither_record_nor_trail(chain: MemoryChain) -> None:
    for key in (*chain.rows, *ABSENT):
        row = parse_state_proof(chain.state_proof(key)).row
        check_state_proof(row, chain.tip.header)
        with pytest.raises(VerificationError, match="height 2"):
            check_state_proof(row, chain.blocks[1][1].header)


@pytest.mark.parametrize("key", [latest_key("notes", "k"), account_key("nobody")], ids=["present", "absent"])
@pytest.mark.parametrize("flip", [0x01, 0x80])
def test_every_single_byte_is_bound(chain: MemoryChain, anchor: Anchor, key: bytes, flip: int) -> None:
    """But those of an absent key's name, where the result is another true statement: that other key is absent too."""
    data = chain.state_proof(key)
    verify_state_proof(data, anchor)
    true_of_another_key = 0
    for position in range(len(data)):
        changed = data[:position] + bytes([data[position] ^ flip]) + data[position + 1 :]
        try:
            verified = verify_state_proof(changed, anchor)
        except LedgerError:
            continue
        assert verified.key != key
        assert verified.key not in chain.rows
        assert verified.value is None
        true_of_another_key += 1
    assert true_of_another_key <= (0 if key in chain.rows else len(key))


def test_every_truncation_and_every_extension_is_refused(chain: MemoryChain, anchor: Anchor) -> None:
    data = chain.state_proof(stream_key("notes"))
    for length in range(0, len(data), 7):
        with pytest.raises(LedgerError):
            verify_state_proof(data[:length], anchor)
    for extension in (b" ", b"\n", b"{}", b"\0"):
        with pytest.raises(MalformedError):
            verify_state_proof(data + extension, anchor)


def test_a_present_key_cannot_be_proved_absent_nor_an_absent_one_present(chain: MemoryChain, anchor: Anchor) -> None:
    for key in chain.rows:
        document = document_of(chain.state_proof(key))
        with pytest.raises(VerificationError, match="has nothing for"):
            verify_state_proof(encode({**document, "value": None}), anchor)
        for absent in ABSENT:  # the path of what is absent, for what is not
            path = document_of(chain.state_proof(absent))["path"]
            with pytest.raises(VerificationError):
                verify_state_proof(encode({**document, "value": None, "path": path}), anchor)
    for key in ABSENT:
        document = document_of(chain.state_proof(key))
        for value in chain.rows.values():
            with pytest.raises(VerificationError, match="has this value for"):
                verify_state_proof(encode({**document, "value": decode_object(value, bytes_max=len(value))}), anchor)


def test_a_shorter_path_hides_nothing_and_a_longer_one_adds_nothing(chain: MemoryChain, anchor: Anchor) -> None:
    deep = max(chain.rows, key=lambda key: len(parse_state_proof(chain.state_proof(key)).row.path.nodes))
    document = document_of(chain.state_proof(deep))
    path = document["path"]
    assert isinstance(path, list)
    assert len(path) > 1
    for changed in (path[:-1], path[1:], [*path, path[-1]], path[::-1], [path[0]] * len(path)):
        for value in (document["value"], None):
            with pytest.raises(VerificationError):
                verify_state_proof(encode({**document, "path": changed, "value": value}), anchor)


def test_siblings_cannot_be_swapped(chain: MemoryChain, anchor: Anchor) -> None:
    """Two entries of a node in each other's place, or two nodes in each other's: nothing hashes to the root."""
    document = document_of(chain.state_proof(stream_key("notes")))
    path = [bytes.fromhex(str(node)) for node in document["path"]]  # type: ignore[union-attr]
    assert len(path[0]) > 4 + 3 * 32, "the root has several entries"
    first, second, rest = path[0][4:36], path[0][36:68], path[0][68:]
    swapped = [path[0][:4] + second + first + rest, *path[1:]]
    with pytest.raises(VerificationError):
        verify_state_proof(encode({**document, "path": [node.hex() for node in swapped]}), anchor)


Change = Callable[[dict[str, Json], dict[str, Json]], None]


def swap(field: str) -> Change:
    """Take one part from the other proof."""

    def change(document: dict[str, Json], other: dict[str, Json]) -> None:
        document[field] = other[field]

    return change


@pytest.mark.parametrize("field", ["key", "value", "path", "record"])
def test_parts_of_two_true_proofs_do_not_make_a_third(chain: MemoryChain, anchor: Anchor, field: str) -> None:
    older = sample_chain()
    older.blocks.pop()  # a proof of height 2, of another key
    document = document_of(chain.state_proof(account_key("alice")))
    other = {**document_of(chain.state_proof(account_key("pair"))), "record": document_of(_at_height_2())["record"]}
    swap(field)(document, other)
    with pytest.raises(VerificationError):
        verify_state_proof(encode(document), anchor)


def _at_height_2() -> bytes:
    """A proof of the same rows, on the same chain when it had two blocks."""
    chain = sample_chain()
    chain.blocks.pop()
    return chain.state_proof(account_key("alice"))


def test_a_proof_is_of_one_height(chain: MemoryChain, anchor: Anchor) -> None:
    assert verify_state_proof(_at_height_2(), anchor).header.height == 2
    document = document_of(_at_height_2())
    document["record"] = document_of(chain.state_proof(account_key("alice")))["record"]
    with pytest.raises(VerificationError, match="height 3"):
        verify_state_proof(encode(document), anchor)


def test_a_proof_is_of_one_chain(chain: MemoryChain, anchor: Anchor) -> None:
    other = sample_chain(7)
    for key in (VALIDATORS_KEY, account_key("nobody")):
        with pytest.raises(VerificationError):
            verify_state_proof(other.state_proof(key), anchor)
        with pytest.raises(VerificationError):
            verify_state_proof(chain.state_proof(key), anchor_of(other.genesis))
    for stranger in (replace(anchor, chain=Digest(bytes(32))), replace(anchor, epoch=1), replace(anchor, height=3)):
        with pytest.raises(VerificationError):
            verify_state_proof(chain.state_proof(PARAMETERS_KEY), stranger)


def test_a_quorum_is_needed_and_its_signatures_are_checked(chain: MemoryChain, anchor: Anchor) -> None:
    document = document_of(chain.state_proof(PARAMETERS_KEY))
    signatures = document["record"]["certificate"]["signatures"]  # type: ignore[index, call-overload]
    for forged, says in (
        (signatures[:2], "2 signatures, and the quorum is 3"),  # type: ignore[index]
        ([signatures[0], signatures[1], signatures[1]], "not in ascending order"),  # type: ignore[index]
        ([*signatures[:2], {**signatures[2], "validator": 3}], "does not verify"),  # type: ignore[index, dict-item]
        ([*signatures[:2], {**signatures[2], "validator": 4}], "there is no validator 4"),  # type: ignore[index, dict-item]
    ):
        changed = document_of(encode(document))
        changed["record"]["certificate"]["signatures"] = forged  # type: ignore[index, call-overload]
        with pytest.raises(VerificationError, match=says):
            verify_state_proof(encode(changed), anchor)


def test_a_header_of_ones_own_making_proves_nothing(chain: MemoryChain, anchor: Anchor) -> None:
    """A trie made for the occasion: its root is not what q validators signed."""
    document = document_of(chain.state_proof(account_key("alice")))
    rich = encode_trusted({"account": "alice", "asset": "euro", "amount": "1000000", "frozen": False})
    key = balance_key("alice", "euro")
    key_hash, value_hash = digest(tag("state-key"), key), digest(tag("state-value"), rich)
    slot = 1 << (key_hash[0] >> 4)
    node = slot.to_bytes(2, "big") * 2 + key_hash + value_hash
    document |= {"key": key.decode(), "value": decode_object(rich, bytes_max=999), "path": [node.hex()]}
    root = digest(tag("state-node"), node)
    check_state_proof(
        parse_state_proof(encode(document)).row, altered(parse_header(chain.blocks[-1][0].header), state_root=root)
    )
    with pytest.raises(VerificationError, match="does not prove"):
        verify_state_proof(encode(document), anchor)
    document["record"]["header"]["state_root"] = root.hex()  # type: ignore[index, call-overload]
    with pytest.raises(VerificationError, match="another block"):
        verify_state_proof(encode(document), anchor)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"kind": "quorum-ledger/receipt"}, "not a quorum-ledger/state-proof document"),
        ({"version": True}, "this software reads version 1"),
        ({"version": 2}, "this software reads version 1"),
        ({"value": []}, "must be a JSON object"),
        ({"value": 0}, "must be a JSON object"),
        ({"key": ""}, "a state key has"),
        ({"key": "a b"}, "a state key has"),
        ({"key": "ä"}, "a state key has"),
        ({"key": "k" * (STATE_KEY_BYTES_MAX + 1)}, "a state key has"),
        ({"key": None}, "a state key has"),
        ({"path": []}, "state proof nodes"),
        ({"path": ["00"] * 65}, "state proof nodes"),
        ({"path": [7]}, "state proof node"),
        ({"extra": 1}, "extra"),
    ],
)
def test_what_is_no_state_proof_is_said_to_be_none(
    chain: MemoryChain, anchor: Anchor, changed: dict[str, Json], says: str
) -> None:
    document = document_of(chain.state_proof(account_key("alice")))
    with pytest.raises(MalformedError, match=says):
        verify_state_proof(encode({**document, **changed}), anchor)


def test_the_longest_key_fits() -> None:
    longest = "a" * 64
    assert len(parse_state_key(balance_key(longest, longest).decode())) <= STATE_KEY_BYTES_MAX
    assert len(parse_state_key(latest_key(longest, "k").decode())) <= STATE_KEY_BYTES_MAX


def test_a_proof_leads_across_a_change_of_the_validator_set() -> None:
    from tests.unit.ledger.test_receipt import grown_chain

    chain, _, after = grown_chain()
    anchor = Anchor(chain.genesis.chain, 0, 0, genesis_of(1).validators)
    trail = document_of(after)["trail"]
    document = document_of(chain.state_proof(stream_key("notes")))
    assert verify_state_proof(encode({**document, "trail": trail}), anchor).signers == ("v0", "v1")
    with pytest.raises(VerificationError, match="names another validator set"):
        verify_state_proof(encode(document), anchor)
