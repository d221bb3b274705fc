----------------------------- MODULE Mutants -----------------------------
(***************************************************************************)
(* Wrong rules.  A configuration puts one of them in the place of the      *)
(* right one (CONSTANT Right <- Wrong), and then some invariant must be    *)
(* violated: what is not violated by any wrong rule checks nothing.        *)
(***************************************************************************)
EXTENDS Exhaustive

(* Certificates *)

OneLess(signers) == Cardinality(signers) + Faulty >= Quorum - 1

(* A3: certificates name what nobody can show. *)
AnythingProvable(r) == {Nothing} \cup ((0 .. r) \X Blocks)

(* "hq <= r": certificates name rounds above their own. *)
LaterRoundsProvable(r) == Nameable(LastRound)

FreeChoice(high, r) == {Block(r, c) : c \in Contents}

(* Rules *)

EnterOnOwnTimer(r) == {NoCertificate}

ProposeTwice(p, r) ==
    IF Leaders[r] # p \/ timeouts[p][r] # {} THEN {}
    ELSE LET high == IF r = 0 THEN Nothing ELSE entry[p][r]
         IN  {Proposal(b, high) : b \in Allowed(high, r)}

PrepareTwice(p, r) == IF timeouts[p][r] # {} THEN {} ELSE Proposed(r)

PrepareAfterCommit(p, r) ==
    IF prepares[p][r] # {} \/ timeouts[p][r] # {} THEN {} ELSE Proposed(r)

CommitAfterGivingUp(p, r) ==
    IF commits[p][r] # {} THEN {}
    ELSE {b \in PreparedIn(r) : \A v \in prepares[p][r] : ProposedBlock(v) = b}

CommitWhatOthersPrepared(p, r) ==
    IF commits[p][r] # {} \/ GaveUp(p, r) THEN {} ELSE PreparedIn(r)

CommitWhatIsProposed(p, r) ==
    IF commits[p][r] # {} \/ GaveUp(p, r) THEN {}
    ELSE {ProposedBlock(v) : v \in prepares[p][r]}

NameNothing(p, r) == IF timeouts[p][r] # {} THEN {} ELSE {Nothing}

(* A5: a newer prepare certificate takes the place of an older one, though *)
(* a timeout may not name it, because it is above its round.               *)
HeldNewestOnly(p, r) ==
    IF \E k \in r + 1 .. LastRound : PreparedIn(k) # {} THEN {}
    ELSE Committed(p, r) \cup Named(p, r) \cup EnteredWith(p, r)

(* A8: the certificate that let it into the round is kept instead. *)
EntryIsKept(p, r, v) == entry[p][r]

(* Restarts *)

EntryForgotten(p, r) == NoCertificate

BackToTheBeginning(p) == 0

(* Votes that were not durable. *)
PrepareAgain(p, r) == Proposed(r)
CommitAgain(p, r) == PreparedIn(r)
NameAgain(p, r) == Nameable(r)

==========================================================================
