"""The client on honest nodes: what it gives back is right, proved, and says what it rests on."""

from __future__ import annotations

import asyncio

import pytest

from ledger.amounts import Amount
from ledger.crypto import SigningKey
from ledger.errors import MalformedError
from ledger.operations.assets import AssetTransfer
from ledger.operations.fields import Content
from ledger.operations.streams import RecordAppend
from ledger.pinned_checkpoint import anchor_of_checkpoint, build_pinned_checkpoint
from ledger.primitives import PublicKey, Signature
from ledger.validators import ValidatorSet
from tests.unit.ledger.founders import founder, set_of
from tests.unit.node.http.conftest import until
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage.chains import append, change_set, create_stream, transaction
from tests.unit.wallet.client.conftest import ANCHOR, committing, ledger_of, served
from wallet.client import RefusedError, StaleError, State, UnreachableError, build_transaction, connect
from wallet.client.following import Follower
from wallet.exit_codes import WalletError

DEAD = "http://127.0.0.1:1"
KEY = founder(0).operator_key


async def test_state_is_proved_present_or_absent(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        account = await ledger.account("org1")
        assert account.value is not None
        assert account.value.keys == (founder(1).operator_key.public_key,)
        assert (account.header, account.block_hash) == (node.chain.tip.header, node.chain.tip.block_hash)
        assert (await ledger.account("nobody")).value is None
        stream = await ledger.stream("notes")
        assert stream.value is not None
        assert stream.value.count == 3
        asset = await ledger.asset("euro")
        assert asset.value is not None
        assert (asset.value.decimals, asset.value.supply) == (2, 500)
        assert (await ledger.balance("org1", "euro")).value.amount == 380
        assert (await ledger.balance("org3", "euro")).value.amount == 0
        validators = await ledger.validators()
        assert isinstance(validators.value, ValidatorSet)
        assert validators.value.hash == node.chain.tip.header.next_validators_hash


async def test_state_of_an_earlier_height_is_proved_too(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        await ledger.refresh()
        for height, held in ((1, 500), (2, 500), (3, 380), (5, 380)):
            found = await ledger.balance("org1", "euro", height=height)
            assert (found.value.amount, found.header.height) == (held, height)
        with pytest.raises(RefusedError) as raised:
            await ledger.account("org1", height=6)
        assert raised.value.code == "height_unknown"


async def test_a_record_is_proved_with_its_content(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        record = (await ledger.record("notes", "a")).value
        assert record is not None
        assert (record.row.revision, record.operation.content) == (3, Content({"n": "third"}))
        assert record.receipt.leaf.result == "applied"
        assert (await ledger.record("notes", "nothing")).value is None


async def test_a_transaction_is_submitted_and_its_outcome_proved(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        with committing(node):
            settled = await ledger.send(
                AssetTransfer("org1", "euro", "org3", Amount(80)), signers=[founder(1).operator_key]
            )
        assert settled.outcome.applied
        assert settled.verified is not None
        assert settled.verified.header.height == settled.outcome.height == 6
        assert settled.signers == ("v0", "v1", "v2")
        assert (await ledger.balance("org3", "euro")).value.amount == 80
        with committing(node):
            failed = await ledger.send(
                AssetTransfer("org3", "euro", "org1", Amount(81)), signers=[founder(3).operator_key], memo="too much"
            )
        assert (failed.outcome.state, failed.outcome.result) == (State.COMMITTED, "balance_insufficient")
        again = await ledger.submit(failed.verified.transaction)  # type: ignore[union-attr]
        assert again.outcome == failed.outcome
        assert (await ledger.transaction(failed.outcome.id)).outcome == failed.outcome


async def test_a_transaction_in_no_block_is_the_word_of_nodes(node: FakeNode, url: str) -> None:
    pending = transaction(append("later", stream="notes"), nonce=20)
    async with ledger_of(node, url) as ledger:
        settled = await ledger.transaction("ab" * 32)
        assert (settled.outcome.state, settled.verified, settled.said) == (State.UNKNOWN, None, {url: State.UNKNOWN})
        settled = await ledger.submit(pending, wait=False)
        assert (settled.outcome.state, settled.said) == (State.PENDING, {url: State.PENDING})
        waiting = asyncio.create_task(ledger.wait(pending))
        await until(lambda: node.waiting)
        node.append()
        assert (await waiting).outcome.applied
        lost = transaction(append("lost", stream="notes"), nonce=21)
        await ledger.submit(lost, wait=False)
        node.drop(lost.id)
        with committing(node):
            assert (await ledger.wait(lost)).outcome.applied, "it is handed in again"


async def test_expiry_is_by_certified_time(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        await ledger.refresh()
        assert ledger.head is not None
        now_ms = ledger.head.header.time_ms
        sent = build_transaction(
            append("x", stream="notes"), chain=ledger.chain, sender="org0", valid_until_ms=now_ms + 2, signers=[KEY]
        )
        node.append()
        assert (await ledger.wait(sent, timeout_s=0.01)).outcome.state in (State.UNKNOWN, State.PENDING)
        node.mempool.clear()
        node.append()
        settled = await ledger.wait(sent)
        assert (settled.outcome.state, settled.said) == (State.EXPIRED, {url: State.UNKNOWN})


async def test_a_refusal_is_reported_when_no_node_accepts(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url, DEAD) as ledger:
        stranger = build_transaction(
            append("x", stream="notes", by=0),
            chain=ledger.chain,
            sender="org0",
            valid_until_ms=node.chain.tip.header.time_ms + 1_000,
            signers=[KEY],
        )
        async with served(node) as second, ledger_of(node, url, second) as both:
            from ledger.refusals import Code, Refusal

            node.refuse_all = Refusal(Code.SENDER_UNKNOWN, "no account")
            with pytest.raises(RefusedError) as raised:
                await both.submit(stranger)
            assert raised.value.code == "sender_unknown"
            node.refuse_all = None
            with committing(node):
                assert (await both.submit(stranger)).outcome.applied


async def test_a_node_that_is_down_is_passed_over(node: FakeNode, url: str) -> None:
    async with ledger_of(node, DEAD, url) as ledger:
        assert (await ledger.account("org0")).node == url
        fresh = await ledger.refresh()
        assert (fresh.height, fresh.behind, list(fresh.failed)) == (5, (), [DEAD])
    async with ledger_of(node, DEAD) as ledger:
        for question in (ledger.account("org0"), ledger.refresh(), ledger.block(1), ledger.transaction("ab" * 32)):
            with pytest.raises(UnreachableError):
                await question


async def test_how_old_the_newest_block_is_can_be_told(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url, later_ms=7_000) as ledger:
        fresh = await ledger.refresh()
        assert (fresh.height, fresh.age_ms, fresh.time_ms) == (5, 7_000, node.chain.tip.header.time_ms)
        await ledger.account("org0")
    async with ledger_of(node, url, later_ms=180_001) as ledger:
        assert (await ledger.refresh()).age_ms == 180_001
        for question in (ledger.account("org0"), ledger.send(append("x", stream="notes"), signers=[KEY])):
            with pytest.raises(StaleError) as raised:
                await question
            assert raised.value.age_ms == 180_001
        assert (await ledger.account("org0", height=5)).value is not None, "what is asked of a height has an age"
        node.append()


async def test_a_chain_without_a_block_has_nothing_to_prove_yet() -> None:
    node = FakeNode()
    async with served(node) as url, ledger_of(node, url) as ledger:
        with pytest.raises(WalletError):
            await ledger.refresh()
        with committing(node):
            settled = await ledger.send(create_stream("first"), signers=[KEY])
        assert settled.outcome.applied
        assert (await ledger.stream("first")).value is not None


async def test_across_changes_of_the_validator_set() -> None:
    node = FakeNode()
    node.append(transaction(create_stream("notes"), nonce=1))
    change_set(node.chain, set_of(0, 1, 2, 4))
    node.append(transaction(append("x", stream="notes", key="k"), nonce=2))
    change_set(node.chain, set_of(4, 0, 1))
    node.append()
    async with served(node) as url, ledger_of(node, url) as ledger:
        assert (await ledger.record("notes", "k")).value is not None
        for height in (1, 2, 3, 4, 5):
            block = await ledger.block(height)
            assert block.block_hash == node.chain.block_hash(height)
            assert block.transactions == node.chain.leaves(height)
        assert [(await ledger.stream("notes", height=h)).value.count for h in (1, 2, 3, 5)] == [0, 0, 1, 1]  # type: ignore[union-attr]
    checkpoint = build_pinned_checkpoint(
        network="test", header=node.chain.header(3), validators=node.chain.validators_of(4)
    )
    async with served(node) as url, ledger_of(node, url, anchor=anchor_of_checkpoint(checkpoint)) as ledger:
        old = await ledger.transaction(node.chain.leaves(1)[0].transaction_id.hex())
        assert old.outcome.applied
        assert old.verified is not None
        assert old.signers == (), "the pinned log proves it, no signature of back then"
        assert (await ledger.stream("notes")).value is not None
        assert (await ledger.block(3)).block_hash == node.chain.block_hash(3)
        with pytest.raises(WalletError, match="pinned checkpoint"):
            await ledger.block(2)


async def test_a_list_is_a_nodes_word(node: FakeNode, url: str) -> None:
    async with ledger_of(node, url) as ledger:
        found = [item async for item in ledger.search(stream="notes", order="asc")]
        assert [(item.value.height, item.value.index, item.node) for item in found] == [
            (2, 0, url),
            (3, 1, url),
            (5, 0, url),
        ]
        assert found[0].value.operations == ("stream.create", "record.append")
        assert len([item async for item in ledger.search(limit=2)]) == 2
        assert (await ledger.transaction(found[0].value.id)).verified is not None
        with pytest.raises(RefusedError):
            await anext(ledger.search(type="nothing"))
    async with ledger_of(node, DEAD, url) as ledger:
        assert len([item async for item in ledger.search(account="org1")]) == 2
    async with ledger_of(node, DEAD) as ledger:
        with pytest.raises(UnreachableError):
            await anext(ledger.search())


async def test_many_questions_at_once_on_a_chain_that_grows(node: FakeNode, url: str) -> None:
    async def ask(name: str) -> None:
        for _ in range(10):
            assert (await ledger.account(name)).value is not None

    async with ledger_of(node, url) as ledger:
        asking = [asyncio.create_task(ask(f"org{index}")) for index in range(4)]
        while not all(task.done() for task in asking):
            node.grow(1)
            await asyncio.sleep(0.002)
        await asyncio.gather(*asking)
        assert ledger.untrue == {}


async def test_what_comes_late_is_asked_for_again(node: FakeNode, url: str) -> None:
    """Two questions lead on from the same block at once; the later answer is from where nobody stands any more."""
    async with connect((url,), timeout_s=5, notice=print) as client:
        for heights in ((3, 5), (5, 3), (4, 5, 2, 3)):
            follower = Follower(ANCHOR)
            await follower.advance(client, 1)
            await asyncio.gather(*(follower.advance(client, height) for height in heights))
            assert follower.light.height == 5
            old = await asyncio.gather(*(follower.header_at(client, height) for height in range(1, 6)))
            assert [header.block_hash for header in old] == [node.chain.block_hash(height) for height in range(1, 6)]


class Device:
    """A signer that is no key in memory."""

    def __init__(self, key: SigningKey, *, broken: bool = False) -> None:
        self._key = key
        self._broken = broken

    @property
    def public_key(self) -> PublicKey:
        return self._key.public_key

    def sign(self, message: bytes) -> Signature:
        return self._key.sign(message + b"!" if self._broken else message)


async def test_anything_that_signs_is_a_signer(node: FakeNode, url: str) -> None:
    operation = RecordAppend("org0", "notes", content=Content("by a device"))
    async with ledger_of(node, url) as ledger:
        with committing(node):
            assert (await ledger.send(operation, signers=[Device(KEY)])).outcome.applied
        with pytest.raises(MalformedError, match="gave a signature that does not verify"):
            await ledger.send(operation, signers=[Device(KEY, broken=True)])


async def test_no_url_is_no_ledger() -> None:
    for urls in ((), ("nonsense",), ("ftp://x",)):
        with pytest.raises(WalletError):
            async with ledger_of(FakeNode(), *urls):
                raise AssertionError("it opened")
