"""What a stranger makes of the bytes that validators exchange: signatures, certificates and records, judged once more.

This shares no code with the engine or its door, so a bug there is not one here, too: the bytes are read as plain JSON,
and judged by the second verifier (`tests/verifier`), which knows nothing of `ledger`; what that does not need for
receipts (single statements, proposals) stands here. Only whether a signature verifies is asked of the ledger's own
crypto, which has tests of its own, because it is remembered for all machines of a run.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from ledger.primitives import PublicKey, Signature
from ledger.validators import ValidatorSet
from tests.simulation.violation import Violation
from tests.verifier import verify_receipt as second
from tests.verifier.verify_receipt import At, Validators, demand

if TYPE_CHECKING:
    from tests.simulation.world import World

KINDS = {"proposal": 1, "prepare": 2, "commit": 3, "timeout": 4}
"""The types of statements, and the byte that each is signed with."""

_NOTHING = "00" * 32
_MESSAGE = {"type": str, "height": second.HEIGHT, "round": second.ROUND, "validator": second.INDEX, "signature": 64}
_BLOCK = {"header": second.HEADER, "envelope_hashes": [32, 0, 1000]}
_PREPARED: dict[str, Any] = {**_MESSAGE, "block_hash": 32, "justification_digest": 32}
_FORMS: dict[str, dict[str, Any]] = {
    "proposal": {**_PREPARED, "justification": (None, second.TIMEOUT), "block": (None, _BLOCK)},
    "prepare": _PREPARED,
    "commit": {**_MESSAGE, "block_hash": 32},
    "timeout": {
        **_MESSAGE,
        "high_round": (-1, 2**31 - 1),
        "high_hash": 32,
        "prepare_certificate": (None, second.PREPARE),
    },
    "timeout_certificate": {"type": str, **second.TIMEOUT},
}


class Stranger:
    """Knows the chain and who may sign each of its heights, and nothing else. Raises `Violation` of `certificates`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._sets: dict[ValidatorSet, Validators] = {}

    def message(self, payload: bytes) -> dict[str, Any]:
        """A consensus message, if it and all that it carries holds."""
        return self._judge("a message", lambda: self._message(_read(payload)))

    def justification(self, encoded: bytes) -> dict[str, Any]:
        """A timeout certificate, if it holds."""

        def judge() -> dict[str, Any]:
            value: dict[str, Any] = _read(encoded)
            second.check_form(value, second.TIMEOUT, "the justification")
            second.check_timeout(value, self._at(value["height"]))
            return value

        return self._judge("a justification", judge)

    def record(self, encoded: bytes) -> dict[str, Any]:
        """A commit record, if it proves the block of its header."""

        def judge() -> dict[str, Any]:
            value: dict[str, Any] = _read(encoded)
            second.check_form(value, second.RECORD, "the record")
            second.check_record(value, self._at(value["header"]["height"]))
            return value

        return self._judge("a commit record", judge)

    # ---- how

    def _judge(self, what: str, judge: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        with patch.object(second, "check_signature", self._check_signature):
            try:
                return judge()
            except ValueError as error:
                raise Violation(
                    "certificates", f"an honest machine shows {what} that does not hold: {error}"
                ) from error

    def _check_signature(self, key: bytes, message: bytes, signature: str, whose: str) -> None:
        valid = self._world.memory.verify(PublicKey(key), message, Signature(bytes.fromhex(signature)))
        demand(valid, f"the signature of {whose} does not verify")

    def _at(self, height: int) -> At:
        entries = self._world.sets.at(height)
        known = self._sets.get(entries)
        if known is None:
            known = self._sets[entries] = second.validator_set(entries.to_json())
        return At(self._world.genesis.chain.hex(), 0, height, known)

    def _message(self, value: Any) -> dict[str, Any]:
        demand(isinstance(value, dict) and value.get("type") in _FORMS, "it is of no known type")
        assert isinstance(value, dict)
        kind = value["type"]
        second.check_form(value, _FORMS[kind], f"the {kind}")
        at = self._at(value["height"])
        if kind == "timeout_certificate":
            second.check_timeout(value, at)
            return value
        keys = at.validators.keys
        demand(value["validator"] < len(keys), "there is no such validator")
        head = struct.pack(">32sIBQ", bytes.fromhex(at.chain), at.epoch, KINDS[kind], at.height)
        signed = b"quorum-ledger/v1/consensus\0" + head + _body(value)
        second.check_signature(keys[value["validator"]], signed, value["signature"], f"the {kind}")
        if kind in ("proposal", "prepare"):
            demand((value["round"] == 0) == (value["justification_digest"] == _NOTHING), "round 0 has no justification")
        if kind == "proposal":
            _check_proposal(value, at)
        if kind == "timeout":
            _check_timeout_vote(value, at)
        return value


def certificates_in(message: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The prepare and timeout certificates in a message or justification: ("prepare" or "timeout", certificate)."""
    if "entries" in message:
        yield "timeout", message
    if (justification := message.get("justification")) is not None:
        yield from certificates_in(justification)
    if (prepared := message.get("prepare_certificate")) is not None:
        yield "prepare", prepared


def _read(data: bytes) -> Any:
    """Plain values from canonical JSON."""
    value = json.loads(data)
    demand(second.canonical(value).encode() == data, "it is JSON, but not in its one form")
    return value


def _body(value: dict[str, Any]) -> bytes:
    """What is signed of a statement from its round on."""
    if value["type"] == "timeout":
        return struct.pack(">Ii", value["round"], value["high_round"]) + bytes.fromhex(value["high_hash"])
    return struct.pack(">I", value["round"]) + bytes.fromhex(
        value["block_hash"] + value.get("justification_digest", "")
    )


def _check_proposal(value: dict[str, Any], at: At) -> None:
    """It is justified by what it binds, and names the block that this leaves it."""
    justification, block = value["justification"], value["block"]
    prepared = None
    if value["round"] > 0:
        demand(justification is not None and justification["round"] == value["round"] - 1, "another round justifies it")
        second.check_timeout(justification, at)
        bound = second.digest("justification", justification)
        demand(bound == value["justification_digest"], "it binds another justification")
        prepared = justification["prepare_certificate"]
    demand(prepared is None or prepared["block_hash"] == value["block_hash"], "its round was not free to propose it")
    if block is not None:
        demand(second.digest("block", block["header"]) == value["block_hash"], "it carries another block")
        demand(prepared is not None or block["header"]["round"] == value["round"], "its block is of another round")


def _check_timeout_vote(value: dict[str, Any], at: At) -> None:
    """It comes with the prepare certificate that it names (hq <= r)."""
    high, prepared = value["high_round"], value["prepare_certificate"]
    demand(high <= value["round"], "it names a round above its own")
    demand((prepared is None) == (high == -1), "it comes without the certificate that it names")
    if prepared is None:
        demand(value["high_hash"] == _NOTHING, "it names a block but no round")
        return
    block, bound = prepared["block_hash"], prepared["justification_digest"]
    demand((prepared["height"], prepared["round"], block) == (at.height, high, value["high_hash"]), "it shows another")
    demand((high == 0) == (bound == _NOTHING), "a round is justified exactly when it is above 0")
    votes = prepared["signatures"]
    second.check_votes(
        votes, KINDS["prepare"], [struct.pack(">I", high) + bytes.fromhex(block + bound)] * len(votes), at
    )
