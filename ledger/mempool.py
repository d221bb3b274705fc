"""The transactions that wait for a block: bounded, free of duplicates, fair between senders.

Only transactions that were admitted and verified come in. They keep the order of their arrival within each sender;
senders stand in a ring, the one served longest ago first. `take` goes round the ring, one transaction of each sender
per turn, so that nobody waits for another's backlog; it removes nothing, because a proposed block may fail. `remove`,
told what was committed, moves the senders that were served to the end of the ring.

The first envelope of an id stays: another one with the same id (the same body, other signatures) never evicts it, so
that a stranger cannot exchange signatures under a validator's hands. Bounds: transactions and bytes, in all, per sender
and per member (design section 6), so that nobody can fill it alone, also not with accounts below its own, of which it
adds as many as it likes; what is beyond is refused and may be submitted again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from heapq import heapify, heappop, heappush

from ledger.limits import (
    ENVELOPE_BYTES_MAX,
    MEMPOOL_BYTES_MAX,
    MEMPOOL_MEMBER_BYTES_MAX,
    MEMPOOL_MEMBER_TRANSACTIONS_MAX,
    MEMPOOL_SENDER_BYTES_MAX,
    MEMPOOL_SENDER_TRANSACTIONS_MAX,
    MEMPOOL_TRANSACTIONS_MAX,
    MEMPOOL_VALIDATOR_TRANSACTIONS_MAX,
)
from ledger.names import top_account
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.transaction import Transaction


class _Share:
    """How many transactions of one member wait, and their bytes together."""

    __slots__ = ("bytes", "count", "member")

    def __init__(self, member: str) -> None:
        self.member = member
        self.count = self.bytes = 0


class _Queue(dict[Digest, Transaction]):
    """One sender's transactions by id, in the order of their arrival, their bytes together, and the member's share."""

    __slots__ = ("bytes", "count_max", "share")

    def __init__(self, share: _Share, count_max: int) -> None:
        self.bytes = 0
        self.count_max = count_max
        self.share = share


class Mempool:
    """Pending transactions by id and by envelope hash."""

    def __init__(
        self,
        *,
        transactions_max: int = MEMPOOL_TRANSACTIONS_MAX,
        bytes_max: int = MEMPOOL_BYTES_MAX,
        sender_transactions_max: int = MEMPOOL_SENDER_TRANSACTIONS_MAX,
        sender_bytes_max: int = MEMPOOL_SENDER_BYTES_MAX,
        member_transactions_max: int = MEMPOOL_MEMBER_TRANSACTIONS_MAX,
        member_bytes_max: int = MEMPOOL_MEMBER_BYTES_MAX,
    ) -> None:
        self._transactions_max = transactions_max
        self._bytes_max = bytes_max
        self._sender_transactions_max = sender_transactions_max
        self._validator_transactions_max = min(MEMPOOL_VALIDATOR_TRANSACTIONS_MAX, sender_transactions_max)
        self._sender_bytes_max = sender_bytes_max
        self._member_transactions_max = member_transactions_max
        self._member_bytes_max = member_bytes_max
        self._by_id: dict[Digest, Transaction] = {}
        self._by_envelope_hash: dict[Digest, Transaction] = {}
        # Asked several times about each transaction of a node: without a call in between.
        self.pending: Callable[[Digest], bool] = self._by_id.__contains__
        """Whether a transaction with this id waits."""
        self.get: Callable[[Digest], Transaction | None] = self._by_envelope_hash.get
        """The pending transaction with exactly this envelope (by its hash), or None."""
        self._ring: dict[str, _Queue] = {}  # no sender without a transaction
        self._shares: dict[str, _Share] = {}  # by top-level account; none without a transaction
        self._bytes = 0
        # (valid_until, id) of every transaction, and of some that are gone: see `_compact`.
        self._expiries: list[tuple[int, Digest]] = []

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def bytes(self) -> int:
        """Bytes of all pending envelopes together."""
        return self._bytes

    @property
    def is_full(self) -> bool:
        """Whether there is no room for every transaction, whoever sends it: large ones are refused first."""
        return len(self._by_id) >= self._transactions_max or self._bytes + ENVELOPE_BYTES_MAX > self._bytes_max

    def get_by_id(self, transaction_id: Digest) -> Transaction | None:
        """The pending transaction with this id, or None."""
        return self._by_id.get(transaction_id)

    def room_for(self, transaction: Transaction) -> Refusal | None:
        """Why there is no room for `transaction`, which is not pending, or None. Cheap: asked before it is verified."""
        size = len(transaction.envelope)
        if len(self._by_id) >= self._transactions_max or self._bytes + size > self._bytes_max:
            return Refusal(Code.MEMPOOL_FULL, f"{len(self._by_id)} transactions of {self._bytes} bytes are pending")
        sender = transaction.body.sender
        queue = self._ring.get(sender)
        if queue is None:
            share = self._shares.get(top_account(sender))
        elif len(queue) >= queue.count_max or queue.bytes + size > self._sender_bytes_max:
            return Refusal(
                Code.SENDER_MEMPOOL_FULL, f"{len(queue)} transactions of {sender}, of {queue.bytes} bytes, are pending"
            )
        else:
            share = queue.share
        if share is not None and (
            share.count >= self._member_transactions_max or share.bytes + size > self._member_bytes_max
        ):
            return Refusal(
                Code.SENDER_MEMPOOL_FULL,
                f"{share.count} transactions of {share.member} and its accounts, of {share.bytes} bytes, are pending",
            )
        return None

    def has_ample_room(self, transactions: Sequence[Transaction]) -> bool:
        """Whether there is room for all of these for certain, in any order, however many of them are by one sender."""
        count, size = len(transactions), sum([len(item.envelope) for item in transactions])
        count_after, size_after = len(self._by_id) + count, self._bytes + size
        if count_after > self._transactions_max or size_after > self._bytes_max:
            return False
        senders = {item.body.sender for item in transactions}
        if (
            count_after <= min(self._sender_transactions_max, self._member_transactions_max)
            and size_after <= min(self._sender_bytes_max, self._member_bytes_max)
            and ":" not in "".join(senders)
        ):
            return True  # though all that waits were by one account
        for sender in senders:
            queue = self._ring.get(sender) or self._new_queue(sender)
            if len(queue) + count > queue.count_max or queue.bytes + size > self._sender_bytes_max:
                return False
            share = queue.share
            if share.count + count > self._member_transactions_max or share.bytes + size > self._member_bytes_max:
                return False
        return True

    def put(self, transactions: Iterable[Transaction]) -> list[int]:
        """Take in verified transactions for which there is room. One whose id is pending already changes nothing.

        Returns, of each, how many of its sender wait when it is in.
        """
        ring, by_id, by_envelope_hash, expiries = self._ring, self._by_id, self._by_envelope_hash, self._expiries
        waiting: list[int] = []
        for transaction in transactions:
            body, transaction_id = transaction.body, transaction.id
            sender = body.sender
            queue = ring.get(sender) or self._queue_of(sender)
            if transaction_id not in by_id:
                size, share = len(transaction.envelope), queue.share
                queue[transaction_id] = by_id[transaction_id] = transaction
                by_envelope_hash[transaction.envelope_hash] = transaction
                queue.bytes += size
                share.count += 1
                share.bytes += size
                self._bytes += size
                heappush(expiries, (body.valid_until_ms, transaction_id))
            waiting.append(len(queue))
        return waiting

    def _queue_of(self, sender: str) -> _Queue:
        """A queue for `sender`, of whom nothing waits, which is in the ring from now on."""
        queue = self._ring[sender] = self._new_queue(sender)
        self._shares[queue.share.member] = queue.share
        return queue

    def _new_queue(self, sender: str) -> _Queue:
        """An empty queue that is not in the ring."""
        member = top_account(sender)
        count_max = self._validator_transactions_max if ":" in sender else self._sender_transactions_max
        return _Queue(self._shares.get(member) or _Share(member), count_max)

    def take(self, *, count_max: int, bytes_max: int, quota: int) -> tuple[Transaction, ...]:
        """The next at most `count_max` transactions, of `bytes_max` bytes together, at most `quota` per sender.

        They stay until `remove`. A sender's transaction that no longer fits ends its turns: none overtakes it.
        """
        taken: list[Transaction] = []
        bytes_left = bytes_max
        turns = [iter(queue.values()) for queue in self._ring.values()]
        for _ in range(quota):
            going_on = []
            for queue in turns:
                if len(taken) == count_max:
                    return tuple(taken)
                transaction = next(queue, None)
                if transaction is not None and len(transaction.envelope) <= bytes_left:
                    bytes_left -= len(transaction.envelope)
                    taken.append(transaction)
                    going_on.append(queue)
            if not going_on:
                break
            turns = going_on
        return tuple(taken)

    def remove(self, transaction_ids: Iterable[Digest]) -> list[Transaction]:
        """Forget the transactions with these ids (committed ones, or those a builder found inadmissible); return them.

        Their senders move to the end of the ring. Ids that are not pending are passed over.
        """
        waiting = map(self._by_id.get, dict.fromkeys(transaction_ids))
        removed = [transaction for transaction in waiting if transaction is not None]
        served = self._forget(removed)
        for sender in reversed(dict.fromkeys(reversed(served))):  # in the order in which each was served last
            queue = self._ring.pop(sender, None)
            if queue is not None:
                self._ring[sender] = queue
        self._compact()
        return removed

    def of_accounts(self, names: AbstractSet[str]) -> tuple[Transaction, ...]:
        """All that wait and have one of these accounts as sender or cosigner, oldest first."""
        return tuple(
            item
            for item in self._by_id.values()
            if item.body.sender in names or not names.isdisjoint(item.body.cosigners)
        )

    def senders(self) -> frozenset[str]:
        """All that a transaction waits of, accounts and validators."""
        return frozenset(self._ring)

    def drop_expired(self, ledger_time_ms: int) -> tuple[Digest, ...]:
        """Forget what cannot be in a block whose parent has time `ledger_time_ms`, and return those ids."""
        dropped = []
        while self._expiries and self._expiries[0][0] <= ledger_time_ms:
            _, transaction_id = heappop(self._expiries)
            transaction = self._by_id.get(transaction_id)
            if transaction is not None:
                self._forget([transaction])
                dropped.append(transaction_id)
        return tuple(dropped)

    def _forget(self, transactions: Sequence[Transaction]) -> list[str]:
        """Let go of these, which wait, each there once; returns the sender of each."""
        ring, by_id, by_envelope_hash = self._ring, self._by_id, self._by_envelope_hash
        senders = [transaction.body.sender for transaction in transactions]
        for transaction, sender in zip(transactions, senders, strict=True):
            transaction_id, size = transaction.id, len(transaction.envelope)
            queue = ring[sender]
            share = queue.share
            del by_id[transaction_id], by_envelope_hash[transaction.envelope_hash], queue[transaction_id]
            queue.bytes -= size
            share.count -= 1
            share.bytes -= size
            self._bytes -= size
            if not queue:
                del ring[sender]
                if not share.count:
                    del self._shares[share.member]
        return senders

    def _compact(self) -> None:
        """Rebuild the heap of expiries when most of it is about transactions that are gone: it stays bounded."""
        if len(self._expiries) > 2 * len(self._by_id) + 1_000:
            self._expiries = [(item.body.valid_until_ms, item.id) for item in self._by_id.values()]
            heapify(self._expiries)
