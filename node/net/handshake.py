"""The first frame of each side of a link, and what each makes of the other's. Pure.

TLS has proved which node key is at the other end; the hello says what it is there for:

    0 (type) | "quorum-ledger/peer" | protocol u16 | role u8 | chain (32) | node key (32)

`chain` is the hash of genesis, `role` is which end of the link the sender is (1 dialer, 2 listener). The dialer speaks
first. Whoever finds fault closes with a code of `CloseCode` and a reason in words, so that the operator of the *other*
node reads it, too. The hello of another protocol version may go on differently, so the version is judged before
anything behind it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum, unique

from ledger.errors import MalformedError
from ledger.primitives import Digest, PublicKey

PROTOCOL_VERSION = 1
PATH = "/quorum-ledger/peer"
"""Where the WebSocket is opened."""

_MAGIC = b"\x00quorum-ledger/peer"
_VERSION = struct.Struct(">H")
_BODY = struct.Struct(">B32s32s")


@unique
class Role(IntEnum):
    """Which end of a link the sender of a hello is."""

    DIALER = 1
    LISTENER = 2

    @property
    def other(self) -> Role:
        """The end that this one talks to."""
        return Role.LISTENER if self is Role.DIALER else Role.DIALER


@unique
class CloseCode(IntEnum):
    """Why a link was closed: WebSocket close codes (RFC 6455 section 7.4), ours from the range for applications."""

    GOING_AWAY = 1001
    MALFORMED = 4000
    WRONG_NETWORK = 4001
    DUPLICATE = 4002
    NOT_NOW = 4003
    MISBEHAVED = 4004
    OUTBOX_FULL = 4005
    NOT_LISTED = 4006
    REFUSED = 4007


class HelloRefusedError(Exception):
    """A hello that is well formed but not of a node we can talk to. The message goes to both operators."""


@dataclass(frozen=True, slots=True)
class Hello:
    """What a node says of itself when a link is opened."""

    role: Role
    chain: Digest
    node_key: PublicKey


def encode_hello(hello: Hello) -> bytes:
    """The first frame that a node with this hello sends."""
    return _MAGIC + _VERSION.pack(PROTOCOL_VERSION) + _BODY.pack(hello.role, hello.chain, hello.node_key)


def decode_hello(frame: bytes) -> Hello:
    """The hello in the first frame of a link.

    Raises `MalformedError`, or `HelloRefusedError` for a hello of another version of the protocol.
    """
    start = len(_MAGIC) + _VERSION.size
    if len(frame) < start or not frame.startswith(_MAGIC):
        raise MalformedError("the first frame is not a hello")
    (version,) = _VERSION.unpack_from(frame, len(_MAGIC))
    if version != PROTOCOL_VERSION:
        raise HelloRefusedError(f"peer protocol {version} is not spoken, only {PROTOCOL_VERSION}")
    if len(frame) != start + _BODY.size:
        raise MalformedError(f"a hello has {start + _BODY.size} bytes, not {len(frame)}")
    role, chain, node_key = _BODY.unpack_from(frame, start)
    if role not in (Role.DIALER, Role.LISTENER):
        raise MalformedError(f"a hello has the unknown role {role}")
    return Hello(Role(role), Digest(chain), PublicKey(node_key))


def judge_hello(theirs: Hello, *, ours: Hello, identity: PublicKey) -> None:
    """Raise `HelloRefusedError` unless `theirs`, of the holder of the key `identity`, fits `ours`."""
    if theirs.role is not ours.role.other:
        raise HelloRefusedError("the hello is of the wrong end of a link")
    if theirs.chain != ours.chain:
        raise HelloRefusedError(
            f"wrong chain: the {theirs.role.name.lower()} is of {theirs.chain.hex()[:16]}, "
            f"the {ours.role.name.lower()} of {ours.chain.hex()[:16]}"
        )
    if theirs.node_key != identity:
        raise HelloRefusedError("the hello names another node key than TLS proved")
    if theirs.node_key == ours.node_key:
        raise HelloRefusedError("this node has reached itself")
