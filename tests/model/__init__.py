"""The model of consensus: what the protocol is, apart from the code that runs it, and whether the code follows it.

    tla/Consensus       the protocol of one height, in TLA+: what may be done, and what doing it changes
    tla/Safety          what must hold in every state of it
    tla/Exhaustive      everything finite: TLC looks at every state of two rounds
    tla/Mutants         wrong rules, one at a time in the place of a right one: each must violate something
    tla/Traces          whether what the implementation did are steps of Consensus

    tlc                 the model checker, had by pip from a pinned wheel, and what it answers
    relation            Consensus once more, in Python: fast enough to follow every run of the simulator; `test_port`
                        has it reach the very states that TLC finds
    recording           what honest machines of a run do, height by height, as lines of a trace
    exporting           traces as a module of TLA+, for `tla/Traces`

The layout is that of others who do so: one module says the protocol and one its properties (Tendermint's accountability
specification), and a separate one binds traces of the implementation to it (CCF's trace validation).

By hand: `python -m tests.model --help` runs TLC on larger networks and more rounds than the tests have time for.
"""
