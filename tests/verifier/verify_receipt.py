"""Verify a receipt of a quorum ledger, offline, with Python's standard library and `cryptography` alone.

    python3 verify_receipt.py RECEIPT --genesis FILE         trust starts at genesis
    python3 verify_receipt.py RECEIPT --checkpoint FILE      or at a later block that you pinned

Exit code 0: all that is printed is proved. 10: nothing is. 2: the command, or the file that you trust, is wrong.
This is a second implementation, which shares no code with the ledger's own, and short enough to be read before it is
run; do that if it came from a node. What you pin must come from elsewhere than the receipt. One thing is left to the
quorum: that what the transaction asks is what the ledger's rules allow. What it asked, and what came of it, is proved.
"""

import json
import re
import struct
import sys
from collections import namedtuple
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from time import gmtime, strftime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey


def demand(holds: object, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


# ---- canonical JSON (RFC 8785): no floats, integers within 2^53, keys in ASCII and unique, so that there is one form
canonical = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode


def digest(thing: str, value: Any) -> str:
    return sha256(f"quorum-ledger/v1/{thing}\0{canonical(value)}".encode()).hexdigest()


def decode(data: bytes, bytes_max: int, depth_max: int = 32) -> Any:
    demand(len(data) <= bytes_max, f"it has more than {bytes_max} bytes")
    value = json.loads(data.decode(), parse_float=int, parse_constant=int)  # int() refuses what is no integer
    demand(canonical(value) == data.decode(), "it is JSON, but not in its one form")  # nor is what has a key twice
    demand(depth(value) <= depth_max, "it nests too deeply")
    return value


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    demand(not isinstance(value, int) or abs(value) < 2**53, "an integer is too large")
    demand(not isinstance(value, dict) or all(map(str.isascii, value)), "a key is not ASCII")
    return isinstance(value, dict | list) + max(map(depth, inner), default=0)


def check_form(value: Any, form: Any, name: str = "it") -> None:
    """Forms: (least, most) an integer; (None, form) that or null; a number so many bytes in hex; [item, least, most] a
    list; a dictionary exactly these fields; a type any value of it; a pattern a text of such bytes; a text itself."""
    match form:
        case (None, inner):
            good = value is None or not check_form(value, inner, name)
        case (int(least), int(most)):
            good = type(value) is int and least <= value <= most
        case int(size):
            good = isinstance(value, str) and len(value) == 2 * size and set(value) <= set("0123456789abcdef")
        case [inner, least, most]:
            good = isinstance(value, list) and least <= len(value) <= most
            good = good and not any(check_form(item, inner, name) for item in value)
        case dict():
            good = isinstance(value, dict) and value.keys() == form.keys()
            good = good and not any(check_form(value[key], inner, key) for key, inner in form.items())
        case bytes(pattern):
            good = isinstance(value, str) and re.fullmatch(pattern, value.encode())
        case _:
            good = isinstance(value, form) if isinstance(form, type) else value == form
    demand(good, f"{name} does not have its form")


COUNT, HEIGHT, ROUND = (0, 2**53 - 1), (1, 2**53 - 1), (0, 2**31 - 1)
INDEX, ONE = (0, 99), (1, 1)
ANY, WORD, RESULT, NAME = rb"(?s).{0,64}", rb"(?s).{1,64}", rb"[a-z_]{1,64}", rb"(?!.{65})[a-z][a-z0-9]*(-[a-z0-9]+)*"
ADDRESS = rb"(?!.{256})[!-~]+:(?!6553[6-9]|655[4-9].|65[6-9]..|6[6-9]...|[7-9]....)[1-9][0-9]{0,4}"
HASHES = ["chain", "parent_hash", "log_root", "state_root", "validators_hash", "next_validators_hash"]
HEADER = {"version": ONE, "epoch": (0, 2**32 - 1), "height": HEIGHT, "round": ROUND, "proposer": WORD, "time_ms": COUNT}
HEADER |= {"transaction_count": (0, 1000), "log_size": COUNT, **dict.fromkeys(HASHES, 32)}
PLACE = {"height": HEIGHT, "round": ROUND}
COMMIT = {**PLACE, "block_hash": 32, "signatures": [{"validator": INDEX, "signature": 64}, 1, 100]}
PREPARE = {**COMMIT, "justification_digest": 32}
GIVEN_UP = {"validator": INDEX, "high_round": (-1, 2**31 - 1), "high_hash": 32, "signature": 64}
TIMEOUT = {**PLACE, "entries": [GIVEN_UP, 1, 100], "prepare_certificate": (None, PREPARE)}
RECORD = {"header": HEADER, "certificate": COMMIT, "justifications": [TIMEOUT, 0, 4096]}
VALIDATOR = {"name": NAME, "operator": ANY, "address": ADDRESS}
VALIDATOR |= {"consensus_key": 32, "node_key": 32, "cosigning_key": 32}
VALIDATORS = {"quorum": object, "validators": [VALIDATOR, 1, 100]}
ENVELOPE = {"body": dict, "signatures": [{"key": 32, "signature": 64}, 1, 64]}
LEAF = {"height": HEIGHT, "index": (0, 999), "transaction_id": 32, "envelope_hash": 32, "result": RESULT}
RECEIPT = {"kind": "quorum-ledger/receipt", "version": ONE, "transaction": ENVELOPE, "leaf": LEAF, "path": [32, 0, 64]}
CERTIFIED = {**RECEIPT, "record": RECORD, "trail": [{"record": RECORD, "validators": VALIDATORS}, 0, 4096]}
PINNED = {**RECEIPT, "position": COUNT, "header": HEADER}
PIN = {"kind": "quorum-ledger/checkpoint", "version": ONE, "network": str, "header": HEADER, "validators": VALIDATORS}
GENESIS = {"kind": "quorum-ledger/genesis", "version": ONE, "network": str, "salt": 16, "time_ms": COUNT}
GENESIS |= {"quorum": object, "parameters": dict, "accounts": list}
GENESIS |= {"cards": [{"validator": VALIDATOR, "operator": dict, "proofs": dict}, 1, 100]}


# ---- Ed25519 (RFC 8032), with what it leaves open decided: stricter than the libraries, which differ
P, L = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ORDER_EIGHT_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
SMALL_ORDER_Y = {0, 1, P - 1, ORDER_EIGHT_Y, P - ORDER_EIGHT_Y}
TURN = X25519PrivateKey.from_private_bytes((5 * L - 1).to_bytes(32, "little"))  # -1 times what is of order L, 0 of 8


@lru_cache(maxsize=4096)
def is_key(key: bytes) -> bool:
    """Canonical, on the curve, and of the order L: neither of small order nor with a part that is."""
    y = int.from_bytes(key, "little") % 2**255
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    if y >= P or y in SMALL_ORDER_Y or pow(square, (P - 1) // 2, P) != 1:
        return False
    u = ((1 + y) * pow(1 - y, -1, P) % P).to_bytes(32, "little")  # the point in X25519, which knows no sign
    return TURN.exchange(X25519PublicKey.from_public_bytes(u)) == u


def check_signature(key: bytes, message: bytes, signature: str, whose: str) -> None:
    data = bytes.fromhex(signature)
    r, s = int.from_bytes(data[:32], "little") % 2**255, int.from_bytes(data[32:], "little")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(data, message)
    except InvalidSignature:
        s = L
    demand(s < L and r < P and r not in SMALL_ORDER_Y, f"the signature of {whose} does not verify")


# ---- where trust starts, and who signs
Validators = namedtuple("Validators", "names keys quorum hash")
Anchor = namedtuple("Anchor", "chain epoch height validators header words")  # they sign after it; genesis has no header
At = namedtuple("At", "chain epoch height validators")  # they sign at it


def validator_set(value: Any) -> Validators:
    rule, entries = value["quorum"], value["validators"]
    keys = [bytes.fromhex(entry[f"{use}_key"]) for use in ("consensus", "node", "cosigning") for entry in entries]
    names, n = [entry["name"] for entry in entries], len(entries)
    quorum = {"majority": n // 2 + 1, "bft": 2 * n // 3 + 1}.get(rule) if isinstance(rule, str) else rule
    demand(type(quorum) is int and n < 2 * quorum <= 2 * n, f"{rule!a} is no quorum of {n} validators")
    good = len(set(names)) == n and len(set(keys)) == 3 * n and all(map(is_key, keys))
    demand(good, "two validators share a name or a key, or a key is not acceptable")
    return Validators(names, keys[:n], quorum, digest("validators", value))


def anchor_of(document: bytes) -> Anchor:
    value = decode(document, bytes_max=2**22)
    if isinstance(value, dict) and value.get("kind") == GENESIS["kind"]:
        check_form(value, GENESIS, "the genesis")
        entries, chain = [card["validator"] for card in value["cards"]], digest("genesis", value)
        validators = validator_set({"quorum": value["quorum"], "validators": entries})
        return Anchor(chain, 0, 0, validators, None, f"the genesis of {value['network']!a}, {chain}")
    check_form(value, PIN, "the checkpoint")
    header, validators = value["header"], validator_set(value["validators"])
    demand(validators.hash == header["next_validators_hash"], "its validators are not those that its header names")
    words = f"the checkpoint of {value['network']!a} at height {header['height']}, {digest('checkpoint', value)}"
    return Anchor(header["chain"], header["epoch"], header["height"], validators, header, words)


def follow_trail(trail: list[Any], height: int, anchor: Anchor) -> At:
    """Who signs at `height`. Of steps up to the anchor no signature is asked: they only must lead to it."""
    reached, last, below = anchor.validators, 0, None
    for step in trail:
        header, after = step["record"]["header"], validator_set(step["validators"])
        demand(last < header["height"] < height, "the trail is not in order of height")
        last = header["height"]
        demand(header["validators_hash"] != header["next_validators_hash"], "the trail has a block that changes no set")
        demand(header["next_validators_hash"] == after.hash, "the trail has another set than its block decided")
        if last > anchor.height:
            check_record(step["record"], At(anchor.chain, anchor.epoch, last, reached))
            reached = after
        else:
            follows = header["chain"] == anchor.chain and below in (None, header["validators_hash"])
            demand(follows, "the trail is of another chain, or lacks a step below what is pinned")
            demand(last < anchor.height or header == anchor.header, "the trail has another block than the pinned one")
            below = after.hash
    demand(below in (None, anchor.validators.hash), "the trail does not lead to the set that is pinned")
    return At(anchor.chain, anchor.epoch, height, reached)


# ---- what makes a block final: the certificate of a quorum, and why its round could propose the block
def check_votes(votes: list[Any], kind: int, bodies: list[bytes], at: At) -> None:
    """At least q votes by different validators, in order, each a signature over: chain, epoch, type, height, body."""
    indices, keys, quorum = [vote["validator"] for vote in votes], at.validators.keys, at.validators.quorum
    demand(indices == sorted(set(indices)) and indices[-1] < len(keys), "signers are none, or not in ascending order")
    demand(len(votes) >= quorum, f"{len(votes)} signatures, and the quorum of height {at.height} is {quorum}")
    head = struct.pack(">32sIBQ", bytes.fromhex(at.chain), at.epoch, kind, at.height)
    for vote, body in zip(votes, bodies, strict=True):
        index, message = vote["validator"], b"quorum-ledger/v1/consensus\0" + head + body
        check_signature(keys[index], message, vote["signature"], f"validator {index}")


def check_timeout(timeout: Any, at: At) -> None:
    """A quorum gave a round up, and the newest prepare certificate that any of it held is there."""
    entries, prepared = timeout["entries"], timeout["prepare_certificate"]
    high, none = max(entry["high_round"] for entry in entries), "00" * 32
    demand(timeout["height"] == at.height and high <= timeout["round"], "a timeout of another height or a later round")
    demand((prepared is None) == (high == -1), "a prepare certificate is missing, or nobody names it")
    if prepared is not None:
        block, bound, votes = prepared["block_hash"], prepared["justification_digest"], prepared["signatures"]
        demand((prepared["height"], prepared["round"]) == (at.height, high), "another prepare certificate was named")
        demand(all(e["high_hash"] == block for e in entries if e["high_round"] == high), "two blocks are named")
        demand((high == 0) == (bound == none), "a round is justified exactly when it is above 0")
        check_votes(votes, 2, [struct.pack(">I", high) + bytes.fromhex(block + bound)] * len(votes), at)
    demand(all(e["high_round"] >= 0 or e["high_hash"] == none for e in entries), "a timeout names a block but no round")
    bodies = [struct.pack(">Ii", timeout["round"], e["high_round"]) + bytes.fromhex(e["high_hash"]) for e in entries]
    check_votes(entries, 4, bodies, at)


def check_record(record: Any, at: At) -> Any:
    """The header that a commit record makes final at a height."""
    header, certificate = record["header"], record["certificate"]
    block, round, votes = digest("block", header), certificate["round"], certificate["signatures"]
    demand((header["chain"], header["epoch"], header["height"]) == at[:3], "a block of another chain, epoch or height")
    demand(header["validators_hash"] == at.validators.hash, "a block of another validator set")
    demand((certificate["height"], certificate["block_hash"]) == (at.height, block), "a certificate of another block")
    check_votes(votes, 3, [struct.pack(">I", round) + bytes.fromhex(block)] * len(votes), at)
    bound, fresh = None, False
    for timeout in record["justifications"]:
        check_timeout(timeout, at)
        prepared = timeout["prepare_certificate"]
        demand(not fresh and timeout["round"] == round - 1, f"the justification of round {round} is of another round")
        demand(bound in (None, digest("justification", timeout)), f"round {round} has another justification")
        if prepared is None:
            demand(header["round"] == round, "the block was fresh in another round")
            fresh = True
        else:
            demand(prepared["block_hash"] == block, f"round {round} was not free to propose the block")
            round, bound = prepared["round"], prepared["justification_digest"]
    demand(fresh or (round == 0 and header["round"] == 0), f"the justification of round {round} is missing")
    return header


def root_of(leaf: bytes, index: int, size: int, path: list[str]) -> bytes:
    """RFC 6962 section 2.1.1 read backwards: the root over so many leaves, of which this is one, by its audit path."""
    demand(0 <= index < size and (size > 1) == bool(path), "the path does not fit the log")
    if size == 1:
        return sha256(b"\0" + leaf).digest()
    half, sibling = 1 << (size - 1).bit_length() - 1, bytes.fromhex(path[-1])
    if index < half:
        return sha256(b"\1" + root_of(leaf, index, half, path[:-1]) + sibling).digest()
    return sha256(b"\1" + sibling + root_of(leaf, index - half, size - half, path[:-1])).digest()


def verify(data: bytes, anchor: Anchor) -> dict[str, str]:
    """What the receipt proves to whoever pinned the anchor, by what it is. Raises `ValueError`: why it does not."""
    receipt = decode(data, bytes_max=2**24, depth_max=33)
    certified = isinstance(receipt, dict) and "record" in receipt
    check_form(receipt, CERTIFIED if certified else PINNED, "the receipt")
    envelope, leaf, how = receipt["transaction"], receipt["leaf"], "it is in the log of the pinned block"
    if certified:
        demand(leaf["height"] > anchor.height, f"what is pinned is newer: get it with from_height={anchor.height}")
        at = follow_trail(receipt["trail"], leaf["height"], anchor)
        header, votes = check_record(receipt["record"], at), receipt["record"]["certificate"]["signatures"]
        demand(leaf["index"] < header["transaction_count"], "the block has no transaction of this index")
        position = header["log_size"] - header["transaction_count"] + leaf["index"]
        how = f"{len(votes)} of {len(at.validators.keys)} validators signed its block, quorum {at.validators.quorum}: "
        how += ", ".join(ascii(at.validators.names[vote["validator"]]) for vote in votes)
    else:
        header, position = receipt["header"], receipt["position"]
        demand(header == anchor.header, "it is for holders of another checkpoint, or of one and not of genesis")
        demand(leaf["height"] <= header["height"], "the leaf is of a later height than the block")
    root = root_of(canonical(leaf).encode(), position, header["log_size"], receipt["path"])
    demand(root.hex() == header["log_root"], "the path does not lead from the leaf to the log's root")
    body, keys = envelope["body"], [item["key"] for item in envelope["signatures"]]
    named = {"transaction_id": digest("transaction", body), "envelope_hash": digest("envelope", envelope)}
    demand(leaf == {**leaf, **named}, "the leaf is of another transaction, or of other signatures")
    demand(body.get("chain") == anchor.chain, "the transaction is for another chain")
    demand(keys == sorted(set(keys)), "the transaction's signatures are not in order of key")
    message = b"quorum-ledger/v1/transaction\0" + canonical(body).encode()
    for item in envelope["signatures"]:
        check_signature(bytes.fromhex(item["key"]), message, item["signature"], f"the sender's key {item['key']}")
    proved = {"verified": f"yes, against {anchor.words}", "because": how, "transaction": leaf["transaction_id"]}
    when = strftime("%Y-%m-%dT%H:%M:%SZ", gmtime(header["time_ms"] // 1000))
    proved |= {"result": leaf["result"], "block": f"{leaf['height']}, {'at' if certified else 'not after'} {when}"}
    return {**proved, "signed by": " ".join(keys), "asked for": json.dumps(body)}


if __name__ == "__main__":
    status = 2
    try:
        _, receipt_path, option, pin_path = sys.argv
        demand(option in ("--genesis", "--checkpoint"), "see the beginning of this file for how it is used")
        receipt_file, pinned, status = Path(receipt_path).read_bytes(), anchor_of(Path(pin_path).read_bytes()), 10
        print(*(f"{label:<12} {words}" for label, words in verify(receipt_file, pinned).items()), sep="\n")
        status = 0
    except (OSError, ValueError, RecursionError) as error:
        print(f"{'cannot begin' if status == 2 else 'NOT verified'}: {error}", file=sys.stderr)
    sys.exit(status)
