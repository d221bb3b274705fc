"""Its disk says that it has synced, and has not: a power cut takes votes and blocks with it that had left already."""

from __future__ import annotations

from tests.simulation.byzantine.shameless import Shameless


class LyingDisk(Shameless):
    """Honest, and forgets."""

    disk_lies = True
