"""Key files: readable by openssl, encrypted, ours alone, and never lost to an overwrite."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from ledger.crypto import SigningKey
from tests.unit.wallet.conftest import Run
from wallet.exit_codes import ExitCode, WalletError
from wallet.keys import key_file_bytes, read_key_file, unlock

pytestmark = pytest.mark.usefixtures("offline")

SEED = bytes(range(32))
PUBLIC = SigningKey(SEED).public_key.hex()
SECRET = "correct horse"


def openssl(*arguments: str, stdin: bytes = b"") -> str:
    if shutil.which("openssl") is None:
        pytest.skip("the openssl command, the other reader of key files, is not on this machine")
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=True)
    return done.stdout.decode()


def secret_file(path: Path, text: str = SECRET) -> str:
    path.write_text(text + "\n")
    path.chmod(0o600)
    return str(path)


def new_key(run: Run, name: str = "ann") -> dict[str, object]:
    result = run("key", "new", name, "--passphrase-file", secret_file(Path("secret")), "--output", "json")
    assert result.exit_code == ExitCode.OK, result.stderr
    facts = json.loads(result.stdout)
    assert isinstance(facts, dict)
    return facts


def test_openssl_reads_a_new_key_and_finds_the_same_public_key(run: Run, home: Path) -> None:
    facts = new_key(run)
    path = home / "keys" / "ann.pem"
    text = openssl("pkey", "-in", str(path), "-passin", f"pass:{SECRET}", "-noout", "-text_pub")
    digits = "".join(line.strip() for line in text.splitlines()[2:]).replace(":", "")
    assert digits == facts["public_key"]
    asn1 = openssl("asn1parse", "-strictpem", "-in", str(path))
    assert all(word in asn1 for word in ("PBES2", "scrypt", "aes-256-cbc", ":4000", ":08", ":05"))


def test_the_file_is_private_and_its_directory_too(run: Run, home: Path) -> None:
    new_key(run)
    assert stat.S_IMODE((home / "keys" / "ann.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((home / "keys").stat().st_mode) == 0o700


def test_the_umask_does_not_open_the_file(run: Run, home: Path) -> None:
    before = os.umask(0)
    try:
        new_key(run)
    finally:
        os.umask(before)
    assert stat.S_IMODE((home / "keys" / "ann.pem").stat().st_mode) == 0o600


def test_a_key_is_never_overwritten(run: Run, home: Path) -> None:
    new_key(run)
    before = (home / "keys" / "ann.pem").read_bytes()
    for arguments in (("key", "new", "ann"), ("key", "import", "ann", "-")):
        result = run(*arguments, "--passphrase-file", "secret", stdin=SEED.hex())
        assert result.exit_code == ExitCode.USAGE
        assert "file_exists" in result.stderr
    assert (home / "keys" / "ann.pem").read_bytes() == before


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o606, 0o601, 0o620])
def test_a_key_file_that_others_may_use_is_refused(run: Run, home: Path, mode: int) -> None:
    new_key(run)
    (home / "keys" / "ann.pem").chmod(mode)
    result = run("key", "verify", "ann", "--passphrase-file", "secret")
    assert result.exit_code == ExitCode.KEY
    assert "key_file_mode" in result.stderr
    assert "chmod 600" in result.stderr


def test_a_passphrase_file_that_others_may_read_is_refused(run: Run, home: Path) -> None:
    Path(secret_file(Path("secret"))).chmod(0o644)
    result = run("key", "new", "ann", "--passphrase-file", "secret")
    assert result.exit_code == ExitCode.KEY
    assert not (home / "keys").exists()


def test_a_wrong_passphrase_exits_15(run: Run, home: Path) -> None:
    new_key(run)
    result = run("key", "verify", "ann", "--passphrase-file", secret_file(Path("wrong"), "wrong"))
    assert result.exit_code == ExitCode.KEY
    assert "passphrase_wrong" in result.stderr


def test_a_passphrase_is_asked_for_twice_and_must_agree(run: Run, home: Path) -> None:
    assert run("key", "new", "ann", stdin=f"{SECRET}\n{SECRET}\n").exit_code == ExitCode.OK
    assert run("key", "verify", "ann", stdin=f"{SECRET}\n").exit_code == ExitCode.OK
    disagreeing = run("key", "new", "bob", stdin="one\ntwo\n")
    assert disagreeing.exit_code == ExitCode.KEY
    assert not (home / "keys" / "bob.pem").exists()


def test_prompts_are_on_stderr_and_the_passphrase_nowhere(run: Run, home: Path) -> None:
    result = run("key", "new", "ann", "--output", "json", stdin=f"{SECRET}\n{SECRET}\n")
    assert json.loads(result.stdout)["name"] == "ann"
    assert "New passphrase" in result.stderr
    assert SECRET not in result.stdout + result.stderr


@pytest.mark.parametrize("stdin", ["", "\n\n"])
def test_without_a_passphrase_there_is_no_key(run: Run, home: Path, stdin: str) -> None:
    result = run("key", "new", "ann", stdin=stdin)
    assert result.exit_code == ExitCode.KEY
    assert not (home / "keys" / "ann.pem").exists()


def test_no_option_takes_a_passphrase_itself(run: Run, home: Path) -> None:
    result = run("key", "new", "ann", "--passphrase", SECRET)
    assert result.exit_code == ExitCode.USAGE
    assert "--passphrase-file" in result.stderr


def test_a_passphrase_comes_from_a_descriptor(run: Run, home: Path) -> None:
    reading, writing = os.pipe()
    try:
        os.write(writing, SECRET.encode() + b"\nignored\n")
        os.close(writing)
        assert run("key", "new", "ann", "--passphrase-fd", str(reading)).exit_code == ExitCode.OK
    finally:
        os.close(reading)
    assert run("key", "verify", "ann", "--passphrase-file", secret_file(Path("secret"))).exit_code == ExitCode.OK
    closed = run("key", "verify", "ann", "--passphrase-fd", "999")
    assert closed.exit_code == ExitCode.KEY


def test_openssl_keys_are_imported_encrypted_and_plain(run: Run, home: Path) -> None:
    plain = openssl("genpkey", "-algorithm", "ed25519")
    encrypted = openssl("pkcs8", "-topk8", "-passout", f"pass:{SECRET}", stdin=plain.encode())
    assert "ENCRYPTED" in encrypted
    secret_file(Path("secret"))
    first = run("key", "import", "plain", "-", "--passphrase-file", "secret", "--output", "json", stdin=plain)
    Path("encrypted.pem").write_text(encrypted)
    second = run("key", "import", "other", "encrypted.pem", "--passphrase-file", "secret", "--output", "json")
    assert (first.exit_code, second.exit_code) == (ExitCode.OK, ExitCode.OK), second.stderr
    assert json.loads(first.stdout)["public_key"] == json.loads(second.stdout)["public_key"]


def test_a_raw_seed_is_imported_from_stdin_and_exported_again(run: Run, home: Path) -> None:
    secret_file(Path("secret"))
    result = run("key", "import", "raw", "-", "--passphrase-file", "secret", "--output", "json", stdin=SEED.hex())
    assert json.loads(result.stdout)["public_key"] == PUBLIC
    out = run("key", "export", "raw", "--form", "private-hex", "--passphrase-file", "secret", "--yes")
    assert out.stdout.strip() == SEED.hex()
    public = run("key", "export", "raw", "--form", "public-hex", "--passphrase-file", "secret")
    assert public.stdout.strip() == PUBLIC
    pem = run("key", "export", "raw", "--passphrase-file", "secret").stdout
    assert "ED25519" in openssl("pkey", "-pubin", "-noout", "-text_pub", stdin=pem.encode())


def test_a_private_key_is_not_exported_without_a_yes(run: Run, home: Path) -> None:
    new_key(run)
    result = run("key", "export", "ann", "--form", "private-pem", "--passphrase-file", "secret", stdin="n\n")
    assert result.exit_code == ExitCode.UNEXPECTED
    assert "PRIVATE" not in result.stdout


def pem(base64: str) -> str:
    return f"-----BEGIN PRIVATE KEY-----\n{base64}\n-----END PRIVATE KEY-----\n"


# Files as one byte makes them of an Ed25519 key: they name X448 and Ed448, whose keys are longer.
DAMAGED = [f"MC4CAQAwBQYDK2V{kind}BCIEIFz7j5QacSZJX1mIwJ+yjvj0glzezBVzXodkFa+8LS63" for kind in "vx"]


@pytest.mark.parametrize("junk", ["", "abcd", "z" * 64, pem("AAAA"), "\x1b[31m", *map(pem, DAMAGED)])
def test_what_is_no_key_is_not_imported(run: Run, home: Path, junk: str) -> None:
    result = run("key", "import", "ann", "-", "--no-passphrase", stdin=junk)
    assert result.exit_code == ExitCode.KEY
    assert "\x1b" not in result.stderr


def test_another_kind_of_key_is_refused(run: Run, home: Path) -> None:
    other = openssl("genpkey", "-algorithm", "x25519")
    result = run("key", "import", "ann", "-", "--no-passphrase", stdin=other)
    assert result.exit_code == ExitCode.KEY
    assert "key_kind" in result.stderr


def test_passwd_changes_the_passphrase_and_keeps_the_key(run: Run, home: Path) -> None:
    facts = new_key(run)
    secret_file(Path("new"), "another")
    changed = run("key", "passwd", "ann", "--passphrase-file", "secret", "--new-passphrase-file", "new")
    assert changed.exit_code == ExitCode.OK, changed.stderr
    assert run("key", "verify", "ann", "--passphrase-file", "secret").exit_code == ExitCode.KEY
    verified = run("key", "verify", "ann", "--passphrase-file", "new", "--output", "json")
    assert json.loads(verified.stdout)["public_key"] == facts["public_key"]
    assert stat.S_IMODE((home / "keys" / "ann.pem").stat().st_mode) == 0o600
    assert [path.name for path in (home / "keys").iterdir()] == ["ann.pem"]


def test_an_altered_public_key_in_front_of_the_block_is_noticed(run: Run, home: Path) -> None:
    facts = new_key(run)
    path = home / "keys" / "ann.pem"
    path.write_bytes(path.read_bytes().replace(str(facts["public_key"]).encode(), PUBLIC.encode()))
    result = run("key", "verify", "ann", "--passphrase-file", "secret")
    assert result.exit_code == ExitCode.KEY
    assert "key_altered" in result.stderr


def test_verify_compares_with_the_key_that_one_expects(run: Run, home: Path) -> None:
    facts = new_key(run)
    arguments = ("key", "verify", "ann", "--passphrase-file", "secret", "--public-key")
    assert run(*arguments, str(facts["public_key"])).exit_code == ExitCode.OK
    assert run(*arguments, PUBLIC).exit_code == ExitCode.KEY


def test_list_and_show_need_no_passphrase(run: Run, home: Path) -> None:
    facts = new_key(run)
    (listed,) = json.loads(run("key", "list", "--output", "json").stdout)
    assert listed == facts == json.loads(run("key", "show", "ann", "--output", "json").stdout)
    assert str(facts["public_key"]) in run("key", "list").stdout
    assert run("key", "show", "nobody").exit_code == ExitCode.KEY
    (home / "keys" / "open.pem").write_text("-----BEGIN PRIVATE KEY-----")
    (home / "keys" / "open.pem").chmod(0o644)
    warned = run("key", "list", "--output", "json")
    assert json.loads(warned.stdout) == [facts]
    assert "Others may read" in warned.stderr


def test_a_key_made_by_openssl_is_used_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pem"
    path.write_text(openssl("genpkey", "-algorithm", "ed25519"))
    path.chmod(0o600)
    file = read_key_file(path)
    assert file.public_key is None
    assert not file.encrypted
    assert len(unlock(file, None).public_key) == 32


def test_an_encrypted_file_does_not_open_without_a_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(key_file_bytes(SEED, b"secret", created="2026-01-01T00:00:00Z"))
    path.chmod(0o600)
    file = read_key_file(path)
    with pytest.raises(WalletError) as refused:
        unlock(file, None)
    assert refused.value.exit_code == ExitCode.KEY
    assert unlock(file, b"secret").public_key.hex() == PUBLIC == file.public_key
