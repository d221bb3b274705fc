"""Governance in the wallet: what is shown before anything is signed, votes on what was shown, and every verb."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from click.testing import Result

from ledger.governance.readiness import ReadyStatement, encode_ready_statement, sign_ready
from ledger.primitives import Digest
from ledger.rows.governance import Proposal, ProposalState
from node.http import governance_documents as documents
from tests.unit.ledger.founders import founder
from tests.unit.wallet.conftest import Run
from tests.unit.wallet.fake_node import FakeNode, always
from wallet.client import listing
from wallet.commands.change import CHANGES as VERBS
from wallet.exit_codes import ExitCode

pytestmark = pytest.mark.usefixtures("profile")

JOINER = founder(5)
ENTRY = replace(JOINER.card.validator, name="v5", operator="org1")
DIGEST = "ab" * 32


def statement(node: FakeNode, chain: Digest | None = None) -> bytes:
    """v5 says that it is ready at height 0 of the node's chain, or of another."""
    chain = chain or node.network.genesis.chain
    keys = {"consensus_key": JOINER.consensus_key, "node_key": JOINER.node_key, "cosigning_key": JOINER.cosigning_key}
    return encode_ready_statement(ReadyStatement(chain, ENTRY, 0, sign_ready(chain, ENTRY, 0, **keys)))


class People:
    """org0 administers; org0 .. org2 vote."""

    def __init__(self, run: Run, node: FakeNode) -> None:
        self._run = run
        self.node = node

    def run(self, *words: str, by: int = 0, stdin: str | None = None) -> Result:
        who = ("--account", f"org{by}", "--key-file", f"org{by}", "--node", self.node.url)
        return self._run(*words, *who, stdin=stdin)

    def done(self, *words: str, by: int = 0) -> Result:
        ended = self.run(*words, "--yes", by=by)
        assert ended.exit_code == ExitCode.OK, ended.stderr
        return ended

    def read(self, *words: str) -> Result:
        return self._run(*words, "--node", self.node.url)

    def ready(self) -> None:
        Path("ready.json").write_bytes(statement(self.node) + b"\n")
        self.done("validator", "ready", "ready.json", by=1)

    def proposal(self, number: int) -> Proposal:
        found = self.node.network.state.proposal(number)
        assert found is not None
        return found


@pytest.fixture
def people(run: Run, node: FakeNode) -> People:
    return People(run, node)


# ---- the life of a proposal


def test_a_joiner_is_proposed_and_voted_in(people: People) -> None:
    people.ready()
    node_key = ENTRY.node_key.hex()
    people.node.peers.append(people.node.peer(None, node_key))
    made = people.done("proposal", "create", "add-validator", "v5", "--reason", "it joins", "--delay", "500")
    assert (
        f"Candidate v5, operated by org1 at {ENTRY.address}: consensus key {ENTRY.consensus_key.hex()}" in made.stderr
    )
    assert "Now 4 validators, quorum 3: " in made.stderr
    assert "Then 5 validators, quorum 4: blocks are appended while at most 1 are stopped" in made.stderr
    assert "Of the set then, all 5 validators can be reached, and the quorum is 4: after one more" in made.stderr
    assert "It is proposal 1. Next, the operators: quorum-wallet proposal approve 1" in made.stderr
    assert people.proposal(1).memo == "it joins"
    for by in (0, 1):
        approved = people.done("proposal", "approve", "1", by=by)
        assert "Then 5 validators, quorum 4" in approved.stderr
        assert f"Candidate v5, operated by org1 at {ENTRY.address}: consensus key" in approved.stderr
    people.done("proposal", "reject", "1", by=2)
    shown = people.read("proposal", "show", "1").stdout
    assert f"Candidate v5, operated by org1 at {ENTRY.address}: consensus key {ENTRY.consensus_key.hex()}" in shown
    assert f"1. validator v5 joins the set, with the entry {ENTRY.digest.hex()}" in shown
    assert "validators that approve: 2 of 4, that reject: 1; the quorum is 3, 1 more is needed" in shown
    assert "  v0 (org0) approves\n  v1 (org1) approves\n  v2 (org2) rejects\n  v3 (org3) has not voted\n" in shown
    people.done("proposal", "approve", "1", by=2)
    assert people.proposal(1).state is ProposalState.APPROVED
    listed = people.read("validator", "list").stdout
    assert "After block 6: 4 validators, quorum 3" in listed
    assert "From height 506 on, by proposal 1: " in " ".join(listed.split())


