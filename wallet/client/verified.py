"""`Ledger`: what nodes answer about one chain, verified from an anchor that the caller brings.

    async with open_ledger(["https://a.example", "https://b.example"], anchor) as ledger:
        settled = await ledger.submit(transaction)
        held = await ledger.balance("acme", "euro")
        async for block in ledger.events():
            ...

A light client inside follows the headers that quorums certify and never goes back. What proves itself (`Proved`, a
committed outcome, a block) is held against it; an answer that does not hold is an `UntrueAnswerError` with its reason,
and the next node is asked: only where none gives one that holds is the error raised. `untrue` has the newest of each
node. What cannot be proved says so: `Stated` values, an outcome that is not committed, and whether there is something
newer, for which there is `age_ms_max`: an answer for now is refused (`StaleError`) when the newest certified block that
it rests on is older than that by the caller's clock. Ledger time moves at least every `heartbeat_ms` (60 s by default)
on a network that works.

One `Ledger` may be used by many tasks at once. Memory is bounded: some hundred headers, and one answer at a time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

from ledger.block import parse_header
from ledger.block_proof import check_block_proof, parse_block_proof
from ledger.encoding import decode_form, expect_integer, expect_list, expect_string
from ledger.limits import (
    BLOCK_PROOF_BYTES_MAX,
    OPERATIONS_PER_TRANSACTION_MAX,
    STATE_PROOF_BYTES_MAX,
)
from ledger.operations.streams import RecordAppend
from ledger.primitives import parse_digest
from ledger.rows.accounts import account_key, parse_account_row
from ledger.rows.assets import Balance, asset_key, balance_key, parse_asset_row, parse_balance_row
from ledger.rows.settings import VALIDATORS_KEY, parse_validators_row
from ledger.rows.streams import latest_key, parse_latest_row, parse_stream_row, stream_key
from ledger.state_proof import check_state_proof, parse_state_proof
from ledger.transaction import Transaction
from wallet.answers import TEXT_MAX
from wallet.client.conversation import Client, connect
from wallet.client.errors import StaleError, UnreachableError, UntrueAnswerError, Untruth, lags, worst
from wallet.client.events import Events
from wallet.client.following import Follower, held
from wallet.client.listing import listed
from wallet.client.outcomes import Pursuit, Settled, pursue
from wallet.client.proving import ReceiptJudge
from wallet.client.signing import Signer, build_transaction
from wallet.client.tokens import NO_TOKENS, Tokens
from wallet.client.values import Block, Freshness, ListedTransaction, Proved, Record, Stated
from wallet.client.witnesses import Witnesses
from wallet.exit_codes import ExitCode, WalletError, usage_error
from wallet.moments import local_clock_ms
from wallet.session import node_url

if TYPE_CHECKING:
    from ledger.block import Header
    from ledger.consensus.record import CertifiedHeader
    from ledger.encoding import Json
    from ledger.operations.kinds import Operation
    from ledger.primitives import Digest
    from ledger.rows.accounts import Account
    from ledger.rows.assets import Asset
    from ledger.rows.streams import LatestRecord, Stream
    from ledger.trail import Anchor
    from ledger.validators import ValidatorSet

T = TypeVar("T")

AGE_MS_MAX_DEFAULT = 180_000
"""Three heartbeats of a network with the default parameters."""
VALID_FOR_MS_DEFAULT = 600_000


class Ledger:
    """One chain, as nodes show it and quorums have signed it. Made by `open_ledger`.

    Each question may raise `UnreachableError`, `RefusedError`, `UntrueAnswerError` (`ForkedError` among them, at once),
    and, where its docstring says so, `StaleError`.
    """

    def __init__(
        self,
        client: Client,
        anchor: Anchor,
        *,
        age_ms_max: int = AGE_MS_MAX_DEFAULT,
        clock_ms: Callable[[], int] = local_clock_ms,
    ) -> None:
        self._client = client
        self._clock_ms = clock_ms
        self._age_ms_max = age_ms_max
        self._witnesses = Witnesses(client, Follower(anchor))
        self._judge = ReceiptJudge(self._witnesses)

    @property
    def chain(self) -> Digest:
        """The chain's identity: the hash of its genesis."""
        return self._witnesses.follower.anchor.chain

    @property
    def head(self) -> CertifiedHeader | None:
        """The newest certified header that is known; it never goes back."""
        return self._witnesses.follower.light.head

    @property
    def untrue(self) -> Mapping[str, UntrueAnswerError]:
        """The newest answer of each node that was not true, by its URL."""
        return self._witnesses.untrue

    # ---- how new it is

    async def refresh(self) -> Freshness:
        """Ask every node for its newest certified block; how old the newest of them is, and which nodes lag or fail.

        Raises only when no node answers, or a fork is found.
        """
        failed = await self._witnesses.ask_all()
        behind = tuple(url for url, error in failed.items() if lags(error))
        head = self.head
        if head is None or len(failed) - len(behind) == len(self._client.nodes):
            raise worst(list(failed.values()))
        return Freshness(
            height=head.header.height,
            time_ms=head.header.time_ms,
            age_ms=self._clock_ms() - head.header.time_ms,
            behind=behind,
            failed={url: error for url, error in failed.items() if url not in behind},
        )

    def _check_fresh(self, header: Header) -> None:
        age_ms = self._clock_ms() - header.time_ms
        if age_ms > self._age_ms_max:
            raise StaleError(header.height, age_ms, self._age_ms_max)

    # ---- transactions

    async def send(
        self,
        *operations: Operation,
        signers: Sequence[Signer],
        sender: str | None = None,
        cosigners: tuple[str, ...] = (),
        memo: str | None = None,
        valid_for_ms: int = VALID_FOR_MS_DEFAULT,
        wait: bool = True,
        timeout_s: float | None = None,
    ) -> Settled:
        """Make one transaction of `operations`, sign it, and submit it (see there).

        The sender is who the first operation is by, unless it is named. It may act until ledger time is `valid_for_ms`
        after the newest certified block, of which nodes are asked first: may raise `StaleError`. Raises
        `MalformedError` for what no transaction may be. Called again it makes another transaction: to repeat one, make
        it with `build_transaction` and `submit` it.
        """
        await self._witnesses.catch_up()
        if self.head is not None:
            self._check_fresh(self.head.header)
        now_ms = self._clock_ms() if self.head is None else self.head.header.time_ms
        transaction = build_transaction(
            *operations,
            chain=self.chain,
            sender=sender or operations[0].by,
            valid_until_ms=now_ms + valid_for_ms,
            signers=signers,
            cosigners=cosigners,
            memo=memo,
        )
        return await self.submit(transaction, wait=wait, timeout_s=timeout_s)

    async def submit(self, transaction: Transaction, *, wait: bool = True, timeout_s: float | None = None) -> Settled:
        """Hand in a signed transaction; with `wait`, stay until its outcome is final or time is over.

        Harmless to repeat: the same bytes never act twice. A committed outcome is proved by its receipt, whichever node
        stated it. One that is expired rests on certified ledger time, and on the word of the nodes in `said` that they
        do not have it. Without an outcome in time the state is pending: `wait` goes on.
        """
        return await pursue(self._client, self._judge, transaction, timeout_s=timeout_s).submit(wait=wait)

    async def wait(self, transaction: Transaction | str, *, timeout_s: float | None = None) -> Settled:
        """Stay until the outcome of a transaction (or of an id, in hex) is final or time is over.

        One that the nodes have lost is handed in again, unless only its id is given.
        """
        if isinstance(transaction, Transaction):
            return await pursue(self._client, self._judge, transaction, timeout_s=timeout_s).wait()
        return await Pursuit(self._client, self._judge, transaction, timeout_s=timeout_s).wait()

    async def transaction(self, transaction_id: str) -> Settled:
        """Where a transaction stands now: proved when it is committed, else what each node says."""
        return await Pursuit(self._client, self._judge, transaction_id).status()

    # ---- state

    async def account(self, name: str, *, height: int | None = None) -> Proved[Account | None]:
        """An account, or that there is none. As for all state: now (may raise `StaleError`), or after block `height`.

        State of an earlier height is kept provable by nodes for some hundred heights only (`proof_unavailable`), and
        rests on signatures of its time and on its log being the beginning of the newest one.
        """
        return await self.state(account_key(name), parse_account_row, height=height)

    async def stream(self, name: str, *, height: int | None = None) -> Proved[Stream | None]:
        """A stream, with the number of its records, or that there is none."""
        return await self.state(stream_key(name), parse_stream_row, height=height)

    async def asset(self, name: str, *, height: int | None = None) -> Proved[Asset | None]:
        """An asset with its supply, or that there is none."""
        return await self.state(asset_key(name), parse_asset_row, height=height)

    async def balance(self, account: str, asset: str, *, height: int | None = None) -> Proved[Balance]:
        """What an account holds of an asset; nothing, if the state has no row of it."""
        found = await self.state(balance_key(account, asset), parse_balance_row, height=height)
        return _of(found, found.value or Balance(account, asset))

    async def validators(self, *, height: int | None = None) -> Proved[ValidatorSet | None]:
        """The validator set that signs the next block."""
        return await self.state(VALIDATORS_KEY, parse_validators_row, height=height)

    async def latest(self, stream: str, key: str, *, height: int | None = None) -> Proved[LatestRecord | None]:
        """Where the newest record of an entity key stands, or that there is none."""
        return await self.state(latest_key(stream, key), parse_latest_row, height=height)

    async def record(self, stream: str, key: str) -> Proved[Record | None]:
        """The newest record of an entity key with its content, or that there is none. May raise `StaleError`."""
        row = await self.latest(stream, key)
        if row.value is None:
            return _of(row, None)
        settled = await self.transaction(row.value.transaction_id.hex())
        if settled.verified is None:
            raise UnreachableError(
                ExitCode.NODE_UNREACHABLE,
                "transaction_unknown",
                f"No node has the transaction {settled.outcome.id}, which is proved to be on the ledger.",
                remedy="Ask other nodes.",
            )
        operation = settled.verified.transaction.body.operations[row.value.operation_index]
        assert isinstance(operation, RecordAppend), "the state names the operation that appended the record"
        return _of(row, Record(row.value, operation, settled.verified))

    async def state(self, key: bytes, parse: Callable[[bytes], T], *, height: int | None = None) -> Proved[T | None]:
        """What the state has under `key` (`ledger.rows` has the table), or None for nothing."""
        return await self._witnesses.from_any(self._state_at, key, parse, height)

    async def _state_at(
        self, node: Client, key: bytes, parse: Callable[[bytes], T], height: int | None
    ) -> Proved[T | None]:
        url = node.nodes[0]
        follower = self._witnesses.follower
        known = follower.light.height
        from_height = follower.light.from_height if height is None else follower.anchor.height
        query = {"key": key.decode("ascii"), "height": height, "from_height": from_height}
        file = parse_state_proof(await node.get_bytes("/v1/proofs/state", query, bytes_max=STATE_PROOF_BYTES_MAX))
        if file.row.key != key:
            reason = f"{file.row.key.decode('ascii')} instead of {key.decode('ascii')}"
            raise UntrueAnswerError(Untruth.OTHER_SUBJECT, url, reason)
        stated = parse_header(file.record.header).height
        if height is None and stated < known:
            reason = f"it answers as of height {stated}, and {known} was seen before"
            raise UntrueAnswerError(Untruth.NODE_BEHIND, url, reason)
        if height is not None and stated != height:
            raise UntrueAnswerError(Untruth.OTHER_SUBJECT, url, f"height {stated} instead of {height}")
        certified = await follower.certified(node, file.record, file.trail)
        header = certified.header
        with held(url, Untruth.STATE_UNPROVED):
            check_state_proof(file.row, header)
        if height is None:
            self._check_fresh(header)
        value = None if file.row.value is None else parse(file.row.value)
        return Proved(value, header, certified.block_hash, url)

    # ---- blocks and lists

    async def block(self, height: int) -> Block:
        """A block with all of its transactions and their results, without their contents."""
        return await self._witnesses.from_any(self._block_at, height)

    async def _block_at(self, node: Client, height: int) -> Block:
        url = node.nodes[0]
        data = await node.get_bytes(f"/v1/blocks/{height}/proof", bytes_max=BLOCK_PROOF_BYTES_MAX)
        proof = parse_block_proof(decode_form(data, bytes_max=BLOCK_PROOF_BYTES_MAX, what="block proof"))
        certified = await self._witnesses.follower.header_at(node, height)
        self._witnesses.follower.check_same(url, certified, proof.record)
        with held(url, Untruth.BLOCK_UNPROVED):
            return Block(certified.header, certified.block_hash, check_block_proof(proof, certified.header))

    def events(
        self,
        from_height: int | None = None,
        *,
        account: str | None = None,
        stream: str | None = None,
        asset: str | None = None,
        type: str | None = None,
    ) -> AsyncIterator[Block]:
        """Every block from `from_height` on (without it, from the one after the newest), verified, in order, each once.

        It goes on over lost connections and nodes that fail or lie, and does not end by itself. A consumer that keeps
        the height of the last block it is done with, and asks from the next one when it starts again, sees every block
        exactly once. With filters, `Block.matching` lists the transactions that a node says match.
        """
        filters = {"account": account, "stream": stream, "asset": asset, "type": type}
        given = {name: text for name, text in filters.items() if text is not None}
        return Events(self._client, self._witnesses.follower, self._witnesses.distrust, from_height, given).blocks()

    async def search(
        self,
        *,
        account: str | None = None,
        stream: str | None = None,
        asset: str | None = None,
        type: str | None = None,
        from_height: int | None = None,
        to_height: int | None = None,
        order: str = "desc",
        limit: int = 1_000,
    ) -> AsyncIterator[Stated[ListedTransaction]]:
        """Up to `limit` committed transactions about everything that is given, newest first or `order` "asc".

        A list is a node's word: that nothing is left out cannot be proved (the events of all blocks leave nothing
        out), and what an item says is proved by `transaction(id)`. All items are of one node; no other goes on where
        one fails. Raises `EndlessSearchError` when a node searches on for ever.
        """
        query: dict[str, str | int | None] = {
            "account": account,
            "stream": stream,
            "asset": asset,
            "type": type,
            "from_height": from_height,
            "to_height": to_height,
            "order": order,
        }
        errors: list[WalletError] = []
        for url in self._client.nodes:
            begun = False
            try:
                async for item in listed(self._client.only(url), "/v1/transactions", query, limit=limit):
                    begun = True
                    yield Stated(_listed_transaction(item), url)
            except WalletError as error:
                if begun:
                    raise
                errors.append(error)
            else:
                return
        raise worst(errors)


