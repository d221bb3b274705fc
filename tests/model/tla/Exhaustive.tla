--------------------------- MODULE Exhaustive ----------------------------
(***************************************************************************)
(* Consensus with everything finite, and what TLC may leave out.           *)
(***************************************************************************)
EXTENDS Safety, TLC

(* Honest validators and contents are as good as each other where no       *)
(* honest one leads.                                                       *)
Symmetry == Permutations(Honest) \cup Permutations(Contents)
SymmetryOfContents == Permutations(Contents)

(* Every leader is Byzantine: all that honest leaders do is in that.       *)
ByzantineLeaders == [r \in Rounds |-> "byzantine"]

(* One honest validator leads every round.                                 *)
OneLeader == [r \in Rounds |-> CHOOSE p \in Honest : TRUE]

==========================================================================
