"""Options and command classes that all commands share.

The shared options may stand before or after the command's name: people add `--output json` where the cursor is. They
fill the `Session`; the last one wins. Every command's help has a summary, an example, and what happens next.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from wallet.exit_codes import MEANINGS, ExitCode, WalletError, as_wallet_error
from wallet.session import Session

Decorated = TypeVar("Decorated", bound=Callable[..., object])

pass_session = click.make_pass_decorator(Session)

SHARED_HINT = "The shared options (--node, --output, --profile, ...) may stand anywhere: see quorum-wallet --help."


def _fill(context: click.Context, parameter: click.Parameter, value: object) -> None:
    """Put a shared option into the session, unless it was not given."""
    if value is None or value == () or value is False or context.resilient_parsing:
        return
    session = context.find_object(Session)
    assert session is not None, "the root command makes the session"
    name = parameter.name
    if name in _FIELDS:
        setattr(session, _FIELDS[name], name != "no_color" and value)
    else:
        assert isinstance(value, str | tuple)
        session.flags[_SETTINGS[name or ""]] = value


_FIELDS = {"config": "config_path", "profile": "profile", "quiet": "quiet", "yes": "yes", "no_color": "color"}
_SETTINGS = {
    "node": "nodes",
    "genesis": "genesis",
    "genesis_hash": "genesis_hash",
    "checkpoint": "checkpoint",
    "token_file": "token_file",
    "output": "output",
    "timeout": "timeout",
}


def shared_options(*, hidden: bool) -> list[click.Parameter]:
    """The options of every command; hidden in the help of all but the root."""

    def option(*names: str, **settings: Any) -> click.Option:  # click's own signature is untyped keywords
        return click.Option(names, expose_value=False, callback=_fill, hidden=hidden, **settings)

    return [
        option("--node", multiple=True, metavar="URL", help="Node to ask; repeat it for others to try in turn."),
        option("--genesis", metavar="FILE", help="The genesis file that everything is verified against."),
        option("--genesis-hash", metavar="HEX", help="The pinned hash of genesis."),
        option(
            "--checkpoint", metavar="FILE", help="A checkpoint file to verify against instead; trusted like genesis."
        ),
        option("--token-file", metavar="FILE", help="File of the bearer tokens that nodes are shown (mode 0600)."),
        option("--profile", metavar="NAME", help="Profile of the configuration to use."),
        option("--config", metavar="FILE", help="Configuration file; keys are in keys/ beside it."),
        option("--output", type=click.Choice(["text", "json", "jsonl"]), help="Form of results on stdout."),
        option("--timeout", metavar="SECONDS", help="How long to wait for nodes and outcomes (60)."),
        option("--yes", is_flag=True, help="Answer every question with yes."),
        option("--quiet", is_flag=True, help="No hints on stderr."),
        option("--no-color", is_flag=True, help="No colours (also: NO_COLOR)."),
    ]


class Command(click.Command):
    """A command that also takes the shared options, and says so."""

    def __init__(self, *args: Any, **settings: Any) -> None:  # click's own signature is untyped keywords
        super().__init__(*args, **settings)
        self.params.extend(shared_options(hidden=True))

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The hint about shared options ends every help text."""
        super().format_epilog(ctx, formatter)
        formatter.write_paragraph()
        formatter.write_text(SHARED_HINT.replace("quorum-wallet", ctx.find_root().info_name or "quorum-wallet"))


class Group(click.Group):
    """A family of commands, listed in the order in which they are needed."""

    command_class = Command

    def __init__(self, *args: Any, **settings: Any) -> None:  # click's own signature is untyped keywords
        super().__init__(*args, **settings)
        self.params.extend(shared_options(hidden=True))

    def list_commands(self, ctx: click.Context) -> list[str]:
        """As declared, not by alphabet."""
        return list(self.commands)


class Root(Group):
    """The outermost command: makes the session, and turns whatever goes wrong into a message and an exit code."""

    def __init__(self, *args: Any, **settings: Any) -> None:  # click's own signature is untyped keywords
        super().__init__(*args, **settings)
        self.params = [
            parameter for parameter in self.params if not (isinstance(parameter, click.Option) and parameter.hidden)
        ]
        self.params.extend(shared_options(hidden=False))

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        windows_expand_args: bool = True,
        **extra: Any,  # click's own signature
    ) -> Any:  # click's own signature
        """Run, and exit with a code of `wallet.exit_codes`."""
        session = Session()
        try:
            result = super().main(
                args, prog_name, complete_var, standalone_mode=False, windows_expand_args=windows_expand_args,
                obj=session, **extra,
            )  # fmt: skip
        except click.exceptions.NoArgsIsHelpError as asked:
            asked.show()
            sys.exit(ExitCode.USAGE)
        except Exception as failure:
            if os.environ.get("QUORUM_DEBUG"):
                raise
            error = as_wallet_error(failure)
            sys.stdout.flush()
            session.error_output().error(error)
            sys.exit(error.exit_code)
        sys.exit(result if isinstance(result, int) else 0)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The exit codes end the help of the root."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Exit codes"):
            formatter.write_dl([(str(int(code)), meaning) for code, meaning in MEANINGS.items()])


def passphrase_options(command: Decorated) -> Decorated:
    """`--passphrase-file` and `--passphrase-fd`, passed on as one `PassphraseSource` named `passphrases`."""
    from functools import wraps

    @click.option(
        "--passphrase-file",
        multiple=True,
        metavar="FILE",
        help="Read the passphrase from FILE; one for all keys, or one for each.",
    )
    @click.option("--passphrase-fd", type=int, metavar="N", help="Read the passphrase from file descriptor N.")
    @wraps(command)
    def with_source(*args: Any, passphrase_file: tuple[str, ...], passphrase_fd: int | None, **named: Any) -> object:
        from wallet.passphrases import PassphraseSource

        return command(*args, passphrases=PassphraseSource(passphrase_file, passphrase_fd), **named)

    return with_source  # type: ignore[return-value]  # a wrapper of the same shape, less two options


def confirm(session: Session, question: str) -> None:
    """Ask on stderr, unless `--yes`. Raises `WalletError` (1) when the answer is no, or there is none."""
    if session.yes:
        return
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:  # no terminal, or its user has had enough
        raise WalletError(
            ExitCode.UNEXPECTED,
            "interrupted",
            "There was no answer; nothing more was done.",
            remedy="Answer y, or say --yes where nobody is there to answer.",
        ) from None
    if not agreed:
        raise WalletError(ExitCode.UNEXPECTED, "declined", "The answer was no; nothing more was done.")
