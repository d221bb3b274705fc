"""One line per event: a stable event name and its fields, as JSON or as plain text, over the standard `logging`.

    2026-11-23T12:00:00.123Z info    peer_connected peer=3d40… address=10.0.0.7:8471
    {"time":"2026-11-23T12:00:00.123Z","level":"info","event":"peer_connected","peer":"3d40…",…}

Event names are for machines and never change with their fields. Text that others sent is escaped, so that a peer cannot
forge a line. Nothing is logged per transaction. What strangers can cause at will goes through a `Throttle`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, TextIO, TypeAlias

import orjson

Value: TypeAlias = str | int | float | bool | None
"""What a field of an event can be."""

_ROOT = "quorum"
_FIELDS = "event_fields"


class EventLog:
    """Writes events under one logger name; cheap to make, safe to share."""

    __slots__ = ("_logger",)

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(f"{_ROOT}.{name}")

    def debug(self, event: str, **fields: Value) -> None:
        """An event that only a developer wants to see."""
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: Value) -> None:
        """An event in the life of a healthy node."""
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, **fields: Value) -> None:
        """Something an operator may have to look at."""
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, *, exception: BaseException | None = None, **fields: Value) -> None:
        """Something an operator has to look at; with `exception`, its traceback follows."""
        self._write(logging.ERROR, event, fields, exception)

    def record(self, event: str, fields: Mapping[str, Value]) -> None:
        """An event that a replica asks to be logged: it only reports what does not happen in a healthy network."""
        self._write(logging.WARNING, event, fields)

    def _write(
        self, level: int, event: str, fields: Mapping[str, Value], exception: BaseException | None = None
    ) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, event, extra={_FIELDS: fields}, exc_info=exception)


class Throttle:
    """Lets `per_window` events through in each window of `window_ms`, and counts the others."""

    __slots__ = ("_count", "_per_window", "_suppressed", "_window_ends_ms", "_window_ms")

    def __init__(self, *, per_window: int, window_ms: int) -> None:
        self._per_window = per_window
        self._window_ms = window_ms
        self._window_ends_ms = 0
        self._count = 0
        self._suppressed = 0

    def admit(self, monotonic_ms: int) -> int | None:
        """None when the event is to be dropped; otherwise how many were dropped since the last one admitted."""
        if monotonic_ms >= self._window_ends_ms:
            self._window_ends_ms = monotonic_ms + self._window_ms
            self._count = 0
        self._count += 1
        if self._count > self._per_window:
            self._suppressed += 1
            return None
        suppressed, self._suppressed = self._suppressed, 0
        return suppressed


def configure(*, form: Literal["plain", "json"], level: str, stream: TextIO | None = None) -> None:
    """Send everything that this process logs, libraries included, to `stream` (standard error) in one form."""
    handler = logging.StreamHandler(sys.stderr if stream is None else stream)
    handler.setFormatter(JsonFormatter() if form == "json" else PlainFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_ROOT).setLevel(level.upper())


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        """`record` as a line of JSON, without its end."""
        line: dict[str, Value] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        # A field may carry text that is no valid UTF-8 (a path, a peer's words): shown escaped rather than not at all.
        try:
            return orjson.dumps(line).decode()
        except TypeError:
            return orjson.dumps({name: ascii(value) for name, value in line.items()}).decode()


class PlainFormatter(logging.Formatter):
    """Time, level, event and fields for people; a traceback follows on lines of its own."""

    def format(self, record: logging.LogRecord) -> str:
        """`record` as text, without its end."""
        fields = "".join(f" {name}={_plain(value)}" for name, value in _fields(record).items())
        line = f"{_time(record)} {record.levelname.lower():<7} {_one_line(record.getMessage())}{fields}"
        if record.exc_info:
            line += "\n" + self.formatException(record.exc_info)
        return line


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _fields(record: logging.LogRecord) -> Mapping[str, Value]:
    fields: Mapping[str, Value] = getattr(record, _FIELDS, {})
    return fields


def _plain(value: Value) -> str:
    text = str(value)
    if text and text.isprintable() and not set(text) & {" ", '"', "="}:
        return text
    return '"' + _one_line(text).replace('"', '\\"') + '"'


def _one_line(text: str) -> str:
    return text if text.isprintable() else ascii(text)[1:-1]
