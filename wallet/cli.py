"""`quorum-wallet`: hold keys, send signed transactions, get a definite outcome and a receipt."""

from __future__ import annotations

import click

from wallet.commands.account import account_group, history
from wallet.commands.asset import asset_group, balance, transfer
from wallet.commands.configuration import completion, config_group
from wallet.commands.key import key_group
from wallet.commands.network import genesis_group, status
from wallet.commands.proposal import proposal_group
from wallet.commands.receipt import receipt_group
from wallet.commands.role import role_group
from wallet.commands.stream import record_group, stream_group
from wallet.commands.transaction import tx_group
from wallet.commands.validator import validator_group
from wallet.options import Root

COMMANDS: tuple[click.Command, ...] = (
    key_group,
    genesis_group,
    record_group,
    stream_group,
    transfer,
    balance,
    asset_group,
    account_group,
    role_group,
    history,
    proposal_group,
    validator_group,
    tx_group,
    receipt_group,
    status,
    config_group,
    completion,
)


@click.group(cls=Root, name="quorum-wallet", context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="quorum-ledger", prog_name="quorum-wallet")
def main() -> None:
    """Hold keys, send signed transactions to a quorum ledger, and get a definite outcome and a receipt.

    \b
    To begin:
      quorum-wallet key new ann
      quorum-wallet genesis pin http://127.0.0.1:8301 --hash HEX
      quorum-wallet config set account acme
      quorum-wallet config set keys ann
      quorum-wallet record append invoices --json '{"amount":"12.00"}'

    A flag wins over the environment (QUORUM_NODE, QUORUM_GENESIS, ...), that over the profile. Results are on stdout,
    everything else on stderr.
    """


for _command in COMMANDS:
    main.add_command(_command)
