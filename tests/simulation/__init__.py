"""The simulator: the production replica in a world made of one seed.

A run is a world (`world`) of machines (`machine`) that each drive a real `node.replica.Replica`: network (`network`),
clocks (`clock`) and disks (`disk`) are simulated, and everything that happens is drawn from one `random.Random(seed)`.
What was drawn stands in a `Plan` (`plan`), which is printed first. A run has two phases:

* safety: messages are lost, late, doubled and cut off, machines lose power in the middle of writes and sends, pause,
  restart, and some validators lie (`byzantine`, one small file for each kind of liar);
* liveness: the network is healed, no more than n - q validators are dead or lying, and every live honest machine must
  append further blocks, and every transaction that was ever submitted, within a bound of simulated time.

Checkers (`checkers`, one small file each) watch all of it: what leaves a machine, at that very instant; what is on its
disk then; and what it says was committed. They raise `Violation`. `python -m tests.simulation` is `scripts/simulate`.
"""