def test_whoever_votes_sees_who_would_operate_a_joiner_or_that_nobody_can_say(people: People) -> None:
    """Its name is what its operator chose: `dock-1` may be anybody's."""
    people.ready()
    people.done("proposal", "create", "add-validator", "v5")
    other = replace(ENTRY, operator="org2")
    answer = {"name": "v5", "digest": ENTRY.digest.hex(), "entry": other.to_json()}
    for status, document in ((200, answer), (404, {"code": "not_found"})):
        reply = always(lambda status=status, document=document: web.json_response(document, status=status))
        people.node.next("GET", "/v1/candidates/v5", reply)
        asked = people.run("proposal", "approve", "1", stdin="n\n")
        assert f"Warning: Nobody is ready to be v5 with the entry {ENTRY.digest.hex()}" in asked.stderr
        assert "operated by org2" not in asked.stderr
    assert people.proposal(1).approvals == ()


def test_who_cannot_be_reached_is_named_before_anything_is_signed(people: People) -> None:
    people.ready()
    people.node.peers = people.node.peers[:2]
    asked = people.run("proposal", "create", "add-validator", "v5", "remove-validator", "v0", stdin="n\n")
    assert asked.exit_code == ExitCode.UNEXPECTED
    assert (
        "Warning: Now, by the links of one node, 3 of 4 validators can be reached, all but v3, and the" in asked.stderr
    )
    assert (
        "Warning: Of the set then, 2 of 4 validators can be reached, all but v3, v5: 1 too few for the quorum of 3, so"
        in asked.stderr
    )
    assert "Propose this? [y/N]" in asked.stderr
    assert len(people.node.network.blocks) == 1, "nothing was sent"
    quorum = people.run("proposal", "create", "set-quorum", "4", stdin="n\n")
    assert "Warning: With the quorum then, 3 of 4 validators can be reached, all but v3: 1 too few" in quorum.stderr


def test_an_approval_asks_and_a_rejection_does_not(people: People) -> None:
    people.done("proposal", "create", "suspend", "org3")
    before = len(people.node.network.blocks)
    refused = people.run("proposal", "approve", "1", stdin="n\n")
    assert refused.exit_code == ExitCode.UNEXPECTED
    assert "Approve proposal 1? [y/N]" in refused.stderr
    assert "Quorum and tolerance stay as they are." in refused.stderr
    assert len(people.node.network.blocks) == before
    assert people.run("proposal", "reject", "1").exit_code == ExitCode.OK
    assert people.proposal(1).rejections == ("org0",)


def test_a_node_that_is_down_is_said_and_the_others_are_asked(people: People, run: Run) -> None:
    dead = "http://127.0.0.1:9"
    words = ("proposal", "create", "set-quorum", "4", "--node", people.node.url, "--node", dead)
    asked = run(*words, stdin="n\n")
    assert f"Warning: {dead} does not say whom it reaches: No node gave a usable answer" in asked.stderr
    assert "Now, by the links of one node, all 4 validators can be reached" in asked.stderr


def test_a_set_change_that_is_decided_is_said(people: People) -> None:
    people.done("proposal", "create", "set-quorum", "4", "--delay", "500")
    for by in (0, 1, 2):
        people.done("proposal", "approve", "1", by=by)
    made = people.done("proposal", "create", "set-quorum", "bft")
    assert "Warning: proposal 1 is decided and changes the set from height 504 on: Now 4 validators" in made.stderr
    assert "No other change of the set can be decided before." in made.stderr


