"""What an engine is given when its height begins: the facts of the height, and what this node had already said."""

from __future__ import annotations

from msgspec import Struct

from ledger.consensus.messages import PrepareCertificate, SignedMessage, TimeoutCertificate
from ledger.primitives import Digest

_GROWTH_ROUNDS_MAX = 64
"""1.5^64 is beyond every timeout: the exponent needs to grow no further, whatever a round number says."""


class Timing(Struct, frozen=True):
    """The timers, in milliseconds of the monotonic clock. `tick_ms` (resend) is half the base timeout."""

    base_timeout_ms: int
    timeout_ms_max: int
    heartbeat_ms: int
    tick_ms: int

    def round_timeout_ms(self, round: int) -> int:
        """T(round) = min(base * 1.5^round, max), in integers."""
        exponent = min(round, _GROWTH_ROUNDS_MAX)
        return int(min(self.base_timeout_ms * 3**exponent // 2**exponent, self.timeout_ms_max))

    def lost_leader_timeout_ms(self, round: int) -> int:
        """T(round) / 2: how long a leader is waited for whose link is lost. It may be back soon."""
        return self.round_timeout_ms(round) // 2


class HeightContext(Struct, frozen=True):
    """The facts of one height. All but the last six fields are the same on every node.

    `leader_order` has each validator index once; round r is led by `leader_order[r mod n]` (amendment A6: it comes
    from committed state alone). `me` is this node's index in the validator set, None for a follower. `may_vote` is
    False for a validator that must not sign at this height (its vote state is missing or behind, amendment A4b): it
    observes. `committed_at_ms` is the monotonic time at which the parent was committed here, or that of start-up.
    `equivocation_brake` makes a validator give a round up as soon as its leader is seen to propose twice. `tick_at_ms`
    is when the resend tick of the height before was due, so that it goes on where no height takes as long as a tick
    (A4c: the tick never stops); None where there was none.
    """

    height: int
    parent_hash: Digest
    parent_time_ms: int
    validator_count: int
    quorum: int
    leader_order: tuple[int, ...]
    me: int | None
    may_vote: bool
    timing: Timing
    committed_at_ms: int
    equivocation_brake: bool = True
    tick_at_ms: int | None = None

    def leader(self, round: int) -> int:
        """The index of the validator that leads `round`."""
        return self.leader_order[round % len(self.leader_order)]


class Restored(Struct, frozen=True):
    """Everything durable of this height after a restart (amendments A2, A5, A9), verified or our own.

    `messages` are this node's own, with what they carried, so that a resend repeats the identical bytes.
    """

    messages: tuple[SignedMessage, ...]
    timeout_certificates: tuple[TimeoutCertificate, ...] = ()
    prepare_certificates: tuple[PrepareCertificate, ...] = ()


class RoundStatus(Struct, frozen=True):
    """What an operator sees of the height being decided: validators by index, in ascending order.

    `ends_at_ms` is when the timer of the round fires, None while it does not run. `prepared`, `committed` and
    `timed_out` are those whose vote of this round was seen; `prepared_blocks` and `committed_blocks` say for which
    block. `high_round` is the newest round with a prepare certificate, or -1. `waiting_for_blocks` and
    `waiting_for_justifications` are being fetched.
    """

    round: int
    leader: int
    ends_at_ms: int | None
    proposal_seen: bool
    prepared: tuple[int, ...]
    committed: tuple[int, ...]
    timed_out: tuple[int, ...]
    prepared_blocks: tuple[tuple[Digest, tuple[int, ...]], ...]
    committed_blocks: tuple[tuple[Digest, tuple[int, ...]], ...]
    high_round: int
    waiting_for_blocks: tuple[Digest, ...]
    waiting_for_justifications: tuple[Digest, ...]

    @property
    def timer_running(self) -> bool:
        """Whether the timer of the round runs."""
        return self.ends_at_ms is not None
