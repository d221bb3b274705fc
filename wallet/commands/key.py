"""`quorum-wallet key`: create, look at, check, move and re-encrypt key files. Never touches the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet.exit_codes import WalletError, key_error, usage_error
from wallet.files import PRIVATE, create_file, create_private_directory, read_bounded, replace_file
from wallet.keys import (
    KEY_FILE_BYTES_MAX,
    SUFFIX,
    KeyFile,
    key_file_bytes,
    key_path,
    plain_pem,
    public_pem,
    read_key_file,
    seed_from_hex,
    seed_from_pem,
    unlock,
)
from wallet.moments import local_clock_ms, rfc3339
from wallet.options import Group, confirm, pass_session, passphrase_options

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.passphrases import PassphraseSource
    from wallet.session import Session


@click.group("key", cls=Group, short_help="Create and look after key files.")
def key_group() -> None:
    """Create and look after key files: PKCS#8 PEM, encrypted, readable by openssl.

    A key is named by its file, or by its name in the key directory (see: quorum-wallet config path).
    """


@key_group.command("new", short_help="Create a key.")
@click.argument("name")
@click.option("--no-passphrase", is_flag=True, help="Leave the file unencrypted: for machines that start unattended.")
@passphrase_options
@pass_session
def new(session: Session, name: str, no_passphrase: bool, passphrases: PassphraseSource) -> None:
    """Create the key NAME: a new file, encrypted with a passphrase, mode 0600.

    \b
    Example:  quorum-wallet key new ann

    Next: give the public key that is printed to whoever adds your account. Keep a copy of the file in a safe place;
    nobody can restore a key or its passphrase.
    """
    _store(session, name, os.urandom(32), passphrases, no_passphrase=no_passphrase)


@key_group.command("list", short_help="List the keys of the key directory.")
@pass_session
def list_keys(session: Session) -> None:
    """List the keys in the key directory, with their public keys. Needs no passphrase.

    \b
    Example:  quorum-wallet key list --output json

    Next: name one with --key-file, or for good: quorum-wallet config set keys NAME
    """
    directory = session.config.key_directory
    rows = []
    for path in sorted(directory.glob(f"*{SUFFIX}")):
        try:
            rows.append(_facts(read_key_file(path)))
        except WalletError as error:
            session.output.warning(f"{error.sentence} {error.remedy}")
    session.output.items(
        rows, ("name", "public_key", "created"), empty=f"No keys in {directory} yet. Create one: key new NAME"
    )


@key_group.command("show", short_help="Show a public key.")
@click.argument("key")
@passphrase_options
@pass_session
def show(session: Session, key: str, passphrases: PassphraseSource) -> None:
    """Show the public key of KEY (a file or a name). Needs a passphrase only for files made elsewhere.

    \b
    Example:  quorum-wallet key show ann

    Next: to be sure that file, passphrase and public key belong together: quorum-wallet key verify ann
    """
    file = read_key_file(key_path(key, session.config.key_directory))
    facts = _facts(file)
    if file.public_key is None:
        facts["public_key"] = unlock(file, _passphrase(file, passphrases)).public_key.hex()
    session.output.record(facts)


@key_group.command("verify", short_help="Check that a key opens and signs.")
@click.argument("key")
@click.option("--public-key", metavar="HEX", help="The public key that it must have.")
@passphrase_options
@pass_session
def verify_key(session: Session, key: str, public_key: str | None, passphrases: PassphraseSource) -> None:
    """Check that KEY opens with its passphrase, holds the public key it claims, and signs.

    \b
    Example:  quorum-wallet key verify ann

    Next: nothing. Do this once in a while with the copy that you keep in a safe place.
    """
    from ledger.crypto import check_public_key, tag, verify

    file = read_key_file(key_path(key, session.config.key_directory))
    private = unlock(file, _passphrase(file, passphrases))
    message = tag("key check") + os.urandom(32)
    if not check_public_key(private.public_key) or not verify(private.public_key, message, private.sign(message)):
        raise key_error(f"{file.path} holds a key whose signatures do not verify.", code="key_unusable")
    if public_key is not None and private.public_key.hex() != public_key.strip().lower():
        raise key_error(
            f"{file.path} holds {private.public_key.hex()}, not {public_key}.",
            code="key_differs",
            remedy="Look for the right file: quorum-wallet key list",
        )
    session.output.record({**_facts(file), "public_key": private.public_key.hex(), "verified": True})


@key_group.command("export", short_help="Write a key in another form.")
@click.argument("key")
@click.option(
    "--form",
    type=click.Choice(["public-pem", "public-hex", "private-pem", "private-hex"]),
    default="public-pem",
    show_default=True,
    help="What to write; the private forms are not encrypted.",
)
@click.option("--out", metavar="FILE", default="-", help="Where to write it (default: stdout).")
@passphrase_options
@pass_session
def export(session: Session, key: str, form: str, out: str, passphrases: PassphraseSource) -> None:
    """Write KEY as a public key, or, after a question, as an unencrypted private one.

    \b
    Example:  quorum-wallet key export ann --out ann.public.pem

    Next: an encrypted copy needs no export: the key file itself is one, copy it.
    """
    file = read_key_file(key_path(key, session.config.key_directory))
    if form.startswith("private"):
        confirm(session, f"Write the private key of {file.path} without encryption?")
    from ledger.crypto import SigningKey

    private_seed = seed_from_pem(file.data, _passphrase(file, passphrases), what=str(file.path))
    public = SigningKey(private_seed).public_key
    match form:
        case "public-pem":
            data = public_pem(public)
        case "public-hex":
            data = public.hex().encode() + b"\n"
        case "private-pem":
            data = plain_pem(private_seed)
        case _:
            data = private_seed.hex().encode() + b"\n"
    if out == "-":
        session.output.exact(data)
        return
    create_file(Path(out), data, mode=PRIVATE)
    session.output.hint(f"Written to {out}.")


@key_group.command("import", short_help="Take over a key from another program.")
@click.argument("name")
@click.argument("source")
@click.option("--no-passphrase", is_flag=True, help="Leave the new file unencrypted.")
@click.option(
    "--source-passphrase-file", metavar="FILE", help="Passphrase of SOURCE, when it differs from the new one's."
)
@passphrase_options
@pass_session
def import_key(
    session: Session,
    *,
    name: str,
    source: str,
    no_passphrase: bool,
    source_passphrase_file: str | None,
    passphrases: PassphraseSource,
) -> None:
    """Make the key NAME from SOURCE: PEM (PKCS#8, encrypted or plain), or a seed of 64 hex digits. `-` is stdin.

    \b
    Example:  openssl genpkey -algorithm ed25519 | quorum-wallet key import ann - --passphrase-file secret

    Next: destroy the source if it was not encrypted.
    """
    from wallet.passphrases import PassphraseSource

    data = read_bounded(source, KEY_FILE_BYTES_MAX)
    if b"-----BEGIN" not in data:
        seed = seed_from_hex(data.decode("ascii", "replace"))
    else:
        passphrase = None
        if b"BEGIN ENCRYPTED" in data or b"ENCRYPTED" in data.partition(b"-----END")[0]:
            given = PassphraseSource((source_passphrase_file,)) if source_passphrase_file else passphrases
            passphrase = given.existing(source)
        seed = seed_from_pem(data, passphrase, what=source)
    _store(session, name, seed, passphrases, no_passphrase=no_passphrase)


@key_group.command("passwd", short_help="Change a passphrase.")
@click.argument("key")
@click.option("--new-passphrase-file", metavar="FILE", help="Read the new passphrase from FILE.")
@click.option("--no-passphrase", is_flag=True, help="Take the encryption off.")
@passphrase_options
@pass_session
def passwd(
    session: Session, key: str, new_passphrase_file: str | None, no_passphrase: bool, passphrases: PassphraseSource
) -> None:
    """Encrypt KEY with another passphrase. The key stays the same; the file is replaced in one step.

    \b
    Example:  quorum-wallet key passwd ann

    Next: old copies of the file still open with the old passphrase. If that is known to others, replace the key
    on the ledger: quorum-wallet account keys --help
    """
    from wallet.passphrases import PassphraseSource

    file = read_key_file(key_path(key, session.config.key_directory))
    seed = seed_from_pem(file.data, _passphrase(file, passphrases), what=str(file.path))
    if no_passphrase:
        confirm(session, f"Store {file.path} without encryption?")
        fresh = None
    else:
        fresh = PassphraseSource((new_passphrase_file,) if new_passphrase_file else ()).fresh(str(file.path))
    created = file.created or rfc3339(local_clock_ms())
    replace_file(file.path, key_file_bytes(seed, fresh, created=created), mode=PRIVATE)
    session.output.hint(f"{file.path} has a new passphrase." if fresh else f"{file.path} is not encrypted any more.")


def _store(session: Session, name: str, seed: bytes, passphrases: PassphraseSource, *, no_passphrase: bool) -> None:
    """Write the key file of a new or imported seed and say what it is."""
    path = key_path(name, session.config.key_directory)
    if path.exists():
        raise usage_error(
            f"{path} exists already; it is not overwritten.", code="file_exists", remedy="Choose another name."
        )
    if no_passphrase:
        session.output.warning(f"{path} will not be encrypted: whoever reads it can sign as you.")
    passphrase = None if no_passphrase else passphrases.fresh(str(path))
    if path.parent == session.config.key_directory:
        create_private_directory(path.parent)
    data = key_file_bytes(seed, passphrase, created=rfc3339(local_clock_ms()))
    create_file(path, data, mode=PRIVATE)
    session.output.record(_facts(read_key_file(path)))
    session.output.hint("Next: give the public key to whoever adds your account; keep a copy of the file safe.")


def _facts(file: KeyFile) -> dict[str, Json]:
    return {
        "name": file.name,
        "public_key": file.public_key,
        "created": file.created,
        "encrypted": file.encrypted,
        "path": str(file.path),
    }


def _passphrase(file: KeyFile, passphrases: PassphraseSource) -> bytes | None:
    return passphrases.existing(str(file.path)) if file.encrypted else None
