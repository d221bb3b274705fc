"""`quorum-node export` and `import`: a chain goes out as a file, and comes back as the same database."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from ledger.consensus.codec import encode_commit_record
from ledger.state import State
from node.commands.options import load_config
from node.home import open_home
from node.storage import keys
from node.storage.bodies import pack_chunk, read_chunk
from node.storage.chain_store import ChainStore
from tests.unit.ledger.exporting import eventful_chain, export_of, export_with, lines_of
from tests.unit.ledger.sample_chain import MemoryChain, sample_chain
from tests.unit.node.commands.operators import assert_refused, quorum_node


@pytest.fixture(scope="module")
def chain() -> MemoryChain:
    return eventful_chain()


def home_of(home: Path, chain: MemoryChain) -> Path:
    """The home of a follower at the chain's genesis."""
    genesis = home.parent / "genesis.json"
    genesis.write_bytes(chain.genesis.document)
    assert quorum_node("init", "--follower", "--home", home).code == 0
    assert quorum_node("genesis", "adopt", genesis, "--home", home, "--hash", chain.genesis.chain.hex()).code == 0
    return home


@contextmanager
def opened(home: Path) -> Iterator[ChainStore]:
    """The stopped node's chain."""
    store, chain = open_home(load_config(home))
    with closing(store):
        yield chain


def fill(home: Path, chain: MemoryChain) -> None:
    """Append all blocks of the chain, as the node's replica does."""
    with opened(home) as stored:
        for record, block in chain.blocks:
            validators = State(stored.state).validators().validators
            signers = tuple(validators[item.validator].name for item in record.certificate.signatures)
            stored.commit(block, encode_commit_record(record), signers)


def rows_of(home: Path) -> dict[bytes, bytes]:
    """Every row of the database."""
    with opened(home) as stored:
        return dict(stored.store.range(b"", b"\xff"))


def test_what_is_exported_and_imported_is_the_same_database(tmp_path: Path, chain: MemoryChain) -> None:
    source = home_of(tmp_path / "source", chain)
    fill(source, chain)
    file = tmp_path / "chain.jsonl"
    exported = quorum_node("export", file, "--home", source)
    assert exported.stdout == f"exported blocks 1 to 12 of chain {chain.genesis.chain.hex()} to {file}\n"
    assert file.read_bytes() == export_of(chain)
    copy = home_of(tmp_path / "copy", chain)
    assert quorum_node("import", file, "--home", copy).stdout == "imported blocks 1 to 12\n"
    with opened(copy) as stored:
        assert stored.tip == chain.tip
    assert rows_of(copy) == rows_of(source)
    assert len(rows_of(copy)) > 300
    assert quorum_node("verify-store", "--home", copy).code == 0
    again = tmp_path / "again.jsonl"
    assert quorum_node("export", again, "--home", copy).code == 0
    assert again.read_bytes() == file.read_bytes()


def test_an_import_that_was_cut_short_goes_on(tmp_path: Path, chain: MemoryChain) -> None:
    """The rest of a file may be torn, wrong or missing: what holds is kept, and the whole one does the rest."""
    file = tmp_path / "chain.jsonl"
    blocks = [lines_of(chain, height) for height in range(1, 13)]
    wrong = [*blocks[:6], blocks[6].replace(b'"round":0', b'"round":1'), *blocks[7:]]
    file.write_bytes(export_with(chain, wrong))
    home = home_of(tmp_path / "home", chain)
    refused = quorum_node("import", file, "--home", home)
    assert_ended(refused.code, refused.stderr, "block 7, its commit record: ", "blocks up to 6 hold")
    whole = export_of(chain)
    file.write_bytes(whole[:-1])
    torn = quorum_node("import", file, "--home", home)
    assert_ended(torn.code, torn.stderr, "it ends without its manifest")
    file.write_bytes(whole)
    assert quorum_node("import", file, "--home", home).stdout == "imported blocks 7 to 12\n"
    other = home_of(tmp_path / "other", chain)
    fill(other, chain)
    assert rows_of(home) == rows_of(other)
    assert quorum_node("import", file, "--home", home).stdout == "the node has all 12 blocks already\n"
    shorter = tmp_path / "shorter.jsonl"
    short = sample_chain()
    shorter.write_bytes(export_of(short))
    assert quorum_node("import", shorter, "--home", home).stdout == "the node has all 3 blocks already\n"


def assert_ended(code: int, stderr: str, *says: str) -> None:
    """It ended with 10, one line of error, and these words."""
    assert code == 10
    assert stderr.splitlines()[-1].startswith("error: ")
    for words in says:
        assert words in stderr


