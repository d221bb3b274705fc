"""Signed notes: a text, and lines that say who signed it (https://c2sp.org/signed-note).

    <text, ending in a newline>
    <empty line>
    — <key name> <base64 of key id (4 bytes) | signature>

A key is (name, type, public key); its id is the first four bytes of SHA-256(name | newline | type | public key), and
its text form, the vkey, is `<name>+<hex key id>+<base64 of type | public key>`. A verifier knows keys: lines of others
are ignored, and one of a known key that does not verify spoils the note.

Two types of signature are known here. Others (ECDSA, ML-DSA) are lines of unknown keys, and no vkeys.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import TypeAlias

from ledger.crypto import check_public_key, verify
from ledger.errors import MalformedError, VerificationError
from ledger.limits import NOTE_BYTES_MAX, NOTE_SIGNATURES_MAX
from ledger.primitives import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, PublicKey, Signature

KEY_ID_BYTES = 4
TIMESTAMP_BYTES = 8
TIMESTAMP_MAX = 2**63 - 1
"""The largest time that a cosignature may have (tlog-cosignature, "Format")."""

_DASH = "\u2014 "  # em dash, space


@unique
class SignatureType(IntEnum):
    """What a key's signatures are over: the type byte of signed-note, "Signature types"."""

    ED25519 = 1
    """Over the note's text."""
    COSIGNATURE = 4
    """Over the text and the time of signing (tlog-cosignature, Ed25519)."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """Whose signature is known and how it is checked. `public_key` has passed `check_public_key`."""

    name: str
    type: SignatureType
    public_key: PublicKey

    @property
    def key_id(self) -> bytes:
        """The four bytes that a signature line names the key by, besides its name."""
        return hashlib.sha256(b"%b\n%c%b" % (self.name.encode(), self.type, self.public_key)).digest()[:KEY_ID_BYTES]

    def encode(self) -> str:
        """The vkey."""
        return f"{self.name}+{self.key_id.hex()}+{encode_base64(bytes([self.type]) + self.public_key)}"


@dataclass(frozen=True, slots=True)
class SignatureLine:
    """One signature line: `signature` is what follows the key id, its form that of the key's type."""

    name: str
    key_id: bytes
    signature: bytes

    def encode(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {encode_base64(self.key_id + self.signature)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A text with its final newline, and at least one signature line."""

    text: str
    signatures: tuple[SignatureLine, ...]

    def encode(self) -> bytes:
        """The note as it is served and stored."""
        return f"{self.text}\n{''.join(line.encode() for line in self.signatures)}".encode()


Verified: TypeAlias = dict[VerifierKey, int | None]
"""Keys whose signature was verified, each with the time of its cosignature (POSIX seconds), or None for a plain one."""


def parse_note(data: bytes) -> Note:
    """The note that `data` stands for, nothing verified. Raises `MalformedError`."""
    if len(data) > NOTE_BYTES_MAX:
        raise MalformedError(f"a signed note has at most {NOTE_BYTES_MAX} bytes, not {len(data)}")
    text, separator, lines = decode_text(data, what="a signed note").rpartition("\n\n")
    if not separator or not text or not lines:
        raise MalformedError("a signed note is a text, an empty line and signature lines")
    *signatures, rest = lines.split("\n")
    if rest or not 1 <= len(signatures) <= NOTE_SIGNATURES_MAX:
        raise MalformedError(f"a signed note has 1 to {NOTE_SIGNATURES_MAX} signature lines, each with its newline")
    return Note(f"{text}\n", tuple(_parse_line(line) for line in signatures))


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> Verified:
    """Verify the signatures of known keys, each counted once however often it stands there.

    Raises `VerificationError` when one of them does not verify; lines of other keys are ignored.
    """
    known: dict[tuple[str, bytes], VerifierKey] = {}
    for key in keys:
        other = known.setdefault((key.name, key.key_id), key)
        if other != key:
            raise VerificationError(f"two keys have the name {key.name!r} and the id {key.key_id.hex()}")
    verified: Verified = {}
    for line in note.signatures:
        signer = known.get((line.name, line.key_id))
        if signer is None:
            continue
        time_s = check_line(signer, note.text, line)
        verified.setdefault(signer, time_s)
    return verified


def check_line(key: VerifierKey, text: str, line: SignatureLine) -> int | None:
    """The time of a cosignature of `key` over `text`, None for a plain signature. Raises `VerificationError`."""
    message, signature, time_s = text.encode(), line.signature, None
    if key.type is SignatureType.COSIGNATURE:
        time_s = int.from_bytes(signature[:TIMESTAMP_BYTES], "big")
        signature = signature[TIMESTAMP_BYTES:]
        message = cosigned_bytes(text, time_s)
    good = len(signature) == SIGNATURE_BYTES and (time_s is None or time_s <= TIMESTAMP_MAX)
    if not good or not verify(key.public_key, message, Signature(signature)):
        raise VerificationError(f"the signature of {key.name} does not verify")
    return time_s


def cosigned_bytes(text: str, time_s: int) -> bytes:
    """What a cosignature is over (tlog-cosignature, "Ed25519 signed message")."""
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def parse_verifier_key(text: str) -> VerifierKey:
    """The key of a vkey. Raises `MalformedError`, also for a type or a point that is not accepted here."""
    parts = text.split("+", 2)
    if len(parts) != 3:
        raise MalformedError("a verifier key is NAME+HEX+BASE64")
    name, key_id, encoded = parts
    check_key_name(name)
    content = decode_base64(encoded, what=f"the verifier key of {name}")
    types = {int(item) for item in SignatureType}
    if len(content) != 1 + PUBLIC_KEY_BYTES or content[0] not in types:
        raise MalformedError(f"the verifier key of {name} is not an Ed25519 key of type 1 or 4")
    key = VerifierKey(name, SignatureType(content[0]), PublicKey(content[1:]))
    if not check_public_key(key.public_key):
        raise MalformedError(f"the verifier key of {name} is not an acceptable Ed25519 public key")
    if key.key_id.hex() != key_id:
        raise MalformedError(f"the verifier key of {name} has the id {key.key_id.hex()}, not {key_id!r}")
    return key


def check_key_name(name: str) -> None:
    """Raise `MalformedError` unless `name` may be that of a key: UTF-8, not empty, no space, no plus."""
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise MalformedError(f"a key name is UTF-8, unlike {name!r}")
    if not name or "+" in name or any(character.isspace() for character in name):
        raise MalformedError(f"a key name is not empty and has neither spaces nor a plus, unlike {name!r}")


def decode_text(data: bytes, *, what: str) -> str:
    """`data` as text without control characters other than newlines. Raises `MalformedError`."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise MalformedError(f"{what} is UTF-8") from None
    if any(character < " " and character != "\n" for character in text):
        raise MalformedError(f"{what} has no control characters but newlines")
    return text


def encode_base64(data: bytes) -> str:
    """Standard base 64 (RFC 4648 section 4)."""
    return b64encode(data).decode("ascii")


def decode_base64(text: str, *, what: str) -> bytes:
    """The bytes of standard base 64 in its one form. Raises `MalformedError`."""
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, Base64Error):
        data = b""
    if not text or encode_base64(data) != text:
        raise MalformedError(f"{what} is not standard base 64")
    return data


def _parse_line(line: str) -> SignatureLine:
    name, separator, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not separator:
        raise MalformedError("a signature line is an em dash, a key name and base 64")
    check_key_name(name)
    content = decode_base64(encoded, what=f"the signature of {name}")
    if len(content) <= KEY_ID_BYTES:
        raise MalformedError(f"the signature of {name} has no more than a key id")
    return SignatureLine(name, content[:KEY_ID_BYTES], content[KEY_ID_BYTES:])
