"""Validators that lie, each kind in a small file. They are machines like others, and change what they must to lie.

twin, triplet  two or three machines with the same keys
liar           signs whatever may hurt (`lies`, one small file for each family)
impersonator   votes under the names of others
framer         tries to make an honest validator contradict itself
silent, withholding, selective    what they do not send, and to whom
forgetful, restored, lying disk   honest, and their vote state is not what it was: counted as liars
"""

from __future__ import annotations

from tests.simulation.byzantine.forgetful import Forgetful
from tests.simulation.byzantine.framer import Framer
from tests.simulation.byzantine.impersonator import Impersonator
from tests.simulation.byzantine.liar import Liar
from tests.simulation.byzantine.lying_disk import LyingDisk
from tests.simulation.byzantine.restored import Restored
from tests.simulation.byzantine.selective import Selective
from tests.simulation.byzantine.silent import Silent
from tests.simulation.byzantine.splitter import Splitter
from tests.simulation.byzantine.twin import Twin
from tests.simulation.byzantine.withholding import Withholding
from tests.simulation.machine import Machine

KINDS: dict[str | None, type[Machine]] = {
    None: Machine,
    "twin": Twin,
    "triplet": Twin,
    "liar": Liar,
    "impersonator": Impersonator,
    "framer": Framer,
    "silent": Silent,
    "splitter": Splitter,
    "withholding": Withholding,
    "selective": Selective,
    "forgetful": Forgetful,
    "restored": Restored,
    "lying disk": LyingDisk,
}
