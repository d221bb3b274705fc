"""The hello: its bytes, and who is turned away for it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.errors import MalformedError
from ledger.primitives import Digest, PublicKey
from node import wire
from node.net.handshake import Hello, HelloRefusedError, Role, decode_hello, encode_hello, judge_hello

CHAIN = Digest(b"\xc4" * 32)
A, B = PublicKey(b"\xaa" * 32), PublicKey(b"\xbb" * 32)
OURS = Hello(Role.LISTENER, CHAIN, A)
THEIRS = Hello(Role.DIALER, CHAIN, B)
GOLDEN = "00 71756f72756d2d6c65646765722f70656572 0001 01" + "c4" * 32 + "bb" * 32


def test_the_hello_is_pinned() -> None:
    assert encode_hello(THEIRS) == bytes.fromhex(GOLDEN)
    assert decode_hello(bytes.fromhex(GOLDEN)) == THEIRS


def test_a_hello_is_no_message_and_no_message_is_a_hello() -> None:
    with pytest.raises(MalformedError):
        wire.decode(encode_hello(THEIRS))
    with pytest.raises(MalformedError):
        decode_hello(wire.encode(wire.Status(1, 1)))


@given(st.binary(max_size=120) | st.binary(max_size=90).map(lambda tail: bytes.fromhex(GOLDEN)[:19] + tail))
def test_arbitrary_bytes_are_a_hello_or_refused(frame: bytes) -> None:
    try:
        hello = decode_hello(frame)
    except (MalformedError, HelloRefusedError):
        return
    assert encode_hello(hello) == frame


def test_another_version_is_refused_whatever_follows_it() -> None:
    frame = bytearray(encode_hello(THEIRS))[:21]
    frame[20] = 2
    with pytest.raises(HelloRefusedError, match="peer protocol 2 is not spoken, only 1"):
        decode_hello(bytes(frame) + b"whatever version 2 says")


JUDGED = {
    "fits": (THEIRS, B, None),
    "another chain": (replace(THEIRS, chain=Digest(b"\x01" * 32)), B, "wrong chain: the dialer is of 0101"),
    "another key than TLS proved": (THEIRS, A, "another node key"),
    "a listener like us": (replace(THEIRS, role=Role.LISTENER), B, "wrong end"),
    "ourselves": (replace(THEIRS, node_key=A), A, "reached itself"),
}


@pytest.mark.parametrize(("theirs", "identity", "refusal"), JUDGED.values(), ids=JUDGED.keys())
def test_who_is_turned_away(theirs: Hello, identity: PublicKey, refusal: str | None) -> None:
    if refusal is None:
        judge_hello(theirs, ours=OURS, identity=identity)
    else:
        with pytest.raises(HelloRefusedError, match=refusal):
            judge_hello(theirs, ours=OURS, identity=identity)
