"""Key files: one Ed25519 private key, encrypted, that `openssl pkey` can read without us.

The file is PKCS#8 (RFC 5958) in PEM (RFC 7468), encrypted with PBES2 (RFC 8018): the key is derived from the
passphrase by scrypt (RFC 7914) with N=2^14, r=8, p=5, and the cipher is AES-256-CBC. A larger N would be stronger, but
openssl's command line refuses to spend more than 32 MiB on it; p makes up for the work. `cryptography` cannot write
scrypt itself (its own choice is PBKDF2 with 2,048 rounds), so the DER structure is declared here and encoded by its
ASN.1 module.

In front of the PEM block stand two lines of explanatory text, which PEM readers skip: the public key, so that it can
be shown without the passphrase, and the time of creation. The public key is checked against the private one whenever
the file is unlocked.

Files are created with mode 0600 and never overwrite another (`wallet.files`); one that others can read is refused.
"""

from __future__ import annotations

import base64
import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wallet.exit_codes import key_error

if TYPE_CHECKING:
    from ledger.crypto import SigningKey

SCRYPT_N = 2**14
SCRYPT_R = 8
SCRYPT_P = 5
KEY_FILE_BYTES_MAX = 64 * 1024
SUFFIX = ".pem"

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PUBLIC_LINE = re.compile(rb"^Public-Key: ed25519 ([0-9a-f]{64})\r?$", re.MULTILINE)
_CREATED_LINE = re.compile(rb"^Created: ([0-9T:Z-]{20})\r?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A key file as it stands on disk, locked. `public_key` is 64 hex digits, as the file claims, or None."""

    path: Path
    data: bytes
    public_key: str | None
    created: str | None

    @property
    def name(self) -> str:
        """The file's name without its suffix: what `--key-file` takes when the file is in the key directory."""
        return self.path.name.removesuffix(SUFFIX)

    @property
    def encrypted(self) -> bool:
        """Whether a passphrase is needed."""
        return b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in self.data


def key_path(reference: str, directory: Path) -> Path:
    """The file that `reference` means: a bare name is looked up in the key directory, anything else is a path."""
    if _NAME.fullmatch(reference) and not Path(reference).exists():
        return directory / (reference if reference.endswith(SUFFIX) else reference + SUFFIX)
    return Path(reference).expanduser()


def read_key_file(path: Path) -> KeyFile:
    """The key file at `path`, locked. Raises `WalletError` (15): missing, too open, too large, no PEM key."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        raise key_error(
            f"There is no key file {path}.", code="key_missing", remedy="See: quorum-wallet key list"
        ) from None
    except OSError as error:
        raise key_error(f"The key file {path} cannot be read: {error.strerror}.", code="key_unreadable") from None
    with os.fdopen(descriptor, "rb") as file:
        refuse_if_others_can_read(descriptor, path)
        data = file.read(KEY_FILE_BYTES_MAX + 1)
    if len(data) > KEY_FILE_BYTES_MAX or b"PRIVATE KEY-----" not in data:
        raise key_error(
            f"{path} is not a private key file (PEM, PKCS#8).",
            code="key_malformed",
            remedy="For other forms of keys see: quorum-wallet key import --help",
        )
    preamble = data.partition(b"-----BEGIN")[0]
    public, created = _PUBLIC_LINE.search(preamble), _CREATED_LINE.search(preamble)
    return KeyFile(
        path=path,
        data=data,
        public_key=public[1].decode() if public else None,
        created=created[1].decode() if created else None,
    )


def refuse_if_others_can_read(descriptor: int, path: Path) -> None:
    """Raise `WalletError` (15) when the open file is a regular one with any permission for group or others."""
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise key_error(f"{path} is a directory, not a file.", code="key_unreadable")
    if stat.S_ISREG(status.st_mode) and status.st_mode & _OTHERS:
        raise key_error(
            f"Others may read or change {path} (mode {stat.S_IMODE(status.st_mode):04o}); it must be yours alone.",
            code="key_file_mode",
            remedy=f"Run: chmod 600 {path}    If others may have read it, replace the key.",
        )


def unlock(file: KeyFile, passphrase: bytes | None) -> SigningKey:
    """The private key in `file`. Raises `WalletError` (15) for a wrong passphrase or another kind of key."""
    from ledger.crypto import SigningKey

    key = SigningKey(seed_from_pem(file.data, passphrase, what=str(file.path)))
    if file.public_key is not None and file.public_key != key.public_key.hex():
        raise key_error(
            f"{file.path} claims to be the key {file.public_key}, but holds {key.public_key.hex()}.",
            code="key_altered",
            remedy="Somebody changed the file. Do not use it; restore it from a backup.",
        )
    return key


def seed_from_pem(data: bytes, passphrase: bytes | None, *, what: str) -> bytes:
    """The 32 byte seed of the Ed25519 key in PEM `data`. Raises `WalletError` (15), naming `what`."""
    from cryptography.exceptions import InternalError, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(data, passphrase)
    except TypeError:
        if passphrase is not None:
            raise key_error(f"{what} is not encrypted; it has no passphrase.", code="key_not_encrypted") from None
        raise key_error(f"{what} is encrypted and needs its passphrase.", code="passphrase_missing") from None
    except InternalError:  # what the library says of a key that is not as long as its kind demands
        raise key_error(f"{what} is not a private key that can be read: it is damaged", code="key_malformed") from None
    except (ValueError, UnsupportedAlgorithm) as error:
        if passphrase is not None and "password" in str(error).lower():
            raise key_error(
                f"The passphrase does not open {what}.",
                code="passphrase_wrong",
                remedy="Try again; there is no way around a forgotten passphrase.",
            ) from None
        raise key_error(f"{what} is not a private key that can be read: {error}", code="key_malformed") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise key_error(f"{what} holds a key that is not Ed25519.", code="key_kind")
    return key.private_bytes_raw()


def seed_from_hex(text: str) -> bytes:
    """The 32 byte seed that 64 hex digits stand for. Raises `WalletError` (15)."""
    digits = text.strip()
    if not re.fullmatch(r"[0-9a-fA-F]{64}", digits):
        raise key_error("A raw seed is 64 hexadecimal digits (32 bytes).", code="key_malformed")
    return bytes.fromhex(digits)


def plain_pem(seed: bytes) -> bytes:
    """The seed as unencrypted PKCS#8 PEM: whoever reads it has the key."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Ed25519PrivateKey.from_private_bytes(seed).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(public_key: bytes) -> bytes:
    """A public key as PEM (SubjectPublicKeyInfo, RFC 8410), as openssl reads it."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return Ed25519PublicKey.from_public_bytes(public_key).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def key_file_bytes(seed: bytes, passphrase: bytes | None, *, created: str) -> bytes:
    """What a key file of `seed` contains: explanatory lines, then the PEM block.

    `created` is RFC 3339 to the second, UTC. Without a passphrase the block is not encrypted.
    """
    from ledger.crypto import SigningKey

    public_key = SigningKey(seed).public_key.hex()
    head = f"Public-Key: ed25519 {public_key}\nCreated: {created}\n\n".encode()
    return head + (plain_pem(seed) if passphrase is None else _encrypted_pem(seed, passphrase))


def _encrypted_pem(seed: bytes, passphrase: bytes) -> bytes:
    """PKCS#8 EncryptedPrivateKeyInfo (RFC 5958 section 3) in PEM."""
    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    from wallet.pkcs8 import encrypted_private_key_info

    plain = Ed25519PrivateKey.from_private_bytes(seed).private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    salt, iv = os.urandom(16), os.urandom(16)
    secret = Scrypt(salt=salt, length=32, n=SCRYPT_N, r=SCRYPT_R, p=SCRYPT_P).derive(passphrase)
    padder = padding.PKCS7(128).padder()
    encryptor = Cipher(algorithms.AES(secret), modes.CBC(iv)).encryptor()
    encrypted = encryptor.update(padder.update(plain) + padder.finalize()) + encryptor.finalize()
    der = encrypted_private_key_info(encrypted, salt=salt, iv=iv, cost=SCRYPT_N, block=SCRYPT_R, parallel=SCRYPT_P)
    text = base64.b64encode(der).decode()
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    return "\n".join(
        ["-----BEGIN ENCRYPTED PRIVATE KEY-----", *lines, "-----END ENCRYPTED PRIVATE KEY-----", ""]
    ).encode()
