"""A node that lies is detected: each lie gives the error that names it, and never a wrong value.

Between the client and an honest chain stands a real server that bends one answer in one way. Alone it is found out;
beside an honest node it changes nothing but the list of what was untrue.
"""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest

from ledger.amounts import Amount
from ledger.block import block_hash, encode_header, header_from_json
from ledger.encoding import encode
from ledger.operations.assets import AssetDefine, AssetIssue, AssetTransfer
from ledger.parameters import Parameters
from ledger.transaction import Transaction, parse_transaction
from node.http.light import light_update_of
from tests.unit.ledger.founders import founder, genesis_of, set_of
from tests.unit.node.http.fake_node import FakeNode
from tests.unit.node.storage import chains
from tests.unit.node.storage.chains import append, change_set, transaction
from tests.unit.wallet.client.conftest import committing, ledger_of, node_of, served, tell_a_story
from tests.unit.wallet.client.lying_node import Bend, BendEvents, LyingNode, event_data, event_with, lying_node
from wallet.client import (
    ForkedError,
    Ledger,
    StaleError,
    State,
    UnreachableError,
    UntrueAnswerError,
    Untruth,
    build_transaction,
)
from wallet.exit_codes import ExitCode

Ask = Callable[[Ledger], Awaitable[Any]]
FIRST_RECORD = transaction(chains.create_stream("notes"), append("first", stream="notes", key="a"), nonce=3).id.hex()
NEWEST = transaction(append("third", stream="notes", key="a"), nonce=7).id.hex()
FAILED = transaction(AssetTransfer("org3", "euro", "org2", Amount(1)), sender=3, nonce=6).id.hex()


# ---- certificates


def resigned(record: dict[str, Any], *signers: tuple[int, int]) -> dict[str, Any]:
    """The record with these signatures instead: (index in the set, founder whose key signs), each a good one."""
    certificate = record["certificate"]
    content = _commit_content(certificate)
    signatures = [
        {"validator": index, "signature": founder(key).consensus_key.sign(content).hex()} for index, key in signers
    ]
    return {**record, "certificate": {**certificate, "signatures": signatures}}


def _commit_content(certificate: dict[str, Any]) -> bytes:
    from ledger.consensus.statements import CommitStatement, SigningContext, signed_bytes
    from ledger.primitives import Digest

    digest = Digest(bytes.fromhex(certificate["block_hash"]))
    statement = CommitStatement(certificate["height"], certificate["round"], digest)
    return signed_bytes(SigningContext(chains.genesis().chain, 0), statement)


def of_another_block(record: dict[str, Any], *signers: tuple[int, int], **fields: Any) -> dict[str, Any]:
    """A record of another block of the height, with these signatures."""
    header = {**record["header"], **(fields or {"time_ms": record["header"]["time_ms"] + 1})}
    digest = block_hash(encode_header(header_from_json(header))).hex()
    changed = {**record, "header": header, "certificate": {**record["certificate"], "block_hash": digest}}
    return resigned(changed, *signers)


Q = ((0, 0), (1, 1), (2, 2))
FORGED: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "q - 1 signers": lambda record: of_another_block(record, (0, 0), (1, 1)),
    "a signer twice": lambda record: of_another_block(record, (0, 0), (1, 1), (1, 1)),
    "a signer twice under two names": lambda record: of_another_block(record, (0, 0), (1, 1), (2, 1)),
    "a stranger": lambda record: of_another_block(record, (0, 0), (1, 1), (2, 5)),
    "a stranger who is no validator": lambda record: of_another_block(record, (0, 0), (1, 1), (4, 4)),
    "signatures of the true block": lambda record: {**of_another_block(record), "certificate": record["certificate"]},
    "signatures of another round": lambda record: {**record, "certificate": {**record["certificate"], "round": 1}},
    "one signature": lambda record: of_another_block(record, (0, 0)),
}


# ---- the table


@dataclass(frozen=True, slots=True)
class Lie:
    """What is bent, what is asked, and how the answer is found to be untrue."""

    ask: Ask
    untruth: Untruth
    bends: dict[str, Bend] = field(default_factory=dict)
    queries: dict[str, dict[str, str | None]] = field(default_factory=dict)
    statuses: dict[str, tuple[int, Any]] = field(default_factory=dict)
    events: BendEvents | None = None


