"""Bytes to feed: valid examples with something wrong in them, and bytes of no form at all.

Everything is drawn from a `random.Random`, or through Hypothesis from one that shrinks (`given_bytes`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from tests.fuzz.target import Form, Target

_INTEGERS = (-1, 0, 1, 255, 256, 2**16, 2**31 - 1, 2**31, 2**32, 2**53 - 1, 2**53, 2**63 - 1, -(2**63), 2**64 - 1)
_TEXTS = ("", "\0", "a" * 300, "../..", "\u202e", "\ud7ff\U0001f600", "%00", "-0", "1e9", "0x10", "NaN", "é", "00" * 32)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0.5,
    -0.0,
    1e308,
    [],
    {},
    [[]],
    [None] * 40,
    {"a": {}},
    *_INTEGERS,
    *_TEXTS,
)
_DEPTH = 600
_ROUNDS_MAX = 4


def mutated(rng: random.Random, target: Target, examples: Sequence[bytes]) -> bytes:
    """Something to feed to a target."""
    if not examples or rng.random() < 0.05:
        return rng.randbytes(rng.choice((0, 1, 8, 64, 500)))
    data = rng.choice(examples)
    if target.form is Form.JSON and rng.random() < 0.7:
        data = _mutate_json(rng, data, examples)
    elif target.form is Form.LINES and rng.random() < 0.5:
        data = _mutate_lines(rng, data)
    else:
        for _ in range(rng.randint(1, _ROUNDS_MAX)):
            data = rng.choice(_BYTE_MUTATIONS)(rng, data, examples)
    return data


# ---- bytes


def _flip(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    changed = bytearray(data or b"\0")
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _overwrite(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Fields of lengths and counts become small, negative or huge."""
    width = rng.choice((1, 2, 4, 8))
    value = rng.choice((0, 1, 127, 128, 255, 2**16, 2**31, 2**32 - 1, 2**53, 2**63, 2**64 - 1)) & (256**width - 1)
    start = rng.randrange(len(data) + 1)
    return data[:start] + value.to_bytes(width, "big") + data[start + width :]


def _insert(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data) + 1)
    what = rng.choice((rng.randbytes(rng.randint(1, 9)), b"\n", b"\0", b'"', b"[" * 40, b"\xff\xfe", b"\r\n\r\n", b" "))
    return data[:start] + what + data[start:]


def _delete(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data) + 1)
    return data[:start] + data[start + rng.choice((1, 1, 4, 32, 1000)) :]


def _truncate(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data) + 1)]


def _repeat(rng: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data) + 1)
    part = data[start : start + rng.choice((1, 4, 16, 200))]
    return data[:start] + part * rng.choice((2, 3, 50)) + data[start:]


def _splice(rng: random.Random, data: bytes, examples: Sequence[bytes]) -> bytes:
    other = rng.choice(examples)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _keep(_: random.Random, data: bytes, __: Sequence[bytes]) -> bytes:
    return data


_BYTE_MUTATIONS: tuple[Callable[[random.Random, bytes, Sequence[bytes]], bytes], ...] = (
    _flip,
    _overwrite,
    _insert,
    _delete,
    _truncate,
    _repeat,
    _splice,
)


def _mutate_lines(rng: random.Random, data: bytes) -> bytes:
    """Lines go, come twice, change places, or are changed."""
    lines = data.split(b"\n")
    place, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(5):
        case 0:
            del lines[place]
        case 1:
            lines.insert(other, lines[place])
        case 2:
            lines[place], lines[other] = lines[other], lines[place]
        case 3:
            lines[place] = rng.choice(_BYTE_MUTATIONS)(rng, lines[place], [lines[other]])
        case _:
            lines[place] *= rng.choice((2, 100))
    return b"\n".join(lines)


# ---- JSON


