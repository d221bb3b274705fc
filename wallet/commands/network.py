"""`quorum-wallet status` and `quorum-wallet genesis`: which network is this, and is it the right one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wallet import config
from wallet.exit_codes import ExitCode
from wallet.files import PUBLIC, create_file, create_private_directory, replace_file
from wallet.options import Command, Group, confirm, pass_session
from wallet.reading import show_one
from wallet.session import node_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ledger.encoding import Json
    from ledger.genesis import Genesis
    from wallet.session import Session


@click.command("status", cls=Command, short_help="How a node and its network are doing.")
@pass_session
def status(session: Session) -> int:
    """Show how a node and its network are doing, as the node states it.

    \b
    Example:  quorum-wallet status --node http://127.0.0.1:8301

    Next: quorum-node doctor, on the node's machine, says why a chain does not progress.
    """
    return show_one(session, "/v1/status", {}, lines=_status_lines)


@click.group("genesis", cls=Group, short_help="Fetch and pin the genesis of a network.")
def genesis_group() -> None:
    """Fetch and pin the genesis of a network: what everything else is verified against."""


@genesis_group.command("fetch", short_help="Save a node's genesis file.")
@click.argument("url")
@click.option("--out", metavar="FILE", help="Where to write it (default: NETWORK.genesis.json).")
@click.option("--hash", "expected_hash", metavar="HEX", help="The hash that it must have.")
@pass_session
def fetch(session: Session, url: str, out: str | None, expected_hash: str | None) -> int:
    """Save the genesis file that the node at URL has, and print its hash.

    \b
    Example:  quorum-wallet genesis fetch http://127.0.0.1:8301 --out genesis.json

    Next: compare the hash with what the operators published, by another channel. A node can send any genesis.
    """
    genesis = _fetch(session, url, expected_hash or "")
    path = Path(out if out is not None else f"{_file_name(genesis.network)}.genesis.json")
    create_file(path, genesis.document, mode=PUBLIC)
    session.output.record({**_facts(genesis), "path": str(path)})
    if not expected_hash:
        session.output.hint("Compare the hash with what the operators published before you rely on it.")
    return ExitCode.OK


@genesis_group.command("pin", short_help="Make a network's genesis the one that this profile trusts.")
@click.argument("url")
@click.option("--hash", "expected_hash", metavar="HEX", help="The hash that the operators published.")
@pass_session
def pin(session: Session, url: str, expected_hash: str | None) -> int:
    """Fetch the genesis from the node at URL, refuse it unless it has the hash, and pin it in the profile.

    \b
    Example:  quorum-wallet genesis pin http://127.0.0.1:8301 --hash 9f2c...

    Without --hash the hash is shown and you are asked whether it is right. Next: everything that this profile
    prints as committed is verified from now on.
    """
    session.profile_may_be_new = True
    genesis = _fetch(session, url, expected_hash or "")
    if not expected_hash:
        confirm(session, f"Is {genesis.chain.hex()} the hash that the operators published?")
    config.check_profile_name(session.profile_name)
    path = session.config.path.parent / f"{session.profile_name}.genesis.json"
    create_private_directory(path.parent)
    replace_file(path, genesis.document, mode=PUBLIC)
    changed = session.config
    for key, value in (("genesis", str(path)), ("genesis_hash", genesis.chain.hex())):
        changed = config.with_value(changed, session.profile_name, key, (value,))
    if not session.config.profiles.get(session.profile_name, {}).get("nodes"):
        changed = config.with_value(changed, session.profile_name, "nodes", (url,))
    config.save(changed)
    session.output.record({**_facts(genesis), "profile": session.profile_name, "path": str(path)})
    session.output.hint(f"Pinned in the profile '{session.profile_name}' of {session.config.path}.")
    return ExitCode.OK


def _status_lines(status: Mapping[str, Json]) -> list[tuple[str, str]]:
    """What people want to know of a node's status; programs get all of it."""
    head, mempool, peers = (status.get(name) for name in ("head", "mempool", "peers"))
    newest = f"block {head.get('height')} of {head.get('time')}" if isinstance(head, dict) else "-"
    waiting = str(mempool.get("transactions")) if isinstance(mempool, dict) else "-"
    listed = peers if isinstance(peers, list) else []
    linked = [str(peer.get("validator") or "a follower") for peer in listed if isinstance(peer, dict)]
    return [
        ("network", f"{status.get('network')}, {status.get('chain')}"),
        ("head", newest),
        ("node", f"{status.get('validator') or 'no validator'}, {status.get('role')}: {status.get('reason')}"),
        ("quorum", str(status.get("sentence"))),
        ("now", str(status.get("explanation"))),
        ("linked to", ", ".join(linked) or "nobody"),
        ("mempool", f"{waiting} transactions wait"),
        ("evidence", f"{status.get('evidence_count')} proofs of double signing"),
        ("version", str(status.get("version"))),
    ]


def _fetch(session: Session, url: str, expected_hash: str) -> Genesis:
    """The genesis of the node at `url`. Raises `WalletError` (10) when it has another hash."""
    from ledger.limits import GENESIS_BYTES_MAX
    from wallet.pinning import check_genesis, parse_genesis_hash
    from wallet.submission import ask

    node = node_url(url)
    if expected_hash:
        parse_genesis_hash(expected_hash)
    data = ask(session, lambda client: client.get_bytes("/v1/genesis", bytes_max=GENESIS_BYTES_MAX), nodes=(node,))
    return check_genesis(data, expected_hash, what=url)


def _facts(genesis: Genesis) -> dict[str, Json]:
    return {
        "network": genesis.network,
        "genesis_hash": genesis.chain.hex(),
        "validators": [validator.name for validator in genesis.validators.validators],
        "tolerance": genesis.validators.tolerance.sentence(),
    }


def _file_name(network: str) -> str:
    """A network's name as part of a file name: it is somebody else's text."""
    return "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in network)
