"""I10: once a block was committed in a round, every timeout certificate of that round or a later one binds the
proposals after it to that block; while no more sign two different things than the quorum bears.
"""

from __future__ import annotations

from typing import Any

from tests.simulation.violation import demand


class Locking:
    """The commits, and the timeout certificates that honest machines show, by height."""

    def __init__(self) -> None:
        self._committed: dict[int, dict[int, str]] = {}
        self._given_up: dict[int, list[dict[str, Any]]] = {}

    def committed(self, certificate: dict[str, Any]) -> None:
        """A commit certificate that holds."""
        height, round, block = certificate["height"], certificate["round"], certificate["block_hash"]
        self._committed.setdefault(height, {})[round] = block
        for given_up in self._given_up.get(height, []):
            _check(given_up, round, block)

    def given_up(self, certificate: dict[str, Any]) -> None:
        """A timeout certificate that holds."""
        self._given_up.setdefault(certificate["height"], []).append(certificate)
        for round, block in self._committed.get(certificate["height"], {}).items():
            _check(certificate, round, block)


def _check(given_up: dict[str, Any], round: int, block: str) -> None:
    if given_up["round"] < round:
        return
    prepared = given_up["prepare_certificate"]
    demand(
        prepared is not None and prepared["round"] >= round and prepared["block_hash"] == block,
        "certificates",
        f"height {given_up['height']} was committed in round {round}, and round {given_up['round']} was given up "
        "without being bound to it",
    )
