"""One network through six eras: it grows from one validator to seven, changes its quorum, replaces the keys of three,
and removes its leader, under load all the while; every receipt of it leads back to genesis.

Homes 0 to 6 are those of v0 to v6, and 7 to 9 the fresh homes of v0, v2 and v5 with their new keys.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from ledger.block import parse_header
from ledger.consensus.codec import decode_commit_record
from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
from ledger.crypto import verify
from ledger.encoding import encode
from ledger.governance.changes import QuorumSet, ValidatorAdd, ValidatorRekey, ValidatorRemove
from ledger.log.policy import parse_policy, verify_checkpoint
from ledger.log.signed_note import parse_note
from ledger.parameters import Parameters
from ledger.primitives import Digest, PublicKey
from ledger.receipt import verify_receipt
from ledger.trail import anchor_of
from ledger.validators import Quorum, QuorumRule
from node.config import FILE_NAME, load
from node.home import data_paths
from node.http.receipts import receipt_of
from node.storage.chain_store import ChainStore
from node.storage.guard import FileGuard
from node.storage.leveldb import open_database
from node.storage.opening import open_chain
from node.storage.queries import Queries
from tests.integration.processes.commands import quorum_audit
from tests.integration.processes.council import Council
from tests.integration.processes.joining import entry_of, make_home, pin, ready_of
from tests.integration.processes.load import Load
from tests.integration.processes.network import ProcessNetwork, id_of
from tests.verifier import verify_receipt as second

NAMES = ("v0", "v1", "v2", "v3", "v4", "v5", "v6", "v0", "v2", "v5")
"""Whose home each is, by its number."""
REKEYED = {0: 7, 2: 8, 5: 9}
"""The old and the new homes."""


class Story:
    """The network, who governs it, who uses it, and the first height of each of its eras."""

    def __init__(self, network: ProcessNetwork, council: Council, load: Load) -> None:
        self.network = network
        self.council = council
        self.load = load
        self.eras = [1]
        self.removed = ""

    async def make_homes(self, *indices: int) -> None:
        """Homes of joiners, and the first pins of those whom others will pin."""
        for index in indices:
            operator = NAMES[index].replace("v", "org")
            public_key = self.council.keys[operator].public_key
            await make_home(self.network, index, name=NAMES[index], operator=operator, operator_key=public_key)

    async def pin(self, by: tuple[int, ...], pinned: tuple[int, ...]) -> None:
        """Validators pin these nodes and are started again, one after the other, each after a kill -9."""
        for index in by:
            pin(self.network, index, pinned)
            self.network.kill(index)
            self.network.start(index)
            await self.network.until_ready(index, peers=0)
            await self.load.goes_on()
            await self.until_caught_up(index)

    async def follow(self, *indices: int) -> None:
        """Joiners are started, follow the chain before anything depends on them, and say on the ledger that they do."""
        self.network.start(*indices)
        for index in indices:
            await self.until_caught_up(index)
            status = await self.network.status(index)
            assert (status["role"], status["validator"]) == ("following", None)
            assert "is not in the validator set" in str(status["reason"])
        async with self.load.pause():  # a node that is a few blocks behind just now refuses to say that it is ready
            for index in indices:
                await self.until_caught_up(index)
            statements = [await ready_of(self.network, index) for index in indices]
        for statement in statements:
            await self.council.do(statement)

    async def until_caught_up(self, index: int) -> None:
        """Return when a node has the block that the council's node has now."""
        await self.network.until_height(index, await self.network.height(self.council.door))

    async def begin_era(self, height: int, *voters: int) -> None:
        """The set has changed at `height`: return when blocks are committed since, with the signatures of `voters`."""
        self.eras.append(height)
        network, door = self.network, self.council.door
        await network.until_height(door, height)
        await self.load.goes_on()
        for index in voters:

            async def votes(index: int = index) -> bool:
                status = await network.status(index)
                return (status["role"], status["validator"]) == ("voting", NAMES[index])

            async def has_signed(index: int = index) -> bool:
                validators = (await network.get(door, "/v1/validators"))["validators"]
                signed = {item["name"]: item["last_signed_height"] or 0 for item in validators}  # type: ignore[attr-defined]
                return bool(signed[NAMES[index]] >= height)

            async def has_cosigned(index: int = index) -> bool:
                return f"validator:{NAMES[index]}" in await self.cosigners(height)

            await network.until(f"home {index} votes for {NAMES[index]}", votes)
            await network.until(f"{NAMES[index]} has signed since height {height}", has_signed)
            await network.until(f"{NAMES[index]} has cosigned the log since height {height}", has_cosigned)

    async def cosigners(self, height: int) -> set[str]:
        """Who cosigned the checkpoint of the council's node, which must satisfy its policy; nobody if it is older."""
        network, door = self.network, self.council.door
        async with network.session.get(f"{network.url(door)}/checkpoint") as answer:
            note, newest = await answer.read(), int(answer.headers.get("Checkpoint-Height", "0"))
        if newest < height:
            return set()
        policy = await network.get_bytes(door, f"/v1/log/policy?height={newest}")
        return {name for name, _ in verify_checkpoint(parse_note(note), parse_policy(policy)).witnesses}

    async def until_dismissed(self, index: int, height: int) -> None:
        """Return when the node of home `index`, whose key left at `height`, says that it may be stopped, unlinked."""
        network, key = self.network, entry_of(self.network, index).node_key.hex()

        async def alone() -> bool:
            peers = [
                peer["node_key"]
                for other in network.running
                for peer in (await network.status(other))["peers"]  # type: ignore[attr-defined]
                if other != index
            ]
            return key not in peers and (await network.status(index))["peers"] == []

        await network.until(f"home {index} has no links", alone)
        status = await network.status(index)
        assert (status["role"], status["validator"]) == ("following", None)
        assert f"was that of {NAMES[index]} up to height {height - 1}; it may be stopped" in str(status["reason"])
        assert int(status["head"]["height"]) >= height  # type: ignore[index, call-overload]


