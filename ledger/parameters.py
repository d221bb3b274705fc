"""The governed parameters of a chain: one table of names, bounds and defaults, and the value that holds them all.

Genesis sets them, a governance proposal changes one; either is refused when a value is out of its bounds. Some may be
lower in genesis than a proposal can make them: founders who chose a value with which nothing is ever appended lose
nothing by it, a chain that runs loses the only way to change it again. Times are milliseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ledger.encoding import Json, expect_fields, expect_integer
from ledger.errors import MalformedError
from ledger.limits import (
    BASE_TIMEOUT_MS_DEFAULT,
    BLOCK_BYTES_MAX,
    BLOCK_TRANSACTIONS_MAX,
    DEMOTION_HEIGHTS_DEFAULT,
    ENVELOPE_BYTES_MAX,
    HEARTBEAT_MS_DEFAULT,
    INTEGER_MAX,
    SENDER_QUOTA_DEFAULT,
    TIMEOUT_MS_MAX_DEFAULT,
    VALID_WINDOW_MS_DEFAULT,
)

PROTOCOL_VERSION: Final = 1
"""The newest version of the rules that this software knows."""

_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class ParameterKind:
    """A row of the table: bounds (both included), default, and what the parameter decides.

    `proposed_minimum` is the lowest value that a proposal may set. [safety]
    """

    minimum: int
    maximum: int
    default: int
    description: str
    proposed_minimum: int = 0


PARAMETERS: dict[str, ParameterKind] = {
    "valid_window_ms": ParameterKind(
        1_000,
        720 * _HOUR_MS,
        VALID_WINDOW_MS_DEFAULT,
        "How far ahead of ledger time valid_until may lie.",
        # Operators whose accounts need several people's signatures must still be able to vote.
        proposed_minimum=600_000,
    ),
    "sender_quota": ParameterKind(
        1, BLOCK_TRANSACTIONS_MAX, SENDER_QUOTA_DEFAULT, "Transactions of one sender that a block may have."
    ),
    "block_transactions_max": ParameterKind(
        1, BLOCK_TRANSACTIONS_MAX, BLOCK_TRANSACTIONS_MAX, "Transactions that a block may have."
    ),
    "block_bytes_max": ParameterKind(
        ENVELOPE_BYTES_MAX, BLOCK_BYTES_MAX, BLOCK_BYTES_MAX, "Bytes that the envelopes of a block may have together."
    ),
    "base_timeout_ms": ParameterKind(
        10,
        _HOUR_MS,
        BASE_TIMEOUT_MS_DEFAULT,
        "Time that round 0 of a height has before validators give it up.",
        # Everything is sent again twice in that time, by every validator to every other.
        proposed_minimum=500,
    ),
    "timeout_ms_max": ParameterKind(
        10,
        _HOUR_MS,
        TIMEOUT_MS_MAX_DEFAULT,
        "Time that any later round has at most.",
        # The largest block must come round the world, and be executed and synced, in one of the rounds of its height.
        proposed_minimum=10_000,
    ),
    "heartbeat_ms": ParameterKind(
        10, 24 * _HOUR_MS, HEARTBEAT_MS_DEFAULT, "Idle time after which an empty block is committed."
    ),
    "demotion_heights": ParameterKind(
        0, 1_000_000, DEMOTION_HEIGHTS_DEFAULT, "Heights for which the leader of a failed round leads last."
    ),
    # A chain may go on to rules that this software does not know; who votes must then have software that does.
    "protocol_version": ParameterKind(1, INTEGER_MAX, PROTOCOL_VERSION, "The version of the rules in force."),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters in force; what each means, and its bounds, stand in `PARAMETERS`."""

    valid_window_ms: int = VALID_WINDOW_MS_DEFAULT
    sender_quota: int = SENDER_QUOTA_DEFAULT
    block_transactions_max: int = BLOCK_TRANSACTIONS_MAX
    block_bytes_max: int = BLOCK_BYTES_MAX
    base_timeout_ms: int = BASE_TIMEOUT_MS_DEFAULT
    timeout_ms_max: int = TIMEOUT_MS_MAX_DEFAULT
    heartbeat_ms: int = HEARTBEAT_MS_DEFAULT
    demotion_heights: int = DEMOTION_HEIGHTS_DEFAULT
    protocol_version: int = PROTOCOL_VERSION

    def to_json(self) -> dict[str, Json]:
        """All parameters by name, as they stand in genesis and in state."""
        return {name: getattr(self, name) for name in PARAMETERS}


def parse_parameters(value: Json) -> Parameters:
    """Parameters from their JSON form, which names every one. Raises `MalformedError`."""
    fields = expect_fields(value, what="parameters", required=frozenset(PARAMETERS))
    parameters = Parameters(
        **{
            name: expect_integer(fields[name], what=name, minimum=kind.minimum, maximum=kind.maximum)
            for name, kind in PARAMETERS.items()
        }
    )
    if parameters.timeout_ms_max < parameters.base_timeout_ms:
        raise MalformedError("timeout_ms_max must not be below base_timeout_ms")
    return parameters
