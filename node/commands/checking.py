"""`config check`: what `start` would find, without starting, opening the database or touching anything."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.encoding import Json
from ledger.errors import LedgerError
from ledger.genesis import Genesis, parse_genesis
from node.api_tokens import load_access
from node.commands.failures import Group
from node.commands.options import home_option, load_config, output_option, print_json
from node.config import Config
from node.home import VoteState, vote_state
from node.identity import load_passphrase, load_signing_key
from node.preflight import check_certificate

_ADOPT = "quorum-node genesis adopt GENESIS --hash HEX --home"


@click.group(cls=Group)
def config() -> None:
    """Look after the configuration file."""


@config.command("check")
@home_option
@output_option
def check(home: Path, output: str) -> None:
    """Read the configuration, the keys and the genesis document as start would, and say what is found.

    \b
    Example:
      quorum-node config check --home acme-1

    It also works while the node runs. Next: what the last line says.
    """
    loaded = load_config(home)
    keys = _read_keys(loaded)
    check_certificate(loaded)
    access = load_access(loaded)
    made = _read_genesis(loaded)
    listed_as = None if made is None else _listed_as(made, keys.get("consensus_key"))
    state = vote_state(loaded)
    following = _next_step(home, state, adopted=made is not None)
    if output == "json":
        pinned: list[Json] = [
            {"address": None if pin.endpoint is None else str(pin.endpoint), "node_key": pin.node_key.hex()}
            for pin in loaded.pinned_peers
        ]
        print_json(
            {
                "home": str(home.absolute()),
                "role": "follower" if loaded.consensus_key_path is None else "validator",
                **keys,
                "peer_listen": str(loaded.peer_listen),
                "pinned_peers": pinned,
                "api_listen": str(loaded.api_listen),
                "api_tls": loaded.api_tls_certificate_path is not None,
                "api_tokens": len(access.tokens),
                "network": None if made is None else made.network,
                "chain": None if made is None else made.chain.hex(),
                "validator": listed_as,
                "vote_state": state.value,
                "next": following,
            }
        )
        return
    for name, key in keys.items():
        click.echo(f"{name.replace('_', ' '):<14} {key}")
    click.echo(f"{'peers':<14} listen on {loaded.peer_listen}, {len(loaded.pinned_peers)} pinned")
    tls = "with TLS" if loaded.api_tls_certificate_path else "without TLS"
    tokens = f", for who has one of {len(access.tokens)} bearer tokens" if access.tokens else ""
    click.echo(f"{'API':<14} listens on {loaded.api_listen}, {tls}{tokens}")
    if made is None:
        click.echo(f"{'genesis':<14} none yet")
    else:
        click.echo(f"{'chain':<14} {made.chain.hex()} ({made.network})")
        if listed_as is not None:
            click.echo(f"{'validator':<14} {listed_as}, in genesis")
        elif loaded.consensus_key_path is not None:
            click.echo(f"{'validator':<14} not in genesis: it follows until the ledger lists its consensus key")
    click.echo(f"{'vote state':<14} {_IN_WORDS[state]}")
    click.echo(f"{'next':<14} {following}")


_IN_WORDS = {
    VoteState.FOLLOWER: "none: a follower never votes",
    VoteState.NOT_ADOPTED: "none yet: adopting genesis makes it",
    VoteState.CUT_SHORT: "the adoption of genesis was cut short; nothing was promised yet",
    VoteState.PRESENT: "present",
    VoteState.LOST: "LOST: the node would follow and never vote; its consensus key must be replaced",
}


def _next_step(home: Path, state: VoteState, *, adopted: bool) -> str:
    """The command that this node needs now."""
    if not adopted or state in (VoteState.NOT_ADOPTED, VoteState.CUT_SHORT):
        return f"{_ADOPT} {home}"
    return f"quorum-node start --home {home}"


def _read_keys(loaded: Config) -> dict[str, Json]:
    """The public halves of the node's keys, by name. Raises `IdentityError`."""
    path = loaded.key_passphrase_path
    passphrase = None if path is None else load_passphrase(path)
    paths = {
        "node_key": loaded.node_key_path,
        "consensus_key": loaded.consensus_key_path,
        "cosigning_key": loaded.cosigning_key_path,
    }
    return {
        name: load_signing_key(key_path, passphrase=passphrase).public_key.hex()
        for name, key_path in paths.items()
        if key_path is not None
    }


def _read_genesis(loaded: Config) -> Genesis | None:
    """The adopted document, or None. Raises `LedgerError` with the file's name."""
    if not loaded.genesis_path.exists():
        return None
    try:
        return parse_genesis(loaded.genesis_path.read_bytes())
    except LedgerError as error:
        raise type(error)(f"{loaded.genesis_path}: {error}") from None


def _listed_as(made: Genesis, consensus_key: Json | None) -> str | None:
    """The name of the validator that votes with this key in genesis."""
    for validator in made.validators.validators:
        if validator.consensus_key.hex() == consensus_key:
            return validator.name
    return None
