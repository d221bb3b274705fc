"""What can go wrong with nodes, as types: each is a `WalletError`, so a command ends with its exit code.

UnreachableError      no node gave a usable answer (14)
RefusedError          a node's refusal, with its code, sentence and remedy (11, or 12 where there is no such thing)
UntrueAnswerError     an answer does not hold against what quorums have signed; `untruth` says how (10)
ForkedError           of those: quorums have signed two chains; has both certified headers and who signed both
StaleError            all that nodes show is older than the caller accepts (14)
"""

from __future__ import annotations

from enum import StrEnum, unique
from typing import TYPE_CHECKING

from wallet.exit_codes import ExitCode, WalletError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ledger.light_client import ForkError
    from wallet.answers import Problem
    from wallet.client.conversation import Failure


@unique
class Untruth(StrEnum):
    """How an answer of a node fails to be true. The values are stable codes."""

    OTHER_CHAIN = "other_chain"
    CERTIFICATE_FORGED = "certificate_forged"
    CHAIN_FORKED = "chain_forked"
    LOG_INCONSISTENT = "log_inconsistent"
    NODE_BEHIND = "node_behind"
    STATE_UNPROVED = "state_unproved"
    OTHER_SUBJECT = "other_subject"
    RECEIPT_UNPROVED = "receipt_unproved"
    OUTCOME_UNPROVED = "outcome_unproved"
    OUTCOME_CONTRADICTED = "node_contradicts_receipt"
    BLOCK_UNPROVED = "block_unproved"
    BLOCK_SKIPPED = "block_skipped"
    BLOCK_REPEATED = "block_repeated"


_MEANINGS: dict[Untruth, str] = {
    Untruth.OTHER_CHAIN: "answers about another chain",
    Untruth.CERTIFICATE_FORGED: "shows a block that no quorum of its validator set has signed",
    Untruth.CHAIN_FORKED: "shows a block that cannot be of one chain with a certified one that was seen",
    Untruth.LOG_INCONSISTENT: "does not show that its log continues the one that was seen",
    Untruth.NODE_BEHIND: "answers as of an older block than was seen before: it lags, or was rolled back",
    Untruth.STATE_UNPROVED: "does not prove what it says the state has",
    Untruth.OTHER_SUBJECT: "answers about something else than it was asked for",
    Untruth.RECEIPT_UNPROVED: "gave a receipt that does not verify",
    Untruth.OUTCOME_UNPROVED: "says that a transaction is committed, and does not prove it",
    Untruth.OUTCOME_CONTRADICTED: "states another outcome of a transaction than its own receipt proves",
    Untruth.BLOCK_UNPROVED: "does not prove which transactions a block has",
    Untruth.BLOCK_SKIPPED: "left out a block of the event stream",
    Untruth.BLOCK_REPEATED: "repeated a block of the event stream",
}


class UnreachableError(WalletError):
    """No node gave a usable answer: unreachable, too slow, busy, failing, or not of the API's shape."""


class RefusedError(WalletError):
    """A node refused. `code`, `sentence` and `remedy` are the node's words; `status` is that of HTTP."""

    status = 0


class UntrueAnswerError(WalletError):
    """What `node` answered is not true of the chain, in the way that `untruth` names: it lies, is broken, or lags."""

    def __init__(self, untruth: Untruth, node: str, reason: str) -> None:
        super().__init__(
            ExitCode.VERIFICATION_FAILED,
            str(untruth),
            f"{node} {_MEANINGS[untruth]}: {reason}.",
            remedy="Do not rely on this node. Ask another one, and tell its operator.",
            details={"node": node},
        )
        self.untruth = untruth
        self.node = node


class ForkedError(UntrueAnswerError):
    """Quorums have certified two chains. `fork` has both commit records, and the validators that signed both."""

    def __init__(self, node: str, fork: ForkError) -> None:
        super().__init__(Untruth.CHAIN_FORKED, node, str(fork))
        self.remedy = "Stop relying on this ledger until its operators have settled which validators signed two chains."
        self.fork = fork


class StaleError(WalletError):
    """The newest block that any node showed is older than the caller accepts. `age_ms` says how old."""

    def __init__(self, height: int, age_ms: int, age_ms_max: int) -> None:
        super().__init__(
            ExitCode.NODE_UNREACHABLE,
            "ledger_stale",
            f"The newest certified block that was shown, {height}, is {age_ms / 1000:g} s old by ledger time; "
            f"{age_ms_max / 1000:g} s are accepted.",
            remedy="The nodes that were asked lag or hide what is newer, or the network has stopped. Ask other nodes.",
            details={"height": height, "age_ms": age_ms},
        )
        self.age_ms = age_ms


def refused(problem: Problem, node: str, *, unanswered: Sequence[Failure] = ()) -> RefusedError:
    """A node's refusal; when others before it did not answer a submission, they may yet have accepted it."""
    open_end = f" ({', '.join(f.node for f in unanswered)} may have accepted it: see tx status.)" if unanswered else ""
    error = RefusedError(
        ExitCode.NOT_FOUND if problem.status == 404 else ExitCode.REJECTED,
        problem.code,
        f"{node} refused: {problem.detail}{open_end}",
        remedy=problem.remedy,
        details={"node": node, "status": problem.status},
    )
    error.status = problem.status
    return error


_SHUT = {"token_missing", "token_invalid"}
"""What a node says that answers only who shows a token of it."""


def unreachable(failures: Sequence[Failure], transaction_id: str | None = None) -> UnreachableError:
    """Why no node gave a usable answer."""
    reasons = "; ".join(f"{failure.node}: {failure.reason}" for failure in failures)
    codes = {failure.code for failure in failures}
    remedy = "Check the URLs (quorum-wallet config get nodes) and the network, or give other nodes with --node."
    if codes & _SHUT:
        remedy = "Show a bearer token of the node: --token-file FILE, QUORUM_TOKEN_FILE, or config set token_file FILE."
    return UnreachableError(
        ExitCode.NODE_UNREACHABLE,
        codes.pop() if len(codes) == 1 else "node_unreachable",
        f"No node gave a usable answer ({reasons}).",
        remedy=remedy,
        details={"id": transaction_id} if transaction_id else None,
    )


def lags(error: WalletError) -> bool:
    """Whether this is all that is wrong with an answer: it is of an older block than was seen."""
    return isinstance(error, UntrueAnswerError) and error.untruth is Untruth.NODE_BEHIND


def worst(errors: Sequence[WalletError]) -> WalletError:
    """What to raise when no answer holds: the gravest."""
    for kind in (UntrueAnswerError, StaleError, RefusedError):
        for error in errors:
            if isinstance(error, kind):
                return error
    return errors[0]