def balance(ledger: Ledger) -> Awaitable[Any]:
    return ledger.balance("org1", "euro")


def first_blocks(count: int) -> Ask:
    async def ask(ledger: Ledger) -> list[int]:
        heights: list[int] = []
        async for block in ledger.events(1):
            heights.append(block.height)
            if len(heights) == count:
                break
        return heights

    return ask


def with_member(name: str, change: Callable[[Any], Any]) -> Bend:
    """Bend one member of the document."""
    return lambda document: {**document, name: change(document[name])}


def proof_of_event(number: int, change: Bend) -> BendEvents:
    """Bend the proof in one event of a stream."""

    def bend(events: list[bytes]) -> list[bytes]:
        data = event_data(events[number])
        changed = event_with(events[number], {**data, "proof": change(data["proof"])})
        return [*events[:number], changed, *events[number + 1 :]]

    return bend


PROOF, UPDATE, RECEIPT = "/v1/proofs/state", "/v1/light/update", "/v1/transactions/.*/receipt"
STATUS = "/v1/transactions/[0-9a-f]{64}"
richer = with_member("value", lambda row: {**row, "amount": "9999"})
LIES: dict[str, Lie] = {
    "a forged value": Lie(balance, Untruth.STATE_UNPROVED, {PROOF: richer}),
    "absent for present": Lie(balance, Untruth.STATE_UNPROVED, {PROOF: with_member("value", lambda row: None)}),
    "present for absent": Lie(
        lambda ledger: ledger.balance("org3", "euro"),
        Untruth.STATE_UNPROVED,
        {PROOF: with_member("value", lambda row: {"account": "org3", "amount": "7", "asset": "euro", "frozen": False})},
    ),
    "another account's state": Lie(balance, Untruth.OTHER_SUBJECT, queries={PROOF: {"key": "balance/org2/euro"}}),
    "another account's state under the key": Lie(
        balance,
        Untruth.STATE_UNPROVED,
        {PROOF: with_member("key", lambda key: "balance/org1/euro")},
        queries={PROOF: {"key": "balance/org2/euro"}},
    ),
    "state of another height": Lie(
        lambda ledger: ledger.balance("org1", "euro", height=4), Untruth.OTHER_SUBJECT, queries={PROOF: {"height": "2"}}
    ),
    "a state root of its own": Lie(
        balance,
        Untruth.CERTIFICATE_FORGED,
        {
            PROOF: with_member(
                "record", lambda record: {**record, "header": {**record["header"], "state_root": "00" * 32}}
            )
        },
    ),
    "another transaction's receipt": Lie(
        lambda ledger: ledger.transaction(FIRST_RECORD), Untruth.OTHER_SUBJECT, {RECEIPT: lambda _: OTHER_RECEIPT[0]}
    ),
    "a receipt with another result": Lie(
        lambda ledger: ledger.transaction(FAILED),
        Untruth.RECEIPT_UNPROVED,
        {
            RECEIPT: with_member("leaf", lambda leaf: {**leaf, "result": "applied"}),
            STATUS: lambda d: {**d, "result": "applied"},
        },
    ),
    "a receipt with another path": Lie(
        lambda ledger: ledger.transaction(FIRST_RECORD),
        Untruth.RECEIPT_UNPROVED,
        {RECEIPT: with_member("path", lambda path: ["00" * 32, *path[1:]])},
    ),
    "failed for applied": Lie(
        lambda ledger: ledger.transaction(FIRST_RECORD),
        Untruth.OUTCOME_CONTRADICTED,
        {STATUS: lambda document: {**document, "result": "stream_frozen"}},
    ),
    "applied for failed": Lie(
        lambda ledger: ledger.transaction(FAILED),
        Untruth.OUTCOME_CONTRADICTED,
        {STATUS: lambda document: {**document, "result": "applied"}},
    ),
    "another block of the outcome": Lie(
        lambda ledger: ledger.transaction(FIRST_RECORD),
        Untruth.OUTCOME_CONTRADICTED,
        {STATUS: lambda document: {**document, "height": 4}},
    ),
    "committed without a receipt": Lie(
        lambda ledger: ledger.transaction(FIRST_RECORD),
        Untruth.OUTCOME_UNPROVED,
        statuses={f"GET {RECEIPT}": (404, {"code": "transaction_not_committed", "detail": "it is in no block"})},
    ),
    "committed that was never sent": Lie(
        lambda ledger: ledger.transaction("ab" * 32),
        Untruth.OUTCOME_UNPROVED,
        statuses={
            f"GET {STATUS}": (
                200,
                {"id": "ab" * 32, "state": "committed", "result": "applied", "height": 2, "index": 0},
            )
        },
    ),
    "a transaction left out of a block": Lie(
        lambda ledger: ledger.block(3),
        Untruth.BLOCK_UNPROVED,
        {"/v1/blocks/.*/proof": with_member("transactions", lambda listed: listed[:-1])},
    ),
    "another result in a block": Lie(
        lambda ledger: ledger.block(3),
        Untruth.BLOCK_UNPROVED,
        {"/v1/blocks/.*/proof": with_member("transactions", lambda all: [{**all[0], "result": "x"}, *all[1:]])},
    ),
    "another block's proof": Lie(
        lambda ledger: ledger.block(3), Untruth.CERTIFICATE_FORGED, {"/v1/blocks/.*/proof": lambda _: OTHER_BLOCK[0]}
    ),
    "a skipped block": Lie(first_blocks(4), Untruth.BLOCK_SKIPPED, events=lambda events: [events[0], *events[2:]]),
    "history that begins later": Lie(first_blocks(4), Untruth.BLOCK_SKIPPED, events=lambda events: events[1:]),
    "a repeated block": Lie(
        first_blocks(4), Untruth.BLOCK_REPEATED, events=lambda events: [*events[:2], events[1], *events[2:]]
    ),
    "blocks in another order": Lie(first_blocks(4), Untruth.BLOCK_SKIPPED, events=lambda e: [e[0], e[2], e[1], e[3]]),
    "a skipped block, renumbered": Lie(
        first_blocks(4),
        Untruth.OTHER_SUBJECT,
        events=lambda e: [e[0], event_with(e[2], event_data(e[2]), id=2), event_with(e[3], event_data(e[3]), id=3)],
    ),
    "a transaction left out of an event": Lie(
        first_blocks(4),
        Untruth.BLOCK_UNPROVED,
        events=proof_of_event(2, with_member("transactions", lambda all: all[1:])),
    ),
    "an event with a header of its own": Lie(
        first_blocks(4),
        Untruth.CERTIFICATE_FORGED,
        events=proof_of_event(2, with_member("record", lambda record: of_another_block(record, (0, 0), (1, 1)))),
    ),
    "a first event with a header of its own": Lie(
        first_blocks(1),
        Untruth.CERTIFICATE_FORGED,
        events=proof_of_event(0, with_member("record", lambda record: of_another_block(record, (0, 0), (1, 1)))),
    ),
    **{
        f"a forged certificate, {how}, {where}": lie
        for how, forge in FORGED.items()
        for where, lie in {
            "to a light client": Lie(
                lambda ledger: ledger.refresh(), Untruth.CERTIFICATE_FORGED, {UPDATE: with_member("record", forge)}
            ),
            "under state": Lie(balance, Untruth.CERTIFICATE_FORGED, {PROOF: with_member("record", forge)}),
            "under an event": Lie(
                first_blocks(4), Untruth.CERTIFICATE_FORGED, events=proof_of_event(3, with_member("record", forge))
            ),
            "under a receipt": Lie(
                lambda ledger: ledger.transaction(FIRST_RECORD),
                Untruth.RECEIPT_UNPROVED,
                {RECEIPT: with_member("record", forge)},
            ),
        }.items()
    },
}
OTHER_RECEIPT: list[Any] = []
OTHER_BLOCK: list[Any] = []
"""True documents of the same chain about something else, filled when the chain is there."""


