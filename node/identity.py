"""The node's own keys on disk: one Ed25519 private key per file, PKCS#8 (RFC 5958) in PEM, readable by `openssl pkey`.

A node has up to three: the node key authenticates links to peers, the consensus key signs proposals and votes, the
cosigning key signs checkpoints. A file belongs to one node and one user: it is created with mode 0600 and never
overwrites another, and a file that group or others may read is refused before it is read, because whoever could read
it can vote in this node's name. A passphrase is optional: a node must start without a person, so the passphrase would
stand in a file next to it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ledger.crypto import SigningKey
from ledger.primitives import PublicKey

KEY_FILE_BYTES_MAX = 16 * 1024
KEY_FILE_MODE = 0o600

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class IdentityError(Exception):
    """A key file that can't be used. The message names the file and says what to do."""


def create_key(path: Path, *, passphrase: bytes | None = None) -> PublicKey:
    """Make a new key in a new file at `path` and return its public half. Raises `IdentityError` if the file exists."""
    key = Ed25519PrivateKey.generate()
    encryption: KeySerializationEncryption = (
        NoEncryption() if passphrase is None else BestAvailableEncryption(passphrase)
    )
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, KEY_FILE_MODE)
    except FileExistsError:
        raise IdentityError(f"{path} exists; a key file is never overwritten") from None
    except OSError as error:
        raise IdentityError(f"{path} cannot be created: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, KEY_FILE_MODE)
        file.write(data)
        file.flush()
        os.fsync(descriptor)
    _sync_directory(path.parent)
    return PublicKey(key.public_key().public_bytes_raw())


def load_seed(path: Path, *, passphrase: bytes | None = None) -> bytes:
    """The 32 bytes of the private key in `path` (RFC 8032's seed).

    Raises `IdentityError`: missing, readable by others, not a PEM key, not Ed25519, passphrase wrong or missing.
    """
    data = read_private(path)
    try:
        # A file without a passphrase is loaded also when the node has one for its other files.
        encrypted = b"ENCRYPTED" in data
        key = load_pem_private_key(data, passphrase if encrypted else None)
    except TypeError:
        raise IdentityError(f"{path} is encrypted: set keys.passphrase_file to the file with its passphrase") from None
    except (ValueError, UnsupportedAlgorithm, InternalError) as error:  # the last for a key of another length
        raise IdentityError(f"{path} is not a private key that can be read, or not with this passphrase") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise IdentityError(f"{path} holds a key that is not Ed25519")
    return key.private_bytes_raw()


def load_signing_key(path: Path, *, passphrase: bytes | None = None) -> SigningKey:
    """The key in `path`, ready to sign. Raises `IdentityError` like `load_seed`."""
    return SigningKey(load_seed(path, passphrase=passphrase))


def load_passphrase(path: Path) -> bytes:
    """The passphrase in a file of its own: its first line. Raises `IdentityError`, also when others can read it."""
    passphrase = read_private(path).split(b"\n", 1)[0].rstrip(b"\r")
    if not passphrase:
        raise IdentityError(f"{path} has no passphrase in its first line")
    return passphrase


def read_private(path: Path, bytes_max: int = KEY_FILE_BYTES_MAX) -> bytes:
    """The content of a file that only its owner may read. Raises `IdentityError`: missing, too large, or others may."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise IdentityError(f"{path} cannot be read: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise IdentityError(f"{path} is not a file")
        if status.st_mode & _OTHERS:
            mode = stat.S_IMODE(status.st_mode)
            raise IdentityError(f"others may read {path} (mode {mode:04o}): run chmod 600, and consider a new key")
        data = os.read(descriptor, bytes_max + 1)
    finally:
        os.close(descriptor)
    if len(data) > bytes_max:
        raise IdentityError(f"{path} is too large: it has more than {bytes_max} bytes")
    return data


def _sync_directory(path: Path) -> None:
    """Make the name of a new file survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
