"""How a command ends that cannot do what was asked: one line on stderr that says what to do, and a stable exit code.

Commands raise; `Root` is the one place where an exception becomes a line and a code, so that nobody sees a traceback
unless QUORUM_DEBUG is set. Codes as in design section 10:

    0   done
    1   unexpected, interrupted, or something of this machine (a port in use, a full disk, a damaged database); also
        when `doctor` found something wrong
    2   the command, its options, its files or the configuration are wrong
    10  verification failed: a hash, signature or proof is not what it must be
    14  no node gave a usable answer
    15  a key file or its passphrase is wrong
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from enum import IntEnum, unique
from typing import Any

import click

from ledger.errors import MalformedError, VerificationError

MEANINGS = {
    "0": "done",
    "1": "unexpected, interrupted; this machine stands in the way (port in use, damaged database); doctor finds faults",
    "2": "the command, its options, its files or the configuration are wrong",
    "10": "verification failed: something is not what it claims to be",
    "14": "no node gave a usable answer",
    "15": "a key file or its passphrase is wrong",
}


@unique
class ExitCode(IntEnum):
    """What the process exits with. Never renumbered."""

    UNEXPECTED = 1
    USAGE = 2
    VERIFICATION_FAILED = 10
    NODE_UNREACHABLE = 14
    KEY = 15


class CommandError(Exception):
    """A command cannot do what was asked. The message is one line that says what to do."""

    def __init__(self, message: str, code: ExitCode) -> None:
        super().__init__(message)
        self.code = code


def as_command_error(error: Exception) -> CommandError:
    """`error` as what a command ends with: the one mapping from exceptions to exit codes."""
    from node.config import ConfigError
    from node.devnet import NotReadyError
    from node.home import HomeError
    from node.identity import IdentityError
    from node.preflight import PortError
    from node.storage.errors import StorageError

    match error:
        case CommandError():
            return error
        case click.UsageError():
            where = "" if error.ctx is None else f" (see {error.ctx.command_path} --help)"
            return CommandError(f"{_one_line(error.format_message()).rstrip('.')}{where}", ExitCode.USAGE)
        case click.ClickException():
            return CommandError(_one_line(error.format_message()), ExitCode.USAGE)
        case click.Abort():
            return CommandError("interrupted; nothing more was done", ExitCode.UNEXPECTED)
        case ConfigError() | HomeError() | MalformedError():
            return CommandError(_one_line(str(error)), ExitCode.USAGE)
        case IdentityError():
            return CommandError(_one_line(str(error)), ExitCode.KEY)
        case VerificationError():
            return CommandError(f"{_one_line(str(error))} (do not use it)", ExitCode.VERIFICATION_FAILED)
        case StorageError() | PortError() | NotReadyError():
            return CommandError(_one_line(str(error)), ExitCode.UNEXPECTED)
        case OSError():
            named = f"{error.filename}: " if error.filename else ""
            return CommandError(
                f"{named}{error.strerror or error}: check the path, its permissions and the disk", ExitCode.UNEXPECTED
            )
        case _:
            return CommandError(
                f"unexpected: {type(error).__name__}: {_one_line(str(error))}. "
                "QUORUM_DEBUG=1 shows where; please report it",
                ExitCode.UNEXPECTED,
            )


def _one_line(text: str) -> str:
    """Without line breaks: some messages quote files or come from libraries."""
    return " ".join(text.split())


def printable(line: str) -> str:
    """`line` without what could move a terminal's cursor: whoever answered, or wrote a file, may be hostile."""
    return line if line.isprintable() else "".join(c if c.isprintable() else "?" for c in line)


class Group(click.Group):
    """A family of commands, listed in the order in which they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As declared, not by alphabet."""
        return list(self.commands)


class Root(Group):
    """The outermost command: whatever goes wrong below it ends here."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # click's own signature
    ) -> Any:  # click's own signature
        """Run, and exit with a code of `ExitCode`."""
        try:
            result = super().main(
                args, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args, **extra
            )
            sys.stdout.flush()
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(ExitCode.USAGE)
        except BrokenPipeError:
            # Whoever reads our output has enough, as `head` does; the interpreter must not try to flush it once more.
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            sys.exit(ExitCode.UNEXPECTED)
        except Exception as failure:
            if os.environ.get("QUORUM_DEBUG"):
                raise
            ended = as_command_error(failure)
            click.echo(f"error: {printable(str(ended))}", err=True)
            sys.exit(ended.code)
        sys.exit(result if isinstance(result, int) else 0)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes end the help of the root."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl(list(MEANINGS.items()))
