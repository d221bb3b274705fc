"""The ledger as a transparency log that other people's tools can check: the formats of C2SP. Pure.

The tree itself is `ledger.merkle`. Here is what is said about it, in text files and static resources that anybody's
code reads (specifications at https://c2sp.org):

    signed_note     a text and who signed it; keys as text (signed-note)
    checkpoint      size and root of this chain's log, and a validator's two signatures on it (tlog-checkpoint,
                    tlog-cosignature)
    tiles           the tree and its entries as static resources (tlog-tiles)
    policy          whose signatures suffice (tlog-policy): of a validator set, any quorum
    proof           one entry, its path, and a checkpoint, in one file (tlog-proof)

A quorum certificate and a quorum of cosignatures are different statements by different keys. A certificate decides
which block is next. A cosignature says: as of this time, the largest tree that I have seen of this log, and have found
to be consistent with all before it, has this size and root. Who holds checkpoints can compare them with others.
"""
