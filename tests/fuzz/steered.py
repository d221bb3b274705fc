"""One target under libFuzzer: `python -m tests.fuzz.steered NAME [options of libFuzzer]`. It ends the process.

Half of the mutations are libFuzzer's own, which know what was reached, half are those of `tests.fuzz.mutation`, which
know what valid bytes look like.
"""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["ledger", "node", "wallet"]):
    from tests.fuzz.bounds import TooMuchWorkError, feed, feed_counted
    from tests.fuzz.mutation import mutated
    from tests.fuzz.target import target_named
    from tests.fuzz.targets import all_targets

_COUNTED_EVERY = 16  # counting calls costs more than the calls


def main() -> None:
    """Fuzz the target that the arguments name."""
    target = target_named(all_targets(), sys.argv[1])
    examples = target.examples()
    fed = 0

    def one_input(data: bytes) -> None:
        nonlocal fed
        fed += 1
        if fed % _COUNTED_EVERY:
            feed(target, data)
            return
        try:
            feed_counted(target, data)
        except TooMuchWorkError as error:
            raise RuntimeError(str(error)) from None

    def mutate(data: bytes, size_max: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.5:
            return bytes(atheris.Mutate(data, size_max))
        return mutated(rng, target, [*examples, data] if data else examples)[:size_max]

    atheris.Setup([sys.argv[0], *sys.argv[2:]], one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
