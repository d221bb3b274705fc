"""The rows of the state trie: kept, dropped or told apart wrongly. No hash shows it."""

from __future__ import annotations

from ledger import trie_nodes, trie_update
from node.storage import check, upgrading
from tests.mutants.killers import Suite
from tests.mutants.mutant import Change, Mutant

_ROWS = "unit/ledger/test_trie_rows.py::"
_HISTORY = Suite(_ROWS + "test_any_history_leaves_the_rows_of_its_state_and_no_others")
_SMALLER = Suite(_ROWS + "test_smaller_pages_leave_no_others_either")

MUTANTS = (
    Mutant(
        "a branch with as many leaves as a page may have stays one",
        (Change(trie_nodes, "fits_a_page", "<= PAGE_LEAVES_MAX", "< PAGE_LEAVES_MAX"),),
        (_SMALLER, Suite(_ROWS + "test_the_largest_page_is_one_row_and_one_leaf_more_makes_a_branch")),
    ),
    Mutant(
        "a branch goes on saying that its child is what it was before",
        (
            Change(
                trie_update,
                "Update._into_branch",
                "PLACE.pack_into(row, at, kind, self._version)",
                "PLACE.pack_into(row, at, row[at], self._version)",
            ),
        ),
        (_HISTORY, _SMALLER),
    ),
    Mutant(
        "a page that another takes in is left",
        (Change(trie_update, "Update._leaves_below", "self.stale.append((version, below))", "pass"),),
        (_HISTORY, _SMALLER),
    ),
    Mutant(
        "a state that lacks keys is taken for whole",
        (Change(check, "check_state", "!= count", "< count"),),
        (Suite("unit/node/storage/test_state_check.py"),),
    ),
    Mutant(
        "an upgraded database is not held against its newest header",
        (Change(upgrading, "_make_trie_anew", "root.hash != state_root", "False"),),
        (Suite("unit/node/storage/test_upgrading.py"),),
    ),
)
