"""`python -m node` is `quorum-node`."""

from node.cli import main

main(prog_name="quorum-node")