@asynccontextmanager
async def open_ledger(
    nodes: Sequence[str],
    anchor: Anchor,
    *,
    age_ms_max: int = AGE_MS_MAX_DEFAULT,
    timeout_s: float = 30.0,
    notice: Callable[[str], None] = lambda sentence: None,
    tokens: Tokens = NO_TOKENS,
    clock_ms: Callable[[], int] = local_clock_ms,
) -> AsyncIterator[Ledger]:
    """The ledger that `nodes` (URLs of their APIs) serve and `anchor` pins; nothing is asked before it is used.

    `anchor` comes from a genesis document or a pinned checkpoint that did not come from these nodes
    (`ledger.trail.anchor_of`, `ledger.pinned_checkpoint.anchor_of_checkpoint`). Each question lasts at most
    `timeout_s`; each node is shown its one of `tokens`. `notice` is told in words what the client goes on in spite of.
    Raises `WalletError` (2) for a URL that is none.
    """
    urls = tuple(dict.fromkeys(node_url(url) for url in nodes))
    if not urls:
        raise usage_error("No node is given to ask.")
    async with connect(urls, timeout_s=timeout_s, notice=notice, tokens=tokens) as client:
        yield Ledger(client, anchor, age_ms_max=age_ms_max, clock_ms=clock_ms)


def _of(proved: Proved[object], value: T) -> Proved[T]:
    """`value`, which follows from what is proved."""
    return Proved(value, proved.header, proved.block_hash, proved.node)


def _listed_transaction(item: dict[str, Json]) -> ListedTransaction:
    """A transaction in a list. Raises `MalformedError`."""
    operations = expect_list(item.get("operations"), what="operations", items_max=OPERATIONS_PER_TRANSACTION_MAX)
    return ListedTransaction(
        id=parse_digest(item.get("id"), "id").hex(),
        height=expect_integer(item.get("height"), what="height"),
        index=expect_integer(item.get("index"), what="index"),
        result=expect_string(item.get("result"), what="result", bytes_max=TEXT_MAX),
        sender=expect_string(item.get("sender"), what="sender", bytes_max=TEXT_MAX),
        operations=tuple(expect_string(name, what="type", bytes_max=TEXT_MAX) for name in operations),
    )
