"""A replica that goes on voting when it is shown what it must not have signed: what all liars with replicas need."""

from __future__ import annotations

from node.replica import Replica
from node.replica.findings import Findings
from tests.simulation.machine import Machine


class _NoShame(Findings):
    """Never silent, whatever was found."""

    @property
    def silence(self) -> str | None:
        return None

    def keep_silent(self, reason: str) -> None:
        return


class Shameless(Machine):
    """Its own contradictions do not stop it. What it says is its own business: no checker watches."""

    honest = False

    def dress(self, replica: Replica) -> None:
        """Take away what would stop it."""
        replica._parts.findings = _NoShame(replica._parts.chain.store)

    def after_step(self) -> None:
        """Forget that somebody noticed."""
        if self.replica is not None:
            self.replica._parts.deciding.engine.state.contradicted = False
