"""A node's home directory: what it holds, how it is made, and how it takes up a chain.

    node.toml        configuration
    keys/            consensus.pem, node.pem, cosigning.pem, each readable by its owner only (a follower: node.pem)
    keys/consensus.adopting, keys/consensus.adopted    marks of the vote state, see below
    card.json        the public card to hand to the other founders (a follower has none)
    genesis.json     the network's genesis document, once adopted
    data/            database and guard file: the vote state; `database.damaged` while a database is made anew
                     (node.storage.rebuild)

**A consensus key and its vote state live and die together.** A validator that lost its vote state can sign two
different things without knowing it, which is exactly what the network must not have. So the vote state is made
once, by `adopt`, and a mark beside the key remembers that; `adopt` refuses a key that has the mark. Starting with a
database that is missing or older than the guard makes an observer, never a fresh voter. (design section 4, and
"lost or rolled-back vote state" in the consensus research, section 1.3)

`adopt` can be cut short anywhere. The order of its durable steps tells afterwards how far it came:

    1. consensus.adopting is written: from here on `open_home` refuses, so the key cannot vote
    2. genesis.json, the database, the guard file
    3. consensus.adopted is written: the key may have votes from here on, and is never adopted again

After 1 and before 3 nothing can have been promised, so `adopt` may discard what is there and begin again (and still
looks into the guard before it does).

A mark belongs to one public key, and so does a guard file. A key that is put beside the vote state of another, or
beside data that was copied from another validator, may have voted elsewhere: it gets a mark, and observes.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path

from ledger.crypto import SigningKey
from ledger.errors import MalformedError, VerificationError
from ledger.genesis import Card, Genesis, Operator, encode_card, make_card, parse_genesis
from ledger.primitives import Digest, PublicKey
from node.config import EXAMPLE, FILE_NAME, Config, Endpoint
from node.identity import create_key, load_passphrase, load_signing_key
from node.log import EventLog
from node.ports import Store
from node.storage.chain_store import ChainStore
from node.storage.durable import sync_directory
from node.storage.errors import StoreMissingError
from node.storage.guard import FileGuard, create_guard
from node.storage.keys import FORMAT_VERSION
from node.storage.leveldb import create_database, open_database
from node.storage.opening import create_chain, open_chain
from node.storage.rebuild import is_between_names, resume
from node.storage.upgrading import upgrade

_LOG = EventLog("home")

KEY_NAMES = ("node", "consensus", "cosigning")


class HomeError(Exception):
    """A home directory that is not as the command needs it. The message says what to do."""


@unique
class VoteState(StrEnum):
    """Where a node stands with the vote state of its consensus key, judged from what files there are."""

    FOLLOWER = "follower"
    """It has no consensus key and never votes."""
    NOT_ADOPTED = "not adopted"
    """The key never had one here; `adopt` makes it."""
    CUT_SHORT = "cut short"
    """`adopt` began and did not end; it can be run again."""
    PRESENT = "present"
    LOST = "lost"
    """The key had one, or may have, and files of it are missing or another key's: the node observes for ever."""


@dataclass(frozen=True, slots=True)
class DataPaths:
    """The files under a node's data directory."""

    database: Path
    guard: Path

    @property
    def has_database(self) -> bool:
        """Whether a database was ever finished there."""
        return (self.database / "CURRENT").exists() or is_between_names(self.database)


def data_paths(config: Config) -> DataPaths:
    """Where the database and the guard file are."""
    return DataPaths(config.data_path / "database", config.data_path / "guard")


# ---- making homes


