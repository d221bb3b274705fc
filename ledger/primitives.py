"""The smallest words of the ledger: digests, keys, signatures, and how they are written; and the order of state keys.

Heights, rounds and times are plain `int`: a height counts blocks from 1 (0 is genesis), a round counts from
0 within its height, a time is ledger time in milliseconds since 1970 (UTC).
"""

from __future__ import annotations

import struct
from binascii import unhexlify
from collections.abc import Sequence
from typing import NewType

from ledger.errors import MalformedError

Digest = NewType("Digest", bytes)
"""32 bytes of SHA-256 over a domain tag and a payload."""

PublicKey = NewType("PublicKey", bytes)
"""32 bytes, an Ed25519 public key (RFC 8032 section 5.1.5)."""

Signature = NewType("Signature", bytes)
"""64 bytes, an Ed25519 signature (RFC 8032 section 5.1.6)."""

DIGEST_BYTES = 32
PUBLIC_KEY_BYTES = 32
SIGNATURE_BYTES = 64

ZERO_DIGEST = Digest(bytes(DIGEST_BYTES))
"""Stands where a digest is absent by rule: the parent of genesis, the justification of round 0."""

_DIGEST = struct.Struct(f"{DIGEST_BYTES}s")


def parse_hex(text: object, size: int, what: str) -> bytes:
    """The `size` bytes that lower-case hex `text` stands for. Raises `MalformedError`, naming `what`."""
    if isinstance(text, str) and len(text) == 2 * size:
        try:
            data = unhexlify(text)
        except ValueError:
            data = b""
        if data.hex() == text:  # digits in lower case; asked like this, it costs a third of a regular expression
            return data
    raise MalformedError(f"{what} must be {2 * size} lower-case hexadecimal digits")


def parse_digest(text: object, what: str) -> Digest:
    """A digest from its hex form. Raises `MalformedError`, naming `what`."""
    return Digest(parse_hex(text, size=DIGEST_BYTES, what=what))


def parse_digests(texts: Sequence[object], what: str) -> tuple[Digest, ...]:
    """As many digests as there are `texts`, each by `parse_digest`, which costs ten times as much for a thousand."""
    well_formed = [text for text in texts if isinstance(text, str) and len(text) == 2 * DIGEST_BYTES]
    if len(well_formed) < len(texts):
        return tuple(parse_digest(text, what) for text in texts)  # one of them is refused
    data = parse_hex("".join(well_formed), size=len(texts) * DIGEST_BYTES, what=what)
    return tuple([digest for (digest,) in _DIGEST.iter_unpack(data)])


def parse_public_key(text: object, what: str) -> PublicKey:
    """A public key from its hex form; whether it is an acceptable point is asked at registration only.

    Raises `MalformedError`, naming `what`.
    """
    return PublicKey(parse_hex(text, size=PUBLIC_KEY_BYTES, what=what))


def parse_signature(text: object, what: str) -> Signature:
    """A signature from its hex form. Raises `MalformedError`, naming `what`."""
    return Signature(parse_hex(text, size=SIGNATURE_BYTES, what=what))


def successor(prefix: bytes) -> bytes:
    """The first key after all keys that start with `prefix`, whose last byte is not 0xff."""
    return prefix[:-1] + bytes((prefix[-1] + 1,))
