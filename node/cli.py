"""`quorum-node`: what an operator types. Each command's work is in `node.commands`; here they get their names."""

from __future__ import annotations

import click

from node.commands.checking import config
from node.commands.examining import doctor
from node.commands.exporting import export, import_
from node.commands.failures import CommandError, ExitCode, Root
from node.commands.founding import identity, init
from node.commands.genesis import genesis
from node.commands.joining import ready
from node.commands.running import devnet, start, status
from node.commands.verifying import verify_store


@click.group(cls=Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="quorum-ledger", prog_name="quorum-node")
def main() -> None:
    """Run a validator of a permissioned ledger, and know that it is healthy.

    \b
    A new network:
      quorum-node init …              each organisation: keys, configuration, public card
      quorum-node genesis assemble …  one of them: genesis from the cards
      quorum-node genesis adopt …     each: compare the hash, take the chain up
      quorum-node start               each: run
      quorum-node status              where it is, and what one more failure would do
      quorum-node doctor              what is wrong, and what to do

    To try it on one machine: quorum-node devnet
    """
    if not __debug__:
        raise CommandError(
            "quorum-node does not run with assertions off: they guard its safety. Run it without python -O "
            "and PYTHONOPTIMIZE",
            ExitCode.UNEXPECTED,
        )


for _command in (init, identity, genesis, config, start, status, doctor, ready, verify_store, export, import_, devnet):
    main.add_command(_command)