def test_a_fork_is_not_appended_to_the_other_branch(tmp_path: Path, chain: MemoryChain) -> None:
    """Neither where it is longer than what the node has, nor is a shorter one taken for what the node has."""
    home = home_of(tmp_path / "home", chain)
    fill(home, chain)
    before = rows_of(home)
    file = tmp_path / "fork.jsonl"
    fork = MemoryChain(chain.genesis)
    for height in range(1, 14):
        fork.append()
        if height not in (5, 13):
            continue
        file.write_bytes(export_of(fork))
        ended = quorum_node("import", file, "--home", home)
        assert_ended(ended.code, ended.stderr, "block 1, its block hash: it is another block than this node has")
    assert rows_of(home) == before


def test_what_is_no_export_of_this_chain_is_refused(tmp_path: Path, chain: MemoryChain) -> None:
    home = home_of(tmp_path / "home", chain)
    file = tmp_path / "chain.jsonl"
    other = sample_chain(3)
    for data, says in (
        (export_of(other), f"an export of another chain, {other.genesis.chain.hex()}"),
        (b"", "it is no export"),
        (b"\x1b[31m" * 100, "it is no export"),
    ):
        file.write_bytes(data)
        assert_refused(quorum_node("import", file, "--home", home), 10, says)


def test_a_manifest_that_is_another_is_said_once_all_blocks_hold(tmp_path: Path, chain: MemoryChain) -> None:
    home = home_of(tmp_path / "home", chain)
    file = tmp_path / "chain.jsonl"
    data, _, line = export_of(chain)[:-1].rpartition(b"\n")
    time_ms = str(chain.tip.header.time_ms).encode()
    assert time_ms in line
    file.write_bytes(data + b"\n" + line.replace(time_ms, b"1") + b"\n")
    ended = quorum_node("import", file, "--home", home)
    assert_ended(ended.code, ended.stderr, "every block in", "the manifest is not that of these blocks")


def test_nothing_is_overwritten_and_nothing_half_written_is_left(tmp_path: Path, chain: MemoryChain) -> None:
    home = home_of(tmp_path / "home", chain)
    fill(home, chain)
    file = tmp_path / "chain.jsonl"
    file.write_text("mine")
    ended = quorum_node("export", file, "--home", home)
    assert (ended.code, file.read_text()) == (1, "mine")
    assert "not overwritten" in ended.stderr
    file.unlink()
    with opened(home) as stored:
        true = read_chunk(stored.store, 4, stored.block_hash(4), 1)
        row = pack_chunk([true[0].replace(b'"alice"', b'"allce"'), *true[1:]])
        stored.store.write({keys.body_chunk(4, stored.block_hash(4), 1): row}, sync=True)  # type: ignore[attr-defined]
    ended = quorum_node("export", file, "--home", home)
    assert_ended(ended.code, ended.stderr, "the database is damaged: transaction 64 of block 4")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genesis.json", "home"]


def test_a_running_node_has_its_database_for_itself(tmp_path: Path, chain: MemoryChain) -> None:
    home = home_of(tmp_path / "home", chain)
    file = tmp_path / "chain.jsonl"
    file.write_bytes(export_of(chain))
    with opened(home):
        for words in (("export", tmp_path / "out.jsonl"), ("import", file)):
            ended = quorum_node(*words, "--home", home)
            assert ended.code == 1
            assert "another process" in ended.stderr
    assert not (tmp_path / "out.jsonl").exists()


KILLED = """
import os, signal, sys
from node.storage.chain_store import ChainStore
commit, left = ChainStore.commit, int(sys.argv.pop(1))
def counted(*args):
    global left
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    left -= 1
    commit(*args)
ChainStore.commit = counted
from node.cli import main
main()
"""


@pytest.mark.parametrize("blocks", [0, 1, 7])
def test_a_killed_import_is_run_again(tmp_path: Path, chain: MemoryChain, blocks: int) -> None:
    file = tmp_path / "chain.jsonl"
    file.write_bytes(export_of(chain))
    home = home_of(tmp_path / "home", chain)
    words = ["import", str(file), "--home", str(home)]
    ended = subprocess.run([sys.executable, "-c", KILLED, str(blocks), *words], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL, ended
    assert quorum_node(*words).stdout == f"imported blocks {blocks + 1} to 12\n"
    other = home_of(tmp_path / "other", chain)
    fill(other, chain)
    assert rows_of(home) == rows_of(other)
