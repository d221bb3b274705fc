"""What an audit has found so far, in one SQLite file: it resumes, and its memory does not grow with the chain.

It is a `ledger.audit.AuditedChain`. Blocks are taken in memory and written in batches, each with the newest audited
block as its mark: whatever ends the process, the file is as it was after some audited block, and the audit goes on
from there. Rows are cached within bounds.

**What a file is worth that somebody else may have changed.** It is the auditor's own, and is opened by one process at
a time; nevertheless `verify` asks it for all that it can prove: the commit record of its newest block is verified
along the trail of validator sets from the pinned genesis, every row of state is proved against the state root in that
header, and the log's frontier against its log root. So without the keys of a quorum nobody can make an audit go on
from a block that the chain does not have, or from another state than that block's. What remains is the claim that the
blocks below were audited, and which transaction ids, still valid, they had.

An id is kept only while its transaction could be in a block: until ledger time is past its `valid_until`, which is part
of what the id is the hash of.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ledger.block import block_hash, encode_header, header_from_json
from ledger.chain import CandidateBlock, Tip
from ledger.consensus.codec import decode_commit_record
from ledger.crypto import Verify
from ledger.encoding import Json, decode, decode_object, encode_trusted, expect_integer, expect_list
from ledger.errors import LedgerError, MalformedError
from ledger.genesis import Genesis, genesis_block
from ledger.id_filter import IdFilter
from ledger.limits import AUDIT_CACHE_BYTES_MAX, AUDIT_UNWRITTEN_ROWS_MAX, KIB, LOG_PATH_MAX, MIB, RECORD_BYTES_MAX
from ledger.merkle import Frontier
from ledger.primitives import DIGEST_BYTES, ZERO_DIGEST, Digest, parse_digest, successor
from ledger.row_cache import UNKNOWN, RowCache, Unknown
from ledger.rows.settings import VALIDATORS_KEY, parse_validators_row
from ledger.state import State, StateView
from ledger.trail import SetChange, anchor_of, follow_trail, parse_trail, verify_at_height
from ledger.trie import TrieRoot, check_proof, count_keys, prove

_APPLICATION_ID: Final = 0x71615364  # in the header of the file (SQLite's PRAGMA application_id)
_FORMAT: Final = 2
_MARK_BYTES_MAX: Final = 1 * MIB

_MARK, _RECORD = b"mmark", b"mrecord"
_STATE, _TRIE, _ID, _SET_CHANGE = b"v", b"t", b"x", b"q"
"""What keys start with. A trie row follows its version (u64) and path, a change of the validator set its height."""

_PUT: Final = "INSERT OR REPLACE INTO row VALUES (?, ?)"
_IDS_BETWEEN_PURGES: Final = 200_000


class AuditStateError(Exception):
    """The file is not the state of this audit, or cannot be used. The message is for people."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an audit is: the height, whether it came to its end there, and a digest of all that it read of a file."""

    height: int
    finished: bool
    fingerprint: Digest


