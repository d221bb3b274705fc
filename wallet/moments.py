"""Times and spans as people write them. Ledger time is milliseconds since 1970, UTC."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime

from wallet.exit_codes import usage_error

_SPAN = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_YEAR_10000_MS = 253_402_300_800_000


def local_clock_ms() -> int:
    """This machine's clock. Only what has no ledger time at hand uses it."""
    return time.time_ns() // 1_000_000


def rfc3339(time_ms: int) -> str:
    """A time as RFC 3339, to the second, UTC; one that no calendar has as plain milliseconds."""
    if not 0 <= time_ms < _YEAR_10000_MS:
        return f"{time_ms} ms"
    return datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_span_ms(text: str) -> int:
    """Milliseconds from a span such as `90s`, `10m` or `12h`. Raises `WalletError` (2)."""
    match = _SPAN.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise usage_error(f"'{text}' is no span of time; write a number and a unit: 90s, 10m, 12h, 1d.")
    return int(match[1]) * _UNIT_MS[match[2]]


def span_words(span_ms: int) -> str:
    """A span in words, to its largest unit: "12 minutes"."""
    for unit, name in ((86_400_000, "day"), (3_600_000, "hour"), (60_000, "minute"), (1_000, "second")):
        if span_ms >= unit:
            count = span_ms // unit
            return f"{count} {name}{'s' if count != 1 else ''}"
    return f"{span_ms} ms"
