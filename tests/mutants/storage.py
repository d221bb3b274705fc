"""What is durable, and what is believed of a disk, broken."""

from __future__ import annotations

from node.storage import bodies, chain_store, guard, leveldb, promises, replacing, state_rows
from tests.mutants.killers import CrashPoints, Simulated, Suite
from tests.mutants.mutant import Change, Mutant

_CHAIN_STORE = "unit/node/storage/test_chain_store.py::"

MUTANTS = (
    Mutant(
        "votes are written and not synced",
        (Change(chain_store, "ChainStore.promise", "sync=True", "sync=False"),),
        (Simulated(("durability",)),),
        rows=(1, 3),
    ),
    Mutant(
        "A4a: blocks are written and not synced",
        (Change(chain_store, "ChainStore.commit", "sync=True", "sync=False"),),
        (Simulated(("durability",)),),
        rows=(27,),
    ),
    Mutant(
        "the guard is not written",
        (Change(guard, "MemoryGuard.write", "self.writes += 1", "return"),),
        (Simulated(("durability",)),),
        rows=(3,),
    ),
    Mutant(
        "a committed id may be used again",
        (Change(chain_store, "ChainStore.transaction_committed", "return ", "return False and "),),
        (Simulated(("audit", "progress", "reputation")),),  # or a repair of the block whose index rows it took
    ),
    Mutant(
        "a state key that was written since the start has no row",
        (Change(state_rows, "CurrentState.write", "self._known.add(writes)", "pass"),),
        (Suite("unit/node/storage/test_state_rows.py"), Simulated(("audit", "progress"))),
    ),
    Mutant(
        "half a slot of the guard is taken for whole",
        (Change(guard, "_decode", "if slot[_SLOT.size :] != ", "if False and slot[_SLOT.size :] != "),),
        (Suite("unit/node/storage/test_guard.py"),),
        rows=(4,),
    ),
    Mutant(
        "a torn or damaged log is read as far as it goes",
        (Change(leveldb, "_open", "paranoid_checks=True", "paranoid_checks=False"),),
        (Suite("unit/node/storage/test_leveldb_damage.py::test_a_flipped_bit_in_the_log_is_noticed_at_opening"),),
        rows=(1, 4),
    ),
    Mutant(
        "state and block are written one after the other",
        (
            Change(
                chain_store,
                "ChainStore.commit",
                ("    self._store.write(batch.puts, frozenset(batch.deletes), sync=True)\n"),
                (
                    "    tip = {keys.TIP: batch.puts.pop(keys.TIP)}\n"
                    "    self._store.write(tip, frozenset(batch.deletes), sync=True)\n"
                    "    self._store.write(batch.puts, sync=True)\n"
                ),
            ),
        ),
        (Suite(_CHAIN_STORE + "test_a_crash_in_a_write_leaves_all_of_it_or_nothing"),),
        rows=(19,),
    ),
    Mutant(
        "a vote is in another batch than what it promises",
        (
            Change(
                chain_store,
                "ChainStore.promise",
                "    self._store.write(batch.puts, sync=True)\n",
                (
                    "    payloads = {message.payload for message in promises.messages}\n"
                    "    own = {key: value for key, value in batch.puts.items() if value in payloads}\n"
                    "    self._store.write(own, sync=True)\n"
                    "    rest = {key: value for key, value in batch.puts.items() if key not in own}\n"
                    "    self._store.write(rest, sync=True)\n"
                ),
            ),
        ),
        (CrashPoints(("durability",)),),
        rows=(19,),
    ),
    Mutant(
        "a block is judged by the state before the tip",
        (
            Change(
                chain_store,
                "ChainStore.commit",
                "block.tip(), block, State(self._state)",
                "block.tip(), block, self._typed_state",
            ),
        ),
        (
            Suite(_CHAIN_STORE + "test_what_was_decoded_of_the_tip_is_shared_until_the_next_block"),
            Suite("unit/node/replica/test_set_changes.py"),
        ),
    ),
    Mutant(
        "a row of gigabytes is unpacked",
        (Change(bodies, "_decompress", "not 0 <= zstandard.frame_content_size(row) <= BODY_CHUNK_BYTES_MAX", "False"),),
        (Suite("unit/node/storage/test_bodies.py::test_a_row_that_says_it_is_huge_makes_no_room_for_it"),),
    ),
    Mutant(
        "what stands behind a compressed body is passed over",
        (Change(bodies, "_decompress", "allow_extra_data=False", "allow_extra_data=True"),),
        (Suite("unit/node/storage/test_bodies.py::test_a_row_that_is_no_chunk_is_damage"),),
    ),
    Mutant(
        "the bodies of an older format are damage",
        (Change(bodies, "_decompress", "return row", "raise DamagedError"),),
        (
            Suite("unit/node/storage/test_bodies.py::test_a_row_that_a_format_before_this_one_wrote_is_read_as_it_is"),
            Suite("unit/node/storage/test_upgrading.py"),
        ),
    ),
    Mutant(
        "a failed sync is tried again",
        (Change(leveldb, "LevelDBStore.write", "self._refuse_after_failure()", "pass"),),
        (Suite("unit/node/storage/test_leveldb_damage.py::test_the_first_failed_write_is_the_last"),),
        rows=(1,),
    ),
    Mutant(
        "a damaged record is served",
        (Change(chain_store, "ChainStore.record", "if not self._records.knows(height, record):", "if False:"),),
        (Suite(_CHAIN_STORE + "test_a_certificate_with_a_false_signature_is_found"),),
    ),
    Mutant(
        "what a peer puts back may be another block",
        (Change(replacing, "replace_block", "if block_hash(record.header) != committed:", "if False:"),),
        (Suite("unit/node/storage/test_replacing.py::test_nothing_else_is_taken_and_nothing_is_written"),),
    ),
    Mutant(
        "a signed message may be replaced",
        (
            Change(
                promises,
                "promise_rows",
                "assert signed is None or signed == message.payload",
                "assert True or signed == message.payload",
            ),
        ),
        (Suite(_CHAIN_STORE + "test_signing_something_else_in_the_same_round_is_a_bug"),),
        rows=(2,),
    ),
)
