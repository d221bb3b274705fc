"""`python -m tests.crash_points`: every instant of every history, counted; or one of them again, with its trace."""

from __future__ import annotations

import argparse
import sys

from tests.crash_points.counting import NETWORKS, recorded, tell_all
from tests.crash_points.histories import HISTORIES, History
from tests.crash_points.operations import Restart
from tests.crash_points.running import run
from tests.simulation.violation import Violation


def main() -> int:
    """Run everything and stop at the first violation, or what the arguments name."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash_points", description=__doc__)
    parser.add_argument("--n", type=int, choices=[n for n, _ in NETWORKS], help="this network only")
    parser.add_argument("--history", choices=[history.name for history in HISTORIES], help="this history only")
    parser.add_argument("--instant", help="this instant only, as a violation names it; with its trace")
    parser.add_argument("--back", choices=[restart.value for restart in Restart], help="this way to come back only")
    chosen = parser.parse_args()
    total = 0
    for n, q in NETWORKS:
        for history in HISTORIES:
            if chosen.n not in (None, n) or chosen.history not in (None, history.name):
                continue
            print(f"{n} validators, quorum {q}, {history.name}: {history.about}")
            for restart in Restart:
                if chosen.back not in (None, restart.value):
                    continue
                try:
                    total += _tell(n, q, history, restart, chosen.instant)
                except Violation as violation:
                    print(f"VIOLATION {violation}")
                    return 1
    print(f"{total} crash points; no violation")
    return 0


def _tell(n: int, q: int, history: History, restart: Restart, only: str | None) -> int:
    if only is None:
        told = tell_all(n, q, history, restart)
        print(f"    {told.line()}", flush=True)
        return told.recording.instants.total()
    named = [instant for instant in recorded(n, q, history).futures if str(instant) == only]
    for instant in named:
        run(n, q, history, instant, restart, show=print)
    return len(named)


if __name__ == "__main__":
    sys.exit(main())
