"""Edwards25519 in plain Python, from RFC 8032 section 5.1: the oracle for the door of `ledger.crypto`.

Plain and slow. It decides by the rule of design section 5 and by nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TypeAlias

Point: TypeAlias = tuple[int, int]

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)
IDENTITY: Point = (0, 1)


def recover_x(y: int, sign: int) -> int | None:
    """x of the point with this y and sign of x, or None (RFC 8032 section 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * SQRT_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def decode(data: bytes) -> Point | None:
    """The point of a canonical encoding, or None."""
    number = int.from_bytes(data, "little")
    sign, y = number >> 255, number & ((1 << 255) - 1)
    if len(data) != 32 or y >= P:
        return None
    x = recover_x(y, sign)
    return None if x is None else (x, y)


def encode(point: Point) -> bytes:
    """The canonical encoding of `point`."""
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


Extended: TypeAlias = tuple[int, int, int, int]
"""X, Y, Z, T with x = X/Z, y = Y/Z, xy = T/Z (RFC 8032 section 5.1.4)."""


def _extend(point: Point) -> Extended:
    return point[0], point[1], 1, point[0] * point[1] % P


def _add(first: Extended, second: Extended) -> Extended:
    (x1, y1, z1, t1), (x2, y2, z2, t2) = first, second
    a, b = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    c, d = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _affine(point: Extended) -> Point:
    inverse = pow(point[2], -1, P)
    return point[0] * inverse % P, point[1] * inverse % P


def add(first: Point, second: Point) -> Point:
    """The sum of two points."""
    return _affine(_add(_extend(first), _extend(second)))


def multiply(scalar: int, point: Point) -> Point:
    """`scalar` times `point`."""
    result, power = _extend(IDENTITY), _extend(point)
    while scalar:
        if scalar & 1:
            result = _add(result, power)
        power = _add(power, power)
        scalar >>= 1
    return _affine(result)


def _points() -> Iterator[Point]:
    for y in range(2, P):
        x = recover_x(y, 0)
        if x is not None:
            yield x, y


def _torsion() -> tuple[Point, ...]:
    """The eight points of small order, as multiples of one of order eight."""
    for point in _points():
        candidate = multiply(L, point)
        if multiply(4, candidate) != IDENTITY:
            return tuple(multiply(k, candidate) for k in range(8))
    raise AssertionError


_BASE_Y = 4 * pow(5, -1, P) % P
_BASE_X = recover_x(_BASE_Y, 0)
assert _BASE_X is not None
BASE: Point = (_BASE_X, _BASE_Y)
TORSION = _torsion()


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    """SHA-512(R | A | M) as a scalar (RFC 8032 section 5.1.7)."""
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def key_is_acceptable(key: bytes) -> bool:
    """Rule 1: canonical, on the curve, not of small order, torsion free."""
    point = decode(key)
    return point is not None and point not in TORSION and multiply(L, point) == IDENTITY


def signature_is_acceptable(key: bytes, message: bytes, signature: bytes) -> bool:
    """Rule 2 for an acceptable key: S < L, R canonical and not of small order, S*B = R + h*A without cofactor."""
    if len(signature) != 64:
        return False
    s = int.from_bytes(signature[32:], "little")
    r, a = decode(signature[:32]), decode(key)
    if s >= L or r is None or r in TORSION or a is None:
        return False
    return multiply(s, BASE) == add(r, multiply(challenge(signature[:32], key, message), a))
