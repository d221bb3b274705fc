"""The event stream of a chain: every block once, in order, verified, over whatever connections do.

The place in the stream is a height, and the client holds it: each connection asks for what comes next, each event must
be exactly that, and what is not whole when a connection breaks has not come. So nothing is lost or comes twice,
whichever node is asked next. A node that sends another block than the next, or one that does not verify, is left.

Blocks before the newest that is known are followed by a light client of their own, from the anchor on; when it comes
to blocks that were seen, they must be the same.
"""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import aiohttp
import orjson

from ledger.block import parse_header
from ledger.block_proof import check_block_proof, parse_block_proof
from ledger.encoding import expect_integer, expect_list
from ledger.errors import MalformedError, VerificationError
from ledger.limits import BLOCK_TRANSACTIONS_MAX, EVENT_BYTES_MAX, HTTP_STREAM_KEEP_ALIVE_SECONDS
from wallet.answers import as_object, parse_problem
from wallet.client.conversation import CONNECT_TIMEOUT_S, Client, Failure
from wallet.client.errors import ForkedError, RefusedError, UntrueAnswerError, Untruth, refused, unreachable, worst
from wallet.client.following import Follower, check_above, held
from wallet.client.values import Block
from wallet.exit_codes import WalletError

if TYPE_CHECKING:
    from ledger.block import Leaf
    from ledger.consensus.messages import CommitRecord
    from ledger.consensus.record import CertifiedHeader
    from ledger.encoding import Json

SILENCE_S_MAX = 3.0 * HTTP_STREAM_KEEP_ALIVE_SECONDS
"""A connection on which nothing comes for so long, not even a sign of life, is dead."""
QUIET_S_MAX = 90.0
"""After so long without a block another node is asked: this one may be hiding what is new."""
SHORT_S = 1.0
"""A connection that ends within so long, and brought nothing, is none."""
PAUSE_S_MIN, PAUSE_S_MAX = 0.2, 5.0
PROBLEM_BYTES_MAX = 65_536

