"""Twins (arXiv 2004.10617): every scenario of a small network in which one validator runs twice.

Each validator is the production engine; the bad ones run as several instances with one key, each honest for itself,
that know nothing of each other. What a Byzantine validator can do without being seen through at once, equivocating,
forgetting, voting twice, comes of who hears whom. A scenario has phases, each with two choices:

    who hears whom    one of all ways to split the instances into two groups (the second may be empty)
    who leads         the validator that leads the round of this number

Phase 0 begins the height. Every later one first resends, within its own groups, what is current, so that the rounds
before get a second chance among others; then all timers fire, and a new round begins where enough gave up the last. A
leader that is seen to propose twice is given up at once, so that there may be more rounds than phases: their leaders
are those of the scenario, from the first on again (of a drawn one, everybody in turn before that). An instance that
decided is silent: who is behind must get on with what it heard.

    n = 4, q = 3, one twin: 16 splits of 5 instances x 4 leaders = 64 choices; three phases: 262,144 scenarios

## Why not every scenario is run by itself, and yet none is left out

* A phase of one group depends on the states of its members alone (who leads is part of them): no message crosses
  groups, what happens within one happens in the order of one queue, and both clocks stand still while it is emptied.
  So the phase is a function of the members' states, and is computed once for each such argument (`phases`).
* An engine is deterministic, and two instances are one argument only if *everything* in them is equal: every field of
  the engine's state with the order of every dictionary, the bodies at hand, what was signed, the record decided
  (`instance`). Nothing is folded by a symmetry between validators, which would need an argument about ties.
* So a scenario's outcome is the tuple of its instances' states; scenarios with the same leaders and the same tuple go
  on as one, with their number (`scenarios`), and the numbers must add up to all scenarios. A test plays scenarios one
  by one and finds the same outcomes.

`sampling` has what this leaves out: omissions per receiver and kind of message, more phases, larger networks. All ask
the same of every outcome (`outcome`), and that a network in which nobody has decided does, once it is whole and an
honest validator leads.
"""
