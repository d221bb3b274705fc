"""The benchmark behind `scripts/bench`: the machine's own rates, a real network, a load, and what comes of it."""