def test_a_page_with_nothing_on_it_is_not_the_end(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    people.done("proposal", "create", "suspend", "org3")
    on = {"items": [], "next_cursor": "AAAA", "head": {}}
    people.node.next("GET", "/v1/proposals", *[always(lambda: web.json_response(on))] * 3)
    assert "org3 is suspended" in people.read("proposal", "list", "--state", "open").stdout
    monkeypatch.setattr(listing, "EMPTY_PAGES_MAX", 3)
    people.node.next("GET", "/v1/proposals", *[always(lambda: web.json_response(on))] * 4)
    ended = people.read("proposal", "list", "--state", "open")
    assert "there may be more than is shown" in ended.stderr
    assert len(people.node.script["GET", "/v1/proposals"]) == 1, "and it is asked no more"


def test_its_proposer_takes_it_back(people: People) -> None:
    people.done("proposal", "create", "suspend", "org3")
    people.done("proposal", "withdraw", "1")
    assert people.proposal(1).state is ProposalState.WITHDRAWN
    before = len(people.node.network.blocks)
    for words in (("withdraw", "1"), ("approve", "1"), ("reject", "1")):
        ended = people.run("proposal", *words, "--yes")
        assert ended.exit_code == ExitCode.REJECTED
        assert "Error [proposal_closed]: Proposal 1 is withdrawn, not open." in ended.stderr
    assert len(people.node.network.blocks) == before
    assert people.read("proposal", "list", "--state", "open").stdout == ""
    (listed,) = json.loads(people.read("proposal", "list", "--output", "json").stdout)
    assert listed["state"] == "withdrawn"
    assert "org3 is suspended" in people.read("proposal", "list").stdout


# ---- votes bind what is shown


def lie(node: FakeNode, **changed: object) -> None:
    """Let the next answer about proposal 1 be another than the ledger's."""
    proposal = node.network.state.proposal(1)
    assert proposal is not None
    state = node.network.state
    document = documents.proposal_details(proposal, 1, voted=state, voted_height=1, state=state)
    node.next("GET", "/v1/proposals/1", always(lambda: web.json_response({**document, **changed})))


def test_a_node_that_shows_another_proposal_gets_no_vote(people: People) -> None:
    people.done("proposal", "create", "suspend", "org3")
    before = len(people.node.network.blocks)
    harmless = [{"type": "parameter.set", "parameter": "sender_quota", "value": 7}]
    for changed in (
        {"changes": harmless},
        {"memo": "for good"},
        {"delay": 1},
        {"proposer": "org3"},
        {"digest": "ab" * 32},
        {"number": 2},
        {"changes": []},
        {"tally": None},
    ):
        lie(people.node, **changed)
        ended = people.run("proposal", "approve", "1", "--yes")
        assert ended.exit_code == ExitCode.VERIFICATION_FAILED, changed
        assert "proposal_unverified" in ended.stderr
    assert len(people.node.network.blocks) == before


def test_a_node_that_names_another_candidate_is_caught(people: People) -> None:
    people.ready()
    answer = {"entry": replace(ENTRY, name="v6").to_json()}
    people.node.next("GET", "/v1/candidates/v5", always(lambda: web.json_response(answer)))
    ended = people.run("proposal", "create", "add-validator", "v5", "--yes")
    assert ended.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Asked for the candidate v5, the node answers with v6." in ended.stderr
    assert len(people.node.network.blocks) == 1


def test_a_vote_on_a_digest_that_was_seen_elsewhere(people: People) -> None:
    people.done("proposal", "create", "suspend", "org3")
    digest = people.proposal(1).digest.hex()
    wrong = people.run("proposal", "approve", "1", "--digest", "ab" * 32, "--yes")
    assert wrong.exit_code == ExitCode.VERIFICATION_FAILED
    assert "Error [proposal_changed]" in wrong.stderr
    people.done("proposal", "approve", "1", "--digest", digest)
    assert people.proposal(1).approvals == ("org0",)


# ---- offline


def test_votes_and_proposals_are_signed_elsewhere(people: People, run: Run) -> None:
    create = (
        "proposal",
        "create",
        "set-quorum",
        "4",
        "set-parameter",
        "sender_quota",
        "7",
        "--out",
        "p.json",
        "--voting",
        "2h",
    )
    made = run(*create)
    assert made.exit_code == ExitCode.OK, made.stderr
    assert "see it later: tx show FILE --online" in made.stderr
    shown = people.read("tx", "show", "p.json", "--online").stdout
    assert (
        "org0 proposes, all or nothing: (1) the quorum is 4; (2) the parameter sender_quota is 7; in force 10 heights"
        in shown
    )
    assert "About 1: Now 4 validators, quorum 3" in shown
    assert run("tx", "sign", "p.json", "--key-file", "org0").exit_code == ExitCode.OK
    assert people.read("tx", "submit", "p.json").exit_code == ExitCode.OK

    digest = people.proposal(1).digest.hex()
    vote = ("proposal", "approve", "1", "--digest", digest, "--account", "org1", "--out", "v.json")
    assert run(*vote).exit_code == ExitCode.OK
    shown = people.read("tx", "show", "v.json", "--online").stdout
    assert f"1. org1 APPROVES proposal 1, whose content has the digest {digest}" in shown
    assert "  1. the quorum is 4\n  2. the parameter sender_quota is 7\n" in shown
    assert "Fewer may be stopped than before: 0 instead of 1." in shown
    assert run("tx", "sign", "v.json", "--key-file", "org1").exit_code == ExitCode.OK
    assert people.read("tx", "submit", "v.json").exit_code == ExitCode.OK
    assert people.proposal(1).approvals == ("org1",)

    other = ("proposal", "reject", "1", "--digest", "ab" * 32, "--out", "w.json")
    assert run(*other).exit_code == ExitCode.OK
    assert "THE VOTE IS NOT ON PROPOSAL 1 AS IT IS" in people.read("tx", "show", "w.json", "--online").stdout


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "words",
    [
        ("account", "suspend", "alice"),
        ("account", "reinstate", "alice"),
        ("role", "grant", "bank", "treasurer"),
        ("role", "revoke", "bank", "treasurer"),
        ("proposal", "withdraw", "1"),
        ("proposal", "create", "add-validator", "v5", "--entry", DIGEST, "rekey-validator", "v1", "--entry", DIGEST),
        ("proposal", "create", "remove-validator", "v2", "set-quorum", "bft", "set-parameter", "sender_quota", "5"),
        ("proposal", "create", "upgrade", "2"),
        ("proposal", "create", "grant-role", "bank", "operator", "revoke-role", "bank", "operator"),
        ("proposal", "create", "suspend", "bank", "reinstate", "bank"),
        ("proposal", "create", "recover-account", "bank", "--public-key", "org1", "--threshold", "1"),
    ],
)  # fmt: skip
def test_every_verb_works_offline_and_is_explained(run: Run, words: tuple[str, ...]) -> None:
    ended = run(*words, "--out", "t.json")
    assert ended.exit_code == ExitCode.OK, ended.stderr
    shown = run("tx", "show", "t.json").stdout
    assert "  1. org0 " in shown
    assert " does " not in shown.replace("It does", "")
    assert run("tx", "sign", "t.json", "--key-file", "org0").exit_code == ExitCode.OK


