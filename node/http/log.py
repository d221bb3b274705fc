"""Where the HTTP API logs to: what it could not answer. Nothing is logged for each request."""

from __future__ import annotations

from node.log import EventLog

LOG = EventLog("http")
