"""Members, proposals and votes in words: everything that is signed is said."""

from __future__ import annotations

import pytest

from ledger.governance.changes import CHANGES, parse_change
from ledger.operations.table import OPERATIONS, parse_operation
from wallet.explain import operation_sentence
from wallet.explain_governance import change_sentence


@pytest.mark.parametrize("type_name", CHANGES)
def test_every_change_has_a_sentence_that_says_all_of_it(type_name: str) -> None:
    example = dict(CHANGES[type_name].example)
    sentence = change_sentence(parse_change(example))
    for name, value in example.items():
        said = value if isinstance(value, list) else [value]
        assert name == "type" or all(str(item) in sentence for item in said), f"{name} is not said"


def test_a_proposal_in_words() -> None:
    operation = {
        "type": "proposal.create",
        "by": "acme",
        "changes": [
            {"type": "validator.remove", "validator": "v2"},
            {"type": "account.suspend", "account": "bolt"},
        ],
        "expires": 1_800_000_000_000,
        "delay": 1,
        "evidence": ["ab" * 32],
        "memo": "it signed\ntwo things",
    }
    assert operation_sentence(parse_operation(operation)) == (  # type: ignore[arg-type]
        "acme proposes, all or nothing: (1) validator v2 leaves the set, and its keys never serve again; (2) bolt is "
        "suspended; in force 1 height after the deciding block, to be voted on before ledger time "
        f'2027-01-15T08:00:00Z; citing the evidence {"ab" * 32}; because: "it signed\\ntwo things"'
    )


def test_a_vote_says_which_way_it_goes() -> None:
    vote = {**OPERATIONS["proposal.vote"].example, "approve": True}
    assert " APPROVES proposal 3" in operation_sentence(parse_operation(vote))
    assert " REJECTS proposal 3" in operation_sentence(parse_operation({**vote, "approve": False}))


def test_a_ready_statement_says_the_whole_entry() -> None:
    ready = dict(OPERATIONS["validator.ready"].example)
    sentence = operation_sentence(parse_operation(ready))
    entry = ready["entry"]
    assert isinstance(entry, dict)
    for value in entry.values():
        assert str(value) in sentence
