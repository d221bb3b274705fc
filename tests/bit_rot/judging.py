"""One start on a directory that may be damaged: what came of it, and whether anything was said that must not be.

The replica is started as `node.app` starts it, told of its peers, of a new transaction, of the time, and of the others'
votes for the block that it has signed for, and asked for all of its blocks. Whatever it reads, serves and signs is held
against the directory that was whole. [safety]
"""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from enum import StrEnum, unique
from pathlib import Path

from ledger import crypto
from ledger.consensus.codec import decode_message
from ledger.consensus.evidence import find_evidence
from ledger.consensus.inputs import Now, PeerId
from ledger.consensus.messages import SignedStatement, TimeoutCertificate
from node.ports import Store
from node.replica import (
    Elapsed,
    Halted,
    PeerConnected,
    PeerMessageReceived,
    Replica,
    Role,
    SendTo,
    SendToAll,
    Submitted,
)
from node.replica.inputs import ReplicaInput
from node.storage import keys
from node.storage.archive import Archive
from node.storage.chain_store import ChainStore
from node.storage.errors import DAMAGE_REMEDY, DamagedError, StorageError
from node.storage.guard import FileGuard
from node.storage.leveldb import open_database
from node.storage.opening import open_chain
from node.storage.promises import Promises
from node.storage.rebuild import CannotRebuildError, SetAside, set_aside
from node.wire import CertifiedBlock, Consensus, FetchRecords, Records, encode
from tests.bit_rot.directory import HEIGHT, VOTER, Made
from tests.unit.ledger.founders import founder

_STARTED_MS = 100_000
_TICK_MS = 100


@unique
class Fate(StrEnum):
    """What became of a start."""

    IDENTICAL = "identical"
    """It reads, says and signs what the whole one does."""
    NOTICED = "damage noticed"
    """It signs what the whole one does, and some of its rows cannot be read: it does not serve them."""
    SHORTER = "shorter"
    """Its newest batches are gone, as if they had never been written, and none of its votes is."""
    OBSERVER = "observer"
    """It signs nothing, and says why."""
    MADE_ANEW = "made anew"
    """It cannot go on with this database: it begins another with all of its votes."""
    REFUSED = "refused"
    """It does not start, and says why and what to do."""


class Wrong(Exception):  # noqa: N818 - it is a verdict
    """Something was read, served or signed that must not be."""


@dataclass(frozen=True, slots=True)
class Whole:
    """What the whole directory gives: its certified blocks, its promises, and what its replica says."""

    blocks: tuple[CertifiedBlock, ...]
    promises: Promises
    frames: tuple[bytes, ...]


def whole(made: Made, scratch: Path) -> Whole:
    """Start on an undamaged copy."""
    copy = _copy(made, scratch)
    with closing(open_database(copy / "database")) as store:
        chain = open_chain(store)
        heights = range(1, chain.tip.header.height + 1)
        blocks = tuple(CertifiedBlock(chain.record(height), chain.envelopes(height)) for height in heights)
        promises = chain.promises(HEIGHT)
        if _rows(store, made) != made.images[-1]:
            raise Wrong("the whole directory is not what was written")
        started = _start(made, copy, chain)
        assert started.halted is None
        return Whole(blocks, promises, started.frames)


def judge(made: Made, truth: Whole, scratch: Path, file: str, damaged: bytes) -> Fate:
    """Start on a copy in which `file` has the content `damaged`. Raises `Wrong`."""
    copy = _copy(made, scratch)
    (copy / file).write_bytes(damaged)
    try:
        store = open_database(copy / "database")
    except DamagedError as error:
        return _begin_again(made, truth, copy, str(error))
    except StorageError as error:
        return _refused(error)
    try:
        rows = _rows(store, made)
        chain = open_chain(store, expected=made.genesis.chain)
        started = _start(made, copy, chain)
    except DamagedError as error:
        store.close()
        return _begin_again(made, truth, copy, str(error))
    except StorageError as error:
        return _refused(error)
    finally:
        store.close()
    _check_said(made, truth, started)
    if started.halted is not None:
        return _begin_again(made, truth, copy, started.halted)
    return _fate(made, truth, started, rows)


def _fate(made: Made, truth: Whole, started: _Started, rows: dict[bytes, bytes] | None) -> Fate:
    if rows is not None and rows not in made.images:
        raise Wrong("its rows are those of no instant, and it did not notice")
    if started.role is not Role.VOTING or started.reason != "its consensus key is in the validator set":
        if started.signed:
            raise Wrong("an observer signs")
        return Fate.OBSERVER
    if started.promises != truth.promises:
        raise Wrong(f"it votes, and its promises are not those that it made: {started.promises}")
    if rows is None:
        return Fate.NOTICED
    if rows == made.images[-1]:
        if started.frames != truth.frames:
            raise Wrong("it has the same rows, and says something else")
        return Fate.IDENTICAL
    return Fate.SHORTER


def _refused(error: Exception) -> Fate:
    if DAMAGE_REMEDY not in str(error):
        raise Wrong(f"it refuses, and does not say what to do: {error}") from error
    return Fate.REFUSED


