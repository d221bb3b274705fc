"""Real processes under real faults: a network of validators that is killed, paused, cut off, starved and set wrong.

    plan            what happens when, all of it drawn from one seed and printed first
    links           every link between two nodes through a proxy: cut, silent, one-way, slow, broken in mid-frame
    disks           a small disk for every node, which can be filled
    shifted_clock   quorum-node with a wall clock that is set, jumps and runs at another speed while it runs
    machines        the nodes as processes, and a supervisor that starts again what ended by itself
    clients         who submit and read all along, and write down what they did and were told
    history         that, and what is asked of it in the end: nothing acknowledged lost, nothing twice, one order
    run             all of it together: faults, then none, then the questions

`scripts/soak` runs it for as long as one likes. The simulator (`tests/simulation`) has more faults, at every point of a
protocol step, and thousands of seeds; what it believes of processes, TCP, TLS, LevelDB and file systems is tried here.
"""
