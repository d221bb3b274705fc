"""What nodes answer about the validator set, candidates, proposals and their links: well formed, not yet true.

The digest of a proposal is computed here from the content in the answer, never taken from it: a vote binds what the
wallet shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ledger.encoding import expect_integer, expect_list, expect_string
from ledger.errors import MalformedError
from ledger.governance.changes import parse_changes
from ledger.governance.proposals import proposal_digest
from ledger.limits import EVIDENCE_PER_PROPOSAL_MAX, MEMO_BYTES_MAX, NAME_BYTES_MAX, PEER_LINKS_MAX, VALIDATORS_MAX
from ledger.names import parse_account_name
from ledger.primitives import Digest, parse_digest
from ledger.validators import VALIDATOR_FIELDS, parse_validator, parse_validator_set
from wallet.answers import TEXT_MAX, as_object

if TYPE_CHECKING:
    from ledger.encoding import Json
    from ledger.governance.changes import Change
    from ledger.validators import Validator, ValidatorSet


@dataclass(frozen=True, slots=True)
class LinksView:
    """Whom one node can reach, as it states: validators by name (itself included, if it votes), nodes by key (hex)."""

    validators: frozenset[str]
    node_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class SetView:
    """The validator set in force, and in words the change of it that is decided, if any."""

    validators: ValidatorSet
    coming: str | None


@dataclass(frozen=True, slots=True)
class ProposalView:
    """A proposal as a node states it; `digest` is computed from its content."""

    number: int
    proposer: str
    changes: tuple[Change, ...]
    evidence: tuple[Digest, ...]
    memo: str | None
    expires_ms: int
    delay: int
    digest: Digest
    state: str
    activation_height: int | None
    tally: str
    votes: tuple[str, ...]
    impact: str
    obstacle: str | None


def parse_links(value: Json) -> LinksView:
    """The links in the answer of `/v1/status`. Raises `MalformedError`."""
    fields = as_object(value, "a status")
    names: list[Json] = []
    keys = set()
    for item in expect_list(fields.get("peers"), what="peers", items_max=PEER_LINKS_MAX):
        peer = as_object(item, "a peer")
        keys.add(expect_string(peer.get("node_key"), what="node_key", bytes_max=NAME_BYTES_MAX))
        names.append(peer.get("validator"))
    if fields.get("role") == "voting":
        names.append(fields.get("validator"))
    return LinksView(frozenset(name for name in names if isinstance(name, str)), frozenset(keys))


def parse_set(value: Json) -> SetView:
    """The answer of `/v1/validators`. Raises `MalformedError`."""
    fields = as_object(value, "a validator set")
    entries = fields.get("validators")
    if not isinstance(entries, list):
        raise MalformedError("a validator set lacks its validators")
    listed: list[Json] = [
        {name: item for name, item in as_object(entry, "a validator").items() if name in VALIDATOR_FIELDS}
        for entry in entries
    ]
    validators = parse_validator_set({"quorum": fields.get("quorum"), "validators": listed})
    pending = fields.get("pending_set_change")
    return SetView(validators, None if pending is None else _coming(as_object(pending, "a set change")))


def parse_candidate(value: Json) -> Validator:
    """The entry in the answer of `/v1/candidates/{validator}`. Raises `MalformedError`."""
    return parse_validator(as_object(value, "a candidate").get("entry"))


def parse_proposal(value: Json, chain: Digest) -> ProposalView:
    """The answer of `/v1/proposals/{number}` on `chain`.

    Raises `MalformedError`, also when the digest that it states is not that of its content.
    """
    fields = as_object(value, "a proposal")
    evidence = expect_list(fields.get("evidence"), what="evidence", items_max=EVIDENCE_PER_PROPOSAL_MAX)
    memo, activation = fields.get("memo"), fields.get("activation_height")
    view = ProposalView(
        number=expect_integer(fields.get("number"), what="number", minimum=1),
        proposer=parse_account_name(fields.get("proposer"), "the proposer"),
        changes=parse_changes(fields.get("changes"), "changes"),
        evidence=tuple(parse_digest(item, "evidence") for item in evidence),
        memo=None if memo is None else expect_string(memo, what="memo", bytes_max=MEMO_BYTES_MAX),
        expires_ms=expect_integer(fields.get("expires"), what="expires"),
        delay=expect_integer(fields.get("delay"), what="delay", minimum=1),
        digest=parse_digest(fields.get("digest"), "digest"),
        state=expect_string(fields.get("state"), what="state", bytes_max=NAME_BYTES_MAX),
        activation_height=None if activation is None else expect_integer(activation, what="activation_height"),
        tally=_text(as_object(fields.get("tally"), "a tally"), "sentence"),
        votes=_votes(as_object(fields.get("tally"), "a tally").get("votes")),
        impact=_text(as_object(fields.get("impact"), "an impact"), "sentence"),
        obstacle=_obstacle(fields.get("obstacle")),
    )
    computed = proposal_digest(
        chain=chain,
        proposer=view.proposer,
        changes=view.changes,
        expires_ms=view.expires_ms,
        delay=view.delay,
        evidence=view.evidence,
        memo=view.memo,
    )
    if computed != view.digest:
        raise MalformedError(
            f"the node states the digest {view.digest.hex()} of proposal {view.number}, and its content on the pinned "
            f"chain has {computed.hex()}"
        )
    return view


def _coming(pending: Mapping[str, Json]) -> str:
    number = expect_integer(pending.get("proposal"), what="proposal", minimum=1)
    height = expect_integer(pending.get("activation_height"), what="activation_height")
    sentence = _text(as_object(pending.get("impact"), "an impact"), "sentence")
    return f"proposal {number} is decided and changes the set from height {height} on: {sentence}"


def _votes(value: Json) -> tuple[str, ...]:
    """Who voted how, in words."""
    said = []
    for item in expect_list(value, what="votes", items_max=VALIDATORS_MAX):
        vote = as_object(item, "a vote")
        how = {"approve": "approves", "reject": "rejects"}.get(str(vote.get("vote")), "has not voted")
        weight = "" if vote.get("counts") is True else ", and has no weight: suspended, or without the role operator"
        said.append(f"{_text(vote, 'validator')} ({_text(vote, 'operator')}) {how}{weight}")
    return tuple(said)


def _obstacle(value: Json) -> str | None:
    if value is None:
        return None
    fields = as_object(value, "an obstacle")
    return f"{_text(fields, 'code')}: {_text(fields, 'detail')}. {_text(fields, 'remedy')}"


def _text(fields: Mapping[str, Json], name: str) -> str:
    return expect_string(fields.get(name), what=name, bytes_max=TEXT_MAX)
