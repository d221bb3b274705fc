"""Bit rot: one byte of a node's directory is flipped, and the node reads, serves and signs nothing wrong. [safety]

Here is a part: all bytes of CURRENT and MANIFEST, every third of guard and log, every TABLE_EVERY-th of the tables, and
every HOME_EVERY-th of the files beside the data. All bytes of the data directory are a campaign:
`scripts/simulate --campaign bit-rot`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest

from node.replica import replica
from node.replica.opening import VoteState, read_vote_state
from node.storage import leveldb
from node.storage.chain_store import ChainStore
from node.storage.errors import DamagedError
from tests.bit_rot.directory import made
from tests.bit_rot.home_files import HomeFate, judge_home, make_home
from tests.bit_rot.home_files import files_of as files_of_home
from tests.bit_rot.judging import Fate
from tests.bit_rot.sweep import Flip, files_of, kind_of, run_flips
from tests.campaigns.campaign import Outcome

TABLE_EVERY = 11
HOME_EVERY = 13


def of_kind(kind: str, every: int = 1) -> list[Flip]:
    """Both flips of every so many bytes of the files of a kind."""
    return [
        Flip(file, position, mask)
        for file, data in files_of(made()).items()
        if kind_of(file) == kind
        for position in range(0, len(data), every)
        for mask in (0xFF, 1 << position % 8)
    ]


def shown(outcome: Outcome) -> dict[str, int]:
    """The fates, printed for who reads the output."""
    print(", ".join(f"{name} {count}" for name, count in outcome.counts.items()))
    assert outcome.violations == ()
    return dict(outcome.counts)


def fates(outcome: Outcome) -> set[Fate]:
    return {Fate(name.partition(": ")[2]) for name in shown(outcome) if ": " in name}


def test_a_flipped_byte_of_the_guard_costs_nothing() -> None:
    """The other slot is whole, and the database has the vote of the newest."""
    assert fates(run_flips(of_kind("guard", 3))) == {Fate.IDENTICAL}


@pytest.mark.parametrize("kind", ["MANIFEST", "CURRENT"])
def test_every_flipped_byte_of_what_names_the_files_is_refused(kind: str) -> None:
    assert fates(run_flips(of_kind(kind))) == {Fate.REFUSED}


def test_a_flipped_byte_of_the_log_is_refused_or_makes_an_observer() -> None:
    assert fates(run_flips(of_kind("log", 3))) <= {Fate.REFUSED, Fate.OBSERVER}


def test_a_flipped_byte_of_a_table_is_noticed_by_whoever_reads_it() -> None:
    assert fates(run_flips(of_kind("table", TABLE_EVERY))) <= set(Fate) - {Fate.SHORTER}


# ---- the judge itself


def _lengths_in_log() -> list[Flip]:
    """Flips of the lengths of records: LevelDB takes what follows for a write that was cut off."""
    flips = []
    for file, data in files_of(made()).items():
        position = 0
        while kind_of(file) == "log" and position + 7 <= len(data):
            flips += [Flip(file, position + 5, 1 << bit) for bit in range(4, 8)]
            position += 7 + int.from_bytes(data[position + 4 : position + 6], "little")
    return flips


def test_a_log_whose_end_is_lost_makes_an_observer() -> None:
    assert Fate.OBSERVER in fates(run_flips(_lengths_in_log()))


def _believes_the_database(chain: ChainStore, guard: object, silenced: str | None = None) -> VoteState:
    """`read_vote_state` without a guard."""
    return VoteState(None, chain.newest_promised_height() or 0)


def test_a_node_that_does_not_look_at_its_guard_is_found_out() -> None:
    with patch.object(replica, "read_vote_state", _believes_the_database):
        assert run_flips(_lengths_in_log()).violations
    assert replica.read_vote_state is read_vote_state


def test_rows_that_are_not_verified_are_found_out() -> None:
    """Without LevelDB's checksums of blocks and ours of rows, wrong values are read."""
    get = leveldb.LevelDBStore.get

    def unverified(self: leveldb.LevelDBStore, key: bytes) -> bytes | None:
        try:
            row = self._database.get(key, verify_checksums=False)
        except leveldb.plyvel.Error as error:  # such as a block that cannot be decompressed
            raise DamagedError(str(error)) from error
        return None if row is None else row[:-4]

    with patch.object(leveldb.LevelDBStore, "get", unverified):
        assert run_flips(of_kind("table", 97)).violations
    assert leveldb.LevelDBStore.get is get


# ---- the files beside the data


def test_flipped_bytes_of_the_other_files_make_no_fresh_voter() -> None:
    counts: Counter[str] = Counter()
    with TemporaryDirectory(dir=made().path.parent) as scratch:
        home = make_home(Path(scratch))
        for file, data in files_of_home(home).items():
            for position in range(0, len(data), HOME_EVERY):
                for mask in (0xFF, 1 << position % 8):
                    damaged = bytearray(data)
                    damaged[position] ^= mask
                    counts[f"{file}: {judge_home(home, Path(scratch), file, bytes(damaged))}"] += 1
    print(", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    found = {name.partition(": ")[2] for name in counts}
    assert {HomeFate.IDENTICAL, HomeFate.REFUSED, HomeFate.OBSERVER} <= found
