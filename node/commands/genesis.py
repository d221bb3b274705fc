"""The document that a network starts from: `genesis assemble|show|adopt`. Nothing here talks to a network."""

from __future__ import annotations

import secrets
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from ledger.encoding import Json
from ledger.errors import LedgerError, MalformedError, VerificationError
from ledger.genesis import Card, Genesis, assemble_genesis, parse_card, parse_genesis
from ledger.limits import GENESIS_SALT_BYTES, INTEGER_MAX
from ledger.parameters import PARAMETERS, Parameters
from ledger.primitives import Digest, parse_digest
from ledger.validators import Quorum, default_quorum
from node.commands.failures import Group
from node.commands.founding import card_entry, pin_lines
from node.commands.options import (
    QuorumType,
    file_argument,
    home_option,
    load_config,
    output_option,
    print_json,
)
from node.commands.tolerance import beyond, tolerance_json
from node.config import parse_endpoint
from node.home import HomeError, adopt, replace_file


@click.group(cls=Group)
def genesis() -> None:
    """Assemble, look at and adopt the document that a network starts from.

    \b
    quorum-node genesis assemble a.json b.json …   one founder, from everybody's cards
    quorum-node genesis show genesis.json          everybody: read it, compare the hash
    quorum-node genesis adopt genesis.json …       everybody: take the chain up
    """


@genesis.command()
@click.argument("cards", nargs=-1, required=True, type=file_argument)
@click.option("--network", required=True, help="A name for people, e.g. harbour-consortium.")
@click.option("--administrator", "administrators", multiple=True, required=True, help="An operator; repeatable.")
@click.option(
    "--quorum", type=QuorumType(), help="How many must sign.  [default: bft from 4 validators, else majority]"
)
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=NUMBER", help="A parameter; repeatable.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("genesis.json"),
    show_default=True,
    help="Where to write it; never over a file that is there.",
)
def assemble(
    *,
    cards: tuple[Path, ...],
    network: str,
    administrators: tuple[str, ...],
    quorum: Quorum | None,
    parameters: tuple[str, ...],
    out: Path,
) -> None:
    """Assemble genesis from the founders' CARDS (in the order in which validators are listed).

    \b
    Example:
      quorum-node genesis assemble acme.json bolt.json cargo.json dock.json \\
          --network harbour --administrator acme

    Next: everybody compares the hash that this prints, over another channel, and adopts the file with it
    (quorum-node genesis adopt genesis.json --hash HEX).
    """
    if out.exists():
        raise HomeError(f"{out} exists, and a genesis document is never overwritten: name another --out, or remove it")
    if not out.absolute().parent.is_dir():
        raise HomeError(f"{out.parent} is no directory: make it, or name another --out")
    made = assemble_genesis(
        network=network,
        salt=secrets.token_bytes(GENESIS_SALT_BYTES),
        time_ms=time.time_ns() // 1_000_000,
        quorum=quorum or default_quorum(len(cards)),
        parameters=_parse_parameters(parameters),
        cards=tuple(_read_card(path) for path in cards),
        administrators=administrators,
    )
    replace_file(out, made.document)
    _show(made)
    click.echo(f"written to {out}; compare the hash with every founder before you adopt it")


def _read_card(path: Path) -> Card:
    """The card in a file. Raises `LedgerError` with its name."""
    try:
        return parse_card(path.read_bytes())
    except LedgerError as error:
        raise type(error)(f"{path}: {error}") from None


def _parse_parameters(settings: tuple[str, ...]) -> Parameters:
    """The default parameters, with `NAME=NUMBER` settings applied. Raises `MalformedError`."""
    values = Parameters().to_json()
    for setting in settings:
        name, _, number = setting.partition("=")
        if name not in PARAMETERS or not (number.isascii() and number.isdecimal()):
            raise MalformedError(f"--parameter {setting!r} must be NAME=NUMBER, with one of: {', '.join(PARAMETERS)}")
        if len(number) > len(str(INTEGER_MAX)):
            raise MalformedError(f"--parameter {setting!r} is beyond all numbers that the ledger has")
        values[name] = int(number)
    return Parameters(**{name: int(str(value)) for name, value in values.items()})


