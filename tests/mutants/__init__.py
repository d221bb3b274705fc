"""Mutants: production code with a guard taken out, one at a time, and what must notice. A check that cannot fail is
worthless.

A mutant (`mutant`) changes a line or a few; only the code of functions is exchanged, so everybody who imported them
runs the mutant. It lives in a process of its own (`killing`), so that nothing which it did, and no cache that it
filled, reaches anybody else. Each names the killers (`killers`) that must see it, one by one: a story of the scripted
clusters, drawn runs of the simulator with the checkers that see it, scenarios with twins, every instant at which the
power can go, or tests of the suite. What a simulated run shows must be gone when the same seed is run without the
mutant.

    consensus          votes, rounds, timers, locks and restarts of the engine
    consensus_proofs   certificates, justifications and evidence, and whom they bind
    replica            what the replica says, hears and fetches
    storage            what is durable, and what is believed of a disk
    sets               changes of the validator set
    verification       blocks, receipts, proofs, light clients, exports and audits
    ahead              what is verified ahead by other processes
    leaders            leaders whose link is lost

`rows` are those of "known failures in the field" (consensus research, section 2) that a mutant brings back; each row
has at least one. `scripts/simulate --mutants` runs all and writes `table.md`.
"""
