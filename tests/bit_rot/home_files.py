"""The other files of a home: configuration, keys, marks, genesis, card. What a node with one flipped byte in them does.

A changed file may be as good as the one before (a comment, another port): then the node is configured otherwise. What
must never come of it is a vote by a key whose vote state is not here: a node that would vote has the same key, chain,
database and guard as before. [safety]
"""

from __future__ import annotations

import shutil
from contextlib import closing
from dataclasses import dataclass, replace
from enum import StrEnum, unique
from pathlib import Path

from ledger.errors import LedgerError
from ledger.genesis import Genesis
from ledger.primitives import PublicKey
from node.config import Config, ConfigError, load
from node.home import HomeError, adopt, data_paths, open_home
from node.identity import IdentityError
from node.ports import GuardRecord
from node.replica.opening import read_vote_state
from node.storage.errors import StorageError
from node.storage.guard import FileGuard
from tests.bit_rot.judging import Wrong
from tests.unit.node.homes import key_in, validator

_NOTED = GuardRecord(height=0, round=1, step=4, digest=bytes(32))


@unique
class HomeFate(StrEnum):
    """What became of a start."""

    IDENTICAL = "identical"
    """Nothing that a node reads has changed."""
    OTHERWISE = "configured otherwise"
    """It runs with another configuration, and with the same key and vote state; or it has no vote to cast."""
    OBSERVER = "observer"
    """It signs nothing, and says why."""
    REFUSED = "refused"
    """It does not start, and says why."""


@dataclass(frozen=True, slots=True)
class Home:
    """A whole home, and what a start reads of it."""

    path: Path
    genesis: Genesis
    read: _Read


@dataclass(frozen=True, slots=True)
class _Read:
    config: Config
    consensus: PublicKey | None
    node: PublicKey
    cosigning: PublicKey | None
    chain: bytes
    guarded: GuardRecord | None
    silence: str | None


def make_home(path: Path) -> Home:
    """A validator's home with genesis adopted, and a promise in its guard."""
    home = path / "home"
    config, genesis = validator(home)
    adopt(config, genesis.document, expected=None)
    with closing(FileGuard(data_paths(config).guard, key_in(config.consensus_key_path))) as guard:
        guard.write(_NOTED)
    return Home(home, genesis, _read(_copy(home, path)))


def files_of(home: Home) -> dict[str, bytes]:
    """Everything but the data directory (`tests.bit_rot.sweep` has that), and what is in it."""
    paths = [path for path in sorted(home.path.rglob("*")) if path.is_file()]
    names = {str(path.relative_to(home.path)): path for path in paths}
    return {name: path.read_bytes() for name, path in names.items() if not name.startswith("data/")}


def judge_home(home: Home, scratch: Path, file: str, damaged: bytes) -> HomeFate:
    """Start on a copy in which `file` has the content `damaged`. Raises `Wrong`."""
    copy = _copy(home.path, scratch)
    (copy / file).write_bytes(damaged)
    try:
        read = _read(copy)
    except (ConfigError, HomeError, IdentityError, LedgerError, StorageError, OSError) as error:
        if not str(error):
            raise Wrong("it does not say why it refuses") from error
        return HomeFate.REFUSED
    if read == home.read:
        return HomeFate.IDENTICAL
    if read.silence is not None:
        return HomeFate.OBSERVER
    if read.consensus is None:
        return HomeFate.OTHERWISE  # without a key it follows
    whole = home.read
    if (read.consensus, read.chain, read.guarded) != (whole.consensus, whole.chain, whole.guarded):
        raise Wrong("it votes with a vote state that is not its own")
    return HomeFate.OTHERWISE


def _read(home: Path) -> _Read:
    """What `node.app` reads at a start. The paths are those that every home has."""
    config = load(home / "node.toml")
    consensus, node = key_in(config.consensus_key_path), key_in(config.node_key_path)
    cosigning = key_in(config.cosigning_key_path)
    assert node is not None
    store, chain = open_home(config)
    with closing(store), closing(FileGuard(data_paths(config).guard, consensus)) as guard:
        silence = None if consensus is None else read_vote_state(chain, guard).silence
        path = Path("home")
        return _Read(
            replace(config, path=path) if config.path == home / "node.toml" else config,
            consensus,
            node,
            cosigning,
            chain.chain,
            guard.read(),
            silence,
        )


def _copy(home: Path, scratch: Path) -> Path:
    copy = scratch / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(home, copy)
    return copy
