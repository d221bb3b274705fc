"""Rows: what they hold, how they are read, and how an overlay changes them and takes changes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from ledger.encoding import Json, decode, encode_trusted
from ledger.errors import MalformedError
from ledger.governance.changes import QuorumSet, SuspendAccount
from ledger.limits import (
    AMOUNT_MAX,
    DECIMALS_MAX,
    INTEGER_MAX,
    ISSUERS_PER_ASSET_MAX,
    KEYS_PER_ACCOUNT_MAX,
    KIB,
    NAME_BYTES_MAX,
    STATE_ROWS_CACHED_MAX,
    WRITERS_PER_STREAM_MAX,
)
from ledger.parameters import PARAMETERS, Parameters, parse_parameters
from ledger.primitives import Digest, PublicKey
from ledger.refusals import Code
from ledger.roles import ROLES, Permission, Role
from ledger.rows.accounts import (
    Account,
    Administrators,
    account_key,
    check_keys,
    parse_account_row,
    parse_administrators_row,
)
from ledger.rows.assets import Asset, Balance, asset_key, balance_key, parse_asset_row, parse_balance_row
from ledger.rows.governance import (
    Candidate,
    Governance,
    OpenProposal,
    PendingProposal,
    Proposal,
    ProposalState,
    candidate_key,
    parse_candidate_row,
    parse_governance_row,
    parse_proposal_row,
    proposal_key,
)
from ledger.rows.settings import Leaders, parse_leaders_row, parse_parameters_row, parse_validators_row
from ledger.rows.streams import LatestRecord, Stream, latest_key, parse_latest_row, parse_stream_row, stream_key
from ledger.rows.validator_keys import ValidatorKey, parse_validator_key_row
from ledger.state import Overlay, State, initial_state
from ledger.validators import KeyPurpose, parse_quorum
from tests.unit.ledger.members import MEMBERS, Rows, account, key_of, rows, validator_set

EURO = Asset("euro", "mint", 2, 1_000, ("board", "mint"), supply=5)
FROZEN = Balance("alice.acme", "euro", 0, frozen=True)
LATEST = LatestRecord("invoices", "INV-1 ü", 7, 3, Digest(bytes(range(32))), 2)


CANDIDATE = Candidate(validator_set().validators[0], 8, 9)
PROPOSAL = Proposal(
    number=8,
    proposer="acme",
    changes=(SuspendAccount("org"), QuorumSet(parse_quorum("majority"))),
    evidence=(),
    memo=None,
    expires_ms=5_000,
    delay=3,
    digest=LATEST.transaction_id,
    created_height=4,
)


def test_every_row_is_read_as_it_was_written() -> None:
    parsers = (
        (parse_account_row, account("pair", "p1", "p2", threshold=2, roles=("operator",), suspended=True)),
        (parse_stream_row, Stream("invoices", "acme", frozenset({"acme", "globex"}), 12, True)),
        (parse_latest_row, LATEST),
        (parse_administrators_row, Administrators(("acme", "board"))),
        (parse_asset_row, EURO),
        (parse_asset_row, Asset("euro.old", "mint", DECIMALS_MAX, None, ("mint",), supply=AMOUNT_MAX)),
        (parse_asset_row, Asset("euro", "mint", 0, AMOUNT_MAX, ("mint",))),
        (parse_balance_row, Balance("alice.acme", "euro", AMOUNT_MAX)),
        (parse_balance_row, FROZEN),
        (parse_leaders_row, Leaders((("v1", 4), ("v2", 0)))),
        (parse_parameters_row, Parameters(sender_quota=7)),
        (parse_validators_row, validator_set()),
        (parse_governance_row, Governance(9, (OpenProposal(8, "acme", 5_000),), (PendingProposal(7, 12),))),
        (parse_proposal_row, PROPOSAL),
        (
            parse_proposal_row,
            replace(
                PROPOSAL,
                evidence=(LATEST.transaction_id,),
                memo="why",
                approvals=("acme",),
                rejections=("globex",),
                state=ProposalState.FAILED,
                decided_height=5,
                activation_height=9,
                code=Code.OPERATORS_TOO_FEW,
            ),
        ),
        (parse_candidate_row, CANDIDATE),
        (parse_validator_key_row, ValidatorKey("v1", KeyPurpose.CONSENSUS, since=1)),
        (parse_validator_key_row, ValidatorKey("v1", KeyPurpose.COSIGNING, since=3, until=9)),
    )
    for parse, row in parsers:
        data = encode_trusted(row.to_json())
        assert parse(data) == row
        assert decode(data, bytes_max=10_000) == row.to_json(), "canonical"


@pytest.mark.parametrize(
    ("row", "field", "value"),
    [
        (MEMBERS[0], "name", "Acme"),
        (MEMBERS[0], "keys", []),
        (MEMBERS[0], "keys", ["00"]),
        (MEMBERS[0], "threshold", 0),
        (MEMBERS[0], "roles", ["king"]),
        (MEMBERS[0], "roles", [1]),
        (MEMBERS[0], "suspended", 0),
        (MEMBERS[0], "surplus", 0),
        (Stream("invoices", "acme", frozenset({"acme"})), "frozen", "no"),
        (Stream("invoices", "acme", frozenset({"acme"})), "count", -1),
        (Stream("invoices", "acme", frozenset({"acme"})), "writers", ["a b"]),
        (LATEST, "revision", 0),
        (LATEST, "transaction", "00"),
        (Governance(), "count", -1),
        (Governance(), "open", [{"number": 1}]),
        (Governance(), "open", [{"number": 0, "proposer": "acme", "expires": 1}]),
        (Governance(), "pending", [{"number": 1, "activation_height": 0}]),
        (PROPOSAL, "changes", []),
        (PROPOSAL, "state", "undecided"),
        (PROPOSAL, "state", 1),
        (PROPOSAL, "code", "no_such_code"),
        (PROPOSAL, "memo", 1),
        (PROPOSAL, "approvals", ["A"]),
        (PROPOSAL, "decided_height", 0),
        (CANDIDATE, "digest", "00" * 32),
        (CANDIDATE, "recorded_height", 0),
        (ValidatorKey("v1", KeyPurpose.NODE, since=1), "validator", "V1"),
        (ValidatorKey("v1", KeyPurpose.NODE, since=1), "purpose", "voting"),
        (ValidatorKey("v1", KeyPurpose.NODE, since=1), "purpose", 1),
        (ValidatorKey("v1", KeyPurpose.NODE, since=1), "since", 0),
        (ValidatorKey("v1", KeyPurpose.NODE, since=1), "until", False),
        (EURO, "decimals", DECIMALS_MAX + 1),
        (EURO, "cap", "0"),
        (EURO, "cap", 1_000),
        (EURO, "supply", 5),
        (EURO, "supply", "05"),
        (EURO, "supply", str(AMOUNT_MAX + 1)),
        (EURO, "issuers", [f"a{n}" for n in range(ISSUERS_PER_ASSET_MAX + 1)]),
        (FROZEN, "amount", "00"),
        (FROZEN, "amount", "-1"),
        (FROZEN, "frozen", False),
        (FROZEN, "asset", "a/b"),
    ],
)
def test_a_row_that_is_not_what_the_table_says_is_malformed(
    row: Account | Stream | LatestRecord | Asset | Balance | ValidatorKey | Governance | Proposal | Candidate,
    field: str,
    value: Json,
) -> None:
    parsers: dict[type, Callable[[bytes], object]] = {
        Account: parse_account_row,
        Stream: parse_stream_row,
        LatestRecord: parse_latest_row,
        Asset: parse_asset_row,
        Balance: parse_balance_row,
        ValidatorKey: parse_validator_key_row,
        Governance: parse_governance_row,
        Proposal: parse_proposal_row,
        Candidate: parse_candidate_row,
    }
    parse = parsers[type(row)]
    with pytest.raises(MalformedError):
        parse(encode_trusted({**row.to_json(), field: value}))


def test_leaders_are_an_object() -> None:
    with pytest.raises(MalformedError):
        parse_leaders_row(b"[]")


def test_keys_of_rows() -> None:
    assert account_key("alice.acme") == b"account/alice.acme"
    assert stream_key("invoices") == b"stream/invoices"
    assert candidate_key("v5") == b"candidate/v5"
    assert proposal_key(7) == b"proposal/00000000000000000007"
    assert sorted([proposal_key(10), proposal_key(9)]) == [proposal_key(9), proposal_key(10)]
    assert asset_key("euro") == b"asset/euro"
    assert balance_key("alice.acme", "euro") == b"balance/alice.acme/euro"
    key = latest_key("invoices", "INV-1")
    assert key.startswith(b"latest/invoices/")
    assert len(key) == len(b"latest/invoices/") + 64
    assert key != latest_key("invoices", "INV-2")


def test_a_row_is_read_and_decoded_once() -> None:
    view = rows()
    state = State(view)
    assert state.account("acme") is state.account("acme")
    assert state.account("nobody") is None
    assert state.account("nobody") is None
    assert view.reads == [b"account/acme", b"account/nobody"]


def test_whether_there_is_an_account_is_asked_without_reading_it() -> None:
    """A block can name 170,000 writers, and an account of many keys takes 50 us to read."""
    view = rows()
    view.rows[b"account/acme"] = b"never looked at"
    state = State(view)
    assert state.has_account("acme")
    assert not state.has_account("nobody")
    assert state.account("nobody") is None
    assert not state.has_account("nobody")
    overlay = Overlay(state)
    assert (overlay.has_account("acme"), overlay.has_account("new")) == (True, False)
    overlay.put(account_key("new"), account("new"))
    assert overlay.has_account("new")


def test_a_row_that_a_short_operation_rewrites_is_short() -> None:
    """Else one member, in one block, makes every validator write hundreds of times what the block has."""
    longest = "n" * NAME_BYTES_MAX
    keys = tuple(PublicKey(bytes([number]) * 32) for number in range(KEYS_PER_ACCOUNT_MAX))
    writers = frozenset(f"{longest[2:]}{number:02}" for number in range(WRITERS_PER_STREAM_MAX))
    for row in (
        Account(longest, keys, KEYS_PER_ACCOUNT_MAX, tuple(ROLES)),
        Stream(longest, longest, writers, INTEGER_MAX),
        Asset(longest, longest, 18, AMOUNT_MAX, (longest,) * ISSUERS_PER_ASSET_MAX, AMOUNT_MAX),
    ):
        assert len(encode_trusted(row.to_json())) <= 3 * KIB


def test_what_a_state_remembers_is_bounded() -> None:
    view = rows()
    state = State(view)
    for name in ("acme", *(f"n{index}" for index in range(STATE_ROWS_CACHED_MAX))):
        state.account(name)
    assert len(state._decoded) == 1
    for name in ("acme", "n0"):
        assert (state.account(name) is None) == (name == "n0")
        assert view.reads.count(account_key(name)) == 2


def test_a_row_that_cannot_be_decoded_is_never_taken_for_one_that_is_not_there() -> None:
    """Who reads it next, at the same height, must not find that there is no such account."""
    view = rows()
    view.rows[b"account/acme"] = b"never written so"
    state = State(view)
    for _ in range(3):
        with pytest.raises(MalformedError):
            state.account("acme")
        with pytest.raises(MalformedError):
            Overlay(state).account("acme")
        assert state.has_account("acme")


def test_rows_that_genesis_writes_are_there() -> None:
    state = State(rows(parameters=Parameters(sender_quota=3)))
    assert state.parameters().sender_quota == 3
    assert state.validators() == validator_set()
    assert state.administrators() == Administrators(("acme",))
    assert state.governance() == Governance()
    assert state.leaders() == Leaders()
    assert State(Rows({})).leaders() == Leaders()
    for purpose in KeyPurpose:
        row = state.validator_key(key_of(purpose).public_key)
        assert row == ValidatorKey("v1", purpose, since=1), "keys of the first set are in force from height 1 on"
    assert state.validator_key(key_of("acme").public_key) is None, "an account's key is no validator's"


def test_a_validator_key_was_in_force_at_the_heights_that_its_row_names() -> None:
    assert [ValidatorKey("v1", KeyPurpose.NODE, 3, 4).in_force_at(height) for height in (2, 3, 4, 5)] == [
        False,
        True,
        True,
        False,
    ]
    assert ValidatorKey("v1", KeyPurpose.NODE, 3).in_force_at(10**9)


def test_an_overlay_says_what_was_before() -> None:
    overlay = Overlay(State(rows()))
    overlay.put(account_key("acme"), account("acme", "another"))
    overlay.put(stream_key("archive"), None)
    overlay.put(stream_key("news"), Stream("news", "acme", frozenset({"acme"})))
    archive = Stream("archive", "acme", frozenset({"acme"}), count=3, frozen=True)
    assert list(overlay.changes(b"stream/", parse_stream_row)) == [
        (b"stream/archive", archive, None),
        (b"stream/news", None, Stream("news", "acme", frozenset({"acme"}))),
    ]


def test_an_overlay_reads_its_own_changes_and_leaves_the_base_alone() -> None:
    base = State(rows())
    overlay = Overlay(base)
    changed = account("acme", "another")
    overlay.put(account_key("acme"), changed)
    overlay.put(stream_key("archive"), None)
    assert overlay.account("acme") == changed
    assert overlay.stream("archive") is None
    assert overlay.account("globex") is base.account("globex")
    assert base.account("acme") == MEMBERS[0]
    assert base.stream("archive") is not None
    assert overlay.writes() == {
        account_key("acme"): encode_trusted(changed.to_json()),
        stream_key("archive"): None,
    }


def test_savepoints_nest() -> None:
    overlay = Overlay(State(rows()))
    one, two, three = (Stream("s", "acme", frozenset({"acme"}), count) for count in (1, 2, 3))
    overlay.put(stream_key("s"), one)
    outer = overlay.savepoint()
    overlay.put(stream_key("s"), two)
    inner = overlay.savepoint()
    overlay.put(stream_key("s"), three)
    overlay.put(stream_key("t"), changed(three, name="t"))
    overlay.put(stream_key("s"), None)
    overlay.roll_back(inner)
    assert overlay.stream("s") == two
    assert overlay.stream("t") is None
    overlay.roll_back(outer)
    assert overlay.stream("s") == one
    assert overlay.writes().keys() == {stream_key("s")}


def test_a_point_is_checked_once_however_often_a_block_is_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A block can name 30,000 keys, which take a second: a member could else hold up every round of a height."""
    keys = tuple(key_of(f"named often {index}").public_key for index in range(5))
    asked: list[PublicKey] = []

    def count(key: PublicKey) -> bool:
        asked.append(key)
        return True

    monkeypatch.setattr("ledger.rows.accounts.check_public_key", count)
    for _ in range(3):
        assert check_keys(keys, 1) is None
    assert asked == list(keys)


