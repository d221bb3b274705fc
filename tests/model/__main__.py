"""Check the model by hand, on larger networks and more rounds than the tests have time for.

    python -m tests.model                                          what the tests check: n = 4, q = 3, b = 1, two rounds
    python -m tests.model --honest 3 --faulty 1 --quorum 3 --rounds 3 --contents 1 --minutes 600
    python -m tests.model --honest 5 --faulty 2 --quorum 5 --rounds 4 --simulate 80 --minutes 30

Without --simulate every state is looked at; with it, random behaviours of so many steps until the time is up.
"""

from __future__ import annotations

import argparse
import os
import sys

from click import echo

from tests.model import tlc


def configuration(*, honest: int, faulty: int, quorum: int, rounds: int, contents: int, leaders: str) -> str:
    """`Exhaustive.cfg` with other numbers. Leaders are all Byzantine, or all one honest validator."""
    validators, blocks = [f"v{index}" for index in range(honest)], [f"x{index}" for index in range(contents)]
    invariants = (tlc.MODULES / "Exhaustive.cfg").read_text().partition("INVARIANTS")[2]
    return "\n".join(
        [
            "SPECIFICATION Spec",
            "CONSTANTS",
            *(f"  {name} = {name}" for name in validators + blocks),
            f"  Honest = {{{', '.join(validators)}}}",
            f"  Faulty = {faulty}",
            f"  Quorum = {quorum}",
            f"  LastRound = {rounds - 1}",
            f"  Contents = {{{', '.join(blocks)}}}",
            f"  Leaders <- {'ByzantineLeaders' if leaders == 'byzantine' else 'OneLeader'}",
            f"SYMMETRY {'Symmetry' if leaders == 'byzantine' else 'SymmetryOfContents'}",
            f"INVARIANTS{invariants}",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the command; 0: nothing is violated in what was looked at, 1: something is, 2: it was asked wrongly."""
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        prog="python -m tests.model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--honest", type=int, default=3, help="honest validators (default: 3)")
    parser.add_argument("--faulty", type=int, default=1, help="Byzantine validators (default: 1)")
    parser.add_argument("--quorum", type=int, default=3, help="q (default: 3)")
    parser.add_argument("--rounds", type=int, default=2, help="rounds (default: 2)")
    parser.add_argument("--contents", type=int, default=2, help="fresh blocks a round can choose from (default: 2)")
    parser.add_argument("--leaders", choices=("byzantine", "one"), default="byzantine", help="who leads")
    parser.add_argument("--simulate", type=int, metavar="STEPS", help="random behaviours of so many steps")
    parser.add_argument("--minutes", type=float, default=60, help="how long it may take (default: 60)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="threads (default: one per core)")
    given = parser.parse_args(arguments)
    size = given.honest + given.faulty
    if not (given.honest > 0 <= given.faulty < given.quorum <= size < 2 * given.quorum):
        parser.error(
            f"a quorum of {given.quorum} of {size} breaks n/2 < q <= n, or {given.faulty} are one by themselves"
        )
    if min(given.rounds, given.contents, given.workers) < 1 or given.minutes <= 0:
        parser.error("there is at least one round, one block, one thread and some time")
    try:
        answer = tlc.check(
            "Exhaustive",
            configuration(
                honest=given.honest,
                faulty=given.faulty,
                quorum=given.quorum,
                rounds=given.rounds,
                contents=given.contents,
                leaders=given.leaders,
            ),
            large=True,
            workers=given.workers,
            simulate_depth=given.simulate,
            seconds_max=int(given.minutes * 60),
        )
    except (tlc.UnavailableError, tlc.RejectedError) as error:
        echo(str(error), err=True)
        return 1
    bound = 2 * given.quorum - size - 1
    echo(f"n = {size}, q = {given.quorum}, b = {given.faulty} (bound {bound}), rounds 0 to {given.rounds - 1}")
    if answer.violated is not None:
        echo(answer.output)
        echo(f"VIOLATED: {answer.violated}")
        return 1
    if answer.complete:
        echo(f"nothing is violated in all {answer.distinct} states, which are {answer.depth} steps deep")
    else:
        echo(f"nothing is violated in random behaviours of at least {answer.states} states")
    return 0


if __name__ == "__main__":
    sys.exit(main())
