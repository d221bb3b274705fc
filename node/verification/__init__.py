"""Verifying on other cores: worker processes that verify signatures before the replica asks for them.

    link, API  ->  inbox  ----------------------------------->  Replica.step  ->  verify(key, message, signature)
                     |                                                                  |
                     +-> arriving -> AheadVerifier.expect -> jobs -> workers -> answers +-> known true, or verified here

The replica is given one function, `verify`, and asks it for every signature. That function is an `AheadVerifier`. What
comes in many at once (`arriving`) is handed to workers while it waits in the inbox; when the replica asks, the answer
is there, or is waited for, or the signature is verified where it is asked for, as if there were no workers. Threads
would not do: beside a busy loop they verify 80 times slower (the interpreter's lock).

**Why nothing but a true verification counts. [safety]** `verify` is a predicate of three byte strings: neither time,
nor order, nor who asks, nor what the chain holds changes what is true of them. So it may be asked at any time, by
anybody whose library answers like ours; a worker runs this very code (`ledger.claims.answer`, `ledger.crypto.verify`)
and begins with the same self-test. What is remembered of an answer is remembered under the three byte strings
themselves, not under a name that could be somebody else's: of an envelope under its key, its exact signed bytes and
its signature, so that nobody can swap one of them. Where they were found does not matter, and is not believed: a
signature that `arriving` read wrongly from an envelope is one that nobody asks for. Only *true* is ever taken from a
worker; *false* is found again here before anybody is refused, or blamed, for it. An answer counts only whole: with the
number of the job that this worker was to answer next, and one byte, 0 or 1, for each of its signatures. Anything else
ends the worker, and nothing that was under way with it counts. Who may ask is not touched either: the replica looks
accounts up, and checks keys against them, before it calls `verify`, and remembers verified envelopes as ever
(`node.replica.door`); whoever could make a worker lie could write to this node's memory or program files.

**Why the replica stays synchronous, and the simulator runs the same one.** Nothing is handed to the replica that it
would not be handed without workers, in the same order, in the same steps, and every call of `verify` returns what it
would return without them. They change when a step returns and nothing else, so the simulator, whose `verify` remembers
in its own way, attacks the object that production runs. With `verify_workers = 0` there is no such stage at all.

**When a worker dies, hangs, or answers something else.** A worker that ends, or says what is no answer of its next job,
is ended, and what it had is verified where it is needed; a warning says so, and another is started after
VERIFY_RESTART_SECONDS. When the replica needs an answer that does not come within VERIFY_WAIT_MS_MAX, all workers are
ended: one such wait is all that hanging ones can cost in that time. So they are when waits in which fewer signatures
came than one for each VERIFY_SIGNATURE_MS_MAX add up to as much: that is all that very slow ones can cost. What waits
in front of all workers is not waited for: it is taken back and verified here.
Workers have no state, no files and no keys: they are ended at any time by closing their pipes, and end by themselves
when this process is gone.

**What bounds it.** Signatures that nobody has asked for yet: VERIFY_AHEAD_MAX and VERIFY_AHEAD_BYTES_MAX; beyond, the
oldest are forgotten, which costs time and nothing else. With each worker: VERIFY_WORKER_SIGNATURES_MAX and
VERIFY_WORKER_BYTES_MAX. So strangers cannot make workers do what the design keeps them from making the replica do, a
gossiped or submitted signature is handed over only when its key is registered to the account that sends it.
(design sections 2 and 11)
"""
