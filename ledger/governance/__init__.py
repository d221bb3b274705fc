"""How a chain changes itself: proposals, votes, and what comes into force when.

    changes      what a proposal may ask for: one dataclass for each type of change, and their table
    readiness    what a joiner signs with its new keys before it may be added, and the file that carries it
    electorate   who may vote, and with which weight
    proposals    what voters agree to (its digest), what their votes amount to, and what is decided of the set
    draft        the state with a proposal's changes over it, judged as a whole
    activation   what a block puts into force at its end, and which rules the software must know
    impact       what a change of the set does to quorum and tolerance, in words
    reach        what it means for a quorum that some validators cannot be reached, in words

The life of a proposal: it is created, approved by validators that together are a quorum of the set in force, checked
in that very block, and comes into force `delay` heights later, checked again then. From height H on means: at the end
of executing block H - 1, so that the header of H - 1 names the set that signs H. A change that would break the network
(a quorum that is none, nobody to administer or to vote, a joiner that is not ready) is refused wherever it is checked;
one that has become impossible in the meantime fails and changes nothing. [safety]
"""
