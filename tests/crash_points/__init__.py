"""Every instant at which the power of one validator can go, at a height whose first round fails, one after the other.

What a machine does that outlives it are its operations: a batch for the database, a slot of the guard, a frame for one
receiver. The power goes before each batch and each slot, in the middle of it, torn at every 64 bytes, and after it; and
after every single frame. Then the machine comes back at once, or when all the others have moved on. All of it is
enumerated from a recorded run of the same history (`recording`), so that nothing is left out and the count can be
stated; the production replica runs in the simulator's world, and all of the simulator's checkers watch.

    histories   how the first round of the height fails: which frames are lost
    operations  what outlives a machine, and the instants at which its power can go
    machine     a simulated machine that is recorded, or whose power goes at one instant
    files       a torn batch and a torn slot in the real files: what LevelDB and the guard make of them
    running     the recorded run, and a run with a cut, up to two further heights within the bound

A torn batch is torn in the log of a real LevelDB, cut at each 64 bytes, and opened again with production code: it must
give the rows from before the batch or, when all of it is there, those from after it. So the future of a torn batch is
one that is run already. Instants with the same files, in a world that has heard the same, share one run for each way to
come back: nothing else of a machine outlives it. (consensus research, section 3, target 3)
"""
