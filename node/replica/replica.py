"""The replica: the synchronous heart of a node. `step(inputs, now) -> actions`; see the package's docstring.

A step takes in its inputs, which fills the engine's queue, and then settles: it drives the engine until nothing is
left, speaking what the engine cast in batches, and appends a block when one is decided, by the engine or by what a
peer sent. After that the next height is driven on. At most one block is appended per step, so that a step stays short;
what is left waits for the next, which is asked for at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from ledger.chain import CandidateBlock, check_block
from ledger.consensus.engine import Restored
from ledger.consensus.inputs import LinkLost, LinkUp, Now, PeerId, Wake, WorkPending
from ledger.crypto import SigningKey, Verify
from ledger.evidence import Evidence
from ledger.primitives import Digest
from ledger.refusals import Refusal
from ledger.rows.accounts import ACCOUNT_PREFIX
from ledger.rows.evidence import EVIDENCE_PREFIX
from ledger.rows.settings import PARAMETERS_KEY, VALIDATORS_KEY
from ledger.senders import is_validator_sender
from node.ports import Guard
from node.replica import accusing, cosigning, gathering
from node.replica.actions import Action, Answer, Halted, WakeAt
from node.replica.committing import append
from node.replica.cosigned import Published, read_cosigned
from node.replica.deciding import begin
from node.replica.describing import describe
from node.replica.door import Door
from node.replica.driving import ask_for_records, drive
from node.replica.filling import Filling
from node.replica.findings import Findings
from node.replica.hearing import hear, judge_consensus
from node.replica.inputs import (
    Elapsed,
    PeerConnected,
    PeerDisconnected,
    PeerMessageReceived,
    ReplicaInput,
    Submitted,
)
from node.replica.opening import REPLACE_KEY, VoteState, read_vote_state, renew_guard, restore
from node.replica.outbox import Outbox
from node.replica.parts import Parts
from node.replica.peers import Peers
from node.replica.postbox import Postbox
from node.replica.repairs import Repairs
from node.replica.reports import Reports
from node.replica.standing import note_change, warn
from node.replica.status import ReplicaStatus
from node.replica.syncing import Conflict, Syncing
from node.replica.watch import Watch
from node.storage.archive import Archive
from node.storage.chain_store import ChainStore
from node.storage.errors import DAMAGE, DamagedError, StorageFailedError
from node.storage.promises import Promises, StoredCandidate
from node.storage.scrubbing import Scrubber
from node.wire import Status, split_transactions


class Replica:
    """One node's chain, mempool, consensus, store and guard, driven by `step`.

    Reads no clock and no random source, opens no socket, starts no task. Not thread safe.
    """

    def __init__(
        self,
        *,
        chain: ChainStore,
        guard: Guard,
        consensus_key: SigningKey | None,
        node_key: SigningKey | None,
        cosigning_key: SigningKey | None,
        verify: Verify,
        now: Now,
        archive: Archive | None = None,
    ) -> None:
        """Take over `chain` (from `node.storage.opening.open_chain`), which nobody else writes from here on.

        `consensus_key` is None for a node that never votes, `node_key` for one that never reports evidence,
        `cosigning_key` for one that never cosigns. `archive` is a damaged database whose blocks are taken over. Hand in
        `Elapsed()` next, which starts the timers. Raises `node.storage.errors.DamagedError` when the newest state is
        not what was written, and `StorageFailedError` when the guard cannot be written.
        """
        key = None if consensus_key is None else consensus_key.public_key
        chain.read_filters()  # now, and not in the middle of a round
        findings, peers = Findings(chain.store), Peers()
        vote_state = VoteState(None, 0) if key is None else read_vote_state(chain, guard, findings.silence)
        door = Door(verify, chain.transaction_committed)
        self._halted: Halted | None = None
        self._appended = False
        self._filling = Filling()
        self._parts = Parts(
            chain=chain,
            guard=guard,
            key=consensus_key,
            verify=verify,
            vote_state=vote_state,
            findings=findings,
            door=door,
            reports=Reports(findings, chain, node_key),
            cosigned=read_cosigned(chain, guard, cosigning_key, now),
            peers=peers,
            postbox=Postbox(),
            syncing=Syncing(peers, verify, archive),
            repairs=Repairs(Scrubber(chain)),
            out=Outbox(),
            now=now,
            deciding=begin(chain, key=key, may_vote=False, restored=None, mempool=door.mempool, verify=verify, now=now),
            wake_at_ms=now.monotonic_ms,
            watch=Watch(now.monotonic_ms, now.monotonic_ms),
        )
        self._begin()
        if findings.silence is not None:
            self._parts.note_silence()
        warn(self._parts)
        cosigning.resume(self._parts)

    # ---- a step

    def step(self, inputs: Sequence[ReplicaInput], now: Now, *, backlog: bool = False) -> tuple[Action, ...]:
        """Take in all `inputs`, in order, and return what is to be done, in order. `backlog` says that more
        transactions than these have arrived.

        Never raises for anything that a peer or a submitter sent. A step appends at most one block; when more is
        waiting, its last action is `WakeAt(now.monotonic_ms)`.
        """
        if self._halted is not None:
            return (self._halted,)
        parts = self._parts
        parts.now, self._appended, self._filling.backlog = now, False, backlog or bool(inputs)
        parts.watch.step_begins(now.monotonic_ms, parts.deciding.engine.context.timing.tick_ms)
        try:
            self._settle()
            for item in inputs:
                self._take(item)
            self._filling.backlog = backlog
            parts.reports.submit(parts.door, parts.deciding, now.monotonic_ms)
            self._settle()
            self._tell_peers()
            cosigning.cosign_if_due(parts)
        except (StorageFailedError, DamagedError) as error:
            damage = isinstance(error, DAMAGE)
            self._halted = Halted(str(error), rebuild=damage and parts.syncing.archive is None)
            parts.out.add(self._halted)
            return parts.out.take()
        deciding = parts.deciding
        more = parts.syncing.busy or parts.syncing.archived(deciding.height)
        waiting = deciding.decided is not None or (more and not deciding.suspended)
        due_ms = now.monotonic_ms if waiting else parts.wake_at_ms
        if (filled_at_ms := self._filled_at_ms()) is not None:
            due_ms = min(due_ms, filled_at_ms)
        if parts.cosigned.due_at_ms is not None:
            due_ms = min(due_ms, parts.cosigned.due_at_ms)
        parts.watch.step_ends(now.monotonic_ms, due_ms, timer_running=deciding.engine.timer_running)
        parts.out.add(WakeAt(due_ms))
        return parts.out.take()

    def _take(self, item: ReplicaInput) -> None:
        parts = self._parts
        match item:
            case Submitted(ticket, envelopes):
                parts.out.add(Answer(ticket, parts.door.submit(envelopes, parts.deciding)))
            case PeerMessageReceived(peer, message):
                hear(parts, peer, message)
            case PeerConnected(peer):
                self._connect(peer)
            case PeerDisconnected(peer):
                if (index := parts.deciding.index_of_peer(peer)) is not None:
                    parts.watch.link_lost(peer, parts.now.monotonic_ms)
                    parts.deciding.inputs.append(LinkLost(index, parts.now.monotonic_ms))
                parts.peers.disconnect(peer)
                parts.postbox.forget(peer)
                parts.cosigned.forget(peer)
                parts.repairs.forget(peer)
            case Elapsed():
                parts.deciding.inputs.append(Wake())
            case _:
                assert_never(item)

    def _connect(self, peer: PeerId) -> None:
        """Tell a new peer where we are, and what was submitted here that it may not have."""
        parts = self._parts
        if parts.peers.connect(peer, parts.now.monotonic_ms):
            parts.watch.linked(peer)
            if (index := parts.deciding.index_of_peer(peer)) is not None:
                parts.deciding.inputs.append(LinkUp(index))
            parts.out.send(peer, Status(parts.deciding.height, parts.deciding.engine.round))
            for message in split_transactions(parts.door.submitted())[:1]:
                parts.out.send(peer, message)
            gathering.greet(parts, peer)

    def _settle(self) -> None:
        """Drive the engine; append what is decided, unless this step has appended a block; and so on."""
        parts = self._parts
        while True:
            unheard = not parts.deciding.engine.work_pending and len(parts.door.mempool)
            if unheard and self._filled_at_ms() is None:
                self._filling.heard(parts.now.monotonic_ms)
                parts.deciding.inputs.append(WorkPending())
            drive(parts)
            if parts.deciding.decided is None and not parts.syncing.at_rest:
                self._take_records()
            if parts.deciding.decided is None or self._appended:
                return
            self._append()

    def _filled_at_ms(self) -> int | None:
        """When the transactions that wait will be proposed though others are coming; None if they wait for nothing."""
        parts = self._parts
        pending = len(parts.door.mempool)
        if not pending:
            return None
        context = parts.deciding.engine.context
        until_ms = self._filling.until_ms(
            pending,
            room=parts.deciding.parameters.block_transactions_max,
            begun_at_ms=context.committed_at_ms,
            base_timeout_ms=context.timing.base_timeout_ms,
        )
        return until_ms if until_ms is not None and parts.now.monotonic_ms < until_ms else None

    def _take_records(self) -> None:
        """What peers proved: the next block, or that there are two chains."""
        parts = self._parts
        if parts.deciding.suspended:
            return
        finding = parts.syncing.next(parts.deciding, chain=parts.chain, door=parts.door, out=parts.out)
        if isinstance(finding, Conflict):
            if parts.findings.keep_conflict(finding.height, finding.encoded):
                parts.out.log("chains_conflict", height=finding.height)
                accusing.keep_evidence_of_conflict(parts, finding)
            parts.keep_silent(
                f"a peer proves another block final at height {finding.height}: two chains exist; the conflicting "
                "record is kept as evidence against the validators that signed both"
            )
        elif finding is not None:
            parts.deciding.decided = finding

    def _append(self) -> None:
        """Append the decided block, and begin the next height after that."""
        parts, deciding = self._parts, self._parts.deciding
        assert deciding.decided is not None
        certificate = deciding.decided.record.certificate
        # Below our newest promise the chain was lost and is fetched again, but the vote state is whole (amendment A4b).
        fetched_again = deciding.height < parts.vote_state.newest_height
        forgotten = not fetched_again and deciding.unknown_own_commit(certificate)
        append(deciding.decided, deciding, chain=parts.chain, door=parts.door, out=parts.out)
        self._appended = True
        transactions, left = len(deciding.decided.candidate.transactions), len(parts.door.mempool)
        self._filling.appended(transactions, left=left, now_ms=parts.now.monotonic_ms)
        parts.watch.appended(parts.now.monotonic_ms)
        if forgotten and parts.silence is None:
            parts.keep_silent(
                f"block {certificate.height} is certified with a signature of this node's key that this node does not "
                f"remember: {REPLACE_KEY}"
            )
        self._begin()
        cosigning.note_appended(parts)
        gathering.hear_postponed(parts)
        accusing.note_recorded(parts, deciding.decided.candidate.events)
        self._drop_unauthorized(deciding.decided.candidate)
        for peer, _ in parts.peers:
            if parts.deciding.name_of_peer(peer) is None:
                parts.out.send(peer, Status(parts.deciding.height, 0))  # followers are not sent votes

    def _drop_unauthorized(self, appended: CandidateBlock) -> None:
        """Forget transactions that waited when `appended` changed the accounts that signed them, those of validators
        when it recorded evidence or changed the validator set, and any when it changed the parameters."""
        parts, writes = self._parts, appended.writes
        changed = {key.removeprefix(ACCOUNT_PREFIX).decode() for key in writes if key.startswith(ACCOUNT_PREFIX)}
        if PARAMETERS_KEY in writes:
            changed |= parts.door.mempool.senders()
        elif VALIDATORS_KEY in writes or any(key.startswith(EVIDENCE_PREFIX) for key in writes):
            changed |= set(filter(is_validator_sender, parts.door.mempool.senders()))
        if changed and (count := parts.door.drop_unauthorized(changed, parts.deciding)):
            parts.out.log("transactions_dropped", count=count, reason="what they depend on has changed")

    def _begin(self) -> None:
        """Begin the height on top of the tip, from what this node promised there before a restart, if anything."""
        parts = self._parts
        height = parts.chain.tip.header.height + 1
        before = parts.deciding
        promises, restored = self._restored(height)
        parts.deciding = begin(
            parts.chain,
            key=None if parts.key is None else parts.key.public_key,
            may_vote=parts.silence is None and height >= parts.vote_state.newest_height,
            restored=restored,
            mempool=parts.door.mempool,
            verify=parts.verify,
            now=parts.now,
            tick_at_ms=before.engine.tick_at_ms,
        )
        note_change(parts, before)
        for candidate in () if parts.deciding.suspended else promises.candidates:
            self._restore_candidate(candidate)
        parts.deciding.inputs.append(Wake())
        for peer, since_ms in parts.watch.unlinked.items():
            if (index := parts.deciding.index_of_peer(peer)) is not None:
                parts.deciding.inputs.append(LinkLost(index, since_ms))
        for peer, payload in parts.postbox.take():
            if not (parts.out.blamed(peer) or parts.deciding.suspended):
                judge_consensus(parts, peer, payload)

    def _restored(self, height: int) -> tuple[Promises, Restored | None]:
        """What is durable of `height`. Damaged vote state silences this node."""
        parts = self._parts
        if parts.key is not None and height <= parts.vote_state.newest_height:
            try:
                promises = parts.chain.promises(height)
                restored = restore(promises)
                if parts.silence is None:
                    renew_guard(promises, parts.guard)
                return promises, restored
            except DamagedError as error:
                reason = f"the vote state of height {height} is damaged ({error}): {REPLACE_KEY}"
                parts.vote_state = VoteState(reason, parts.vote_state.newest_height)
        return Promises(height), None

    def _restore_candidate(self, stored: StoredCandidate) -> None:
        """A block that was prepared before the restart: verified and checked again, from the bytes that are here."""
        parts = self._parts
        transactions = parts.door.judge_body(stored.envelopes, parts.deciding)
        if isinstance(transactions, Refusal):
            parts.out.log("stored_block_refused", height=parts.deciding.height, reason=str(transactions))
            return
        candidate = check_block(parts.chain.tip, parts.deciding.reader, stored.header_bytes, transactions)
        if isinstance(candidate, str):
            parts.out.log("stored_block_refused", height=parts.deciding.height, reason=candidate)
        else:
            parts.deciding.blocks.add(candidate)

    def _tell_peers(self) -> None:
        """The end of a step: new submissions in few frames, and requests for blocks that we lack."""
        parts = self._parts
        for message in parts.door.take_news():
            parts.out.send_to_all(message)
        ask_for_records(parts, eager=False)

    # ---- what others may ask

    def status(self) -> ReplicaStatus:
        """Where this node is and what it waits for."""
        return describe(self._parts, halted=None if self._halted is None else self._halted.reason)

    def checkpoint(self) -> Published | None:
        """The newest checkpoint of the log with a quorum of cosignatures, with all further ones that are here."""
        return gathering.to_serve(self._parts)

    @property
    def takes_from_archive(self) -> bool:
        """Whether blocks may still have to be taken from the database that was set aside."""
        return self._parts.syncing.archive is not None

    def pending(self, transaction_id: Digest) -> bool:
        """Whether a transaction with this id is in the mempool."""
        return self._parts.door.mempool.pending(transaction_id)

    def expired(self, transaction_id: Digest) -> bool:
        """Whether a transaction with this id was dropped here because ledger time passed its valid_until.

        Only the newest are remembered (`limits.EXPIRED_TRANSACTIONS_MAX`).
        """
        return self._parts.door.expired(transaction_id)

    def claimed_height(self, peer: PeerId) -> int:
        """The height that a connected peer says it decides; 0 when it has said nothing, or is not connected."""
        known = self._parts.peers.get(peer)
        return 0 if known is None else known.height

    def height_asked_of(self, peer: PeerId) -> int | None:
        """From which height on a connected peer was asked for certified blocks, until its answer has been taken in."""
        known = self._parts.peers.get(peer)
        return None if known is None or known.asked_at_ms is None else known.asked_height

    def evidence(self) -> tuple[Evidence, ...]:
        """Contradictory statements of validators that were found here, by height and validator."""
        return self._parts.findings.evidence()
