"""Exit codes, and the one place where an error becomes one.

The codes are documented and stable (design section 10), so that a script can tell "the proof is bad" (10) from
"the network is down" (14). Whatever a command fails with is a `WalletError`: a code for machines, a sentence for
people, and a remedy. `as_wallet_error` turns the exceptions of other layers into one; nobody ever sees a traceback
unless QUORUM_DEBUG is set.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum, unique
from typing import TypeAlias

Details: TypeAlias = Mapping[str, str | int | None]


@unique
class ExitCode(IntEnum):
    """What the process exits with. Never renumbered."""

    OK = 0
    UNEXPECTED = 1
    USAGE = 2
    VERIFICATION_FAILED = 10
    REJECTED = 11
    NOT_FOUND = 12
    PENDING = 13
    NODE_UNREACHABLE = 14
    KEY = 15


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "done",
    ExitCode.UNEXPECTED: "unexpected failure, or interrupted",
    ExitCode.USAGE: "the command, its options, its files or the configuration are wrong",
    ExitCode.VERIFICATION_FAILED: "verification failed: something is not what it claims to be",
    ExitCode.REJECTED: "the transaction was rejected, failed or expired",
    ExitCode.NOT_FOUND: "nothing of that name, id or height",
    ExitCode.PENDING: "the transaction is still pending; ask again",
    ExitCode.NODE_UNREACHABLE: "no node gave a usable answer",
    ExitCode.KEY: "a key file or its passphrase is wrong",
}
"""What each code means, for `--help` and the README."""


class WalletError(Exception):
    """A command cannot do what was asked: exit code, stable code, sentence, remedy, and facts for machines."""

    def __init__(
        self, exit_code: ExitCode, code: str, sentence: str, *, remedy: str = "", details: Details | None = None
    ) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
        self.code = code
        self.sentence = sentence
        self.remedy = remedy
        self.details: Details = details or {}


def usage_error(sentence: str, *, remedy: str = "", code: str = "usage") -> WalletError:
    """What the user typed, configured or passed as a file cannot be right."""
    return WalletError(ExitCode.USAGE, code, sentence, remedy=remedy)


def key_error(sentence: str, *, remedy: str = "", code: str = "key") -> WalletError:
    """A key file or its passphrase cannot be used."""
    return WalletError(ExitCode.KEY, code, sentence, remedy=remedy)


def verification_error(
    sentence: str, *, remedy: str = "", code: str = "verification_failed", details: Details | None = None
) -> WalletError:
    """Something was checked and is not what it claims to be."""
    return WalletError(ExitCode.VERIFICATION_FAILED, code, sentence, remedy=remedy, details=details)


def as_wallet_error(error: BaseException) -> WalletError:
    """`error` as what a command exits with: the one mapping from exceptions to exit codes."""
    import click

    from ledger.errors import MalformedError, VerificationError

    match error:
        case WalletError():
            return error
        case VerificationError():
            return verification_error(str(error), remedy="Do not rely on it; ask another node or its operator.")
        case MalformedError():
            return usage_error(
                str(error), code="malformed", remedy="Check that the file or value is the one you meant."
            )
        case click.UsageError():
            return usage_error(error.format_message(), remedy=_help_hint(error))
        case click.ClickException():
            return usage_error(error.format_message())
        case click.Abort() | KeyboardInterrupt():
            return WalletError(ExitCode.UNEXPECTED, "interrupted", "Interrupted; nothing more was done.")
        case OSError():
            named = f"{error.filename}: " if error.filename else ""
            return usage_error(
                f"{named}{error.strerror or error}", code="file", remedy="Check the path and its permissions."
            )
        case _:
            return WalletError(
                ExitCode.UNEXPECTED,
                "unexpected",
                f"Something unexpected happened ({type(error).__name__}: {error}).",
                remedy="Set QUORUM_DEBUG=1 and run the command again to see where; please report it.",
            )


def _help_hint(error: object) -> str:
    """Where the help of the command that was mistyped is."""
    context = getattr(error, "ctx", None)
    return f"See: {context.command_path} --help" if context is not None else ""
