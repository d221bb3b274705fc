"""Campaigns: what is exhaustive, or too long for every test run, run in pieces and recorded in the repository.

A campaign is a numbered list of units of work (seeds, scenarios, bytes of a file), and a function that runs some of
them (`campaign`). `scripts/simulate --campaign NAME` runs what its record in `results` does not have yet, on all cores,
and writes each piece down when it is done (`record`): it may be stopped at any time, and goes on there. A record says
for each range of units which commit ran it, under which Python, what was counted, and what was violated.
"""
