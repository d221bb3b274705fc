"""A validator's data directory as a power cut leaves it in the middle of a height, made by the production replica.

Four validators decide two blocks. The third one leads height 3: it has proposed a block and signed for it, and has not
heard of the others' votes. Its rows stand in two tables and in the log, its votes in the log and in the guard file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

from ledger.consensus.codec import decode_message
from ledger.consensus.messages import PrepareVote, SignedStatement
from ledger.genesis import Genesis
from ledger.transaction import Transaction
from node.ports import GuardRecord
from node.storage.guard import FileGuard, MemoryGuard, create_guard
from node.storage.leveldb import create_database, open_database
from node.storage.memory import MemoryStore
from node.storage.opening import create_chain
from node.wire import Consensus, PeerMessage
from tests.unit.ledger.founders import founder
from tests.unit.node.replica.cluster import BASE_TIMEOUT_MS, Cluster

VOTER = 3
"""Whose directory it is; it leads the height that is being decided."""

HEIGHT = 3
"""The height that is being decided."""

_BLOCKS = HEIGHT - 1


class _WrittenThrough(MemoryStore):
    """A store in memory whose batches go to LevelDB, too, and that remembers what it was after each."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._database = create_database(path)
        self.images: list[dict[bytes, bytes]] = [{}]

    def write(self, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool) -> None:
        """See `MemoryStore.write`."""
        super().write(puts, deletes, sync=sync)
        self._database.write(puts, deletes, sync=sync)
        image = {key: value for key, value in self.images[-1].items() if key not in deletes}
        self.images.append({**image, **puts})

    def begin_table(self) -> None:
        """What is in the log becomes a table."""
        self._database.close()
        self._database = open_database(self._path)

    def finish(self) -> None:
        """Leave the files as they are."""
        self._database.close()


class _WrittenThroughGuard(MemoryGuard):
    def __init__(self, guard: FileGuard) -> None:
        super().__init__()
        self._file = guard

    def write(self, record: GuardRecord) -> None:
        """See `MemoryGuard.write`."""
        super().write(record)
        self._file.write(record)


@dataclass(frozen=True, slots=True)
class Made:
    """A whole directory and what is known of it.

    `path` has `database` and `guard`; `images` are its rows after each batch, the last ones as they are now; `said` is
    everything its validator ever signed; `votes` are the others' votes for its block, which it has not heard;
    `submission` is a transaction that nobody has seen.
    """

    path: Path
    genesis: Genesis
    images: tuple[dict[bytes, bytes], ...]
    said: tuple[SignedStatement, ...]
    votes: tuple[tuple[int, Consensus], ...]
    submission: Transaction


@cache
def made() -> Made:
    """The directory, made once for each process."""
    path = Path(mkdtemp(prefix="bit-rot-", dir=_fast_directory()))
    cluster = Cluster(4)
    node = cluster.nodes[VOTER]
    cluster.stop(node)
    store = _WrittenThrough(path / "database")
    guard = create_guard(path / "guard", founder(VOTER).consensus_key.public_key)
    create_chain(store, cluster.genesis)
    store.begin_table()
    node.store, node.guard = store, _WrittenThroughGuard(guard)
    cluster.start(node)
    for _ in range(_BLOCKS):
        sent = cluster.submit_one(cluster.nodes[0])
        cluster.run_until(lambda one=sent: cluster.committed(one), within_ms=20 * BASE_TIMEOUT_MS)  # type: ignore[misc]
        cluster.run(1_500)  # and cosigned
        if node.height < _BLOCKS:
            store.begin_table()
    votes: list[tuple[int, Consensus]] = []

    def tap(sender: int, receiver: int, message: PeerMessage) -> None:
        if receiver == VOTER and isinstance(message, Consensus) and message.height == HEIGHT:
            votes.append((sender, message))

    cluster.taps.append(tap)
    cluster.deliver = lambda sender, receiver, message: receiver != VOTER
    cluster.submit_one(node)
    cluster.run(20)
    assert node.height == _BLOCKS
    prepares = [(sender, item) for sender, item in votes if isinstance(decode_message(item.payload), PrepareVote)]
    assert len(prepares) == 3
    said = [SignedStatement(item.statement, item.validator, item.signature) for item in node.votes()]
    assert any(item.statement.height == HEIGHT for item in said)
    submission = cluster.transaction()
    store.finish()
    guard.close()
    return Made(path, cluster.genesis, tuple(store.images), tuple(said), tuple(prepares), submission)


def _fast_directory() -> str | None:
    """Where files are in memory, if there is such a place: a start syncs often."""
    shared = Path("/dev/shm")
    return str(shared) if shared.is_dir() else None
