"""What this node sees of the other validators: which of them does not do its part, and how.

Each is judged by the first thing that is wrong with it: it is not linked; it is linked and nothing comes from it; it is
at a lower height, or in an earlier round, and stays there; it is where this node is, and no vote of it comes, or none
that ends a round which takes too long: each gives such a round up, whatever it voted for before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from node.doctor.findings import Finding, FindingCode, span
from node.replica import PeerStatus, ReplicaStatus

SILENT_TICKS: Final = 8
"""A node says where it is at every tick; one of whom nothing came for so many says nothing."""

_NONE: Final[Mapping[str, str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Missing:
    """A validator that does not do its part: what is wrong, in words, and for how long, as far as this node knows."""

    validator: str
    code: FindingCode
    words: str
    for_ms: int


def patience_ms(status: ReplicaStatus) -> int:
    """How long a round may take before one asks why: twice its timeout, for clocks that are slow, and some ticks."""
    timing = status.timing
    return 2 * timing.round_timeout_ms(status.round) + SILENT_TICKS * timing.tick_ms


def is_overdue(status: ReplicaStatus) -> bool:
    """Whether the round takes longer than it may."""
    return status.round_ms is not None and status.round_ms > patience_ms(status)


def missing_validators(status: ReplicaStatus, dial_faults: Mapping[str, str] = _NONE) -> tuple[Missing, ...]:
    """The other validators that do not do their part, in the order of the set. A follower is linked to few.

    `dial_faults` says, by name, why this node's last attempt to dial one of them failed."""
    if status.validator is None:
        return ()
    found = {}
    for item in status.unlinked:
        why = f", last dial: {dial_faults[item.validator]}" if item.validator in dial_faults else ""
        words = f"not linked for {span(item.for_ms)}{why}"
        found[item.validator] = Missing(item.validator, FindingCode.VALIDATORS_UNREACHABLE, words, item.for_ms)
    for peer in status.peers:
        if peer.validator is not None and (judged := _judge(status, peer, peer.validator)) is not None:
            found[peer.validator] = judged
    return tuple(found[name] for name in status.validators if name in found)


def describe_missing(missing: tuple[Missing, ...]) -> Iterator[Finding]:
    """One finding for each thing that is wrong with some; those that cannot be reached are told of elsewhere."""
    sentences = {
        FindingCode.VALIDATORS_SILENT: "the link is up and nothing comes from",
        FindingCode.VALIDATORS_BEHIND: "at a lower height than this node:",
        FindingCode.VALIDATORS_LAGGING: "at the height of this node, and they stay in an earlier round:",
        FindingCode.VALIDATORS_NOT_VOTING: "in the round of this node, which waits for votes of",
    }
    for code, words in sentences.items():
        those = [item for item in missing if item.code is code]
        if those:
            listed = ", ".join(f"{item.validator} ({item.words})" for item in those)
            yield Finding(
                code,
                f"{words} {listed}",
                tuple(item.validator for item in those),
                max(item.for_ms for item in those),
            )


def _judge(status: ReplicaStatus, peer: PeerStatus, name: str) -> Missing | None:
    """What is wrong with a validator that is linked."""
    stays, lower = peer.standing_ms > patience_ms(status), status.deciding - peer.height
    if peer.silent_ms > SILENT_TICKS * status.timing.tick_ms:
        return Missing(name, FindingCode.VALIDATORS_SILENT, f"silent for {span(peer.silent_ms)}", peer.silent_ms)
    if peer.height == 0 or lower < 0:
        return None  # it has said nothing yet, or is further
    if lower > 0:
        if stays:
            words = f"at height {peer.height} for {span(peer.standing_ms)}"
            return Missing(name, FindingCode.VALIDATORS_BEHIND, words, peer.standing_ms)
        if peer.behind_ms > patience_ms(status):
            words = f"at height {peer.height}, and moving"
            return Missing(name, FindingCode.VALIDATORS_BEHIND, words, peer.behind_ms)
    elif stays and peer.round < status.round:
        words = f"in round {peer.round} for {span(peer.standing_ms)}"
        return Missing(name, FindingCode.VALIDATORS_LAGGING, words, peer.standing_ms)
    elif stays and peer.round == status.round and name not in status.timed_out and is_overdue(status):
        assert status.round_ms is not None
        lasts = span(status.round_ms)
        voted = f"it voted, and no timeout vote comes, though the round has lasted {lasts}"
        words = f"no vote for {lasts}" if name in status.missing else voted
        return Missing(name, FindingCode.VALIDATORS_NOT_VOTING, words, status.round_ms)
    return None
