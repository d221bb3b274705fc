"""Consensus: how a known set of validators decides one block per height. The protocol in prose, before any code.

It is PBFT/QBFT agreement with the DiemBFT/Jolteon pacemaker, run once per height: two votes, and round changes
justified by timeout certificates. The only threshold is the quorum q, with n/2 < q <= n. With b validators that
sign two different things (one that lost its vote state counts among them) and c that are stopped:

    safe while b <= 2q - n - 1        live, once the network delivers, while b + c <= n - q

## Words

    proposal              signed by the leader of a round: this block, justified by that
    prepare vote          "I verified this block and its justification, and hold both durably"
    prepare certificate   q prepare votes of one (round, block, justification)
    commit vote           "I hold a prepare certificate of this round, and its block, durably"
    commit certificate    q commit votes of one (round, block): the block is final, whatever the round
    timeout vote          "I give this round up; my newest prepare certificate, up to this round, is this one"
    timeout certificate   q timeout votes of one round, with the prepare certificate of the highest round they name
    justification         of a proposal in round r > 0: a timeout certificate of round r - 1
    commit record         a header, its commit certificate, and the justifications down to the fresh proposal

## Rules (at one height; each arm of the code that follows one cites it)

    enter r       on a timeout certificate of r - 1, from anywhere, when r is above the current round: restart the
                  timer, send the certificate on, once
    propose       as leader(r), once, never after my timeout(r): if the justification has no prepare certificate, a
                  fresh block; else the block of that certificate, its header as it is
    prepare x     the proposal is of leader(r) and justified, x is here and valid, and timely if fresh (A7); I signed no
                  prepare(r), no timeout(r), and no commit(r) for another block (A1); a leader prepares its own
                  proposal as it casts it, and both become durable together
    learn         every prepare certificate, one per round; none replaces one of another round (A5)
    commit x      I hold the prepare certificate (r, x), x is here and valid; I signed no commit(r), no
                  timeout(r' >= r), and no prepare(r) for another block
    time out      the timer of r fires, or its leader is unlinked for T(r) / 2, or (brake) is seen to propose twice;
                  once, with the newest prepare certificate of a round <= r; resent with the identical bytes and
                  certificate
    append x      q commit votes (r, x) for any r, x is here and valid, and the record is complete (A8)
    tick          resend own messages of r, the entry certificate, status, and requests; answer whoever is in an earlier
                  round with the entry certificate, once per peer and tick

The timer, T(r) = min(base * 1.5^r, max), runs in rounds above 0; and in round 0 once there is work, or a valid or
durable message of the height (A4c), or the heartbeat has passed. Once it runs, leaders propose, an empty block if
need be; in round 0 no empty block before the base timeout has passed since the parent's commit (A10).

`leader(r)` comes from committed state alone (A6), so there is no question of who leads, only of when.

## Durable before visible

    before sending    durable in the same synced batch (`Durable` in `effects`)
    proposal          itself; justification; the block, if it is here
    prepare           itself; justification; the block
    commit            itself; the prepare certificate; the block
    timeout           itself; the prepare certificate that it names
    any, r > 0        also the entry certificate with its prepare certificate (A2); one per round is kept, from the
                      prepare on its justification, which a record may need when nobody else has it (A8)
    next height       the commit batch (A4a): done by the replica before an engine of the next height exists

A restart resumes in the highest round with a signed message, counts its own votes again, and resends them (A9). A
node whose vote state is lost or behind observes (A4b); one that is shown a statement of its own that it does not
remember stops signing.

## Why it is safe

(a) Two prepare certificates of one round share an honest validator, which prepares once: same block. (b) Let (r, x)
be committed. Every later proposal is x: a timeout certificate of a round >= r shares an honest validator with the
commit certificate; it signed commit(r) before that timeout (never after), held the prepare certificate (r, x) from
then on, and so named a round m >= r; by induction over the rounds in between every prepare certificate of a round m
>= r is for x, and the proposal must be the block of the highest. (c) So a second commit certificate, in whichever
round, is for x. Crashes need nothing but durability; time is never used.

Live: rounds move only with certificates, so they cannot run away while no quorum is connected, and one certificate
brings a node any distance. Nothing forbids a timeout, so in every round all live validators either decide or give
up; in the first round with a live leader, linked to all, and T(r) above four message delays all enter, find the
proposal valid (which does not depend on who looks), and vote.

Accountable: the pairs E1, E2, E3 (`evidence`) are never signed by an honest validator, and two valid records for
different blocks always contain such pairs against at least 2q - n validators. Therefore a prepare vote binds its
justification.

## Deviations from the sources

* From QBFT: a round is left with a certificate only, never on one's own timer; the header is not rewritten on a
  round change.
* From Jolteon: no chaining; each block has its own commit certificate, and all state is dropped with the height.
  The timeout certificate is taken with the prepare certificate it needs or not at all (A3, "hq <= r").
* When an idle round 0 is started by somebody's message, its timer counts from the end of the A10 pause, so that one
  Byzantine timeout cannot cost an idle, honest leader its round and its place in the order.
* A round whose leader's link is lost is given up after half of its timer, so that a validator that was killed stops the
  others for less. A timer may fire at any time, so this needs no argument for safety.
* In rounds above 0 an empty block needs no pause: a quorum saw round 0 time out.

## Where it is

    statements  messages  inputs  effects       the values
    codec  verification  record  evidence       from bytes to proof: the door, for nodes and auditors alike
    height  state                                what one engine is given, and what it knows
    votes  learning  justification               counting, certificates, why a round may propose
    pacemaker  proposing  voting  committing     the rules
    engine                                       one height: inputs in, effects out
"""