def test_the_offline_verbs_are_all_of_them() -> None:
    words = {
        word for mark in test_every_verb_works_offline_and_is_explained.pytestmark for word in str(mark.args).split("'")
    }
    assert {verb.name for verb in VERBS} <= words


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("approve", "1"), "digest_unknown", "quorum-wallet proposal show 1"),
        (("create", "add-validator", "v5"), "entry_unknown", "quorum-wallet validator candidates"),
        (("create", "set-quorum", "most"), "malformed", 'must be "majority", "bft" or a number'),
        (("create", "set-parameter", "sendr_quota", "5"), "malformed", "parameter must be one of"),
        (("create", "set-parameter", "sender_quota", "many"), "usage", "'many' is no whole number"),
        (("create", "set-parameter", "sender_quota", "٣"), "usage", "is no whole number"),
        (("create", "set-parameter", "protocol_version", "2"), "usage", "proposal create upgrade 2"),
        (("create", "grant-role", "bank", "oparator"), "malformed", "a role must be one of"),
        (("create", "suspend", "Bank"), "malformed", "account"),
        (("create", "suspend", "bank", "--voting", "soon"), "usage", "no span of time"),
        (("create", "suspend", "bank", "--voting", "91d"), "usage", "90 days at most"),
        (("create", "suspend", "bank", "--delay", "0"), "usage", "--delay"),
        (("create", "suspnd", "bank"), "usage", "Did you mean 'suspend'"),
        (("create", "suspend", "bank", "--evidence", "xy"), "malformed", "a digest must be"),
        (("create", *("suspend", "bank") * 9), "malformed", "changes"),
        (("list", "--state", "closed"), "usage", "open, withdrawn"),
        (("show", "first"), "usage", "NUMBER"),
    ],
)
def test_what_is_mistyped_is_said(run: Run, words: tuple[str, ...], code: str, said: str) -> None:
    ended = run("proposal", *words, *(() if words[0] in ("list", "show") else ("--out", "t.json")))
    assert ended.exit_code == ExitCode.USAGE, ended.stderr
    assert f"Error [{code}]" in ended.stderr
    assert said in ended.stderr
    assert not Path("t.json").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("create", "add-validator", "v9"), "candidate_unknown", "quorum-wallet validator ready FILE"),
        (("create", "set-quorum", "2"), "impossible", "a quorum of 2 of 4 breaks n/2 < q <= n"),
        (("create", "remove-validator", "v9"), "impossible", "there is no validator v9"),
        (("approve", "7"), "proposal_unknown", "no proposal 7"),
        (("withdraw", "7"), "proposal_unknown", "no proposal 7"),
    ],
)
def test_what_cannot_be_is_refused_before_it_is_signed(
    people: People, words: tuple[str, ...], code: str, said: str
) -> None:
    ended = people.run("proposal", *words, "--yes")
    assert ended.exit_code in (ExitCode.USAGE, ExitCode.NOT_FOUND)
    assert f"Error [{code}]" in ended.stderr
    assert said in ended.stderr
    assert people.node.network.blocks == []


