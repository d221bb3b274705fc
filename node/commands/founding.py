"""Founding a network: `init`, `id`, `genesis assemble|adopt|show`. Nothing here talks to a network."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from ledger.errors import MalformedError
from ledger.genesis import Genesis, assemble_genesis, parse_card, parse_genesis
from ledger.limits import GENESIS_SALT_BYTES
from ledger.parameters import PARAMETERS, Parameters
from ledger.primitives import Digest, parse_digest
from ledger.validators import Quorum, default_quorum
from node.commands.options import QuorumType, expected_failures, home_option, load_config, parse_operator
from node.config import parse_endpoint
from node.home import adopt, make_validator_home


@click.command()
@home_option
@click.option("--name", required=True, help="The validator's name, e.g. acme-1.")
@click.option("--operator", required=True, help="The account that operates it, e.g. acme.")
@click.option(
    "--operator-key",
    "operator_keys",
    multiple=True,
    required=True,
    metavar="HEX",
    help="A public key of the operator's account (quorum-wallet key show); repeat for several.",
)
@click.option("--operator-threshold", default=1, show_default=True, help="How many of these keys must sign.")
@click.option("--address", required=True, metavar="HOST:PORT", help="Where the other validators reach this node.")
@click.option("--peer-listen", metavar="HOST:PORT", help="Where to listen for them.  [default: --address]")
@click.option("--api-listen", metavar="HOST:PORT", default="127.0.0.1:8470", show_default=True, help="HTTP API.")
def init(
    *,
    home: Path,
    name: str,
    operator: str,
    operator_keys: tuple[str, ...],
    operator_threshold: int,
    address: str,
    peer_listen: str | None,
    api_listen: str,
) -> None:
    """Make keys, configuration and public card of a new validator.

    \b
    Example:
      quorum-node init --home acme-1 --name acme-1 --operator acme \\
          --operator-key 3d4017c3… --address ledger.acme.example:8471

    Hand card.json to whoever assembles genesis (quorum-node genesis assemble). It holds no secret.
    """
    with expected_failures():
        card = make_validator_home(
            home,
            name=name,
            operator=parse_operator(operator, operator_keys, operator_threshold),
            address=parse_endpoint(address, "--address"),
            peer_listen=parse_endpoint(peer_listen or address, "--peer-listen"),
            api_listen=parse_endpoint(api_listen, "--api-listen"),
        )
        click.echo(f"made the validator {card.validator.name} in {home}")
        click.echo(f"its public card: {home / 'card.json'} (hand it to whoever assembles genesis)")


@click.command("id")
@home_option
@click.option("--card", is_flag=True, help="Print the whole signed card.")
def identity(home: Path, card: bool) -> None:
    """Show this validator's public identity: name, address, public keys."""
    with expected_failures():
        data = (home / "card.json").read_bytes()
        parsed = parse_card(data)
        if card:
            click.echo(data.decode())
            return
        entry = parsed.validator
        click.echo(f"name           {entry.name}")
        click.echo(f"operator       {entry.operator}")
        click.echo(f"address        {entry.address}")
        click.echo(f"consensus key  {entry.consensus_key.hex()}")
        click.echo(f"node key       {entry.node_key.hex()}")
        click.echo(f"cosigning key  {entry.cosigning_key.hex()}")


@click.group()
def genesis() -> None:
    """Assemble, look at and adopt the document that a network starts from."""


def _parse_parameters(settings: tuple[str, ...]) -> Parameters:
    """The default parameters, with `NAME=NUMBER` settings applied. Raises `MalformedError`."""
    values = Parameters().to_json()
    for setting in settings:
        name, _, number = setting.partition("=")
        if name not in PARAMETERS or not number.isdecimal():
            raise MalformedError(f"--parameter {setting!r} must be NAME=NUMBER, with one of: {', '.join(PARAMETERS)}")
        values[name] = int(number)
    return Parameters(**{name: int(str(value)) for name, value in values.items()})


@genesis.command()
@click.argument("cards", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--network", required=True, help="A name for people, e.g. harbour-consortium.")
@click.option("--administrator", "administrators", multiple=True, required=True, help="An operator; repeatable.")
@click.option(
    "--quorum", type=QuorumType(), help="How many must sign.  [default: bft from 4 validators, else majority]"
)
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=NUMBER", help="A parameter; repeatable.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), default=Path("genesis.json"))
def assemble(
    *,
    cards: tuple[Path, ...],
    network: str,
    administrators: tuple[str, ...],
    quorum: Quorum | None,
    parameters: tuple[str, ...],
    output: Path,
) -> None:
    """Assemble genesis from the founders' CARDS (in the order in which validators are listed).

    \b
    Example:
      quorum-node genesis assemble acme.json bolt.json cargo.json dock.json \\
          --network harbour --administrator acme

    Everybody then compares the hash that this prints, over another channel, and adopts the file.
    """
    with expected_failures():
        made = assemble_genesis(
            network=network,
            salt=secrets.token_bytes(GENESIS_SALT_BYTES),
            time_ms=time.time_ns() // 1_000_000,
            quorum=quorum or default_quorum(len(cards)),
            parameters=_parse_parameters(parameters),
            cards=tuple(parse_card(path.read_bytes()) for path in cards),
            administrators=administrators,
        )
        if output.exists():
            raise MalformedError(f"{output} exists; a genesis document is never overwritten")
        output.write_bytes(made.document)
        _show(made)
        click.echo(f"written to {output}; compare the hash with every founder before you adopt it")


@genesis.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def show(file: Path) -> None:
    """Say what the genesis document in FILE founds, and its hash."""
    with expected_failures():
        _show(parse_genesis(file.read_bytes()))


@genesis.command("adopt")
@home_option
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--hash", "expected", metavar="HEX", help="The hash that all founders compared.")
def adopt_command(home: Path, file: Path, expected: str | None) -> None:
    """Take up the chain of the genesis document in FILE: the node can then be started.

    This is done once in a node's life: it makes the vote state that belongs to the consensus key.
    """
    with expected_failures():
        digest: Digest | None = None if expected is None else parse_digest(expected, "--hash")
        made = adopt(load_config(home), file.read_bytes(), expected=digest)
        click.echo(f"adopted the chain {made.chain.hex()} ({made.network}); next: quorum-node start --home {home}")


def _show(made: Genesis) -> None:
    """All that a genesis document founds, for people: who compares nothing but this must not miss anything."""
    click.echo(f"network     {made.network}")
    click.echo(f"chain       {made.chain.hex()}")
    click.echo(f"time        {datetime.fromtimestamp(made.time_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}")
    click.echo(f"quorum      {made.validators.tolerance.sentence()}")
    for entry in made.validators.validators:
        click.echo(f"validator   {entry.name} at {entry.address}, operated by {entry.operator}")
    for account in made.accounts:
        roles = ", ".join(account.roles) or "no role"
        click.echo(f"account     {account.name}: {account.threshold} of {len(account.keys)} keys, {roles}")
        for key in account.keys:
            click.echo(f"  key       {key.hex()}")
    for parameter, value in made.parameters.to_json().items():
        usual = PARAMETERS[parameter].default
        click.echo(f"parameter   {parameter} = {value}" + ("" if value == usual else f" (not the usual {usual})"))