async def tell(liar: LyingNode, lie: Lie) -> None:
    """Let the node tell the lie."""
    async with liar.session.get(f"{liar.target}/v1/transactions/{FAILED}/receipt") as response:
        OTHER_RECEIPT[:] = [await response.json()]
    async with liar.session.get(f"{liar.target}/v1/blocks/4/proof") as response:
        OTHER_BLOCK[:] = [await response.json()]
    liar.bends, liar.queries, liar.statuses = lie.bends, lie.queries, lie.statuses
    liar.events, liar.events_taken = lie.events, 5 if lie.events else 0


@pytest.mark.parametrize("name", LIES)
async def test_a_lie_is_found_out_and_named(node: FakeNode, liar: LyingNode, name: str) -> None:
    lie = LIES[name]
    await tell(liar, lie)
    async with ledger_of(node, liar.url) as ledger:
        with pytest.raises(UntrueAnswerError) as raised:
            await lie.ask(ledger)
    assert (raised.value.untruth, raised.value.node) == (lie.untruth, liar.url)
    assert (raised.value.code, raised.value.exit_code) == (lie.untruth.value, ExitCode.VERIFICATION_FAILED)
    assert str(raised.value).startswith(liar.url)


@pytest.mark.parametrize("name", LIES)
async def test_beside_an_honest_node_a_lie_changes_nothing(
    node: FakeNode, url: str, liar: LyingNode, name: str
) -> None:
    lie = LIES[name]
    async with ledger_of(node, url) as honest:
        expected = _told(await lie.ask(honest))
    await tell(liar, lie)
    async with ledger_of(node, liar.url, url) as ledger:
        assert _told(await lie.ask(ledger)) == expected
        assert ledger.untrue[liar.url].untruth is lie.untruth
        requests = len(liar.requests)
        assert _told(await lie.ask(ledger)) == expected
        asks_everyone = "light" in name or name == "committed that was never sent"
        assert asks_everyone or len(liar.requests) == requests, "it is asked last from now on"


