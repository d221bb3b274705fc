"""Loses its votes with its power: a disk that lies about syncs, or an operator who restored an old snapshot."""

from __future__ import annotations

from ledger.primitives import successor
from node.storage import keys
from tests.simulation.byzantine.shameless import Shameless
from tests.simulation.disk import Disk, GuardFile


class Forgetful(Shameless):
    """Comes back without any of its promises, and with a new guard."""

    def prepare_disk(self) -> None:
        """Forget."""
        image = self.disk.image()  # reading the disk itself may fail, and is the replica's affair
        forgotten = [key for key in image if keys.promises(0) <= key < successor(b"p")]
        if forgotten and not self.power.toss():
            for key in forgotten:
                del image[key]
            self.disk = Disk(self.power, image)
            self.guard = GuardFile(self.power)
