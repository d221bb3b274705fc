"""What nodes answer, read by a wallet, an auditor, or the operator's command: nobody trusts it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from ledger.block import header_from_json
from ledger.encoding import Json
from ledger.primitives import Digest
from node.commands.findings_text import describe_findings, parse_findings
from node.commands.status_text import describe, parse_status
from tests.fuzz import samples
from tests.fuzz.target import Feed, Form, Target
from wallet.amounts import stated_amount
from wallet.answers import (
    as_object,
    parse_account,
    parse_head,
    parse_outcome,
    parse_page,
    parse_problem,
    parse_signers,
)
from wallet.client.conversation import Answer
from wallet.client.events import EventParser
from wallet.governance_answers import parse_candidate, parse_links, parse_proposal, parse_set

_HASH = "ab" * 32
_HEAD = {"height": 5, "block_hash": _HASH, "time_ms": 1_800_000_000_000}
_OUTCOME = {
    "id": _HASH,
    "state": "committed",
    "result": "applied",
    "height": 5,
    "index": 0,
    "time": "2027",
    "head": _HEAD,
}
_STATUS: dict[str, Any] = {
    "chain": _HASH,
    "network": "test",
    "head": _HEAD,
    "role": "voting",
    "reason": "",
    "validator": "v0",
    "n": 4,
    "q": 3,
    "tolerance": {"stopped": 1, "double_signing": 1},
    "sentence": "four",
    "deciding": {
        "height": 6,
        "round": 0,
        "leader": "v1",
        "prepared": [],
        "committed": [],
        "timed_out": [],
        "missing": ["v2"],
    },
    "explanation": "waits",
    "mempool": {"transactions": 0, "bytes": 0},
    "peers": [{"node_key": _HASH, "validator": "v1", "deciding": 6, "round": 0}],
    "pending_set_change": {"proposal": 2, "activation_height": 9, "impact": {"sentence": "one more"}},
}
_FINDINGS = {"healthy": False, "findings": [{"code": "x", "severity": "error", "sentence": "it is", "remedy": "do"}]}


def _read(parse: Callable[[Json], object]) -> Feed:
    """Feed a reader of an answer's JSON."""
    return lambda data: parse(Answer("http://node", 200, data).json())


def _proposals() -> list[bytes]:
    """As a node states them, with what it adds."""
    found = []
    for item in samples.vectors("governance")["proposals"]:
        said = dict(item["operation"])
        said |= {"number": 3, "proposer": said.pop("by"), "digest": item["digest"], "state": "open"}
        said |= {"tally": {"sentence": "1 of 3", "votes": [{"validator": "v1", "operator": "acme", "vote": "approve"}]}}
        said |= {"impact": {"sentence": "more"}, "evidence": said.get("evidence", []), "obstacle": None}
        found.append(orjson.dumps(said))
    return found


def _parse_proposal(value: Json) -> object:
    return parse_proposal(value, Digest(bytes.fromhex(samples.vectors("governance")["proposals"][0]["chain"])))


def _sets() -> tuple[bytes, ...]:
    validators = samples.genesis().validators.to_json()
    assert isinstance(validators, dict)
    pending = {"proposal": 1, "activation_height": 9, "impact": {"sentence": "more"}}
    return samples.documents(validators, {**validators, "pending_set_change": pending, "height": 4})


def _candidates() -> tuple[bytes, ...]:
    return samples.documents({"entry": samples.genesis().validators.validators[0].to_json()})


def _events(data: bytes) -> None:
    """A stream that comes in two pieces."""
    parser = EventParser()
    for part in (data[: len(data) // 2], data[len(data) // 2 :]):
        for event in parser.feed(part):
            Answer("http://node", 200, event.data).json_or_none()


def _problem(value: Json) -> object:
    return parse_problem(400, value)


def _amount(value: Json) -> object:
    return stated_amount(as_object(value, "it"), "amount")


def _header(value: Json) -> object:
    return header_from_json(as_object(value, "it").get("header"))


def _answer(name: str, parse: Callable[[Json], object], *examples: Any) -> Target:
    return Target(name, _read(parse), lambda: samples.documents(*examples), Form.JSON)


def _a_header() -> Any:
    return samples.vectors("headers")[0]["header"]


TARGETS = (
    _answer("problem", _problem, {"code": "x", "detail": "d", "title": "t", "remedy": "r", "status": 400}),
    _answer("outcome", lambda value: parse_outcome(value, _HASH), _OUTCOME, {"id": _HASH, "state": "pending"}),
    _answer("head", parse_head, _HEAD),
    _answer("signers", parse_signers, {"signers": ["v0", "v1"]}),
    _answer("account", parse_account, {"name": "acme", "threshold": 1, "keys": [_HASH]}),
    _answer("page", parse_page, {"items": [{"a": 1}], "next_cursor": "x"}),
    _answer("amount of a node", _amount, {"amount": "1250", "decimals": 2}, {"amount": "7", "decimals": 0}),
    _answer("links", parse_links, _STATUS),
    Target("header of a block", _read(_header), lambda: samples.documents({"header": _a_header()}), Form.JSON),
    Target("proposal", _read(_parse_proposal), _proposals, Form.JSON),
    Target("validator set", _read(parse_set), _sets, Form.JSON),
    Target("candidate", _read(parse_candidate), _candidates, Form.JSON),
    Target("server-sent events", _events, lambda: [b'id: 5\ndata: {"height":5}\n\nid: 6\r\ndata: 1\n\n'], Form.LINES),
    Target("status", parse_status, lambda: samples.documents(_STATUS), Form.JSON),
    Target("status in words", describe, lambda: samples.documents(_STATUS), Form.JSON),
    Target(
        "findings",
        lambda data: describe_findings(parse_findings(data)),
        lambda: samples.documents(_FINDINGS),
        Form.JSON,
    ),
)