# ---- members, validators


def test_members_are_looked_after(people: People) -> None:
    people.done("account", "add", "bank", "--public-key", "org2")
    people.done("role", "grant", "bank", "treasurer")
    people.done("account", "suspend", "bank")
    bank = people.node.network.state.account("bank")
    assert bank is not None
    assert (bank.roles, bank.suspended) == (("treasurer",), True)
    people.done("account", "reinstate", "bank")
    people.done("role", "revoke", "bank", "treasurer")
    bank = people.node.network.state.account("bank")
    assert bank is not None
    assert (bank.roles, bank.suspended) == ((), False)
    governed = people.run("role", "grant", "bank", "operator")
    assert governed.exit_code == ExitCode.REJECTED
    assert "only a proposal may do that" in governed.stderr


@pytest.mark.usefixtures("offline")
def test_the_roles_and_what_each_is_for(run: Run) -> None:
    roles = json.loads(run("role", "list", "--output", "json").stdout)
    assert [(item["role"], item["governed"]) for item in roles] == [
        ("administrator", True),
        ("operator", True),
        ("registrar", False),
        ("treasurer", False),
    ]
    assert "Defines assets." in run("role", "list").stdout


def test_a_ready_statement_is_checked_before_it_is_sent(people: People, run: Run) -> None:
    Path("ready.json").write_bytes(statement(people.node))
    wrong = people.run("validator", "ready", "ready.json", by=0)
    assert wrong.exit_code == ExitCode.USAGE
    assert "v5 will be operated by org1" in wrong.stderr
    Path("bent.json").write_bytes(statement(people.node).replace(b"127.0.0.1", b"127.0.0.2"))
    bent = people.run("validator", "ready", "bent.json", by=1)
    assert bent.exit_code == ExitCode.VERIFICATION_FAILED
    Path("elsewhere.json").write_bytes(statement(people.node, Digest(bytes(32))))
    elsewhere = people.run("validator", "ready", "elsewhere.json", by=1)
    assert elsewhere.exit_code == ExitCode.USAGE
    assert "Error [chain_wrong]" in elsewhere.stderr
    Path("other.json").write_bytes(b"{}")
    assert people.run("validator", "ready", "other.json", by=1).exit_code == ExitCode.USAGE
    assert people.node.network.blocks == []
    people.ready()
    assert people.node.network.state.candidate("v5") is not None
    (listed,) = json.loads(people.read("validator", "candidates", "--output", "json").stdout)
    assert (listed["name"], listed["digest"]) == ("v5", ENTRY.digest.hex())
    assert "org1" in people.read("validator", "candidates").stdout
    again = people.read("validator", "list", "--output", "json")
    assert json.loads(again.stdout)["n"] == 4
    assert run("validator", "ready", "ready.json", "--account", "org1", "--out", "r.json").exit_code == ExitCode.OK
    assert "org1 says that validator v5" in run("tx", "show", "r.json").stdout
