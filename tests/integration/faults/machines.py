"""The nodes of a run as processes, what faults do to them, and the supervisor that any operator has."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.integration.faults import disks, shifted_clock
from tests.integration.faults.links import Links, dial_through
from tests.integration.processes.network import ProcessNetwork

_RESTART_SECONDS = 1.0
_LOOK_SECONDS = 0.1
_DISK_FULL = ("No space left on device", "File too large")


class Machines:
    """Every validator's process, clock and disk. A process that ends by itself is started again a second later.

    `events` is what happened, in words; `unexplained` what should not have.
    """

    def __init__(self, network: ProcessNetwork, small_disks: list[disks.SmallDisk] | None) -> None:
        self._network = network
        self._disks = small_disks
        self.kind = "a tmpfs each" if small_disks is not None else "RLIMIT_FSIZE, since nothing may be mounted here"
        self._down: set[int] = set()  # killed by a fault, and not to be started by the supervisor
        self._full: set[int] = set()
        self._excused: set[int] = set()  # whose process began, or was there, when its disk was full
        self._restart_at: dict[int, float] = {}
        self.restarts = 0
        self.unexplained: list[str] = []
        for index in range(network.layout.validators):
            shifted_clock.set_clock(self._clock(index), ahead_ns=0)

    def start(self, *indices: int) -> None:
        """Start these, whether a fault had stopped them or they had ended."""
        for index in indices:
            self._down.discard(index)
            self._restart_at.pop(index, None)
            if index not in self._network.running:
                if index not in self._full:
                    self._excused.discard(index)
                self._network.start(index, program=("-P", shifted_clock.__file__, str(self._clock(index))))
                if self._disks is None and index in self._full:
                    disks.limit_files(self._network.process_id(index), limited=True)

    def kill(self, *indices: int) -> None:
        """kill -9, and no start until `start`."""
        self._down.update(indices)
        self._network.kill(*(index for index in indices if index in self._network.running))

    async def stop(self, index: int) -> None:
        """Stop one in good order, if it runs, and leave it down."""
        self._down.add(index)
        if index in self._network.running:
            code = await asyncio.to_thread(self._network.stop, index)
            # One that is just starting, and has said nothing yet, ends by the signal itself.
            if code not in (0, -signal.SIGTERM) and index not in self._excused:
                self.unexplained.append(f"v{index} ended with code {code} when it was asked to stop")

    def pause(self, index: int, *, paused: bool) -> None:
        """SIGSTOP or SIGCONT, if it runs."""
        if index in self._network.running:
            self._network.pause(index, paused=paused)

    def fill_disk(self, index: int, *, nearly: bool) -> None:
        """Leave no room, or nearly none."""
        self._full.add(index)
        self._excused.add(index)
        if self._disks is not None:
            self._disks[index].fill(nearly=nearly)
        elif not nearly and index in self._network.running:
            disks.limit_files(self._network.process_id(index), limited=True)

    def free_disk(self, index: int) -> None:
        """Give the room back."""
        if self._disks is not None:
            self._disks[index].free()
        elif index in self._network.running:
            disks.limit_files(self._network.process_id(index), limited=False)
        self._full.discard(index)

    def set_clock(self, index: int, *, ahead_ms: int, rate: float = 1.0) -> None:
        """Set the wall clock, while the node runs or before it does."""
        shifted_clock.set_clock(self._clock(index), ahead_ns=ahead_ms * 1_000_000, rate=rate)

    async def supervise(self) -> None:
        """Start again what ended by itself, until cancelled; only a disk may be a reason for that."""
        while True:
            for index in set(self._network.running) - self._down:
                code = self._network.poll(index)
                if code is None:
                    continue
                words = self._last_words(index)
                if index not in self._excused or code == 0 or not any(reason in words for reason in _DISK_FULL):
                    self.unexplained.append(f"v{index} ended with code {code}: {words}")
                self.restarts += 1
                self._restart_at[index] = time.monotonic() + _RESTART_SECONDS
            for index in [index for index, due in self._restart_at.items() if due <= time.monotonic()]:
                self.start(index)
            await asyncio.sleep(_LOOK_SECONDS)

    def _clock(self, index: int) -> Path:
        return self._network.layout.validator_home(index) / "clock"

    def _last_words(self, index: int) -> str:
        return "\n".join(self._network.log(index).splitlines()[-12:])


@contextlib.asynccontextmanager
async def linked_through_proxies(network: ProcessNetwork) -> AsyncIterator[Links]:
    """Have every node dial the others through proxies; before any is started."""
    layout = network.layout
    links = Links([layout.peers(index) for index in range(layout.validators)])
    await links.open()
    dial_through(layout, links.address)
    try:
        yield links
    finally:
        await links.close()
