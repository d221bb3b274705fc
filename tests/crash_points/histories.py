"""How the first round of the height fails: the same frames are lost, every time they are sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ledger.consensus.statements import CommitStatement, PrepareStatement, ProposalStatement, Statement

HEIGHT = 2
"""The height whose first round fails: there is a block below it, with votes and a cosignature."""

_CHOSEN = 1


@dataclass(frozen=True, slots=True)
class History:
    """`loses` says whether a statement of the first round is lost on its way to a machine, by its index."""

    name: str
    about: str
    loses: Callable[[Statement, int], bool]

    def loses_frame(self, statement: Statement, receiver: int) -> bool:
        """Whether this frame of any height and round is lost."""
        return (statement.height, statement.round) == (HEIGHT, 0) and self.loses(statement, receiver)


HISTORIES = (
    History(
        "no proposal arrives",
        "everybody gives up having signed nothing; the second leader proposes a block of its own",
        lambda statement, _: isinstance(statement, ProposalStatement),
    ),
    History(
        "no commit vote arrives",
        "everybody has signed a commit vote; the second leader is bound to the block",
        lambda statement, _: isinstance(statement, CommitStatement),
    ),
    History(
        "one prepares",
        "prepare votes reach one validator alone, which signs a commit vote; the others give up without a certificate",
        lambda statement, receiver: isinstance(statement, PrepareStatement) and receiver != _CHOSEN,
    ),
)
