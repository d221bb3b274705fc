"""Key files: made private, read only when private, and readable by others' tools."""

from __future__ import annotations

import os
import shutil
import subprocess
from base64 import encodebytes
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ledger.crypto import verify
from node.identity import (
    KEY_FILE_BYTES_MAX,
    IdentityError,
    create_key,
    load_passphrase,
    load_seed,
    load_signing_key,
)


def test_a_key_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.pem"
    old_mask = os.umask(0)
    try:
        public_key = create_key(path)
    finally:
        os.umask(old_mask)
    assert path.stat().st_mode & 0o777 == 0o600
    key = load_signing_key(path)
    assert key.public_key == public_key
    assert verify(public_key, b"message", key.sign(b"message"))
    content = path.read_bytes()
    with pytest.raises(IdentityError, match="never overwritten"):
        create_key(path)
    assert path.read_bytes() == content


@pytest.mark.skipif(shutil.which("openssl") is None, reason="the openssl command is not on this machine")
def test_openssl_reads_the_files(tmp_path: Path) -> None:
    for name, passphrase in (("plain", None), ("locked", b"correct horse")):
        path = tmp_path / name
        public_key = create_key(path, passphrase=passphrase)
        arguments = ["openssl", "pkey", "-in", str(path), "-pubout", "-outform", "DER"]
        if passphrase is not None:
            arguments += ["-passin", f"pass:{passphrase.decode()}"]
        shown = subprocess.run(arguments, check=True, capture_output=True)
        assert shown.stdout[-32:] == public_key


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o644])
def test_a_file_that_others_can_touch_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "node.pem"
    create_key(path)
    path.chmod(mode)
    with pytest.raises(IdentityError, match=f"mode {mode:04o}.*chmod 600"):
        load_seed(path)


def test_passphrases(tmp_path: Path) -> None:
    locked, plain, words = tmp_path / "locked.pem", tmp_path / "plain.pem", tmp_path / "passphrase"
    create_key(locked, passphrase=b"correct horse")
    create_key(plain)
    words.touch(mode=0o600)
    words.write_bytes(b"correct horse\r\nsecond line\n")
    assert len(load_seed(locked, passphrase=load_passphrase(words))) == 32
    assert len(load_seed(plain, passphrase=b"of the other files")) == 32
    with pytest.raises(IdentityError, match=r"set keys\.passphrase_file"):
        load_seed(locked)
    with pytest.raises(IdentityError, match="not with this passphrase"):
        load_seed(locked, passphrase=b"wrong")
    words.write_bytes(b"\n")
    with pytest.raises(IdentityError, match="no passphrase"):
        load_passphrase(words)
    words.chmod(0o644)
    with pytest.raises(IdentityError, match="others may read"):
        load_passphrase(words)


def private_file(path: Path, content: bytes) -> Path:
    path.touch(mode=0o600)
    path.write_bytes(content)
    return path


def _der(key: Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _pem(der: bytes) -> bytes:
    return b"-----BEGIN PRIVATE KEY-----\n%b-----END PRIVATE KEY-----\n" % encodebytes(der)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    rsa = generate_private_key(65_537, 2_048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    # One byte of a file differs, so that it names a kind of key that is longer: the library says "internal error".
    whole = _der(Ed25519PrivateKey.generate())
    assert whole.count(b"\x2b\x65\x70") == 1, "the identifier of Ed25519 (RFC 8410)"
    damaged = {
        "x448": _pem(whole.replace(b"\x2b\x65\x70", b"\x2b\x65\x6f")),
        "ed448": _pem(whole.replace(b"\x2b\x65\x70", b"\x2b\x65\x71")),
    }
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo, 0o600)
    for path, message in (
        (tmp_path / "missing", "cannot be read"),
        (private_file(tmp_path / "text", b"hello"), "not a private key"),
        (private_file(tmp_path / "rsa", rsa), "not Ed25519"),
        *((private_file(tmp_path / kind, pem), "not a private key") for kind, pem in damaged.items()),
        (private_file(tmp_path / "large", b"x" * (KEY_FILE_BYTES_MAX + 1)), "too large"),
        (tmp_path, "not a file|cannot be read"),
        (fifo, "not a file"),
    ):
        with pytest.raises(IdentityError, match=message):
            load_seed(path)