def _told(answer: Any) -> Any:
    """What an answer says, whoever gave it."""
    outcome = getattr(answer, "outcome", None)
    return outcome or getattr(answer, "value", None) or getattr(answer, "height", answer)


# ---- lies that need a past, another chain, or two of them


async def test_nobody_is_led_on_block_by_block(node: FakeNode, liar: LyingNode) -> None:
    """Each answer is true, and there would be as many as blocks, each as slow as it may be."""
    height = itertools.count(1)
    liar.bends = {UPDATE: lambda _: orjson.loads(light_update_of(node.chain, 0, 0, next(height)))}
    async with ledger_of(node, liar.url) as ledger:
        with pytest.raises(UntrueAnswerError) as raised:
            await ledger.block(5)
        assert raised.value.untruth is Untruth.OTHER_SUBJECT
    assert liar.requests.count(f"GET {UPDATE}") == 1


async def test_another_era_does_not_sign(node: FakeNode, liar: LyingNode) -> None:
    """v3 was removed at height 6: with its old key, no set of signers that needs it is a quorum any more."""
    change_set(node.chain, set_of(0, 1, 2))
    node.append()
    for signers in (((0, 0), (3, 3)), ((0, 0), (1, 1), (3, 3)), ((0, 0), (2, 3)), ((0, 0),)):
        liar.bends = {UPDATE: with_member("record", lambda record, signers=signers: of_another_block(record, *signers))}  # type: ignore[misc]
        async with ledger_of(node, liar.url) as ledger:
            with pytest.raises(UntrueAnswerError) as raised:
                await ledger.refresh()
            assert raised.value.untruth is Untruth.CERTIFICATE_FORGED
    liar.bends = {UPDATE: with_member("trail", lambda trail: [])}
    async with ledger_of(node, liar.url) as ledger:
        with pytest.raises(UntrueAnswerError) as raised:
            await ledger.account("org0")
        assert raised.value.untruth is Untruth.CERTIFICATE_FORGED, "the change of the set cannot be left out"


async def test_a_forged_event_after_a_change_of_the_set_is_found_out(node: FakeNode, liar: LyingNode) -> None:
    """There the client asks for what leads over the change; what the event says is held against that."""
    change_set(node.chain, set_of(0, 1, 2))
    node.append()
    forge = with_member("record", lambda record: of_another_block(record, (0, 0), (3, 3)))
    liar.events, liar.events_taken = proof_of_event(6, forge), 7
    async with ledger_of(node, liar.url) as ledger:
        with pytest.raises(UntrueAnswerError) as raised:
            await first_blocks(7)(ledger)
        assert raised.value.untruth is Untruth.CERTIFICATE_FORGED