def make_validator_home(
    home: Path,
    *,
    name: str,
    operator: Operator,
    address: Endpoint,
    peer_listen: Endpoint,
    api_listen: Endpoint,
    alone: bool = True,
) -> Card:
    """Make keys, configuration and card of a validator in `home`; nothing is made when anything is wrong.

    A node that is not `alone` on its machine leaves the cores to the others: it verifies in its own process.

    Raises `HomeError` when there is a node already, `MalformedError` for a name, key or address that may not be.
    """

    def card_of(keys: dict[str, SigningKey]) -> Card:
        return make_card(
            name=name,
            address=str(address),
            operator=operator,
            consensus_key=keys["consensus"],
            node_key=keys["node"],
            cosigning_key=keys["cosigning"],
        )

    card_of({key_name: SigningKey(secrets.token_bytes(32)) for key_name in KEY_NAMES})  # refuses before a file is made
    text = _config_text(peer_listen=peer_listen, api_listen=api_listen, follower=False, alone=alone)
    card = card_of(_make_keys(home, KEY_NAMES))
    replace_file(home / "card.json", encode_card(card))
    replace_file(home / FILE_NAME, text)  # last: a home is one when it has this
    return card


def make_follower_home(home: Path, *, peer_listen: Endpoint, api_listen: Endpoint) -> PublicKey:
    """Make node key and configuration of a follower in `home`, and return the key's public half. Raises `HomeError`."""
    text = _config_text(peer_listen=peer_listen, api_listen=api_listen, follower=True)
    keys = _make_keys(home, ("node",))
    replace_file(home / FILE_NAME, text)
    return keys["node"].public_key


def _make_keys(home: Path, names: tuple[str, ...]) -> dict[str, SigningKey]:
    """New keys under `home`. Raises `HomeError` when there is a node, or part of one."""
    if (home / FILE_NAME).exists():
        raise HomeError(f"{home} is the home of a node already: name another --home")
    keys = home / "keys"
    if keys.exists() and any(keys.iterdir()):
        raise HomeError(
            f"{keys} holds keys but {home / FILE_NAME} is missing: restore it if this was a node; "
            "if an init was cut short, remove the directory and run it again"
        )
    keys.mkdir(parents=True, exist_ok=True)
    keys.chmod(0o700)
    for name in names:
        create_key(keys / f"{name}.pem")
    return {name: load_signing_key(keys / f"{name}.pem") for name in names}


def _config_text(*, peer_listen: Endpoint, api_listen: Endpoint, follower: bool, alone: bool = True) -> bytes:
    """The first `node.toml`. Raises `MalformedError` for listeners that it cannot state."""
    if not api_listen.is_loopback:
        raise MalformedError(
            f"the API at {api_listen} would be reachable from other machines: make the node with a loopback address, "
            "then set api.listen together with api.tls_certificate and api.tls_key in node.toml"
        )
    text = EXAMPLE.format(genesis="genesis.json", peer_listen=peer_listen, api_listen=api_listen)
    if not alone:
        assert "\n# verify_workers = 0 " in text, "the example says how"
        text = text.replace("\n# verify_workers = 0 ", "\nverify_workers = 0 ")
    if follower:
        for key in ("consensus", "cosigning"):
            assert f"\n{key} = " in text, "the example names both keys"
            text = text.replace(f"\n{key} = ", f"\n# {key} = ")
    try:
        written = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        written = {}
    if (written.get("peers"), written.get("api")) != ({"listen": str(peer_listen)}, {"listen": str(api_listen)}):
        raise MalformedError(f"{str(peer_listen)!r} or {str(api_listen)!r} is no address: it has a character too many")
    return text.encode()


# ---- taking up a chain