def test_what_is_acceptable_as_keys() -> None:
    a, b = key_of("a").public_key, key_of("b").public_key
    assert check_keys((a, b), 2) is None
    assert check_keys((a,), 1) is None
    low_order = PublicKey((1).to_bytes(32, "little"))
    cases = (
        ((a, low_order), 1, Code.KEY_UNACCEPTABLE),
        ((PublicKey(b"\xff" * 32),), 1, Code.KEY_UNACCEPTABLE),
        ((a, b, a), 1, Code.KEY_IN_USE),
        ((a, b), 3, Code.THRESHOLD_IMPOSSIBLE),
        ((a, b), 0, Code.THRESHOLD_IMPOSSIBLE),
        ((), 0, Code.THRESHOLD_IMPOSSIBLE),
    )
    for keys, threshold, code in cases:
        refusal = check_keys(keys, threshold)
        assert refusal is not None
        assert refusal.code is code


def test_the_first_state_has_the_members_the_set_and_the_parameters() -> None:
    state = State(rows())
    assert [state.account(member.name) for member in MEMBERS] == list(MEMBERS)


@pytest.mark.parametrize(
    ("accounts", "problem"),
    [
        ((*MEMBERS, account("acme", "other")), "listed twice"),
        ((*MEMBERS, account("bob.nobody")), "stands under nobody"),
        ((*MEMBERS, account("two", "x", threshold=2)), "threshold of 2"),
        ((*MEMBERS, replace(account("Bad"), name="Bad")), "must be a name"),
        (MEMBERS[1:], "stands under acme"),
        (tuple(m for m in MEMBERS if m.name != "org"), "operator of v1"),
        ((*MEMBERS[:-1], account("org")), "operator of v1"),
        ((replace(MEMBERS[0], roles=()), *MEMBERS[1:]), "no accounts are administrators"),
        ((*MEMBERS, *(account(f"a{n}", roles=("administrator",)) for n in range(64))), "65 accounts are admin"),
    ],
)
def test_a_first_state_that_could_not_work_is_refused(accounts: tuple[Account, ...], problem: str) -> None:
    with pytest.raises(MalformedError, match=problem):
        initial_state(validators=validator_set(), accounts=accounts, parameters=Parameters())


