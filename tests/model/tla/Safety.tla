----------------------------- MODULE Safety ------------------------------
(***************************************************************************)
(* What must hold in every state of Consensus.                             *)
(*                                                                         *)
(* Agreement, OnePrepared, Locked and EveryCommitIsOnRecord need           *)
(* Faulty <= 2 * Quorum - Size - 1.  All else holds with any number of     *)
(* Byzantine validators: nobody can make an honest one contradict itself,  *)
(* so that two conflicting commit certificates convict only the guilty.    *)
(***************************************************************************)
EXTENDS Consensus

WithinBound == Faulty <= 2 * Quorum - Size - 1

TypeOK ==
    LET Votes == Blocks \X Highs IN
    /\ round \in [Honest -> Rounds]
    /\ \A p \in Honest, r \in Rounds :
        /\ entry[p][r] \in Highs \cup {NoCertificate}
        /\ prepares[p][r] \subseteq Votes
        /\ commits[p][r] \subseteq Blocks
        /\ timeouts[p][r] \subseteq Highs
    /\ \A r \in Rounds : proposals[r] \subseteq Votes

--------------------------------------------------------------------------
(* Safety.                                                                 *)

(* No two different blocks are final, whatever their rounds.               *)
Agreement == Cardinality(UNION {CommittedIn(r) : r \in Rounds}) <= 1

(* A round prepares one block at most.                                     *)
OnePrepared == \A r \in Rounds : Cardinality(PreparedIn(r)) <= 1

(* After a commit certificate, later rounds can justify its block alone.   *)
Locked ==
    \A r \in Rounds : \A b \in CommittedIn(r) :
        \A k \in r + 1 .. LastRound : \A v \in Justified(k) : ProposedBlock(v) = b

--------------------------------------------------------------------------
(* Accountability: what no honest validator ever signs (E1, E2, E3).       *)

NoTwoStatements ==
    /\ \A p \in Honest, r \in Rounds :
        /\ Cardinality(prepares[p][r]) <= 1
        /\ Cardinality(commits[p][r]) <= 1
        /\ Cardinality(timeouts[p][r]) <= 1
    /\ \A r \in Rounds : Cardinality(proposals[r]) <= 1

NoCommitOfAnotherBlock ==
    \A p \in Honest, r \in Rounds : \A v \in prepares[p][r], b \in commits[p][r] :
        ProposedBlock(v) = b

NoCommitForgotten ==
    \A p \in Honest, r, k \in Rounds :
        commits[p][r] # {} /\ k >= r => \A high \in timeouts[p][k] : RoundOf(high) >= r

NobodyIsFramed == NoTwoStatements /\ NoCommitOfAnotherBlock /\ NoCommitForgotten

--------------------------------------------------------------------------
(* Proof that can be shown: nothing waits for what nobody can produce.     *)

(* Who is in a round can show how it got there (A2).                       *)
RoundIsProved ==
    \A p \in Honest : round[p] > 0 => entry[p][round[p]] # NoCertificate

(* Whichever certificate opened a round, its leader can propose (A3).      *)
RoundCanBeLed ==
    \A p \in Honest, r \in Rounds \ {0} :
        entry[p][r] \notin {NoCertificate, Nothing} =>
            /\ RoundOf(entry[p][r]) < r
            /\ BlockOf(entry[p][r]) \in PreparedIn(RoundOf(entry[p][r]))

(* Who prepared holds the very justification that its vote binds (A8).     *)
BoundIsHeld ==
    \A p \in Honest, r \in Rounds \ {0} :
        \A v \in prepares[p][r] : entry[p][r] = Justification(v)

(* Nobody commits what no quorum prepared.                                 *)
CommitsArePrepared ==
    \A p \in Honest, r \in Rounds : commits[p][r] \subseteq PreparedIn(r)

(* The record of a commit leads down, by one justification after the       *)
(* other, to the proposal in whose round the block was fresh (A8).         *)
RECURSIVE OnRecord(_, _)
OnRecord(r, b) ==
    \E high \in Justifications(r) :
        /\ b \in Allowed(high, r)
        /\ high # Nothing => RoundOf(high) < r /\ OnRecord(RoundOf(high), b)

EveryCommitIsOnRecord ==
    \A r \in Rounds : \A b \in CommittedIn(r) : OnRecord(r, b)

==========================================================================
