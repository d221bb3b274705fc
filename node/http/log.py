"""Where the HTTP API logs to: what it could not answer. Nothing is logged for each request."""

from __future__ import annotations

from time import monotonic

from node.log import EventLog, Throttle

_LOG = EventLog("http")
_FAILURES = Throttle(per_window=20, window_ms=60_000)


def log_failure(event: str, error: BaseException | None, **fields: str) -> None:
    """An answer that failed through this node's fault. Strangers can ask again and again, so not all are written."""
    suppressed = _FAILURES.admit(int(monotonic() * 1_000))
    if suppressed is not None:
        _LOG.error(event, exception=error, suppressed=suppressed, **fields)
