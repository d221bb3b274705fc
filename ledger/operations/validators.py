"""The operation by which a validator to be, or one that gets new keys, shows that it is ready."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec import Struct

from ledger.events import Event, ValidatorTouched
from ledger.governance.readiness import ReadyProofs, check_ready, parse_ready_proofs
from ledger.limits import INTEGER_MAX, READY_HEIGHTS_MAX
from ledger.operations import fields
from ledger.operations.fields import Field, FieldType
from ledger.operations.kinds import OperationKind, Place
from ledger.refusals import Code, Refusal
from ledger.roles import Permission
from ledger.rows.accounts import is_acceptable
from ledger.rows.governance import Candidate, candidate_key
from ledger.state import Overlay
from ledger.validators import Validator


class ValidatorReady(Struct, frozen=True, gc=False):
    """Record `entry` as a candidate: its keys have signed that they follow the chain, at `height` of late."""

    kind: ClassVar[OperationKind]

    by: str
    entry: Validator
    height: int
    proofs: ReadyProofs

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """See `Operation.apply`."""
        entry = self.entry
        actor = state.account(self.by)
        assert actor is not None, "admission requires it"
        if not actor.may(Permission.OPERATE_VALIDATOR):
            return Refusal(Code.PERMISSION_DENIED, f"{self.by} has no role that permits it (operate_validator)")
        if entry.operator != self.by:
            return Refusal(Code.PERMISSION_DENIED, f"only {entry.operator} records the entry that it will operate")
        known = [validator for validator in state.validators().validators if validator.name == entry.name]
        candidate = state.candidate(entry.name)
        known += [] if candidate is None else [candidate.entry]
        for other in known:
            if other.operator != self.by:
                return Refusal(Code.VALIDATOR_NAME_TAKEN, f"the name {entry.name} is {other.operator}'s")
        if not place.height - READY_HEIGHTS_MAX <= self.height < place.height:
            return Refusal(
                Code.READY_HEIGHT_WRONG,
                f"height {self.height} is not among the last {READY_HEIGHTS_MAX} before {place.height}",
            )
        for purpose, key in entry.keys:
            if not is_acceptable(key):
                return Refusal(Code.KEY_UNACCEPTABLE, f"the {purpose} key is not an acceptable Ed25519 public key")
            if state.validator_key(key) is not None:
                return Refusal(Code.KEY_RETIRED, f"the {purpose} key is or was a validator's already")
        if (failing := check_ready(self.proofs, place.chain, entry, self.height)) is not None:
            return Refusal(Code.READY_PROOF_INVALID, f"the proof of the {failing} key does not verify")
        state.put(candidate_key(entry.name), Candidate(entry, self.height, place.height))
        return (ValidatorTouched(entry.name, place.transaction_index, place.operation_index),)


_HEX_64: Final = {"type": "string", "pattern": "^[0-9a-f]{128}$"}
_PROOFS: Final = FieldType(
    parse_ready_proofs,
    {
        "type": "object",
        "properties": {"consensus": {**_HEX_64}, "node": {**_HEX_64}, "cosigning": {**_HEX_64}},
        "required": ["consensus", "node", "cosigning"],
        "additionalProperties": False,
    },
)

ValidatorReady.kind = OperationKind(
    type="validator.ready",
    operation=ValidatorReady,
    summary="Records a candidate for the set, or new keys of a validator, with proofs by the three new keys.",
    fields=(
        Field("entry", fields.VALIDATOR_ENTRY, "The entry that the set will have; `operator` is the account itself."),
        Field("height", fields.integer(0, INTEGER_MAX), "A height that the node has, of late."),
        Field("proofs", _PROOFS, "The three keys' signatures over chain, entry and height."),
    ),
    permission="The account that will operate it, which has the role operator; for itself.",
    codes=frozenset(
        {
            Code.PERMISSION_DENIED,
            Code.VALIDATOR_NAME_TAKEN,
            Code.READY_HEIGHT_WRONG,
            Code.KEY_UNACCEPTABLE,
            Code.KEY_RETIRED,
            Code.READY_PROOF_INVALID,
        }
    ),
    example={
        "type": "validator.ready",
        "by": "acme",
        "entry": {
            "name": "v5",
            "operator": "acme",
            "consensus_key": "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "node_key": "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "cosigning_key": "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
            "address": "ledger.acme.example:8471",
        },
        "height": 1_200,
        "proofs": {"consensus": "00" * 64, "node": "00" * 64, "cosigning": "00" * 64},
    },
)

KINDS: Final = (ValidatorReady.kind,)
