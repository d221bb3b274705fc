"""Seeds whose honest machines have LevelDB and guard files, and verify every signature themselves: Ed25519, each time.

Small networks and short runs: what is asked here is whether the disk of all other runs is like a real one, and whether
anything goes on differently where nothing is remembered between machines.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from node.storage.leveldb import LevelDBStore
from tests.simulation.plan import Plan
from tests.simulation.real_disk import real_machines
from tests.simulation.run import run
from tests.simulation.violation import Violation

CHUNK = 10
SEEDS = (((1, 1), 20), ((2, 2), 60), ((3, 2), 80), ((4, 3), 40))
CHUNKS = [(n, q, first) for (n, q), count in SEEDS for first in range(0, count, CHUNK)]


def short(plan: Plan) -> Plan:
    """What is left of a plan: damage is done to rows of the model, and to files by tests of their own."""
    return replace(plan, safety_ms=min(plan.safety_ms, 1_000), damage=(), cut_rate=max(plan.cut_rate, 0.01))


@pytest.mark.parametrize(("n", "q", "first"), CHUNKS)
def test_nothing_is_violated_on_real_files(n: int, q: int, first: int, tmp_path: Path) -> None:
    cuts = 0
    for seed in range(first, first + CHUNK):
        home = tmp_path / str(seed)
        home.mkdir()
        try:
            with real_machines(home):
                cuts += run(seed, n=n, q=q, adjust=short).cuts
        except Violation as violation:
            pytest.fail(f"seed {seed} with n={n}, q={q}: {violation}")
    assert cuts > 0


def test_files_that_lose_a_row_are_found_out(tmp_path: Path) -> None:
    write = LevelDBStore.write

    def forget(
        store: LevelDBStore, puts: Mapping[bytes, bytes], deletes: frozenset[bytes] = frozenset(), *, sync: bool
    ) -> None:
        write(store, {key: value for key, value in puts.items() if not key.startswith(b"s")}, deletes, sync=sync)

    found_out = pytest.raises(Violation, match="other rows than were written")
    with patch.object(LevelDBStore, "write", forget), found_out, real_machines(tmp_path):
        run(0, n=1, q=1, adjust=short)
