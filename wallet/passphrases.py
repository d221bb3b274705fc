"""Where a passphrase comes from: a prompt on the terminal, a file, or a file descriptor. Never the command line.

Arguments and environment variables can be read by other processes, and are kept in histories; neither is offered.
From a file the first line counts, as with openssl's `-passin file:`.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from wallet.exit_codes import key_error, usage_error
from wallet.keys import refuse_if_others_can_read

PASSPHRASE_BYTES_MAX = 4096


@dataclass(slots=True)
class PassphraseSource:
    """What `--passphrase-file` and `--passphrase-fd` said; with neither, the user is asked.

    One file serves for every key; several are used in the order of the keys. A descriptor is read once.
    """

    files: tuple[str, ...] = ()
    descriptor: int | None = None
    _read: dict[int, bytes] = field(default_factory=dict)

    def existing(self, what: str, *, index: int = 0) -> bytes:
        """The passphrase of an encrypted file, the `index`-th that is unlocked. Raises `WalletError` (15, 2)."""
        given = self._given(index)
        return given if given is not None else self._prompt(f"Passphrase of {what}", confirm=False)

    def fresh(self, what: str) -> bytes:
        """A passphrase for a new file, asked for twice. Raises `WalletError` (15) for an empty one."""
        given = self._given(0)
        passphrase = given if given is not None else self._prompt(f"New passphrase of {what}", confirm=True)
        if not passphrase:
            raise key_error("A passphrase cannot be empty.", code="passphrase_empty")
        return passphrase

    def _given(self, index: int) -> bytes | None:
        if self.files and self.descriptor is not None:
            raise usage_error("Give --passphrase-file or --passphrase-fd, not both.")
        if self.descriptor is not None:
            return self._from_descriptor(self.descriptor)
        if not self.files:
            return None
        if len(self.files) > 1 and index >= len(self.files):
            raise usage_error(
                f"{len(self.files)} passphrase files were given, but there are more keys to unlock.",
                remedy="Give one --passphrase-file for all keys, or one for each, in their order.",
            )
        return _from_file(Path(self.files[0] if len(self.files) == 1 else self.files[index]))

    def _from_descriptor(self, descriptor: int) -> bytes:
        if descriptor not in self._read:
            try:
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    self._read[descriptor] = _first_line(file.read(PASSPHRASE_BYTES_MAX + 1))
            except OSError as error:
                raise key_error(
                    f"The passphrase cannot be read from descriptor {descriptor}: {error.strerror}.",
                    code="passphrase_missing",
                ) from None
        return self._read[descriptor]

    def _prompt(self, text: str, *, confirm: bool) -> bytes:
        import click

        try:
            answer = click.prompt(
                text, hide_input=True, confirmation_prompt=confirm, err=True, default="", show_default=False
            )
        except click.Abort:
            raise key_error(
                "No passphrase was given.",
                code="passphrase_missing",
                remedy="Without a terminal use --passphrase-file FILE or --passphrase-fd N.",
            ) from None
        return str(answer).encode()


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            refuse_if_others_can_read(file.fileno(), path)
            return _first_line(file.read(PASSPHRASE_BYTES_MAX + 1))
    except OSError as error:
        raise key_error(
            f"The passphrase file {path} cannot be read: {error.strerror}.", code="passphrase_missing"
        ) from None


def _first_line(data: bytes) -> bytes:
    line = data.partition(b"\n")[0].removesuffix(b"\r")
    if len(line) > PASSPHRASE_BYTES_MAX:
        raise key_error(f"A passphrase has at most {PASSPHRASE_BYTES_MAX} bytes.", code="passphrase_malformed")
    return line