def _begin_again(made: Made, truth: Whole, copy: Path, reason: str) -> Fate:
    """What `node.app` does after damage: set the database aside, and start on a new one."""
    try:
        set_aside(copy / "database", made.genesis, reason)
    except CannotRebuildError as error:
        return _refused(error)
    with closing(SetAside(copy / "database")) as aside, closing(open_database(copy / "database")) as store:
        chain = open_chain(store, expected=made.genesis.chain)
        started = _start(made, copy, chain, aside.archive)
        _check_said(made, truth, started)
        if started.promises != truth.promises:
            raise Wrong("the database was made anew without all of its votes")
        if any(item.statement.height <= chain.height_before_rebuild() for item in started.signed):
            raise Wrong("it signs again where it had blocks")
    return Fate.MADE_ANEW


def _check_said(made: Made, truth: Whole, started: _Started) -> None:
    """Nothing that was served is not of this chain, and nothing that was signed contradicts anything signed before."""
    for item in started.served:
        if item not in truth.blocks:
            raise Wrong("it serves a block that is not of this chain")
    if find_evidence((*made.said, *started.signed)):
        raise Wrong("it signs what contradicts what it signed before")
    if started.signed and started.promises_at_start != truth.promises:
        raise Wrong("it signs, and does not know all that it signed before")


# ---- a start


@dataclass(frozen=True, slots=True)
class _Started:
    role: Role
    reason: str
    halted: str | None
    frames: tuple[bytes, ...]
    served: tuple[CertifiedBlock, ...]
    signed: tuple[SignedStatement, ...]
    promises_at_start: Promises | None
    promises: Promises | None


def _start(made: Made, copy: Path, chain: ChainStore, archive: Archive | None = None) -> _Started:
    """Start a replica and tell it all that there is to be told."""
    with closing(FileGuard(copy / "guard", founder(VOTER).consensus_key.public_key)) as guard:
        promises = _promises(chain)
        keys_of_voter = founder(VOTER)
        replica = Replica(
            chain=chain,
            guard=guard,
            consensus_key=keys_of_voter.consensus_key,
            node_key=keys_of_voter.node_key,
            cosigning_key=keys_of_voter.cosigning_key,
            verify=crypto.verify,
            now=_now(made, 0),
            archive=archive,
        )
        first = replica.status()
        frames: list[bytes] = []
        served: list[CertifiedBlock] = []
        signed: list[SignedStatement] = []
        halted = None
        for at_ms, item in _inputs(made):
            for action in replica.step([item], _now(made, at_ms)):
                if isinstance(action, Halted):
                    halted = action.reason
                elif isinstance(action, SendTo | SendToAll):
                    frames.append(encode(action.message))
                    if isinstance(action.message, Records):
                        served += action.message.items
                    elif isinstance(action.message, Consensus):
                        signed += _own(action.message)
            if halted is not None:
                break
        return _Started(
            first.role, first.reason, halted, tuple(frames), tuple(served), tuple(signed), promises, promises
        )


def _inputs(made: Made) -> list[tuple[int, ReplicaInput]]:
    """Milliseconds since the start, and what is told."""
    peers = [PeerId(founder(index).node_key.public_key.hex()) for index in range(4) if index != VOTER]
    inputs: list[tuple[int, ReplicaInput]] = [(0, Elapsed())]
    inputs += [(1, PeerConnected(peer)) for peer in peers]
    inputs += [(2, Submitted(1, (made.submission.envelope,)))]
    inputs += [(number * _TICK_MS, Elapsed()) for number in (1, 2)]
    inputs += [(2 * _TICK_MS + 1, PeerMessageReceived(peers[0], FetchRecords(height, 1))) for height in (1, 2)]
    for sender, message in made.votes:
        inputs.append((2 * _TICK_MS + 2, PeerMessageReceived(peers[sender], message)))
    inputs += [(number * _TICK_MS, Elapsed()) for number in (3, 8, 20)]
    return inputs


def _own(message: Consensus) -> list[SignedStatement]:
    decoded = decode_message(message.payload)
    if isinstance(decoded, TimeoutCertificate) or decoded.validator != VOTER:
        return []
    return [SignedStatement(decoded.statement, decoded.validator, decoded.signature)]


def _now(made: Made, since_start_ms: int) -> Now:
    return Now(_STARTED_MS + since_start_ms, made.genesis.time_ms + _STARTED_MS + since_start_ms)


def _promises(chain: ChainStore) -> Promises | None:
    try:
        return chain.promises(HEIGHT)
    except DamagedError:
        return None


def _rows(store: Store, made: Made) -> dict[bytes, bytes] | None:
    """All rows, or None when some cannot be read: then those that can, one by one, must be true."""
    with suppress(DamagedError):
        return dict(store.range(b"", b"\xff"))
    written: dict[bytes, set[bytes]] = {}
    for image in made.images:
        for key, value in image.items():
            written.setdefault(key, set()).add(value)
    for key, values in written.items():
        try:
            value = store.get(key)
        except DamagedError:
            continue
        if value is None and key in made.images[-1] and key != keys.OWN_COSIGNATURE:
            raise Wrong(f"the row {key!r} is missing, and nothing says so")
        if value is not None and value not in values:
            raise Wrong(f"the row {key!r} is not what was written")
    return None


def _copy(made: Made, scratch: Path) -> Path:
    copy = scratch / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(made.path, copy)
    return copy