def adopt(config: Config, document: bytes, *, expected: Digest | None) -> Genesis:
    """Take up the chain of the genesis `document`: write it, an empty database and, for a voter, a first guard record.

    `expected` is the hash that the operator compared with the other founders. Raises `VerificationError` when it
    differs, `HomeError` when the home has a chain already or the consensus key had one before, `IdentityError` for a
    consensus key that cannot be read, and `LedgerError` for a document that is none. May be repeated when it was cut
    short, by whatever.
    """
    genesis = parse_genesis(document)
    if expected is not None and genesis.chain != expected:
        raise VerificationError(f"the document's hash is {genesis.chain.hex()}, not {expected.hex()}")
    mark = _mark_of(config)
    paths = data_paths(config)
    with alone_in(config.path.parent):
        unfinished = _refuse_adopted(config, mark, paths)
        if mark is not None:
            mark.begin(genesis.chain)
            if unfinished:
                _discard(paths, mark.key)
        replace_file(config.genesis_path, genesis.document)
        config.data_path.mkdir(mode=0o700, parents=True, exist_ok=True)
        config.data_path.chmod(0o700)
        sync_directory(config.data_path.parent)
        with closing(create_database(paths.database)) as store:
            create_chain(store, genesis)
        if mark is not None:
            create_guard(paths.guard, mark.key).close()
        sync_directory(config.data_path)
        if mark is not None:
            mark.finish(genesis.chain)
    return genesis


def vote_state(config: Config) -> VoteState:
    """Where this node stands with its vote state. Raises `IdentityError` when the consensus key cannot be read."""
    return _judge(_mark_of(config), data_paths(config))


def open_home(config: Config) -> tuple[Store, ChainStore]:
    """The chain of this home, and the database that it is in, to be closed afterwards.

    A database of an older format is upgraded first. One that is missing or was lost is made anew from
    genesis, so that the node can at least follow and say what is wrong: without its guard file, or behind it, it
    observes and never votes. Raises `HomeError` when no genesis was adopted, or its adoption was cut short, and the
    errors of `open_database`, `open_chain` and `upgrade`.
    """
    mark, paths = _mark_of(config), data_paths(config)
    resume(paths.database)
    state = _judge(mark, paths)
    if state is VoteState.CUT_SHORT:
        raise HomeError(
            "the adoption of genesis was cut short: nothing was promised yet, so run quorum-node genesis adopt again"
        )
    if not config.genesis_path.exists():
        raise HomeError(f"{config.genesis_path} does not exist: adopt the network's with quorum-node genesis adopt")
    if state is VoteState.NOT_ADOPTED:
        raise HomeError(
            f"{config.genesis_path} is there, but this node's consensus key never adopted it: "
            "run quorum-node genesis adopt with that file"
        )
    genesis = parse_genesis(config.genesis_path.read_bytes())
    if mark is not None:
        mark.confirm(genesis.chain)
    try:
        store = open_database(paths.database)
    except StoreMissingError as error:
        _LOG.warning("database_missing", reason=str(error), remedy="the chain is fetched again from peers")
        paths.database.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        store = create_database(paths.database)
    try:
        try:
            if upgrade(store, genesis.chain, begins=lambda: _LOG.info("database_upgrading", format=FORMAT_VERSION)):
                _LOG.info("database_upgraded", format=FORMAT_VERSION)
            return store, open_chain(store, expected=genesis.chain, proof_heights=config.proof_heights)
        except StoreMissingError as error:
            _LOG.warning("database_empty", reason=str(error), remedy="the chain is fetched again from peers")
            return store, create_chain(store, genesis, proof_heights=config.proof_heights)
    except BaseException:
        store.close()
        raise


def _judge(mark: _Mark | None, paths: DataPaths) -> VoteState:
    if mark is None:
        return VoteState.FOLLOWER
    if mark.chain() is None:
        if mark.adopting.exists():
            return VoteState.CUT_SHORT
        if not (paths.has_database or paths.guard.exists()):
            return VoteState.NOT_ADOPTED
    with closing(FileGuard(paths.guard, mark.key)) as guard:
        return VoteState.PRESENT if paths.has_database and guard.read() is not None else VoteState.LOST