async def test_another_chain_is_not_this_one(node: FakeNode) -> None:
    other = node_of(genesis_of(4, parameters=Parameters(sender_quota=7)))
    other.grow(0, 0, 0, 0, 0)
    async with served(other) as url, ledger_of(node, url) as ledger:
        questions: list[Ask] = [
            lambda ledger: ledger.refresh(),
            lambda ledger: ledger.account("org0"),
            lambda ledger: ledger.block(2),
            first_blocks(2),
        ]
        for ask in questions:
            with pytest.raises(UntrueAnswerError) as raised:
                await ask(ledger)
            assert raised.value.untruth is Untruth.OTHER_CHAIN
        assert ledger.head is None


async def test_a_receipt_of_another_chain_is_not_of_this_one(node: FakeNode, liar: LyingNode) -> None:
    liar.bends = {
        RECEIPT: with_member("record", lambda r: {**r, "header": {**r["header"], "chain": "00" * 32}}),
    }
    async with ledger_of(node, liar.url) as ledger:
        with pytest.raises(UntrueAnswerError) as raised:
            await ledger.transaction(FIRST_RECORD)
        assert raised.value.untruth is Untruth.OTHER_CHAIN


@pytest.mark.parametrize("height", [1, 3, 4])
async def test_what_was_seen_is_never_taken_back(node: FakeNode, liar: LyingNode, height: int) -> None:
    """Stale state as fresh, or the head rolled back: seen once, a height stays seen."""
    async with ledger_of(node, liar.url) as ledger:
        assert (await ledger.balance("org1", "euro")).header.height == 5
        head = ledger.head
        liar.queries = {PROOF: {"height": str(height)}, UPDATE: {"to_height": str(height)}}
        questions: list[Ask] = [balance, lambda ledger: ledger.latest("notes", "a")]
        for ask in questions:
            with pytest.raises(UntrueAnswerError) as raised:
                await ask(ledger)
            assert raised.value.untruth is Untruth.NODE_BEHIND
        fresh = await ledger.refresh()
        assert (fresh.height, fresh.behind) == (5, (liar.url,))
        assert ledger.head == head


async def test_a_node_that_hides_what_is_new_is_noticed_by_its_age(node: FakeNode, url: str, liar: LyingNode) -> None:
    """From the first question on the node shows an old block: nothing is false, but it gets old."""
    liar.queries = {PROOF: {"height": "2"}, UPDATE: {"to_height": "2"}}
    async with ledger_of(node, liar.url, later_ms=180_000) as ledger:
        with pytest.raises(StaleError) as raised:
            await balance(ledger)
        assert raised.value.exit_code is ExitCode.NODE_UNREACHABLE
        fresh = await ledger.refresh()
        assert (fresh.height, fresh.age_ms) == (2, 180_000 + node.chain.tip.header.time_ms - fresh.time_ms)
    async with ledger_of(node, liar.url, url, later_ms=179_999) as ledger:
        assert (await balance(ledger)).value.amount == 380, "another node has newer"


async def test_a_fork_with_its_own_good_signatures_names_who_signed_both(node: FakeNode, liar: LyingNode) -> None:
    """A quorum of double-signers has certified two blocks of one height: there is no truth to go on with."""
    forged = with_member("record", lambda record: of_another_block(record, (1, 1), (2, 2), (3, 3)))
    questions: dict[str, Ask] = {
        UPDATE: lambda ledger: ledger.refresh(),
        PROOF: balance,
        "/v1/blocks/.*/proof": lambda ledger: ledger.block(5),
        RECEIPT: lambda ledger: ledger.transaction(NEWEST),
    }
    for path, ask in questions.items():
        liar.bends = {}
        async with ledger_of(node, liar.url) as ledger:
            await ledger.refresh()
            head = ledger.head
            liar.bends = {path: forged}
            with pytest.raises(ForkedError) as raised:
                await ask(ledger)
            assert raised.value.untruth is Untruth.CHAIN_FORKED
            assert raised.value.fork.accused == ("v1", "v2")
            assert raised.value.fork.known != raised.value.fork.other
            assert ledger.head == head


