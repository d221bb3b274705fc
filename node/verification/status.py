"""What is known of the processes that verify for a node: for operators."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class WorkersStatus:
    """How many workers are `configured` and `running` (they are started when there is work), how many were `lost` and
    how many signatures were `verified` by them since the start, and for how long none was lost, None if none ever was.
    """

    configured: int
    running: int
    lost: int
    lost_ago_ms: int | None
    verified: int


NO_WORKERS: Final = WorkersStatus(configured=0, running=0, lost=0, lost_ago_ms=None, verified=0)
"""Of a node that verifies by itself."""
