"""Making a node and showing who it is: `init`, `id`. Nothing here talks to a network."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.encoding import Json
from ledger.errors import MalformedError
from ledger.genesis import parse_card
from ledger.validators import Validator
from node.commands.options import home_option, load_config, output_option, parse_operator, print_json
from node.commands.tolerance import usual_tolerances
from node.config import Config, Endpoint, parse_endpoint
from node.home import HomeError, make_follower_home, make_validator_home
from node.identity import load_passphrase, load_signing_key

_FOLLOWER_LISTEN = "127.0.0.1:8471"


@click.command()
@home_option
@click.option("--follower", is_flag=True, help="Make a node that follows the chain and never votes.")
@click.option("--name", help="The validator's name, e.g. acme-1.")
@click.option("--operator", help="The account that operates it, e.g. acme.")
@click.option(
    "--operator-key",
    "operator_keys",
    multiple=True,
    metavar="HEX",
    help="A public key of the operator's account (quorum-wallet key show); repeat for several.",
)
@click.option("--operator-threshold", type=click.IntRange(1), help="How many of these keys must sign.  [default: 1]")
@click.option("--address", metavar="HOST:PORT", help="Where the other nodes reach this one.")
@click.option("--peer-listen", metavar="HOST:PORT", help="Where to listen for them.  [default: --address]")
@click.option("--api-listen", metavar="HOST:PORT", default="127.0.0.1:8470", show_default=True, help="HTTP API.")
def init(
    *,
    home: Path,
    follower: bool,
    name: str | None,
    operator: str | None,
    operator_keys: tuple[str, ...],
    operator_threshold: int | None,
    address: str | None,
    peer_listen: str | None,
    api_listen: str,
) -> None:
    """Make keys, configuration and public card of a new validator, or a follower.

    \b
    Example:
      quorum-node init --home acme-1 --name acme-1 --operator acme \\
          --operator-key 3d4017c3… --address ledger.acme.example:8471
      quorum-node init --home mirror --follower

    Next: hand card.json to whoever assembles genesis (quorum-node genesis assemble). It holds no secret. A follower
    has no card: it adopts the network's genesis, and others pin the node key that is printed.
    """
    of_validators = {"--name": name, "--operator": operator, "--operator-key": operator_keys}
    if follower:
        if given := [option for option, value in of_validators.items() if value] + ["--operator-threshold"] * bool(
            operator_threshold
        ):
            raise click.UsageError(f"{given[0]} is for validators; a follower has a node key only")
        _init_follower(home, address=address, peer_listen=peer_listen, api_listen=api_listen)
        return
    if missing := [option for option, value in {**of_validators, "--address": address}.items() if not value]:
        raise click.UsageError(f"a validator needs {', '.join(missing)} (or say --follower)")
    assert name is not None
    assert operator is not None
    assert address is not None
    card = make_validator_home(
        home,
        name=name,
        operator=parse_operator(operator, operator_keys, operator_threshold or 1),
        address=parse_endpoint(address, "--address"),
        peer_listen=parse_endpoint(peer_listen or address, "--peer-listen"),
        api_listen=parse_endpoint(api_listen, "--api-listen"),
    )
    click.echo(f"made the validator {card.validator.name} in {home}")
    click.echo(f"its public card: {home / 'card.json'} (hand it to whoever assembles genesis)")
    click.echo("what the network will survive follows from how many validators found it; with the default quorum:")
    for sentence in usual_tolerances():
        click.echo(f"  {sentence}")
    click.echo(f"next: quorum-node genesis adopt GENESIS --hash HEX --home {home}")


def _init_follower(home: Path, *, address: str | None, peer_listen: str | None, api_listen: str) -> None:
    reached_at = None if address is None else parse_endpoint(address, "--address")
    key = make_follower_home(
        home,
        peer_listen=parse_endpoint(peer_listen or address or _FOLLOWER_LISTEN, "--peer-listen"),
        api_listen=parse_endpoint(api_listen, "--api-listen"),
    )
    click.echo(f"made a follower in {home}")
    click.echo(f"node key       {key.hex()}")
    click.echo(pin_lines(key.hex(), reached_at))
    click.echo(f"next: quorum-node genesis adopt GENESIS --hash HEX --home {home}")


def pin_lines(node_key: str, address: Endpoint | None) -> str:
    """What others write into their node.toml, so that they link a node that is not in the validator set."""
    lines = ["for node.toml of two or more validators, which are then restarted:", "  [[peers.pinned]]"]
    if address is not None:
        lines.append(f'  address = "{address}"')
    return "\n".join([*lines, f'  node_key = "{node_key}"'])


@click.command("id")
@home_option
@click.option("--card", is_flag=True, help="Print the whole signed card.")
@output_option
def identity(home: Path, card: bool, output: str) -> None:
    """Show this node's public identity: name, address, public keys.

    \b
    Example:
      quorum-node id --home acme-1
      quorum-node id --home acme-1 --card > acme.json     for whoever assembles genesis

    Next: compare the keys with what quorum-node genesis show lists, or pin the node key of a follower.
    """
    config = load_config(home)
    shown = _follower_identity(config) if config.consensus_key_path is None else _validator_identity(home)
    if card:
        if config.consensus_key_path is None:
            raise HomeError(f"{home} is a follower, and only a validator has a card")
        click.echo((home / "card.json").read_text(encoding="utf-8"))
    elif output == "json":
        print_json(shown)
    else:
        for field, value in shown.items():
            click.echo(f"{field.replace('_', ' '):<14} {value}")
        if config.consensus_key_path is None:
            click.echo(pin_lines(str(shown["node_key"]), None))


def card_entry(home: Path) -> Validator:
    """The entry on the card in `home`. Raises `HomeError` without one and `LedgerError` for one that is none."""
    path = home / "card.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise HomeError(f"{path} does not exist: init wrote it beside node.toml; restore it from there") from None
    try:
        return parse_card(data).validator
    except MalformedError as error:
        raise MalformedError(f"{path}: {error}") from None


def _validator_identity(home: Path) -> dict[str, Json]:
    """What the card in `home` states. Raises like `card_entry`."""
    entry = card_entry(home)
    return {
        "role": "validator",
        "name": entry.name,
        "operator": entry.operator,
        "address": entry.address,
        "consensus_key": entry.consensus_key.hex(),
        "node_key": entry.node_key.hex(),
        "cosigning_key": entry.cosigning_key.hex(),
    }


def _follower_identity(config: Config) -> dict[str, Json]:
    """The node key, read from its file. Raises `IdentityError`."""
    passphrase = None if config.key_passphrase_path is None else load_passphrase(config.key_passphrase_path)
    key = load_signing_key(config.node_key_path, passphrase=passphrase).public_key
    return {"role": "follower", "node_key": key.hex()}
