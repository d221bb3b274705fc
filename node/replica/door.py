"""The door for transactions: bytes come in, and what passes is well formed, authorized and verified here.

Submissions of this node's API and what peers send go the same way, in this order (design sections 6 and 11): known
already; parsed; known by its id; room for it; authority, which looks accounts up and counts signatures; then, and only
then, the curve arithmetic; then the mempool. Each signature is verified once per node: what was verified is remembered
by envelope hash, in memory only, and nothing but a verification in this process enters that memory. [safety]

Whoever accepts a submission sends it to all peers once; receivers do not pass it on. What is by a sender of whom few
wait here goes ahead of the rest, on all its way, so that nobody waits behind another's backlog.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

from ledger.admission import check_authority, check_signatures
from ledger.crypto import Verify
from ledger.limits import (
    EXPIRED_TRANSACTIONS_MAX,
    GOSSIP_TRANSACTIONS_PER_FRAME_MAX,
    PROMPT_TRANSACTIONS_MAX,
    SUBMISSION_REPEAT_TICKS,
    VERIFIED_ENVELOPES_MAX,
)
from ledger.mempool import Mempool
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.transaction import Transaction, envelope_hash, parse_transaction
from node.replica.actions import Committed, Outcome, Pending
from node.replica.deciding import Deciding
from node.wire import Haste, Transactions, split_transactions


class Door:
    """The mempool with its entrance. `committed` says whether an id is in a block of the chain."""

    def __init__(self, verify: Verify, committed: Callable[[Digest], bool]) -> None:
        self.mempool = Mempool()
        self._verify = verify
        self._committed = committed
        # Ordered ones: a plain dict walks over all that was deleted before it finds its oldest.
        self._verified: OrderedDict[Digest, Digest] = OrderedDict()  # envelope hash -> id
        self._expired: OrderedDict[Digest, None] = OrderedDict()
        self._submitted: dict[Digest, tuple[int, bytes]] = {}  # in the order of its serial numbers
        self._serial = 0
        self._serials_at_ticks: deque[int] = deque(maxlen=SUBMISSION_REPEAT_TICKS)
        self._news: dict[Haste, list[bytes]] = {Haste.PROMPT: [], Haste.BULK: []}

    def submit(self, envelopes: Sequence[bytes], deciding: Deciding) -> tuple[Outcome, ...]:
        """Take in envelopes from this node's own API: what is new becomes news for the peers."""
        if deciding.suspended:
            refusal = Refusal(Code.NOT_READY, "the chain follows rules that this node's software does not know")
            return (refusal,) * len(envelopes)
        before = len(self.mempool)
        outcomes = []
        for envelope in envelopes:
            name = envelope_hash(envelope)
            outcome = self.admit(name, envelope, deciding)
            if len(self.mempool) > before:
                before = len(self.mempool)
                admitted = self.mempool.get(name)
                assert admitted is not None
                self._serial += 1
                self._submitted[admitted.id] = self._serial, envelope
                prompt = self.mempool.waiting(admitted.body.sender) <= PROMPT_TRANSACTIONS_MAX
                self._news[Haste.PROMPT if prompt else Haste.BULK].append(envelope)
            outcomes.append(outcome)
        return tuple(outcomes)

    def judge(self, name: Digest, envelope: bytes, deciding: Deciding) -> Transaction | Refusal:
        """An envelope for a block on the tip, verified; or why it can be in no such block, as far as it alone says.

        Judged like for the mempool, but an id that is pending with another envelope, or a full mempool, is no reason.
        `name` is its envelope hash.
        """
        if (known := self.mempool.get(name)) is not None:
            return known
        transaction = parse_transaction(envelope, name)
        if isinstance(transaction, Refusal):
            return transaction
        return self._refusal(transaction, deciding) or transaction

    def take_news(self) -> list[Transactions]:
        """What was accepted here and no peer was sent yet, in messages; prompt ones first."""
        news = [message for haste, envelopes in self._news.items() for message in split_transactions(envelopes, haste)]
        for envelopes in self._news.values():
            envelopes.clear()
        return news

    def submitted(self) -> Iterable[bytes]:
        """The oldest envelopes that were submitted here and still wait, as many as a frame may have."""
        return (envelope for _, envelope in islice(self._submitted.values(), GOSSIP_TRANSACTIONS_PER_FRAME_MAX))

    def overdue(self) -> list[bytes]:
        """Asked once at each tick: the oldest of what was submitted here and has waited for SUBMISSION_REPEAT_TICKS.

        Peers may have lost it, and a validator that led a failed round may not lead again for a long time.
        """
        ticks = self._serials_at_ticks
        newest = ticks[0] if len(ticks) == SUBMISSION_REPEAT_TICKS else 0
        ticks.append(self._serial)
        oldest = islice(self._submitted.values(), GOSSIP_TRANSACTIONS_PER_FRAME_MAX)
        return [envelope for serial, envelope in oldest if serial <= newest]

    def expired(self, transaction_id: Digest) -> bool:
        """Whether this pending transaction was dropped here because ledger time passed its `valid_until`."""
        return transaction_id in self._expired

    def remove(self, transaction_ids: Sequence[Digest]) -> None:
        """Forget transactions that were committed, or that can be in no block any more."""
        self.mempool.remove(transaction_ids)
        for transaction_id in transaction_ids:
            self._submitted.pop(transaction_id, None)

    def drop_unauthorized(self, accounts: AbstractSet[str], deciding: Deciding) -> int:
        """Forget transactions of these accounts, which a block changed, that may be in no block any more; how many.

        Otherwise every node would wait, at each height, for a proposal that cannot come, and blame its leader.
        """
        found = [
            item.id
            for item in self.mempool.of_accounts(accounts)
            if check_authority(item, deciding.state, deciding.admission) is not None
        ]
        self.remove(found)
        return len(found)

    def drop_expired(self, ledger_time_ms: int) -> None:
        """Forget transactions whose time is over, and remember that it was over."""
        for transaction_id in self.mempool.drop_expired(ledger_time_ms):
            self._submitted.pop(transaction_id, None)
            self._expired[transaction_id] = None
        while len(self._expired) > EXPIRED_TRANSACTIONS_MAX:
            self._expired.popitem(last=False)

    def admit(self, name: Digest, envelope: bytes, deciding: Deciding) -> Outcome:
        """Take in an envelope, of a peer or our own API. `name` is its envelope hash."""
        if (known := self.mempool.get(name)) is not None:
            return Pending(known.id)
        if (verified := self._verified.get(name)) is not None and self._committed(verified):
            return Committed(verified)  # gossip that comes after the block: nothing of it is parsed again
        transaction = parse_transaction(envelope, name)
        if isinstance(transaction, Refusal):
            return transaction
        if self.mempool.pending(transaction.id):
            return Pending(transaction.id)
        if self._committed(transaction.id):
            return Committed(transaction.id)
        if refusal := self.mempool.room_for(transaction) or self._refusal(transaction, deciding):
            return refusal
        self.mempool.put(transaction)
        return Pending(transaction.id)

    def _refusal(self, transaction: Transaction, deciding: Deciding) -> Refusal | None:
        """Authority at the tip, then signatures unless this very envelope was verified before."""
        if refusal := check_authority(transaction, deciding.state, deciding.admission):
            return refusal
        if transaction.envelope_hash in self._verified:
            return None
        if refusal := check_signatures(transaction, self._verify):
            return refusal
        self._verified[transaction.envelope_hash] = transaction.id
        if len(self._verified) > VERIFIED_ENVELOPES_MAX:
            self._verified.popitem(last=False)
        return None