def test_the_first_state_is_the_same_in_whatever_order_accounts_come() -> None:
    shuffled = tuple(replace(member, keys=member.keys[::-1]) for member in reversed(MEMBERS))
    one, other = (
        initial_state(validators=validator_set(), accounts=accounts, parameters=Parameters())
        for accounts in (MEMBERS, shuffled)
    )
    assert one == other


def test_roles_permit_by_one_table() -> None:
    assert set(ROLES) == set(Role)
    administrator, nobody = account("a", roles=(Role.ADMINISTRATOR,)), account("b")
    assert administrator.may(Permission.ADD_ANY_ACCOUNT)
    assert administrator.may(Permission.ASSIGN_ROLES)
    assert not administrator.may(Permission.OPERATE_VALIDATOR)
    assert not any(nobody.may(permission) for permission in Permission)
    assert not any(replace(administrator, suspended=True).may(permission) for permission in Permission)
    assert [role for role in Role if account("c", roles=(role,)).governs] == [Role.ADMINISTRATOR, Role.OPERATOR]
    assert not nobody.governs
    assert {permission for entry in ROLES.values() for permission in entry.permissions} == set(Permission)


def test_the_table_of_parameters_is_what_the_parameters_are() -> None:
    assert {name: kind.default for name, kind in PARAMETERS.items()} == Parameters().to_json()
    assert parse_parameters(Parameters().to_json()) == Parameters()


@pytest.mark.parametrize("name", PARAMETERS)
def test_a_parameter_stays_within_its_bounds(name: str) -> None:
    for value in (PARAMETERS[name].minimum - 1, PARAMETERS[name].maximum + 1, None, True, "1"):
        with pytest.raises(MalformedError, match=name):
            parse_parameters({**Parameters().to_json(), name: value})


def test_parameters_are_all_named_and_go_together() -> None:
    document = Parameters().to_json()
    with pytest.raises(MalformedError, match="lacks"):
        parse_parameters({name: value for name, value in document.items() if name != "sender_quota"})
    with pytest.raises(MalformedError, match="unknown"):
        parse_parameters({**document, "fee": 1})
    with pytest.raises(MalformedError, match="timeout_ms_max"):
        parse_parameters({**document, "timeout_ms_max": 100, "base_timeout_ms": 200})