def _mutate_json(rng: random.Random, data: bytes, examples: Sequence[bytes]) -> bytes:
    """A document whose values are changed, and which is written as a canonical one, most of the time."""
    try:
        value = orjson.loads(data)
        other = orjson.loads(rng.choice(examples))
    except orjson.JSONDecodeError:
        return _flip(rng, data, examples)
    for _ in range(rng.randint(1, 2)):
        value = _changed(rng, value, other)
    try:
        document = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:  # read, but nested deeper than is written
        return _flip(rng, data, examples)
    return rng.choice(_JSON_TEXTS)(document) if rng.random() < 0.1 else document


def _changed(rng: random.Random, value: Any, other: Any) -> Any:
    """One place of `value` changed: on the way down any branch is as likely as the others."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(sorted(value))
        changed = dict(value)
        match rng.randrange(12):
            case 0:
                del changed[key]
            case 1:
                changed[rng.choice((key + "x", key.upper() or "A", "é", ""))] = changed.pop(key)
            case 2:
                changed[rng.choice(("surplus", "kind", "version", "type"))] = rng.choice(_VALUES)
            case _:
                changed[key] = _changed(rng, value[key], other.get(key) if isinstance(other, dict) else other)
        return changed
    if isinstance(value, list) and value and rng.random() < 0.85:
        place = rng.randrange(len(value))
        changed_list = list(value)
        match rng.randrange(8):
            case 0:
                del changed_list[place]
            case 1:
                changed_list.insert(place, value[place])
            case 2:
                changed_list.reverse()
            case 3:
                changed_list *= rng.choice((2, 30))
            case _:
                changed_list[place] = _changed(rng, value[place], other)
        return changed_list
    return _leaf(rng, value, other)


def _leaf(rng: random.Random, value: Any, other: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.5:
        return min(max(value + rng.choice((-1, 1, 2, 256, 2**32)), -(2**63)), 2**64 - 1)
    if isinstance(value, str) and value and rng.random() < 0.6:
        place = rng.randrange(len(value))
        return rng.choice(
            (
                value[:place],
                value[:place] + rng.choice("0fF é/\0\n") + value[place + 1 :],
                value + value,
                value.upper(),
                value[:place] + value[place + 1 :],
            )
        )
    return rng.choice((*_VALUES, other))


_JSON_TEXTS: tuple[Callable[[bytes], bytes], ...] = (
    lambda data: b" " + data,
    lambda data: data + b"\n",
    lambda data: data.replace(b":", b": ", 1),
    lambda data: b"[" * _DEPTH + data + b"]" * _DEPTH,
    lambda data: b'{"a":' * _DEPTH + data + b"}" * _DEPTH,
    lambda data: data.replace(b"{", b'{"a":' + b"[" * _DEPTH + b"]" * _DEPTH + b",", 1),
    lambda data: data.replace(b'{"', b'{"a":1,"a":1,"', 1),
    lambda data: data.replace(b'"', b'"\\u0061', 2),
    lambda data: data.replace(b'"', b'"\\ud800', 2),
    lambda data: data.replace(b":", b":-0,", 1),
    lambda data: b"\xef\xbb\xbf" + data,
)


def pumped(examples: Sequence[bytes]) -> list[bytes]:
    """What makes a decoder work hard: much of the same, of each kind of thing that there is."""
    first = examples[0] if examples else b"x"
    middle = len(first) // 2
    parts = (
        b"[",
        b'{"a":',
        b"[[],",
        b'"',
        b"\\u0061",
        b"9",
        b"\n",
        b" ",
        b"a.",
        b"=",
        b"/",
        b"\xc3\xa9",
        b"\0",
        b"x001/",
    )
    return [
        *(first[:middle] + part * (20_000 // len(part)) + first[middle:] for part in parts),
        b"[" + b"[]," * 10_000 + b"0]",
        b"{" + b",".join(b'"%05d":{}' % number for number in range(5_000)) + b"}",
        b"9" * 5_000,
        b"h:" + b"9" * 5_000,
        b"a" * 50_000,
        first * (1 + 50_000 // (len(first) + 1)),
    ]
