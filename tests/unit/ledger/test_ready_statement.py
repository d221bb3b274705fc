"""The file with which a node tells the wallet of its operator that it is ready."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from ledger.encoding import encode
from ledger.errors import MalformedError, VerificationError
from ledger.governance.readiness import ReadyStatement, encode_ready_statement, parse_ready_statement
from tests.unit.ledger.council import ready
from tests.unit.ledger.members import CHAIN

SAID = ready(5)
FILE = encode_ready_statement(ReadyStatement(CHAIN, SAID.entry, SAID.height, SAID.proofs))


def test_what_is_written_is_read() -> None:
    assert parse_ready_statement(FILE) == ReadyStatement(CHAIN, SAID.entry, SAID.height, SAID.proofs)


@pytest.mark.parametrize(
    ("changed", "error", "says"),
    [
        ({"kind": "quorum-ledger/card"}, MalformedError, "not a quorum-ledger/ready document"),
        ({"version": 2}, MalformedError, "this software reads version 1"),
        ({"version": True}, MalformedError, "this software reads version 1"),
        ({"more": 1}, MalformedError, "more"),
        ({"height": -1}, MalformedError, "height"),
        ({"height": SAID.height + 1}, VerificationError, "the proof of the consensus key of v5 does not verify"),
        ({"chain": "ab" * 32}, VerificationError, "does not verify"),
        ({"entry": {**SAID.entry.to_json(), "address": "elsewhere:1"}}, VerificationError, "does not verify"),
        ({"entry": {**SAID.entry.to_json(), "operator": "mallory"}}, VerificationError, "does not verify"),
        ({"entry": {**SAID.entry.to_json(), "node_key": "01" + "00" * 31}}, MalformedError, "not an acceptable"),
        (
            {"proofs": {**SAID.proofs.to_json(), "cosigning": SAID.proofs.node.hex()}},
            VerificationError,
            "the proof of the cosigning key of v5 does not verify",
        ),
    ],
)
def test_whatever_is_changed_is_noticed(changed: dict[str, Any], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        parse_ready_statement(encode({**orjson.loads(FILE), **changed}))


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", FILE + b"\n", FILE[:-1], b" " * 70_000])
def test_what_is_no_statement(data: bytes) -> None:
    with pytest.raises(MalformedError):
        parse_ready_statement(data)
