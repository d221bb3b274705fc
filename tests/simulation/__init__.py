"""The simulator: the production replica in a world made of one seed.

A run is a world (`world`) of machines (`machine`) that each drive a real `node.replica.Replica`: network (`network`),
clocks (`clock`) and disks (`disk`) are simulated, and everything that happens is drawn from one `random.Random(seed)`.
What was drawn stands in a `Plan` (`plan`), which is printed first; what went wrong is counted by kind. A run has
two phases:

* safety: frames are lost, late, doubled, damaged, held back and cut off, or come again when nobody expects them;
  machines lose power in the middle of writes and sends, pause, sleep, crash while they start; disks are full, slow,
  do not answer, or do not have what was written (`incidents`); clocks are off by an hour, run at half or double speed
  and jump; and some validators lie (`byzantine`, one small file for each kind of liar and family of lies);
* liveness (`liveness`): the network is healed, no more than n - q validators are dead, damaged or lying, and every live
  honest machine must append further blocks, each within a stated bound of simulated time (`bound`), and every
  transaction that was ever submitted.

Checkers (`checkers`, one small file for each invariant) watch all of it: what leaves a machine, at that very instant;
what is on its disk then; and what it says was committed. They raise `Violation`. `python -m tests.simulation` is
`scripts/simulate`.

Three sorts of runs are besides: those in which more validators lie than the quorum bears, so that the chain may fork,
and then it must be proved who did it (`beyond`); those whose machines have LevelDB and guard files, and verify every
signature themselves, against which the simulated disk is held (`real_disk`); and those that are made to stand still by
something known, which the doctor of every machine must name, and nothing else (`stalls`, `hindering`).
"""
