"""What a machine does that outlives it, and the instants at which its power can go."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique

CUT_BYTES = 64


@unique
class Kind(Enum):
    """What is done."""

    BATCH = "batch"
    SLOT = "slot"
    FRAME = "frame"


@unique
class When(Enum):
    """Where in an operation the power goes."""

    BEFORE = "before"
    TORN = "torn"
    AFTER = "after"


@unique
class Restart(Enum):
    """When the machine comes back."""

    AT_ONCE = "at once"
    LATER = "after the others moved on"


@dataclass(frozen=True, slots=True)
class Instant:
    """The power of a machine (its index) goes at its operation `number`; `bytes` of a torn one are on the disk."""

    machine: int
    number: int
    kind: Kind
    when: When
    bytes: int = 0

    def __str__(self) -> str:
        torn = f" at {self.bytes} bytes" if self.when is When.TORN else ""
        return f"v{self.machine}, {self.kind.value} {self.number}, {self.when.value}{torn}"
