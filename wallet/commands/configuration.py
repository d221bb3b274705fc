"""`quorum-wallet config` and `quorum-wallet completion`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from wallet import config
from wallet.exit_codes import ExitCode, WalletError
from wallet.options import Command, Group, pass_session

if TYPE_CHECKING:
    from ledger.encoding import Json
    from wallet.session import Session

_INSTALL = {
    "bash": 'Add to ~/.bashrc:  eval "$(quorum-wallet completion bash)"',
    "zsh": 'Add to ~/.zshrc:  eval "$(quorum-wallet completion zsh)"',
    "fish": "Run:  quorum-wallet completion fish > ~/.config/fish/completions/quorum-wallet.fish",
}


@click.group("config", cls=Group, short_help="Read and change the configuration.")
def config_group() -> None:
    """Read and change the configuration.

    A value comes from the flag, else from the environment, else from the profile, else it is the default.
    """


@config_group.command("set", short_help="Set a value of the profile.")
@click.argument("key")
@click.argument("values", nargs=-1)
@pass_session
def set_value(session: Session, key: str, values: tuple[str, ...]) -> int:
    """Set KEY of the profile to VALUES; without values, remove it.

    \b
    Example:  quorum-wallet config set nodes http://127.0.0.1:8301 http://127.0.0.1:8302
              quorum-wallet config set account acme --profile test

    Keys: nodes, genesis, genesis_hash, checkpoint, account, keys, output, timeout. Comments in the file are not kept.
    """
    session.profile_may_be_new = True
    changed = config.with_value(session.config, session.profile_name, key, values)
    config.save(changed)
    session.output.hint(f"{'Set' if values else 'Removed'} {key} in the profile '{session.profile_name}'.")
    return ExitCode.OK


@config_group.command("get", short_help="Show the values in force.")
@click.argument("key", required=False)
@pass_session
def get_value(session: Session, key: str | None) -> int:
    """Show the value in force of KEY, or of all keys, and where each may come from.

    \b
    Example:  quorum-wallet config get nodes
    """
    if key is not None:
        config.check_key(key)
        value = session.values[key]
        if session.output.structured:
            session.output.record({key: _json(value)})
        else:
            session.output.paragraph([value] if isinstance(value, str) else value)
        return ExitCode.OK
    fields: dict[str, Json] = {name: _json(value) for name, value in session.values.items()}
    lines = [
        (name, f"{_words(value)}   ({setting.environment}: {setting.help})")
        for name, setting in config.SETTINGS.items()
        for value in (session.values[name],)
    ]
    session.output.record(fields, lines)
    return ExitCode.OK


@config_group.command("path", short_help="Where the configuration and the keys are.")
@pass_session
def path(session: Session) -> int:
    """Show where the configuration file and the key directory are, and which profile is in use.

    \b
    Example:  quorum-wallet config path --output json
    """
    session.output.record(
        {
            "config": str(session.config.path),
            "keys": str(session.config.key_directory),
            "profile": session.profile_name,
            "profiles": [*session.config.profiles],
        }
    )
    return ExitCode.OK


@click.command("completion", cls=Command, short_help="Completion of commands in your shell.")
@click.argument("shell", type=click.Choice(list(_INSTALL)))
@click.pass_context
def completion(context: click.Context, shell: str) -> int:
    """Print the completion script of SHELL.

    \b
    Example:  eval "$(quorum-wallet completion bash)"
    """
    from click.shell_completion import get_completion_class

    root = context.find_root()
    completer = get_completion_class(shell)
    if completer is None:
        raise WalletError(ExitCode.USAGE, "shell_unknown", f"There is no completion for {shell}.")
    name = root.info_name or "quorum-wallet"
    variable = f"_{name.upper().replace('-', '_')}_COMPLETE"
    click.echo(completer(root.command, {}, name, variable).source())
    click.echo(_INSTALL[shell], err=True)
    return ExitCode.OK


def _json(value: config.Value) -> Json:
    return value if isinstance(value, str) else [*value]


def _words(value: config.Value) -> str:
    return (value if isinstance(value, str) else ", ".join(value)) or "not set"
