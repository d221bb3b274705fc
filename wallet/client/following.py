"""A light client that is led by nodes: what they show becomes known, or an error that says how it is not true.

Everything here asks one node; which node that is, and what becomes of its errors, is the caller's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ledger.block import block_hash, parse_header
from ledger.errors import BelowAnchorError, VerificationError
from ledger.light_client import BehindError, ForkError, LightClient, LogError, Progress, parse_light_update
from ledger.limits import LIGHT_UPDATE_BYTES_MAX
from ledger.trail import Anchor, SetChange
from wallet.client.errors import ForkedError, UntrueAnswerError, Untruth
from wallet.exit_codes import WalletError, verification_error

if TYPE_CHECKING:
    from ledger.block import Header
    from ledger.consensus.messages import CommitRecord
    from ledger.consensus.record import CertifiedHeader
    from wallet.client.conversation import Client

UPDATES_MAX = 1_000
"""Light updates in a row: a chain on which the set changed more often than that is not caught up with at once."""


@contextmanager
def held(node: str, untruth: Untruth) -> Iterator[None]:
    """Whatever does not verify within is an `UntrueAnswerError` of `node`: `untruth`, unless it is a plainer one."""
    try:
        yield
    except ForkError as error:
        raise ForkedError(node, error) from None
    except BehindError as error:
        raise UntrueAnswerError(Untruth.NODE_BEHIND, node, str(error)) from None
    except LogError as error:
        raise UntrueAnswerError(Untruth.LOG_INCONSISTENT, node, str(error)) from None
    except BelowAnchorError as error:
        raise _below_anchor(error) from None
    except VerificationError as error:
        raise UntrueAnswerError(untruth, node, str(error)) from None


def check_above(anchor: Anchor, height: int) -> None:
    """Raise `WalletError` (10) for a block that nothing that is asked of nodes can prove to a holder of `anchor`."""
    if height <= anchor.height:
        raise _below_anchor(BelowAnchorError(height, anchor.height))


def _below_anchor(error: BelowAnchorError) -> WalletError:
    return verification_error(
        f"It cannot be proved against the pinned checkpoint: {error}.",
        code="below_anchor",
        remedy="Pin genesis, or a checkpoint below that height.",
    )


async def fetch_update(client: Client, from_height: int, log_size: int, to_height: int | None = None) -> bytes:
    """What leads from what is known to block `to_height`, or the newest, as a node has it, not looked at.

    `from_height` and `log_size` are those of a `LightClient`. Raises what asking raises.
    """
    path = f"/v1/light/update?from_height={from_height}&log_size={log_size}"
    if to_height is not None:
        path += f"&to_height={to_height}"
    return await client.get_bytes(path, bytes_max=LIGHT_UPDATE_BYTES_MAX)


class Follower:
    """What is known of a chain, and how to learn more from a node."""

    def __init__(self, anchor: Anchor, light: LightClient | None = None) -> None:
        self.anchor = anchor
        self.light = light or LightClient(anchor)

    async def advance(self, node: Client, to_height: int | None = None) -> tuple[SetChange, ...]:
        """Be led by `node` to the block at `to_height`, or to its newest. Does nothing when that is known.

        Returns the changes of the validator set on the way.
        Raises `UntrueAnswerError`, also where the node's newest is below what is known, `MalformedError`, and what
        asking raises.
        """
        light, url = self.light, node.nodes[0]
        trail: tuple[SetChange, ...] = ()
        for _ in range(UPDATES_MAX):
            if to_height is not None and light.height >= to_height:
                return trail
            head = light.head
            data = await fetch_update(node, light.from_height, light.log_size, to_height)
            if light.head is not head:
                continue  # others have advanced it meanwhile, and this update is from where it was
            update = parse_light_update(data)
            header = parse_header(update.record.header)
            self.check_chain(url, header)
            if to_height is not None and header.height > to_height:
                raise UntrueAnswerError(Untruth.OTHER_SUBJECT, url, f"it leads to {header.height}, not {to_height}")
            with held(url, Untruth.CERTIFICATE_FORGED):
                progress = light.advance(update)
            trail += update.trail
            pausing = bool(update.trail) and header.next_validators_hash != header.validators_hash
            if progress is Progress.KNOWN or (to_height is None and not pausing):
                return trail
            if to_height is not None and header.height < to_height and not pausing:
                raise UntrueAnswerError(Untruth.OTHER_SUBJECT, url, f"it leads to {header.height}, not {to_height}")
        raise UntrueAnswerError(Untruth.NODE_BEHIND, url, f"after {UPDATES_MAX} updates there are more")

    async def header_at(self, node: Client, height: int) -> CertifiedHeader:
        """The certified header of a block, led to by `node`, held against what is known. Raises as `advance` does."""
        url = node.nodes[0]
        if height > self.light.height:
            await self.advance(node, height)
        known = self.light.remembered(height)
        if known is not None:
            return known[0]
        check_above(self.anchor, height)
        again = Follower(self.anchor)
        await again.advance(node, height)
        found = again.light.remembered(height)
        if found is None or (record := found[1]) is None:
            raise UntrueAnswerError(Untruth.OTHER_SUBJECT, url, f"it does not lead to block {height}")
        certified = found[0]
        await self.hold(node, certified, record)
        return certified

    async def next(self, node: Client, record: CommitRecord, height: int) -> CertifiedHeader:
        """The header that `record`, in an answer of `node`, certifies at `height`, above the head: it is learned.

        Where it is the next block, and the set that signs it is known, no question is asked. Raises as `advance` does.
        """
        light = self.light
        if height == light.height + 1 and light.validators is not None:
            with held(node.nodes[0], Untruth.CERTIFICATE_FORGED):
                return light.append(record)
        certified = await self.header_at(node, height)
        self.check_same(node.nodes[0], certified, record)
        return certified

    def check_chain(self, url: str, header: Header) -> None:
        """Raise `UntrueAnswerError` unless `header` says that it is of this chain."""
        if (header.chain, header.epoch) != (self.anchor.chain, self.anchor.epoch):
            reason = f"its block {header.height} is of the chain {header.chain.hex()}, epoch {header.epoch}"
            raise UntrueAnswerError(Untruth.OTHER_CHAIN, url, reason)

    def check_same(self, url: str, certified: CertifiedHeader, record: CommitRecord) -> None:
        """Raise `UntrueAnswerError` unless `record` is of this header, which is certified.

        `ForkedError`, when a quorum has signed another one, too.
        """
        if block_hash(record.header) == certified.block_hash:
            return
        height = certified.header.height
        self.check_chain(url, parse_header(record.header))
        with held(url, Untruth.CERTIFICATE_FORGED):
            if height > self.light.from_height:
                self.light.certify(record, ())
            raise VerificationError(f"its block {height} is not the certified one")

    async def certified(self, node: Client, record: CommitRecord, trail: Sequence[SetChange]) -> CertifiedHeader:
        """The header that a record in an answer of `node` certifies, held against what is known.

        What is above the head is learned. Raises as `advance` does.
        """
        url, header = node.nodes[0], parse_header(record.header)
        self.check_chain(url, header)
        head = self.light.head
        if head is not None and head.block_hash == block_hash(record.header):
            return head
        with held(url, Untruth.CERTIFICATE_FORGED):
            certified = self.light.certify(record, trail)
        await self.hold(node, certified, record)
        return certified

    async def hold(self, node: Client, certified: CertifiedHeader, record: CommitRecord) -> None:
        """Hold a certified header in an answer of `node` against what is known; what is above the head is learned.

        Of a block below the head that is not remembered, the log must be the beginning of the head's. Raises as
        `advance` does.
        """
        url, height = node.nodes[0], certified.header.height
        if height > self.light.height:
            await self.advance(node, height)
        with held(url, Untruth.CERTIFICATE_FORGED):
            if self.light.compare(certified, record):
                return
        while True:
            head = self.light.head
            assert head is not None, "what is certified and not above it is compared with it"
            newest = head.header.height
            data = await fetch_update(node, newest - 1, certified.header.log_size, newest)
            if self.light.head is head:
                break
        with held(url, Untruth.LOG_INCONSISTENT):
            self.light.check_in_log(certified.header, parse_light_update(data).consistency)