@genesis.command()
@click.argument("file", type=file_argument)
@output_option
def show(file: Path, output: str) -> None:
    """Say what the genesis document in FILE founds, what it survives, and its hash.

    \b
    Example:
      quorum-node genesis show genesis.json
      quorum-node genesis show genesis.json --output json | jq -r .chain

    Next: compare the hash with every founder over another channel, then quorum-node genesis adopt.
    """
    made = _read_genesis(file)
    if output == "json":
        print_json(_to_json(made))
    else:
        _show(made)


@genesis.command("adopt")
@home_option
@click.argument("file", type=file_argument)
@click.option("--hash", "expected", metavar="HEX", help="The hash that all founders compared.")
def adopt_command(home: Path, file: Path, expected: str | None) -> None:
    """Take up the chain of the genesis document in FILE: the node can then be started.

    \b
    Example:
      quorum-node genesis adopt genesis.json --home acme-1 --hash 0dcedda6…

    This is done once in a node's life: it makes the vote state that belongs to the consensus key. When it was cut
    short, run it again.

    Next: quorum-node start.
    """
    digest: Digest | None = None if expected is None else _parse_hash(expected)
    config = load_config(home)
    made = _read_genesis(file)
    try:
        adopt(config, made.document, expected=digest)
    except VerificationError as error:
        raise VerificationError(f"{file}: {error}; ask the other founders which document they have") from None
    click.echo(f"adopted the chain {made.chain.hex()} ({made.network}); next: quorum-node start --home {home}")
    entry = card_entry(home) if (home / "card.json").exists() else None
    if entry is not None and made.validators.index_of_consensus_key(entry.consensus_key) is None:
        click.echo(
            f"the keys of {entry.name} are not in genesis: it follows until a proposal adds it, or re-keys the "
            "validator of its name (see quorum-node ready)"
        )
        click.echo(pin_lines(entry.node_key.hex(), parse_endpoint(entry.address, "address")))
    if expected is None:
        click.echo(
            "no --hash was given: before you start, compare this hash with the other founders over another channel",
            err=True,
        )


def _parse_hash(text: str) -> Digest:
    """The digest in `text`, also in capitals and with the blanks that people put in. Raises `MalformedError`."""
    return parse_digest("".join(text.split()).lower(), "--hash")


def _read_genesis(path: Path) -> Genesis:
    """The genesis document in a file. Raises `LedgerError` with its name."""
    try:
        return parse_genesis(path.read_bytes())
    except LedgerError as error:
        raise type(error)(f"{path}: {error}") from None


def _show(made: Genesis) -> None:
    """All that a genesis document founds, for people: who compares nothing but this must not miss anything."""
    click.echo(f"network     {made.network}")
    click.echo(f"chain       {made.chain.hex()}")
    click.echo(f"time        {_time(made)}")
    click.echo(f"quorum      {made.validators.tolerance.sentence()}")
    click.echo(f"one more    {beyond(made.validators.tolerance)}")
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


def _to_json(made: Genesis) -> dict[str, Json]:
    """The same for scripts."""
    return {
        "network": made.network,
        "chain": made.chain.hex(),
        "time_ms": made.time_ms,
        "time": _time(made),
        **tolerance_json(made.validators.tolerance),
        "validators": [entry.to_json() for entry in made.validators.validators],
        "accounts": [account.to_json() for account in made.accounts],
        "parameters": made.parameters.to_json(),
    }


def _time(made: Genesis) -> str:
    return f"{datetime.fromtimestamp(made.time_ms // 1000, UTC):%Y-%m-%dT%H:%M:%SZ}"
