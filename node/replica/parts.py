"""What a replica is made of, in one place, for the functions that make it work."""

from __future__ import annotations

from dataclasses import dataclass

from ledger.consensus.inputs import Now
from ledger.crypto import SigningKey, Verify
from node.ports import Guard
from node.replica.cosigned import Cosigned
from node.replica.deciding import Deciding
from node.replica.door import Door
from node.replica.findings import Findings
from node.replica.opening import VoteState
from node.replica.outbox import Outbox
from node.replica.peers import Peers
from node.replica.postbox import Postbox
from node.replica.repairs import Repairs
from node.replica.reports import Reports
from node.replica.syncing import Syncing
from node.replica.watch import Watch
from node.storage.chain_store import ChainStore
from node.storage.guard import SILENCED


@dataclass(slots=True)
class Parts:
    """The pieces of one replica.

    What outlives a height: `chain` to `out`. `now` is the time of the step; `deciding` is the height being decided;
    `wake_at_ms` is when its engine wants to be woken; `watch` is what it notices as time goes on.
    """

    chain: ChainStore
    guard: Guard
    key: SigningKey | None
    verify: Verify
    vote_state: VoteState
    findings: Findings
    door: Door
    reports: Reports
    cosigned: Cosigned
    peers: Peers
    postbox: Postbox
    syncing: Syncing
    repairs: Repairs
    out: Outbox
    now: Now
    deciding: Deciding
    wake_at_ms: int
    watch: Watch

    @property
    def silence(self) -> str | None:
        """Why this node must not sign, now or ever again, or None."""
        return self.vote_state.silence or self.findings.silence

    def note_silence(self) -> None:
        """Have the guard know it, too: the database, which says why, may be lost or older one day. In both halves, for
        one of them may be damaged then, and the other must not be a vote of before."""
        if self.guard.read() not in (None, SILENCED):
            self.guard.write(SILENCED)
            self.guard.write(SILENCED)

    def keep_silent(self, reason: str) -> None:
        """From here on this node signs nothing, also after a restart."""
        if self.findings.silence is None:
            self.findings.keep_silent(reason)
            self.note_silence()
            self.out.log("voting_stopped", reason=reason)
