"""Validators that lie, each kind in a small file. They are machines like others, and change what they must to lie."""

from __future__ import annotations

from tests.simulation.byzantine.forgetful import Forgetful
from tests.simulation.byzantine.framer import Framer
from tests.simulation.byzantine.liar import Liar
from tests.simulation.byzantine.silent import Silent
from tests.simulation.byzantine.splitter import Splitter
from tests.simulation.byzantine.twin import Twin
from tests.simulation.byzantine.withholding import Withholding
from tests.simulation.machine import Machine

KINDS: dict[str | None, type[Machine]] = {
    None: Machine,
    "twin": Twin,
    "liar": Liar,
    "framer": Framer,
    "silent": Silent,
    "splitter": Splitter,
    "withholding": Withholding,
    "forgetful": Forgetful,
}
