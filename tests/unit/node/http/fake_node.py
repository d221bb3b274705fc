"""A node for tests of the HTTP API: a real chain in memory, and a mempool that the test empties when it likes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from ledger.consensus.height import Timing
from ledger.consensus.inputs import PeerId
from ledger.evidence import Evidence
from ledger.log.checkpoint import Checkpoint, cosign, cosigner_key, log_origin, sign
from ledger.log.signed_note import Note
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.state import State
from ledger.transaction import Transaction, parse_transaction
from node.replica import Committed, Outcome, PeerStatus, Pending, Published, ReplicaStatus, Role
from node.replica.status import Unlinked
from node.storage.memory import MemoryStore
from node.storage.queries import Queries
from node.verification.status import NO_WORKERS, WorkersStatus
from tests.unit.ledger.founders import founder
from tests.unit.node.storage import chains

TIMING = Timing(base_timeout_ms=2_000, timeout_ms_max=60_000, heartbeat_ms=60_000, tick_ms=1_000)


class FakeNode:
    """A `NodeFace` whose blocks come when `append` is called, with what has been submitted."""

    def __init__(self) -> None:
        self.chain = chains.new_chain(MemoryStore())
        self.queries = Queries(self.chain)
        self.mempool: dict[Digest, Transaction] = {}
        self.expired_ids: set[Digest] = set()
        self.found: tuple[Evidence, ...] = ()
        self.peers: tuple[PeerStatus, ...] = ()
        self.faults: dict[PeerId, str] = {}
        self.role = Role.VOTING
        self.storage_low = False
        self.verifying = NO_WORKERS
        self.published: Published | None = None
        self.refuse_all: Refusal | None = None
        self.submissions: list[tuple[bytes, ...]] = []
        self.waiting = 0
        self.requests = 0
        self.readers = 0
        self._changed = asyncio.Event()

    async def submit(self, envelopes: Sequence[bytes]) -> tuple[Outcome, ...]:
        self.submissions.append(tuple(envelopes))
        return tuple(self._admit(envelope) for envelope in envelopes)

    def _admit(self, envelope: bytes) -> Outcome:
        if self.refuse_all is not None:
            return self.refuse_all
        transaction = parse_transaction(envelope)
        if isinstance(transaction, Refusal):
            return transaction
        if self.chain.transaction_committed(transaction.id):
            return Committed(transaction.id)
        self.mempool.setdefault(transaction.id, transaction)
        return Pending(transaction.id)

    async def wait(self, transaction_ids: Sequence[Digest]) -> None:
        self.waiting += 1
        try:
            while any(name in self.mempool for name in transaction_ids):
                await self._changed.wait()
        finally:
            self.waiting -= 1

    async def block_after(self, height: int) -> None:
        while self.chain.tip.header.height <= height:
            await self._changed.wait()

    def request_came(self) -> None:
        self.requests += 1

    def reader_came(self) -> None:
        self.readers += 1

    def pending(self, transaction_id: Digest) -> bool:
        return transaction_id in self.mempool

    def expired(self, transaction_id: Digest) -> bool:
        return transaction_id in self.expired_ids

    def evidence(self) -> tuple[Evidence, ...]:
        return self.found

    def checkpoint(self) -> Published | None:
        return self.published

    def dial_faults(self) -> Mapping[PeerId, str]:
        return self.faults

    def workers(self) -> WorkersStatus:
        return self.verifying

    def status(self) -> ReplicaStatus:
        tip = self.chain.tip
        return ReplicaStatus(
            chain=self.chain.chain,
            height=tip.header.height,
            block_hash=tip.block_hash,
            time_ms=tip.header.time_ms,
            deciding=tip.header.height + 1,
            waiting_ms=0,
            busy_ms=None,
            round=0,
            round_ms=None,
            timing=TIMING,
            leader="v1",
            failed_leaders=(),
            proposal_seen=False,
            role=self.role,
            reason="for the test",
            validator="v0",
            validators=("v0", "v1", "v2", "v3"),
            quorum=3,
            quorum_sentence="",
            prepared=("v0",),
            committed=(),
            timed_out=(),
            missing=("v1", "v2", "v3"),
            votes=(),
            wanted_blocks=(),
            refused_block=None,
            refused_record=None,
            peers=self.peers,
            unlinked=tuple(
                Unlinked(name, 0) for name in ("v1", "v2", "v3") if name not in {peer.validator for peer in self.peers}
            ),
            clocks=(),
            clock_set_back_ms=0,
            stood_still_ms=0,
            stood_still_ago_ms=0,
            stood_still_times=0,
            mempool_transactions=len(self.mempool),
            mempool_bytes=sum(len(item.envelope) for item in self.mempool.values()),
            mempool_full=False,
            evidence_count=len(self.found),
            conflict_height=None,
            unfit=None,
            explanation="waiting for v1 to propose",
        )

    # ---- what tests do

    def append(self, *transactions: Transaction) -> None:
        """Append a block with `transactions`, and with all that is pending."""
        chains.commit(self.chain, [*transactions, *self.mempool.values()])
        self.mempool.clear()
        self._wake()

    def results(self) -> tuple[str, ...]:
        """The results of the newest block."""
        return tuple(leaf.result for leaf in self.chain.leaves(self.chain.tip.header.height))

    def chain_state(self) -> State:
        """The state after the newest block."""
        return State(self.chain.state)

    def grow(self, *sizes: int) -> None:
        """Append blocks of so many transactions each, about records of one stream."""
        chains.grow(self.chain, sizes)
        self._wake()

    def expire(self, transaction_id: Digest) -> None:
        """Drop a pending transaction for good."""
        del self.mempool[transaction_id]
        self.expired_ids.add(transaction_id)
        self._wake()

    def drop(self, transaction_id: Digest) -> None:
        """Forget a pending transaction, as when its sender was suspended."""
        del self.mempool[transaction_id]
        self._wake()

    def publish(self, *cosigners: int, by: int = 0) -> Published:
        """Have validators cosign the newest block, the first q of them by default, as v<by> serves it."""
        header = self.chain.tip.header
        checkpoint = Checkpoint(log_origin(self.chain.genesis), header.log_size, header.log_root)
        lines = [sign(founder(by).cosigning_key, checkpoint)]
        for index in cosigners or range(self.chain_state().validators().quorum):
            who = founder(index)
            name = cosigner_key(checkpoint.origin, who.card.validator)
            lines.append(cosign(who.cosigning_key, name, checkpoint, header.time_ms // 1_000))
        self.published = Published(header.height, checkpoint, Note(checkpoint.text, tuple(lines)))
        return self.published

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
