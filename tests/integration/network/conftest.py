"""Every test of this folder leaves no descriptor, task or complaint of the event loop behind."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest

from tests.integration.network.nodes import captured_events, descriptors


@pytest.fixture(autouse=True)
async def nothing_left_behind(caplog: pytest.LogCaptureFixture) -> AsyncIterator[None]:
    before = descriptors()
    yield
    async with asyncio.timeout(10):
        while len(asyncio.all_tasks()) > 1 or descriptors() > before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    loud = [record for record in caplog.records if record.name.startswith(("asyncio", "aiohttp"))]
    assert [record.getMessage() for record in loud if record.levelno >= logging.WARNING] == []


@pytest.fixture
def events() -> list[tuple[str, dict[str, object]]]:
    with captured_events() as collected:
        yield collected  # type: ignore[misc]