@pytest.mark.timeout(1_200)
async def test_a_network_grows_changes_its_quorum_replaces_keys_and_removes_its_leader_under_load(
    tmp_path: Path,
) -> None:
    # A validator that is killed costs one timeout only; a slow machine must not cost many.
    parameters = Parameters(base_timeout_ms=2_000, timeout_ms_max=16_000)
    async with ProcessNetwork(tmp_path, validators=1, homes=len(NAMES), parameters=parameters) as network:
        network.start()
        await network.until_ready(peers=0)
        await network.register()
        async with Load(network, 0) as load:
            story = Story(network, Council(network), load)
            await grow(story, pinned_by=(0,), joiners=(1, 2, 3))
            await grow(story, pinned_by=(0, 1), joiners=(4, 5, 6))
            await story.begin_era(await story.council.decide(QuorumSet(Quorum(QuorumRule.BFT)), delay=2))
            assert (await network.status(1))["q"] == 5
            await replace_keys(story)
            await remove_leader(story)
            await load.goes_on()
        await network.no_evidence()
        await audited(story, tmp_path)
        for index in network.running:
            assert network.stop(index) == 0
    with chains(network) as opened:
        one_chain(opened)
        all_is_committed(opened[1], story)
        receipts_verify(opened[1], network)
        votes_have_one_key(opened, network)
    guards_agree(story)


async def grow(story: Story, *, pinned_by: tuple[int, ...], joiners: tuple[int, ...]) -> None:
    """Joiners follow the chain, say that they are ready, and are all promoted at one height."""
    network, council = story.network, story.council
    await council.add_operators(*(f"org{index}" for index in joiners))
    await story.make_homes(*joiners)
    await story.pin(pinned_by, joiners)
    await story.follow(*joiners)
    entries = [entry_of(network, index) for index in joiners]
    height = await council.decide(*(ValidatorAdd(entry.name, entry.digest) for entry in entries), delay=3)
    await story.begin_era(height, *joiners)
    story.load.doors = (*story.load.doors, *joiners)


async def replace_keys(story: Story) -> None:
    """v0, v2 and v5 change to fresh homes at one height, which v6 misses; the old homes are dismissed and destroyed."""
    network, council, fresh = story.network, story.council, tuple(REKEYED.values())
    council.door = 1
    await story.make_homes(*fresh)
    for index in fresh:
        pin(network, index, (1, 3))  # genesis names v0 only, whose old home does not know them
    await story.pin((1, 3), fresh)
    await story.follow(*fresh)
    story.load.doors = (1, 3, 4)
    network.kill(6)
    changes = (ValidatorRekey(NAMES[index], entry_of(network, index).digest) for index in fresh)
    height = await council.decide(*changes, delay=3)
    await story.begin_era(height, *fresh)
    network.start(6)
    await network.until_ready(6, peers=0)
    await story.until_caught_up(6)
    for index in REKEYED:
        await story.until_dismissed(index, height)
        assert network.stop(index) == 0
        for path in (network.layout.validator_home(index) / "keys").glob("*.pem"):
            path.unlink()
    story.load.doors = (1, 3, 4, 6, *fresh)


async def remove_leader(story: Story) -> None:
    """The validator whose turn it is to propose is removed by the very block that it proposes."""
    network, council, load = story.network, story.council, story.load

    async def leader() -> str:
        return str((await network.status(1))["deciding"]["leader"])  # type: ignore[index, call-overload]

    unpinned = {"v4", "v6"}  # the others are pinned by somebody, and would stay linked
    async with load.pause():
        name = ""
        while name not in unpinned:
            await network.commit(network.record("one height more"), 1)
            name = await leader()
        council.door = NAMES.index(name)
        await network.until_height(council.door, await network.height(1))
        height = await council.decide_at_once(ValidatorRemove(name))
        header = parse_header(encode((await network.get(1, f"/v1/blocks/{height - 1}"))["header"]))
        assert header.proposer == name or header.round != 0, "unless the machine was too slow for its turn"
        load.doors = tuple(index for index in load.doors if NAMES[index] != name)
        story.removed, council.door = name, 1
    await story.begin_era(height, *load.doors)
    status = await network.status(1)
    assert (status["n"], status["q"]) == (6, 5)
    await story.until_dismissed(NAMES.index(name), height)


