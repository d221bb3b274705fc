---------------------------- MODULE Consensus ----------------------------
(***************************************************************************)
(* How the validators of one height decide one block, as it is implemented *)
(* in ledger.consensus: two votes, and round changes that are justified by *)
(* timeout certificates.  The package's docstring tells it in prose; the   *)
(* names of rules here are the names there.                                *)
(*                                                                         *)
(* What is left out, and why that is sound:                                *)
(*                                                                         *)
(*  - The network.  Whatever was cast may be known to anybody at any time, *)
(*    or never.  A step asks only whether a certificate can be assembled   *)
(*    from votes that were cast: loss, delay, repetition and reordering    *)
(*    are all in that.  Which certificates a validator holds is decided as *)
(*    late as possible: when it names one.  It holds at least what it      *)
(*    promised to hold (Held).                                             *)
(*                                                                         *)
(*  - Byzantine validators.  All Faulty of them are in every quorum, and   *)
(*    sign whatever serves.  A round that one of them leads proposes, to   *)
(*    whomever, anything that can be justified.                            *)
(*                                                                         *)
(*  - Time.  A timer may fire at any moment, or never.                     *)
(*                                                                         *)
(*  - Disks.  What is cast is durable with what it promises, because that  *)
(*    is the implementation's rule ("durable before visible"); so losing   *)
(*    power loses the rounds that were entered and not spoken in, and      *)
(*    nothing else (Restart).                                              *)
(*                                                                         *)
(*  - Other heights, and what a block contains.  Validators that decide    *)
(*    say no more; here they may go on, which only adds behaviours.        *)
(*                                                                         *)
(* Amendments (A1 ...) are those of the protocol's description.  A4, A6,   *)
(* A7 and A10 speak of disks, of the order of leaders and of clocks: they  *)
(* narrow when a step is taken, and never which step may be.               *)
(***************************************************************************)
EXTENDS Integers, FiniteSets

CONSTANTS
    Honest,     \* the validators that follow the rules
    Faulty,     \* how many others there are: they sign anything
    Quorum,     \* q, the only threshold
    LastRound,  \* rounds are 0 .. LastRound
    Contents,   \* what a fresh block may contain
    Leaders     \* who leads which round: [0 .. LastRound -> Honest or not]

Size == Cardinality(Honest) + Faulty

ASSUME /\ Faulty \in Nat /\ LastRound \in Nat
       /\ Quorum \in Faulty + 1 .. Size /\ Size < 2 * Quorum

Rounds == 0 .. LastRound

(* Validators take turns, where they have numbers.                         *)
ByTurns == [r \in Rounds |-> r % Size]

(***************************************************************************)
(* A block knows the round for which it was made, in its header, and is    *)
(* never rewritten when it is proposed again.                              *)
(***************************************************************************)
Block(r, c) == <<r, c>>
FreshRound(b) == b[1]
Blocks == Rounds \X Contents

(***************************************************************************)
(* "The newest prepare certificate that I hold is of round r, for block    *)
(* b": what a timeout vote says, what a timeout certificate proves for the *)
(* highest of its signers, and what a justification binds a proposal to.   *)
(***************************************************************************)
Nothing == <<-1>>
Prepared(r, b) == <<r, b>>
RoundOf(high) == high[1]
BlockOf(high) == high[2]
Highs == {Nothing} \cup (Rounds \X Blocks)

(***************************************************************************)
(* A proposal, and the prepare vote for it: a block, and the justification *)
(* that both bind.                                                         *)
(***************************************************************************)
Proposal(b, high) == <<b, high>>
ProposedBlock(v) == v[1]
Justification(v) == v[2]

NoCertificate == <<>>

VARIABLES
    round,      \* the current round of each honest validator
    entry,      \* by round: the timeout certificate it entered with, or prepared with
    proposals,  \* by round: what an honest leader proposed
    prepares,   \* by validator and round: the prepare votes it cast
    commits,    \* by validator and round: the blocks it cast commit votes for
    timeouts    \* by validator and round: what its timeout votes name

vars == <<round, entry, proposals, prepares, commits, timeouts>>

Init ==
    /\ round = [p \in Honest |-> 0]
    /\ entry = [p \in Honest |-> [r \in Rounds |-> NoCertificate]]
    /\ proposals = [r \in Rounds |-> {}]
    /\ prepares = [p \in Honest |-> [r \in Rounds |-> {}]]
    /\ commits = [p \in Honest |-> [r \in Rounds |-> {}]]
    /\ timeouts = [p \in Honest |-> [r \in Rounds |-> {}]]

--------------------------------------------------------------------------
(* Certificates: what can be assembled from what was cast.                 *)

IsQuorum(signers) == Cardinality(signers) + Faulty >= Quorum

PreparesSuffice(signers) == IsQuorum(signers)
CommitsSuffice(signers) == IsQuorum(signers)
TimeoutsSuffice(signers) == IsQuorum(signers)

(* The blocks with a prepare certificate of round r.  Prepare votes for    *)
(* one block that bind different justifications never make one together.   *)
(* (Justifications that prove the same are one here, whoever signed them:  *)
(* that only adds behaviours.)                                             *)
PreparedIn(r) ==
    LET votes == UNION {prepares[p][r] : p \in Honest}
        Suffice(v) == PreparesSuffice({p \in Honest : v \in prepares[p][r]})
    IN  {ProposedBlock(v) : v \in {w \in votes : Suffice(w)}}

(* The blocks with a commit certificate of round r.                        *)
CommittedIn(r) ==
    LET blocks == UNION {commits[p][r] : p \in Honest}
    IN  {b \in blocks : CommitsSuffice({p \in Honest : b \in commits[p][r]})}

(* What a timeout of round r may name: no round above its own ("hq <= r"), *)
(* and nothing that is not proved by the prepare certificate that comes    *)
(* with it (A3).                                                           *)
Nameable(r) ==
    {Nothing} \cup UNION {{Prepared(k, b) : b \in PreparedIn(k)} : k \in 0 .. r}

(* So the same holds for what the door lets pass in others' certificates.  *)
Provable(r) == Nameable(r)

(* The timeout certificates of round r, by what they prove: every signer   *)
(* names a lower round than the highest, or exactly the highest; and       *)
(* somebody names the highest.                                             *)
TimeoutCertificates(r) ==
    LET Agrees(p, high) == \E named \in timeouts[p][r] :
            RoundOf(named) < RoundOf(high) \/ named = high
        Signers(high) == {p \in Honest : Agrees(p, high)}
        IsNamed(high) ==
            \/ high = Nothing
            \/ Faulty > 0
            \/ \E p \in Honest : high \in timeouts[p][r]
    IN  {high \in Provable(r) : IsNamed(high) /\ TimeoutsSuffice(Signers(high))}

(* The blocks that a justification lets round r propose: where nothing was *)
(* prepared a fresh one; else the block of the highest prepare certificate.*)
Allowed(high, r) ==
    IF high = Nothing THEN {Block(r, c) : c \in Contents} ELSE {BlockOf(high)}

Justifications(r) == IF r = 0 THEN {Nothing} ELSE TimeoutCertificates(r - 1)

(* What can be justified in round r, and so what a Byzantine leader can    *)
(* show, and what voters accept from it.                                   *)
Justified(r) ==
    UNION {{Proposal(b, high) : b \in Allowed(high, r)} : high \in Justifications(r)}

Proposed(r) == IF Leaders[r] \in Honest THEN proposals[r] ELSE Justified(r)

--------------------------------------------------------------------------
(* What a validator knows, and has promised.                               *)

GaveUp(p, r) == \E k \in Rounds : k >= r /\ timeouts[p][k] # {}

Spoke(p, r) ==
    \/ prepares[p][r] # {} \/ commits[p][r] # {} \/ timeouts[p][r] # {}
    \/ Leaders[r] = p /\ proposals[r] # {}

(* The rounds up to r whose prepare certificates p holds for sure: those   *)
(* of its commits and of its timeouts, and those that came with its entry  *)
(* certificates.  None of them is dropped for a newer one (A5).            *)
Committed(p, r) == {k \in 0 .. r : commits[p][k] # {}}
Named(p, r) == {RoundOf(high) : high \in UNION {timeouts[p][k] : k \in 0 .. r}}
EnteredWith(p, r) ==
    {RoundOf(entry[p][k]) : k \in {j \in 1 .. r : entry[p][j] # NoCertificate}}

Held(p, r) == Committed(p, r) \cup Named(p, r) \cup EnteredWith(p, r)

--------------------------------------------------------------------------
(* What may be done: each rule is the set of its choices, so that Mutants  *)
(* can put a wrong one in its place.                                       *)

(* Enter round r, with a timeout certificate of the round before.          *)
MayEnter(r) == TimeoutCertificates(r - 1)

(* As leader, once, never after giving up, with the certificate that it    *)
(* entered with.                                                           *)
MayPropose(p, r) ==
    IF Leaders[r] # p \/ proposals[r] # {} \/ timeouts[p][r] # {} THEN {}
    ELSE LET high == IF r = 0 THEN Nothing ELSE entry[p][r]
         IN  {Proposal(b, high) : b \in Allowed(high, r)}

(* Once, never after giving up, and no other block than it committed (A1). *)
MayPrepare(p, r) ==
    IF prepares[p][r] # {} \/ timeouts[p][r] # {} THEN {}
    ELSE {v \in Proposed(r) : commits[p][r] \subseteq {ProposedBlock(v)}}

(* Once, never after giving up this round or a later one, only what is     *)
(* prepared, and no other block than it prepared itself.                   *)
MayCommit(p, r) ==
    IF commits[p][r] # {} \/ GaveUp(p, r) THEN {}
    ELSE {b \in PreparedIn(r) : \A v \in prepares[p][r] : ProposedBlock(v) = b}

(* Give round r up, once, and name the newest prepare certificate up to r  *)
(* that it holds; it may hold any that exists.                             *)
MayName(p, r) ==
    IF timeouts[p][r] # {} THEN {}
    ELSE {high \in Nameable(r) : \A k \in Held(p, r) : k <= RoundOf(high)}

(* The justification that a prepare vote binds is the one to keep (A8).    *)
KeptWith(p, r, v) == IF r = 0 THEN NoCertificate ELSE Justification(v)

(* After a loss of power: the highest round in which it spoke (A9), with   *)
(* the certificate that proves that round (A2).                            *)
Remembered(p) ==
    LET spoken == {r \in Rounds : Spoke(p, r)}
    IN  IF spoken = {} THEN 0 ELSE CHOOSE r \in spoken : \A k \in spoken : k <= r

EntryRemembered(p, r) == IF Spoke(p, r) THEN entry[p][r] ELSE NoCertificate

--------------------------------------------------------------------------
(* What doing it changes.                                                  *)

Enter(p, r, high) ==
    /\ round' = [round EXCEPT ![p] = r]
    /\ entry' = [entry EXCEPT ![p][r] = high]
    /\ UNCHANGED <<proposals, prepares, commits, timeouts>>

Propose(p, r, v) ==
    /\ proposals' = [proposals EXCEPT ![r] = @ \cup {v}]
    /\ UNCHANGED <<round, entry, prepares, commits, timeouts>>

Prepare(p, r, v) ==
    /\ prepares' = [prepares EXCEPT ![p][r] = @ \cup {v}]
    /\ entry' = [entry EXCEPT ![p][r] = KeptWith(p, r, v)]
    /\ UNCHANGED <<round, proposals, commits, timeouts>>

Commit(p, r, b) ==
    /\ commits' = [commits EXCEPT ![p][r] = @ \cup {b}]
    /\ UNCHANGED <<round, entry, proposals, prepares, timeouts>>

TimeOut(p, r, high) ==
    /\ timeouts' = [timeouts EXCEPT ![p][r] = @ \cup {high}]
    /\ UNCHANGED <<round, entry, proposals, prepares, commits>>

Restart(p) ==
    /\ round' = [round EXCEPT ![p] = Remembered(p)]
    /\ entry' = [entry EXCEPT ![p] = [r \in Rounds |-> EntryRemembered(p, r)]]
    /\ UNCHANGED <<proposals, prepares, commits, timeouts>>

--------------------------------------------------------------------------
(* Everybody speaks in the current round only.                             *)

Step(p, r) ==
    \/ \E k \in r + 1 .. LastRound : \E high \in MayEnter(k) : Enter(p, k, high)
    \/ \E v \in MayPropose(p, r) : Propose(p, r, v)
    \/ \E v \in MayPrepare(p, r) : Prepare(p, r, v)
    \/ \E b \in MayCommit(p, r) : Commit(p, r, b)
    \/ \E high \in MayName(p, r) : TimeOut(p, r, high)
    \/ Restart(p)

Next == \E p \in Honest : Step(p, round[p])

Spec == Init /\ [][Next]_vars

==========================================================================
