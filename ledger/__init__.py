"""The ledger decides: formats, rules, consensus, proofs, and nothing of the outside world.

Nothing in this package imports asyncio, sockets, clocks, randomness, the file system, logging, aiohttp or plyvel: time
and randomness come in as inputs, and what should happen goes out as values. So everything here can be run, attacked
and replayed by a test, and an auditor verifies with the very code that decides. A good order to read in:

    encoding, crypto            canonical JSON; hashing, and the one door for every signature
    claims                      signatures that other processes verify
    validators, genesis         who may sign, how many must, and how a network begins
    transaction, operations     what members ask for, and what it does
    rows, state                 what the ledger holds, and how rules see it
    roles, membership           who may do what, and what changes members
    governance                  how a chain changes itself: proposals, votes, and what comes into force when
    admission, execution        what may be in a block, and what comes of it
    amounts, conservation       numbers of assets, and that they add up
    seen_filter, id_filter      what has not been seen before, and which transactions there are not
    merkle, trie, block, chain  what a header commits to, and how a block is built and checked; `trie_nodes` has the
                                bytes of the state's nodes, `trie_update` changes them
    log                         the log as other people's tools read and check it: notes, tiles, proofs, policies
    consensus                   how a quorum agrees on the next block (the protocol in prose stands there)
    evidence                    who broke that protocol; `evidence_admission` says what of it may be in a block
    trail, pinned_checkpoint    where a verifier's trust starts, and what leads from there to who may sign at a height
    light_client                what is known of a chain without its blocks, from certified headers
    block_proof                 which transactions a block has, all of them, without their contents
    receipt, audit              what a stranger verifies, without trusting the node that answers; `evidence_file`,
                                `split_view` and `state_proof` too
    export, export_reading      a whole chain as a file that anybody can read, and what an audit makes of it

Values of which many are made for every transaction, message or block are msgspec's structs and no dataclasses: as
frozen, and made in a fraction of the time. All others are frozen dataclasses. Transactions and what they are made of,
of which thousands wait at a time, are not followed by the garbage collector (`gc=False`): a frozen value is made of
what was there before it, so it can be in no cycle.
"""
