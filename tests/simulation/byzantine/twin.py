"""Twins (arXiv 2004.10617): two machines, or three, with all the same keys, each honest for itself, which know nothing
of each other. Everything that can come of it, they do: two proposals in one round, votes for both, timeouts that
forget."""

from __future__ import annotations

from tests.simulation.byzantine.shameless import Shameless


class Twin(Shameless):
    """One of them."""
