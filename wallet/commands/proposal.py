"""`quorum-wallet proposal`: propose changes of the chain itself, look at them, and vote on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import click

from wallet.chaining import Chain
from wallet.commands.change import CHANGES, Change
from wallet.exit_codes import ExitCode, WalletError, usage_error, verification_error
from wallet.moments import local_clock_ms, parse_span_ms, span_words
from wallet.options import Group, confirm, pass_session
from wallet.reading import list_options, show_list
from wallet.sending import Sending, send, sender_of, sending_options

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.primitives import Digest
    from wallet.client import Client
    from wallet.governance_answers import ProposalView
    from wallet.session import Session

DELAY_DEFAULT = 10
_NUMBER = click.IntRange(min=1)


@click.group("proposal", cls=Group, short_help="Propose changes of the chain itself, and vote on them.")
def proposal_group() -> None:
    """Propose changes of the chain itself: its validators, quorum, parameters, and those who govern; and vote on them.

    Each validator of the set has one vote, cast by the account that operates it. When validators that are a quorum
    approve, the proposal is decided, and in force some heights later.
    """


@proposal_group.group("create", cls=Chain, short_help="Propose one change or several.")
@click.option(
    "--voting", default="7d", show_default=True, metavar="SPAN", help="How long it may be voted on, in ledger time."
)
@click.option(
    "--delay",
    type=click.IntRange(min=1),
    metavar="HEIGHTS",
    help=f"From the deciding block to the first height where it is in force.  [default: {DELAY_DEFAULT}; "
    "with upgrade as few as may be]",
)
@click.option("--reason", metavar="TEXT", help="Why, for those who vote.")
@click.option("--evidence", multiple=True, metavar="HEX", help="The digest of evidence that it cites; repeat it.")
@sending_options
def create(**_: object) -> None:
    """Propose changes, all or none of them (administrators, and operators of validators).

    \b
    Example:  quorum-wallet proposal create add-validator dock-1 --reason "dock joins"
              quorum-wallet proposal create remove-validator dock-1 set-quorum majority --delay 100
              quorum-wallet proposal create grant-role dock operator --out p.json

    Says first what n, q and both tolerances become, and whether the set then would have a quorum of validators that
    can be reached now; then asks. Next: operators approve it: quorum-wallet proposal approve NUMBER
    """


for _command in CHANGES:
    create.add_command(_command)


@create.result_callback()
@sending_options
@pass_session
def propose(
    session: Session,
    asked: list[Change],
    *,
    voting: str,
    delay: int | None,
    reason: str | None,
    evidence: tuple[str, ...],
    sending: Sending,
) -> int:
    """Send a proposal of the changes that the verbs have returned."""
    from ledger.governance.changes import parse_changes
    from wallet.review import review, say
    from wallet.submission import ask

    offline, span_ms = sending.out is not None, _voting_span_ms(voting)
    stated: list[Json] = [change(offline) for change in asked]
    changes = parse_changes(stated, "changes")
    if offline:
        base_ms = local_clock_ms()
        session.output.hint("Offline nobody is asked what it does to the quorum; see it later: tx show FILE --online")
    else:
        session.chain()
        say(session, review(session, changes))
        confirm(session, "Propose this?")
        base_ms = ask(session, lambda client: client.head()).time_ms
    operation: dict[str, Json] = {
        "type": "proposal.create",
        "changes": stated,
        "expires": base_ms + span_ms,
        "delay": _delay(session, stated) if delay is None else delay,
    }
    if evidence:
        operation["evidence"] = [*sorted(set(evidence))]
    if reason is not None:
        operation["memo"] = reason
    code = send(session, sending, [operation])
    if code == ExitCode.OK and sending.wait and not offline:
        _say_number(session, sending.by or sender_of(session, sending.account), operation)
    return code


@proposal_group.command("list", short_help="Proposals, newest first.")
@click.option("--state", metavar="STATE", help="Only those in this state: open, approved, active, rejected, ...")
@list_options
@pass_session
def list_proposals(session: Session, state: str | None, limit: int, order: str) -> int:
    """List proposals.

    \b
    Example:  quorum-wallet proposal list --state open

    Next: quorum-wallet proposal show NUMBER
    """
    from ledger.rows.governance import ProposalState

    if state is not None and state not in tuple(ProposalState):
        raise usage_error(f"No proposal is '{state}'; they are: {', '.join(ProposalState)}.")
    return show_list(
        session,
        "/v1/proposals",
        ("number", "state", "proposer", "changes", "voted on before", "in force from"),
        limit=limit,
        query={"state": state, "order": order},
        empty="No proposals.",
        row=_listed,
    )


@proposal_group.command("show", short_help="A proposal, its votes, and what it would change.")
@click.argument("number", type=_NUMBER)
@pass_session
def show(session: Session, number: int) -> int:
    """Show proposal NUMBER in words: what it changes, who voted how, and what stands in its way.

    \b
    Example:  quorum-wallet proposal show 3

    Its digest is computed from what is shown. Next: quorum-wallet proposal approve 3, or reject 3
    """
    from wallet.review import candidates, find_proposal, proposal_lines

    view, answer = find_proposal(session, number)
    if session.output.structured:
        session.output.record(answer)
        return ExitCode.OK
    session.output.paragraph(proposal_lines(view))
    if view.state in ("open", "approved"):
        joining = candidates(session, view.changes)
        session.output.paragraph(joining.lines)
        for warning in joining.warnings:
            session.output.warning(warning)
    session.output.paragraph(f"  {vote}" for vote in view.votes)
    session.output.paragraph([view.impact])
    if view.obstacle is not None:
        session.output.warning(f"As things are it would not come into force. {view.obstacle}")
    return ExitCode.OK


def _digest_option(command: Callable[..., int]) -> Callable[..., int]:
    return click.option(
        "--digest",
        metavar="HEX",
        help="The digest of the proposal that you saw; needed with --out, where no node is asked.",
    )(command)


@proposal_group.command("approve", short_help="Vote for a proposal.")
@click.argument("number", type=_NUMBER)
@_digest_option
@sending_options
@pass_session
def approve(session: Session, number: int, digest: str | None, sending: Sending) -> int:
    """Approve proposal NUMBER, as the operator of a validator in the set. Shows what it does, then asks.

    \b
    Example:  quorum-wallet proposal approve 3
              quorum-wallet proposal approve 3 --digest 9f2c... --out v.json

    The vote is on the content that was shown, by its digest. It may be changed while the proposal is open.
    """
    return _vote(session, number, digest, sending, approve=True)


@proposal_group.command("reject", short_help="Vote against a proposal.")
@click.argument("number", type=_NUMBER)
@_digest_option
@sending_options
@pass_session
def reject(session: Session, number: int, digest: str | None, sending: Sending) -> int:
    """Reject proposal NUMBER, as the operator of a validator in the set.

    \b
    Example:  quorum-wallet proposal reject 3

    When so many reject it that the others are no quorum, it is rejected for good.
    """
    return _vote(session, number, digest, sending, approve=False)


@proposal_group.command("withdraw", short_help="Take back your own proposal.")
@click.argument("number", type=_NUMBER)
@sending_options
@pass_session
def withdraw(session: Session, number: int, sending: Sending) -> int:
    """Take back proposal NUMBER while it is open (its proposer only).

    \b
    Example:  quorum-wallet proposal withdraw 3
    """
    from wallet.review import find_proposal

    if sending.out is None:
        _check_open(session, find_proposal(session, number)[0])
    return send(session, sending, [{"type": "proposal.withdraw", "proposal": number}])


def _vote(session: Session, number: int, stated: str | None, sending: Sending, *, approve: bool) -> int:
    from wallet.review import find_proposal, review, say

    if sending.out is not None:
        if stated is None:
            raise usage_error(
                "Offline no node is asked what the proposal is.",
                code="digest_unknown",
                remedy=f"Say which content you saw: --digest HEX (it is in: quorum-wallet proposal show {number})",
            )
        digest = stated
    else:
        view, _ = find_proposal(session, number)
        digest = view.digest.hex()
        if stated is not None and stated != digest:
            raise verification_error(
                f"Proposal {number} has the digest {digest}, not {stated}.",
                code="proposal_changed",
                remedy="Look at it again: another node may be meant, or another chain.",
            )
        _check_open(session, view)
        if view.obstacle is not None:
            session.output.warning(f"As things are it would not come into force. {view.obstacle}")
        if approve:
            say(session, review(session, view.changes))
            confirm(session, f"Approve proposal {number}?")
    operation: dict[str, Json] = {
        "type": "proposal.vote",
        "proposal": number,
        "digest": digest,
        "approve": approve,
    }
    code = send(session, sending, [operation])
    if code == ExitCode.OK and sending.out is None and sending.wait:
        session.output.hint(f"Next: quorum-wallet proposal show {number} says how many votes are missing.")
    return code


def _check_open(session: Session, view: ProposalView) -> None:
    """Show a proposal on stderr. Raises `WalletError` (11) when nobody can vote on it or withdraw it any more."""
    from wallet.review import proposal_lines

    for line in proposal_lines(view):
        session.output.hint(line)
    if view.state != "open":
        raise WalletError(
            ExitCode.REJECTED,
            "proposal_closed",
            f"Proposal {view.number} is {view.state}, not open.",
            remedy="Nothing is left to do; what it asked for can be proposed again.",
        )


def _voting_span_ms(voting: str) -> int:
    from ledger.limits import PROPOSAL_OPEN_MS_MAX

    span_ms = parse_span_ms(voting)
    if span_ms > PROPOSAL_OPEN_MS_MAX:
        raise usage_error(
            f"A proposal may be voted on for {span_words(PROPOSAL_OPEN_MS_MAX)} at most, not for {voting}.",
            remedy="Choose a shorter --voting; what expires can be proposed again.",
        )
    return span_ms


def _delay(session: Session, stated: list[Json]) -> int:
    """The delay of a proposal for which none is asked."""
    from ledger.limits import PROTOCOL_DELAY_HEIGHTS_MIN

    upgrades = any(isinstance(change, dict) and change.get("parameter") == "protocol_version" for change in stated)
    delay = PROTOCOL_DELAY_HEIGHTS_MIN if upgrades else DELAY_DEFAULT
    session.output.hint(f"In force {delay} heights after the block that decides it (--delay says otherwise).")
    return delay


def _say_number(session: Session, proposer: str, operation: Mapping[str, Json]) -> None:
    """Tell the number of the proposal that was made: the newest one with its digest."""
    from wallet.answers import parse_page
    from wallet.submission import ask

    digest = _digest_of(session, proposer, operation).hex()

    async def work(client: Client) -> list[dict[str, Json]]:
        return (await client.get("/v1/proposals", parse_page, {"state": "open"}))[0]

    try:
        numbers = [item.get("number") for item in ask(session, work) if item.get("digest") == digest]
    except WalletError:
        numbers = []
    name = numbers[0] if numbers else "NUMBER"
    session.output.hint(f"It is proposal {name}. Next, the operators: quorum-wallet proposal approve {name}")


def _digest_of(session: Session, proposer: str, operation: Mapping[str, Json]) -> Digest:
    from ledger.governance.proposals import proposal_digest
    from ledger.operations.governance import ProposalCreate
    from ledger.operations.table import parse_operation

    created = parse_operation({"by": proposer, **operation})
    assert isinstance(created, ProposalCreate)
    return proposal_digest(
        chain=session.chain(),
        proposer=proposer,
        changes=created.changes,
        expires_ms=created.expires,
        delay=created.delay,
        evidence=created.evidence or (),
        memo=created.memo,
    )


def _listed(item: dict[str, Json]) -> dict[str, Json]:
    """A proposal of a list, for people."""
    from ledger.governance.changes import parse_changes
    from wallet.explain_governance import change_sentence

    changes = "; ".join(map(change_sentence, parse_changes(item.get("changes"), "changes")))
    return {
        **item,
        "changes": changes,
        "voted on before": item.get("expires_time"),
        "in force from": item.get("activation_height"),
    }
