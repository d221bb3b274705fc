"""What an operation is: a value with a rule, and the declaration that parser, schema and documentation come from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Protocol

from msgspec import Struct

from ledger.encoding import Json
from ledger.events import Event
from ledger.operations.fields import Field
from ledger.primitives import Digest
from ledger.refusals import Code, Refusal
from ledger.state import Overlay


class Place(Struct, frozen=True, gc=False):
    """Where an operation stands: chain, the block's height and time (ms), the transaction, both indexes (from 0)."""

    chain: Digest
    height: int
    time_ms: int
    transaction_id: Digest
    transaction_index: int
    operation_index: int


class Operation(Protocol):
    """One operation of a transaction, well formed. `by` is the account that does it: the sender or a cosigner.

    Its other attributes are the declared fields of its kind, under their JSON names; an absent optional one is None.
    """

    kind: ClassVar[OperationKind]

    @property
    def by(self) -> str:
        """The account that the operation is by; admission saw to it that it exists and has signed."""
        ...

    def apply(self, state: Overlay, place: Place) -> tuple[Event, ...] | Refusal:
        """Do it: change `state` and say what happened, or refuse with one of the kind's codes.

        What a refused operation changed is rolled back by the caller.
        """
        ...


@dataclass(frozen=True)
class OperationKind:
    """All that is declared about a type of operation. `type` and `by` are fields of every one and not listed.

    `operation` is the dataclass. `check` says what is wrong with the fields together, or None. `permission` is a
    sentence. `codes` are those that `apply` may refuse with. `example` is a whole operation in its JSON form.
    `by_schema` is the JSON Schema of `by` where that is no account.
    """

    type: str
    operation: Callable[..., Operation]
    summary: str
    fields: tuple[Field, ...]
    permission: str
    codes: frozenset[Code]
    example: Mapping[str, Json]
    check: Callable[[Mapping[str, object]], str | None] = lambda _fields: None
    by_schema: Mapping[str, Json] | None = None

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The names of the fields that must be there, besides `type` and `by`."""
        return tuple(field.name for field in self.fields if field.required)

    @cached_property
    def parsers(self) -> Mapping[str, Callable[[Json, str], object]]:
        """How each field is read, by its name."""
        return {field.name: field.type.parse for field in self.fields}
