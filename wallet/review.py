"""What a proposal would change, shown before it is signed: n, q, both tolerances, and who could be reached then.

The arithmetic is the wallet's own (`ledger.governance.impact`); which set is in force, who is ready and who is linked
to whom is what nodes state. Every node of the profile is asked: a validator counts as reachable when one of them is it,
or is linked to it, and a joiner when one is linked to the node key of its candidate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wallet.exit_codes import ExitCode, WalletError, usage_error, verification_error
from wallet.moments import rfc3339
from wallet.output import inline_json

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.governance.changes import Change
    from ledger.validators import Validator
    from wallet.client import Client
    from wallet.drafts import Draft
    from wallet.governance_answers import ProposalView, SetView
    from wallet.session import Session


@dataclass(frozen=True, slots=True)
class Review:
    """What is said about some changes: plain lines, and warnings."""

    lines: tuple[str, ...]
    warnings: tuple[str, ...]


def review(session: Session, changes: Sequence[Change]) -> Review:
    """What `changes` do to quorum and tolerance, and who can be reached now and in the set that they make.

    Raises `WalletError`: changes that can never be, with the arithmetic (2); no node answers (14).
    """
    from ledger.errors import MalformedError
    from ledger.governance.impact import impact
    from ledger.governance.reach import reach

    current = _set_in_force(session)
    try:
        found = impact(current.validators, changes)
    except MalformedError as error:
        raise usage_error(
            f"This can never be: {error}.",
            code="impossible",
            remedy="See quorum-wallet validator list; changes of the set and its quorum may stand in one proposal.",
        ) from None
    joining = candidates(session, changes)
    lines, warnings = [found.sentence(), *joining.lines], [*joining.warnings]
    if current.coming is not None:
        warnings.append(f"{current.coming} No other change of the set can be decided before.")
    names, node_keys, silent = _links(session)
    for node, reason in silent.items():
        warnings.append(f"{node} does not say whom it reaches: {reason}")
    if len(silent) == len(session.nodes):
        warnings.append("Nobody says which validators can be reached.")
        return Review(tuple(lines), tuple(warnings))
    now = reach(found.before, (item.name for item in current.validators.validators), names)
    (warnings if now.unreachable else lines).append(f"Now, by {_count(session, silent)}, {now.sentence()}.")
    if found.validators != tuple(item.name for item in current.validators.validators) or found.renewed:
        renewed = {entry.name for entry in joining.entries if entry.node_key.hex() in node_keys}
        then = reach(found.after, found.validators, (names - set(found.renewed)) | renewed)
        (warnings if then.unreachable else lines).append(f"Of the set then, {then.sentence()}.")
    elif found.before != found.after:
        then = reach(found.after, found.validators, names)
        (warnings if then.unreachable else lines).append(f"With the quorum then, {then.sentence()}.")
    return Review(tuple(lines), tuple(warnings))


@dataclass(frozen=True, slots=True)
class Candidates:
    """The entries that changes name by their digests, as far as somebody is ready with them; and that in words."""

    entries: tuple[Validator, ...]
    lines: tuple[str, ...]
    warnings: tuple[str, ...]


def candidates(session: Session, changes: Sequence[Change]) -> Candidates:
    """Who would join or get new keys by `changes`: the whole entry, which must have the digest that is voted on.

    A validator's name says nothing about who operates it. Raises `WalletError` (14).
    """
    from ledger.governance.changes import ValidatorAdd, ValidatorRekey
    from wallet.explain_governance import entry_sentence

    entries: list[Validator] = []
    lines, warnings = [], []
    for change in changes:
        if not isinstance(change, ValidatorAdd | ValidatorRekey):
            continue
        entry = find_candidate(session, change.validator)
        if entry is None or (entry.name, entry.digest) != (change.validator, change.entry):
            warnings.append(
                f"Nobody is ready to be {change.validator} with the entry {change.entry.hex()}: who would operate it, "
                "and with which keys, cannot be shown."
            )
        else:
            entries.append(entry)
            lines.append(f"Candidate {entry.name}, {entry_sentence(entry)}")
    return Candidates(tuple(entries), tuple(lines), tuple(warnings))


def say(session: Session, reviewed: Review) -> None:
    """Put a review before the user, on stderr."""
    for line in reviewed.lines:
        session.output.hint(line)
    for warning in reviewed.warnings:
        session.output.warning(warning)


def proposal_lines(view: ProposalView) -> Iterator[str]:
    """The whole content of a proposal in words: what its digest is of."""
    from wallet.explain_governance import change_sentence

    yield f"Proposal {view.number} of {view.proposer}, all or nothing:"
    for number, change in enumerate(view.changes, 1):
        yield f"  {number}. {change_sentence(change)}"
    heights = "height" if view.delay == 1 else "heights"
    yield f"In force {view.delay} {heights} after the deciding block; voted on before {rfc3339(view.expires_ms)}."
    if view.evidence:
        yield f"Citing the evidence {', '.join(item.hex() for item in view.evidence)}."
    if view.memo is not None:
        yield f"Because: {inline_json(view.memo)}"
    yield f"Its digest, computed from this content: {view.digest.hex()}"
    since = "" if view.activation_height is None else f", in force from height {view.activation_height} on"
    yield f"It is {view.state}{since if view.state in ('approved', 'active') else ''}; {view.tally}."


def find_proposal(session: Session, number: int) -> tuple[ProposalView, dict[str, Json]]:
    """Proposal `number`, whose digest is that of its content; and the whole answer of the node.

    Raises `WalletError`: there is none (12), the digest is another (10).
    """
    from ledger.errors import MalformedError
    from wallet.answers import as_object
    from wallet.governance_answers import parse_proposal
    from wallet.submission import ask

    chain = session.chain()

    async def work(client: Client) -> dict[str, Json]:
        return await client.get(f"/v1/proposals/{number}", lambda value: as_object(value, "a proposal"))

    answer = ask(session, work)
    try:
        view = parse_proposal(answer, chain)
    except MalformedError as error:
        raise verification_error(
            f"What the node says of proposal {number} cannot be relied on: {error}.",
            code="proposal_unverified",
            remedy="Ask another node.",
        ) from None
    if view.number != number:
        raise verification_error("The node answers about another proposal.", code="proposal_unverified")
    return view, answer


def find_candidate(session: Session, name: str) -> Validator | None:
    """Who is ready to be the validator `name`; None when nobody is. Raises `WalletError` (14)."""
    from wallet.commands.account import path_part
    from wallet.governance_answers import parse_candidate
    from wallet.submission import ask

    async def work(client: Client) -> Validator:
        return await client.get(f"/v1/candidates/{path_part(name)}", parse_candidate)

    try:
        return ask(session, work)
    except WalletError as error:
        if error.exit_code is not ExitCode.NOT_FOUND:
            raise
        return None


def review_draft(session: Session, draft: Draft) -> Iterator[str]:
    """What nodes add to a transaction file with proposals or votes: the content voted on, and what it does."""
    from ledger.operations.governance import ProposalCreate, ProposalVote

    for number, operation in enumerate(draft.body.operations, 1):
        match operation:
            case ProposalCreate():
                reviewed = review(session, operation.changes)
                yield f"About {number}: {' '.join(reviewed.lines)}"
                yield from (f"Warning: {warning}" for warning in reviewed.warnings)
            case ProposalVote():
                view, _ = find_proposal(session, operation.proposal)
                if view.digest != operation.digest:
                    yield f"About {number}: THE VOTE IS NOT ON PROPOSAL {view.number} AS IT IS; it would be refused."
                    continue
                reviewed = review(session, view.changes)
                yield from proposal_lines(view)
                yield " ".join(reviewed.lines)
                yield from (f"Warning: {warning}" for warning in reviewed.warnings)
            case _:
                continue


def _set_in_force(session: Session) -> SetView:
    from wallet.governance_answers import parse_set
    from wallet.submission import ask

    async def work(client: Client) -> SetView:
        return await client.get("/v1/validators", parse_set)

    return ask(session, work)


def _links(session: Session) -> tuple[set[str], set[str], dict[str, str]]:
    """The validators and the node keys that any node is linked to; and the nodes that gave no answer, with why."""
    from wallet.governance_answers import LinksView, parse_links
    from wallet.submission import ask_each

    async def work(client: Client) -> LinksView:
        return await client.get("/v1/status", parse_links)

    names, node_keys, silent = set[str](), set[str](), dict[str, str]()
    for node, answer in ask_each(session, work).items():
        if isinstance(answer, WalletError):
            silent[node] = answer.sentence
        else:
            names |= answer.validators
            node_keys |= answer.node_keys
    return names, node_keys, silent


def _count(session: Session, silent: Mapping[str, str]) -> str:
    count = len(session.nodes) - len(silent)
    return "the links of one node" if count == 1 else f"the links of {count} nodes"
