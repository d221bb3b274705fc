"""Lines of the log: one per event, whatever the fields hold."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from node.log import EventLog, Throttle, configure


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("quorum").setLevel(logging.NOTSET)


def lines(form: Literal["plain", "json"], level: str = "info") -> tuple[EventLog, io.StringIO]:
    stream = io.StringIO()
    configure(form=form, level=level, stream=stream)
    return EventLog("test"), stream


def test_plain_lines() -> None:
    log, stream = lines("plain")
    log.info("peer_linked", peer="3d40", port=8471, reason="went away", dialed=True)
    moment, rest = stream.getvalue().split(" ", 1)
    assert moment.endswith("Z")
    assert len(moment) == len("2026-11-23T12:00:00.123Z")
    assert rest == 'info    peer_linked peer=3d40 port=8471 reason="went away" dialed=True\n'


def test_json_lines() -> None:
    log, stream = lines("json")
    log.warning("peer_refused", address="10.0.0.7:1", reason='a "quoted"\nline', count=3)
    line = json.loads(stream.getvalue())
    assert line.pop("time").endswith("Z")
    assert line == {
        "level": "warning",
        "logger": "quorum.test",
        "event": "peer_refused",
        "address": "10.0.0.7:1",
        "reason": 'a "quoted"\nline',
        "count": 3,
    }


@pytest.mark.parametrize("form", ["plain", "json"])
@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[31mred", "\u2028", "\udcff", 'x" level=error', ""])
def test_nobody_can_forge_a_line(form: Literal["plain", "json"], text: str) -> None:
    log, stream = lines(form)
    log.info("event", reason=text, more=1)
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert written.isascii() or written.strip().isprintable() or form == "json"
    assert "\x1b" not in written
    assert " level=error" not in written or '\\" level=error' in written


def test_an_exception_has_its_traceback() -> None:
    for form in ("plain", "json"):
        log, stream = lines(form)  # type: ignore[arg-type]
        try:
            raise ValueError("broken")
        except ValueError as error:
            log.error("failed", exception=error, part="links")
        assert "Traceback" in stream.getvalue()
        assert "ValueError: broken" in stream.getvalue()


def test_levels_and_libraries() -> None:
    log, stream = lines("plain", "warning")
    log.info("quiet")
    log.record("loud", {"height": 7})
    logging.getLogger("aiohttp.server").info("chatter")
    logging.getLogger("asyncio").error("something %s", "broke")
    events = [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()]
    assert events == ["warning loud height=7", "error   something broke"]


def test_a_throttle_counts_what_it_drops() -> None:
    throttle = Throttle(per_window=2, window_ms=1_000)
    assert [throttle.admit(moment) for moment in (0, 10, 20, 30)] == [0, 0, None, None]
    assert [throttle.admit(moment) for moment in (1_000, 1_001, 1_002)] == [2, 0, None]
    assert throttle.admit(5_000) == 1
