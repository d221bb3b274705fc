"""Building and checking blocks: everything that makes a block of transactions valid on its parent.

Both directions are one computation, `_compute`: admit, execute, and make the header that follows. `build_block` gives
it what a proposer wants to include; `check_block` gives it the round, proposer and time of a header that came from
somebody else, and then compares the bytes. Validity is objective, a function of the parent's state and the block
alone: no clock is read here (whether a time is too far ahead is asked when a vote is cast, amendment A7), and no
signature is verified (that was done at the door). A block is valid on its parent iff (design sections 4 and 5)

1. chain, epoch, height and parent hash continue the tip;
2. the proposer leads `round` in the order of this height (amendment A6);
3. its time is above its parent's, and exactly 1 ms above when `round` is not 0 (amendment A7);
4. every transaction is admissible on the parent's state, and all of them together keep quota and block limits;
5. executing them gives its transaction count, log size and root, state root, and both validator hashes.

Rules of a protocol version that this software does not know are not guessed at: nothing is valid under them here.

After a block whose header has round R, state says that the leaders of rounds 0..R-1 failed at this height, which
puts them last for `demotion_heights` heights. `round` is the one in which the block was fresh; rounds that failed after
it was first proposed demote nobody, because a header is never rewritten.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from ledger import merkle
from ledger.admission import AdmissionContext, BlockAdmission
from ledger.block import HEADER_VERSION, Header, block_hash, encode_header, leaf_bytes, parse_header
from ledger.encoding import encode_trusted
from ledger.errors import MalformedError
from ledger.events import Event
from ledger.execution import execute
from ledger.merkle import FilledLevel, Frontier
from ledger.parameters import PROTOCOL_VERSION
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.rows.settings import LEADERS_KEY, VALIDATORS_KEY, Leaders, parse_validators_row
from ledger.state import State, StateView
from ledger.transaction import Transaction
from ledger.trie import TrieChange, TrieRoot, update
from ledger.validators import ValidatorSet


class Tip(Struct, frozen=True):
    """The newest block of a chain, and what the next one is built on."""

    header: Header
    header_bytes: bytes
    block_hash: Digest
    log: Frontier
    trie_root: TrieRoot


class ChainReader(Protocol):
    """What the chain asks of storage: everything as it is after the tip."""

    @property
    def typed_state(self) -> State:
        """The state after the tip. Who reads it at one height may share one, and what it has decoded."""
        ...

    def transaction_committed(self, transaction_id: Digest) -> bool:
        """Whether a transaction with this id is in a block up to the tip."""
        ...

    def trie_node(self, version: int, path: bytes) -> bytes | None:
        """The row of the state trie written at (version, path), or None (a `ledger.trie_nodes.NodeReader`)."""
        ...


class CandidateBlock(Struct, frozen=True):
    """A valid block on top of its parent, with everything that appending it writes.

    `results` and `leaf_hashes` are one per transaction. `writes` are state rows (None deletes). `log_levels` are the
    perfect subtrees of the log that it fills, leaves included.
    """

    header: Header
    header_bytes: bytes
    block_hash: Digest
    transactions: tuple[Transaction, ...]
    results: tuple[str, ...]
    leaf_hashes: tuple[Digest, ...]
    writes: Mapping[bytes, bytes | None]
    events: tuple[Event, ...]
    trie: TrieChange
    log: Frontier
    log_levels: tuple[FilledLevel, ...]

    def tip(self) -> Tip:
        """The tip of the chain once this block is appended."""
        return Tip(self.header, self.header_bytes, self.block_hash, self.log, self.trie.root)


class BuiltBlock(Struct, frozen=True):
    """A block of ours, and why some of what was offered is not in it.

    `refused` are the transactions that are inadmissible on this parent; those that were only left out, because the
    block or the sender's quota was full, are not among them.
    """

    block: CandidateBlock
    refused: tuple[tuple[Transaction, Refusal], ...]


def build_block(
    tip: Tip, reader: ChainReader, *, round: int, proposer: str, time_ms: int, transactions: Iterable[Transaction]
) -> BuiltBlock:
    """A fresh block for `round` by `proposer` (a validator's name), with as many of `transactions` as it may have.

    `proposer` leads the round, and `time_ms` is by the time rule (see `block_time_ms`). Transactions are taken in the
    order given until the block is full.
    """
    state = reader.typed_state
    assert state.parameters().protocol_version <= PROTOCOL_VERSION, "nobody proposes under rules that it doesn't know"
    admission = _admission(tip, reader, state)
    admitted: list[Transaction] = []
    refused: list[tuple[Transaction, Refusal]] = []
    for transaction in transactions:
        refusal = admission.admit(transaction)
        if refusal is None:
            admitted.append(transaction)
        elif refusal.code is Code.BLOCK_FULL:
            break
        elif refusal.code is not Code.QUOTA_EXCEEDED:
            refused.append((transaction, refusal))
    block = _compute(tip, reader, state, round=round, proposer=proposer, time_ms=time_ms, transactions=admitted)
    return BuiltBlock(block, tuple(refused))


def check_block(
    tip: Tip, reader: ChainReader, header_bytes: bytes, transactions: Sequence[Transaction]
) -> CandidateBlock | str:
    """The block with this header and body, if it is valid on `tip`; otherwise why it is not, as a sentence.

    `transactions` came through the door: their signatures verify under the keys they name.
    """
    try:
        header = parse_header(header_bytes)
    except MalformedError as error:
        return str(error)
    state = reader.typed_state
    if (version := state.parameters().protocol_version) > PROTOCOL_VERSION:
        return f"it follows the rules of protocol version {version}; this software knows {PROTOCOL_VERSION}"
    if reason := _check_place(tip, state, header):
        return reason
    admission = _admission(tip, reader, state)
    for index, transaction in enumerate(transactions):
        if refusal := admission.admit(transaction):
            return f"transaction {index} may not be in it: {refusal}"
    block = _compute(
        tip,
        reader,
        state,
        round=header.round,
        proposer=header.proposer,
        time_ms=header.time_ms,
        transactions=transactions,
    )
    if block.header_bytes != header_bytes:
        wrong = [name for name in Header.__struct_fields__ if getattr(header, name) != getattr(block.header, name)]
        return f"executing it gives another {', '.join(wrong)}"
    return block


def block_time_ms(parent_time_ms: int, round: int, clock_ms: int) -> int:
    """The time of a fresh block of `round` by a proposer whose clock shows `clock_ms` (amendment A7)."""
    return parent_time_ms + 1 if round else max(parent_time_ms + 1, clock_ms)


def leader_order(validators: Sequence[str], leaders: Leaders, height: int, demotion_heights: int) -> tuple[int, ...]:
    """The order in which `validators` (names, in set order) lead the rounds of `height`, as indices (amendment A6).

    leader(height, round) = order[round mod n]: the set rotated by the height, those that led a failed round within
    the last `demotion_heights` heights moved behind the others, both parts in rotated order.
    """
    failed = {name for name, failed_height in leaders.failed_heights if height - failed_height <= demotion_heights}
    count = len(validators)
    rotated = [(height + offset) % count for offset in range(count)]
    return tuple(sorted(rotated, key=lambda index: validators[index] in failed))


def leader_order_at(state: StateView, height: int) -> tuple[int, ...]:
    """`leader_order` for `height`, from the state after its parent."""
    return _leader_order(State(state), height)


def _leader_order(state: State, height: int) -> tuple[int, ...]:
    names = [validator.name for validator in state.validators().validators]
    return leader_order(names, state.leaders(), height, state.parameters().demotion_heights)


def _admission(tip: Tip, reader: ChainReader, state: State) -> BlockAdmission:
    context = AdmissionContext(tip.header.chain, tip.header.height + 1, tip.header.time_ms, state.parameters())
    return BlockAdmission(state, context, reader.transaction_committed)


def _check_place(tip: Tip, state: State, header: Header) -> str | None:
    """Why a block with `header` does not continue `tip` (rules 1 to 3 of the module's docstring), or None."""
    parent = tip.header
    if (header.chain, header.epoch) != (parent.chain, parent.epoch):
        return "it is of another chain or epoch"
    if header.height != parent.height + 1:
        return f"its height is {header.height}, after {parent.height}"
    if header.parent_hash != tip.block_hash:
        return f"its parent is {header.parent_hash.hex()}, not {tip.block_hash.hex()}"
    order = _leader_order(state, header.height)
    leader = state.validators().validators[order[header.round % len(order)]].name
    if header.proposer != leader:
        return f"round {header.round} of height {header.height} is led by {leader}, not {header.proposer}"
    if header.time_ms <= parent.time_ms:
        return f"its time {header.time_ms} is not above its parent's, {parent.time_ms}"
    if header.round and header.time_ms != parent.time_ms + 1:
        return f"its time {header.time_ms} is not 1 ms above its parent's, {parent.time_ms}, in round {header.round}"
    return None


def _compute(
    tip: Tip,
    reader: ChainReader,
    state: State,
    *,
    round: int,
    proposer: str,
    time_ms: int,
    transactions: Sequence[Transaction],
) -> CandidateBlock:
    """The block that these admitted transactions make on `tip`, in this round, by this leader, at this time."""
    height = tip.header.height + 1
    execution = execute(state, chain=tip.header.chain, height=height, time_ms=time_ms, transactions=transactions)
    writes = dict(execution.writes)
    validators = state.validators()
    next_validators = validators
    if (changed := writes.get(VALIDATORS_KEY)) is not None:
        next_validators = parse_validators_row(changed)
    if round:
        writes[LEADERS_KEY] = encode_trusted(_leaders_after(state, next_validators, height, round).to_json())
    results = zip(transactions, execution.results, strict=True)
    leaf_hashes = merkle.leaf_hashes(
        [
            leaf_bytes(height, index, transaction.id.hex(), transaction.envelope_hash.hex(), result)
            for index, (transaction, result) in enumerate(results)
        ]
    )
    log = tip.log.extend(leaf_hashes)
    trie = update(tip.trie_root, writes, height, reader.trie_node)
    header = Header(
        version=HEADER_VERSION,
        chain=tip.header.chain,
        epoch=tip.header.epoch,
        height=height,
        parent_hash=tip.block_hash,
        round=round,
        proposer=proposer,
        time_ms=time_ms,
        transaction_count=len(transactions),
        log_size=log.frontier.size,
        log_root=log.frontier.root(),
        state_root=trie.root.hash,
        validators_hash=validators.hash,
        next_validators_hash=next_validators.hash,
    )
    header_bytes = encode_header(header)
    return CandidateBlock(
        header=header,
        header_bytes=header_bytes,
        block_hash=block_hash(header_bytes),
        transactions=tuple(transactions),
        results=execution.results,
        leaf_hashes=tuple(leaf_hashes),
        writes=writes,
        events=execution.events,
        trie=trie,
        log=log.frontier,
        log_levels=log.levels,
    )


def _leaders_after(state: State, next_validators: ValidatorSet, height: int, round: int) -> Leaders:
    """The leaders row after a block of `round`: those of the rounds before it failed at `height` (amendment A6).

    Who is in the next set keeps its entry (also through a change of keys); who is not is forgotten.
    """
    names = [validator.name for validator in state.validators().validators]
    failed_heights = dict(state.leaders().failed_heights)
    failed_heights |= {names[index]: height for index in _leader_order(state, height)[:round]}
    staying = {validator.name for validator in next_validators.validators}
    return Leaders(tuple(sorted((name, last) for name, last in failed_heights.items() if name in staying)))
