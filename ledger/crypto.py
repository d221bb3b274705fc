"""Hashing and Ed25519: the only file of the ledger that imports a cryptographic library.

**Digests** are SHA-256 over a domain tag and a payload. A tag is `quorum-ledger/v1/<thing>` and a zero byte,
so no tag is a prefix of another and nothing hashed for one purpose can stand for another.

**One door for every signature.** RFC 8032 leaves room for verifiers to differ, and libraries do, also from
release to release; a signature that one validator accepts and another refuses is a fork. So the predicate is
ours, and the library behind it only does the curve arithmetic (design section 5; `check_public_key` and
`verify` are the two halves):

1. A key is registered only if it is 32 bytes, canonical, on the curve, not of small order and torsion free.
2. A signature is accepted only if it is 64 bytes with S < L, with R canonical and not of small order, and if
   the library's cofactorless check holds.

Behind these two rules OpenSSL, libsodium, Go and dalek agree. libsodium is used because it verifies 1.6 times as
fast. There is no batch verification: it accepts what single verification refuses.
`self_test` asks the linked library the questions on which libraries differ; a node starts only if it passes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Protocol, TypeAlias, cast

import nacl.bindings
from nacl.exceptions import BadSignatureError

from ledger.errors import VerificationError
from ledger.primitives import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, Digest, PublicKey, Signature

SEED_BYTES = 32
"""Length of an Ed25519 private key as RFC 8032 means it: the seed."""

Verify: TypeAlias = Callable[[PublicKey, bytes, Signature], bool]
"""The shape of `verify`, for those who are given a verifier (the simulator gives a remembering one)."""

_FIELD_PRIME = 2**255 - 19
_GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
_SIGN_BIT = 1 << 255

# The y coordinates of the eight points of small order; the sign bit of x is ignored when looking one up.
_ORDER_EIGHT_Y = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_SMALL_ORDER_Y = frozenset({0, 1, _FIELD_PRIME - 1, _ORDER_EIGHT_Y, _FIELD_PRIME - _ORDER_EIGHT_Y})


class _Hash(Protocol):
    def digest(self) -> Digest: ...


sha256 = cast("Callable[[bytes], _Hash]", hashlib.sha256)
"""SHA-256 (FIPS 180-4). What it gives are digests, so that nobody has to say so of each: that costs a tenth of one."""


def tag(thing: str) -> bytes:
    """The domain tag of `thing`: what every digest and signature of that kind of content starts with."""
    return b"quorum-ledger/v1/" + thing.encode("ascii") + b"\0"


def digest(domain: bytes, payload: bytes) -> Digest:
    """SHA-256 over a domain tag (from `tag`) and a payload."""
    return sha256(domain + payload).digest()


def digests(domain: bytes, payloads: Iterable[bytes]) -> list[Digest]:
    """`digest` of each payload, with one call for all."""
    return [sha256(domain + payload).digest() for payload in payloads]


def check_public_key(key: PublicKey) -> bool:
    """Whether `key` may be registered: canonical, on the curve, not of small order, torsion free.

    Asked once, when a key enters the ledger; `verify` relies on it.
    """
    if len(key) != PUBLIC_KEY_BYTES:
        return False
    y = int.from_bytes(key, "little") & (_SIGN_BIT - 1)
    return y < _FIELD_PRIME and bool(nacl.bindings.crypto_core_ed25519_is_valid_point(key))


def verify(key: PublicKey, message: bytes, signature: Signature) -> bool:
    """Whether `signature` is `key`'s over `message`, by the strict rule of this module.

    `key` must have passed `check_public_key`. Never raises for bytes of any content or length.
    """
    if len(signature) != SIGNATURE_BYTES or len(key) != PUBLIC_KEY_BYTES:
        return False
    if int.from_bytes(signature[32:], "little") >= _GROUP_ORDER:
        return False
    y = int.from_bytes(signature[:32], "little") & (_SIGN_BIT - 1)
    if y >= _FIELD_PRIME or y in _SMALL_ORDER_Y:
        return False
    try:
        nacl.bindings.crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


class Signer(Protocol):
    """What signs with one Ed25519 key, wherever that is: `SigningKey` is one, a device or a service may be others."""

    @property
    def public_key(self) -> PublicKey:
        """The public half."""
        ...

    def sign(self, message: bytes) -> Signature:
        """The signature over `message` (RFC 8032, without a prefix or context)."""
        ...


class SigningKey:
    """An Ed25519 private key in memory. Its text form shows the public key only."""

    __slots__ = ("_secret", "public_key")

    def __init__(self, seed: bytes) -> None:
        assert len(seed) == SEED_BYTES
        public, self._secret = nacl.bindings.crypto_sign_seed_keypair(seed)
        self.public_key = PublicKey(public)

    def sign(self, message: bytes) -> Signature:
        """The (deterministic) signature over `message`, which must start with a domain tag."""
        return Signature(nacl.bindings.crypto_sign(message, self._secret)[:SIGNATURE_BYTES])

    def __repr__(self) -> str:
        return f"SigningKey(public_key={self.public_key.hex()})"


def self_test() -> None:
    """Ask the linked library what libraries disagree on. Raises `VerificationError` when it answers differently."""
    for name, key, message, signature, expected in _self_test_vectors():
        registered = check_public_key(key)
        if (registered and verify(key, message, signature)) is not expected:
            raise VerificationError(f"the linked Ed25519 library answers differently: {name}")


def _self_test_vectors() -> tuple[tuple[str, PublicKey, bytes, Signature, bool], ...]:
    """(name, key, message, signature, accepted?): RFC 8032 test 2, and one crafted case per rule.

    The last two are where releases of libsodium differ from each other: its newer ones verify with the cofactor, which
    accepts an R with torsion under a good key; and a key of mixed order is refused by nothing but the point check.
    """
    key = PublicKey(bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"))
    good = bytes.fromhex(
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
    )
    identity = (1).to_bytes(32, "little")
    larger_s = (int.from_bytes(good[32:], "little") + _GROUP_ORDER).to_bytes(32, "little")
    order_eight = _ORDER_EIGHT_Y.to_bytes(32, "little")
    other_key = bytes.fromhex("00ef4d4e8eb3e286ea484a58044b8bd7dc62135d0a2295304e80cc43f54fa28f")
    r_with_torsion = bytes.fromhex(
        "6f0bee83e28630be0c8a0e20e63b109cc57fe180eaa8fb290648aae4865202a5"
        "175ab6303006085cbc0fe2f503a9a23fa8a70c31b08b259dcae4a8df2fda0f08"
    )
    mixed_key = bytes.fromhex("13df1350e2fc332e69146adf6568558623caff204362f930bd26b0d06b88472b")
    under_mixed_key = bytes.fromhex(
        "88897a6a3f94e837064f97764f2654af0de7a6f6689fdde5c0a2956271bc26ff"
        "36d78ec212278951b7b80c892adba55880b9339c5c8edf4af8fdcfb328dccd0c"
    )
    return (
        ("RFC 8032 test 2", key, b"\x72", Signature(good), True),
        ("another message", key, b"\x73", Signature(good), False),
        ("S above the group order", key, b"\x72", Signature(good[:32] + larger_s), False),
        ("key of small order", PublicKey(identity), b"any", Signature(identity + bytes(32)), False),
        ("key of order eight", PublicKey(order_eight), b"any", Signature(identity + bytes(32)), False),
        ("R of small order", key, b"\x72", Signature(identity + good[32:]), False),
        ("truncated signature", key, b"\x72", Signature(good[:63]), False),
        ("R with torsion", PublicKey(other_key), b"vote", Signature(r_with_torsion), False),
        ("key of mixed order", PublicKey(mixed_key), b"vote 4", Signature(under_mixed_key), False),
    )
