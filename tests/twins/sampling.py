"""Drawn scenarios: more phases, larger networks, and messages that are lost by receiver and kind.

What twins and splits alone never bring about needs a loss of some kinds of messages: that a block is committed by some
who are not heard any more, while the others go on without knowing of its certificate.
"""

from __future__ import annotations

import random
from collections import Counter

from ledger.consensus.messages import (
    CommitVote,
    ConsensusMessage,
    PrepareVote,
    Proposal,
    TimeoutCertificate,
    TimeoutVote,
)
from tests.campaigns.campaign import Outcome
from tests.simulation.violation import Violation
from tests.twins.instance import Setting, fresh
from tests.twins.outcome import check, check_recovery, facts_of
from tests.twins.phases import play
from tests.twins.scenarios import splits

PHASES = 4
SETTINGS = (Setting(4, 3, 1), Setting(4, 3, 1), Setting(4, 3, 1, brake=False), Setting(3, 2, 0), Setting(5, 4, 2))
"""Networks within the bound: at most 2q - n - 1 twins, and n - q of them where they are to recover."""

_KINDS = (Proposal, PrepareVote, CommitVote, TimeoutVote, TimeoutCertificate)


def run_sample(seed: int) -> Counter[str]:
    """One drawn scenario. Raises `Violation`, with the seed."""
    rng = random.Random(seed)
    setting = rng.choice(SETTINGS)
    # Behind the drawn ones everybody in turn: two twins that alone led would propose twice in every round, and a group
    # that hears both of each goes from round to round for ever.
    leaders = (*(rng.randrange(setting.n) for _ in range(PHASES)), *range(setting.n))
    rate = rng.choice((0.1, 0.3, 0.6))
    instances = [fresh(setting, number, leaders) for number in range(setting.instances)]
    ways = splits(setting)
    counts: Counter[str] = Counter(scenarios=1)
    try:
        for phase in range(PHASES):
            lost = {(number, kind) for number in range(setting.instances) for kind in _KINDS if rng.random() < rate}

            def omits(receiver: int, kind: type[ConsensusMessage], lost: set[tuple[int, type]] = lost) -> bool:
                return (receiver, kind) in lost

            split = rng.choice(ways) if rng.random() < 0.5 else ways[0]
            play(setting, instances, split, phase, omits)
            check(setting, [facts_of(setting, instance) for instance in instances])
            counts["omissions"] += len(lost)
        if setting.twins <= setting.n - setting.q:
            counts["recovered"] += check_recovery(setting, instances, PHASES)
    except Violation as violation:
        raise Violation(violation.checker, f"{violation} in sample {seed}: {setting}, led by {leaders}") from violation
    decided = [instance.decided is not None for instance in instances if setting.honest(instance.number)]
    counts["decided"] += any(decided)
    counts["decided by all"] += all(decided)
    return counts


def run_samples(first: int, last: int) -> Outcome:
    """Samples as units of a campaign."""
    counts: Counter[str] = Counter()
    violations = []
    for seed in range(first, last):
        try:
            counts += run_sample(seed)
        except Violation as violation:
            violations.append(str(violation))
    return Outcome(dict(sorted(counts.items())), {}, tuple(violations))
