"""What all tests share: Hypothesis measures no time, because a busy machine is no failure; and the event loops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
with contextlib.suppress(ImportError):
    from uvloop import new_event_loop

    LOOPS["uvloop"] = new_event_loop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The event loops that a test can run on. Its mark names them: `pytest.mark.asyncio(loop_factories=[…])`; a test
    without runs on asyncio's own."""
    named = any("loop_factories" in mark.kwargs for mark in item.iter_markers("asyncio"))
    return LOOPS if named else {"asyncio": asyncio.new_event_loop}
