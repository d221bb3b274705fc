"""Adoption and the vote state: once for each key, at every crash either whole or repeatable, never a fresh voter."""

from __future__ import annotations

import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType

import pytest

from ledger.errors import VerificationError
from ledger.genesis import parse_card
from ledger.primitives import Digest, PublicKey
from node import home as home_module
from node.config import Config, load
from node.home import (
    HomeError,
    VoteState,
    adopt,
    data_paths,
    make_follower_home,
    open_home,
    vote_state,
)
from node.identity import create_key
from node.ports import GuardRecord, Store
from node.replica.opening import read_vote_state
from node.storage.check import check_state
from node.storage.guard import FileGuard
from node.storage.leveldb import open_database
from node.storage.opening import open_chain
from node.storage.rebuild import set_aside_path
from tests.unit.ledger.founders import genesis_of
from tests.unit.node.homes import LISTEN, key_in, validator
from tests.unit.node.storage.old_formats import make_format_2, make_format_3

VOTED = GuardRecord(height=5, round=0, step=1, digest=bytes(32))


def follower(home: Path) -> Config:
    make_follower_home(home, peer_listen=LISTEN, api_listen=LISTEN)
    return load(home / "node.toml")


def key_of(config: Config) -> PublicKey | None:
    return key_in(config.consensus_key_path)


def vote(config: Config) -> None:
    """Have the node promise something."""
    with closing(FileGuard(data_paths(config).guard, key_of(config))) as guard:
        guard.write(VOTED)


def silence(config: Config) -> str | None:
    """Start the node: why it would not vote, or None."""
    store, chain = open_home(config)
    with closing(store), closing(FileGuard(data_paths(config).guard, key_of(config))) as guard:
        return read_vote_state(chain, guard).silence


def modes(directory: Path) -> dict[str, int]:
    return {
        str(path.relative_to(directory)): path.stat().st_mode & 0o777
        for path in directory.rglob("*")
        if "database/" not in str(path)
    }


# ---- homes


def test_what_is_private_is_private_whatever_the_mask(tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        config, genesis = validator(tmp_path / "home")
        adopt(config, genesis.document, expected=genesis.chain)
    finally:
        os.umask(old_mask)
    found = modes(tmp_path / "home")
    private = {name: found[name] for name in ("keys", "data", "data/guard")}
    assert private == {"keys": 0o700, "data": 0o700, "data/guard": 0o600}
    assert {mode for name, mode in found.items() if name.endswith(".pem")} == {0o600}
    assert parse_card((tmp_path / "home" / "card.json").read_bytes()).validator.name == "acme-1"


def test_directories_that_were_there_are_made_private(tmp_path: Path) -> None:
    for name in ("keys", "data"):
        (tmp_path / "home" / name).mkdir(parents=True, mode=0o755)
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=None)
    assert (modes(tmp_path / "home")["keys"], modes(tmp_path / "home")["data"]) == (0o700, 0o700)


def test_a_follower_has_no_key_to_vote_with_and_follows_also_after_it_lost_its_database(tmp_path: Path) -> None:
    config, genesis = follower(tmp_path / "home"), genesis_of(4)
    assert (config.consensus_key_path, config.cosigning_key_path) == (None, None)
    with pytest.raises(HomeError, match="adopt the network's with quorum-node genesis adopt"):
        open_home(config)
    adopt(config, genesis.document, expected=genesis.chain)
    assert vote_state(config) is VoteState.FOLLOWER
    for damage in (lambda: None, lambda: shutil.rmtree(data_paths(config).database)):
        damage()
        store, chain = open_home(config)
        store.close()
        assert chain.chain == genesis.chain
    assert not data_paths(config).guard.exists()


# ---- adoption


def test_a_wrong_hash_changes_nothing(tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    before = modes(tmp_path / "home")
    with pytest.raises(VerificationError, match=f"hash is {genesis.chain.hex()}, not {'00' * 32}"):
        adopt(config, genesis.document, expected=Digest(bytes(32)))
    assert modes(tmp_path / "home") == before
    assert vote_state(config) is VoteState.NOT_ADOPTED


def test_a_chain_is_adopted_once(tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=genesis.chain)
    assert silence(config) is None
    vote(config)
    guard = data_paths(config).guard.read_bytes()
    for document in (genesis.document, genesis_of(2).document):
        with pytest.raises(HomeError, match="holds a chain already"):
            adopt(config, document, expected=None)
    assert data_paths(config).guard.read_bytes() == guard
    assert config.genesis_path.read_bytes() == genesis.document


@pytest.mark.parametrize("lost", ["database", "guard", "database guard", "data"])
def test_a_key_whose_vote_state_is_gone_never_votes_again(tmp_path: Path, lost: str) -> None:
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=None)
    vote(config)
    for name in lost.split():
        path = config.data_path if name == "data" else config.data_path / name
        path.unlink() if path.is_file() else shutil.rmtree(path)
    assert vote_state(config) is VoteState.LOST
    for attempt in ("before it was started", "after it was started"):
        with pytest.raises(HomeError, match=r"holds a chain already|must never vote again"):
            adopt(config, genesis.document, expected=None)
        assert silence(config) is not None, attempt


