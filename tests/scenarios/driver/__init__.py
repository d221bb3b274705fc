"""Scripted clusters: production engines, a network and clocks in the hand of a text file.

A script starts with comments that tell its story. Each further line is one command; after each of them the invariants
of `world` are checked. Nodes are `0`, `1,2` or `all`; rounds are written height/round; a block is called by the height
and round in which an honest leader built it (`1.0`), or as a forged one was named.

    validators 4 quorum 3 [base 1000] [heartbeat 60000]     at height 1, validator (1 + r) mod n leads round r
    byzantine 3            has no engine: the script speaks for it            dead 1        crashes for good
    crash 1 | restart 1    | crash 1 before commit | crash 1 after commit sends 2 (dies at that vote, when it comes)
    amnesia 1              restarts without its vote state          observer 1    may not vote (from its next height on)
    builds-badly 1 on|off  | brake off        | clock 1 +3600000
    work 0,2 a b           transactions reach these nodes ("invalid" makes the block that has it invalid)
    cut 0,1 2,3 | heal     only within a group is anything sent
    settle                 deliver until nothing is in flight            drop | deliver FROM->TO [KIND [H/R]]
    clear                  lose everything in flight            repeat 200 ... end     do the lines in between again
    pass 500 | run 500     let time pass, delivering nothing | everything
    block X by 1 round 0 [time +5] [with a b]                            name a forged block
    forge 1 proposal 1/0 X [because J] [hiding] to 0,2                   sign and send as validator 1
    forge 1 prepare 1/0 X [because J] to all | forge 1 commit 1/0 X to 0 | forge 1 timeout 1/0 [high 0 X [bare]] to 0
    certificate J timeout 1/0 from 0,2,3 [bare]                          name a timeout certificate of signed timeouts
    forge 1 certificate J to 0,2                                         send it
    expect NODES deciding 2 | round 1/1 | signed commit 1/0 1.0 | unsigned timeout 1/0 | fresh | silent | down
    expect NODES timing | idle (whether the timer runs) | contradicted
    expect committed 1 1.0 | evidence against 3 [KIND] | no evidence | refused TEXT | leader 2/0 3 | evidence count 2
    expect flight FROM->TO KIND [H/R] | no flight FROM->TO KIND [H/R]
    network commits [within 3000]                                        heal, revive, offer work: all live nodes append
"""