# ---- what must be so in the end


async def audited(story: Story, directory: Path) -> None:
    """Separate processes verify the chain of a node with new keys and of the removed one, and receipts of each era."""
    network, pinned = story.network, ("--genesis", str(story.network.layout.genesis))
    for index in (7, NAMES.index(story.removed)):
        printed = await quorum_audit("ledger", network.url(index), *pinned)
        assert "Every block up to this height follows from genesis by the rules" in printed
    for number, height in enumerate(story.eras, 1):
        for position, (_, envelope) in enumerate(first_and_last(story, height)):
            file = directory / f"era-{number}-{position}.json"
            file.write_bytes(await network.get_bytes(1, f"/v1/transactions/{id_of(envelope)}/receipt"))
            printed = await quorum_audit("verify", str(file), *pinned)
            assert "verified     yes, against the genesis of 'devnet'" in printed


def first_and_last(story: Story, height: int) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
    """The first and the last record of the era that began at `height`."""
    later = [first for first in story.eras if first > height]
    of_era = [item for item in story.load.committed if height <= item[0] and not (later and later[0] <= item[0])]
    return of_era[0], of_era[-1]


@contextmanager
def chains(network: ProcessNetwork) -> Iterator[dict[int, ChainStore]]:
    """The chain in every home, by its number."""
    with ExitStack() as stack:
        opened = {}
        for index in range(network.homes):
            config = load(network.layout.validator_home(index) / FILE_NAME)
            store = stack.enter_context(closing(open_database(data_paths(config).database)))
            opened[index] = open_chain(store)
        yield opened


def one_chain(opened: dict[int, ChainStore]) -> None:
    """The chain of every home is a beginning of the longest one."""
    longest = max(opened.values(), key=lambda chain: chain.tip.header.height)
    for chain in opened.values():
        height = chain.tip.header.height
        assert chain.block_hash(height) == longest.block_hash(height)


def all_is_committed(chain: ChainStore, story: Story) -> None:
    """Every record that was reported committed is where it was reported, and the trail has every change of the set."""
    for height, envelope in story.load.committed:
        place = chain.locate(Digest(bytes.fromhex(id_of(envelope))))
        assert place is not None
        assert place.height == height
    decided = [parse_header(step.record.header).height + 1 for step in chain.trail(chain.tip.header.height)]
    assert decided == story.eras[1:]


def receipts_verify(chain: ChainStore, network: ProcessNetwork) -> None:
    """The receipt of every transaction there is leads back to genesis; of one in each block, by both verifiers."""
    queries, anchor = Queries(chain), anchor_of(network.genesis)
    second_anchor = second.anchor_of(network.genesis.document)
    for height in range(1, chain.tip.header.height + 1):
        for leaf in chain.leaves(height):
            item = queries.transaction(leaf.transaction_id)
            assert item is not None
            data = receipt_of(chain, item)
            assert verify_receipt(data, anchor).leaf == leaf
            if leaf.index == 0:
                assert second.verify(data, second_anchor)["transaction"] == leaf.transaction_id.hex()


def votes_have_one_key(opened: dict[int, ChainStore], network: ProcessNetwork) -> None:
    """In no node's certificates has a validator signed one height with two of its keys."""
    keys: defaultdict[str, set[PublicKey]] = defaultdict(set)
    for index, name in enumerate(NAMES):
        keys[name].add(entry_of(network, index).consensus_key)
    used: defaultdict[tuple[str, int], set[PublicKey]] = defaultdict(set)
    context = SigningContext(network.genesis.chain, 0)
    for chain in opened.values():
        for height in range(1, chain.tip.header.height + 1):
            certificate = decode_commit_record(chain.record(height)).certificate
            statement = CommitStatement(height, certificate.round, certificate.block_hash)
            for item in certificate.signatures:
                name = chain.validators_of(height).validators[item.validator].name
                signed = signed_bytes(context, statement)
                used[name, height] |= {key for key in keys[name] if verify(key, signed, item.signature)}
    assert {len(found) for found in used.values()} == {1}
    for name in keys:  # those with new keys have used both
        assert {key for (other, _), found in used.items() if other == name for key in found} == keys[name]


def guards_agree(story: Story) -> None:
    """What each home of a re-keyed validator promised last: the old one below the change, the new one from it on."""
    height = story.eras[4]
    for old, fresh in REKEYED.items():
        assert newest_promise(story.network, old) < height <= newest_promise(story.network, fresh)


def newest_promise(network: ProcessNetwork, index: int) -> int:
    """The height of the newest vote that left this home."""
    paths = data_paths(load(network.layout.validator_home(index) / FILE_NAME))
    with closing(FileGuard(paths.guard, entry_of(network, index).consensus_key)) as guard:
        record = guard.read()
    assert record is not None
    return record.height