def test_a_key_that_was_copied_without_its_vote_state_is_not_adopted(tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=None)
    shutil.copytree(tmp_path / "home" / "keys", tmp_path / "copy" / "keys")
    shutil.copy(config.path, tmp_path / "copy")
    with pytest.raises(HomeError, match=f"vote state on chain {genesis.chain.hex()}, and that state is gone"):
        adopt(load(tmp_path / "copy" / "node.toml"), genesis.document, expected=None)


def test_the_mark_is_of_a_key_and_not_of_a_file_name(tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=None)
    vote(config)
    key = tmp_path / "home" / "keys" / "consensus.pem"
    old = key.rename(tmp_path / "old.pem")
    shutil.rmtree(config.data_path)
    create_key(key)
    assert vote_state(config) is VoteState.NOT_ADOPTED
    adopt(config, genesis.document, expected=None)
    assert silence(config) is None
    shutil.rmtree(config.data_path)
    old.replace(key)  # the first key is back: what it had is still remembered
    with pytest.raises(HomeError, match="must never vote again"):
        adopt(config, genesis.document, expected=None)


def test_a_key_that_was_put_beside_the_vote_state_of_another_never_votes(tmp_path: Path) -> None:
    """It may have voted elsewhere: on a machine that died, and whose key another one took over."""
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=None)
    vote(config)
    key = tmp_path / "home" / "keys" / "consensus.pem"
    key.unlink()
    create_key(key)
    assert vote_state(config) is VoteState.LOST
    assert "another key's" in str(silence(config))
    shutil.rmtree(config.data_path)
    with pytest.raises(HomeError, match="must never vote again"):
        adopt(config, genesis.document, expected=None)


@pytest.mark.parametrize("voted", [False, True])
def test_the_data_of_another_validator_is_no_vote_state_of_ours(tmp_path: Path, voted: bool) -> None:
    """Copied to save the time of fetching the chain: database and guard agree, and know nothing of our votes."""
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=None)
    other, _ = validator(tmp_path / "other")
    adopt(other, genesis.document, expected=None)
    if voted:
        vote(other)
    shutil.rmtree(config.data_path)
    shutil.copytree(other.data_path, config.data_path)
    assert vote_state(config) is VoteState.LOST
    assert "another key's" in str(silence(config))