async def test_a_fork_is_said_at_once_even_beside_an_honest_node(node: FakeNode, url: str) -> None:
    forked = node_of()
    tell_a_story(forked)
    async with served(forked) as other, ledger_of(node, url, other) as ledger:
        await ledger.account("org0")
        node.append()
        forked.append(transaction(append("another", stream="notes"), nonce=50))
        await ledger.account("org0")
        with pytest.raises(ForkedError, match="v0, v1, v2 signed both"):
            await ledger.refresh()
    async with served(forked) as other, ledger_of(node, url, other) as ledger:
        async for block in ledger.events(5):
            if block.height == 6:
                break
        with pytest.raises(ForkedError):
            await ledger.refresh()


async def test_a_fork_behind_a_proof_is_said_at_once_too(node: FakeNode, url: str, liar: LyingNode) -> None:
    async with ledger_of(node, liar.url, url) as ledger:
        await ledger.refresh()
        ledger._client.prefer(liar.url)
        bend = with_member("record", lambda record: of_another_block(record, (1, 1), (2, 2), (3, 3)))
        liar.bends = {RECEIPT: bend, PROOF: bend}
        with pytest.raises(ForkedError):
            await balance(ledger)
        ledger._client.prefer(liar.url)
        with pytest.raises(ForkedError):
            await ledger.transaction(NEWEST)
        ledger._client.prefer(liar.url)
        with pytest.raises(ForkedError):
            await ledger.submit(transaction(append("third", stream="notes", key="a"), nonce=7))


async def test_a_rewritten_past_is_not_the_log_that_was_seen(node: FakeNode, liar: LyingNode) -> None:
    """The quorum signed another history, and went on from it: longer, certified, and not what was seen."""
    rewritten = node_of()
    rewritten.append(
        *(
            transaction(operation, nonce=nonce)
            for nonce, operation in enumerate(
                (
                    AssetDefine("org0", "euro", 2),
                    AssetIssue("org0", "euro", "org0", Amount(5_000)),
                ),
                90,
            )
        )
    )
    rewritten.grow(2, 2, 2, 2, 2, 2)
    async with served(rewritten) as other, ledger_of(node, liar.url) as ledger:
        await ledger.refresh()
        liar.target = other
        for ask in (balance, lambda ledger: ledger.refresh(), lambda ledger: ledger.block(7)):
            with pytest.raises(UntrueAnswerError) as raised:
                await ask(ledger)
            assert raised.value.untruth is Untruth.LOG_INCONSISTENT
        with pytest.raises(ForkedError):
            await ledger.block(5)
        with pytest.raises(UntrueAnswerError) as raised:
            await ledger.transaction(rewritten.chain.leaves(1)[1].transaction_id.hex())
        assert raised.value.untruth is Untruth.LOG_INCONSISTENT, "a good receipt of the other history"


async def test_a_past_that_leads_elsewhere_is_a_fork_where_it_meets_what_was_seen(
    node: FakeNode, liar: LyingNode
) -> None:
    """A quorum has signed two histories from block 3 on; a stream of the other one ends before what is known."""
    other = node_of()
    for height in range(1, 4):
        other.append(*(parsed(envelope) for envelope in node.chain.envelopes(height)))
    other.grow(1, 1, 1)
    assert other.chain.block_hash(3) == node.chain.block_hash(3)
    async with served(other) as url, ledger_of(node, liar.url) as ledger:
        await ledger.refresh()
        liar.events_target = url
        events = ledger.events(1)
        assert [(await anext(events)).height for _ in range(4)] == [1, 2, 3, 4]
        with pytest.raises(ForkedError, match="two blocks of height 5 are certified; v0, v1, v2 signed both"):
            await anext(events)


def parsed(envelope: bytes) -> Transaction:
    found = parse_transaction(envelope)
    assert isinstance(found, Transaction)
    return found


async def test_an_unknown_transaction_may_be_a_lie_so_everybody_is_asked(
    node: FakeNode, url: str, liar: LyingNode
) -> None:
    """That a transaction is unknown cannot be proved: who said it is part of the answer."""
    head = {"height": 9, "block_hash": "00" * 32, "time_ms": node.chain.tip.header.time_ms + 10**9}
    unknown = (404, {"code": "transaction_unknown", "detail": "never seen", "state": "unknown", "head": head})
    liar.statuses = {f"GET {STATUS}": unknown}
    async with ledger_of(node, liar.url) as ledger:
        settled = await ledger.transaction(FIRST_RECORD)
        assert (settled.outcome.state, settled.verified, settled.said) == (
            State.UNKNOWN,
            None,
            {liar.url: State.UNKNOWN},
        )
    async with ledger_of(node, liar.url, url) as ledger:
        settled = await ledger.transaction(FIRST_RECORD)
        assert settled.outcome.applied
        assert settled.said == {liar.url: State.UNKNOWN, url: State.COMMITTED}


