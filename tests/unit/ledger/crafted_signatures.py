"""Signatures on which Ed25519 libraries differ, and the two libraries raw.

The secret scalar of every key is known here, so that any equation can be made to hold. The cases are those of
ed25519-speccheck ("Taming the many EdDSAs", ePrint 2020/1244) and of consensus research, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import nacl.bindings
import nacl.exceptions
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.unit.ledger import curve


@dataclass(frozen=True, slots=True)
class Case:
    """A crafted signature, and whether the ledger accepts it (key registered, and signature accepted)."""

    name: str
    key: bytes
    message: bytes
    signature: bytes
    accepted: bool


def little(number: int) -> bytes:
    return number.to_bytes(32, "little")


def sign_with(scalar: int, key: bytes, message: bytes, r_point: curve.Point, r_scalar: int) -> bytes:
    """R = r_point as given, S = r + h*a: satisfies the equation up to the torsion in R and A."""
    r = curve.encode(r_point)
    return r + little((r_scalar + curve.challenge(r, key, message) * scalar) % curve.L)


def crafted_cases() -> list[Case]:
    """One case per rule, by name."""
    a, r = 0x1234567890ABCDEF << 64 | 1, 0xFEDCBA << 128 | 7
    key = curve.encode(curve.multiply(a, curve.BASE))
    r_point = curve.multiply(r, curve.BASE)
    good = sign_with(a, key, b"vote", r_point, r)
    order_eight, order_two = curve.TORSION[1], curve.TORSION[4]
    mixed = curve.encode(curve.add(curve.multiply(a, curve.BASE), order_eight))
    mixed_message = next(  # where h is a multiple of 8 the torsion in A vanishes from the equation
        message
        for number in range(1000)
        if curve.challenge(curve.encode(r_point), mixed, message := b"vote %d" % number) % 8 == 0
    )
    identity = curve.encode(curve.IDENTITY)
    beyond = little(curve.P + 1)  # the identity, not canonical
    h_beyond = curve.challenge(beyond, key, b"vote")
    s = int.from_bytes(good[32:], "little")
    return [
        Case("an honest signature", key, b"vote", good, True),
        Case("the same for another message", key, b"veto", good, False),
        Case("S + L", key, b"vote", good[:32] + little(s + curve.L), False),
        Case("S + 2L", key, b"vote", good[:32] + little(s + 2 * curve.L), False),
        Case("S = L", key, b"vote", good[:32] + little(curve.L), False),
        Case("highest bit of S", key, b"vote", good[:63] + bytes([good[63] | 0x80]), False),
        Case("R = identity with S = h*a", key, b"vote", sign_with(a, key, b"vote", curve.IDENTITY, 0), False),
        Case("R of order two with S = h*a", key, b"vote", sign_with(a, key, b"vote", order_two, 0), False),
        Case("R of order eight with S = h*a", key, b"vote", sign_with(a, key, b"vote", order_eight, 0), False),
        Case("R with torsion", key, b"vote", sign_with(a, key, b"vote", curve.add(r_point, order_eight), r), False),
        Case("R not canonical, the identity", key, b"vote", beyond + little(h_beyond * a % curve.L), False),
        Case("R with the sign bit of x = 0", key, b"vote", little(1 | 1 << 255) + good[32:], False),
        Case("R off the curve", key, b"vote", little(2) + good[32:], False),
        Case("key = identity", identity, b"any", identity + bytes(32), False),
        Case("key = identity, honest R", identity, b"any", curve.encode(r_point) + little(r), False),
        Case("key of order two", curve.encode(order_two), b"any", curve.encode(r_point) + little(r), False),
        Case("key of order eight", curve.encode(order_eight), b"any", curve.encode(r_point) + little(r), False),
        Case("key not canonical, the identity", beyond, b"any", curve.encode(r_point) + little(r), False),
        Case("key off the curve", little(2), b"vote", good, False),
        Case(
            "key of mixed order, equation holds",
            mixed,
            mixed_message,
            sign_with(a, mixed, mixed_message, r_point, r),
            False,
        ),
        Case("63 bytes", key, b"vote", good[:63], False),
        Case("65 bytes", key, b"vote", good + b"\0", False),
        Case("no bytes", key, b"vote", b"", False),
        Case("31 bytes of key", key[:31], b"vote", good, False),
        Case("33 bytes of key", key + b"\0", b"vote", good, False),
    ]


def by_cryptography(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def by_sodium(key: bytes, message: bytes, signature: bytes) -> bool:
    try:
        nacl.bindings.crypto_sign_open(signature + message, key)
    except (nacl.exceptions.BadSignatureError, nacl.exceptions.ValueError):
        return False
    return True