class AuditStore:
    """The state of one audit of one source (a node's URL, or the path of an export).

    Every method but `close` raises `AuditStateError` when the file cannot be read or written.
    """

    def __init__(self, path: Path, genesis: Genesis, source: str) -> None:
        """Open the file, or make it. Raises `AuditStateError`: in use, of another audit, or damaged."""
        self._genesis = genesis
        self._source = source
        self._unwritten: dict[bytes, bytes | None] = {}  # rows but those of ids, which are most, and never read by key
        self._unwritten_ids: dict[Digest, bytes] = {}
        self._cache = RowCache(AUDIT_CACHE_BYTES_MAX)
        self._ids = IdFilter()
        self._ids_since_purge = 0
        self._record = b""
        self.progress = Progress(-1, False, ZERO_DIGEST)
        self._path = path
        with self._failures():
            self._database = _open(path)
        self._state = _State(self)
        try:
            with self._failures():
                mark = self._select(_MARK)
                if mark is None:
                    self._begin()
                else:
                    self._resume(mark)
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file; what was not written is lost, and the audit goes on from the last `write`."""
        self._database.close()

    # ---- a `ledger.audit.AuditedChain`

    @property
    def tip(self) -> Tip:
        """The newest audited block."""
        return self._tip

    @property
    def state(self) -> StateView:
        """The state after it."""
        return self._state

    @property
    def typed_state(self) -> State:
        """The state after it."""
        return State(self._state)

    def transaction_committed(self, transaction_id: Digest) -> bool:
        """Whether a transaction with this id, which could otherwise be in the next block, is in an audited one."""
        if not self._ids.may_have(transaction_id):
            return False
        return transaction_id in self._unwritten_ids or self._select(_ID + transaction_id) is not None

    def trie_node(self, version: int, path: bytes) -> bytes | None:
        """The row of the state trie written at (version, path), or None."""
        return self.get(_trie_key(version, path))

    def commit(self, block: CandidateBlock, record: bytes, signers: Sequence[str]) -> None:
        """Append `block`, in memory."""
        unwritten, height = self._unwritten, block.header.height
        for key, value in block.writes.items():
            unwritten[_STATE + key] = value
        for version, path in block.trie.stale:
            if unwritten.pop(_trie_key(version, path), None) is None:  # else it came and went between two writes
                unwritten[_trie_key(version, path)] = None
        for path, row in block.trie.new_nodes:
            unwritten[_trie_key(height, path)] = row
        for transaction in block.transactions:
            self._unwritten_ids[transaction.id] = _u64(transaction.body.valid_until_ms)
        self._ids.add(b"".join([transaction.id for transaction in block.transactions]))
        self._ids_since_purge += len(block.transactions)
        if block.header.next_validators_hash != block.header.validators_hash:
            unwritten[_SET_CHANGE + _u64(height)] = _set_change(block, record)
        self._tip, self._record = block.tip(), record

    # ---- its file

    @property
    def crowded(self) -> bool:
        """Whether it is time to `write`."""
        return len(self._unwritten) + len(self._unwritten_ids) >= AUDIT_UNWRITTEN_ROWS_MAX

    def write(self, fingerprint: Digest, *, finished: bool = False) -> None:
        """Write everything, all or nothing: an audit that is ended by whatever goes on from here."""
        header = self._tip.header
        mark: dict[str, Json] = {
            "chain": header.chain.hex(),
            "source": self._source,
            "header": header.to_json(),
            "log": [item.hex() for item in self._tip.log.hashes],
            "trie_version": self._tip.trie_root.version,
            "fingerprint": fingerprint.hex(),
            "finished": finished,
        }
        rows = self._unwritten
        keys = sorted(rows)
        with self._failures(), self._database as database:  # which ends the transaction, either way
            database.execute("BEGIN IMMEDIATE")
            database.executemany("DELETE FROM row WHERE key = ?", ((key,) for key in keys if rows[key] is None))
            kept = ((key, rows[key]) for key in keys if rows[key] is not None)
            database.executemany(_PUT, kept)
            database.executemany(_PUT, ((_ID + name, until) for name, until in sorted(self._unwritten_ids.items())))
            database.executemany(_PUT, ((_MARK, encode_trusted(mark)), (_RECORD, self._record)))
            if self._ids_since_purge >= _IDS_BETWEEN_PURGES:
                expired = (_ID, successor(_ID), _u64(header.time_ms))
                database.execute("DELETE FROM row WHERE key >= ? AND key < ? AND value <= ?", expired)
        if self._ids_since_purge >= _IDS_BETWEEN_PURGES:
            self._ids_since_purge = 0
        for key, value in self._unwritten.items():
            if value is None and key.startswith(_TRIE):
                self._cache.forget(key)  # which nothing leads to any more
            else:
                self._cache.put(key, value)
        self._unwritten, self._unwritten_ids = {}, {}
        self.progress = Progress(header.height, finished, fingerprint)

    def get(self, key: bytes) -> bytes | None:
        """The row of `key`, or None."""
        row = self._unwritten.get(key, UNKNOWN)
        if row is UNKNOWN:
            row = self._cache.get(key)
            if row is UNKNOWN:
                row = self._select(key)
                self._cache.put(key, row)
        assert not isinstance(row, Unknown)
        return row

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs with start <= key < stop, in order."""
        assert not self._unwritten, "only read where everything is written"
        assert not self._unwritten_ids, "likewise"
        with self._failures(), closing(self._database.cursor()) as cursor:
            found = cursor.execute("SELECT key, value FROM row WHERE key >= ? AND key < ? ORDER BY key", (start, stop))
            for key, value in found:
                yield _bytes(key), _bytes(value)

    def verify(self, verify_signature: Verify) -> None:
        """Hold what the file says against the pinned genesis, as far as the module's docstring says that it can be.

        Raises `AuditStateError`.
        """
        tip, header = self._tip, self._tip.header
        try:
            if header.height:
                anchor = anchor_of(self._genesis)
                in_force = follow_trail(tuple(self._trail()), anchor, header.height, verify_signature)
                record = decode_commit_record(self._record)
                verify_at_height(record, anchor, header.height, in_force.validators, verify_signature)
                _demand(record.header == tip.header_bytes, "its newest block is not the one that was signed")
            else:
                _demand(tip == genesis_block(self._genesis).tip, "its newest block is not that of genesis")
            _demand(tip.log.size.bit_count() == len(tip.log.hashes), "its log is none")
            _demand(tip.log.root() == header.log_root, "its log is not that of its newest block")
            keys, in_trie = 0, count_keys(tip.trie_root, self.trie_node)
            for key, value in self._state.range(b"", b"\xff"):
                keys += 1
                proof = prove(tip.trie_root, key, self.trie_node)
                _demand(
                    check_proof(header.state_root, key, value, proof), f"its row of {key!r} is not that of the state"
                )
            _demand(keys == in_trie, f"it has {keys} rows of state, and the state has {in_trie}")
        except LedgerError as error:
            raise AuditStateError(str(error)) from None

    def _trail(self) -> Iterator[SetChange]:
        """Each change of the validator set below the newest block, with the set that it put in force."""
        for _, value in self.range(_SET_CHANGE, _SET_CHANGE + _u64(self._tip.header.height)):
            what = "a change of the validator set"
            yield from parse_trail([decode(value, bytes_max=2 * RECORD_BYTES_MAX, what=what)])

    def _begin(self) -> None:
        """Start from genesis."""
        first = genesis_block(self._genesis)
        self._unwritten |= {_STATE + key: value for key, value in self._genesis.state.items()}
        self._unwritten |= {_trie_key(0, path): row for path, row in first.trie.new_nodes}
        self._tip = first.tip
        self.write(ZERO_DIGEST)

    def _resume(self, mark: bytes) -> None:
        """Go on from what was written. Raises `AuditStateError`."""
        try:
            fields = decode_object(mark, bytes_max=_MARK_BYTES_MAX, what="its mark")
            header = header_from_json(fields.get("header"))
            log = expect_list(fields.get("log"), what="log", items_max=LOG_PATH_MAX)
            self.progress = Progress(
                header.height, fields.get("finished") is True, parse_digest(fields.get("fingerprint"), "fingerprint")
            )
            header_bytes = encode_header(header)
            frontier = Frontier(header.log_size, tuple(parse_digest(item, "log") for item in log))
            root = TrieRoot(expect_integer(fields.get("trie_version"), what="trie version"), header.state_root)
            self._tip = Tip(header, header_bytes, block_hash(header_bytes), frontier, root)
        except MalformedError as error:
            raise AuditStateError(str(error)) from None
        if fields.get("chain") != self._genesis.chain.hex():
            raise AuditStateError(f"it is of an audit of another chain, {fields.get('chain')}")
        if fields.get("source") != self._source:
            raise AuditStateError(f"it is of an audit of {fields.get('source')}")
        self._record = self._select(_RECORD) or b""
        for key, _ in self.range(_ID, successor(_ID)):
            name = key.removeprefix(_ID)
            _demand(len(name) == DIGEST_BYTES, f"its row of {key!r} is none of ours")
            self._ids.add(name)

    def _select(self, key: bytes) -> bytes | None:
        with self._failures():
            found = self._database.execute("SELECT value FROM row WHERE key = ?", (key,)).fetchone()
        return None if found is None else _bytes(found[0])

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """What SQLite raises as an `AuditStateError`."""
        try:
            yield
        except sqlite3.Error as error:
            raise AuditStateError(f"SQLite says: {error}") from error


