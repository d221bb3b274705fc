"""What the HTTP API needs of a running node, and nothing more: the one seam between `node.http` and the runtime.

Reads go straight to `queries`: the handlers run on the node's event loop and never yield in the middle of a read, so
each answer is of one height. Everything that takes time is awaited here, and each method says what holds when it
returns. There is no event queue to overflow: a reader of blocks keeps its own height, waits for `block_after`, and
reads the store (design section 9: nothing is lost silently).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from ledger.consensus.inputs import PeerId
from ledger.evidence import Evidence
from ledger.primitives import Digest
from node.replica import Outcome, Published, ReplicaStatus
from node.storage.queries import Queries
from node.verification.status import WorkersStatus


class NodeFace(Protocol):
    """A running node, as the HTTP API sees it. Implemented by the runtime, and by a fake in tests."""

    @property
    def queries(self) -> Queries:
        """Reads of the committed chain; what it answers is durable."""
        ...

    async def submit(self, envelopes: Sequence[bytes]) -> tuple[Outcome, ...]:
        """Hand envelopes in, in their exact bytes, together. Returns one outcome for each, in the same order.

        They are as they came: nobody has looked inside or at the length of one. There are at most
        `HTTP_BATCH_TRANSACTIONS_MAX`, and they have at most `HTTP_BODY_BYTES_MAX` bytes together. Never waits for a
        block. The caller may be cancelled (its client went away); what it submitted stays submitted.
        """
        ...

    async def wait(self, transaction_ids: Sequence[Digest]) -> None:
        """Return when every one of the transactions is committed or expired; how long to wait, the caller decides.

        Costs the node nothing per block for a waiter whose transactions are not in it. Cancelling leaves no trace.
        """
        ...

    async def block_after(self, height: int) -> None:
        """Return when the chain has a block above `height`: at once if it already does."""
        ...

    def request_came(self) -> None:
        """A request is about to be handled: it shall not wait for one more step of the replica."""
        ...

    def reader_came(self) -> None:
        """What is asked for is read here, not submitted: what comes next shall not wait for long steps."""
        ...

    def pending(self, transaction_id: Digest) -> bool:
        """Whether the transaction is held here, waiting for a block."""
        ...

    def expired(self, transaction_id: Digest) -> bool:
        """Whether the transaction was held here and its `valid_until` has passed: it can never be committed.

        Remembered for a bounded number of transactions.
        """
        ...

    def evidence(self) -> tuple[Evidence, ...]:
        """What this node keeps against validators that signed two contradictory statements, by height and validator."""
        ...

    def checkpoint(self) -> Published | None:
        """The newest checkpoint of the log with a quorum of cosignatures, or None before there is one."""
        ...

    @property
    def storage_low(self) -> bool:
        """Whether the node's disk is nearly full, so that submissions are refused (`limits.DISK_FREE_BYTES_MIN`)."""
        ...

    def status(self) -> ReplicaStatus:
        """What the replica is doing now."""
        ...

    def dial_faults(self) -> Mapping[PeerId, str]:
        """Why peers that are not linked could not be dialed, by node key in hex. Printable, and not to be believed: it
        may be in the words of whatever answered."""
        ...

    def workers(self) -> WorkersStatus:
        """How the processes are that verify signatures ahead."""
        ...
