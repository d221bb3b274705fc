"""Many seeds in a row, as a campaign counts them."""

from __future__ import annotations

import gc
from collections import Counter

from tests.campaigns.campaign import Outcome
from tests.simulation.run import run
from tests.simulation.violation import Violation

FIRST_SEED = 1_000_000
"""Far from those that every test run has."""

_CHANGES_EVERY = 16


def run_seeds(first: int, last: int) -> Outcome:
    """Run the units from `first` to `last` - 1: one seed each, every sixteenth with changes of the validator set."""
    gc.collect()  # or what the runs before left would be frozen, too: every chain with its filter of ids
    gc.freeze()  # what is imported and cached stays, and need not be looked through again and again
    counts: Counter[str] = Counter()
    largest: Counter[str] = Counter()
    violations: list[str] = []
    for seed in range(FIRST_SEED + first, FIRST_SEED + last):
        changes = seed % _CHANGES_EVERY == 0
        try:
            report = run(seed, changes=changes)
        except Exception as error:  # whatever it is: the campaign goes on, and the seed is looked at
            what = str(error) if isinstance(error, Violation) else repr(error)
            violations.append(f"{what}; scripts/simulate --seed {seed}{' --changes' * changes} --trace")
            continue
        counts.update(
            {
                "blocks": report.height,
                "events": report.events,
                "simulated_ms": report.simulated_ms,
                "power cuts": report.cuts,
                "accusations": report.accusations,
                "runs with liars": bool(report.plan.byzantine),
                "runs with changes of the set": changes,
            }
        )
        counts.update({f"fault: {kind}": count for kind, count in report.faults.items()})
        largest |= Counter(
            {
                "recovery_ms": report.recovery_ms,
                "height_ms": report.slowest.took_ms,
                "height_permille_of_bound": report.slowest.permille,
            }
        )
    return Outcome(dict(sorted(counts.items())), dict(sorted(largest.items())), tuple(violations))
