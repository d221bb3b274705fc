------------------------------ MODULE Traces -----------------------------
(***************************************************************************)
(* Does what the implementation did follow Consensus?  Recorded (written   *)
(* by tests/model/exporting.py from runs of the simulator) has traces,     *)
(* each of one height: what honest validators did, in the order in which   *)
(* they did it.  Every line must be a step that Consensus allows in the    *)
(* state that the lines before it led to.  A line that is none is a        *)
(* deadlock, and (trace, line) in its last state names it.                 *)
(*                                                                         *)
(*    <<"enter", p, r, high>>       <<"prepare", p, r, block, high>>       *)
(*    <<"propose", p, r, block, high>>        <<"commit", p, r, block>>    *)
(*    <<"give up", p, r, high>>     <<"restart", p, r>>                    *)
(*    <<"decide", p, r, block>>                                            *)
(*                                                                         *)
(* Validators have numbers in the order in which they lead.                *)
(***************************************************************************)
EXTENDS Safety, Sequences, Recorded

VARIABLES trace, line

TraceInit == Init /\ trace \in DOMAIN Log /\ line = 1

Follows(event) ==
    LET what == event[1]  p == event[2]  r == event[3] IN
    CASE what = "enter" ->
            r > round[p] /\ event[4] \in MayEnter(r) /\ Enter(p, r, event[4])
      [] what = "propose" ->
            LET v == Proposal(event[4], event[5])
            IN  r = round[p] /\ v \in MayPropose(p, r) /\ Propose(p, r, v)
      [] what = "prepare" ->
            LET v == Proposal(event[4], event[5])
            IN  r = round[p] /\ v \in MayPrepare(p, r) /\ Prepare(p, r, v)
      [] what = "commit" ->
            r = round[p] /\ event[4] \in MayCommit(p, r) /\ Commit(p, r, event[4])
      [] what = "give up" ->
            r = round[p] /\ event[4] \in MayName(p, r) /\ TimeOut(p, r, event[4])
      [] what = "restart" ->
            r = Remembered(p) /\ Restart(p)
      [] what = "decide" ->
            event[4] \in CommittedIn(r) /\ OnRecord(r, event[4]) /\ UNCHANGED vars

NextLine ==
    /\ line <= Len(Log[trace])
    /\ Follows(Log[trace][line])
    /\ line' = line + 1
    /\ UNCHANGED trace

End == line > Len(Log[trace]) /\ UNCHANGED <<vars, trace, line>>

TraceSpec == TraceInit /\ [][NextLine \/ End]_<<vars, trace, line>>

==========================================================================
