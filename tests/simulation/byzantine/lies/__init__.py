"""The lies of a liar, by what they are about. Each is a function: it tells the lie and returns whether it could.

Subtle lies are signed as they should be, and a correct replica has to take them in; blatant ones prove themselves to
be lies, and whoever hears them closes the link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from tests.simulation.byzantine.lies import accusations, contents, noise, proposals, timeouts, votes

if TYPE_CHECKING:
    from tests.simulation.byzantine.liar import Liar

Lie: TypeAlias = "Callable[[Liar], bool]"

SUBTLE: tuple[Lie, ...] = (
    *(proposals.two_proposals,) * 3,
    proposals.invalid_block,
    proposals.proposal_without_block,
    proposals.proposal_of_another_leader,
    *(votes.prepare_everything,) * 3,
    *(votes.commit_everything,) * 3,
    votes.votes_of_future_rounds,
    votes.vote_for_a_block_of_nobody,
    *(timeouts.early_timeout,) * 2,
    timeouts.weak_certificate,
    timeouts.stale_certificate,
    contents.another_body,
    contents.bodies_of_nobody,
    noise.height_of_nobody,
    noise.many_requests,
    accusations.evidence_again,
    accusations.many_accusations,
)

BLATANT: tuple[Lie, ...] = (
    proposals.wrong_justification,
    timeouts.poisoned_certificate,
    timeouts.certificate_of_too_few,
    timeouts.certificate_with_one_signer_twice,
    timeouts.timeout_of_a_higher_certificate,
    contents.transaction_with_a_wrong_signature,
    noise.garbage,
    noise.oversized_frame,
    accusations.forged_evidence,
)
