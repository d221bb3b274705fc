"""Twins (arXiv 2004.10617): two machines with all the same keys, each honest for itself, which know nothing of each
other. Everything that can come of it, they do: two proposals in one round, votes for both, timeouts that forget."""

from __future__ import annotations

from tests.simulation.byzantine.shameless import Shameless


class Twin(Shameless):
    """One of the two."""
