"""The door for transactions: bytes come in, and what passes is well formed, authorized and verified here.

Submissions of this node's API and what peers send go the same way, in this order (design sections 6 and 11): known
already; parsed; known by its id; room for it; authority, which looks accounts up and counts signatures; then, and only
then, the curve arithmetic; then the mempool. Each signature is verified once per node: what was verified is in the
mempool, or its envelope hash is remembered beside that, in memory only. Nothing but a verification in this process, or
by its own workers, puts it there (`node.verification` says why that is the same). [safety]

Many envelopes are taken through one stage of this before the next begins, because the processor then finds the code
and the tables of each stage at hand: that halves what it costs beside the curve arithmetic.

Whoever accepts a submission sends it to all peers once, and again while it waits for long; receivers do not pass it on,
unless it is submitted to them as well. What is by a sender of whom few wait here goes ahead of the rest, on all its
way, so that nobody waits behind another's backlog.
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
    STEP_ENVELOPES_MAX,
    SUBMISSION_REPEAT_TICKS,
    VERIFIED_ENVELOPES_MAX,
)
from ledger.mempool import Mempool
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.transaction import Transaction, name_envelopes, parse_transaction
from node.replica.actions import Committed, Outcome, Pending
from node.replica.deciding import Deciding
from node.storage.errors import DamagedError
from node.wire import Haste, Transactions, split_transactions


class Door:
    """The mempool with its entrance. `committed` says whether an id is in a block of the chain."""

    def __init__(self, verify: Verify, committed: Callable[[Digest], bool]) -> None:
        self.mempool = Mempool()
        self._verify = verify
        self._committed = committed
        # Ordered ones: a plain dict walks over all that was deleted before it finds its oldest.
        self._verified: OrderedDict[Digest, Digest] = OrderedDict()  # for blocks: envelope hash -> id
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
        outcomes, admitted = self.admit(name_envelopes(envelopes), deciding)
        for transaction, waiting in admitted:
            self._serial += 1
            self._submitted[transaction.id] = self._serial, transaction.envelope
            prompt = waiting <= PROMPT_TRANSACTIONS_MAX
            self._news[Haste.PROMPT if prompt else Haste.BULK].append(transaction.envelope)
        if len(admitted) < len(outcomes):
            self._answer_for(outcomes)
        return outcomes

    def _answer_for(self, outcomes: Sequence[Outcome]) -> None:
        """From now on repeat what waits here because a peer sent it, too: its sender was told that it is pending here,
        and whoever took it in first may be gone before it got any further.
        """
        for outcome in outcomes:
            if isinstance(outcome, Pending) and outcome.transaction_id not in self._submitted:
                waiting = self.mempool.get_by_id(outcome.transaction_id)
                assert waiting is not None, "what is pending is in the mempool"
                self._serial += 1
                self._submitted[outcome.transaction_id] = self._serial, waiting.envelope

    def admit(
        self, named: Sequence[tuple[Digest, bytes]], deciding: Deciding
    ) -> tuple[tuple[Outcome, ...], tuple[tuple[Transaction, int], ...]]:
        """Take in envelopes, of a peer or our own API, each with its envelope hash.

        Returns what became of each, in order; and those that are in the mempool from now on, each with how many of its
        sender wait there, itself included.
        """
        waiting, verified, pending = self.mempool.get, self._verified, self.mempool.pending
        # Nearly none is known.
        outcomes = [self._known(name) if waiting(name) is not None or name in verified else None for name, _ in named]
        left = [index for index, known in enumerate(outcomes) if known is None]
        unknown = dict([named[index] for index in left])
        parsed = {name: parse_transaction(envelope, name) for name, envelope in unknown.items()}
        admitted: list[tuple[Transaction, int]] = []
        while left:
            entering: dict[Digest, int] = {}
            items: list[Transaction] = []  # of `entering`, in the same order
            again: list[int] = []  # of an id that comes before in this very batch: judged after that
            for index in left:
                item = parsed[named[index][0]]
                if isinstance(item, Refusal):
                    outcomes[index] = item
                    continue
                transaction_id = item.id
                if transaction_id in entering:
                    again.append(index)
                elif pending(transaction_id):
                    outcomes[index] = Pending(transaction_id)
                elif found := self._found(transaction_id):
                    outcomes[index] = found
                else:
                    entering[transaction_id] = index
                    items.append(item)
            entered = self._enter(items, deciding)
            for index, item, refusal_or_waiting in zip(entering.values(), items, entered, strict=True):
                if isinstance(refusal_or_waiting, Refusal):
                    outcomes[index] = refusal_or_waiting
                else:
                    outcomes[index] = Pending(item.id)
                    admitted.append((item, refusal_or_waiting))
            left = again
        decided = tuple([outcome for outcome in outcomes if outcome is not None])
        assert len(decided) == len(named), "something became of each"
        return decided, tuple(admitted)

    def judge(self, named: Sequence[tuple[Digest, bytes]], deciding: Deciding) -> list[Transaction | Refusal]:
        """Envelopes for a block on the tip, each with its envelope hash: verified, or why no such block may
        have it, as far as it alone says.

        Judged like for the mempool, but an id that is pending with another envelope, or a full mempool, is no reason.
        """
        judged: list[Transaction | Refusal] = []
        unverified: list[tuple[int, Transaction]] = []
        for index, (name, envelope) in enumerate(named):
            item = self.mempool.get(name)
            if item is None:
                parsed = parse_transaction(envelope, name)
                judged.append(parsed)
                if isinstance(parsed, Transaction):
                    unverified.append((index, parsed))
            else:
                judged.append(item)
        refusals = self._refusals([item for _, item in unverified], deciding)
        for (index, item), refusal in zip(unverified, refusals, strict=True):
            if refusal is None:
                self._verified[item.envelope_hash] = item.id
            else:
                judged[index] = refusal
        while len(self._verified) > VERIFIED_ENVELOPES_MAX:
            self._verified.popitem(last=False)
        return judged

    def judge_body(self, envelopes: Sequence[bytes], deciding: Deciding) -> list[Transaction] | Refusal:
        """All envelopes of a block on the tip, or why the first that can be in no such block can't.

        What comes after that one, but for a few, is not looked at.
        """
        transactions: list[Transaction] = []
        for start in range(0, len(envelopes), STEP_ENVELOPES_MAX):
            few = envelopes[start : start + STEP_ENVELOPES_MAX]
            for item in self.judge(name_envelopes(few), deciding):
                if isinstance(item, Refusal):
                    return item
                transactions.append(item)
        return transactions

    def take_news(self) -> list[Transactions]:
        """What was accepted here and no peer was sent yet, in messages; prompt ones first."""
        if not any(self._news.values()):
            return []  # as after nearly every step
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
        """Forget transactions that were committed, or that can be in no block any more.

        Their envelopes are forgotten, too, while they are at hand: what is kept of thousands that are gone would push
        what is needed out of the processor's caches. Who comes late with one is answered by its id.
        """
        removed = self.mempool.remove(transaction_ids)
        if self._verified:  # mostly nothing is, but what waits in the mempool
            for transaction in removed:
                self._verified.pop(transaction.envelope_hash, None)
        forget = self._submitted.pop
        for transaction_id in transaction_ids:
            forget(transaction_id, None)

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

    def _known(self, name: Digest) -> Outcome | None:
        """What is known of an envelope without parsing it again, from its hash."""
        if (known := self.mempool.get(name)) is not None:
            return Pending(known.id)
        verified = self._verified.get(name)
        return None if verified is None else self._found(verified)  # gossip that comes after the block

    def _found(self, transaction_id: Digest) -> Outcome | None:
        """What is known of it from the chain."""
        try:
            return Committed(transaction_id) if self._committed(transaction_id) else None
        except DamagedError as error:
            return _unreadable("whether a block has it", error)

    def _enter(self, transactions: Sequence[Transaction], deciding: Deciding) -> list[Refusal | int]:
        """Put transactions, no two with one id and none pending, into the mempool.

        Of each: why it is refused, or how many of its sender wait now. When room is scarce, they come one by one, so
        that what there is no room for costs no curve arithmetic.
        """
        if len(transactions) == 1:
            if refusal := self.mempool.room_for(transactions[0]):
                return [refusal]
        elif not self.mempool.has_ample_room(transactions):
            return [found for item in transactions for found in self._enter([item], deciding)]
        try:
            refusals = self._refusals(transactions, deciding)
        except DamagedError as error:
            if len(transactions) == 1:
                return [_unreadable("whether it may be in a block", error)]
            return [found for item in transactions for found in self._enter([item], deciding)]
        passed = [item for item, refusal in zip(transactions, refusals, strict=True) if refusal is None]
        waiting = iter(self.mempool.put(passed))
        return [next(waiting) if refusal is None else refusal for refusal in refusals]

    def _refusals(self, transactions: Sequence[Transaction], deciding: Deciding) -> list[Refusal | None]:
        """Of each transaction why it is refused, or None: authority at the tip, then signatures unless this very
        envelope was verified before."""
        state, context, verify, verified = deciding.state, deciding.admission, self._verify, self._verified
        refusals = [check_authority(item, state, context) for item in transactions]
        return [
            check_signatures(item, verify) if refusal is None and item.envelope_hash not in verified else refusal
            for item, refusal in zip(transactions, refusals, strict=True)
        ]


def _unreadable(what: str, error: DamagedError) -> Refusal:
    """Nobody is to stop this node by sending what leads to damage of its disk: that is found by who looks for it, and
    put right when the others can spare this node."""
    return Refusal(Code.NOT_READY, f"{what} cannot be read on this node's disk until that is put right: {error}")
