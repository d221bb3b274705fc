"""Canonical JSON: the one encoding of everything that is signed or hashed as a document.

The profile is RFC 8785 (JSON Canonicalization Scheme), restricted so that any implementation agrees on it:

* values are objects, arrays, strings, integers, `true`, `false` and `null`; never a float;
* integers lie within +-(2^53 - 1); larger amounts are strings;
* object keys are ASCII, unique, and sorted; strings are valid UTF-8 without lone surrogates;
* nesting is at most `JSON_DEPTH_MAX` deep; there is no insignificant white space.

`orjson` with sorted keys writes exactly these bytes. Its reader accepts more (`-0`, duplicate keys, 2^64 as
a float), so `decode` demands that encoding the result again gives back the same bytes.
"""

from __future__ import annotations

from typing import TypeAlias

import orjson

from ledger.errors import MalformedError
from ledger.limits import INTEGER_MAX, JSON_DEPTH_MAX

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | bool | None"
"""A document of the profile. (`bool` is an `int` to Python; nobody here adds up truth values.)"""

_INTEGER_MIN = -INTEGER_MAX


def encode(value: Json) -> bytes:
    """Canonical bytes of `value`. Raises `MalformedError` for a value outside the profile."""
    check_profile(value, JSON_DEPTH_MAX)
    return encode_trusted(value)


def encode_trusted(value: Json) -> bytes:
    """Canonical bytes of a value that our own code built within the profile: no check, for the hot path."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError) as error:
        raise MalformedError(f"not canonical JSON: {error}") from None


def encode_kept(value: Json) -> bytes:
    """Like `encode_trusted`, for bytes that are kept in great number: in no more memory than they need.

    What `orjson` (3.13) gives occupies at least 4 KiB, however short it is, for as long as it lives.
    """
    return memoryview(encode_trusted(value)).tobytes()


def decode(data: bytes, *, bytes_max: int, what: str = "document", depth_max: int = JSON_DEPTH_MAX) -> Json:
    """The value that canonical `data` stands for.

    Raises `MalformedError`, naming `what`, when `data` is longer than `bytes_max`, is not JSON, or is not the
    canonical form of a value of the profile. `depth_max` is raised only by documents that contain whole others.
    """
    value = decode_form(data, bytes_max, what)
    check_profile(value, depth_max)
    return value


def decode_form(data: bytes, bytes_max: int, what: str) -> Json:
    """Like `decode`, but the value may be outside the profile in what its bytes don't show.

    That is: floats, large integers, keys that are not ASCII, depth. For the hot path: its caller reads every field with
    a reader that accepts one type only, and gives what may be any JSON to `check_profile`.
    """
    if len(data) > bytes_max:
        raise MalformedError(f"{what} has {len(data)} bytes, more than {bytes_max}")
    try:
        value: Json = orjson.loads(data)
        again = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except (orjson.JSONDecodeError, RecursionError) as error:
        raise MalformedError(f"{what} is not JSON: {error}") from None
    except (TypeError, orjson.JSONEncodeError) as error:
        raise MalformedError(f"{what} is not canonical JSON: {error}") from None
    if again != data:
        raise MalformedError(f"{what} is JSON, but not in canonical form (RFC 8785)")
    return value


def decode_object(data: bytes, *, bytes_max: int, what: str = "document") -> dict[str, Json]:
    """Like `decode`, for a document that must be an object."""
    value = decode(data, bytes_max=bytes_max, what=what)
    if not isinstance(value, dict):
        raise MalformedError(f"{what} must be a JSON object")
    return value


def expect_fields(
    value: Json, *, what: str, required: frozenset[str], optional: frozenset[str] = frozenset()
) -> dict[str, Json]:
    """`value` as an object that has all `required` fields and none beyond `optional`. Raises `MalformedError`."""
    if not isinstance(value, dict):
        raise MalformedError(f"{what} must be a JSON object")
    present = value.keys()
    if missing := required - present:
        raise MalformedError(f"{what} lacks the field {sorted(missing)[0]!r}")
    if surplus := present - required - optional:
        raise MalformedError(f"{what} has an unknown field {sorted(surplus)[0]!r}")
    return value


def expect_integer(value: Json, what: str, minimum: int = 0, maximum: int = INTEGER_MAX) -> int:
    """`value` as an integer within [minimum, maximum]; `True` is no integer. Raises `MalformedError`."""
    if type(value) is not int or not minimum <= value <= maximum:
        raise MalformedError(f"{what} must be an integer from {minimum} to {maximum}")
    return value


def expect_string(value: Json, *, what: str, bytes_max: int) -> str:
    """`value` as a string of at most `bytes_max` bytes of UTF-8. Raises `MalformedError`."""
    try:
        if isinstance(value, str) and len(value.encode()) <= bytes_max:
            return value
    except UnicodeEncodeError:  # half a character: JSON cannot have it, a header or a URL can
        raise MalformedError(f"{what} is not text") from None
    raise MalformedError(f"{what} must be a string of at most {bytes_max} bytes")


def expect_list(value: Json, what: str, items_max: int, items_min: int = 0) -> list[Json]:
    """`value` as a list of items_min..items_max items. Raises `MalformedError`."""
    if not isinstance(value, list) or not items_min <= len(value) <= items_max:
        raise MalformedError(f"{what} must be a list of {items_min} to {items_max} items")
    return value


def check_profile(value: Json, depth_left: int) -> None:
    """Raise `MalformedError` unless `value` is within the profile, nested at most `depth_left` deep."""
    kind = type(value)
    if kind is dict:
        if depth_left == 0:
            raise MalformedError(f"nested deeper than {JSON_DEPTH_MAX}")
        for key, item in value.items():  # type: ignore[union-attr]
            if type(key) is not str or not key.isascii():
                raise MalformedError("an object key is not ASCII")
            if type(item) is not str and (type(item) is not int or not _INTEGER_MIN <= item <= INTEGER_MAX):  # few are
                check_profile(item, depth_left - 1)
    elif kind is int:
        if not _INTEGER_MIN <= value <= INTEGER_MAX:  # type: ignore[operator]
            raise MalformedError("an integer is beyond +-(2^53 - 1)")
    elif kind is not str and kind is not bool and value is not None:
        if depth_left == 0:
            raise MalformedError(f"nested deeper than {JSON_DEPTH_MAX}")
        if kind is not list:
            raise MalformedError(f"a {kind.__name__} is not part of the format")
        for item in value:  # type: ignore[union-attr]
            if type(item) is not str:
                check_profile(item, depth_left - 1)