class _State:
    """The state after the newest audited block (a `ledger.state.StateView`)."""

    def __init__(self, store: AuditStore) -> None:
        self._store = store

    def get(self, key: bytes) -> bytes | None:
        return self._store.get(_STATE + key)

    def range(self, start: bytes, stop: bytes) -> Iterator[tuple[bytes, bytes]]:
        for key, value in self._store.range(_STATE + start, _STATE + stop):
            yield key[len(_STATE) :], value


def remove_state(path: Path) -> None:
    """Remove the file of an audit, if there is one, and what SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _open(path: Path) -> sqlite3.Connection:
    """The database at `path`, made if it is not there, for this process alone."""
    database = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        database.execute("PRAGMA locking_mode = EXCLUSIVE")
        (application_id,) = database.execute("PRAGMA application_id").fetchone()
        (version,) = database.execute("PRAGMA user_version").fetchone()
        (tables,) = database.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if application_id != _APPLICATION_ID and (tables or application_id):
            raise AuditStateError("it is no state of an audit")
        # A commit survives the death of the process at once; the power, from the next checkpoint of SQLite's log on.
        # What a power cut takes is the newest commits: the audit goes on from an earlier block.
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute(f"PRAGMA cache_size = -{AUDIT_CACHE_BYTES_MAX // KIB}")
        database.execute("BEGIN EXCLUSIVE")
        if not tables:
            database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            database.execute(f"PRAGMA user_version = {_FORMAT}")
            database.execute("CREATE TABLE row (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID")
        elif version != _FORMAT:
            raise AuditStateError(f"it has format {version}; this software knows {_FORMAT}")
        database.execute("COMMIT")
    except BaseException:
        database.close()
        raise
    return database


def _set_change(block: CandidateBlock, record: bytes) -> bytes:
    """The step of the trail that `block` makes."""
    validators = block.writes[VALIDATORS_KEY]
    assert validators is not None, "the set is never removed"
    return encode_trusted(SetChange(decode_commit_record(record), parse_validators_row(validators)).to_json())


def _bytes(value: object) -> bytes:
    """What SQLite has found. Raises `AuditStateError` when it is nothing that we write."""
    if not isinstance(value, bytes):
        raise AuditStateError("it has a row that is none of ours")
    return value


def _trie_key(version: int, path: bytes) -> bytes:
    return _TRIE + _u64(version) + path


def _u64(number: int) -> bytes:
    return number.to_bytes(8, "big")


def _demand(holds: bool, otherwise: str) -> None:
    """Raise `AuditStateError`, saying what is wrong with the file, unless something `holds`."""
    if not holds:
        raise AuditStateError(otherwise)
