"""A node's home directory: what it holds, how it is made, and how it takes up a chain.

    node.toml        configuration
    keys/            consensus.pem, node.pem, cosigning.pem, each readable by its owner only
    card.json        the public card to hand to the other founders
    genesis.json     the network's genesis document, once adopted
    data/            database and guard file: the vote state

**A consensus key and its vote state live and die together.** A validator that lost its vote state can sign two
different things without knowing it, which is exactly what the network must not have. So the vote state is made
once, by `adopt`, and a mark beside the key remembers that; `adopt` refuses a key that has the mark. Starting with a
database that is missing or older than the guard makes an observer, never a fresh voter. (design section 4, and
"lost or rolled-back vote state" in the consensus research, section 1.3)
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ledger.genesis import Card, Genesis, Operator, encode_card, make_card, parse_genesis
from ledger.primitives import Digest
from node.config import EXAMPLE, FILE_NAME, Config, Endpoint
from node.identity import create_key, load_signing_key
from node.log import EventLog
from node.ports import Store
from node.storage.chain_store import ChainStore
from node.storage.durable import sync_directory
from node.storage.errors import StoreMissingError
from node.storage.guard import create_guard
from node.storage.leveldb import create_database, open_database
from node.storage.opening import create_chain, open_chain

_LOG = EventLog("home")

KEY_NAMES = ("node", "consensus", "cosigning")


class HomeError(Exception):
    """A home directory that is not as the command needs it. The message says what to do."""


@dataclass(frozen=True, slots=True)
class DataPaths:
    """The files under a node's data directory."""

    database: Path
    guard: Path


def data_paths(config: Config) -> DataPaths:
    """Where the database and the guard file are."""
    return DataPaths(config.data_path / "database", config.data_path / "guard")


def make_validator_home(
    home: Path, *, name: str, operator: Operator, address: Endpoint, peer_listen: Endpoint, api_listen: Endpoint
) -> Card:
    """Make keys, configuration and card of a validator in `home`. Raises `HomeError` when there is a node already."""
    if (home / FILE_NAME).exists():
        raise HomeError(f"{home} is the home of a node already")
    keys = home / "keys"
    keys.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    for key_name in KEY_NAMES:
        create_key(keys / f"{key_name}.pem")
    loaded = {key_name: load_signing_key(keys / f"{key_name}.pem") for key_name in KEY_NAMES}
    card = make_card(
        name=name,
        address=str(address),
        operator=operator,
        consensus_key=loaded["consensus"],
        node_key=loaded["node"],
        cosigning_key=loaded["cosigning"],
    )
    _write(home / "card.json", encode_card(card))
    text = EXAMPLE.format(genesis="genesis.json", peer_listen=peer_listen, api_listen=api_listen)
    _write(home / FILE_NAME, text.encode())
    return card


def adopt(config: Config, document: bytes, *, expected: Digest | None) -> Genesis:
    """Take up the chain of the genesis `document`: write it, an empty database and a first guard record.

    `expected` is the hash that the operator compared with the other founders. Raises `HomeError` when it differs, when
    the home has a chain already, or when the consensus key had one before; `LedgerError` for a document that is none.
    """
    genesis = parse_genesis(document)
    if expected is not None and genesis.chain != expected:
        raise HomeError(f"the document's hash is {genesis.chain.hex()}, not {expected.hex()}: do not use it")
    paths = data_paths(config)
    if paths.database.exists() or paths.guard.exists():
        raise HomeError(f"{config.data_path} holds a chain already")
    mark = None if config.consensus_key_path is None else config.consensus_key_path.with_suffix(".adopted")
    if mark is not None and mark.exists():
        raise HomeError(
            f"the consensus key had its vote state on chain {mark.read_text().strip()}, and that state is gone: "
            "it must never vote again. Make a new key and have the validator re-keyed by a proposal"
        )
    _write(config.genesis_path, genesis.document)
    config.data_path.mkdir(parents=True, exist_ok=True)
    config.data_path.chmod(0o700)
    if mark is not None:
        _write(mark, genesis.chain.hex().encode() + b"\n")
    store = create_database(paths.database)
    try:
        create_chain(store, genesis)
    finally:
        store.close()
    if mark is not None:
        create_guard(paths.guard).close()
    sync_directory(config.data_path)
    return genesis


def open_home(config: Config) -> tuple[Store, ChainStore]:
    """The chain of this home, and the database that it is in, to be closed afterwards.

    A database that is missing or was lost is made anew from genesis, so that the node can at least follow and say what
    is wrong: without its guard file, or behind it, it observes and never votes. Raises `HomeError` when no genesis was
    adopted, and the errors of `open_database` and `open_chain`.
    """
    if not config.genesis_path.exists():
        raise HomeError(f"{config.genesis_path} does not exist: adopt the network's with quorum-node genesis adopt")
    genesis = parse_genesis(config.genesis_path.read_bytes())
    paths = data_paths(config)
    try:
        store = open_database(paths.database)
    except StoreMissingError as error:
        _LOG.warning("database_missing", reason=str(error), remedy="the chain is fetched again from peers")
        paths.database.parent.mkdir(parents=True, exist_ok=True)
        store = create_database(paths.database)
    try:
        try:
            return store, open_chain(store, expected=genesis.chain)
        except StoreMissingError as error:
            _LOG.warning("database_empty", reason=str(error), remedy="the chain is fetched again from peers")
            return store, create_chain(store, genesis)
    except BaseException:
        store.close()
        raise


def _write(path: Path, data: bytes) -> None:
    """Replace the file at `path` in one step, so that it survives a power cut whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)
