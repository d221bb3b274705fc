"""Hostile bytes: every function that makes values of bytes from outside, given what it must refuse.

Outside is whoever is not this process: peers, submitters, nodes that a wallet asks, files that somebody hands over,
configuration, keys, and the disk. For each decoder there is a target (`targets`): what it is fed, which exceptions it
documents, and examples that it accepts. What is fed are those examples, mutated by their form, and bytes of no form
(`mutation`). A target holds when nothing but a documented exception comes out, and the work (calls, counted by the
interpreter's profiler) and the memory (its peak, by `tracemalloc`) are within a multiple of the size of what was
fed (`bounds`): so no wall clock, and the same verdict on every machine.

`test_decoders` runs all of them for a while. `test_completeness` reads the source: a public decoder that the examples
of no target reach fails it, so that a new one needs a target. `scripts/fuzz` runs them for as long as one likes, by
coverage. (consensus research, section 2 row 18: fuzz every decoder)
"""