_TIMEOUT = aiohttp.ClientTimeout(total=None, connect=CONNECT_TIMEOUT_S, sock_read=SILENCE_S_MAX)
_ID = re.compile(r"0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One server-sent event: its id and data."""

    id: str
    data: bytes


class EventParser:
    """Server-sent events from the bytes of a stream (HTML Living Standard, section 9.2.6); one that is cut is none."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._searched = 0
        self._id = ""
        self._data = bytearray()

    def feed(self, received: bytes) -> Iterator[ServerEvent]:
        """The events that `received` completes. Raises `MalformedError` for one beyond EVENT_BYTES_MAX."""
        self._rest += received
        while (end := self._rest.find(b"\n", self._searched)) >= 0:
            line = bytes(self._rest[:end]).removesuffix(b"\r")
            del self._rest[: end + 1]
            self._searched = 0
            event = self._take(line)
            if event is not None:
                yield event
        self._searched = len(self._rest)
        if self._searched + len(self._data) > EVENT_BYTES_MAX:
            raise MalformedError(f"an event has more than {EVENT_BYTES_MAX} bytes")

    def _take(self, line: bytes) -> ServerEvent | None:
        """The event that ends with this line, if one does."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"id":
            self._id = value.decode(errors="replace")
        elif name == b"data":
            self._data += value + b"\n"
        elif not line and self._data:
            data = bytes(self._data[:-1])
            self._data.clear()
            return ServerEvent(self._id, data)
        return None


class Events:
    """One stream from `from_height` on. `follower` is what is known of the chain; `distrust` is told of untruths."""

    def __init__(
        self,
        client: Client,
        follower: Follower,
        distrust: Callable[[UntrueAnswerError], object],
        from_height: int | None,
        filters: Mapping[str, str],
    ) -> None:
        self._client = client.copy()
        self._main = follower
        self._own: Follower | None = None
        self._distrust = distrust
        self._next = from_height
        self._filters = filters

    async def blocks(self) -> AsyncIterator[Block]:
        """The blocks.

        Raises when every node refused or gave an untruth since the last block (`ForkedError` at once), or when none
        gave anything usable for the client's `timeout_s`.
        """
        if self._next is not None:
            self._next = max(self._next, 1)  # genesis is pinned, and no quorum has signed it
            check_above(self._main.anchor, self._next)
        client, definite = self._client, dict[str, UntrueAnswerError | RefusedError]()
        pause_s, failing_since_s = PAUSE_S_MIN, client.now_s()
        while True:
            url = client.nodes[0]
            error: WalletError | None = None
            delivered = False
            try:
                async with aclosing(self._connection(client.only(url))) as connection:
                    async for block in connection:
                        delivered = True
                        definite.clear()
                        yield block
            except WalletError as raised:
                error = raised
            except MalformedError as raised:
                error = unreachable([Failure(url, str(raised), "node_answer_malformed")])
            if error is not None or not delivered:
                client.avoid(url)
            if isinstance(error, UntrueAnswerError):
                self._distrust(error)
            if isinstance(error, UntrueAnswerError | RefusedError):
                definite[url] = error
                if isinstance(error, ForkedError) or len(definite) == len(client.nodes):
                    raise worst([*definite.values()])
            if delivered or error is None:
                pause_s, failing_since_s = PAUSE_S_MIN, client.now_s()
            elif client.now_s() - failing_since_s > client.timeout_s:
                raise error
            if not delivered:
                await client.sleep(pause_s)
                pause_s = min(2 * pause_s, PAUSE_S_MAX)

    async def _connection(self, node: Client) -> AsyncGenerator[Block, None]:
        """The blocks that come over one connection to `node`; ends when that does, or when it is quiet for long.

        Raises `UnreachableError` when there is no connection, or nothing but its end; and what does not hold.
        """
        if self._next is None:
            self._next = await self._after_newest(node)
        opened_s = last_s = node.now_s()
        parser, came = EventParser(), False
        reason = "the event stream ended at once"
        try:
            async with node.session.get(self._url(node), timeout=_TIMEOUT, allow_redirects=False) as response:
                if response.status != 200:
                    raise await _problem(node.nodes[0], response)
                async for received in response.content.iter_any():
                    for event in parser.feed(received):
                        came = True
                        block = await self._verified(node, event)
                        self._next = block.height + 1
                        yield block
                        last_s = node.now_s()
                    if node.now_s() - last_s > QUIET_S_MAX:
                        return
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            reason = str(error) or type(error).__name__
        if not came and node.now_s() - opened_s < SHORT_S:
            raise unreachable([Failure(node.nodes[0], reason)])

    async def _after_newest(self, node: Client) -> int:
        """The height after the newest block that is known, once `node` has been asked for it."""
        try:
            await self._main.advance(node)
        except RefusedError:
            return self._main.light.height + 1  # there is no certified block yet
        except UntrueAnswerError as error:
            if error.untruth is not Untruth.NODE_BEHIND:
                raise
        return self._main.light.height + 1

    def _url(self, node: Client) -> str:
        return f"{node.nodes[0]}/v1/events?{urlencode({**self._filters, 'from_height': self._next, 'proof': 1})}"

    # ---- one event

    async def _verified(self, node: Client, event: ServerEvent) -> Block:
        """The block that `event` proves, which must be the next one."""
        url, wanted = node.nodes[0], self._next
        assert wanted is not None, "the stream has begun"
        height = _height(event.id)
        if height != wanted:
            untruth = Untruth.BLOCK_SKIPPED if height > wanted else Untruth.BLOCK_REPEATED
            raise UntrueAnswerError(untruth, url, f"block {height} comes where block {wanted} is next")
        document = as_object(_json(event.data), "an event")
        proof = parse_block_proof(document.get("proof"))
        header = parse_header(proof.record.header)
        self._main.check_chain(url, header)
        if header.height != height:
            raise UntrueAnswerError(Untruth.OTHER_SUBJECT, url, f"the event {height} is about block {header.height}")
        certified = await self._follow(node, proof.record, height)
        with held(url, Untruth.BLOCK_UNPROVED):
            leaves = check_block_proof(proof, certified.header)
            matching = _matching(document, leaves) if self._filters else None
        return Block(certified.header, certified.block_hash, leaves, matching)

    async def _follow(self, node: Client, record: CommitRecord, height: int) -> CertifiedHeader:
        """The certified header of the next block, held against what is known; there it is learned, if it is new."""
        main = self._main
        if self._own is None:
            own = Follower(main.anchor, main.light.fork() if height > main.light.height else None)
            certified = await own.header_at(node, height)
            own.check_same(node.nodes[0], certified, record)
            await main.hold(node, certified, record)
            self._own = own  # only now: what a liar has led to is followed by nobody
            return certified
        certified = await self._own.next(node, record, height)
        if height > main.light.height:
            await main.next(node, record, height)
        else:
            with held(node.nodes[0], Untruth.CERTIFICATE_FORGED):
                main.light.compare(certified, record)
        return certified


def _height(text: str) -> int:
    """The height that is an event's id. Raises `MalformedError`."""
    if not _ID.fullmatch(text):
        raise MalformedError("an event's id is not a height")
    return int(text)


def _json(data: bytes) -> Json:
    try:
        value: Json = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise MalformedError(f"an event's data is not JSON: {error}") from None
    return value


def _matching(document: Mapping[str, Json], leaves: Sequence[Leaf]) -> tuple[Leaf, ...]:
    """The listed transactions as the leaves that they are. Raises `MalformedError` or `VerificationError`."""
    found = []
    for item in expect_list(document.get("transactions"), what="transactions", items_max=BLOCK_TRANSACTIONS_MAX):
        listed = as_object(item, "a transaction")
        index = expect_integer(listed.get("index"), what="index", maximum=BLOCK_TRANSACTIONS_MAX)
        leaf = leaves[index] if index < len(leaves) else None
        if leaf is None or (listed.get("id"), listed.get("result")) != (leaf.transaction_id.hex(), leaf.result):
            raise VerificationError(f"the transaction listed with index {index} is not that of the block")
        found.append(leaf)
    return tuple(found)


async def _problem(url: str, response: aiohttp.ClientResponse) -> WalletError:
    """Why a node opens no stream: its refusal, or that it is busy or failing."""
    content = await response.content.read(PROBLEM_BYTES_MAX)
    try:
        value = _json(content)
    except MalformedError:
        value = None
    problem = parse_problem(response.status, value)
    if response.status >= 500 or response.status == 429:
        return unreachable([Failure(url, problem.detail, problem.code)])
    return refused(problem, url)
