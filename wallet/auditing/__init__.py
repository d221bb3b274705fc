"""What `quorum-audit` does: the judgement is `ledger`'s; here are files, nodes, processes and the screen.

`commands` has one module for each command.
"""