def _refuse_adopted(config: Config, mark: _Mark | None, paths: DataPaths) -> bool:
    """Raise `HomeError` unless a chain may be adopted here; the answer is whether an earlier attempt was cut short."""
    chain = None if mark is None else mark.chain()
    there = paths.database.exists() or paths.guard.exists()
    if chain is not None and not there:
        raise HomeError(
            f"the consensus key had its vote state on chain {chain}, and that state is gone: it must never vote "
            "again. Make a new key and have the validator re-keyed by a proposal"
        )
    unfinished = _judge(mark, paths) is VoteState.CUT_SHORT
    if there and not unfinished:
        raise HomeError(
            f"{config.data_path} holds a chain already: run it with quorum-node start; another network wants a home of "
            "its own (quorum-node init --home)"
        )
    return unfinished


def _discard(paths: DataPaths, key: PublicKey) -> None:
    """Remove what an adoption of `key` that was cut short has made. Raises `HomeError` if it may have voted from it.

    The guard decides: a vote leaves the process only after it is noted there.
    """
    if paths.guard.exists():
        with closing(FileGuard(paths.guard, key)) as guard:
            record = guard.read()
        if record is None or record.height > 0:
            raise HomeError(
                f"{paths.guard} is not as an adoption that was cut short leaves it: the consensus key may have voted, "
                "so it must not be adopted again. Make a new key and have the validator re-keyed by a proposal"
            )
        paths.guard.unlink()
    if paths.database.exists():
        shutil.rmtree(paths.database)


# ---- the marks beside a consensus key


@dataclass(frozen=True, slots=True)
class _Mark:
    """The two files beside a consensus key, and the public half that they are about.

    `adopted` has a line `CHAIN KEY` for each adoption, both hex. A line without a key counts for every key.
    """

    key: PublicKey
    adopting: Path
    adopted: Path

    def chain(self) -> str | None:
        """The chain that the key adopted, hex, or None."""
        if not self.adopted.exists():
            return None
        for line in self.adopted.read_text(encoding="ascii", errors="replace").splitlines():
            chain, _, key = line.partition(" ")
            if key in ("", self.key.hex()):
                return chain
        return None

    def begin(self, chain: Digest) -> None:
        """Note, durably, that an adoption is under way."""
        replace_file(self.adopting, f"{chain.hex()} {self.key.hex()}\n".encode())

    def finish(self, chain: Digest) -> None:
        """Note, durably, that the key has a vote state from now on."""
        earlier = self.adopted.read_bytes() if self.adopted.exists() else b""
        replace_file(self.adopted, earlier + f"{chain.hex()} {self.key.hex()}\n".encode())
        self.adopting.unlink(missing_ok=True)
        sync_directory(self.adopting.parent)

    def confirm(self, chain: Digest) -> None:
        """Have the mark on the disk before the key votes: also for a key that was put back without it, and when the
        process that wrote it was killed before it could sync the directory."""
        if self.chain() is None:
            self.finish(chain)
        else:
            sync_directory(self.adopted.parent)


def _mark_of(config: Config) -> _Mark | None:
    """The marks of this node's consensus key, or None for a follower. Raises `IdentityError`."""
    path = config.consensus_key_path
    if path is None:
        return None
    passphrase = None if config.key_passphrase_path is None else load_passphrase(config.key_passphrase_path)
    key = load_signing_key(path, passphrase=passphrase).public_key
    return _Mark(key, path.with_suffix(".adopting"), path.with_suffix(".adopted"))


@contextmanager
def alone_in(directory: Path) -> Iterator[None]:
    """Let one adoption at a time happen in the home `directory`, or one node run. Raises `HomeError` when there is
    another.

    The lock of the database would not do: nobody has it while a damaged database is set aside, and two nodes with one
    key, one on the old database and one on the new, would sign twice.
    """
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise HomeError(
                f"another process is at work in {directory}, a genesis adopt or a node that runs already: wait until "
                "it has ended"
            ) from None
        yield
    finally:
        os.close(descriptor)


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file at `path` in one step, so that it survives a power cut whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync_directory(path.parent)