@pytest.mark.parametrize("state", ["expired", "unknown"])
async def test_nobody_is_made_to_believe_that_a_transaction_expired(
    node: FakeNode, liar: LyingNode, state: str
) -> None:
    """Who believes it signs another one, and both act. Only a certified header says what time it is."""
    head = {"height": 9, "block_hash": "00" * 32, "time_ms": node.chain.tip.header.time_ms + 10**9}
    sent = build_transaction(
        append("once", stream="notes"),
        chain=chains.genesis().chain,
        sender="org0",
        valid_until_ms=node.chain.tip.header.time_ms + 60_000,
        signers=[founder(0).operator_key],
    )
    document = {"id": sent.id.hex(), "state": state, "head": head, "code": "transaction_unknown", "detail": "no"}
    liar.statuses = {f"GET {STATUS}": (200 if state == "expired" else 404, document)}
    async with ledger_of(node, liar.url) as ledger:
        settled = await ledger.submit(sent, timeout_s=0.05)
        assert not settled.outcome.final
        liar.statuses[r"POST /v1/transactions"] = (202, {**document, "state": "expired"})
        settled = await ledger.submit(sent, timeout_s=0.05)
        assert not settled.outcome.final
        liar.statuses = {}
        with committing(node):
            assert (await ledger.wait(sent)).outcome.applied


@pytest.mark.parametrize("bend", [
    lambda document: {},
    lambda document: [],
    lambda document: {**document, "kind": "quorum-ledger/else"},
    lambda document: {name: document[name] for name in list(document)[1:]},
    lambda document: {**document, "record": {}},
    lambda document: {**document, "more": 1},
])  # fmt: skip
@pytest.mark.parametrize("path", [PROOF, UPDATE, "/v1/blocks/.*/proof"])
async def test_what_is_not_of_the_apis_shape_is_no_answer(
    node: FakeNode, url: str, liar: LyingNode, bend: Bend, path: str
) -> None:
    liar.bends = {path: bend}
    ask: Ask = {PROOF: balance, UPDATE: lambda ledger: ledger.refresh()}.get(path, lambda ledger: ledger.block(2))
    async with ledger_of(node, liar.url) as ledger:
        with pytest.raises(UnreachableError) as raised:
            await ask(ledger)
        assert raised.value.code == "node_answer_malformed"
    async with ledger_of(node, liar.url, url) as ledger:
        assert await ask(ledger)
        assert encode({}) == b"{}"


async def test_a_submission_to_a_node_that_swallows_it_reaches_another(
    node: FakeNode, url: str, liar: LyingNode
) -> None:
    sent = transaction(append("swallowed", stream="notes"), nonce=70)
    claimed = {"id": sent.id.hex(), "state": "committed", "result": "applied", "height": 2, "index": 0}
    for stated in (claimed, {"id": sent.id.hex(), "state": "pending"}):
        liar.statuses = {"POST /v1/transactions": (200, stated)}
        async with lying_node(url) as _, ledger_of(node, liar.url, url) as ledger:
            with committing(node):
                settled = await ledger.submit(sent)
            assert settled.outcome.applied
            assert settled.verified is not None


async def test_two_liars_do_not_make_a_truth(node: FakeNode, url: str) -> None:
    """A history that a quorum signed besides the one that was seen is refused whoever shows it, and however often."""
    rewritten = node_of()
    rewritten.grow(2, 2, 2, 2, 2, 2)
    async with (
        served(rewritten) as other,
        lying_node(url) as one,
        lying_node(url) as two,
        ledger_of(node, one.url, two.url) as ledger,
    ):
        await ledger.account("org0")
        one.target = two.target = other
        with pytest.raises(UntrueAnswerError) as raised:
            await first_blocks(1)(ledger)
        assert raised.value.untruth is Untruth.LOG_INCONSISTENT
        assert set(ledger.untrue) == {one.url, two.url}
