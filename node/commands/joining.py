"""`ready`: what a node that is to join the validator set, or to replace a validator's keys, hands to its operator."""

from __future__ import annotations

from pathlib import Path

import click

from ledger.crypto import SigningKey
from ledger.errors import MalformedError
from ledger.governance.readiness import ReadyStatement, encode_ready_statement, sign_ready
from ledger.primitives import Digest, parse_digest
from ledger.validators import Validator
from node.commands.asking import Target, ask, not_a_ledger, target_of
from node.commands.failures import CommandError, ExitCode
from node.commands.founding import card_entry
from node.commands.options import home_option, load_config
from node.config import Config
from node.home import HomeError
from node.identity import load_passphrase, load_signing_key

_UNREADY = (
    "vote_state_lost",
    "halted",
    "chains_conflict",
    "protocol_version_unknown",
    "certified_block_refused",
    "behind",
    "isolated",
)
"""Findings of the doctor with which a node does not follow the chain, or could not vote on it."""


@click.command()
@home_option
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write it to FILE, not to stdout."
)
@click.option(
    "--timeout",
    type=click.FloatRange(0, 3600, min_open=True),
    default=10.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for the running node.",
)
def ready(home: Path, out: Path | None, timeout: float) -> None:
    """Sign, with its three keys, that this node is ready to be a validator.

    \b
    Example:
      quorum-node ready --home acme-2 --out ready.json

    The node must run and have caught up: it follows the chain, pinned by two or more validators. The same goes for a
    new home with new keys for a validator that is in the set. The statement holds no secret, and grows old: it is good
    for some thousand blocks.

    Next: its operator's account submits it (quorum-wallet validator ready ready.json); then it is proposed.
    """
    config = load_config(home)
    if config.consensus_key_path is None:
        raise HomeError(f"{home} is a follower: make a validator's home with quorum-node init, beside it")
    if out is not None and out.exists():
        raise CommandError(f"{out} exists already; it is not overwritten", ExitCode.USAGE)
    entry = card_entry(home)
    consensus_key, node_key, cosigning_key = _keys(config, home, entry)
    chain, height = _followed(target_of(config), entry, timeout)
    proofs = sign_ready(
        chain, entry, height, consensus_key=consensus_key, node_key=node_key, cosigning_key=cosigning_key
    )
    statement = encode_ready_statement(ReadyStatement(chain, entry, height, proofs)).decode()
    if out is None:
        click.echo(statement)
    else:
        out.write_text(statement + "\n", encoding="utf-8")
    click.echo(
        f"{entry.name} is ready at height {height}; next, with the account {entry.operator}: "
        f"quorum-wallet validator ready {out or 'FILE'}",
        err=True,
    )


def _keys(config: Config, home: Path, entry: Validator) -> tuple[SigningKey, ...]:
    """The three keys, in the order of `Validator.keys`. Raises `IdentityError`, or `HomeError` for others' keys."""
    passphrase = None if config.key_passphrase_path is None else load_passphrase(config.key_passphrase_path)
    paths = (config.consensus_key_path, config.node_key_path, config.cosigning_key_path)
    keys = []
    for path, (purpose, public_key) in zip(paths, entry.keys, strict=True):
        if path is None:
            raise HomeError(f"node.toml names no {purpose} key, and a validator has one")
        key = load_signing_key(path, passphrase=passphrase)
        if key.public_key != public_key:
            raise HomeError(f"{path} is not the {purpose} key on {home / 'card.json'}: keys belong to one home")
        keys.append(key)
    return tuple(keys)


def _followed(target: Target, entry: Validator, timeout: float) -> tuple[Digest, int]:
    """The chain and the height of the running node. Raises `CommandError` when it is not fit to be a validator."""
    from node.commands.findings_text import parse_findings
    from node.commands.status_text import parse_status

    try:
        status = parse_status(ask(target, "/v1/status", timeout_seconds=timeout))
        diagnosis = parse_findings(ask(target, "/v1/doctor", timeout_seconds=timeout))
    except MalformedError:
        raise not_a_ledger(target, "its answer is no status of a node") from None
    if status.validator is not None:
        raise CommandError(
            f"this node's keys are those of {status.validator} in the validator set already", ExitCode.USAGE
        )
    for finding in diagnosis.findings:
        if finding.code in _UNREADY:
            raise CommandError(f"{entry.name} is not ready: {finding.sentence}. {finding.remedy}", ExitCode.UNEXPECTED)
    return parse_digest(status.chain, "the chain of the running node"), status.head.height
