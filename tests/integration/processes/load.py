"""An ordinary account that goes on submitting, whatever happens to the validators."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from types import TracebackType

from tests.integration.processes.network import ProcessNetwork


class Load:
    """Alice's records, one after the other; each is offered to the doors in turn until it is committed and applied."""

    def __init__(self, network: ProcessNetwork, *doors: int) -> None:
        self._network = network
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self.doors = doors
        self.committed: list[tuple[int, bytes]] = []
        """Every record so far: the height at which it was applied, and its envelope."""

    async def __aenter__(self) -> Load:
        self._task = asyncio.create_task(self._submit())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._task is not None
        if error is None:
            async with self._turn:  # the last one is committed, too
                self._task.cancel()
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    def pause(self) -> AbstractAsyncContextManager[None]:
        """Within this context, no record waits anywhere and none is submitted."""
        return self._turn

    async def goes_on(self) -> None:
        """Return when a record that is submitted from now on is committed."""
        count = len(self.committed)

        async def more() -> bool:
            assert self._task is not None
            assert not self._task.done(), "the load has failed"
            return len(self.committed) >= count + 2  # the first may have been on its way already

        await self._network.until("another record is committed", more)

    async def _submit(self) -> None:
        while True:
            async with self._turn:
                envelope = self._network.record(f"record {len(self.committed)}")
                answer = await self._network.commit(envelope, *self.doors)
                assert answer["result"] == "applied", answer
                self.committed.append((int(str(answer["height"])), envelope))
            await asyncio.sleep(0)