def test_a_mark_that_cannot_be_read_counts_for_every_key(tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    for damaged in (b"\xff\xfe\n", b"00" * 32 + b"\n"):
        (tmp_path / "home" / "keys" / "consensus.adopted").write_bytes(damaged)
        with pytest.raises(HomeError, match="must never vote again"):
            adopt(config, genesis.document, expected=None)


def test_a_genesis_that_was_only_copied_here_is_not_adopted(tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    config.genesis_path.write_bytes(genesis.document)
    with pytest.raises(HomeError, match="never adopted it: run quorum-node genesis adopt"):
        open_home(config)
    assert not config.data_path.exists()
    adopt(config, genesis.document, expected=genesis.chain)
    assert silence(config) is None


def test_a_vote_state_between_two_names_is_not_lost(tmp_path: Path) -> None:
    """The power was cut between the two renames with which a damaged database is made anew."""
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=genesis.chain)
    database = data_paths(config).database
    shutil.copytree(database, database.with_name("database.new"))
    assert vote_state(config) is VoteState.PRESENT
    database.rename(set_aside_path(database))
    assert vote_state(config) is VoteState.PRESENT
    assert silence(config) is None
    assert vote_state(config) is VoteState.PRESENT


@pytest.mark.parametrize("make", [make_format_2, make_format_3])
def test_a_vote_state_goes_on_in_a_database_that_is_upgraded(make: Callable[[Store], None], tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=genesis.chain)
    with closing(open_database(data_paths(config).database)) as store:
        make(store)
    assert silence(config) is None
    with closing(open_database(data_paths(config).database)) as store:
        assert check_state(open_chain(store, expected=genesis.chain)) == ()
    assert vote_state(config) is VoteState.PRESENT


def test_one_adoption_at_a_time(tmp_path: Path) -> None:
    config, genesis = validator(tmp_path / "home")
    descriptor = os.open(tmp_path / "home", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(HomeError, match="another process is at work"):
            adopt(config, genesis.document, expected=None)
    finally:
        os.close(descriptor)
    adopt(config, genesis.document, expected=None)


# ---- crashes


TRACED = {home_module.__file__, *(sys.modules[f"node.storage.{name}"].__file__ for name in ("guard", "opening"))}
_KILLED = 9


@pytest.fixture
def swift_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory, where there is one: hundreds of crashes sync thousands of files."""
    memory = Path("/dev/shm")
    with TemporaryDirectory(dir=memory if memory.is_dir() and os.access(memory, os.W_OK) else tmp_path) as name:
        yield Path(name)


def killed_at(step: int, action: Callable[[], object]) -> bool:
    """Run `action` in a process of its own that dies before its `step`-th line of code that makes homes or storage,
    with nothing cleaned up; whether it came to that line."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> object:
        nonlocal count
        if frame.f_code.co_filename not in TRACED:
            return None
        if event == "line":
            count += 1
            if count == step:
                os._exit(_KILLED)
        return trace

    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.settrace(trace)  # type: ignore[arg-type]
            action()
            code = 0
        finally:
            os._exit(code)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in (0, _KILLED), "the action failed by itself"
    return ended == _KILLED


def test_an_adoption_that_was_killed_anywhere_is_either_whole_or_can_be_repeated(swift_path: Path) -> None:
    _, genesis = validator(swift_path / "original")
    seen: dict[VoteState, int] = dict.fromkeys(VoteState, 0)
    step = 0
    while True:
        step += 1
        home = shutil.copytree(swift_path / "original", swift_path / "home")
        config = load(home / "node.toml")
        crashed = killed_at(step, lambda config=config: adopt(config, genesis.document, expected=None))  # type: ignore[misc]
        state = vote_state(config)
        seen[state] += 1
        if state is VoteState.PRESENT:
            with pytest.raises(HomeError, match="holds a chain already"):
                adopt(config, genesis.document, expected=None)
        else:
            assert state in (VoteState.NOT_ADOPTED, VoteState.CUT_SHORT)
            with pytest.raises(HomeError, match="quorum-node genesis adopt"):
                open_home(config)
            adopt(config, genesis.document, expected=None)
        assert vote_state(config) is VoteState.PRESENT
        assert silence(config) is None
        shutil.rmtree(home)
        if not crashed:
            break
    assert step > 50
    assert min(seen[VoteState.NOT_ADOPTED], seen[VoteState.CUT_SHORT], seen[VoteState.PRESENT]) > 0


def test_a_first_start_that_was_killed_anywhere_loses_no_mark(swift_path: Path) -> None:
    """A key that was put back without its mark, beside its own vote state: the mark is there before it can vote."""
    original, genesis = validator(swift_path / "original")
    adopt(original, genesis.document, expected=None)
    (swift_path / "original" / "keys" / "consensus.adopted").unlink()
    step = 0
    while True:
        step += 1
        home = shutil.copytree(swift_path / "original", swift_path / "home")
        config = load(home / "node.toml")
        crashed = killed_at(step, lambda config=config: open_home(config)[0].close())  # type: ignore[misc]
        assert vote_state(config) is VoteState.PRESENT
        if not crashed:
            break
        shutil.rmtree(home)
    shutil.rmtree(config.data_path)
    assert vote_state(config) is VoteState.LOST


def test_an_adoption_that_was_cut_short_is_not_repeated_over_a_promise(tmp_path: Path) -> None:
    """It cannot happen, as a node in this state does not start; if it did, the promise would count."""
    config, genesis = validator(tmp_path / "home")
    adopt(config, genesis.document, expected=None)
    keys = tmp_path / "home" / "keys"
    (keys / "consensus.adopted").rename(keys / "consensus.adopting")
    assert vote_state(config) is VoteState.CUT_SHORT
    vote(config)
    guard = data_paths(config).guard
    for content in (guard.read_bytes(), b"damaged"):
        guard.write_bytes(content)
        with pytest.raises(HomeError, match="may have voted, so it must not be adopted again"):
            adopt(config, genesis.document, expected=None)
        assert guard.read_bytes() == content


def test_a_follower_repairs_an_adoption_that_was_killed_by_starting(swift_path: Path) -> None:
    original, genesis = follower(swift_path / "original"), genesis_of(4)
    step = 0
    while True:
        step += 1
        home = shutil.copytree(swift_path / "original", swift_path / "home")
        config = replace(original, path=home / "node.toml", genesis_path=home / "g", data_path=home / "data")
        crashed = killed_at(step, lambda config=config: adopt(config, genesis.document, expected=None))  # type: ignore[misc]
        if not config.genesis_path.exists():
            adopt(config, genesis.document, expected=None)
        store, chain = open_home(config)
        store.close()
        assert chain.chain == genesis.chain
        shutil.rmtree(home)
        if not crashed:
            break
    assert step > 30
