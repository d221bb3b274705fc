"""`quorum-audit`: prove what happened, without trusting the node that answers. The judgement is `ledger`'s."""

from __future__ import annotations

import click

from wallet.auditing.commands.checkpoint import checkpoint
from wallet.auditing.commands.export import export
from wallet.auditing.commands.ledger import ledger
from wallet.auditing.commands.verify import verify
from wallet.auditing.commands.watch import watch
from wallet.options import Root

COMMANDS: tuple[click.Command, ...] = (
    verify,
    checkpoint,
    ledger,
    export,
    watch,
)


@click.group(cls=Root, name="quorum-audit", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="quorum-ledger", prog_name="quorum-audit")
def main() -> None:
    """Prove what happened on a quorum ledger, without trusting the node that answers.

    \b
    To begin:
      quorum-audit verify inv-7.receipt.json --genesis genesis.json
      quorum-audit verify evidence-9f2c.json --genesis genesis.json
      quorum-audit checkpoint http://127.0.0.1:8301 --genesis genesis.json
      quorum-audit ledger http://127.0.0.1:8301 --genesis genesis.json
      quorum-audit export http://127.0.0.1:8301 chain.jsonl --genesis genesis.json
      quorum-audit watch https://a.example https://b.example --genesis genesis.json

    Everything is checked against a genesis file that you bring, or a checkpoint, which is a later block in a file: get
    it, or its hash, from somebody you trust. Exit code 10 says that something does not hold, 14 that nobody could be
    asked.
    """


for _command in COMMANDS:
    main.add_command(_command)
